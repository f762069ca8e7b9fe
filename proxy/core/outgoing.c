#include "core/outgoing.h"

#include "base/mem.h"
#include "core/breaker.h"
#include "core/outgoing_inside.h"

#include <stdio.h>
#include <string.h>

enum {
	QUESTION_MS = 20000, /* a verify connection in all (DB-14) */
	CLOSE_MS = 5000,     /* for the other side's end tag (ST-13) */
	GOODBYE_MS = 2000,
	FLUSH_MS = 10000,        /* outgoing_finish: to send what is queued */
	SHARE_BYTES = 64 * 1024, /* what every stream may let wait, whatever the others do */
	SHARED_QUEUES = 64, /* of full length; the rest of what may wait in a worker, for all */
};

static void be_patient(struct outgoing *o);
static void free_outgoing(void *object);

/* ---- small things ---- */

bool outgoing_is_question(const struct outgoing *o)
{
	return o->config.verify_id != NULL;
}

struct shared_held outgoing_held(const struct outgoing *o)
{
	return (struct shared_held){.stanzas = sendq_count(&o->queue),
		.bytes = sendq_bytes(&o->queue),
		.unacked = sendq_unacked(&o->queue)};
}

/* Keeps the worker's sums in step after the queue has changed. */
void outgoing_account(struct outgoing *o, struct shared_held before)
{
	struct shared_held now = outgoing_held(o);
	o->worker->queued_stanzas += now.stanzas - before.stanzas;
	o->worker->queued_bytes += now.bytes - before.bytes;
	o->worker->unacked_stanzas += now.unacked - before.unacked;
}

/* What the peer has proven to us on this connection (M-5). */
enum level outgoing_level(const struct outgoing *o)
{
	if (!o->link.tls)
		return LEVEL_VERIFIED;
	return o->assessed.proven ? LEVEL_TRUSTED : LEVEL_SECURE;
}

static void graveyard(struct outgoing *o)
{
	o->dead = true;
	dial_stop(&o->dial);
	timer_stop(o->worker->timers, &o->deadline);
	timer_stop(o->worker->timers, &o->soon);
	timer_stop(o->worker->timers, &o->patience);
	outgoing_stop_proving(o);
	if (o->link.phase != LINK_NONE)
		link_close(&o->link); /* outgoing_on_closed frees */
	else
		worker_bury(o->worker, o, free_outgoing);
}

/* ---- failing ---- */

static void tell_failure(void *arg)
{
	struct outgoing *o = arg;
	if (o->dead || !o->have_failure)
		return;
	o->have_failure = false;
	if (o->finishing) {
		/* Nobody waits for these any more: say so, then go. */
		if (sendq_count(&o->queue))
			log_event(LOG_WARN, "dropped", log_c("session", o->session),
				log_c("leg", o->config.leg),
				log_n("stanzas", (int64_t)sendq_count(&o->queue)), log_end());
		graveyard(o);
		return;
	}
	o->events->failed(o->owner, o->why, o->condition, o->text);
}

/* The attempt as a whole is over. Told to the owner in a later turn, so that no owner is called
 * from inside its own call. */
void outgoing_fail(struct outgoing *o, struct err why)
{
	dial_stop(&o->dial);
	timer_stop(o->worker->timers, &o->deadline);
	timer_stop(o->worker->timers, &o->patience);
	outgoing_stop_proving(o);
	if (o->link.phase == LINK_OPEN)
		link_finish(&o->link, GOODBYE_MS);
	if (o->have_failure)
		return;
	outgoing_keep_decision(o, why);
	o->state = OUTGOING_IDLE;
	o->was_ready = o->next_candidate = false;
	o->why = why;
	o->have_failure = true;
	outgoing_log(o, why, "stream-failed");
	if (!o->config.backend)
		breaker_failed(o->worker->breakers, &o->config.local, &o->config.remote, why,
			worker_now_ms(o->worker), worker_random());
	timer_start(o->worker->timers, &o->soon, 0, tell_failure, o);
}

/* The socket goes: what was on the wire then? */
void outgoing_on_closing(void *owner)
{
	struct outgoing *o = owner;
	if (!o->carrying)
		return;
	o->carrying = false;
	struct shared_held before = outgoing_held(o);
	size_t in_flight = link_cut(&o->link, &o->queue);
	outgoing_account(o, before);
	if (in_flight) {
		shared_count(o->worker->shared, SHARED_IN_FLIGHT_LOST, (int64_t)in_flight);
		log_event(LOG_WARN, "in-flight", log_c("session", o->session),
			log_c("leg", o->config.leg), log_n("stanzas", (int64_t)in_flight),
			log_end());
	}
}

/* This connection is over; what comes next is decided by where we were. */
void outgoing_connection_over(struct outgoing *o, struct err why)
{
	if (!outgoing_is_question(o))
		timer_stop(o->worker->timers, &o->deadline);
	outgoing_stop_proving(o);
	if (o->state == OUTGOING_READY) {
		outgoing_log(o, why, "stream-down");
		o->state = OUTGOING_IDLE;
		/* After a proper end what is on its way out still goes; a broken connection takes
		 * no more, and what never left it goes to the next one. */
		if (!o->link.broken)
			link_finish(&o->link, GOODBYE_MS);
		if (o->link.phase == LINK_OPEN)
			link_close(&o->link);
		return; /* outgoing_on_closed dials again when something is queued */
	}
	if (o->state != OUTGOING_NEGOTIATING)
		return;
	outgoing_note(o, "endpoint", STEP_BAD, why, "");
	o->why = why;
	o->next_candidate = true;
	o->state = OUTGOING_DIALING;
	link_finish(&o->link, GOODBYE_MS);
	if (o->link.phase == LINK_FINISHING && buf_len(&o->link.wire_out) == 0)
		link_close(&o->link);
}

void outgoing_on_closed(void *owner)
{
	struct outgoing *o = owner;
	credential_release(o->credential);
	o->credential = NULL;
	stream_out_fini(&o->stream);
	outgoing_forget_endpoint(o);
	if (o->dead) {
		worker_bury(o->worker, o, free_outgoing);
	} else if (o->next_candidate) {
		o->next_candidate = false;
		dial_next(&o->dial, o->why);
	} else if (o->state == OUTGOING_IDLE && !o->have_failure) {
		if (sendq_count(&o->queue)) {
			outgoing_start(o);
			be_patient(o);
		} else if (o->finishing) {
			graveyard(o);
		}
		/* Its last stanzas may have left with it; and nobody waits for a stream that is not
		 * ready (BE-4). */
		if (!o->finishing)
			o->events->room(o->owner);
	}
}

/* ---- dialing ---- */

static void on_dial_failed(void *owner, struct err why)
{
	struct outgoing *o = owner;
	/* Whose server cannot be reached is known: the tenant's. */
	if (o->config.backend && (why.code == ERR_CONNECT || why.code == ERR_CONNECT_TIMEOUT))
		why = err_native(ERR_BACKEND_DOWN, why.native);
	if (why.code != o->why.code) { /* an endpoint's failure was noted there */
		bool dns = why.code >= ERR_DNS_NONE && why.code < ERR_CONNECT;
		outgoing_note(o, dns ? "dns" : "tcp", STEP_BAD, why, "");
	}
	outgoing_fail(o, why);
}

static const struct dial_events dial_events = {
	.connected = outgoing_on_connected, .failed = on_dial_failed};

void outgoing_start(struct outgoing *o)
{
	struct err why;
	bool question = outgoing_is_question(o);
	enum breaker_for who = question ? BREAKER_FOR_STRANGER : BREAKER_FOR_TENANT;
	if (o->state != OUTGOING_IDLE || o->have_failure || o->link.phase != LINK_NONE)
		return; /* a link that is closing dials again when it is gone */
	o->began_ms = worker_now_ms(o->worker);
	o->condition[0] = o->text[0] = '\0';
	o->why = err_ok();
	if (!o->config.backend && !breaker_allows(o->worker->breakers, who, &o->config.local,
					  &o->config.remote, o->began_ms, &why)) {
		o->why = why;
		o->have_failure = true;
		timer_start(o->worker->timers, &o->soon, 0, tell_failure, o);
		return;
	}
	o->state = OUTGOING_DIALING;
	outgoing_begin_decision(o);
	if (!o->finishing)
		o->events->dialing(o->owner);
	outgoing_prepare_proof(o);
	if (o->config.backend)
		dial_list(&o->dial, o->worker, &o->config.tenant->backends, &dial_events, o);
	else
		dial_peer(&o->dial, o->worker, &o->config.remote,
			question ? DIAL_STRANGER_MAX : DIAL_CANDIDATES_MAX, &dial_events, o);
	if (question)
		timer_start(o->worker->timers, &o->deadline, QUESTION_MS, outgoing_on_late, o);
}

/* ---- what owners call ---- */

struct outgoing *outgoing_new(struct worker *w, const struct outgoing_config *config,
	const struct outgoing_events *events, void *owner)
{
	struct outgoing *o = MEM_NEW(struct outgoing);
	o->worker = w;
	o->config = *config;
	o->events = events;
	o->owner = owner;
	tenant_hold(o->config.tenant);
	snprintf(o->session, sizeof o->session, "%s", config->session);
	snprintf(o->lang, sizeof o->lang, "%s", config->lang ? config->lang : "");
	if (config->verify_id) {
		snprintf(o->verify_id, sizeof o->verify_id, "%s", config->verify_id);
		snprintf(o->verify_key, sizeof o->verify_key, "%s", config->verify_key);
	}
	size_t factor = config->queue_factor ? config->queue_factor : 1;
	sendq_init(&o->queue, factor * w->gate->queue_stanzas, factor * w->gate->queue_bytes);
	session_link_in(&w->outgoings, &o->node);
	return o;
}

static void free_outgoing(void *object)
{
	struct outgoing *o = object;
	struct shared_held before = outgoing_held(o);
	session_unlink(&o->node);
	sendq_fini(&o->queue);
	outgoing_account(o, before);
	mem_wipe(o->verify_key, sizeof o->verify_key);
	decision_free(o->decision);
	tenant_release(o->config.tenant);
	mem_free(o);
}

static void on_patience_over(void *arg)
{
	struct outgoing *o = arg;
	if (o->state == OUTGOING_DIALING || o->state == OUTGOING_NEGOTIATING)
		outgoing_fail(o, err_make(ERR_QUEUE_TIMEOUT));
}

/* No stanza waits longer for a connection than the configuration says. */
static void be_patient(struct outgoing *o)
{
	uint64_t limit = (uint64_t)o->worker->gate->queue_seconds * 1000;
	uint64_t waited = worker_now_ms(o->worker) - sendq_oldest_ms(&o->queue);
	if (o->state != OUTGOING_READY && sendq_count(&o->queue) && !o->patience.place)
		timer_start(o->worker->timers, &o->patience, waited < limit ? limit - waited : 0,
			on_patience_over, o);
}

/* R03: one peer can prove many names, and all of them may wait for a backend that is down. A stream
 * that stands has back-pressure instead. */
static bool may_wait(const struct outgoing *o, size_t bytes)
{
	const struct worker *w = o->worker;
	return o->state == OUTGOING_READY || sendq_bytes(&o->queue) + bytes <= SHARE_BYTES ||
	       w->queued_bytes + bytes <= (uint64_t)SHARED_QUEUES * w->gate->queue_bytes;
}

struct err outgoing_push(struct outgoing *o, struct slice stanza)
{
	struct shared_held before = outgoing_held(o);
	if (!may_wait(o, stanza.len))
		return err_make(ERR_QUEUE_FULL);
	struct err full = sendq_push(&o->queue, stanza, worker_now_ms(o->worker));
	if (err_is(full))
		return full;
	outgoing_account(o, before);
	if (o->state == OUTGOING_READY && !o->closing_stream) {
		link_pump(&o->link, &o->queue);
		return full;
	}
	be_patient(o);
	return full;
}

/* The end tag, then the other side's (ST-13); a queue that is not empty waits for the next
 * connection. */
void outgoing_close_stream(struct outgoing *o)
{
	struct actions a;
	if (o->state != OUTGOING_READY || o->closing_stream)
		return;
	o->closing_stream = true;
	actions_init(&a);
	(void)buf_append_str(&a.out, "</stream:stream>");
	outgoing_run_actions(o, &a);
	actions_fini(&a);
	timer_start(o->worker->timers, &o->deadline, CLOSE_MS, outgoing_on_late, o);
}

static void on_flush_late(void *arg)
{
	struct outgoing *o = arg;
	if (sendq_count(&o->queue))
		log_event(LOG_WARN, "dropped", log_c("session", o->session),
			log_c("leg", o->config.leg),
			log_n("stanzas", (int64_t)sendq_count(&o->queue)), log_end());
	graveyard(o);
}

void outgoing_finish(struct outgoing *o)
{
	o->finishing = true;
	if (o->state == OUTGOING_READY && !sendq_count(&o->queue)) {
		outgoing_close_stream(o);
		return;
	}
	if (!sendq_count(&o->queue)) {
		graveyard(o);
		return;
	}
	timer_start(o->worker->timers, &o->soon, FLUSH_MS, on_flush_late, o);
	outgoing_start(o);
}

void outgoing_drop(struct outgoing *o)
{
	graveyard(o);
}

bool outgoing_take(struct outgoing *o, struct slice *stanza)
{
	struct shared_held before = outgoing_held(o);
	bool taken = sendq_take(&o->queue, stanza);
	outgoing_account(o, before);
	return taken;
}

enum outgoing_state outgoing_state(const struct outgoing *o)
{
	return o->state;
}

size_t outgoing_queued(const struct outgoing *o)
{
	return sendq_count(&o->queue);
}

size_t outgoing_queued_bytes(const struct outgoing *o)
{
	return sendq_bytes(&o->queue);
}

uint64_t outgoing_oldest_ms(const struct outgoing *o)
{
	return sendq_oldest_ms(&o->queue);
}

size_t outgoing_peer_limit(const struct outgoing *o)
{
	return o->state == OUTGOING_READY ? o->stream.peer_max_bytes : 0;
}

void outgoings_acknowledge(struct worker *w)
{
	for (struct session_node *n = w->outgoings; n; n = n->next) {
		struct outgoing *o = (struct outgoing *)n;
		if (o->state != OUTGOING_READY || !sendq_unacked(&o->queue))
			continue;
		struct shared_held before = outgoing_held(o);
		link_acknowledge(&o->link, &o->queue);
		outgoing_account(o, before);
	}
}

/* What is queued goes to the backend of now. */
static void leave_backend(struct outgoing *o)
{
	if (o->state == OUTGOING_READY) {
		if (!tenant_has_backend(o->config.tenant, &o->link.remote_addr))
			outgoing_close_stream(o);
		return;
	}
	if (o->state == OUTGOING_IDLE)
		return;
	dial_stop(&o->dial);
	timer_stop(o->worker->timers, &o->deadline);
	outgoing_stop_proving(o);
	o->state = OUTGOING_IDLE;
	o->next_candidate = false;
	if (o->link.phase == LINK_NONE)
		outgoing_start(o);
	else
		link_close(&o->link); /* outgoing_on_closed dials again when something is queued */
}

void outgoing_set_tenant(struct outgoing *o, struct tenant *t)
{
	bool changed = t->version != o->config.tenant->version;
	tenant_hold(t);
	tenant_release(o->config.tenant);
	o->config.tenant = t;
	if (o->config.backend && changed)
		leave_backend(o);
	if (o->config.backend || (!changed && !o->worker->proofs_switched))
		return;
	if (o->state == OUTGOING_READY && outgoing_level(o) < t->floor_out)
		outgoing_close_stream(o); /* the next connection has to reach it */
	else
		outgoing_judge_soon(o); /* authorities, pins, proofs that count may be others */
}
