/* From tenant to tenant (ADR-8). Happy path: the remote is a tenant here and its public DNS says
 * so, both have proven themselves as to a stranger: the way is inside. Failure modes: its DNS is
 * elsewhere: it is a remote like any other; one of them has not proven itself: refused. Who frees:
 * pair_out_stop_looking. */
#include "core/egress_inside.h"

#include "core/proofs.h"

enum { PROOF_MS = 10000 };

/* ---- what they prove to each other ---- */

/* Being a tenant proves nothing: what `tenant` shows for `domain` is judged under the neighbour's
 * authorities and by what the domain publishes; else that its public DNS points here counts. */
static enum level level_inside(struct worker *w, struct tenant *tenant, const struct domain *domain,
	const struct tenant *judge, enum delegation_state points)
{
	struct err e;
	struct policy_case c;
	struct slice chain[CERT_CHAIN_MAX + 1];
	struct credential *own = assess_credential(w->assessor, w->channel, tenant, &e);
	enum level best = LEVEL_NONE;
	for (size_t i = 0; own && i < credential_count(own); i++) {
		struct assess_question q = {.worker = w,
			.tenant = judge,
			.chain = chain,
			.count = credential_chain(own, i, chain, CERT_CHAIN_MAX + 1),
			.tls = true,
			.domain = domain,
			.published = proofs_last_known(w, domain),
			.asked = proofs_askable(w, domain),
			.by_asking = points == DELEGATION_HERE ? EVIDENCE_PROVES : EVIDENCE_NONE};
		assess_evidence(&q, &c);
		policy_give_up_waiting(&c);
		enum level l = policy_level(&c, worker_wall_s());
		best = l > best ? l : best;
	}
	if (!own && points == DELEGATION_HERE)
		return LEVEL_SECURE;
	return best;
}

static void log_inside(struct pair_out *po, enum level sender)
{
	struct egress *g = po->egress;
	log_event(LOG_INFO, "stream-up", log_c("session", g->session), log_c("leg", "INSIDE"),
		log_c("dir", "inside"),
		log_s("from", slice_of(po->pair->from_text, po->pair->from_len)),
		log_s("to", slice_of(po->pair->to_text, po->pair->to_len)),
		log_c("proof", sender == LEVEL_TRUSTED ? "certificate" : "delegation"),
		log_c("trust", level_name(sender)), log_end());
}

/* Whether the tenants of the pair may speak to each other, under the rules of both; *sender is what
 * the sender has proven. */
struct err pair_out_judge_inside(
	const struct pair_out *po, struct tenant *neighbour, enum level *sender)
{
	struct egress *g = po->egress;
	*sender = level_inside(g->worker, g->tenant, &po->pair->from, neighbour, po->points);
	enum level target =
		level_inside(g->worker, neighbour, &po->pair->to, g->tenant, DELEGATION_HERE);
	if (*sender == LEVEL_NONE)
		return err_make(ERR_TENANT_UNPROVEN);
	if (*sender < neighbour->floor_in || target < g->tenant->floor_out)
		return err_make(ERR_POLICY);
	return err_ok();
}

/* ---- looking ---- */

void pair_out_stop_looking(struct pair_out *po)
{
	if (po->look)
		delegation_cancel(po->look);
	po->look = NULL;
	for (size_t i = 0; i < 2; i++) {
		if (po->waits[i])
			proofs_leave(po->waits[i]);
		po->waits[i] = NULL;
	}
	timer_stop(po->egress->worker->timers, &po->hold);
}

static void judge(struct pair_out *po)
{
	enum level sender;
	pair_out_stop_looking(po);
	/* As it is now: a reload may have come meanwhile. */
	struct tenant *t = registry_find(po->egress->worker->registry, &po->pair->to);
	struct err why = t ? pair_out_judge_inside(po, t, &sender) : err_ok();
	if (err_is(why)) {
		pair_out_refuse(po, why);
		return;
	}
	if (t) {
		po->neighbour = tenant_hold(t);
		log_inside(po, sender);
	}
	pair_out_hold(po);
}

static void on_news(void *arg);

/* What `who` publishes is asked for where it can matter: DANE, which may say no, and POSH where the
 * floor is above what pointing here gives. True: it is under way. */
static bool ask(struct pair_out *po, size_t who, enum level floor)
{
	struct worker *w = po->egress->worker;
	const struct domain *d = who ? &po->pair->to : &po->pair->from;
	unsigned kinds = PROOFS_DANE | (floor >= LEVEL_TRUSTED ? PROOFS_POSH : 0u);
	if (!proofs_missing(w, d, kinds))
		return false;
	if (!po->waits[who])
		po->waits[who] = proofs_ask(w, d, kinds, on_news, po);
	return po->waits[who] != NULL;
}

static void prove(struct pair_out *po)
{
	struct worker *w = po->egress->worker;
	struct tenant *t = registry_find(w->registry, &po->pair->to);
	bool sender = t && ask(po, 0, t->floor_in);
	bool target = t && ask(po, 1, po->egress->tenant->floor_out);
	if (!sender && !target)
		judge(po);
}

static void on_news(void *arg)
{
	prove(arg);
}

static void on_late(void *arg)
{
	judge(arg);
}

static void on_sender_looked(void *arg, enum delegation_state points)
{
	struct pair_out *po = arg;
	po->look = NULL;
	po->points = points;
	timer_start(po->egress->worker->timers, &po->hold, PROOF_MS, on_late, po);
	prove(po);
}

static void on_target_looked(void *arg, enum delegation_state points)
{
	struct pair_out *po = arg;
	po->look = NULL;
	if (points == DELEGATION_HERE) {
		po->look =
			delegation_ask(po->egress->worker, &po->pair->from, on_sender_looked, po);
		return;
	}
	/* Its public DNS is elsewhere: whoever is a tenant under that name here, the domain is a
	 * remote one like any other. */
	pair_out_hold(po);
}

void pair_out_look(struct pair_out *po)
{
	struct egress *g = po->egress;
	po->state = PAIR_OUT_LOOKING;
	if (!registry_find(g->worker->registry, &po->pair->to)) {
		pair_out_hold(po);
		return;
	}
	po->look = delegation_ask(g->worker, &po->pair->to, on_target_looked, po);
}
