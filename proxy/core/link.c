#include "core/link.h"

#include "base/mem.h"
#include "core/worker_inside.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum {
	KEEPALIVE_S = 60,          /* a silent connection is looked after by TCP */
	HANDSHAKES_PER_TURN = 2,   /* steps of one; each costs milliseconds */
	UNANSWERED_MS = 30000,     /* what was sent and is not acknowledged by then: it is lost */
	DRAIN_BYTES = 1024 * 1024, /* taken behind our goodbye, so that it can be read (X26) */
};

static void mark_dirty(struct link *l)
{
	if (!l->dirty) {
		l->dirty = true;
		l->next_dirty = l->worker->dirty_links;
		l->worker->dirty_links = l;
	}
}

static void break_link(struct link *l, struct err why)
{
	if (l->phase == LINK_FINISHING)
		link_close(l);
	if (l->broken || l->phase == LINK_CLOSING)
		return;
	l->broken = true;
	l->events->broken(l->owner, why);
}

/* ---- reading ---- */

static void feed_scanner(struct link *l, struct slice plain);

static void give_event(struct link *l, enum scan_event event)
{
	switch (event) {
	case SCAN_HEADER:
		l->events->header(l->owner, scan_element(l->scan));
		break;
	case SCAN_ELEMENT:
		l->events->element(l->owner, scan_element(l->scan));
		break;
	case SCAN_END:
		l->events->end(l->owner);
		break;
	case SCAN_ERROR:
		break_link(l, scan_error(l->scan));
		break;
	case SCAN_MORE:
		break;
	}
}

static bool may_feed(const struct link *l)
{
	return l->phase == LINK_OPEN && !l->broken && !l->paused;
}

/* The owner may do anything in an event: pause, restart, start TLS, close. What is left of the
 * bytes then is held, parsed, or the injection that TLS-1 is about. */
static void feed_scanner(struct link *l, struct slice plain)
{
	struct tls *tls_before = l->tls;
	l->feeding = true;
	while (may_feed(l)) {
		enum scan_event event = scan_next(l->scan, &plain);
		if (event == SCAN_MORE)
			break;
		l->injected_check = plain.len > 0;
		give_event(l, event);
		if (event == SCAN_ERROR || event == SCAN_END || l->tls != tls_before)
			break;
	}
	l->feeding = false;
	if (l->paused && plain.len && l->phase == LINK_OPEN)
		(void)buf_append(&l->held, plain);
}

static void report_tls(struct link *l)
{
	if (!l->tls_reported && tls_state(l->tls) != TLS_HANDSHAKE &&
		tls_state(l->tls) != TLS_FAILED) {
		l->tls_reported = true;
		l->events->tls_up(l->owner);
	}
}

/* TLS has ended, but what came before that may be held: it is read first. */
static void end_input(struct link *l, struct err why)
{
	if (l->paused && buf_len(&l->held))
		l->after_held = why;
	else
		break_link(l, why);
}

static void feed_tls(struct link *l, struct slice wire)
{
	struct buf *plain = &l->worker->plain;
	buf_clear(plain);
	size_t before = buf_len(&l->wire_out);
	enum tls_state state = tls_input(l->tls, wire, plain, &l->wire_out);
	l->wire_queued += buf_len(&l->wire_out) - before;
	mark_dirty(l);
	report_tls(l);
	if (buf_len(plain) && l->phase == LINK_OPEN) {
		if (l->paused)
			(void)buf_append(&l->held, buf_peek(plain));
		else
			feed_scanner(l, buf_peek(plain));
	}
	if (state == TLS_FAILED)
		end_input(l, tls_error(l->tls));
	else if (state == TLS_CLOSED)
		end_input(l, err_make(ERR_PEER_CLOSED));
}

static void begin_tls(struct link *l, const struct tls_params *params)
{
	l->tls = tls_new(params);
	l->tls_reported = false;
	scan_reset(l->scan);
	if (params->role == TLS_CLIENT) {
		size_t before = buf_len(&l->wire_out);
		tls_start(l->tls, &l->wire_out);
		l->wire_queued += buf_len(&l->wire_out) - before;
		mark_dirty(l);
	}
}

static void on_bytes(struct link *l, struct slice bytes)
{
	l->bytes_in += bytes.len;
	l->active_ms = uv_now(l->tcp.loop);
	if (l->phase == LINK_FINISHING) {
		/* Nothing is judged any more; we only wait for the end. */
		l->drained += bytes.len;
		if (l->drained > DRAIN_BYTES)
			link_close(l);
		return;
	}
	if (l->sniff_tls) {
		l->sniff_tls = false;
		if ((unsigned char)bytes.ptr[0] == 0x16) /* a TLS handshake record */
			begin_tls(l, l->sniff_params);
	}
	if (l->tls)
		feed_tls(l, bytes);
	else
		feed_scanner(l, bytes);
}

/* T18: however many handshakes are at hand, the streams that are up are served after every few. */
static bool handshake_must_wait(const struct link *l)
{
	struct worker *w = l->worker;
	bool handshake = l->sniff_tls || (l->tls && tls_state(l->tls) == TLS_HANDSHAKE);
	if (!handshake || l->phase != LINK_OPEN)
		return false; /* behind our goodbye nothing is computed any more */
	if (w->handshakes_at_ms != uv_now(w->loop))
		w->handshakes = 0; /* another turn of the loop */
	w->handshakes_at_ms = uv_now(w->loop);
	return w->handshakes++ >= HANDSHAKES_PER_TURN;
}

/* Without a buffer nothing is read: libuv tries again in the next turn. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	struct link *l = handle->data;
	(void)suggested;
	*out = (uv_buf_t){0};
	if (handshake_must_wait(l))
		return;
	out->base = l->worker->read_buffer;
	out->len = sizeof l->worker->read_buffer;
}

static void on_input_over(struct link *l, int why)
{
	l->input_over = true;
	if (why == UV_EOF)
		break_link(l, err_make(l->tls ? ERR_TLS_TRUNCATED : ERR_LOST));
	else
		break_link(l, err_native(ERR_LOST, why));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
	struct link *l = stream->data;
	if (n > 0)
		on_bytes(l, slice_of(data->base, (size_t)n));
	else if (n < 0 && n != UV_ENOBUFS)
		on_input_over(l, (int)n);
}

static void start_reading(struct link *l)
{
	if (!l->reading && uv_read_start((uv_stream_t *)&l->tcp, on_alloc, on_read) == 0)
		l->reading = true;
}

void link_pause(struct link *l)
{
	if (l->paused || l->phase != LINK_OPEN)
		return;
	l->paused = true;
	uv_read_stop((uv_stream_t *)&l->tcp);
	l->reading = false;
}

void link_resume(struct link *l)
{
	if (!l->paused || l->phase != LINK_OPEN)
		return;
	l->paused = false;
	if (buf_len(&l->held) && !l->feeding) {
		struct buf held = l->held;
		buf_init(&l->held, BUF_UNLIMITED);
		feed_scanner(l, buf_peek(&held));
		buf_fini(&held);
	}
	if (l->paused || l->phase != LINK_OPEN || l->broken)
		return;
	if (err_is(l->after_held))
		break_link(l, l->after_held);
	else
		start_reading(l);
}

/* ---- writing ---- */

static void on_written(uv_write_t *req, int status)
{
	struct link *l = req->data;
	l->waiting = false;
	if (l->phase == LINK_CLOSING)
		return;
	if (status < 0) {
		break_link(l, err_native(ERR_LOST, status));
		return;
	}
	l->wire_taken++;
	mark_dirty(l);
	if (l->phase == LINK_OPEN)
		l->events->room(l->owner);
}

/* libuv waits until the kernel can take more, with one byte in its hands: when a write of libuv's
 * fails it does not tell how much of it the kernel had, and that must be known (core/sendq.h). */
static void wait_for_kernel(struct link *l)
{
	l->waiting_byte = *buf_peek(&l->wire_out).ptr;
	buf_consume(&l->wire_out, 1);
	uv_buf_t piece = {.base = &l->waiting_byte, .len = 1};
	l->write.data = l;
	l->waiting = uv_write(&l->write, (uv_stream_t *)&l->tcp, &piece, 1, on_written) == 0;
	if (!l->waiting)
		break_link(l, err_make(ERR_LOST));
}

/* The kernel takes what it can now. */
static void submit(struct link *l)
{
	struct slice out = buf_peek(&l->wire_out);
	uv_buf_t piece = {.base = (char *)(uintptr_t)out.ptr, .len = out.len};
	int n = uv_try_write((uv_stream_t *)&l->tcp, &piece, 1);
	if (n < 0 && n != UV_EAGAIN) {
		break_link(l, err_native(ERR_LOST, n));
		return;
	}
	if (n > 0) {
		buf_consume(&l->wire_out, (size_t)n);
		l->wire_taken += (uint64_t)n;
		l->active_ms = uv_now(l->tcp.loop);
	}
	if (buf_len(&l->wire_out))
		wait_for_kernel(l);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
	struct link *l = req->data;
	(void)status;
	if (l->input_over)
		link_close(l); /* else the other side's end or the deadline comes next */
}

static void go_on_finishing(struct link *l)
{
	if (l->phase != LINK_FINISHING || l->shutting || link_backlog(l))
		return;
	l->shutting = true;
	l->shutdown.data = l;
	if (uv_shutdown(&l->shutdown, (uv_stream_t *)&l->tcp, on_shutdown) != 0)
		link_close(l);
}

void link_flush(struct link *l)
{
	l->dirty = false;
	if (l->phase == LINK_NONE || l->phase == LINK_CLOSING)
		return;
	bool had = buf_len(&l->wire_out) > 0;
	if (had && !l->waiting)
		submit(l);
	if (l->output_over && !l->broken)
		break_link(l, tls_error(l->tls));
	if (had && l->phase == LINK_OPEN && !l->broken && !l->waiting)
		l->events->room(l->owner);
	go_on_finishing(l);
}

void link_write(struct link *l, struct slice bytes)
{
	if (!bytes.len || l->phase != LINK_OPEN)
		return; /* behind a goodbye nothing may come */
	size_t before = buf_len(&l->wire_out);
	if (!l->tls)
		(void)buf_append(&l->wire_out, bytes);
	else if (tls_state(l->tls) == TLS_UP || tls_state(l->tls) == TLS_CLOSED)
		l->output_over = err_is(tls_output(l->tls, bytes, &l->wire_out));
	l->wire_queued += buf_len(&l->wire_out) - before;
	mark_dirty(l);
}

bool link_rekey(struct link *l)
{
	size_t before = buf_len(&l->wire_out);
	bool rekeyed = tls_rekey(l->tls, &l->wire_out);
	l->wire_queued += buf_len(&l->wire_out) - before;
	mark_dirty(l);
	return rekeyed;
}

size_t link_backlog(const struct link *l)
{
	return buf_len(&l->wire_out) + (l->waiting ? 1 : 0);
}

bool link_is_open(const struct link *l)
{
	return l->phase == LINK_OPEN && !l->broken;
}

/* ---- opening and closing ---- */

/* A far side that vanished without a word must be noticed while bounces are still of use. */
static void watch_far_side(struct link *l, int fd)
{
	const unsigned unanswered = UNANSWERED_MS;
	uv_tcp_nodelay(&l->tcp, 1);
	uv_tcp_keepalive(&l->tcp, 1, KEEPALIVE_S);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof unanswered);
}

struct err link_open(struct link *l, struct worker *w, int fd, const struct scan_limits *limits,
	const struct link_events *events, void *owner)
{
	memset(l, 0, sizeof *l);
	l->worker = w;
	l->events = events;
	l->owner = owner;
	uv_tcp_init(w->loop, &l->tcp);
	l->tcp.data = l;
	l->phase = LINK_OPEN;
	l->scan = scan_new(limits);
	buf_init(&l->wire_out, BUF_UNLIMITED);
	buf_init(&l->held, BUF_UNLIMITED);
	l->active_ms = uv_now(w->loop);
	int failed = uv_tcp_open(&l->tcp, fd);
	if (failed) {
		close(fd);
		return err_native(ERR_INTERNAL, failed);
	}
	watch_far_side(l, fd);
	int len = sizeof l->remote_addr;
	(void)uv_tcp_getpeername(&l->tcp, (struct sockaddr *)&l->remote_addr, &len);
	start_reading(l);
	return err_ok();
}

void link_sniff(struct link *l, const struct tls_params *params)
{
	l->sniff_tls = true;
	l->sniff_params = params;
}

bool link_start_tls(struct link *l, const struct tls_params *params)
{
	/* TLS-1, RFC 6120 5.3.3: no byte may stand behind <starttls/> or <proceed/>. */
	if ((l->injected_check && l->feeding) || buf_len(&l->held))
		return false;
	begin_tls(l, params);
	return true;
}

void link_restart(struct link *l)
{
	scan_reset(l->scan);
}

static void on_closed(uv_handle_t *handle)
{
	struct link *l = handle->data;
	tls_free(l->tls);
	scan_free(l->scan);
	buf_fini(&l->wire_out);
	buf_fini(&l->held);
	l->tls = NULL;
	l->scan = NULL;
	l->phase = LINK_NONE;
	l->events->closed(l->owner);
}

void link_close(struct link *l)
{
	if (l->phase == LINK_NONE || l->phase == LINK_CLOSING)
		return;
	timer_stop(l->worker->timers, &l->deadline);
	worker_forget_dirty(l->worker, l);
	if (l->events->closing)
		l->events->closing(l->owner);
	l->phase = LINK_CLOSING;
	uv_close((uv_handle_t *)&l->tcp, on_closed);
}

static void on_deadline(void *arg)
{
	link_close(arg);
}

void link_finish(struct link *l, uint64_t within_ms)
{
	if (l->phase != LINK_OPEN)
		return;
	if (l->broken && (!l->tls || tls_state(l->tls) == TLS_FAILED) && !buf_len(&l->wire_out)) {
		link_close(l);
		return;
	}
	if (l->tls && (tls_state(l->tls) == TLS_UP || tls_state(l->tls) == TLS_CLOSED)) {
		size_t before = buf_len(&l->wire_out);
		tls_close_notify(l->tls, &l->wire_out);
		l->wire_queued += buf_len(&l->wire_out) - before;
	}
	l->phase = LINK_FINISHING;
	l->paused = false;
	start_reading(l);
	timer_start(l->worker->timers, &l->deadline, within_ms, on_deadline, l);
	mark_dirty(l);
}
