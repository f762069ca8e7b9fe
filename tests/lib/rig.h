/* A bare stream machine for table tests: elements and headers go straight in, without a scanner
 * in front that would keep some of them away. What the machine asks for stays in rig.last. */
#ifndef FEDGATE_TESTS_RIG_H
#define FEDGATE_TESTS_RIG_H

#include "xmpp/scan.h"
#include "xmpp/stream_in.h"
#include "xmpp/stream_out.h"

#include "xmlcheck.h"

#include <stdio.h>
#include <string.h>

#define RIG_HEADER                                                                                 \
	"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "    \
	"xmlns:db='jabber:server:dialback'>"

struct rig {
	bool is_out;
	struct stream_in in;
	struct stream_out out;
	struct stream_local local; /* of the next header */
	struct actions last;       /* of the last step */
	struct pair *asked;        /* of the last question about a pair */
	struct buf wrote;          /* everything so far */
	size_t valid, ready;       /* how often a pair became valid, the stream ready */
	unsigned ids;
};

static inline struct domain rig_domain(const char *text)
{
	struct domain d;
	(void)domain_parse(slice_str(text), &d);
	return d;
}

static inline void rig_in(struct rig *r, bool egress, bool direct)
{
	struct domain gate = rig_domain("gate.example");
	memset(r, 0, sizeof *r);
	r->local = (struct stream_local){.served = true, .offer_tls = true, .tls_required = true};
	actions_init(&r->last);
	buf_init(&r->wrote, BUF_UNLIMITED);
	stream_in_init(&r->in, egress, direct, &gate, "IDE");
}

static inline void rig_out(struct rig *r, const struct stream_out_config *c)
{
	memset(r, 0, sizeof *r);
	r->is_out = true;
	actions_init(&r->last);
	buf_init(&r->wrote, BUF_UNLIMITED);
	stream_out_init(&r->out, c);
}

static inline void rig_fini(struct rig *r)
{
	if (r->is_out)
		stream_out_fini(&r->out);
	else
		stream_in_fini(&r->in);
	actions_fini(&r->last);
	buf_fini(&r->wrote);
}

/* Behind every call of the machine. */
static inline void rig_note(struct rig *r)
{
	(void)buf_append(&r->wrote, buf_peek(&r->last.out));
	for (size_t i = 0; i < r->last.count; i++) {
		const struct act *act = &r->last.list[i];
		r->valid += act->kind == ACT_PAIR_VALID;
		r->ready += act->kind == ACT_READY;
		if (act->kind == ACT_ASSESS || act->kind == ACT_VERIFY)
			r->asked = act->pair;
	}
}

static inline bool rig_did(const struct rig *r, enum act_kind kind)
{
	for (size_t i = 0; i < r->last.count; i++) {
		if (r->last.list[i].kind == kind)
			return true;
	}
	return false;
}

static inline enum err_code rig_why(const struct rig *r, enum act_kind kind)
{
	for (size_t i = 0; i < r->last.count; i++) {
		if (r->last.list[i].kind == kind)
			return r->last.list[i].why.code;
	}
	return ERR_OK;
}

static inline bool rig_said(const struct rig *r, const char *part)
{
	struct slice all = buf_peek(&r->last.out);
	for (size_t i = 0; i < all.len; i++) {
		if (slice_starts(slice_sub(all, i, all.len), part))
			return true;
	}
	return false;
}

/* from, to, id: NULL leaves the attribute out. */
static inline void rig_header(struct rig *r, const char *from, const char *to, const char *id)
{
	struct stream_header h = {.has_version = true, .major = 1, .has_dialback = true};
	char new_id[16];
	if (from)
		h.from = rig_domain(from);
	if (to)
		h.to = rig_domain(to);
	snprintf(h.id, sizeof h.id, "%s", id ? id : "");
	snprintf(new_id, sizeof new_id, "ID%u", ++r->ids);
	actions_clear(&r->last);
	if (r->is_out)
		stream_out_header(&r->out, &h, err_ok(), &r->last);
	else
		stream_in_header(&r->in, &h, err_ok(), &r->local, new_id, &r->last);
	rig_note(r);
}

/* False when the scanner or libxml2 refuses the text. */
static inline bool rig_element(struct rig *r, const char *text)
{
	struct slice header = SLICE_LIT(RIG_HEADER), rest = slice_str(text);
	struct scan_limits wide = scan_limits_proven;
	wide.max_element_bytes = 4 << 20;
	struct scan *scan = scan_new(&wide);
	struct err wrong;
	struct element *el = NULL;
	if (scan_next(scan, &header) == SCAN_HEADER && scan_next(scan, &rest) == SCAN_ELEMENT)
		el = element_parse(scan_element(scan), &wrong);
	actions_clear(&r->last);
	if (el && r->is_out)
		stream_out_element(&r->out, el, &r->last);
	else if (el)
		stream_in_element(&r->in, el, &r->last);
	rig_note(r);
	bool read = el != NULL;
	element_free(el);
	scan_free(scan);
	return read;
}

static inline void rig_tls_up(struct rig *r)
{
	actions_clear(&r->last);
	if (r->is_out)
		stream_out_tls_up(&r->out, &r->last);
	else
		stream_in_tls_up(&r->in);
	rig_note(r);
}

static inline void rig_peer(struct rig *r, enum verdict_decision decision)
{
	struct verdict v = {.decision = decision, .proof = PROOF_CERTIFICATE};
	if (decision == VERDICT_REFUSED)
		v.why = err_make(ERR_CERT_UNTRUSTED);
	actions_clear(&r->last);
	if (r->is_out)
		stream_out_peer_verdict(&r->out, v, &r->last);
	else
		stream_in_peer_verdict(&r->in, v, &r->last);
	rig_note(r);
}

static inline void rig_pair(struct rig *r, enum verdict_decision decision)
{
	struct verdict v = {.decision = decision, .proof = PROOF_CERTIFICATE};
	actions_clear(&r->last);
	stream_in_verdict(&r->in, r->asked, v, &r->last);
	rig_note(r);
}

static inline void rig_start(struct rig *r)
{
	actions_clear(&r->last);
	stream_out_start(&r->out, &r->last);
	rig_note(r);
}

static inline void rig_key(struct rig *r)
{
	actions_clear(&r->last);
	stream_out_send_key(&r->out, SLICE_LIT("KEY"), &r->last);
	rig_note(r);
}

#endif
