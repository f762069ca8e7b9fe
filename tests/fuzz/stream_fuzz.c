/* Dialogues with the stream machines behind the scanner. The first byte chooses the role, the next
 * four what verdicts say; the rest is what the other side sends, with control bytes (no XML) for
 * what happens around it:
 *	0x01 a segment ends: TLS comes up if it was begun, bytes behind <proceed/> are gone
 *	0x02 the oldest answer that was put off arrives
 *	0x03 an answer arrives that nobody waits for
 *	0x04 the caller gives up
 * Whatever is sent: nobody is proven without a proof that was given here, nothing goes out in
 * clear that is kept for TLS, nothing between a restart and its header, and all of it is XML. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "xmpp/stanza.h"

#include "../lib/rig.h"

enum { PUT_OFF_MAX = 32, PROVEN_MAX = 128 };

struct put_off {
	enum act_kind kind;
	struct pair *pair;
	struct db_query query;
};

struct dialogue {
	struct rig r;
	struct scan *scan;
	bool is_open, tls_begun, key_sent, peer_proven;
	bool restarting;                      /* the next word of a receiver is a header's */
	struct domain proven_from, proven_to; /* of the header whose certificate was found good */
	const struct pair *proven[PROVEN_MAX];
	size_t proven_count;
	struct put_off put_off[PUT_OFF_MAX];
	size_t put_off_count;
	uint32_t script;
	unsigned used;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void after(struct dialogue *d);

static bool script_bit(struct dialogue *d)
{
	return (d->script >> (d->used++ % 32)) & 1;
}

static bool tls_needed(const struct dialogue *d)
{
	const struct rig *r = &d->r;
	if (r->is_out)
		return r->out.config.tls_required && !r->out.secured;
	return r->in.local.tls_required && !r->in.secured && !r->in.egress;
}

static bool was_proven(const struct dialogue *d, const struct pair *pair)
{
	if (pair->proof == PROOF_EXTERNAL && d->peer_proven && d->r.in.secured &&
		domain_eq(&pair->from, &d->proven_from) && domain_eq(&pair->to, &d->proven_to))
		return true;
	for (size_t i = 0; i < d->proven_count; i++) {
		if (d->proven[i] == pair)
			return true;
	}
	return false;
}

static void note_proof(struct dialogue *d, const struct pair *pair)
{
	if (d->proven_count == PROVEN_MAX)
		d->proven_count--;
	d->proven[d->proven_count++] = pair;
}

/* ---- answers ---- */

static struct verdict script_verdict(struct dialogue *d)
{
	struct verdict v = {.decision = VERDICT_ASK, .proof = PROOF_CERTIFICATE};
	if (script_bit(d))
		v.decision = VERDICT_PROVEN;
	else if (script_bit(d) && script_bit(d))
		v = (struct verdict){.decision = VERDICT_REFUSED, .why = err_make(ERR_POLICY)};
	return v;
}

static enum db_outcome script_outcome(struct dialogue *d)
{
	if (script_bit(d))
		return DB_VALID;
	return script_bit(d) ? DB_INVALID : DB_ERROR;
}

static void answer_peer(struct dialogue *d)
{
	struct rig *r = &d->r;
	struct verdict v = script_verdict(d);
	if (r->is_out) {
		stream_out_peer_verdict(&r->out, v, &r->last);
		return;
	}
	if (r->in.state == SIN_ASSESS) {
		d->peer_proven = v.decision == VERDICT_PROVEN;
		d->proven_from = r->in.peer;
		d->proven_to = r->in.ours;
	}
	stream_in_peer_verdict(&r->in, v, &r->last);
}

static void answer(struct dialogue *d, const struct put_off *p)
{
	struct rig *r = &d->r;
	struct verdict v;
	enum db_outcome outcome;
	actions_clear(&r->last);
	switch (p->kind) {
	case ACT_ASSESS_PEER:
		answer_peer(d);
		break;
	case ACT_ASSESS:
		v = script_verdict(d);
		if (v.decision == VERDICT_PROVEN && pair_is_pending(p->pair))
			note_proof(d, p->pair);
		stream_in_verdict(&r->in, p->pair, v, &r->last);
		break;
	case ACT_VERIFY:
		outcome = script_outcome(d);
		if (outcome == DB_VALID && pair_is_pending(p->pair))
			note_proof(d, p->pair);
		stream_in_verified(&r->in, p->pair, outcome, "remote-server-timeout", &r->last);
		break;
	case ACT_CHECK_KEY:
		stream_in_key_checked(&r->in, &p->query, script_outcome(d), &r->last);
		break;
	case ACT_DIALBACK:
		d->key_sent = true;
		stream_out_send_key(&r->out, SLICE_LIT("KEY"), &r->last);
		break;
	default:
		break;
	}
	after(d);
}

static void answer_oldest(struct dialogue *d)
{
	if (!d->put_off_count)
		return;
	struct put_off first = d->put_off[0];
	d->put_off_count--;
	memmove(d->put_off, d->put_off + 1, d->put_off_count * sizeof first);
	answer(d, &first);
}

/* A pair's answer once more, or one for a pair that never had a question. */
static void answer_unasked(struct dialogue *d)
{
	struct rig *r = &d->r;
	size_t count = r->is_out ? 0 : r->in.pairs.count;
	struct put_off p = {.kind = script_bit(d) ? ACT_VERIFY : ACT_ASSESS};
	if (!count)
		return;
	p.pair = r->in.pairs.items[d->used % count];
	answer(d, &p);
}

/* ---- actions ---- */

static void check_action(struct dialogue *d, const struct act *act)
{
	struct rig *r = &d->r;
	switch (act->kind) {
	case ACT_PAIR_VALID:
		assert(!tls_needed(d) && act->pair->state == PAIR_VALID);
		assert(was_proven(d, act->pair));
		break;
	case ACT_ASSESS:
	case ACT_VERIFY:
		assert(!tls_needed(d));
		break;
	case ACT_READY:
		assert(!tls_needed(d) && !r->out.config.verify);
		assert(r->out.proof == PROOF_DIALBACK ? d->key_sent : r->out.authenticated);
		break;
	case ACT_VERIFIED:
		assert(!tls_needed(d) && r->out.config.verify);
		break;
	case ACT_START_TLS:
		assert(!(r->is_out ? r->out.secured : r->in.secured));
		break;
	default:
		break;
	}
}

static void carry_out(struct dialogue *d, const struct act *act, const struct db_query *query)
{
	struct put_off p = {.kind = act->kind, .pair = act->pair, .query = *query};
	check_action(d, act);
	switch (act->kind) {
	case ACT_START_TLS:
		d->tls_begun = d->restarting = true;
		break;
	case ACT_RESTART:
		scan_reset(d->scan);
		d->restarting = !d->r.is_out; /* an initiator's header goes out at once */
		break;
	case ACT_CLOSE:
		d->is_open = false;
		break;
	default:
		if (script_bit(d) && d->put_off_count < PUT_OFF_MAX)
			d->put_off[d->put_off_count++] = p;
		else
			answer(d, &p);
	}
}

/* Behind every call of a machine: what it said and asked for. */
static void after(struct dialogue *d)
{
	struct act list[ACTIONS_MAX];
	struct db_query query = d->r.last.query;
	size_t count = d->r.last.count;
	assert(d->is_open || (!buf_len(&d->r.last.out) && !count));
	if (tls_needed(d) && d->r.is_out)
		assert(!rig_said(&d->r, "<db:"));
	if (d->r.is_out && !d->r.out.secured)
		assert(!rig_said(&d->r, "<auth")); /* EXT-1 */
	if (d->restarting && buf_len(&d->r.last.out)) {
		assert(slice_starts(buf_peek(&d->r.last.out), XML_DECLARATION));
		d->restarting = false;
	}
	memcpy(list, d->r.last.list, sizeof list);
	rig_note(&d->r);
	actions_clear(&d->r.last);
	for (size_t i = 0; i < count; i++)
		carry_out(d, &list[i], &query);
}

/* ---- what the other side sends ---- */

static void on_header(struct dialogue *d)
{
	struct rig *r = &d->r;
	struct stream_header h;
	char id[16];
	struct err wrong = stream_header_read(scan_element(d->scan), &h);
	snprintf(id, sizeof id, "ID%u", ++r->ids);
	if (r->is_out)
		stream_out_header(&r->out, &h, wrong, &r->last);
	else
		stream_in_header(&r->in, &h, wrong, &r->local, id, &r->last);
}

static bool on_stanza(struct dialogue *d)
{
	const struct scan_element *e = scan_element(d->scan);
	struct stanza_addresses addresses;
	struct pair *pair;
	if (d->r.is_out || !pairs_valid_count(&d->r.in.pairs) || stanza_kind(e) == STANZA_NONE)
		return false;
	stanza_addresses_init(&addresses);
	struct err wrong = stanza_find_pair(e, &d->r.in.pairs, &addresses, &pair);
	stanza_addresses_fini(&addresses);
	if (pair)
		assert(!err_is(wrong) && pair->state == PAIR_VALID && was_proven(d, pair));
	else
		stream_in_fail(&d->r.in, wrong, NULL, NULL, &d->r.last);
	return true;
}

static void on_element(struct dialogue *d)
{
	struct rig *r = &d->r;
	struct err wrong;
	if (on_stanza(d))
		return;
	struct element *el = element_parse(scan_element(d->scan), &wrong);
	if (el && r->is_out)
		stream_out_element(&r->out, el, &r->last);
	else if (el)
		stream_in_element(&r->in, el, &r->last);
	else if (r->is_out)
		stream_out_fail(&r->out, wrong, NULL, &r->last);
	else
		stream_in_fail(&r->in, wrong, NULL, NULL, &r->last);
	element_free(el);
}

static void give_up(struct dialogue *d, struct err why)
{
	if (d->r.is_out)
		stream_out_fail(&d->r.out, why, "detail", &d->r.last);
	else
		stream_in_fail(&d->r.in, why, NULL, "detail", &d->r.last);
	after(d);
}

static void receive(struct dialogue *d, struct slice bytes)
{
	while (d->is_open && !d->tls_begun) {
		switch (scan_next(d->scan, &bytes)) {
		case SCAN_MORE:
			return;
		case SCAN_HEADER:
			on_header(d);
			break;
		case SCAN_ELEMENT:
			on_element(d);
			break;
		case SCAN_END:
			if (d->r.is_out)
				stream_out_end(&d->r.out, &d->r.last);
			else
				stream_in_end(&d->r.in, &d->r.last);
			break;
		case SCAN_ERROR:
			give_up(d, scan_error(d->scan));
			return;
		}
		after(d);
	}
}

static void end_segment(struct dialogue *d)
{
	if (!d->tls_begun || !d->is_open)
		return;
	d->tls_begun = false;
	scan_reset(d->scan);
	if (!d->r.is_out) { /* the pairs go, and whoever waited for them */
		d->put_off_count = 0;
		d->proven_count = 0;
		d->peer_proven = false;
	}
	if (d->r.is_out)
		stream_out_tls_up(&d->r.out, &d->r.last);
	else
		stream_in_tls_up(&d->r.in);
	after(d);
}

static void control(struct dialogue *d, uint8_t c)
{
	if (c == 1)
		end_segment(d);
	else if (c == 2)
		answer_oldest(d);
	else if (c == 3)
		answer_unasked(d);
	else if (c == 4)
		give_up(d, err_make(ERR_SHUTDOWN));
}

/* ---- one dialogue ---- */

static void begin(struct dialogue *d, uint8_t role)
{
	struct stream_out_config c = {.local = rig_domain("shire.example"),
		.remote = rig_domain("rohan.example"),
		.backend = (role & 7) == 5,
		.direct_tls = (role & 7) == 6,
		.verify = (role & 7) == 7,
		.attempt_tls = role & 8,
		.tls_required = (role & 16) && (role & 7) != 5,
		.may_external = role & 32,
		.may_dialback = true,
		.verify_id = "X1",
		.verify_key = "K"};
	if ((role & 7) < 4) {
		rig_in(&d->r, (role & 3) == 3, (role & 3) == 2);
		d->r.local.tls_required = role & 16;
		d->r.local.offer_tls = role & 8;
	} else {
		rig_out(&d->r, &c);
	}
	d->is_open = true;
	d->scan = scan_new(&scan_limits_stranger);
	if (d->r.is_out) {
		stream_out_start(&d->r.out, &d->r.last);
		after(d);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dialogue d;
	if (size < 5 || size > 60000)
		return 0;
	memset(&d, 0, sizeof d);
	d.script = (uint32_t)data[1] | (uint32_t)data[2] << 8 | (uint32_t)data[3] << 16 |
		   (uint32_t)data[4] << 24;
	begin(&d, data[0]);
	for (size_t i = 5, end; i < size; i = end) {
		for (end = i; end < size && (data[end] == 0 || data[end] > 4); end++)
			;
		if (end > i)
			receive(&d, slice_of(data + i, end - i));
		else
			control(&d, data[end++]);
	}
	while (d.put_off_count)
		answer_oldest(&d);
	assert(xml_output_fine(buf_peek(&d.r.wrote)));
	rig_fini(&d.r);
	scan_free(d.scan);
	return 0;
}
