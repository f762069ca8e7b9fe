/* Happy path: accept -> handshake -> a head is read whole -> answer written -> the next head.
 * While something is being written nothing is read, so a connection holds one answer and what came
 * in one read. Failure modes: TLS fails, the request is refused for its form, too much time passes,
 * a limit is reached: an alert or an answer, then the connection is drained (what the client still
 * sends must not make the kernel throw our last words away) and closed. Who frees: conn_close()
 * takes a connection off the list, its close callback frees it; the server goes with its last
 * handle. */
#include "net/httpserve.h"

#include "base/bucket.h"
#include "base/mem.h"
#include "net/address.h"
#include "net/httpanswer.h"
#include "net/httpjudge.h"
#include "net/tls.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum {
	BACKLOG = 256,
	READ_ROOM = 16384,
	SWEEP_MS = 100,  /* how exactly deadlines are kept */
	DRAIN_MS = 1000, /* for the client to take our last words and close */
	REQUESTS_MAX = 100,
};

struct listener {
	uv_tcp_t tcp;
	struct httpserve *serve;
	struct listener *next;
};

enum conn_state {
	CONN_READING, /* the handshake, then heads */
	CONN_WRITING,
	CONN_DRAINING,
};

struct conn {
	uv_tcp_t tcp;
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct httpserve *serve;
	struct conn *next, **prev;
	struct sockaddr_storage from;
	struct tls *tls;
	struct buf plain, out; /* not read yet; ciphertext that is written */
	struct httphead_reader reader;
	enum conn_state state;
	uint64_t due_ms;
	unsigned answers;
	bool answering, last; /* an answer is on its way; nothing comes behind what is written */
};

struct httpserve {
	uv_loop_t *loop;
	uv_timer_t sweep;
	const struct httpserve_events *events;
	void *arg;
	struct httpserve_settings settings;
	struct listener *listeners;
	struct conn *conns; /* the one that was accepted or answered last stands first */
	unsigned conn_count;
	struct buckets *buckets;
	size_t handles; /* open ones: listeners, connections, the timer */
	char room[READ_ROOM];
};

/* ---- life ---- */

static void handle_closed(struct httpserve *h)
{
	if (--h->handles)
		return;
	mem_free(h->buckets);
	mem_free(h);
}

static void unlink_conn(struct conn *c)
{
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
}

static void put_first(struct conn *c)
{
	struct httpserve *h = c->serve;
	c->next = h->conns;
	c->prev = &h->conns;
	if (c->next)
		c->next->prev = &c->next;
	h->conns = c;
}

static void on_conn_closed(uv_handle_t *handle)
{
	struct conn *c = handle->data;
	struct httpserve *h = c->serve;
	tls_free(c->tls);
	buf_fini(&c->plain);
	buf_fini(&c->out);
	mem_free(c);
	handle_closed(h);
}

static bool is_closing(const struct conn *c)
{
	return uv_is_closing((const uv_handle_t *)&c->tcp);
}

static void conn_close(struct conn *c)
{
	if (is_closing(c))
		return;
	unlink_conn(c);
	c->serve->conn_count--;
	if (!c->serve->conns)
		uv_timer_stop(&c->serve->sweep);
	uv_close((uv_handle_t *)&c->tcp, on_conn_closed);
}

static void note(const struct conn *c, struct err why, unsigned status, struct slice target)
{
	const struct httpserve_note n = {
		.why = why, .status = status, .target = target, .from = &c->from};
	c->serve->events->note(c->serve->arg, &n);
}

static void due_in(struct conn *c, unsigned ms)
{
	c->due_ms = uv_now(c->serve->loop) + ms;
}

/* ---- writing ---- */

static void step(struct conn *c);
static void read_on(struct conn *c);

static void on_shut(uv_shutdown_t *shutdown, int status)
{
	(void)shutdown, (void)status; /* the client's end or the deadline closes */
}

static void drain(struct conn *c)
{
	c->state = CONN_DRAINING;
	due_in(c, DRAIN_MS);
	if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shut) != 0)
		conn_close(c);
	else
		read_on(c);
}

static void on_written(uv_write_t *write, int status)
{
	struct conn *c = write->data;
	if (is_closing(c))
		return;
	buf_clear(&c->out);
	c->state = CONN_READING;
	if (status != 0) {
		conn_close(c);
		return;
	}
	if (c->answering) {
		c->answering = false;
		due_in(c, c->serve->settings.idle_ms);
	}
	step(c);
}

static void flush(struct conn *c)
{
	struct slice all = buf_peek(&c->out);
	if (!all.len) {
		if (c->last)
			drain(c);
		else
			read_on(c);
		return;
	}
	uv_buf_t bytes = uv_buf_init((char *)all.ptr, (unsigned)all.len);
	c->state = CONN_WRITING;
	uv_read_stop((uv_stream_t *)&c->tcp);
	c->write.data = c;
	if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &bytes, 1, on_written) != 0)
		conn_close(c);
}

/* ---- requests ---- */

static void answer(struct conn *c, struct httpanswer *a)
{
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	a->close |= ++c->answers >= REQUESTS_MAX;
	httpanswer_write(a, (int64_t)time(NULL), &text);
	if (err_is(tls_output(c->tls, buf_peek(&text), &c->out)))
		c->last = true;
	buf_fini(&text);
	if (a->close && !c->last) {
		c->last = true;
		tls_close_notify(c->tls, &c->out);
	}
	c->answering = true;
	due_in(c, c->serve->settings.request_ms);
	unlink_conn(c);
	put_first(c);
}

static void answer_request(struct conn *c, const struct httphead *r)
{
	struct httpserve *h = c->serve;
	struct httpserve_document d = {SLICE_NONE, 0};
	struct err e = httpjudge_head(r, &h->settings.host);
	if (!err_is(e))
		e = h->events->document(h->arg, r->target, &d);
	struct httpanswer a = {.status = httpjudge_status(e),
		.json = d.json,
		.max_age_s = d.max_age_s,
		.head = slice_eq_str(r->method, "HEAD"),
		.close = r->close || r->body || e.code == ERR_HTTP_MALFORMED};
	answer(c, &a);
	note(c, e, a.status, r->target);
}

static void refuse_form(struct conn *c, enum err_code why)
{
	struct httpanswer a = {.status = httpjudge_status(err_make(why)), .close = true};
	answer(c, &a);
	note(c, err_make(why), a.status, SLICE_NONE);
}

/* The next request, when it is there whole. */
static void serve_next(struct conn *c)
{
	struct slice all = buf_peek(&c->plain), rest = all;
	enum httphead_step got = httphead_read(&c->reader, &rest);
	switch (got) {
	case HTTPHEAD_MORE:
		break;
	case HTTPHEAD_WHOLE:
		answer_request(c, &c->reader.head);
		break;
	case HTTPHEAD_MALFORMED:
		refuse_form(c, ERR_HTTP_MALFORMED);
		break;
	case HTTPHEAD_TOO_LARGE:
		refuse_form(c, ERR_LIMIT);
		break;
	case HTTPHEAD_VERSION:
		refuse_form(c, ERR_HTTP_VERSION);
		break;
	}
	if (got != HTTPHEAD_MORE)
		httphead_reset(&c->reader);
	buf_consume(&c->plain, all.len - rest.len);
}

/* The client said that it will say no more; what it asked before is still answered. */
static void end_after_close(struct conn *c)
{
	if (c->answering || c->last)
		return;
	c->last = true;
	tls_close_notify(c->tls, &c->out);
}

static void step(struct conn *c)
{
	enum tls_state tls = tls_state(c->tls);
	if (tls == TLS_FAILED && !c->last) {
		note(c, tls_error(c->tls), 0, SLICE_NONE);
		c->last = true;
	}
	if (tls != TLS_HANDSHAKE && !c->last)
		serve_next(c);
	if (tls == TLS_CLOSED)
		end_after_close(c);
	flush(c);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
	struct conn *c = handle->data;
	(void)wanted;
	*out = uv_buf_init(c->serve->room, sizeof c->serve->room);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
	struct conn *c = stream->data;
	if (n < 0) {
		conn_close(c);
	} else if (n > 0 && c->state == CONN_READING) {
		(void)tls_input(c->tls, slice_of(bytes->base, (size_t)n), &c->plain, &c->out);
		step(c);
	}
}

static void read_on(struct conn *c)
{
	int status = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
	if (status != 0 && status != UV_EALREADY)
		conn_close(c);
}

/* ---- deadlines ---- */

static bool is_idle(const struct conn *c)
{
	return c->answers > 0 && httphead_is_empty(&c->reader);
}

static void on_late(struct conn *c)
{
	enum tls_state tls = tls_state(c->tls);
	if (c->state == CONN_DRAINING) {
		conn_close(c);
		return;
	}
	if (c->state == CONN_WRITING || !is_idle(c))
		note(c, err_make(tls == TLS_HANDSHAKE ? ERR_TLS_TIMEOUT : ERR_HTTP_SLOW), 0,
			SLICE_NONE);
	if (c->state == CONN_WRITING || tls != TLS_UP) {
		conn_close(c);
		return;
	}
	c->last = true;
	tls_close_notify(c->tls, &c->out);
	due_in(c, DRAIN_MS);
	flush(c);
}

static void on_sweep(uv_timer_t *timer)
{
	struct httpserve *h = timer->data;
	uint64_t now = uv_now(h->loop);
	for (struct conn *c = h->conns, *next; c; c = next) {
		next = c->next;
		if (now >= c->due_ms)
			on_late(c);
	}
}

/* ---- accepting ---- */

static struct tls_choice choose(void *arg, struct slice sni)
{
	struct conn *c = arg;
	struct httpserve *h = c->serve;
	struct tls_choice choice = {NULL, {ERR_OK, 0}};
	if (sni.len && !slice_ieq(sni, domain_slice(&h->settings.host)))
		choice.refusal = err_make(ERR_TLS_SNI);
	else
		choice.credential = h->events->credential(h->arg, &choice.refusal);
	return choice;
}

static bool is_within_share(const struct conn *c)
{
	const struct httpserve *h = c->serve;
	const struct httpserve_settings *s = &h->settings;
	struct address_source key = address_source(&c->from);
	unsigned same = 0;
	for (const struct conn *other = h->conns; other; other = other->next) {
		struct address_source k = address_source(&other->from);
		same += k.len == key.len && memcmp(k.bytes, key.bytes, k.len) == 0;
	}
	const struct bucket_rate rate = {1000 / s->per_second, 2 * s->per_second};
	return same <= s->per_address &&
	       bucket_take(h->buckets, slice_of(key.bytes, key.len), rate, uv_now(h->loop));
}

static void close_oldest(struct httpserve *h)
{
	struct conn *c = h->conns;
	assert(c); /* the one that has just come is among them */
	while (c->next)
		c = c->next;
	note(c, err_make(ERR_TOO_MANY), 0, SLICE_NONE);
	conn_close(c);
}

static void conn_start(struct conn *c)
{
	struct httpserve *h = c->serve;
	int len = sizeof c->from;
	if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&c->from, &len) != 0) {
		conn_close(c);
		return;
	}
	if (!is_within_share(c)) {
		note(c, err_make(ERR_BUDGET), 0, SLICE_NONE);
		conn_close(c);
		return;
	}
	if (h->conn_count > h->settings.connections)
		close_oldest(h);
	const struct tls_params params = {.role = TLS_SERVER,
		.alpn = "http/1.1",
		.choose = choose,
		.choose_arg = c,
		.no_client_certificate = true};
	c->tls = tls_new(&params);
	due_in(c, h->settings.request_ms);
	read_on(c);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct listener *l = stream->data;
	struct httpserve *h = l->serve;
	if (status != 0)
		return;
	struct conn *c = MEM_NEW(struct conn);
	c->serve = h;
	uv_tcp_init(h->loop, &c->tcp);
	c->tcp.data = c;
	h->handles++;
	buf_init(&c->plain, BUF_UNLIMITED); /* what one read can bring, and less than a head */
	buf_init(&c->out, BUF_UNLIMITED);
	put_first(c);
	if (h->conn_count++ == 0)
		uv_timer_start(&h->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	if (uv_accept(stream, (uv_stream_t *)&c->tcp) == 0)
		conn_start(c);
	else
		conn_close(c);
}

/* ---- the server ---- */

struct httpserve *httpserve_new(uv_loop_t *loop, const struct httpserve_events *events, void *arg)
{
	struct httpserve *h = MEM_NEW(struct httpserve);
	h->loop = loop;
	h->events = events;
	h->arg = arg;
	h->buckets = MEM_NEW(struct buckets);
	ssize_t got = getrandom(h->buckets->seed, sizeof h->buckets->seed, 0);
	assert(got == (ssize_t)sizeof h->buckets->seed);
	uv_timer_init(loop, &h->sweep);
	h->sweep.data = h;
	h->handles = 1;
	return h;
}

void httpserve_configure(struct httpserve *h, const struct httpserve_settings *settings)
{
	h->settings = *settings;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;
	struct httpserve *h = l->serve;
	mem_free(l);
	handle_closed(h);
}

struct err httpserve_listen(struct httpserve *h, int fd)
{
	struct listener *l = MEM_NEW(struct listener);
	l->serve = h;
	l->next = h->listeners;
	h->listeners = l;
	h->handles++;
	uv_tcp_init(h->loop, &l->tcp);
	l->tcp.data = l;
	int status = uv_tcp_open(&l->tcp, fd);
	if (status == 0)
		status = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
	return status == 0 ? err_ok() : err_native(ERR_LISTEN, status);
}

static void on_sweep_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

void httpserve_close(struct httpserve *h)
{
	for (struct listener *l = h->listeners, *next; l; l = next) {
		next = l->next;
		uv_close((uv_handle_t *)&l->tcp, on_listener_closed);
	}
	while (h->conns)
		conn_close(h->conns);
	uv_close((uv_handle_t *)&h->sweep, on_sweep_closed);
}
