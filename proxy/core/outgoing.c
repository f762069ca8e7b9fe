#include "core/outgoing.h"

#include "base/mem.h"
#include "core/breaker.h"

#include <stdio.h>
#include <string.h>

enum {
	NEGOTIATE_MS = 20000, /* TLS and stream of one candidate (BE-20) */
	QUESTION_MS = 20000,  /* a verify connection in all (DB-14) */
	CLOSE_MS = 5000,      /* for the other side's end tag (ST-13) */
	GOODBYE_MS = 2000,
	FLUSH_MS = 10000,     /* outgoing_finish: to send what is queued */
	WATCH_MS = 30000,     /* how often a ready stream is looked at */
	RECORDS_MAX = 1 << 23, /* per direction and key, well under 2^24.5 (TLS-7) */
};

struct outgoing {
	struct session_node node; /* first: in worker->outgoings */
	struct worker *worker;
	struct outgoing_config config;
	const struct outgoing_events *events;
	void *owner;
	enum outgoing_state state;
	struct dial dial;
	struct link link;
	struct stream_out stream;
	struct sendq queue;
	struct timer deadline, soon;
	struct timer patience; /* of the queue's first stanza, while there is no connection */
	struct credential *credential; /* held while the link uses it */
	char session[SESSION_ID_LEN + 1], lang[STREAM_LANG_MAX + 1];
	char verify_id[STREAM_ID_MAX + 1], verify_key[PAIR_KEY_MAX + 1];
	char server_name[DOMAIN_MAX + 1];
	bool direct_tls, was_ready, finishing, dead, closing_stream, have_failure, answered;
	bool carrying; /* the link was ready: stanzas may be on its wire */
	bool next_candidate; /* the link that closes now was one of several candidates */
	struct err why;
	char condition[CONDITION_MAX + 1], text[121];
	struct assessment assessed;
	uint64_t began_ms;
};

static void on_link_closed(void *owner);
static void close_stream(struct outgoing *o);
static void be_patient(struct outgoing *o);
static void free_outgoing(void *object);

/* ---- small things ---- */

static bool is_question(const struct outgoing *o)
{
	return o->config.verify_id != NULL;
}

static struct shared_held held_by(const struct outgoing *o)
{
	return (struct shared_held){.stanzas = sendq_count(&o->queue),
		.bytes = sendq_bytes(&o->queue),
		.unacked = sendq_unacked(&o->queue)};
}

/* Keeps the worker's sums in step after the queue has changed. */
static void account(struct outgoing *o, struct shared_held before)
{
	struct shared_held now = held_by(o);
	o->worker->queued_stanzas += now.stanzas - before.stanzas;
	o->worker->queued_bytes += now.bytes - before.bytes;
	o->worker->unacked_stanzas += now.unacked - before.unacked;
}

static void log_leg(struct outgoing *o, struct err why, const char *event)
{
	char local[DOMAIN_UNICODE_MAX + 1], remote[DOMAIN_UNICODE_MAX + 1];
	struct slice l = domain_unicode(&o->config.local, local);
	struct slice r = domain_unicode(&o->config.remote, remote);
	if (err_is(why))
		log_reason(why, event, log_c("session", o->session), log_c("leg", o->config.leg),
			log_s("from", l), log_s("to", r),
			log_c("condition", o->condition[0] ? o->condition : NULL),
			log_c("said", o->text[0] ? o->text : NULL),
			log_c("names", o->assessed.names[0] ? o->assessed.names : NULL), log_end());
	else
		log_event(LOG_DEBUG, event, log_c("session", o->session),
			log_c("leg", o->config.leg), log_s("from", l), log_s("to", r), log_end());
}

/* What the peer has proven to us on this connection (M-5). */
static enum level level_of(const struct outgoing *o)
{
	if (!o->link.tls)
		return LEVEL_VERIFIED;
	return err_is(o->assessed.certificate) ? LEVEL_SECURE : LEVEL_TRUSTED;
}

static void log_up(struct outgoing *o)
{
	char local[DOMAIN_UNICODE_MAX + 1], remote[DOMAIN_UNICODE_MAX + 1];
	struct tls_info tls = o->link.tls ? tls_info(o->link.tls) : (struct tls_info){0};
	bool peer = !o->config.backend;
	log_event(peer ? LOG_INFO : LOG_DEBUG, "stream-up", log_c("session", o->session),
		log_c("leg", o->config.leg), log_c("dir", "out"),
		log_s("from", domain_unicode(&o->config.local, local)),
		log_s("to", domain_unicode(&o->config.remote, remote)),
		log_c("proof", pair_proof_name(o->stream.proof)),
		log_c("trust", peer ? level_name(level_of(o)) : NULL), log_c("tls", tls.version),
		log_c("suite", tls.suite),
		log_c("start", !o->link.tls ? "plain" : o->direct_tls ? "direct" : "starttls"),
		log_n("ms", (int64_t)(worker_now_ms(o->worker) - o->began_ms)), log_end());
}

static void graveyard(struct outgoing *o)
{
	o->dead = true;
	dial_stop(&o->dial);
	timer_stop(o->worker->timers, &o->deadline);
	timer_stop(o->worker->timers, &o->soon);
	timer_stop(o->worker->timers, &o->patience);
	if (o->link.phase != LINK_NONE)
		link_close(&o->link); /* on_link_closed frees */
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
static void fail_all(struct outgoing *o, struct err why)
{
	dial_stop(&o->dial);
	timer_stop(o->worker->timers, &o->deadline);
	timer_stop(o->worker->timers, &o->patience);
	if (o->link.phase == LINK_OPEN)
		link_finish(&o->link, GOODBYE_MS);
	if (o->have_failure)
		return;
	o->state = OUTGOING_IDLE;
	o->was_ready = false;
	o->why = why;
	o->have_failure = true;
	log_leg(o, why, "stream-failed");
	if (!o->config.backend)
		breaker_failed(o->worker->breakers, &o->config.local, &o->config.remote, why,
			worker_now_ms(o->worker), worker_random());
	timer_start(o->worker->timers, &o->soon, 0, tell_failure, o);
}

/* The socket goes: what was on the wire then? */
static void on_link_closing(void *owner)
{
	struct outgoing *o = owner;
	if (!o->carrying)
		return;
	o->carrying = false;
	struct shared_held before = held_by(o);
	size_t in_flight = link_cut(&o->link, &o->queue);
	account(o, before);
	if (in_flight) {
		shared_count(o->worker->shared, SHARED_IN_FLIGHT_LOST, (int64_t)in_flight);
		log_event(LOG_WARN, "in-flight", log_c("session", o->session),
			log_c("leg", o->config.leg), log_n("stanzas", (int64_t)in_flight), log_end());
	}
}

/* This connection is over; what comes next is decided by where we were. */
static void connection_over(struct outgoing *o, struct err why)
{
	if (!is_question(o))
		timer_stop(o->worker->timers, &o->deadline);
	if (o->state == OUTGOING_READY) {
		log_leg(o, why, "stream-down");
		o->state = OUTGOING_IDLE;
		/* After a proper end what is on its way out still goes; a broken connection takes no
		 * more, and what never left it goes to the next one. */
		if (!o->link.broken)
			link_finish(&o->link, GOODBYE_MS);
		if (o->link.phase == LINK_OPEN)
			link_close(&o->link);
		return; /* on_link_closed dials again when something is queued */
	}
	if (o->state != OUTGOING_NEGOTIATING)
		return;
	o->why = why;
	o->next_candidate = true;
	o->state = OUTGOING_DIALING;
	link_finish(&o->link, GOODBYE_MS);
	if (o->link.phase == LINK_FINISHING && buf_len(&o->link.wire_out) == 0)
		link_close(&o->link);
}

static void on_link_closed(void *owner)
{
	struct outgoing *o = owner;
	credential_release(o->credential);
	o->credential = NULL;
	stream_out_fini(&o->stream);
	if (o->dead) {
		worker_bury(o->worker, o, free_outgoing);
	} else if (o->next_candidate) {
		o->next_candidate = false;
		dial_next(&o->dial, o->why);
	} else if (o->state == OUTGOING_IDLE && !o->have_failure) {
		if (sendq_count(&o->queue)) {
			outgoing_start(o);
			be_patient(o);
		} else if (o->finishing)
			graveyard(o);
	}
}

/* ---- the stream's actions ---- */

static void run_actions(struct outgoing *o, struct actions *a);

static struct tls_params client_tls(struct outgoing *o)
{
	struct err e;
	credential_release(o->credential);
	/* EXT-5: the tenant's own certificate, never another's. */
	struct credential *own =
		assess_credential(o->worker->assessor, o->worker->channel, o->config.tenant, &e);
	o->credential = own ? credential_hold(own) : NULL;
	/* SNI-2: the service domain, always. */
	snprintf(o->server_name, sizeof o->server_name, "%s", o->config.remote.name);
	return (struct tls_params){.role = TLS_CLIENT,
		.alpn = o->direct_tls ? "xmpp-server" : NULL,
		.server_name = o->server_name,
		.credential = o->credential};
}

/* PROVE_R of the outbound flow (protocol sheet 14.2). */
static void assess_peer(struct outgoing *o, struct actions *a)
{
	struct slice chain[CERT_CHAIN_MAX + 1];
	size_t n = tls_peer_chain(o->link.tls, chain, CERT_CHAIN_MAX + 1);
	o->assessed = assess_chain(o->worker->assessor, o->worker->channel, o->worker->gate,
		o->config.tenant, chain, n, &o->config.remote);
	bool proven = !err_is(o->assessed.certificate);
	struct verdict v = {.decision = proven ? VERDICT_PROVEN : VERDICT_ASK,
		.proof = PROOF_CERTIFICATE,
		.why = o->assessed.certificate};
	/* A question only asks what DNS points to: dialback is no more than that (DB-13). */
	if (!proven && !is_question(o) && o->config.tenant->floor_out >= LEVEL_TRUSTED)
		v.decision = VERDICT_REFUSED;
	stream_out_peer_verdict(&o->stream, v, a);
}

static void make_key(struct outgoing *o, struct actions *a)
{
	char key[DBKEY_TEXT_LEN + 1];
	dbkey_make(&o->worker->secret, o->config.backend ? DBKEY_IN : DBKEY_OUT, &o->config.remote,
		&o->config.local, slice_str(o->stream.id), key);
	stream_out_send_key(&o->stream, slice_str(key), a);
	mem_wipe(key, sizeof key);
}

/* XEP-0190: a stream without stanzas for long is closed, the next stanza opens another. ID-10:
 * so is one whose certificate is no longer valid; the next one must prove itself anew. Both close
 * properly, so nothing is lost. */
static void on_watch(void *arg)
{
	struct outgoing *o = arg;
	uint64_t idle = worker_now_ms(o->worker) - o->link.active_ms;
	bool expired = o->assessed.not_after && worker_wall_s() > o->assessed.not_after;
	if (expired || idle > (uint64_t)o->worker->gate->idle_seconds * 1000) {
		log_leg(o, err_make(expired ? ERR_CERT_RENEW : ERR_IDLE), "stream-closing");
		close_stream(o);
		return;
	}
	timer_start(o->worker->timers, &o->deadline, WATCH_MS, on_watch, o);
}

static void become_ready(struct outgoing *o)
{
	dial_stop(&o->dial);
	timer_stop(o->worker->timers, &o->deadline);
	o->state = OUTGOING_READY;
	o->was_ready = true;
	o->carrying = true;
	timer_stop(o->worker->timers, &o->patience);
	scan_set_limits(o->link.scan, &scan_limits_stranger);
	if (!o->config.backend)
		breaker_worked(o->worker->breakers, &o->config.local, &o->config.remote);
	log_up(o);
	timer_start(o->worker->timers, &o->deadline, WATCH_MS, on_watch, o);
	if (!o->finishing)
		o->events->ready(o->owner);
	if (!o->dead && o->state == OUTGOING_READY)
		link_pump(&o->link, &o->queue);
}

static void note_words(struct outgoing *o, const struct actions *a)
{
	memcpy(o->condition, a->condition, sizeof o->condition);
	memcpy(o->text, a->text, sizeof o->text);
}

static void on_action(struct outgoing *o, struct actions *a, const struct act *act)
{
	struct actions next;
	switch (act->kind) {
	case ACT_START_TLS: {
		struct tls_params params = client_tls(o);
		if (!link_start_tls(&o->link, &params)) /* TLS-1 */
			connection_over(o, err_make(ERR_STARTTLS_INJECTION));
		break;
	}
	case ACT_RESTART:
		link_restart(&o->link);
		break;
	case ACT_ASSESS_PEER:
	case ACT_DIALBACK:
		actions_init(&next);
		if (act->kind == ACT_DIALBACK)
			make_key(o, &next);
		else
			assess_peer(o, &next);
		run_actions(o, &next);
		actions_fini(&next);
		break;
	case ACT_READY:
		become_ready(o);
		break;
	case ACT_VERIFIED:
		o->answered = true;
		o->events->answered(o->owner, a->outcome);
		break;
	case ACT_CLOSE:
		note_words(o, a);
		connection_over(o, act->why);
		break;
	default:
		break; /* ACT_IGNORED: counted by the stream */
	}
}

static void run_actions(struct outgoing *o, struct actions *a)
{
	link_write(&o->link, buf_peek(&a->out));
	for (size_t i = 0; i < a->count && !o->dead; i++)
		on_action(o, a, &a->list[i]);
}

/* ---- link events ---- */

static void on_header(void *owner, const struct scan_element *e)
{
	struct outgoing *o = owner;
	struct stream_header h;
	struct actions a;
	actions_init(&a);
	struct err wrong = stream_header_read(e, &h);
	stream_out_header(&o->stream, &h, wrong, &a);
	run_actions(o, &a);
	actions_fini(&a);
}

static void on_element(void *owner, const struct scan_element *e)
{
	struct outgoing *o = owner;
	struct err wrong;
	struct actions a;
	struct element *el = element_parse(e, &wrong);
	actions_init(&a);
	if (el)
		stream_out_element(&o->stream, el, &a);
	else
		stream_out_fail(&o->stream, wrong, NULL, &a);
	element_free(el);
	run_actions(o, &a);
	actions_fini(&a);
}

static void on_end(void *owner)
{
	struct outgoing *o = owner;
	struct actions a;
	if (o->closing_stream) {
		connection_over(o, err_make(ERR_PEER_CLOSED));
		return;
	}
	actions_init(&a);
	stream_out_end(&o->stream, &a);
	run_actions(o, &a);
	actions_fini(&a);
}

static void on_tls_up(void *owner)
{
	struct outgoing *o = owner;
	struct actions a;
	actions_init(&a);
	if (o->direct_tls)
		stream_out_start(&o->stream, &a);
	else
		stream_out_tls_up(&o->stream, &a);
	run_actions(o, &a);
	actions_fini(&a);
}

static void on_broken(void *owner, struct err why)
{
	connection_over(owner, why);
}

static void rotate_if_due(struct outgoing *o);

static void on_room(void *owner)
{
	struct outgoing *o = owner;
	if (o->state != OUTGOING_READY)
		return;
	struct shared_held before = held_by(o);
	link_settle(&o->link, &o->queue);
	account(o, before);
	if (!o->closing_stream)
		link_pump(&o->link, &o->queue);
	rotate_if_due(o);
	if (o->finishing && !sendq_count(&o->queue))
		close_stream(o);
	else if (!o->finishing && sendq_count(&o->queue) < before.stanzas)
		o->events->room(o->owner);
}

static const struct link_events link_events = {
	.header = on_header,
	.element = on_element,
	.end = on_end,
	.tls_up = on_tls_up,
	.broken = on_broken,
	.room = on_room,
	.closing = on_link_closing,
	.closed = on_link_closed,
};

/* ---- dialing ---- */

static void on_negotiation_late(void *arg)
{
	struct outgoing *o = arg;
	o->condition[0] = o->text[0] = '\0';
	if (o->closing_stream)
		connection_over(o, err_make(ERR_PEER_CLOSED));
	else if (is_question(o))
		fail_all(o, err_make(ERR_DB_TIMEOUT));
	else
		connection_over(o, err_make(ERR_CONNECT_TIMEOUT));
}

static struct stream_out_config stream_config(const struct outgoing *o)
{
	struct stream_out_config c = {
		.local = o->config.local,
		.remote = o->config.remote,
		.backend = o->config.backend,
		.direct_tls = o->direct_tls,
		.attempt_tls = o->worker->gate->attempt_starttls,
		.tls_required = !o->config.backend && o->config.tenant->floor_out >= LEVEL_SECURE,
		.may_external = o->config.tenant->certificate != NULL,
		.may_dialback = true,
		.verify = is_question(o),
	};
	if (c.verify) {
		memcpy(c.verify_id, o->verify_id, sizeof c.verify_id);
		memcpy(c.verify_key, o->verify_key, sizeof c.verify_key);
	}
	memcpy(c.lang, o->lang, sizeof c.lang);
	return c;
}

static void on_connected(void *owner, int fd, bool direct_tls)
{
	struct outgoing *o = owner;
	o->direct_tls = direct_tls;
	o->closing_stream = false;
	o->condition[0] = o->text[0] = '\0';
	o->state = OUTGOING_NEGOTIATING;
	struct err e = link_open(&o->link, o->worker, fd, &scan_limits_stranger, &link_events, o);
	struct stream_out_config config = stream_config(o);
	stream_out_init(&o->stream, &config);
	if (!is_question(o)) /* DB-14: all its candidates together have one deadline */
		timer_start(o->worker->timers, &o->deadline, NEGOTIATE_MS, on_negotiation_late, o);
	if (err_is(e)) {
		connection_over(o, e);
		return;
	}
	if (direct_tls) {
		struct tls_params params = client_tls(o);
		(void)link_start_tls(&o->link, &params);
		return;
	}
	struct actions a;
	actions_init(&a);
	stream_out_start(&o->stream, &a);
	run_actions(o, &a);
	actions_fini(&a);
}

static void on_dial_failed(void *owner, struct err why)
{
	struct outgoing *o = owner;
	fail_all(o, why);
}

static const struct dial_events dial_events = {.connected = on_connected, .failed = on_dial_failed};

void outgoing_start(struct outgoing *o)
{
	struct err why;
	enum breaker_for who = is_question(o) ? BREAKER_FOR_STRANGER : BREAKER_FOR_TENANT;
	if (o->state != OUTGOING_IDLE || o->have_failure || o->link.phase != LINK_NONE)
		return; /* a link that is closing dials again when it is gone */
	o->began_ms = worker_now_ms(o->worker);
	o->condition[0] = o->text[0] = '\0';
	if (!o->config.backend && !breaker_allows(o->worker->breakers, who, &o->config.local,
					  &o->config.remote, o->began_ms, &why)) {
		o->why = why;
		o->have_failure = true;
		timer_start(o->worker->timers, &o->soon, 0, tell_failure, o);
		return;
	}
	o->state = OUTGOING_DIALING;
	if (!o->finishing)
		o->events->dialing(o->owner);
	if (o->config.backend)
		dial_list(&o->dial, o->worker, &o->config.tenant->backends, &dial_events, o);
	else
		dial_peer(&o->dial, o->worker, &o->config.remote,
			is_question(o) ? DIAL_STRANGER_MAX : DIAL_CANDIDATES_MAX, &dial_events, o);
	if (is_question(o))
		timer_start(o->worker->timers, &o->deadline, QUESTION_MS, on_negotiation_late, o);
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
	struct shared_held before = held_by(o);
	session_unlink(&o->node);
	sendq_fini(&o->queue);
	account(o, before);
	mem_wipe(o->verify_key, sizeof o->verify_key);
	tenant_release(o->config.tenant);
	mem_free(o);
}

static void on_patience_over(void *arg)
{
	struct outgoing *o = arg;
	if (o->state == OUTGOING_DIALING || o->state == OUTGOING_NEGOTIATING)
		fail_all(o, err_make(ERR_QUEUE_TIMEOUT));
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

struct err outgoing_push(struct outgoing *o, struct slice stanza)
{
	struct shared_held before = held_by(o);
	struct err full = sendq_push(&o->queue, stanza, worker_now_ms(o->worker));
	if (err_is(full))
		return full;
	account(o, before);
	if (o->state == OUTGOING_READY && !o->closing_stream) {
		link_pump(&o->link, &o->queue);
		return full;
	}
	outgoing_start(o);
	be_patient(o);
	return full;
}

/* The end tag, then the other side's (ST-13); a queue that is not empty waits for the next
 * connection. */
static void close_stream(struct outgoing *o)
{
	struct actions a;
	if (o->state != OUTGOING_READY || o->closing_stream)
		return;
	o->closing_stream = true;
	actions_init(&a);
	(void)buf_append_str(&a.out, "</stream:stream>");
	run_actions(o, &a);
	actions_fini(&a);
	timer_start(o->worker->timers, &o->deadline, CLOSE_MS, on_negotiation_late, o);
}

/* TLS-7: fresh keys where TLS can make them, else a fresh stream; nothing is lost or reordered, the
 * queue waits while the old stream closes. */
static void rotate_if_due(struct outgoing *o)
{
	if (!o->link.tls || o->closing_stream || tls_records(o->link.tls) < RECORDS_MAX)
		return;
	size_t before = buf_len(&o->link.wire_out);
	bool rekeyed = tls_rekey(o->link.tls, &o->link.wire_out);
	o->link.wire_queued += buf_len(&o->link.wire_out) - before;
	if (!rekeyed)
		close_stream(o);
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
		close_stream(o);
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
	struct shared_held before = held_by(o);
	bool taken = sendq_take(&o->queue, stanza);
	account(o, before);
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

struct tenant *outgoing_tenant(const struct outgoing *o)
{
	return o->config.tenant;
}

void outgoings_acknowledge(struct worker *w)
{
	for (struct session_node *n = w->outgoings; n; n = n->next) {
		struct outgoing *o = (struct outgoing *)n;
		if (o->state != OUTGOING_READY || !sendq_unacked(&o->queue))
			continue;
		struct shared_held before = held_by(o);
		link_acknowledge(&o->link, &o->queue);
		account(o, before);
	}
}

void outgoing_set_tenant(struct outgoing *o, struct tenant *t)
{
	tenant_hold(t);
	tenant_release(o->config.tenant);
	o->config.tenant = t;
	/* A stricter policy: the next connection has to reach it. */
	if (!o->config.backend && o->state == OUTGOING_READY && level_of(o) < t->floor_out)
		close_stream(o);
}
