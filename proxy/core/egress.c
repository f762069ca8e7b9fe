#include "core/egress.h"

#include "base/mem.h"
#include "core/egress_inside.h"
#include "core/relay.h"

#include <string.h>

enum {
	GOODBYE_MS = 3000,
	HEADER_MS = 10000, /* until the header, and for verify-only streams (BE-17) */
};

/* ---- log ---- */

static void log_end_of(struct egress *g, struct err why, const struct actions *a)
{
	char peer[DOMAIN_UNICODE_MAX + 1], ours[DOMAIN_UNICODE_MAX + 1], address[64] = "";
	uv_ip_name((struct sockaddr *)&g->link.remote_addr, address, sizeof address);
	struct slice from = domain_unicode(&g->stream.header.from, ours);
	struct slice to = domain_unicode(&g->stream.header.to, peer);
	bool ordinary = why.code == ERR_PEER_CLOSED || why.code == ERR_LOST;
	if (ordinary)
		log_event(LOG_DEBUG, "stream-down", log_c("session", g->session),
			log_c("leg", "B-OUT"), log_s("from", from), log_s("to", to),
			log_n("stanzas", (int64_t)g->stanzas), log_end());
	else
		log_reason(why, g->up ? "stream-down" : "refused", log_c("session", g->session),
			log_c("leg", "B-OUT"), log_s("from", from), log_s("to", to),
			log_c("address", address),
			log_c("condition", a && a->condition[0] ? a->condition : NULL),
			log_c("said", a && a->text[0] ? a->text : NULL), log_end());
}

/* ---- ending ---- */

static void end_stream(struct egress *g, struct err why, const struct actions *a)
{
	if (g->dead)
		return;
	g->dead = true;
	log_end_of(g, why, a);
	for (size_t i = 0; i < g->stream.pairs.count; i++) {
		struct pair *pair = g->stream.pairs.items[i];
		if (pair->user)
			pair_out_end(pair->user);
		pair->user = NULL;
	}
	timer_stop(g->worker->timers, &g->deadline);
	link_finish(&g->link, GOODBYE_MS);
	if (g->link.phase == LINK_OPEN)
		link_close(&g->link);
}

void egress_fail_as(struct egress *g, struct err why, const char *condition, const char *detail)
{
	struct actions a;
	actions_init(&a);
	stream_in_fail(&g->stream, why, condition, detail, &a);
	egress_run_actions(g, &a);
	actions_fini(&a);
	end_stream(g, why, NULL);
}

static void fail_stream(struct egress *g, struct err why)
{
	egress_fail_as(g, why, NULL, NULL);
}

static void free_egress(void *object)
{
	struct egress *g = object;
	session_unlink(&g->node);
	stream_in_fini(&g->stream);
	tenant_release(g->tenant);
	mem_free(g);
}

static void on_closed(void *owner)
{
	struct egress *g = owner;
	worker_bury(g->worker, g, free_egress);
}

void egress_close(struct egress *g)
{
	struct actions a;
	actions_init(&a);
	stream_in_end(&g->stream, &a);
	egress_run_actions(g, &a);
	actions_fini(&a);
}

static void on_late(void *arg)
{
	struct egress *g = arg;
	/* A stream that only asked db:verify and stays is closed properly, without an error. */
	if (g->questions)
		egress_close(g);
	else
		fail_stream(g, err_make(ERR_HEADER_TIMEOUT));
}

/* ---- the stream's actions ---- */

static bool speaks_for(const struct egress *g, const struct domain *d)
{
	return g->tenant && tenant_has_domain(g->tenant, d);
}

static void assess_pair(struct egress *g, struct pair *pair)
{
	if (pair->state == PAIR_VALID) {
		/* The caller was proven to be the backend; another key changes nothing. */
		pair_out_verdict(pair->user,
			(struct verdict){.decision = VERDICT_PROVEN, .proof = PROOF_BACKEND});
		return;
	}
	if (pair->user)
		pair_out_end(pair->user);
	struct pair_out *po = MEM_NEW(struct pair_out);
	po->egress = g;
	po->pair = pair;
	pair->user = po;
	timer_stop(g->worker->timers, &g->deadline);
	if (speaks_for(g, &pair->from))
		pair_out_start(po);
	else
		pair_out_refuse(po, err_make(ERR_BACKEND_SPOOF)); /* protocol sheet 20.6, 3 */
}

/* BE-1: valid only for our own key under the label "in", and only to that tenant's backend. */
static void check_key(struct egress *g, const struct db_query *q, struct actions *a)
{
	bool valid = speaks_for(g, &q->from) &&
		     worker_check_key(g->worker, DBKEY_IN, &q->from, &q->to, q->id, q->key);
	g->questions++;
	log_event(LOG_DEBUG, "key-checked", log_c("session", g->session), log_c("leg", "B-OUT"),
		log_s("tenant", domain_slice(&q->from)), log_s("peer", domain_slice(&q->to)),
		log_c("outcome", valid ? "valid" : "invalid"), log_end());
	stream_in_key_checked(&g->stream, q, valid ? DB_VALID : DB_INVALID, a);
}

static void pair_valid(struct egress *g)
{
	if (g->up)
		return;
	g->up = true;
	struct scan_limits limits = scan_limits_proven;
	limits.max_element_bytes = g->worker->gate->stanza_bytes;
	scan_set_limits(g->link.scan, &limits);
}

static void on_action(struct egress *g, struct actions *a, const struct act *act)
{
	struct actions next;
	switch (act->kind) {
	case ACT_ASSESS:
		assess_pair(g, act->pair);
		break;
	case ACT_CHECK_KEY:
		actions_init(&next);
		check_key(g, &a->query, &next);
		egress_run_actions(g, &next);
		actions_fini(&next);
		break;
	case ACT_PAIR_VALID:
		pair_valid(g);
		break;
	case ACT_CLOSE:
		end_stream(g, act->why, a);
		break;
	case ACT_IGNORED:
		log_reason(act->why, "ignored", log_c("session", g->session), log_c("leg", "B-OUT"),
			log_end());
		break;
	default:
		break; /* TLS and SASL never happen on egress */
	}
}

void egress_run_actions(struct egress *g, struct actions *a)
{
	link_write(&g->link, buf_peek(&a->out));
	for (size_t i = 0; i < a->count && !g->dead; i++)
		on_action(g, a, &a->list[i]);
}

/* ---- link events ---- */

static struct stream_local look_up(struct egress *g, const struct stream_header *h)
{
	struct stream_local local = {0};
	struct tenant *t =
		domain_is_set(&h->from) ? registry_find(g->worker->registry, &h->from) : NULL;
	if (!t)
		return local;
	local.served = true;
	if (!tenant_egress_allows(t, &g->link.remote_addr)) {
		local.refusal = err_make(ERR_BACKEND_SPOOF);
		return local;
	}
	tenant_hold(t);
	tenant_release(g->tenant);
	g->tenant = t;
	return local;
}

static void on_header(void *owner, const struct scan_element *e)
{
	struct egress *g = owner;
	struct stream_header h;
	struct actions a;
	char id[33];
	worker_new_id(id); /* BE-13: the backend's key is a function of it */
	actions_init(&a);
	struct err wrong = stream_header_read(e, &h);
	struct stream_local local = look_up(g, &h);
	stream_in_header(&g->stream, &h, wrong, &local, id, &a);
	egress_run_actions(g, &a);
	actions_fini(&a);
}

/* BE-14: never on another pair's way. */
static void stray_stanza(struct egress *g, struct err why)
{
	log_reason(err_make(ERR_ROUTE_PAIR), "stray", log_c("session", g->session),
		log_s("tenant", domain_slice(&g->tenant->domain)),
		log_c("as", err_row(why.code)->id), log_end());
	fail_stream(g, why);
}

static void on_stanza(struct egress *g, const struct scan_element *e)
{
	struct relay r = relay_judge(
		g->worker, &g->stream.pairs, e, g->stream.header.lang, g->stream.header.lang);
	if (err_is(r.wrong)) {
		stray_stanza(g, r.wrong);
		return;
	}
	struct pair_out *po = r.pair->user;
	size_t limit = route_peer_limit(po->route);
	g->stanzas++;
	if (limit && r.bytes.len > limit) { /* LIM-2 */
		route_bounce(po->route, r.bytes, err_make(ERR_STANZA_SIZE), NULL);
		return;
	}
	route_push(po->route, r.bytes);
	if (route_is_full(po->route)) {
		route_note_full(po->route);
		link_pause(&g->link);
	}
}

static void on_element(void *owner, const struct scan_element *e)
{
	struct egress *g = owner;
	if (g->up && stanza_kind(e) != STANZA_NONE) {
		on_stanza(g, e);
		return;
	}
	struct err wrong;
	struct actions a;
	struct element *el = element_parse(e, &wrong);
	actions_init(&a);
	if (el)
		stream_in_element(&g->stream, el, &a);
	else
		stream_in_fail(&g->stream, wrong, NULL, NULL, &a);
	element_free(el);
	egress_run_actions(g, &a);
	actions_fini(&a);
}

static void on_end(void *owner)
{
	egress_close(owner);
}

static void on_link_event(void *owner)
{
	(void)owner; /* no TLS here, and little is ever written on B-OUT */
}

static void on_broken(void *owner, struct err why)
{
	struct egress *g = owner;
	if (why.code >= ERR_XML && why.code <= ERR_STREAM_ROOT)
		fail_stream(g, why);
	else
		end_stream(g, why, NULL);
}

static const struct link_events link_events = {
	.header = on_header,
	.element = on_element,
	.end = on_end,
	.tls_up = on_link_event,
	.broken = on_broken,
	.room = on_link_event,
	.closed = on_closed,
};

void egress_accept(struct worker *w, int fd)
{
	struct egress *g = MEM_NEW(struct egress);
	g->worker = w;
	char id[33];
	worker_new_id(id);
	memcpy(g->session, id, SESSION_ID_LEN);
	session_link_in(&w->egresses, &g->node);
	worker_new_id(id);
	stream_in_init(&g->stream, true, false, &w->gate->host_name, id);
	struct err e = link_open(&g->link, w, fd, &scan_limits_stranger, &link_events, g);
	timer_start(w->timers, &g->deadline, HEADER_MS, on_late, g);
	if (err_is(e))
		end_stream(g, e, NULL);
}

/* ---- reload and stop ---- */

static bool senders_stay(const struct egress *g, const struct tenant *t)
{
	for (size_t i = 0; i < g->stream.pairs.count; i++) {
		const struct pair *pair = g->stream.pairs.items[i];
		if (pair->state != PAIR_FAILED && !tenant_has_domain(t, &pair->from))
			return false;
	}
	return true;
}

/* Whether what BE-11 has shown still holds: one of the backends of then knew the key. */
static bool same_backend(const struct tenant *before, const struct tenant *now)
{
	bool same = before->backend_check || !now->backend_check;
	for (size_t i = 0; same && i < before->backends.count; i++)
		same = tenant_has_backend(now, &before->backends.items[i].sa);
	return same;
}

/* A pair inside the gate has two tenants, and either may have changed. */
static struct err rejudge_inside(struct pair_out *po, bool changed)
{
	enum level sender;
	struct tenant *t = registry_find(po->egress->worker->registry, &po->pair->to);
	if (!t)
		return err_make(ERR_HOST_GONE);
	struct err why = changed || t->version != po->neighbour->version ||
					 po->egress->worker->proofs_switched
				 ? pair_out_judge_inside(po, t, &sender)
				 : err_ok();
	tenant_hold(t);
	tenant_release(po->neighbour);
	po->neighbour = t;
	if (!err_is(why))
		route_set_tenants(po->route, t, po->egress->tenant);
	return why;
}

static struct err rejudge_pair(struct pair_out *po, bool changed)
{
	struct tenant *t = po->egress->tenant;
	if (!po->route)
		return err_ok(); /* it will be judged by what is true then */
	if (po->neighbour)
		return rejudge_inside(po, changed);
	route_set_tenants(po->route, t, t);
	return err_ok();
}

static void rejudge(struct egress *g)
{
	if (g->dead || !g->tenant)
		return;
	struct tenant *t = registry_find(g->worker->registry, &g->stream.ours);
	if (!t || !tenant_egress_allows(t, &g->link.remote_addr) || !senders_stay(g, t)) {
		fail_stream(g, err_make(ERR_HOST_GONE));
		return;
	}
	if (!same_backend(g->tenant, t)) {
		fail_stream(g, err_make(ERR_BACKEND_UNPROVEN));
		return;
	}
	bool changed = t->version != g->tenant->version;
	tenant_hold(t);
	tenant_release(g->tenant);
	g->tenant = t;
	struct err why = err_ok();
	for (size_t i = 0; i < g->stream.pairs.count && !err_is(why); i++) {
		struct pair_out *po = g->stream.pairs.items[i]->user;
		if (po)
			why = rejudge_pair(po, changed);
	}
	if (err_is(why))
		fail_stream(g, why);
}

void egresses_reload(struct worker *w)
{
	for (struct session_node *n = w->egresses, *next; n; n = next) {
		next = n->next;
		rejudge((struct egress *)n);
	}
}

void egresses_stop(struct worker *w)
{
	for (struct session_node *n = w->egresses, *next; n; n = next) {
		next = n->next;
		fail_stream((struct egress *)n, err_make(ERR_SHUTDOWN));
	}
}
