/* Happy path: a connection is accepted, whole queries are taken from its bytes one by one, each
 * answered before the next is looked at (RFC 7766 6.2.1). While an answer is being written or
 * looked up nothing is read, so that one connection holds one answer. Failure modes: a source that
 * is not allowed, a query that is too long or no query, silence or an answer that is not taken for
 * STEER_IDLE_MS: the connection is closed. Who frees: conn_close() takes a connection off the list,
 * its close callback frees it. */
#include "core/steer_inside.h"

#include "base/log.h"
#include "base/mem.h"

enum { LENGTH_LEN = 2, BACKLOG = 64 };

struct steer_listener {
	uv_tcp_t tcp;
	struct steer *steer;
};

struct steer_conn {
	uv_tcp_t tcp;
	struct steer *steer;
	struct steer_conn *next, **prev;
	uv_write_t write;
	struct timer idle;
	struct buf in, out;
	bool busy; /* an answer is being written or looked up */
};

/* ---- life ---- */

static void unlink_conn(struct steer_conn *c)
{
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
}

static void put_first(struct steer_conn *c)
{
	struct steer *s = c->steer;
	c->next = s->conns;
	c->prev = &s->conns;
	if (c->next)
		c->next->prev = &c->next;
	s->conns = c;
}

static void on_closed(uv_handle_t *handle)
{
	struct steer_conn *c = handle->data;
	buf_fini(&c->in);
	buf_fini(&c->out);
	mem_free(c);
}

static void conn_close(struct steer_conn *c)
{
	if (uv_is_closing((uv_handle_t *)&c->tcp))
		return;
	steer_forget(c->steer, c);
	timer_stop(c->steer->timers, &c->idle);
	unlink_conn(c);
	c->steer->conn_count--;
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_idle(void *arg)
{
	conn_close(arg);
}

/* A whole query came, or its answer went. */
static void note_active(struct steer_conn *c)
{
	timer_start(c->steer->timers, &c->idle, STEER_IDLE_MS, on_idle, c);
	unlink_conn(c);
	put_first(c);
}

/* ---- queries ---- */

static void next_queries(struct steer_conn *c);

static void on_written(uv_write_t *write, int status)
{
	struct steer_conn *c = write->data;
	if (status != 0) {
		conn_close(c);
		return;
	}
	c->busy = false;
	buf_clear(&c->out);
	note_active(c);
	next_queries(c);
}

static void write_reply(struct steer_conn *c)
{
	struct slice reply = buf_peek(&c->steer->reply);
	char length[LENGTH_LEN] = {(char)(reply.len >> 8), (char)reply.len};
	struct err e = buf_append(&c->out, slice_of(length, sizeof length));
	if (!err_is(e))
		e = buf_append(&c->out, reply);
	struct slice all = buf_peek(&c->out);
	uv_buf_t bytes = uv_buf_init((char *)all.ptr, (unsigned)all.len);
	c->write.data = c;
	if (err_is(e) || uv_write(&c->write, (uv_stream_t *)&c->tcp, &bytes, 1, on_written) != 0)
		conn_close(c);
}

void steer_conn_reply(struct steer_conn *conn)
{
	write_reply(conn);
}

/* The next whole query's length, 0 when it is not there yet. False: it will never be one. */
static bool next_length(const struct steer_conn *c, size_t *len)
{
	struct slice in = buf_peek(&c->in);
	*len = 0;
	if (in.len < LENGTH_LEN)
		return true;
	size_t promised = (size_t)(unsigned char)in.ptr[0] << 8 | (unsigned char)in.ptr[1];
	if (promised == 0 || promised > STEER_QUERY_MAX)
		return false;
	if (in.len >= LENGTH_LEN + promised)
		*len = promised;
	return true;
}

static void take_query(struct steer_conn *c, size_t len)
{
	struct steer_asker asker = {.conn = c};
	struct slice query = slice_sub(buf_peek(&c->in), LENGTH_LEN, LENGTH_LEN + len);
	note_active(c);
	enum steer_step step = steer_query(c->steer, query, &asker);
	buf_consume(&c->in, LENGTH_LEN + len);
	c->busy = step != STEER_NOTHING;
	if (step == STEER_REPLY)
		write_reply(c);
	else if (step == STEER_NOTHING)
		conn_close(c);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
	struct steer_conn *c = handle->data;
	(void)wanted;
	*out = uv_buf_init(c->steer->read_buffer, sizeof c->steer->read_buffer);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *bytes)
{
	struct steer_conn *c = stream->data;
	if (n < 0 || err_is(buf_append(&c->in, slice_of(bytes->base, (size_t)n))))
		conn_close(c);
	else if (n > 0)
		next_queries(c);
}

static void next_queries(struct steer_conn *c)
{
	size_t len = 0;
	if (!next_length(c, &len)) {
		conn_close(c);
	} else if (len) {
		uv_read_stop((uv_stream_t *)&c->tcp);
		take_query(c, len);
	} else {
		int status = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
		if (status != 0 && status != UV_EALREADY)
			conn_close(c);
	}
}

/* ---- accepting ---- */

static bool is_allowed(struct steer_conn *c)
{
	struct sockaddr_storage from = {0};
	int len = sizeof from;
	return uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&from, &len) == 0 &&
	       steer_allows(c->steer, &from);
}

static void close_oldest(struct steer *s)
{
	struct steer_conn *c = s->conns;
	while (c && c->next)
		c = c->next;
	if (c)
		conn_close(c);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct steer_listener *l = stream->data;
	struct steer *s = l->steer;
	if (status != 0)
		return;
	struct steer_conn *c = MEM_NEW(struct steer_conn);
	c->steer = s;
	uv_tcp_init(s->loop, &c->tcp);
	c->tcp.data = c;
	/* Two queries' worth: less than one is kept while a read brings at most one more. */
	buf_init(&c->in, 2 * (LENGTH_LEN + STEER_QUERY_MAX));
	buf_init(&c->out, LENGTH_LEN + DNSSERVE_TCP_MAX);
	put_first(c);
	s->conn_count++;
	if (uv_accept(stream, (uv_stream_t *)&c->tcp) != 0 || !is_allowed(c)) {
		conn_close(c);
		return;
	}
	if (s->conn_count > STEER_CONNECTIONS_MAX)
		close_oldest(s);
	note_active(c);
	next_queries(c);
}

void steer_listen(struct steer *s, const int *fds, size_t count)
{
	s->listeners = mem_alloc(count * sizeof *s->listeners + 1);
	s->listener_count = count;
	for (size_t i = 0; i < count; i++) {
		struct steer_listener *l = &s->listeners[i];
		l->steer = s;
		uv_tcp_init(s->loop, &l->tcp);
		l->tcp.data = l;
		int status = uv_tcp_open(&l->tcp, fds[i]);
		if (status == 0)
			status = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
		if (status != 0)
			log_reason(err_native(ERR_LISTEN, status), "steer-listen", log_end());
	}
}

void steer_close_all(struct steer *s)
{
	for (size_t i = 0; i < s->listener_count; i++)
		uv_close((uv_handle_t *)&s->listeners[i].tcp, NULL);
	while (s->conns)
		conn_close(s->conns);
}
