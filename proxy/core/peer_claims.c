/* Who a peer says it is (protocol sheet 14.3). Happy path: the certificate is there, what the
 * domain publishes is asked for where it can matter, and weighed at every arrival until that is
 * enough. Failure modes: what is asked for does not come in time (EXT-2): what is known has to do;
 * the source has asked for too much already; a neighbour's name. Who frees: claim_end, when it is
 * decided or the stream ends. */
#include "core/peer_in_inside.h"

#include "base/mem.h"
#include "core/budget.h"
#include "core/proofs.h"

#include <string.h>

enum {
	PROOF_MS = 10000, /* EXT-2 */
	FREE_LOOKS = 5,   /* P18: of one connection, for names that its certificate proves */
};

enum claim_kind { CLAIM_PEER, CLAIM_PAIR, CLAIM_AGAIN };

struct claim {
	struct peer_in *peer;
	enum claim_kind kind;
	struct pair *pair; /* NULL: the header's `from` */
	struct delegation_wait *look;
	enum delegation_state points;
	struct proofs_wait *wait;
	struct timer late;
	bool too_dear;        /* the source may not make us look up more */
	bool no_room;         /* nor may anybody, just now */
	struct evidence pkix; /* found out in the first step */
	bool has_pkix;
	unsigned generation; /* of the worker then */
};

/* ---- our own domains (M-4, ADR-8) ---- */

/* A domain that a tenant here truly has may not come from outside. A tenant that only says so must
 * not keep the real owner out: its public DNS decides, and a verdict waits for it. */
static bool is_neighbours(const struct peer_in *p, const struct domain *d)
{
	const struct tenant *t = registry_find(p->worker->registry, d);
	return t && t != p->tenant;
}

bool peer_in_is_ours(const struct peer_in *p, const struct domain *d, enum delegation_state points)
{
	const struct tenant *t = registry_find(p->worker->registry, d);
	return t && (t == p->tenant || points == DELEGATION_HERE);
}

/* Where a neighbour's DNS points, as far as that is known now. */
enum delegation_state peer_in_neighbour_points(const struct peer_in *p, const struct domain *d)
{
	return is_neighbours(p, d) ? delegation_known(p->worker, d) : DELEGATION_ELSEWHERE;
}

/* ---- weighing ---- */

static const struct domain *domain_of(const struct claim *c)
{
	return c->pair ? &c->pair->from : &c->peer->stream.peer;
}

void peer_in_weigh(const struct peer_in *p, const struct domain *d, struct proofs_view known,
	enum proof_kind rested_on, const struct evidence *pkix, enum err_code late,
	struct weighed *out)
{
	struct slice chain[CERT_CHAIN_MAX + 1];
	bool again = rested_on != PROOF_KINDS;
	struct assess_question q = {.worker = p->worker,
		.tenant = p->tenant,
		.chain = chain,
		.count = p->link.tls ? tls_peer_chain(p->link.tls, chain, CERT_CHAIN_MAX + 1) : 0,
		.tls = p->link.tls != NULL,
		.domain = d,
		.pkix = pkix,
		.published = known,
		.asked = proofs_askable(p->worker, d),
		/* What a certificate has proven, dialback does not prove in its place. */
		.by_asking = again ? EVIDENCE_NONE : EVIDENCE_PENDING};
	assess_weigh(&q, again ? LEVEL_TRUSTED : p->tenant->floor_in, rested_on, late, out);
}

static enum proof_kind rests_on(const struct claim *c)
{
	const struct pair_in *pi = c->kind == CLAIM_AGAIN ? c->pair->user : NULL;
	return pi ? pi->by : PROOF_KINDS;
}

static void weigh(struct claim *c, bool late, struct weighed *out)
{
	struct worker *w = c->peer->worker;
	bool again = c->has_pkix && c->generation == w->generation;
	peer_in_weigh(c->peer, domain_of(c), proofs_known(w, domain_of(c)), rests_on(c),
		again ? &c->pkix : NULL,
		c->too_dear  ? ERR_BUDGET
		: c->no_room ? ERR_LIMIT
		: late       ? ERR_PROOF_LATE
			     : ERR_OK,
		out);
	c->pkix = out->c.of[PROOF_PKIX];
	c->has_pkix = true;
	c->generation = w->generation;
}

/* ---- ends of claims ---- */

void claim_end(struct claim *c)
{
	if (!c)
		return;
	if (c->look)
		delegation_cancel(c->look);
	if (c->wait)
		proofs_leave(c->wait);
	timer_stop(c->peer->worker->timers, &c->late);
	if (!c->pair)
		c->peer->claim = NULL;
	else
		((struct pair_in *)c->pair->user)->claim = NULL;
	mem_free(c);
}

static bool *paid_for(const struct claim *c)
{
	return c->pair ? &((struct pair_in *)c->pair->user)->paid : &c->peer->paid;
}

/* DB-15: what turns out to be true costs nothing. */
void peer_in_give_back(struct peer_in *p, bool *paid)
{
	if (*paid)
		budget_looked_true(p->worker, &p->link.remote_addr);
	*paid = false;
}

static void note_evidence(struct peer_in *p, const struct weighed *w)
{
	if (p->decision)
		decision_evidence(p->decision, worker_now_ms(p->worker), &w->c, &w->v);
}

static struct verdict verdict_of(const struct weighed *w)
{
	struct verdict v = {.decision = VERDICT_ASK, .proof = PROOF_CERTIFICATE, .why = w->v.why};
	if (w->v.decision == POLICY_REFUSE)
		v.decision = VERDICT_REFUSED;
	else if (w->outcome.proven)
		v.decision = VERDICT_PROVEN;
	if (v.decision == VERDICT_ASK)
		v.why = w->outcome.certificate;
	return v;
}

static void tell_peer(struct peer_in *p, struct verdict v)
{
	struct actions a;
	actions_init(&a);
	stream_in_peer_verdict(&p->stream, v, &a);
	peer_in_run_actions(p, &a);
	actions_fini(&a);
}

static void tell_pair(struct peer_in *p, struct pair *pair, struct verdict v)
{
	struct actions a;
	actions_init(&a);
	stream_in_verdict(&p->stream, pair, v, &a);
	peer_in_run_actions(p, &a);
	actions_fini(&a);
}

static void decide_peer(struct claim *c, const struct weighed *w)
{
	struct peer_in *p = c->peer;
	mem_free(p->assessed);
	p->assessed = mem_dup(&w->outcome, sizeof w->outcome);
	p->assessed_in = p->worker->generation;
	if (w->outcome.proven)
		peer_in_give_back(p, &p->paid);
	claim_end(c);
	note_evidence(p, w);
	tell_peer(p, verdict_of(w));
}

static void decide_pair(struct claim *c, const struct weighed *w)
{
	struct peer_in *p = c->peer;
	struct pair *pair = c->pair;
	struct pair_in *pi = pair->user;
	struct verdict v = verdict_of(w);
	bool too_dear = c->too_dear;
	if (w->outcome.proven)
		peer_in_give_back(p, &pi->paid);
	mem_free(pi->assessed);
	pi->assessed = mem_dup(&w->outcome, sizeof w->outcome);
	claim_end(c);
	note_evidence(p, w);
	bool unseen = w->c.of[PROOF_DANE].why.code == ERR_BUDGET;
	if (too_dear && (v.decision != VERDICT_PROVEN || unseen)) {
		/* Nor is it believed, or asked for by dialback, without the veto that was not
		 * looked up. */
		struct actions a;
		peer_in_log_not_asked(p, pair, err_make(ERR_BUDGET));
		actions_init(&a);
		stream_in_verified(&p->stream, pair, DB_ERROR, "resource-constraint", &a);
		peer_in_run_actions(p, &a);
		actions_fini(&a);
		return;
	}
	if (v.decision == VERDICT_REFUSED)
		peer_in_log_pair_refused(p, pair, w->v.why, &w->outcome);
	tell_pair(p, pair, v);
}

/* P15: what passes is waited for while the proof holds. */
static bool put_off(struct peer_in *p, struct pair_in *pi, const struct weighed *w)
{
	int64_t now = worker_wall_s();
	if (!w->passes || !renewal_put_off(&pi->renewal, now))
		return false;
	log_event(LOG_WARN, "proof-renewal", log_c("session", p->session), log_c("leg", "W-IN"),
		log_s("peer", domain_slice(&pi->pair->from)), log_c("by", proof_kind_name(pi->by)),
		log_c("evidence", w->outcome.evidence), log_n("again_s", pi->renewal.due - now),
		log_n("left_s", renewal_left(&pi->renewal, now)), log_end());
	return true;
}

static void decide_again(struct claim *c, const struct weighed *w)
{
	struct peer_in *p = c->peer;
	struct pair_in *pi = c->pair->user;
	enum proof_kind rested_on = pi->by;
	claim_end(c);
	pi->judged = p->worker->generation;
	if (w->v.decision == POLICY_ACCEPT) {
		pi->by = w->v.by;
		renewal_proven(&pi->renewal, &w->outcome.rests, worker_wall_s());
	} else if (!put_off(p, pi, w) && !p->closing) {
		peer_in_fail(p, assess_over(&w->c, &w->v, rested_on));
	}
}

static void decide(struct claim *c, const struct weighed *w)
{
	if (c->kind == CLAIM_PEER)
		decide_peer(c, w);
	else if (c->kind == CLAIM_PAIR)
		decide_pair(c, w);
	else
		decide_again(c, w);
}

static void refuse(struct claim *c, struct err why)
{
	struct peer_in *p = c->peer;
	struct pair *pair = c->pair;
	enum claim_kind kind = c->kind;
	struct verdict v = {.decision = VERDICT_REFUSED, .why = why};
	claim_end(c);
	if (kind == CLAIM_PEER)
		tell_peer(p, v);
	else if (kind == CLAIM_PAIR)
		tell_pair(p, pair, v);
	else
		peer_in_fail(p, why);
}

/* ---- the course of a claim ---- */

static void step(struct claim *c, bool late);

static void on_news(void *arg)
{
	step(arg, false);
}

static void on_late(void *arg)
{
	step(arg, true);
}

/* A few names that the certificate proves are looked up for nothing. The others cost, and are not
 * given back: one wildcard makes true whatever its owner thinks of. */
static bool may_look_at_proven(struct peer_in *p)
{
	if (p->looks < FREE_LOOKS) {
		p->looks++;
		return true;
	}
	return budget_look(p->worker, &p->link.remote_addr);
}

/* P18: whoever sets look-ups in motion pays for them. */
static bool may_look(struct claim *c, const struct weighed *w, unsigned kinds)
{
	struct peer_in *p = c->peer;
	if (c->kind == CLAIM_AGAIN || !proofs_cost(p->worker, domain_of(c), kinds))
		return true;
	if (!err_is(w->outcome.certificate))
		return may_look_at_proven(p);
	bool *paid = paid_for(c);
	*paid = *paid || budget_look(p->worker, &p->link.remote_addr);
	return *paid;
}

/* True: an answer will come. */
static bool ask(struct claim *c, const struct weighed *w)
{
	unsigned kinds = (w->v.waits_for & 1u << PROOF_DANE ? PROOFS_DANE : 0u) |
			 (w->v.waits_for & 1u << PROOF_POSH ? PROOFS_POSH : 0u);
	if (!kinds || c->too_dear)
		return false;
	if (c->wait && !proofs_cost(c->peer->worker, domain_of(c), kinds))
		return true;
	if (c->wait)
		proofs_leave(c->wait); /* it waits for less than that */
	c->wait = NULL;
	if (!may_look(c, w, kinds)) {
		c->too_dear = true;
		return false;
	}
	c->wait = proofs_ask(c->peer->worker, domain_of(c), kinds, on_news, c);
	c->no_room = !c->wait;
	return c->wait != NULL;
}

/* P15: what has ended is not believed while the next is looked for, unless another proof is there.
 */
static bool has_ended(struct claim *c)
{
	struct weighed w;
	const struct pair_in *pi = c->kind == CLAIM_AGAIN ? c->pair->user : NULL;
	if (!pi || !renewal_is_over(&pi->renewal, worker_wall_s()))
		return false;
	weigh(c, true, &w);
	return w.v.decision != POLICY_ACCEPT;
}

static void step(struct claim *c, bool late)
{
	struct weighed w;
	weigh(c, late, &w);
	if (w.v.decision == POLICY_WAIT && !late) {
		if (!has_ended(c) && ask(c, &w))
			return;
		weigh(c, true, &w);
	}
	decide(c, &w);
}

/* What is refused whatever the certificate says. */
static struct err refused_at_once(const struct claim *c)
{
	const struct peer_in *p = c->peer;
	if (c->kind == CLAIM_PAIR) {
		const struct tenant *t = registry_find(p->worker->registry, &c->pair->to);
		if (!t || t != p->tenant) /* DB-11 */
			return err_make(t ? ERR_PAIR_TO : ERR_HOST_UNKNOWN);
	}
	if (peer_in_is_ours(p, domain_of(c), c->points))
		return err_make(ERR_SPOOF_TENANT);
	if (c->kind == CLAIM_PAIR && !p->link.tls && p->tenant->floor_in >= LEVEL_SECURE)
		return err_make(ERR_TLS_REQUIRED);
	return err_ok();
}

/* Who was asked for by dialback has no certificate to judge again: it is not ours, and that is all.
 */
static void leave_be(struct claim *c)
{
	struct pair_in *pi = c->pair->user;
	pi->judged = c->peer->worker->generation;
	claim_end(c);
}

static void begin(struct claim *c)
{
	if (c->kind == CLAIM_AGAIN)
		proofs_look_ahead(c->peer->worker, domain_of(c));
	step(c, false);
}

static void on_looked(void *arg, enum delegation_state points)
{
	struct claim *c = arg;
	c->look = NULL;
	c->points = points;
	struct err why = refused_at_once(c);
	if (err_is(why))
		refuse(c, why);
	else if (rests_on(c) == PROOF_ASKED)
		leave_be(c);
	else
		begin(c);
}

static void start(struct peer_in *p, enum claim_kind kind, struct pair *pair)
{
	struct pair_in *pi = pair ? pair_in_of(p, pair) : NULL;
	struct claim **place = pi ? &pi->claim : &p->claim;
	claim_end(*place);
	struct claim *c = MEM_NEW(struct claim);
	*c = (struct claim){.peer = p, .kind = kind, .pair = pair};
	*place = c;
	timer_start(p->worker->timers, &c->late, PROOF_MS, on_late, c);
	if (is_neighbours(p, domain_of(c)))
		c->look = delegation_ask(p->worker, domain_of(c), on_looked, c);
	else
		on_looked(c, DELEGATION_ELSEWHERE);
}

void peer_in_judge_peer(struct peer_in *p)
{
	start(p, CLAIM_PEER, NULL);
}

void peer_in_judge_pair(struct peer_in *p, struct pair *pair)
{
	start(p, CLAIM_PAIR, pair);
}

void peer_in_judge_pair_again(struct peer_in *p, struct pair *pair)
{
	start(p, CLAIM_AGAIN, pair);
}
