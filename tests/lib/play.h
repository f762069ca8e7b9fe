/* One side of a conversation: a stream machine behind the scanner, fed with bytes; what it sends
 * and asks for is kept as text. Included once, by the test that replays tests/scenario. */
#ifndef FEDGATE_TESTS_PLAY_H
#define FEDGATE_TESTS_PLAY_H

#include "xmpp/scan.h"
#include "xmpp/stanza.h"
#include "xmpp/stream_in.h"
#include "xmpp/stream_out.h"

#include <stdio.h>
#include <string.h>

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
	if (act->kind == ACT_DIALBACK)
		(void)buf_printf(&p->acts, " %s", p->out.id);
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

#endif
