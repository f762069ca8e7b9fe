/* What is said of an inbound peer: in the log, and in the record for `fedgate explain`. */
#include "core/peer_in_inside.h"

#include <stdio.h>

/* ---- log ---- */

static const char *words(const char *text)
{
	return *text ? text : NULL;
}

/* PKIX's word, where the certificate did not do. */
static const char *certificate_word(const struct assessment *found)
{
	return found && err_is(found->certificate) ? err_row(found->certificate.code)->id : NULL;
}

void peer_in_log_refused(struct peer_in *p, struct err why, const struct actions *a)
{
	char peer[DOMAIN_UNICODE_MAX + 1], ours[DOMAIN_UNICODE_MAX + 1], address[64] = "";
	uv_ip_name((struct sockaddr *)&p->link.remote_addr, address, sizeof address);
	/* What the header claimed, also where it was refused before it counted. */
	const struct domain *from =
		domain_is_set(&p->stream.peer) ? &p->stream.peer : &p->stream.header.from;
	const struct domain *to =
		domain_is_set(&p->stream.ours) ? &p->stream.ours : &p->stream.header.to;
	/* Nothing was refused where the peer went by itself: it only asked, or thought better. */
	if (!p->up && (why.code == ERR_PEER_CLOSED || why.code == ERR_LOST)) {
		log_event(LOG_DEBUG, "stream-down", log_c("session", p->session),
			log_c("leg", "W-IN"), log_s("from", domain_unicode(from, peer)),
			log_s("to", domain_unicode(to, ours)), log_c("address", address),
			log_n("questions", p->questions), log_end());
		return;
	}
	log_reason(why, p->up ? "stream-down" : "refused", log_c("session", p->session),
		log_c("leg", "W-IN"), log_s("from", domain_unicode(from, peer)),
		log_s("to", domain_unicode(to, ours)), log_c("address", address),
		log_c("condition", a && a->condition[0] ? a->condition : NULL),
		log_c("said", a && a->text[0] ? a->text : NULL),
		log_c("certificate", certificate_word(p->assessed)),
		log_c("dane", p->assessed ? words(p->assessed->dane) : NULL),
		log_c("posh", p->assessed ? words(p->assessed->posh) : NULL),
		log_c("evidence", p->assessed ? words(p->assessed->evidence) : NULL),
		log_c("names", p->assessed ? words(p->assessed->names) : NULL),
		log_n("stanzas", (int64_t)p->stanzas), log_end());
}

/* DNA-4: what the pair rests on. */
void peer_in_log_pair(struct peer_in *p, const struct pair *pair)
{
	static const struct assessment nothing = {.by = PROOF_ASKED};
	struct tls_info tls = p->link.tls ? tls_info(p->link.tls) : (struct tls_info){0};
	const struct pair_in *pi = pair->user;
	const struct assessment *found =
		pair->proof == PROOF_EXTERNAL || !pi->assessed ? p->assessed : pi->assessed;
	found = found ? found : &nothing;
	log_event(LOG_INFO, "stream-up", log_c("session", p->session), log_c("leg", "W-IN"),
		log_c("dir", "in"), log_s("from", slice_of(pair->from_text, pair->from_len)),
		log_s("to", slice_of(pair->to_text, pair->to_len)),
		log_c("proof", pair_proof_name(pair->proof)),
		log_c("trust", level_name(level_of_proof(pair->proof, p->link.tls != NULL))),
		log_c("by", proof_kind_name(pi->by)), log_c("tls", tls.version),
		log_c("suite", tls.suite),
		log_c("start", !p->link.tls    ? "plain"
			       : p->direct_tls ? "direct"
					       : "starttls"),
		log_c("certificate", certificate_word(found)), log_c("dnssec", found->dnssec),
		log_c("dane", words(found->dane)), log_c("posh", words(found->posh)),
		log_c("evidence", words(found->evidence)), log_c("leaf", words(found->leaf)),
		log_n("ms", (int64_t)(worker_now_ms(p->worker) - p->began_ms)), log_end());
}

void peer_in_log_pair_refused(
	struct peer_in *p, const struct pair *pair, struct err why, const struct assessment *found)
{
	log_reason(why, "pair-refused", log_c("session", p->session), log_c("leg", "W-IN"),
		log_s("from", slice_of(pair->from_text, pair->from_len)),
		log_s("to", slice_of(pair->to_text, pair->to_len)),
		log_c("dane", words(found->dane)), log_c("evidence", words(found->evidence)),
		log_c("names", words(found->names)), log_end());
}

/* ---- for `fedgate explain` ---- */

void peer_in_begin_decision(struct peer_in *p, const struct stream_header *h)
{
	if (p->up || p->decision)
		return;
	p->decision = decision_begin(true, p->session,
		worker_wall_s() - (int64_t)(worker_now_ms(p->worker) - p->began_ms) / 1000,
		p->began_ms);
	uv_ip_name((struct sockaddr *)&p->link.remote_addr, p->decision->address,
		sizeof p->decision->address);
	p->decision->tenant = h->to;
	char to[DOMAIN_UNICODE_MAX + 1], from[DOMAIN_UNICODE_MAX + 1];
	(void)domain_unicode(&h->to, to);
	(void)domain_unicode(&h->from, from);
	decision_step(p->decision, worker_now_ms(p->worker), "header", STEP_FINE, err_ok(),
		"to=%s%s%s", to, *from ? " from=" : ", and no `from`", from);
}

void peer_in_note(struct peer_in *p, const char *step, enum step_mark mark, struct err why,
	const char *detail)
{
	if (p->decision)
		decision_step(p->decision, worker_now_ms(p->worker), step, mark, why, "%s", detail);
}

/* What only asked, and went, was not decided about. */
void peer_in_keep_decision(struct peer_in *p, struct err why)
{
	struct decision *d = p->decision;
	bool asked_only = why.code == ERR_PEER_CLOSED || why.code == ERR_LOST;
	p->decision = NULL;
	if (!d)
		return;
	if (!domain_is_set(&d->peer))
		d->peer = domain_is_set(&p->stream.peer) ? p->stream.peer : p->stream.header.from;
	d->floor = p->tenant ? (uint8_t)p->tenant->floor_in : 0;
	d->outcome = err_is(why) ? DECISION_REFUSED : DECISION_ACCEPTED;
	d->code = (uint16_t)why.code;
	if (!asked_only && domain_is_set(&d->peer))
		decision_keep(p->worker->decisions, d);
	decision_free(d);
}

/* What dialback came to; the record had left it open. */
static void note_asked(struct peer_in *p, struct err why)
{
	struct policy_verdict v;
	struct policy_case c = {.tls = p->link.tls != NULL};
	c.of[PROOF_ASKED] = (struct evidence){
		.outcome = err_is(why) ? EVIDENCE_FAILS : EVIDENCE_PROVES, .why = why};
	policy_decide(&c, p->tenant->floor_in, worker_wall_s(), &v);
	decision_evidence(p->decision, worker_now_ms(p->worker), &c, &v);
}

void peer_in_note_not_valid(struct peer_in *p, const struct pair *pair, struct err why)
{
	if (!p->decision || p->up)
		return;
	note_asked(p, why);
	p->decision->peer = pair->from;
	peer_in_keep_decision(p, why);
}

void peer_in_note_pair(struct peer_in *p, const struct pair *pair, struct err why)
{
	const struct pair_in *pi = pair->user;
	bool external = pair->proof == PROOF_EXTERNAL;
	if (!p->decision || err_is(why))
		return;
	if (pair->proof == PROOF_DIALBACK)
		note_asked(p, err_ok());
	else
		peer_in_note(p, external ? "external" : "claim", STEP_FINE, err_ok(),
			external ? "SASL EXTERNAL" : "a further domain of the same certificate");
	p->decision->peer = pair->from;
	p->decision->level = (uint8_t)level_of_proof(pair->proof, p->link.tls != NULL);
	p->decision->by = (uint8_t)pi->by;
	peer_in_keep_decision(p, err_ok());
}
