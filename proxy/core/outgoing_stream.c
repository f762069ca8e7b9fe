/* One connection of a stream that we dial. Happy path: connected, TLS, the machine of
 * xmpp/stream_out.h, ready, stanzas. Failure modes: every one ends in outgoing_connection_over,
 * which decides what comes next. Who frees: outgoing.c, when the link is closed. */
#include "core/outgoing_inside.h"

#include "base/mem.h"
#include "core/breaker.h"

#include <stdio.h>
#include <string.h>

enum {
	NEGOTIATE_MS = 20000,  /* TLS and stream of one candidate (BE-20) */
	WATCH_MS = 30000,      /* how often a ready stream is looked at */
	RECORDS_MAX = 1 << 23, /* per direction and key, well under 2^24.5 (TLS-7) */
};

/* ---- the stream's actions ---- */

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

static void make_key(struct outgoing *o, struct actions *a)
{
	char key[DBKEY_TEXT_LEN + 1];
	dbkey_make(&o->worker->secret, o->config.backend ? DBKEY_IN : DBKEY_OUT, &o->config.remote,
		&o->config.local, slice_str(o->stream.id), key);
	stream_out_send_key(&o->stream, slice_str(key), a);
	mem_wipe(key, sizeof key);
}

/* In time for a proof that runs out before. */
static uint64_t watch_ms(const struct outgoing *o)
{
	int64_t now = worker_wall_s(), due = o->renewal.due;
	if (!due || due - now >= WATCH_MS / 1000)
		return WATCH_MS;
	return due < now ? 1000 : (uint64_t)(due - now + 1) * 1000;
}

/* XEP-0190: a stream without stanzas for long is closed, the next stanza opens another. ID-10: what
 * runs out is judged again, and a stream that is not proven any more is closed properly, so that
 * nothing is lost; the next one must prove itself anew. */
static void on_watch(void *arg)
{
	struct outgoing *o = arg;
	uint64_t idle = worker_now_ms(o->worker) - o->link.active_ms;
	if (idle > (uint64_t)o->worker->gate->idle_seconds * 1000) {
		outgoing_log(o, err_make(ERR_IDLE), "stream-closing");
		outgoing_close_stream(o);
		return;
	}
	timer_start(o->worker->timers, &o->deadline, watch_ms(o), on_watch, o);
	if (outgoing_proof_is_due(o))
		outgoing_judge_again(o);
}

static void become_ready(struct outgoing *o)
{
	/* The floor is checked now, not when TLS was negotiated: it may have risen meanwhile. */
	if (!outgoing_reaches_floor(o)) {
		outgoing_connection_over(o, err_make(ERR_POLICY));
		return;
	}
	dial_stop(&o->dial);
	timer_stop(o->worker->timers, &o->deadline);
	o->state = OUTGOING_READY;
	o->was_ready = true;
	o->carrying = true;
	timer_stop(o->worker->timers, &o->patience);
	scan_set_limits(o->link.scan, &scan_limits_stranger);
	if (!o->config.backend)
		breaker_worked(o->worker->breakers, &o->config.local, &o->config.remote);
	outgoing_log_up(o);
	outgoing_note(o, o->stream.proof == PROOF_EXTERNAL ? "external" : "dialback", STEP_FINE,
		err_ok(), "the peer believes us");
	outgoing_keep_decision(o, err_ok());
	timer_start(o->worker->timers, &o->deadline, watch_ms(o), on_watch, o);
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
			outgoing_connection_over(o, err_make(ERR_STARTTLS_INJECTION));
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
			outgoing_prove(o, &next);
		outgoing_run_actions(o, &next);
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
		outgoing_connection_over(o, act->why);
		break;
	default:
		break; /* ACT_IGNORED: counted by the stream */
	}
}

void outgoing_run_actions(struct outgoing *o, struct actions *a)
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
	outgoing_run_actions(o, &a);
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
	outgoing_run_actions(o, &a);
	actions_fini(&a);
}

static void on_end(void *owner)
{
	struct outgoing *o = owner;
	struct actions a;
	if (o->closing_stream) {
		outgoing_connection_over(o, err_make(ERR_PEER_CLOSED));
		return;
	}
	actions_init(&a);
	stream_out_end(&o->stream, &a);
	outgoing_run_actions(o, &a);
	actions_fini(&a);
}

static void on_tls_up(void *owner)
{
	struct outgoing *o = owner;
	struct actions a;
	outgoing_note(o, "tls", STEP_FINE, err_ok(), tls_info(o->link.tls).version);
	actions_init(&a);
	if (o->direct_tls)
		stream_out_start(&o->stream, &a);
	else
		stream_out_tls_up(&o->stream, &a);
	outgoing_run_actions(o, &a);
	actions_fini(&a);
}

static void on_broken(void *owner, struct err why)
{
	outgoing_connection_over(owner, why);
}

/* TLS-7: fresh keys where TLS can make them, else a fresh stream; nothing is lost or reordered, the
 * queue waits while the old stream closes. */
static void rotate_if_due(struct outgoing *o)
{
	if (!o->link.tls || o->closing_stream || tls_records(o->link.tls) < RECORDS_MAX)
		return;
	if (!link_rekey(&o->link))
		outgoing_close_stream(o);
}

static void on_room(void *owner)
{
	struct outgoing *o = owner;
	if (o->state != OUTGOING_READY)
		return;
	struct shared_held before = outgoing_held(o);
	link_settle(&o->link, &o->queue);
	outgoing_account(o, before);
	if (!o->closing_stream)
		link_pump(&o->link, &o->queue);
	rotate_if_due(o);
	if (o->finishing && !sendq_count(&o->queue))
		outgoing_close_stream(o);
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
	.closing = outgoing_on_closing,
	.closed = outgoing_on_closed,
};

/* ---- dialing ---- */

void outgoing_on_late(void *arg)
{
	struct outgoing *o = arg;
	o->condition[0] = o->text[0] = '\0';
	if (o->closing_stream)
		outgoing_connection_over(o, err_make(ERR_PEER_CLOSED));
	else if (outgoing_is_question(o))
		outgoing_fail(o, err_make(ERR_DB_TIMEOUT));
	else
		outgoing_connection_over(o, err_make(ERR_CONNECT_TIMEOUT));
}

static bool needs_tls(const struct outgoing *o)
{
	/* RFC 7673 3.4: where there are usable TLSA records, TLS is a must; and where a key is
	 * written down, or whoever strips TLS would not have to show it (C27). */
	bool dane = o->reached && !err_is(o->reached->dane);
	bool pinned = pin_list_names(&o->config.tenant->pins, &o->config.remote);
	return dane || pinned || o->config.tenant->floor_out >= LEVEL_SECURE;
}

static struct stream_out_config stream_config(const struct outgoing *o)
{
	struct stream_out_config c = {
		.local = o->config.local,
		.remote = o->config.remote,
		.backend = o->config.backend,
		.direct_tls = o->direct_tls,
		.attempt_tls = o->worker->gate->attempt_starttls,
		.tls_required = !o->config.backend && needs_tls(o),
		.may_external = o->config.tenant->certificate != NULL,
		.may_dialback = true,
		.verify = outgoing_is_question(o),
	};
	if (c.verify) {
		memcpy(c.verify_id, o->verify_id, sizeof c.verify_id);
		memcpy(c.verify_key, o->verify_key, sizeof c.verify_key);
	}
	memcpy(c.lang, o->lang, sizeof c.lang);
	return c;
}

void outgoing_on_connected(void *owner, int fd, bool direct_tls)
{
	struct outgoing *o = owner;
	o->direct_tls = direct_tls;
	o->closing_stream = false;
	o->assessed = (struct assessment){.by = PROOF_ASKED};
	o->judged = o->worker->generation;
	o->renewal = (struct renewal){0};
	outgoing_note_endpoint(o);
	o->condition[0] = o->text[0] = '\0';
	o->state = OUTGOING_NEGOTIATING;
	struct err e = link_open(&o->link, o->worker, fd, &scan_limits_stranger, &link_events, o);
	outgoing_note_connected(o);
	struct stream_out_config config = stream_config(o);
	stream_out_init(&o->stream, &config);
	if (!outgoing_is_question(o)) /* DB-14: all its candidates together have one deadline */
		timer_start(o->worker->timers, &o->deadline, NEGOTIATE_MS, outgoing_on_late, o);
	if (err_is(e)) {
		outgoing_connection_over(o, e);
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
	outgoing_run_actions(o, &a);
	actions_fini(&a);
}
