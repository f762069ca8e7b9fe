/* The pairs of a peer's stream. Happy path: judged (peer_claims.c), or asked about by dialback;
 * then each has a route. Failure modes: told to the peer by the machine of xmpp/stream_in.h. Who
 * frees: pair_in_end, called for every pair when the stream ends. */
#include "core/peer_in_inside.h"

#include "base/mem.h"
#include "core/breaker.h"
#include "core/budget.h"
#include "core/peer_in.h"

#include <stddef.h>
#include <string.h>

enum {
	JUDGE_EVERY_MS = 5,
};

static void question_end(struct pair_in *pi, bool proven)
{
	if (!pi->question)
		return;
	outgoing_drop(pi->question);
	pi->question = NULL;
	budget_asked(pi->peer->worker, &pi->peer->link.remote_addr, proven);
}

void pair_in_end(struct pair_in *pi)
{
	question_end(pi, false);
	claim_end(pi->claim);
	if (pi->route)
		route_close(pi->route);
	mem_free(pi->assessed);
	mem_free(pi);
}

/* ---- pairs ---- */

struct pair_in *pair_in_of(struct peer_in *p, struct pair *pair)
{
	if (!pair->user) {
		struct pair_in *pi = MEM_NEW(struct pair_in);
		pi->peer = p;
		pi->pair = pair;
		pair->user = pi;
	}
	return pair->user;
}

void peer_in_log_not_asked(struct peer_in *p, const struct pair *pair, struct err why)
{
	char address[64] = "";
	uv_ip_name((struct sockaddr *)&p->link.remote_addr, address, sizeof address);
	log_reason(why, "not-asked", log_c("session", p->session), log_c("leg", "W-IN"),
		log_s("from", slice_of(pair->from_text, pair->from_len)),
		log_s("to", slice_of(pair->to_text, pair->to_len)), log_c("address", address),
		log_end());
}

void peer_in_look_at_pair(struct peer_in *p, struct pair *pair, struct actions *a)
{
	if (!budget_claim(p->worker, &p->link.remote_addr)) {
		peer_in_log_not_asked(p, pair, err_make(ERR_BUDGET));
		stream_in_verified(&p->stream, pair, DB_ERROR, "resource-constraint", a);
		return;
	}
	peer_in_judge_pair(p, pair);
}

static void tell_outcome(
	struct peer_in *p, struct pair *pair, enum db_outcome outcome, const char *condition)
{
	struct actions a;
	actions_init(&a);
	/* M-3: the floor may have risen since the pair was judged. */
	if (level_of_proof(PROOF_DIALBACK, p->link.tls != NULL) < p->tenant->floor_in)
		stream_in_verdict(&p->stream, pair,
			(struct verdict){
				.decision = VERDICT_REFUSED, .why = err_make(ERR_DB_REFUSED)},
			&a);
	else
		stream_in_verified(&p->stream, pair, outcome, condition, &a);
	peer_in_run_actions(p, &a);
	actions_fini(&a);
}

static void finish_question(
	struct pair_in *pi, enum db_outcome outcome, struct err why, const char *condition)
{
	question_end(pi, outcome == DB_VALID);
	if (outcome != DB_VALID)
		peer_in_note_not_valid(pi->peer, pi->pair, why);
	tell_outcome(pi->peer, pi->pair, outcome, condition);
}

/* XEP-0220 2.5 */
static const char *question_condition(enum err_code code)
{
	switch (code) {
	case ERR_DNS_NONE:
	case ERR_DNS_NO_SERVICE:
	case ERR_DNS_SPECIAL:
		return "remote-server-not-found";
	case ERR_DB_TIMEOUT:
	case ERR_CONNECT_TIMEOUT:
		return "remote-server-timeout";
	case ERR_BUDGET:
		return "resource-constraint";
	default:
		return "remote-connection-failed";
	}
}

static void on_answered(void *owner, enum db_outcome outcome)
{
	/* An error as answer: XEP-0220 2.5 makes it remote-server-not-found. */
	finish_question(owner, outcome, err_make(ERR_DB_INVALID), "remote-server-not-found");
}

static void on_question_failed(void *owner, struct err why, const char *condition, const char *text)
{
	(void)condition;
	(void)text;
	finish_question(owner, DB_ERROR, why, question_condition(why.code));
}

static void on_question_event(void *owner)
{
	(void)owner;
}

static const struct outgoing_events question_events = {.dialing = on_question_event,
	.ready = on_question_event,
	.failed = on_question_failed,
	.answered = on_answered,
	.room = on_question_event};

/* DB-15: what failed for others a moment ago is answered from memory and costs nobody anything;
 * the rest is counted. */
static struct err may_ask(struct peer_in *p, const struct pair *pair)
{
	struct err why;
	struct worker *w = p->worker;
	if (!breaker_allows(w->breakers, BREAKER_FOR_STRANGER, &pair->to, &pair->from,
		    worker_now_ms(w), &why))
		return why;
	return budget_ask(w, &p->link.remote_addr);
}

/* Protocol sheet 8.2 step 4: on a connection of our own, never on the one that asked. */
void peer_in_ask(struct peer_in *p, struct pair *pair)
{
	struct err why = may_ask(p, pair);
	if (err_is(why)) {
		peer_in_log_not_asked(p, pair, why);
		peer_in_note_not_valid(p, pair, why);
		tell_outcome(p, pair, DB_ERROR, question_condition(why.code));
		return;
	}
	struct pair_in *pi = pair_in_of(p, pair);
	struct outgoing_config c = {
		.tenant = p->tenant,
		.local = pair->to,
		.remote = pair->from,
		.session = p->session,
		.leg = "W-VERIFY",
		.verify_id = p->stream.id,
		.verify_key = pair->key,
	};
	pi->question = outgoing_new(p->worker, &c, &question_events, pi);
	outgoing_start(pi->question);
}

static void on_route_room(void *owner)
{
	struct pair_in *pi = owner;
	link_resume(&pi->peer->link);
}

static void on_route_ready(void *owner)
{
	(void)owner;
}

static bool on_route_failed(void *owner, struct err why, const char *condition, const char *text)
{
	struct pair_in *pi = owner;
	(void)condition;
	(void)text;
	/* BE-6: a backend that refuses a proven peer is misconfigured; say so loudly. */
	if (why.code != ERR_BACKEND_DOWN && why.code != ERR_LOST)
		log_reason(err_make(ERR_BACKEND_REFUSED), "backend",
			log_c("session", pi->peer->session),
			log_s("tenant", domain_slice(&pi->peer->tenant->domain)),
			log_s("peer", domain_slice(&pi->pair->from)), log_end());
	return false;
}

static const struct route_events route_events = {
	.room = on_route_room, .ready = on_route_ready, .failed = on_route_failed};

struct route *peer_in_route(struct peer_in *p, struct pair *pair)
{
	struct pair_in *pi = pair_in_of(p, pair);
	if (pi->route)
		return pi->route;
	struct route_config c = {
		.from = pair->from,
		.to = pair->to,
		.forward_tenant = p->tenant,
		.forward_backend = true,
		.back_tenant = p->tenant,
		.session = p->session,
		.lang = p->stream.header.lang,
	};
	pi->route = route_new(p->worker, &c, &route_events, pi);
	return pi->route;
}

/* ---- reload ---- */

/* A tenant may have lost one of its domains, or another tenant got it: also while the question
 * about a pair is open. */
static bool targets_stay(const struct peer_in *p, const struct tenant *t)
{
	for (size_t i = 0; i < p->stream.pairs.count; i++) {
		const struct pair *pair = p->stream.pairs.items[i];
		if (pair->state != PAIR_FAILED && !tenant_has_domain(t, &pair->to))
			return false;
	}
	return true;
}

/* The new version of the tenant; true when something in it has changed. */
static bool take_tenant(struct peer_in *p, struct tenant *t)
{
	bool changed = t->version != p->tenant->version;
	tenant_hold(t);
	tenant_release(p->tenant);
	p->tenant = t;
	for (size_t i = 0; i < p->stream.pairs.count; i++) {
		struct pair_in *pi = p->stream.pairs.items[i]->user;
		if (pi && pi->route)
			route_set_tenants(pi->route, t, t);
	}
	return changed;
}

/* Looking at a certificate takes a signature or two: the streams of changed tenants take turns, or
 * all of the worker's would stand still together. */
static void judge_next(void *arg)
{
	struct worker *w = arg;
	if (!w->peers_to_judge)
		return;
	struct peer_in *p =
		(struct peer_in *)((char *)w->peers_to_judge - offsetof(struct peer_in, judge));
	peer_in_leave_judging(p);
	if (p->up && !p->closing && !p->dead)
		(void)peer_in_proofs_hold(p, true);
	timer_start(w->timers, &w->judge_timer, JUDGE_EVERY_MS, judge_next, w);
}

/* Those whose tenant has not changed are judged in their own time. */
static void rejudge(struct peer_in *p)
{
	if (p->dead || !p->tenant)
		return;
	struct tenant *t = registry_find(p->worker->registry, &p->stream.ours);
	if (!t || !targets_stay(p, t)) {
		peer_in_fail(p, err_make(ERR_HOST_GONE)); /* RFC 6120 4.9.3.5 */
		return;
	}
	if (!take_tenant(p, t))
		return;
	struct err why = peer_in_levels_hold(p);
	if (err_is(why))
		peer_in_fail(p, why);
	else if (!p->judge.prev)
		session_link_in(&p->worker->peers_to_judge, &p->judge);
}

void peers_in_reload(struct worker *w)
{
	for (struct session_node *n = w->peers_in, *next; n; n = next) {
		next = n->next;
		rejudge((struct peer_in *)n);
	}
	timer_start(w->timers, &w->judge_timer, JUDGE_EVERY_MS, judge_next, w);
}
