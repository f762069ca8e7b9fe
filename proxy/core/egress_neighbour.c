/* From tenant to tenant (ADR-8). Happy path: the remote is a tenant here and its public DNS says
 * so, both have proven themselves as to a stranger: the way is inside. Failure modes: its DNS is
 * elsewhere: it is a remote like any other; one of them has not proven itself: refused; what proved
 * it has run out while the pair stands: the backend's stream is closed. Who frees:
 * pair_out_stop_looking. */
#include "core/egress_inside.h"

#include "core/proofs.h"

enum {
	PROOF_MS = 10000,
	WATCH_MS = 60000,
};

/* ---- what they prove to each other ---- */

/* One of the two, seen by the other. */
struct side {
	struct tenant *tenant;
	const struct domain *domain;
	const struct tenant *judge;
	enum delegation_state points;
	enum level floor;
	/* What comes of it. */
	enum level level;
	struct renewal_proof rests;
	bool passes;     /* too low for what may be otherwise in a moment */
	struct err over; /* too low for good: why, if it was enough before */
};

static bool is_enough(const struct side *s)
{
	return s->level != LEVEL_NONE && s->level >= s->floor;
}

/* By one of the tenant's certificates. */
static void judge_by(struct worker *w, struct credential *own, size_t i, enum proof_kind rested_on,
	struct side *s)
{
	struct weighed found;
	struct slice chain[CERT_CHAIN_MAX + 1];
	struct assess_question q = {.worker = w,
		.tenant = s->judge,
		.chain = chain,
		.count = credential_chain(own, i, chain, CERT_CHAIN_MAX + 1),
		.tls = true,
		.domain = s->domain,
		.published = proofs_last_known(w, s->domain),
		.asked = proofs_askable(w, s->domain),
		.by_asking = s->points == DELEGATION_HERE ? EVIDENCE_PROVES : EVIDENCE_NONE};
	assess_weigh(&q, s->floor, rested_on, ERR_PROOF_LATE, &found);
	s->passes |= found.passes;
	s->over = assess_over(&found.c, &found.v, rested_on);
	if (found.v.level > s->level) {
		s->level = found.v.level;
		s->rests = found.outcome.rests;
	}
}

/* Being a tenant proves nothing: what the tenant shows for the domain is judged under the
 * neighbour's authorities and by what the domain publishes; else that its public DNS points here
 * counts. */
static void judge_side(struct worker *w, enum proof_kind rested_on, struct side *s)
{
	struct err e;
	s->over = err_make(ERR_POLICY);
	struct credential *own = assess_credential(w->assessor, w->channel, s->tenant, &e);
	for (size_t i = 0; own && i < credential_count(own); i++)
		judge_by(w, own, i, rested_on, s);
	if (!own && s->points == DELEGATION_HERE) {
		s->level = LEVEL_SECURE;
		s->rests.by = PROOF_ASKED;
	}
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

/* Sender and target, under the rules of both. */
static struct err judge_both(struct pair_out *po, struct tenant *neighbour, struct side both[2])
{
	struct egress *g = po->egress;
	both[0] = (struct side){.tenant = g->tenant,
		.domain = &po->pair->from,
		.judge = neighbour,
		.points = po->points,
		.floor = neighbour->floor_in};
	both[1] = (struct side){.tenant = neighbour,
		.domain = &po->pair->to,
		.judge = g->tenant,
		.points = DELEGATION_HERE,
		.floor = g->tenant->floor_out};
	for (size_t i = 0; i < 2; i++)
		judge_side(g->worker, po->renewal[i].by, &both[i]);
	if (both[0].level == LEVEL_NONE)
		return err_make(ERR_TENANT_UNPROVEN);
	return is_enough(&both[0]) && is_enough(&both[1]) ? err_ok() : err_make(ERR_POLICY);
}

static void watch(struct pair_out *po);

struct err pair_out_judge_inside(struct pair_out *po, struct tenant *neighbour, enum level *sender)
{
	struct side both[2];
	struct err why = judge_both(po, neighbour, both);
	*sender = both[0].level;
	if (err_is(why))
		return why;
	for (size_t i = 0; i < 2; i++)
		renewal_proven(&po->renewal[i], &both[i].rests, worker_wall_s());
	if (!po->judging_again)
		watch(po);
	return err_ok();
}

/* ---- looking ---- */

static void stop_asking(struct pair_out *po)
{
	for (size_t i = 0; i < 2; i++) {
		if (po->waits[i])
			proofs_leave(po->waits[i]);
		po->waits[i] = NULL;
	}
}

void pair_out_stop_looking(struct pair_out *po)
{
	if (po->look)
		delegation_cancel(po->look);
	po->look = NULL;
	stop_asking(po);
	timer_stop(po->egress->worker->timers, &po->hold);
	timer_stop(po->egress->worker->timers, &po->again);
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

/* What `who` publishes is asked for where it can matter: DANE, which may say no, and POSH where the
 * floor is above what pointing here gives. True: it is under way. */
static bool ask(struct pair_out *po, size_t who, enum level floor, void (*news)(void *arg))
{
	struct worker *w = po->egress->worker;
	const struct domain *d = who ? &po->pair->to : &po->pair->from;
	unsigned kinds = PROOFS_DANE | (floor >= LEVEL_TRUSTED ? PROOFS_POSH : 0u);
	if (!proofs_missing(w, d, kinds))
		return false;
	if (!po->waits[who])
		po->waits[who] = proofs_ask(w, d, kinds, news, po);
	return po->waits[who] != NULL;
}

static void on_news(void *arg);

static void prove(struct pair_out *po)
{
	struct worker *w = po->egress->worker;
	struct tenant *t = registry_find(w->registry, &po->pair->to);
	bool sender = t && ask(po, 0, t->floor_in, on_news);
	bool target = t && ask(po, 1, po->egress->tenant->floor_out, on_news);
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

/* ---- judging again (M-3, ID-10, DANE-9, POSH-6) ---- */

/* P15: what passes is waited for while the proof holds. */
static bool is_believed(struct renewal *r, const struct side *s)
{
	int64_t now = worker_wall_s();
	if (is_enough(s))
		renewal_proven(r, &s->rests, now);
	return is_enough(s) || (s->passes && renewal_put_off(r, now));
}

static void judge_again(struct pair_out *po)
{
	struct side both[2];
	po->judging_again = false;
	stop_asking(po);
	(void)judge_both(po, po->neighbour, both);
	for (size_t i = 0; i < 2; i++) {
		if (!is_believed(&po->renewal[i], &both[i])) {
			egress_fail_as(po->egress, both[i].over, NULL, NULL);
			return;
		}
	}
	watch(po);
}

static void on_news_again(void *arg);

static void look_again(struct pair_out *po)
{
	bool over = renewal_is_over(&po->renewal[0], worker_wall_s()) ||
		    renewal_is_over(&po->renewal[1], worker_wall_s());
	bool sender = !over && ask(po, 0, po->neighbour->floor_in, on_news_again);
	bool target = !over && ask(po, 1, po->egress->tenant->floor_out, on_news_again);
	if (!sender && !target)
		judge_again(po);
}

static void on_news_again(void *arg)
{
	look_again(arg);
}

static bool is_due(const struct pair_out *po)
{
	int64_t now = worker_wall_s();
	return renewal_is_due(&po->renewal[0], now) || renewal_is_due(&po->renewal[1], now);
}

static void on_again(void *arg)
{
	struct pair_out *po = arg;
	if (po->judging_again) {
		judge_again(po); /* what is known by now has to do */
	} else if (!po->neighbour || !is_due(po)) {
		watch(po);
	} else {
		po->judging_again = true;
		proofs_look_ahead(po->egress->worker, &po->pair->from);
		proofs_look_ahead(po->egress->worker, &po->pair->to);
		timer_start(po->egress->worker->timers, &po->again, PROOF_MS, on_again, po);
		look_again(po);
	}
}

/* By the wall clock, which may be set: so not for longer than WATCH_MS. */
static void watch(struct pair_out *po)
{
	uint64_t ms = WATCH_MS;
	int64_t now = worker_wall_s();
	for (size_t i = 0; i < 2; i++) {
		int64_t left = po->renewal[i].due - now + 1;
		if (po->renewal[i].due && left < (int64_t)(ms / 1000))
			ms = left > 0 ? (uint64_t)left * 1000 : 1000;
	}
	timer_start(po->egress->worker->timers, &po->again, ms, on_again, po);
}
