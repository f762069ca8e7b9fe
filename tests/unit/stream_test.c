/* Replays the conversations of tests/scenario against the pure stream machines: whole, and with
 * every byte arriving alone. The format is described in tests/scenario/README.md. */
#include <dirent.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/play.h"
#include "../lib/xmlcheck.h"

#ifndef SCENARIO_DIR
#define SCENARIO_DIR "tests/scenario"
#endif

static enum err_code code_of(struct play *p, const char *id)
{
	for (int i = 0; i < ERR_COUNT; i++) {
		if (strcmp(err_row((enum err_code)i)->id, id) == 0)
			return (enum err_code)i;
	}
	complain(p, "no such reason", id, "-");
	return ERR_OK;
}

static struct verdict verdict_of(struct play *p, const char *word, const char *arg)
{
	struct verdict v = {.decision = VERDICT_ASK};
	if (strcmp(word, "proven") == 0) {
		v.decision = VERDICT_PROVEN;
		v.proof = *arg && strcmp(arg, "backend") == 0 ? PROOF_BACKEND : PROOF_CERTIFICATE;
	} else if (strcmp(word, "refused") == 0) {
		v.decision = VERDICT_REFUSED;
		v.why = err_make(code_of(p, arg));
	} else if (strcmp(word, "ask") != 0) {
		complain(p, "verdict", "proven, ask or refused", word);
	}
	return v;
}

static enum db_outcome outcome_of(const char *word)
{
	return strcmp(word, "valid") == 0     ? DB_VALID
	       : strcmp(word, "invalid") == 0 ? DB_INVALID
	       : strcmp(word, "busy") == 0    ? DB_BUSY
					      : DB_ERROR;
}

static void event_in(
	struct play *p, const char *name, const char *arg, const char *arg2, struct actions *a)
{
	if (strcmp(name, "tls-up") == 0) {
		p->tls_started = false;
		scan_reset(p->scan);
		stream_in_tls_up(&p->in);
	} else if (strcmp(name, "peer") == 0) {
		stream_in_peer_verdict(&p->in, verdict_of(p, arg, arg2), a);
	} else if (strcmp(name, "pair") == 0) {
		stream_in_verdict(&p->in, p->asked, verdict_of(p, arg, arg2), a);
	} else if (strcmp(name, "verified") == 0) {
		stream_in_verified(&p->in, p->asked, outcome_of(arg), arg2, a);
	} else if (strcmp(name, "key") == 0) {
		stream_in_key_checked(&p->in, &p->query, outcome_of(arg), a);
	} else if (strcmp(name, "fail") == 0) {
		stream_in_fail(&p->in, err_make(code_of(p, arg)), NULL, NULL, a);
	} else {
		complain(p, "event", "tls-up, peer, pair, verified, key or fail", name);
	}
}

static void event_out(
	struct play *p, const char *name, const char *arg, const char *arg2, struct actions *a)
{
	if (strcmp(name, "start") == 0) {
		stream_out_start(&p->out, a);
	} else if (strcmp(name, "tls-up") == 0) {
		p->tls_started = false;
		scan_reset(p->scan);
		stream_out_tls_up(&p->out, a);
	} else if (strcmp(name, "peer") == 0) {
		stream_out_peer_verdict(&p->out, verdict_of(p, arg, arg2), a);
	} else if (strcmp(name, "send-key") == 0) {
		stream_out_send_key(&p->out, slice_str(arg), a);
	} else if (strcmp(name, "finish") == 0) {
		stream_out_finish(&p->out, err_make(ERR_PEER_CLOSED), a);
	} else {
		complain(p, "event", "start, tls-up, peer, send-key or finish", name);
	}
}

static void happen(struct play *p, char *text)
{
	char *save = NULL;
	char *name = strtok_r(text, " ", &save);
	char *arg = strtok_r(NULL, " ", &save);
	char *arg2 = strtok_r(NULL, " ", &save);
	struct actions a;
	actions_init(&a);
	if (p->is_out)
		event_out(p, name, arg ? arg : "", arg2 ? arg2 : "", &a);
	else
		event_in(p, name, arg ? arg : "", arg2 ? arg2 : "", &a);
	take(p, &a);
	actions_fini(&a);
}

/* The words of "@" lines: what is true, or with "no-" in front what is not. */
static const struct {
	const char *name;
	size_t at;
} flags[] = {
	{"served", offsetof(struct play, local.served)},
	{"gone", offsetof(struct play, local.gone)},
	{"offer-tls", offsetof(struct play, local.offer_tls)},
	{"sni-conflict", offsetof(struct play, local.sni_conflict)},
	{"from-ours", offsetof(struct play, local.from_ours)},
	{"require-tls", offsetof(struct play, local.tls_required)},
	{"require-tls", offsetof(struct play, config.tls_required)},
	{"backend", offsetof(struct play, config.backend)},
	{"direct", offsetof(struct play, config.direct_tls)},
	{"attempt", offsetof(struct play, config.attempt_tls)},
	{"external", offsetof(struct play, config.may_external)},
	{"may-db", offsetof(struct play, config.may_dialback)},
};

static bool set_flags(struct play *p, const char *word)
{
	bool off = strncmp(word, "no-", 3) == 0, known = false;
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		if (strcmp(off ? word + 3 : word, flags[i].name) != 0)
			continue;
		*(bool *)((char *)p + flags[i].at) = !off;
		known = true;
	}
	return known;
}

static void configure_word(struct play *p, char *word)
{
	struct stream_out_config *c = &p->config;
	char *value = strchr(word, '=');
	if (!value) {
		if (!set_flags(p, word))
			complain(p, "setting", "a known one", word);
		return;
	}
	*value++ = '\0';
	if (strcmp(word, "local") == 0)
		(void)domain_parse(slice_str(value), &c->local);
	else if (strcmp(word, "remote") == 0)
		(void)domain_parse(slice_str(value), &c->remote);
	else if (strcmp(word, "lang") == 0)
		snprintf(c->lang, sizeof c->lang, "%s", value);
	else if (strcmp(word, "max-bytes") == 0)
		p->local.max_bytes = strtoul(value, NULL, 10);
	else if (strcmp(word, "idle-seconds") == 0)
		p->local.idle_seconds = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(word, "refusal") == 0)
		p->local.refusal = err_make(code_of(p, value));
	else if (strcmp(word, "verify") == 0)
		snprintf(c->verify_id, sizeof c->verify_id, "%s", value);
	else
		complain(p, "setting", "a known one", word);
}

/* "role in served require-tls ..." begins; "set ..." changes what the next look-up says. */
static void configure(struct play *p, char *text)
{
	char *save = NULL;
	char *role = strtok_r(text, " ", &save);
	for (char *w; (w = strtok_r(NULL, " ", &save));)
		configure_word(p, w);
	if (strcmp(role, "set") == 0)
		return;
	struct domain gate;
	assert_false(err_is(domain_parse(SLICE_LIT("gate.example"), &gate)));
	p->is_out = strcmp(role, "out") == 0;
	p->config.verify = p->config.verify_id[0] != '\0';
	snprintf(p->config.verify_key, sizeof p->config.verify_key, "%s", "SECRETKEY");
	if (p->is_out)
		stream_out_init(&p->out, &p->config);
	else
		stream_in_init(&p->in, strcmp(role, "egress") == 0, strcmp(role, "direct") == 0,
			&gate, "IDE");
}

static void expect(struct play *p, const char *what, struct buf *got, const char *pattern)
{
	const char *text = buf_cstr(got);
	if (fnmatch(pattern, text, 0) != 0)
		complain(p, what, pattern, text);
	buf_clear(got);
}

static void expect_act(struct play *p, const char *want)
{
	struct slice all = buf_peek(&p->acts);
	size_t n = slice_find(all, '\n');
	char line[600];
	snprintf(line, sizeof line, "%.*s", (int)n, all.ptr);
	if (fnmatch(want, n < all.len ? line : "(nothing)", 0) != 0)
		complain(p, "action", want, n < all.len ? line : "(nothing)");
	buf_consume(&p->acts, n < all.len ? n + 1 : n);
}

static void play_file_part(struct play *p, const char *title);

static void play_line(struct play *p, char *line)
{
	char *rest = line[0] && line[1] == ' ' ? line + 2 : line + 1;
	switch (line[0]) {
	case '#':
	case '\0':
		break;
	case '<':
		/* What nobody expected must not hide behind the next input. */
		if (buf_len(&p->acts))
			complain(p, "action before more input", "(nothing)", buf_cstr(&p->acts));
		receive(p, slice_str(rest));
		break;
	case '>':
		expect(p, "output", &p->sent, rest);
		break;
	case '!':
		expect_act(p, rest);
		break;
	case '=':
		happen(p, rest);
		break;
	case '@':
		configure(p, rest);
		break;
	case '+':
		play_file_part(p, rest);
		break;
	default:
		complain(p, "line", "one of # < > ! = @ +", line);
	}
}

static void play_end(struct play *p)
{
	if (buf_len(&p->acts))
		complain(p, "action left over", "(nothing)", buf_cstr(&p->acts));
	if (buf_len(&p->sent))
		complain(p, "output left over", "(nothing)", buf_cstr(&p->sent));
	if (!xml_output_fine(buf_peek(&p->wrote)))
		complain(p, "output is not well-formed", "XML", buf_cstr(&p->wrote));
	if (p->is_out)
		stream_out_fini(&p->out);
	else
		stream_in_fini(&p->in);
	scan_free(p->scan);
	buf_fini(&p->wrote);
	buf_fini(&p->sent);
	buf_fini(&p->acts);
}

static void play_begin(struct play *p, const char *file, unsigned line, bool split)
{
	memset(p, 0, sizeof *p);
	p->file = file;
	p->line = line;
	p->split = split;
	p->open = true;
	p->scan = scan_new(&scan_limits_stranger);
	buf_init(&p->sent, BUF_UNLIMITED);
	buf_init(&p->wrote, BUF_UNLIMITED);
	buf_init(&p->acts, BUF_UNLIMITED);
	p->local = (struct stream_local){.served = true, .offer_tls = true, .tls_required = true};
	p->config = (struct stream_out_config){.attempt_tls = true,
		.tls_required = true,
		.may_external = true,
		.may_dialback = true};
}

/* "+ title" plays the lines of preludes.txt under that title. */
static void play_file_part(struct play *p, const char *title)
{
	FILE *f = fopen(SCENARIO_DIR "/preludes.txt", "r");
	assert_non_null(f);
	char line[4096];
	bool inside = false, found = false;
	while (fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '*')
			inside = line[1] && strcmp(line + 2, title) == 0;
		else if (inside)
			play_line(p, line);
		found |= inside;
	}
	fclose(f);
	if (!found)
		complain(p, "prelude", "one of preludes.txt", title);
}

/* A file holds several scenarios, each begun by "* title". */
static unsigned play_file(const char *path, bool split)
{
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	static char line[64 * 1024];
	struct play p;
	unsigned played = 0, number = 0;
	while (fgets(line, sizeof line, f)) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '*') {
			if (played++)
				play_end(&p);
			play_begin(&p, path, number, split);
		} else if (played) {
			p.line = number;
			play_line(&p, line);
		}
	}
	if (played)
		play_end(&p);
	fclose(f);
	return played;
}

static void play_all(bool split)
{
	DIR *dir = opendir(SCENARIO_DIR);
	assert_non_null(dir);
	unsigned played = 0;
	for (struct dirent *d; (d = readdir(dir));) {
		char path[512];
		if (!strstr(d->d_name, ".txt") || strcmp(d->d_name, "preludes.txt") == 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", SCENARIO_DIR, d->d_name);
		played += play_file(path, split);
	}
	closedir(dir);
	print_message("%u scenarios\n", played);
	assert_true(played >= 60);
}

static void every_scenario_goes_as_written(void **state)
{
	(void)state;
	play_all(false);
}

static void every_scenario_goes_the_same_byte_by_byte(void **state)
{
	(void)state;
	play_all(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scenario_goes_as_written),
		cmocka_unit_test(every_scenario_goes_the_same_byte_by_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
