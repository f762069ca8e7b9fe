/* `fedgate explain`: asks the running gate what it decided about a peer and prints it; or says what
 * a reason code means, without asking anybody. */
#include "cmd/cmd.h"
#include "cmd/explain.h"

#include "base/domain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOUND = 0, NONE_FOUND = 1, USAGE = 2, CANNOT_RUN = 3, LAST = 3, LAST_MAX = 50 };

static const char usage_text[] =
	"usage: fedgate explain TENANT PEER [--last N] [--json] [--config FILE]\n"
	"       fedgate explain CODE [--json]\n"
	"  TENANT PEER    a domain of ours, a domain of the world: what was decided between them\n"
	"  CODE           a reason code such as FG-C05: what it means and what helps\n"
	"  --last N       so many decisions, newest first (3; 50 at most)\n"
	"  --json         for programs\n"
	"  --config FILE  the gate's own file (" CMD_DEFAULT_CONFIG ")\n";

struct wish {
	const char *config, *words[2];
	size_t word_count;
	unsigned last;
	bool json, help;
};

/* --- what is wanted --- */

static bool complain(const char *what, const char *which)
{
	fprintf(stderr, "fedgate explain: %s%s\n%s", what, which, usage_text);
	return false;
}

static bool read_number(const char *text, unsigned *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	*out = (unsigned)n;
	return *text >= '0' && *text <= '9' && !*end && n >= 1 && n <= LAST_MAX;
}

static bool read_word(const char *a, struct wish *w)
{
	if (a[0] == '-')
		return complain("there is no option ", a);
	if (w->word_count == 2)
		return complain("one word too many: ", a);
	w->words[w->word_count++] = a;
	return true;
}

/* An option with a value behind it, in the next word or after `=`; NULL: a is another one. */
static const char *value_of(const char *option, char **argv, int *i)
{
	size_t len = strlen(option);
	const char *a = argv[*i];
	if (strncmp(a, option, len) != 0 || (a[len] && a[len] != '='))
		return NULL;
	if (a[len])
		return a + len + 1;
	return argv[*i + 1] ? argv[++*i] : "";
}

static bool read_arguments(int argc, char **argv, struct wish *w)
{
	*w = (struct wish){.config = CMD_DEFAULT_CONFIG, .last = LAST};
	for (int i = 1; i < argc; i++) {
		const char *config = value_of("--config", argv, &i);
		const char *last = config ? NULL : value_of("--last", argv, &i);
		const char *a = argv[i];
		if (config && !*config)
			return complain("--config needs a file behind it", "");
		if (last && !read_number(last, &w->last))
			return complain("--last needs a number from 1 to 50: ", last);
		if (config)
			w->config = config;
		else if (last)
			continue;
		else if (strcmp(a, "--json") == 0)
			w->json = true;
		else if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)
			w->help = true;
		else if (!read_word(a, w))
			return false;
	}
	return w->help || w->word_count || complain("what is to be explained?", "");
}

/* --- output --- */

static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "fedgate explain: the answer cannot be written\n");
	return CANNOT_RUN;
}

static void print_json(json_t *o)
{
	json_dumpf(o, stdout, JSON_INDENT(2));
	printf("\n");
}

/* --- a code --- */

static int explain_code(const struct wish *w)
{
	enum err_code code;
	struct buf text;
	if (!err_find(slice_str(w->words[0]), &code)) {
		complain("this is no reason code; two domains, or a code such as FG-C05: ",
			w->words[0]);
		return USAGE;
	}
	if (w->json) {
		json_t *o = explain_code_json(code);
		print_json(o);
		json_decref(o);
		return finish(FOUND);
	}
	buf_init(&text, BUF_UNLIMITED);
	explain_code_text(code, &text);
	fputs(buf_cstr(&text), stdout);
	buf_fini(&text);
	return finish(FOUND);
}

/* --- a pair --- */

static json_t *ask(const struct wish *w, const struct domain *tenant, const struct domain *peer)
{
	struct buf question;
	buf_init(&question, BUF_UNLIMITED);
	(void)buf_printf(&question, "explain %s %s %u\n", tenant->name, peer->name, w->last);
	json_t *answer = explain_ask_gate("explain", w->config, buf_cstr(&question));
	buf_fini(&question);
	return answer;
}

static void print_none(const struct domain *tenant, const struct domain *peer, bool served)
{
	char ours[DOMAIN_UNICODE_MAX + 1], theirs[DOMAIN_UNICODE_MAX + 1];
	(void)domain_unicode(tenant, ours);
	(void)domain_unicode(peer, theirs);
	printf("No decision between %s and %s is known.\n", ours, theirs);
	if (!served)
		printf("%s is not served here; `fedgate check` lists what is wrong with the "
		       "tenants.\n",
			ours);
	else
		printf("Since the gate was started neither side has tried, or it is so long ago "
		       "that others\nhave taken its place (512 are kept per worker). The log "
		       "has refusals for longer.\n");
}

static int explain_pair(const struct wish *w)
{
	struct domain tenant, peer;
	for (size_t i = 0; i < 2; i++) {
		if (err_is(domain_parse(slice_str(w->words[i]), i ? &peer : &tenant))) {
			complain("not a valid domain name: ", w->words[i]);
			return USAGE;
		}
	}
	json_t *answer = ask(w, &tenant, &peer);
	if (!answer)
		return CANNOT_RUN;
	bool none = json_array_size(json_object_get(answer, "decisions")) == 0;
	if (w->json) {
		print_json(answer);
	} else if (none) {
		print_none(&tenant, &peer, json_is_true(json_object_get(answer, "served")));
	} else {
		struct buf text;
		buf_init(&text, BUF_UNLIMITED);
		explain_text(answer, &text);
		fputs(buf_cstr(&text), stdout);
		buf_fini(&text);
	}
	json_decref(answer);
	return finish(none ? NONE_FOUND : FOUND);
}

int cmd_explain(int argc, char **argv)
{
	struct wish w;
	if (!read_arguments(argc, argv, &w))
		return USAGE;
	if (w.help) {
		fputs(usage_text, stdout);
		return FOUND;
	}
	return w.word_count == 1 ? explain_code(&w) : explain_pair(&w);
}
