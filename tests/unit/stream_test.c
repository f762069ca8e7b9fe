/* Replays the conversations of tests/scenario against the pure stream machines: whole, and with
 * every byte arriving alone. The format is described in tests/scenario/README.md. */
#include "base/mem.h"
#include "xmpp/scan.h"
#include "xmpp/stanza.h"
#include "xmpp/stream_in.h"
#include "xmpp/stream_out.h"

#include <dirent.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../lib/xmlcheck.h"

#ifndef SCENARIO_DIR
#define SCENARIO_DIR "tests/scenario"
#endif

struct play {
	const char *file;
	unsigned line;
	bool split, is_out;
	struct stream_in in;
	struct stream_out out;
	struct scan *scan;
	struct stream_local local;
	struct stream_out_config config;
	struct buf sent;    /* since the last '>' */
	struct buf wrote;   /* all of it */
	struct buf acts;    /* action lines since the last '!' */
	struct pair *asked; /* the pair of the last ASSESS or VERIFY */
	struct db_query query;
	unsigned ids;
	bool open, tls_started;
};

static const char *const act_names[] = {"start-tls", "restart", "assess", "assess-peer", "verify",
	"check-key", "valid", "dialback", "ready", "verified", "ignored", "close"};

static void complain(const struct play *p, const char *what, const char *want, const char *got)
{
	fail_msg("%s:%u%s: %s\n  want: %s\n  got:  %s", p->file, p->line,
		p->split ? " (byte by byte)" : "", what, want, got);
}

static void note_pair(struct buf *out, const struct pair *pair)
{
	(void)buf_printf(out, " %s %s", pair->from.name, pair->to.name);
}

static void note_act(struct play *p, struct actions *a, const struct act *act)
{
	(void)buf_append_str(&p->acts, act_names[act->kind]);
	if (act->pair)
		note_pair(&p->acts, act->pair);
	if (act->kind == ACT_PAIR_VALID)
		(void)buf_printf(&p->acts, " %s", pair_proof_name(act->pair->proof));
	if (act->kind == ACT_READY)
		(void)buf_printf(&p->acts, " %s", pair_proof_name(p->out.proof));
	if (act->kind == ACT_CHECK_KEY)
		(void)buf_printf(&p->acts, " %s %s %s %s", a->query.from.name, a->query.to.name,
			a->query.id, a->query.key);
	if (act->kind == ACT_VERIFIED)
		(void)buf_printf(&p->acts, " %s",
			a->outcome == DB_VALID     ? "valid"
			: a->outcome == DB_INVALID ? "invalid"
						   : "error");
	if (act->kind == ACT_CLOSE || act->kind == ACT_IGNORED)
		(void)buf_printf(&p->acts, " %s", err_row(act->why.code)->id);
	if (act->kind == ACT_CLOSE && a->condition[0])
		(void)buf_printf(&p->acts, " said %s", a->condition);
	(void)buf_append_str(&p->acts, "\n");
}

static void take(struct play *p, struct actions *a)
{
	(void)buf_append(&p->sent, buf_peek(&a->out));
	(void)buf_append(&p->wrote, buf_peek(&a->out));
	for (size_t i = 0; i < a->count; i++) {
		const struct act *act = &a->list[i];
		note_act(p, a, act);
		if (act->kind == ACT_ASSESS || act->kind == ACT_VERIFY)
			p->asked = act->pair;
		if (act->kind == ACT_CHECK_KEY)
			p->query = a->query;
		if (act->kind == ACT_RESTART)
			scan_reset(p->scan);
		if (act->kind == ACT_START_TLS)
			p->tls_started = true;
		if (act->kind == ACT_CLOSE)
			p->open = false;
	}
	actions_clear(a);
}

static void on_header(struct play *p, struct actions *a)
{
	struct stream_header h;
	struct err wrong = stream_header_read(scan_element(p->scan), &h);
	char id[16];
	snprintf(id, sizeof id, "ID%u", ++p->ids);
	if (p->is_out)
		stream_out_header(&p->out, &h, wrong, a);
	else
		stream_in_header(&p->in, &h, wrong, &p->local, id, a);
}

/* Stanzas on an open stream are the caller's: the scenario sees them as actions. */
static bool pass_stanza(struct play *p, struct actions *a)
{
	const struct scan_element *e = scan_element(p->scan);
	struct stanza_addresses addresses;
	struct pair *pair;
	if (p->is_out || !pairs_valid_count(&p->in.pairs) || stanza_kind(e) == STANZA_NONE)
		return false;
	stanza_addresses_init(&addresses);
	struct err wrong = stanza_find_pair(e, &p->in.pairs, &addresses, &pair);
	if (pair) {
		(void)buf_append_str(&p->acts, "stanza");
		note_pair(&p->acts, pair);
		(void)buf_printf(&p->acts, "%s%s\n", buf_len(&addresses.from_text) ? " from" : "",
			buf_len(&addresses.to_text) ? " to" : "");
	} else {
		stream_in_fail(&p->in, wrong, NULL, NULL, a);
	}
	stanza_addresses_fini(&addresses);
	return true;
}

static void on_element(struct play *p, struct actions *a)
{
	struct err wrong;
	if (pass_stanza(p, a))
		return;
	struct element *el = element_parse(scan_element(p->scan), &wrong);
	if (!el && p->is_out)
		stream_out_fail(&p->out, wrong, NULL, a);
	else if (!el)
		stream_in_fail(&p->in, wrong, NULL, NULL, a);
	else if (p->is_out)
		stream_out_element(&p->out, el, a);
	else
		stream_in_element(&p->in, el, a);
	element_free(el);
}

static void feed(struct play *p, struct slice bytes)
{
	struct actions a;
	actions_init(&a);
	while (p->open && !p->tls_started) {
		enum scan_event e = scan_next(p->scan, &bytes);
		if (e == SCAN_MORE)
			break;
		if (e == SCAN_HEADER)
			on_header(p, &a);
		else if (e == SCAN_ELEMENT)
			on_element(p, &a);
		else if (e == SCAN_END && p->is_out)
			stream_out_end(&p->out, &a);
		else if (e == SCAN_END)
			stream_in_end(&p->in, &a);
		else if (p->is_out)
			stream_out_fail(&p->out, scan_error(p->scan), NULL, &a);
		else
			stream_in_fail(&p->in, scan_error(p->scan), NULL, NULL, &a);
		take(p, &a);
	}
	if (p->tls_started && bytes.len)
		(void)buf_append_str(&p->acts, "injected\n");
	actions_fini(&a);
}

static void receive(struct play *p, struct slice text)
{
	if (!p->split) {
		feed(p, text);
		return;
	}
	for (size_t i = 0; i < text.len; i++)
		feed(p, slice_sub(text, i, i + 1));
}

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

static bool flag(const char *word, const char *name, bool *out)
{
	bool off = strncmp(word, "no-", 3) == 0;
	if (strcmp(off ? word + 3 : word, name) != 0)
		return false;
	*out = !off;
	return true;
}

static bool set_domain(const char *word, const char *name, struct domain *out)
{
	size_t n = strlen(name);
	return strncmp(word, name, n) == 0 && word[n] == '=' &&
	       !err_is(domain_parse(slice_str(word + n + 1), out));
}

static void configure_word(struct play *p, const char *word)
{
	struct stream_local *l = &p->local;
	struct stream_out_config *c = &p->config;
	bool known = flag(word, "served", &l->served) || flag(word, "gone", &l->gone) ||
		     flag(word, "offer-tls", &l->offer_tls) ||
		     flag(word, "sni-conflict", &l->sni_conflict) ||
		     flag(word, "from-ours", &l->from_ours) || flag(word, "backend", &c->backend) ||
		     flag(word, "direct", &c->direct_tls) ||
		     flag(word, "attempt", &c->attempt_tls) ||
		     flag(word, "external", &c->may_external) ||
		     flag(word, "may-db", &c->may_dialback) ||
		     set_domain(word, "local", &c->local) || set_domain(word, "remote", &c->remote);
	if (flag(word, "require-tls", &l->tls_required)) {
		c->tls_required = l->tls_required;
		known = true;
	}
	if (strncmp(word, "refusal=", 8) == 0) {
		l->refusal = err_make(code_of(p, word + 8));
		known = true;
	}
	if (strncmp(word, "verify=", 7) == 0) {
		c->verify = true;
		snprintf(c->verify_id, sizeof c->verify_id, "%s", word + 7);
		snprintf(c->verify_key, sizeof c->verify_key, "%s", "SECRETKEY");
		known = true;
	}
	if (!known)
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
