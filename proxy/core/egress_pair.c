/* A backend's pair. Happy path: asked, checked to be the backend's, looked at
 * (egress_neighbour.c), held, `valid`.
 * Failure modes: a stream error with text, until `valid`; then the route's bounces. Who frees:
 * pair_out_end, called for every pair when the stream ends. */
#include "core/egress_inside.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum {
	HOLD_MS = 2000, /* house rules 1: then `valid`, and the remote is dialled lazily */
	HINT_MS = 25,   /* how often the shared hint is looked at while holding */
};

void pair_out_end(struct pair_out *po)
{
	struct worker *w = po->egress->worker;
	timer_stop(w->timers, &po->hold);
	if (po->check)
		outgoing_drop(po->check);
	pair_out_stop_looking(po);
	if (po->route)
		route_close(po->route);
	tenant_release(po->neighbour);
	mem_free(po);
}

/* ---- the verdict on a pair ---- */

void pair_out_verdict(struct pair_out *po, struct verdict v)
{
	struct egress *g = po->egress;
	struct actions a;
	actions_init(&a);
	stream_in_verdict(&g->stream, po->pair, v, &a);
	egress_run_actions(g, &a);
	actions_fini(&a);
}

static void say_valid(struct pair_out *po)
{
	timer_stop(po->egress->worker->timers, &po->hold);
	po->state = PAIR_OUT_VALID;
	pair_out_verdict(po, (struct verdict){.decision = VERDICT_PROVEN, .proof = PROOF_BACKEND});
}

void pair_out_refuse(struct pair_out *po, struct err why)
{
	pair_out_verdict(po, (struct verdict){.decision = VERDICT_REFUSED, .why = why});
}

/* ---- the way ---- */

static void on_route_room(void *owner)
{
	struct pair_out *po = owner;
	link_resume(&po->egress->link);
}

static void on_route_ready(void *owner)
{
	struct pair_out *po = owner;
	if (po->state == PAIR_OUT_HOLDING)
		say_valid(po);
}

/* BE-10 and the table of protocol sheet 20.4: what the user of the backend gets to read. */
static void fail_before_valid(
	struct pair_out *po, struct err why, const char *condition, const char *text)
{
	static const char *const passed_on[] = {
		"host-unknown", "host-gone", "policy-violation", "resource-constraint"};
	const char *told = err_row(why.code)->condition;
	char detail[200] = "";
	if (!*told || why.code == ERR_PEER_STREAM_ERROR)
		told = "remote-connection-failed";
	for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
		if (strcmp(condition, passed_on[i]) == 0)
			told = passed_on[i];
	}
	if (strcmp(condition, "item-not-found") == 0)
		told = "host-unknown";
	if (*condition || *text)
		snprintf(detail, sizeof detail, "%s%s%s", condition, *text ? " " : "", text);
	/* `not-authorized` is the backend's own trouble, the certificate of a peer is not. */
	if (strcmp(told, "not-authorized") == 0 && why.code != ERR_DB_REJECTED)
		told = "remote-connection-failed";
	egress_fail_as(po->egress, why, told, detail);
}

static bool on_route_failed(void *owner, struct err why, const char *condition, const char *text)
{
	struct pair_out *po = owner;
	struct egress *g = po->egress;
	if (po->state != PAIR_OUT_VALID) {
		fail_before_valid(po, why, condition, text);
		return true;
	}
	/* It has become a neighbour since: the backend's next stream finds the way inside. */
	if (why.code == ERR_DNS_LOOP && registry_find(g->worker->registry, &po->pair->to))
		egress_close(g);
	return false; /* the route bounces (BE-5) */
}

static const struct route_events route_events = {
	.room = on_route_room, .ready = on_route_ready, .failed = on_route_failed};

static void make_route(struct pair_out *po)
{
	struct egress *g = po->egress;
	bool inside = po->neighbour != NULL;
	struct route_config c = {
		.from = po->pair->from,
		.to = po->pair->to,
		.forward_tenant = inside ? po->neighbour : g->tenant,
		.forward_backend = inside,
		.back_tenant = g->tenant,
		.back_backend = true,
		.session = g->session,
		.lang = g->stream.header.lang,
	};
	po->route = route_new(g->worker, &c, &route_events, po);
}

/* ---- holding the answer ---- */

static bool bin_pending(const struct pair_out *po)
{
	struct worker *w = po->egress->worker;
	return shared_pending_has(w->shared, &po->pair->to, &po->pair->from, worker_now_ms(w));
}

static void on_hold(void *arg)
{
	struct pair_out *po = arg;
	struct worker *w = po->egress->worker;
	/* BE-4: Prosody's db:verify waits behind this answer. */
	if (bin_pending(po) || worker_now_ms(w) - po->held_since_ms >= HOLD_MS)
		say_valid(po);
	else
		timer_start(w->timers, &po->hold, HINT_MS, on_hold, po);
}

void pair_out_hold(struct pair_out *po)
{
	struct worker *w = po->egress->worker;
	po->state = PAIR_OUT_HOLDING;
	po->held_since_ms = worker_now_ms(w);
	make_route(po);
	if (bin_pending(po)) {
		say_valid(po); /* the remote is dialled with the first stanza */
		return;
	}
	timer_start(w->timers, &po->hold, HINT_MS, on_hold, po);
	route_start(po->route);
}

/* ---- is it the backend? (BE-11) ---- */

static void on_check_answered(void *owner, enum db_outcome outcome)
{
	struct pair_out *po = owner;
	outgoing_drop(po->check);
	po->check = NULL;
	if (outcome == DB_VALID)
		pair_out_look(po);
	else
		pair_out_refuse(po, err_make(ERR_BACKEND_UNPROVEN));
}

static void on_check_failed(void *owner, struct err why, const char *condition, const char *text)
{
	struct pair_out *po = owner;
	(void)condition;
	(void)text;
	outgoing_drop(po->check);
	po->check = NULL;
	log_reason(why, "backend-check", log_c("session", po->egress->session),
		log_s("tenant", domain_slice(&po->egress->tenant->domain)), log_end());
	pair_out_refuse(po, err_make(ERR_BACKEND_UNPROVEN));
}

static void on_check_event(void *owner)
{
	(void)owner;
}

static const struct outgoing_events check_events = {.dialing = on_check_event,
	.ready = on_check_event,
	.failed = on_check_failed,
	.answered = on_check_answered,
	.room = on_check_event};

void pair_out_start(struct pair_out *po)
{
	struct egress *g = po->egress;
	po->state = PAIR_OUT_CHECKING;
	if (!g->tenant->backend_check) {
		pair_out_look(po);
		return;
	}
	struct outgoing_config c = {
		.tenant = g->tenant,
		.backend = true,
		.local = po->pair->to,
		.remote = po->pair->from,
		.session = g->session,
		.leg = "B-VERIFY",
		.verify_id = g->stream.id,
		.verify_key = po->pair->key,
	};
	po->check = outgoing_new(g->worker, &c, &check_events, po);
	outgoing_start(po->check);
}
