#include "core/route.h"

#include "base/mem.h"
#include "xmpp/stanza.h"

#include <stdio.h>
#include <string.h>

enum {
	FULL_BYTES = 256 * 1024, /* a ready stream with more than this queued stops its source */
	RETRY_MS = 1000,
	PENDING_TTL_MS = 40000, /* longer than a B-IN may take, in case it is never taken back */
	BOUNCE_MAX = 64 * 1024,
	BACK_FACTOR = 4, /* errors may come in a heap, when all that waited is answered at once */
};

struct route {
	struct worker *worker;
	struct route_config config;
	const struct route_events *events;
	void *owner;
	struct outgoing *forward, *back;
	struct timer retry;
	bool closing, forward_hint, back_hint, was_full, buried;
	char session[SESSION_ID_LEN + 1], lang[STREAM_LANG_MAX + 1];
};

static void free_route(void *object)
{
	struct route *r = object;
	tenant_release(r->config.forward_tenant);
	tenant_release(r->config.back_tenant);
	mem_free(r);
}

/* BE-4: whoever answers the backend's own db:result must know that a B-IN for the pair is pending,
 * before the backend is asked. */
static void give_hint(
	struct route *r, bool *given, const struct domain *peer, const struct domain *tenant)
{
	if (!*given)
		shared_pending_add(
			r->worker->shared, peer, tenant, worker_now_ms(r->worker), PENDING_TTL_MS);
	*given = true;
}

static void drop_hint(
	struct route *r, bool *given, const struct domain *peer, const struct domain *tenant)
{
	if (*given)
		shared_pending_drop(r->worker->shared, peer, tenant);
	*given = false;
}

static void drop_hints(struct route *r)
{
	drop_hint(r, &r->forward_hint, &r->config.from, &r->config.to);
	drop_hint(r, &r->back_hint, &r->config.to, &r->config.from);
}

/* Everything is delivered or bounced: the streams close by themselves. */
static void end_if_empty(struct route *r)
{
	if (!r->closing || r->buried || (r->forward && outgoing_queued(r->forward)))
		return;
	r->buried = true;
	drop_hints(r);
	timer_stop(r->worker->timers, &r->retry);
	if (r->forward)
		outgoing_finish(r->forward);
	if (r->back)
		outgoing_finish(r->back);
	worker_bury(r->worker, r, free_route);
}

static void tell_room(struct route *r)
{
	if (!r->was_full || r->closing || route_is_full(r))
		return;
	r->was_full = false;
	r->events->room(r->owner);
}

static void log_bounces_lost(struct route *r, struct err why, int64_t stanzas)
{
	if (stanzas)
		log_reason(why, "bounce-lost", log_c("session", r->session),
			log_n("stanzas", stanzas), log_end());
}

/* ---- back ---- */

static void on_back_failed(void *owner, struct err why, const char *condition, const char *text)
{
	struct route *r = owner;
	struct slice stanza;
	int64_t lost = 0;
	(void)condition;
	(void)text;
	drop_hint(r, &r->back_hint, &r->config.to, &r->config.from);
	while (outgoing_take(r->back, &stanza))
		lost++;
	/* An error that cannot be delivered has nowhere else to go; it is not silent. */
	log_bounces_lost(r, why, lost);
	tell_room(r);
}

static void on_back_room(void *owner)
{
	tell_room(owner);
}

static void on_back_dialing(void *owner)
{
	struct route *r = owner;
	if (r->config.back_backend)
		give_hint(r, &r->back_hint, &r->config.to, &r->config.from);
}

static void on_back_ready(void *owner)
{
	struct route *r = owner;
	drop_hint(r, &r->back_hint, &r->config.to, &r->config.from);
}

static const struct outgoing_events back_events = {.dialing = on_back_dialing,
	.ready = on_back_ready,
	.failed = on_back_failed,
	.room = on_back_room};

static struct outgoing *back_stream(struct route *r)
{
	if (r->back)
		return r->back;
	struct outgoing_config c = {
		.tenant = r->config.back_tenant,
		.backend = r->config.back_backend,
		.local = r->config.to,
		.remote = r->config.from,
		.session = r->session,
		.leg = r->config.back_backend ? "B-IN" : "W-OUT",
		.lang = r->lang,
		.queue_factor = BACK_FACTOR,
	};
	r->back = outgoing_new(r->worker, &c, &back_events, r);
	return r->back;
}

/* False: the error had to be made and could not be kept. */
static bool bounce(struct route *r, struct slice stanza, struct err why, const char *detail)
{
	char text[400];
	struct buf out;
	const struct err_row *row = err_row(why.code);
	bool kept = true;
	snprintf(text, sizeof text, "%s%s%s [%s]", row->sentence, detail && *detail ? ": " : "",
		detail ? detail : "", row->id);
	buf_init(&out, BOUNCE_MAX);
	if (stanza_bounce(stanza, stanza_condition(why.code), text, &out)) {
		shared_count(r->worker->shared, SHARED_BOUNCED, 1);
		kept = !err_is(outgoing_push(back_stream(r), buf_peek(&out)));
		outgoing_start(r->back);
	}
	buf_fini(&out);
	return kept;
}

void route_bounce(struct route *r, struct slice stanza, struct err why, const char *detail)
{
	log_bounces_lost(r, why, !bounce(r, stanza, why, detail));
}

/* ---- forward ---- */

static void on_retry(void *arg)
{
	struct route *r = arg;
	route_start(r);
}

static bool worth_retrying(const struct route *r, struct err why)
{
	uint64_t waited = worker_now_ms(r->worker) - outgoing_oldest_ms(r->forward);
	bool down = why.code == ERR_BACKEND_DOWN || why.code == ERR_CONNECT_TIMEOUT ||
		    why.code == ERR_LOST;
	return r->config.forward_backend && down && !r->worker->stopping &&
	       outgoing_queued(r->forward) &&
	       waited + RETRY_MS < (uint64_t)r->worker->gate->queue_seconds * 1000;
}

static void on_forward_failed(void *owner, struct err why, const char *condition, const char *text)
{
	struct route *r = owner;
	struct slice stanza;
	drop_hint(r, &r->forward_hint, &r->config.from, &r->config.to);
	if (!r->closing && r->events->failed(r->owner, why, condition, text))
		return;
	if (worth_retrying(r, why)) {
		timer_start(r->worker->timers, &r->retry, RETRY_MS, on_retry, r);
		return;
	}
	/* To a stranger, nothing is told about the backend but that it cannot be reached. */
	struct err told = r->config.forward_backend && !r->config.back_backend
				  ? err_make(ERR_BACKEND_DOWN)
				  : why;
	int64_t lost = 0;
	while (outgoing_take(r->forward, &stanza))
		lost += !bounce(r, stanza, told, r->config.forward_backend ? NULL : condition);
	log_bounces_lost(r, why, lost);
	tell_room(r);
	end_if_empty(r);
}

static void on_forward_ready(void *owner)
{
	struct route *r = owner;
	drop_hint(r, &r->forward_hint, &r->config.from, &r->config.to);
	if (!r->closing)
		r->events->ready(r->owner);
}

static void on_forward_room(void *owner)
{
	struct route *r = owner;
	if (r->closing)
		end_if_empty(r);
	else
		tell_room(r);
}

static void on_forward_dialing(void *owner)
{
	struct route *r = owner;
	if (r->config.forward_backend)
		give_hint(r, &r->forward_hint, &r->config.from, &r->config.to);
}

static const struct outgoing_events forward_events = {.dialing = on_forward_dialing,
	.ready = on_forward_ready,
	.failed = on_forward_failed,
	.room = on_forward_room};

static struct outgoing *forward_stream(struct route *r)
{
	if (r->forward)
		return r->forward;
	struct outgoing_config c = {
		.tenant = r->config.forward_tenant,
		.backend = r->config.forward_backend,
		.local = r->config.from,
		.remote = r->config.to,
		.session = r->session,
		.leg = r->config.forward_backend ? "B-IN" : "W-OUT",
		.lang = r->lang,
	};
	r->forward = outgoing_new(r->worker, &c, &forward_events, r);
	return r->forward;
}

void route_start(struct route *r)
{
	outgoing_start(forward_stream(r));
}

void route_push(struct route *r, struct slice stanza)
{
	struct outgoing *o = forward_stream(r);
	struct err full = outgoing_push(o, stanza);
	if (err_is(full)) {
		route_bounce(r, stanza, full, NULL);
		return;
	}
	shared_count(r->worker->shared,
		r->config.forward_backend ? SHARED_STANZAS_IN : SHARED_STANZAS_OUT, 1);
	if (!r->retry.place) /* a backend that is down is not dialled for every stanza */
		route_start(r);
}

/* A stream that is not ready never stops its source: the answer it waits for may come from there
 * (BE-4). Its queue has limits of its own. */
static bool is_full(const struct outgoing *o)
{
	return o && outgoing_state(o) == OUTGOING_READY && outgoing_queued_bytes(o) > FULL_BYTES;
}

bool route_is_full(const struct route *r)
{
	return is_full(r->forward) || is_full(r->back);
}

bool route_is_ready(const struct route *r)
{
	return r->forward && outgoing_state(r->forward) == OUTGOING_READY;
}

size_t route_peer_limit(const struct route *r)
{
	return r->forward && !r->config.forward_backend ? outgoing_peer_limit(r->forward) : 0;
}

void route_note_full(struct route *r)
{
	r->was_full = true;
}

struct route *route_new(struct worker *w, const struct route_config *config,
	const struct route_events *events, void *owner)
{
	struct route *r = MEM_NEW(struct route);
	r->worker = w;
	r->config = *config;
	/* ADR-5: streams that carry stanzas have one form of a name, whatever the pair was asked
	 * in. */
	r->config.from = domain_canonical(&config->from);
	r->config.to = domain_canonical(&config->to);
	r->events = events;
	r->owner = owner;
	tenant_hold(r->config.forward_tenant);
	tenant_hold(r->config.back_tenant);
	snprintf(r->session, sizeof r->session, "%s", config->session);
	snprintf(r->lang, sizeof r->lang, "%s", config->lang ? config->lang : "");
	return r;
}

static void swap_tenant(struct tenant **held, struct outgoing *o, struct tenant *t)
{
	tenant_hold(t);
	tenant_release(*held);
	*held = t;
	if (o)
		outgoing_set_tenant(o, t);
}

void route_set_tenants(struct route *r, struct tenant *forward, struct tenant *back)
{
	swap_tenant(&r->config.forward_tenant, r->forward, forward);
	swap_tenant(&r->config.back_tenant, r->back, back);
}

void route_close(struct route *r)
{
	r->closing = true;
	end_if_empty(r);
}
