/* Who is at the other end of a stream that we dialled (protocol sheet 12, 14.2). Happy path: what
 * can matter is asked for before we connect; the certificate comes; what is known is weighed at
 * every arrival until it is enough; later, when a proof runs out, once more. Failure modes: the
 * endpoint is refused, and the next one tried; what is owed does not come in time; a proof is gone,
 * or cannot be renewed just now. Who frees: outgoing_stop_proving and outgoing_forget_endpoint,
 * with the connection. */
#include "core/outgoing_inside.h"

#include "base/mem.h"

#include <string.h>

enum {
	PROOF_MS = 10000, /* within the 20 s of a candidate (BE-20) */
	TURNS_MS = 4000,  /* in which the streams of changed tenants are judged again */
};

static bool judges(const struct outgoing *o)
{
	return !o->config.backend;
}

enum level outgoing_floor(const struct outgoing *o)
{
	/* A question only asks what DNS points to: dialback is no more than that (DB-13). */
	if (outgoing_is_question(o))
		return LEVEL_VERIFIED;
	/* ID-10: a stream whose certificate proves nothing any more is closed, whatever the floor;
	 * the next one may go without. */
	if (o->judging_again && o->assessed.proven)
		return LEVEL_TRUSTED;
	return o->config.tenant->floor_out;
}

/* ---- what is to be known ---- */

/* What cannot change the decision is not asked for. */
static unsigned kinds_of(const struct outgoing *o)
{
	bool strict = outgoing_floor(o) >= LEVEL_TRUSTED;
	return judges(o) && strict ? PROOFS_POSH : 0u;
}

static void on_news(void *arg);

static void ask(struct outgoing *o, unsigned kinds)
{
	if (!o->wait)
		o->wait = proofs_ask(o->worker, &o->config.remote, kinds, on_news, o);
}

void outgoing_prepare_proof(struct outgoing *o)
{
	o->wants = kinds_of(o);
	if (proofs_missing(o->worker, &o->config.remote, o->wants))
		ask(o, o->wants); /* RFC 7711 5: best before connecting */
}

void outgoing_note_endpoint(struct outgoing *o)
{
	outgoing_forget_endpoint(o);
	if (!judges(o))
		return;
	struct dial_endpoint at = dial_endpoint(&o->dial);
	if (!domain_is_set(&at.target))
		return;
	o->reached = mem_dup(&at, sizeof at);
	if (at.tlsa)
		o->tlsa = mem_dup(at.tlsa, sizeof *at.tlsa);
	o->reached->tlsa = o->tlsa;
}

void outgoing_forget_endpoint(struct outgoing *o)
{
	mem_free(o->reached);
	mem_free(o->tlsa);
	o->reached = NULL;
	o->tlsa = NULL;
}

void outgoing_stop_proving(struct outgoing *o)
{
	if (o->wait)
		proofs_leave(o->wait);
	o->wait = NULL;
	mem_free(o->pkix);
	o->pkix = NULL;
	timer_stop(o->worker->timers, &o->late);
	o->judging_again = false;
}

/* ---- weighing ---- */

/* Where the stream leads, as DNS has it now. False: that is not known. */
static bool endpoint_now(
	const struct outgoing *o, const struct proofs_dane *d, struct dial_endpoint *out)
{
	*out = (struct dial_endpoint){.dane = err_make(ERR_DANE_INSECURE)};
	if (!o->reached || !(proofs_askable(o->worker, &o->config.remote) & PROOFS_DANE))
		return true;
	if (!d)
		return false;
	out->port = o->reached->port;
	out->direct_tls = o->reached->direct_tls;
	out->dane = d->e;
	if (err_is(d->e))
		return true;
	out->dane = err_make(d->partial || d->cut ? ERR_DANE_FAILED : ERR_DANE_NONE);
	for (size_t i = 0; i < d->count; i++) {
		const struct proofs_target *t = &d->targets[i];
		if (t->port != out->port || !domain_eq(&t->name, &o->reached->target))
			continue;
		out->target = t->name;
		out->base = t->base;
		out->dane = t->bogus ? err_make(ERR_DNS_BOGUS) : t->e;
		out->tlsa = t->tlsa;
		out->ttl = d->ttl;
	}
	return true;
}

/* known: what the peer publishes; at: where we are, NULL: what we knew when we connected; pkix: see
 * struct assess_question. */
static void weigh(const struct outgoing *o, struct proofs_view known,
	const struct dial_endpoint *at, const struct evidence *pkix, bool late, struct weighed *out)
{
	static const struct dial_endpoint nowhere = {.dane = {.code = ERR_DANE_INSECURE}};
	struct slice chain[CERT_CHAIN_MAX + 1];
	const struct dial_endpoint *then = o->reached ? o->reached : &nowhere;
	struct assess_question q = {.worker = o->worker,
		.tenant = o->config.tenant,
		.chain = chain,
		.count = o->link.tls ? tls_peer_chain(o->link.tls, chain, CERT_CHAIN_MAX + 1) : 0,
		.tls = o->link.tls != NULL,
		.domain = &o->config.remote,
		.pkix = pkix,
		.reached = at ? at : then,
		.published = known,
		.asked = o->wants & proofs_askable(o->worker, &o->config.remote),
		.by_asking = EVIDENCE_PROVES}; /* M-5 */
	assess_weigh(&q, outgoing_floor(o), o->assessed.by, late ? ERR_PROOF_LATE : ERR_OK, out);
}

static void note_weighed(struct outgoing *o, const struct weighed *w)
{
	o->assessed = w->outcome;
	o->judged = o->worker->generation;
	if (o->decision)
		decision_evidence(o->decision, worker_now_ms(o->worker), &w->c, &w->v);
}

/* ---- PROVE_R of the outbound flow (protocol sheet 14.2) ---- */

static void on_late(void *arg);

static void prove(struct outgoing *o, bool late, struct actions *a)
{
	struct weighed w;
	bool same = o->judged == o->worker->generation; /* the authorities may be others */
	weigh(o, proofs_known(o->worker, &o->config.remote), NULL, same ? o->pkix : NULL, late, &w);
	if (w.v.decision == POLICY_WAIT) {
		if (!o->pkix)
			o->pkix = mem_dup(&w.c.of[PROOF_PKIX], sizeof *o->pkix);
		o->judged = o->worker->generation;
		ask(o, o->wants);
		if (o->wait && !o->late.place)
			timer_start(o->worker->timers, &o->late, PROOF_MS, on_late, o);
		if (o->wait)
			return;
		prove(o, true, a); /* no room to ask: what is known has to do */
		return;
	}
	outgoing_stop_proving(o);
	note_weighed(o, &w);
	renewal_proven(&o->renewal, &w.outcome.rests, worker_wall_s());
	bool accepted = w.v.decision == POLICY_ACCEPT;
	if (!accepted && w.c.of[PROOF_DANE].outcome == EVIDENCE_FORBIDS)
		dial_skip_target(&o->dial); /* DANE-1: final for this endpoint */
	struct verdict verdict = {.decision = !accepted            ? VERDICT_REFUSED
					      : o->assessed.proven ? VERDICT_PROVEN
								   : VERDICT_ASK,
		.proof = PROOF_CERTIFICATE,
		.why = w.v.why};
	stream_out_peer_verdict(&o->stream, verdict, a);
}

void outgoing_prove(struct outgoing *o, struct actions *a)
{
	prove(o, false, a);
}

static void go_on_proving(struct outgoing *o, bool late)
{
	struct actions a;
	if (o->stream.state != SOUT_ASSESS || o->state != OUTGOING_NEGOTIATING)
		return;
	actions_init(&a);
	prove(o, late, &a);
	outgoing_run_actions(o, &a);
	actions_fini(&a);
}

/* ---- judging again ---- */

bool outgoing_reaches_floor(struct outgoing *o)
{
	if (!judges(o) || outgoing_is_question(o))
		return true;
	if (o->link.tls && o->judged != o->worker->generation) {
		struct weighed w;
		o->wants = kinds_of(o);
		weigh(o, proofs_last_known(o->worker, &o->config.remote), NULL, NULL, true, &w);
		if (w.v.decision != POLICY_ACCEPT)
			return false;
		note_weighed(o, &w);
	}
	return outgoing_level(o) >= o->config.tenant->floor_out;
}

static void close_for(struct outgoing *o, struct err why)
{
	outgoing_stop_proving(o);
	outgoing_log(o, why, "stream-closing");
	outgoing_close_stream(o);
}

/* P15: what passes is waited for while the proof holds. */
static bool put_off(struct outgoing *o, const struct weighed *w, enum proof_kind rested_on)
{
	int64_t now = worker_wall_s();
	if (!w->passes || !renewal_put_off(&o->renewal, now))
		return false;
	log_event(LOG_WARN, "proof-renewal", log_c("session", o->session),
		log_c("leg", o->config.leg), log_s("peer", domain_slice(&o->config.remote)),
		log_c("by", proof_kind_name(rested_on)), log_c("evidence", w->outcome.evidence),
		log_n("again_s", o->renewal.due - now),
		log_n("left_s", renewal_left(&o->renewal, now)), log_end());
	return true;
}

static void take_endpoint(struct outgoing *o, const struct dial_endpoint *at)
{
	if (!o->reached)
		return;
	/* `at` may hold what is freed here. */
	struct tlsa_set *tlsa = at->tlsa ? mem_dup(at->tlsa, sizeof *at->tlsa) : NULL;
	struct dial_endpoint *now = mem_dup(at, sizeof *at);
	outgoing_forget_endpoint(o);
	now->tlsa = tlsa;
	o->reached = now;
	o->tlsa = tlsa;
}

/* P15: what has ended is not believed while the next is looked for, unless another proof is there.
 */
static bool end_if_over(struct outgoing *o, struct proofs_view known)
{
	struct weighed w;
	if (!renewal_is_over(&o->renewal, worker_wall_s()))
		return false;
	weigh(o, known, NULL, NULL, true, &w);
	if (w.v.decision == POLICY_ACCEPT)
		return false;
	close_for(o, assess_over(&w.c, &w.v, o->assessed.by));
	return true;
}

static void judge_again(struct outgoing *o, bool late)
{
	struct weighed w;
	struct dial_endpoint at;
	struct proofs_view known = proofs_known(o->worker, &o->config.remote);
	enum proof_kind rested_on = o->assessed.by;
	if (o->state != OUTGOING_READY || o->closing_stream) {
		outgoing_stop_proving(o);
		return;
	}
	unsigned missing = proofs_missing(o->worker, &o->config.remote, o->wants);
	bool there = endpoint_now(o, known.dane, &at);
	if (missing && end_if_over(o, known))
		return;
	if (missing && !late) {
		ask(o, o->wants);
		if (o->wait && !o->late.place)
			timer_start(o->worker->timers, &o->late, PROOF_MS, on_late, o);
		if (o->wait)
			return;
	}
	if (!there)
		at.dane = err_make(ERR_DANE_FAILED);
	weigh(o, known, &at, NULL, true, &w);
	outgoing_stop_proving(o);
	if (w.v.decision == POLICY_ACCEPT) {
		note_weighed(o, &w);
		take_endpoint(o, &at);
		renewal_proven(&o->renewal, &w.outcome.rests, worker_wall_s());
	} else if (!put_off(o, &w, rested_on)) {
		close_for(o, assess_over(&w.c, &w.v, rested_on));
	} else {
		o->judged = o->worker->generation;
	}
}

bool outgoing_proof_is_due(struct outgoing *o)
{
	if (!judges(o) || outgoing_is_question(o) || o->judging_again || !o->link.tls)
		return false;
	return renewal_is_due(&o->renewal, worker_wall_s()) || !outgoing_reaches_floor(o);
}

void outgoing_judge_again(struct outgoing *o)
{
	if (o->state != OUTGOING_READY || o->closing_stream || o->judging_again)
		return;
	o->judging_again = true;
	proofs_look_ahead(o->worker, &o->config.remote);
	o->wants = kinds_of(o) | (o->reached ? PROOFS_DANE : 0u);
	if (o->assessed.by == PROOF_POSH)
		o->wants |= PROOFS_POSH;
	judge_again(o, false);
}

/* Looking at a certificate takes a signature or two: the streams of changed tenants take turns, or
 * all of the worker's would stand still together. */
void outgoing_judge_soon(struct outgoing *o)
{
	if (o->state == OUTGOING_READY && judges(o) && !o->judging_again)
		timer_start(o->worker->timers, &o->late, worker_random() % TURNS_MS, on_late, o);
}

static void on_news(void *arg)
{
	struct outgoing *o = arg;
	if (o->judging_again)
		judge_again(o, false);
	else
		go_on_proving(o, false);
}

static void on_late(void *arg)
{
	struct outgoing *o = arg;
	if (o->judging_again)
		judge_again(o, true);
	else if (o->state == OUTGOING_READY)
		outgoing_judge_again(o);
	else
		go_on_proving(o, true);
}
