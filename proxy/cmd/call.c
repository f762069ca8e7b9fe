/* Happy path: connect, a header or TLS, then read and step the machine of xmpp/stream_out.h until
 * it has what we came for. Failure modes: the time is over, the connection breaks, TLS or the
 * stream fails; each ends the loop with its reason. Who frees: call_free; the socket is closed
 * here. */
#include "cmd/call.h"

#include "base/mem.h"
#include "xmpp/ns.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { READ_MAX = 16 * 1024, WIRE_MAX = 1024 * 1024 };

struct call {
	const struct call_wish *wish;
	struct call_result *r;
	int fd;
	struct scan *scan;
	struct stream_out stream;
	struct buf wire_out, plain;
	uint64_t began_ms, tls_began_ms;
	bool over, restarted; /* what stood before a restart or TLS is not parsed any more */
};

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void end(struct call *c, struct err why)
{
	if (!c->over)
		c->r->e = why;
	c->over = true;
}

static bool wait_until(struct call *c, short events, uint64_t limit_ms)
{
	uint64_t spent = now_ms() - c->began_ms;
	struct pollfd p = {.fd = c->fd, .events = events};
	return spent < limit_ms && poll(&p, 1, (int)(limit_ms - spent)) == 1;
}

/* Waits for the socket; false: the time is over. */
static bool wait_for(struct call *c, short events)
{
	return wait_until(c, events, c->wish->timeout_ms);
}

/* ---- bytes out ---- */

static void flush(struct call *c)
{
	while (buf_len(&c->wire_out) && wait_for(c, POLLOUT)) {
		struct slice s = buf_peek(&c->wire_out);
		ssize_t n = send(c->fd, s.ptr, s.len, MSG_NOSIGNAL);
		if (n <= 0) {
			end(c, err_native(ERR_LOST, errno));
			return;
		}
		buf_consume(&c->wire_out, (size_t)n);
	}
}

static void say(struct call *c, struct slice bytes)
{
	if (!bytes.len)
		return;
	if (!c->r->tls)
		(void)buf_append(&c->wire_out, bytes);
	else if (tls_state(c->r->tls) == TLS_UP)
		(void)tls_output(c->r->tls, bytes, &c->wire_out);
}

/* ---- the stream's actions ---- */

static void run_actions(struct call *c, struct actions *a);

static void finish(struct call *c, struct err why)
{
	struct actions a;
	actions_init(&a);
	stream_out_finish(&c->stream, why, &a);
	say(c, buf_peek(&a.out));
	actions_fini(&a);
	end(c, why);
}

static void begin_tls(struct call *c)
{
	const struct tls_params params = {.role = TLS_CLIENT,
		.alpn = c->wish->direct_tls ? "xmpp-server" : NULL,
		.server_name = c->wish->to.name, /* SNI-2 */
		.credential = c->wish->credential};
	c->r->tls = tls_new(&params);
	c->tls_began_ms = now_ms();
	scan_reset(c->scan);
	c->restarted = true;
	tls_start(c->r->tls, &c->wire_out);
}

static void send_key(struct call *c)
{
	struct actions a;
	char key[DBKEY_TEXT_LEN + 1];
	if (!c->wish->secret) {
		finish(c, err_make(ERR_NO_OFFER));
		return;
	}
	dbkey_make(c->wish->secret, DBKEY_OUT, &c->wish->to, &c->wish->from,
		slice_str(c->stream.id), key);
	actions_init(&a);
	stream_out_send_key(&c->stream, slice_str(key), &a);
	run_actions(c, &a);
	actions_fini(&a);
	mem_wipe(key, sizeof key);
}

/* Judging is the caller's business, afterwards: here the conversation goes on. */
static void go_on_unjudged(struct call *c)
{
	struct actions a;
	const struct verdict v = {.decision = VERDICT_ASK};
	actions_init(&a);
	stream_out_peer_verdict(&c->stream, v, &a);
	run_actions(c, &a);
	actions_fini(&a);
}

static void on_action(struct call *c, const struct actions *a, const struct act *act)
{
	switch (act->kind) {
	case ACT_START_TLS:
		begin_tls(c);
		break;
	case ACT_RESTART:
		scan_reset(c->scan);
		break;
	case ACT_ASSESS_PEER:
		go_on_unjudged(c);
		break;
	case ACT_DIALBACK:
		send_key(c);
		break;
	case ACT_READY:
		c->r->ready = true;
		c->r->proof = c->stream.proof;
		finish(c, err_ok());
		break;
	case ACT_CLOSE:
		memcpy(c->r->condition, a->condition, sizeof c->r->condition);
		memcpy(c->r->text, a->text, sizeof c->r->text);
		end(c, act->why);
		break;
	default:
		break;
	}
}

static void run_actions(struct call *c, struct actions *a)
{
	say(c, buf_peek(&a->out));
	for (size_t i = 0; i < a->count && !c->over; i++)
		on_action(c, a, &a->list[i]);
}

/* ---- bytes in ---- */

static void on_header(struct call *c, const struct scan_element *e)
{
	struct stream_header h;
	struct actions a;
	struct err wrong = stream_header_read(e, &h);
	actions_init(&a);
	stream_out_header(&c->stream, &h, wrong, &a);
	run_actions(c, &a);
	actions_fini(&a);
}

static void note_offers(struct call_result *r, const struct element *features)
{
	const struct element *sasl = element_child(features, NS_SASL, "mechanisms");
	r->offers_starttls |= element_child(features, NS_TLS, "starttls") != NULL;
	r->offers_dialback |= element_child(features, NS_DB_FEATURE, "dialback") != NULL;
	for (const struct element *m = sasl ? sasl->children : NULL; m; m = m->next)
		r->offers_external |= strcmp(m->text, "EXTERNAL") == 0;
}

/* Whether the features tell all that we came for: they came over TLS, or there is none. */
static bool has_seen_enough(const struct call *c)
{
	bool proves = c->wish->credential || c->wish->secret;
	return c->wish->backend || (c->r->secured ? !proves : !c->r->offers_starttls);
}

static void on_element(struct call *c, const struct scan_element *e)
{
	struct err wrong;
	struct actions a;
	struct element *el = element_parse(e, &wrong);
	if (el && element_is(el, NS_STREAM, "features")) {
		c->r->features = true;
		note_offers(c->r, el);
	}
	if (el && element_is(el, NS_STREAM, "features") && has_seen_enough(c)) {
		finish(c, err_ok());
	} else {
		actions_init(&a);
		if (el)
			stream_out_element(&c->stream, el, &a);
		else
			stream_out_fail(&c->stream, wrong, NULL, &a);
		run_actions(c, &a);
		actions_fini(&a);
	}
	element_free(el);
}

static void feed_scanner(struct call *c, struct slice plain)
{
	c->restarted = false;
	while (!c->over && !c->restarted) {
		switch (scan_next(c->scan, &plain)) {
		case SCAN_MORE:
			return;
		case SCAN_HEADER:
			on_header(c, scan_element(c->scan));
			break;
		case SCAN_ELEMENT:
			on_element(c, scan_element(c->scan));
			break;
		case SCAN_END:
			end(c, err_make(ERR_PEER_CLOSED));
			break;
		case SCAN_ERROR:
			end(c, scan_error(c->scan));
			break;
		}
	}
}

static void on_tls_up(struct call *c)
{
	struct actions a;
	c->r->secured = true;
	c->r->tls_ms = now_ms() - c->tls_began_ms;
	actions_init(&a);
	if (c->wish->direct_tls)
		stream_out_start(&c->stream, &a);
	else
		stream_out_tls_up(&c->stream, &a);
	run_actions(c, &a);
	actions_fini(&a);
}

static void feed(struct call *c, struct slice wire)
{
	if (!c->r->tls) {
		feed_scanner(c, wire);
		return;
	}
	enum tls_state state = tls_input(c->r->tls, wire, &c->plain, &c->wire_out);
	if (state == TLS_UP && !c->r->secured)
		on_tls_up(c);
	if (buf_len(&c->plain))
		feed_scanner(c, buf_peek(&c->plain));
	buf_clear(&c->plain);
	if (state == TLS_FAILED)
		end(c, tls_error(c->r->tls));
	else if (state == TLS_CLOSED)
		end(c, err_make(ERR_PEER_CLOSED));
}

static void read_once(struct call *c)
{
	char bytes[READ_MAX];
	if (!wait_for(c, POLLIN)) {
		end(c, err_make(
			       c->r->tls && !c->r->secured ? ERR_TLS_TIMEOUT : ERR_HEADER_TIMEOUT));
		return;
	}
	ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
	if (n <= 0)
		end(c, n < 0 ? err_native(ERR_LOST, errno) : err_make(ERR_LOST));
	else
		feed(c, slice_of(bytes, (size_t)n));
}

/* ---- the whole ---- */

static bool connect_to(struct call *c)
{
	const struct sockaddr *sa = (const struct sockaddr *)&c->wish->addr;
	socklen_t len =
		sa->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int error = 0;
	socklen_t error_len = sizeof error;
	c->fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || (connect(c->fd, sa, len) != 0 && errno != EINPROGRESS)) {
		end(c, err_native(ERR_CONNECT, errno));
		return false;
	}
	if (!wait_until(c, POLLOUT, c->wish->connect_ms)) {
		end(c, err_make(ERR_CONNECT_TIMEOUT));
		return false;
	}
	(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &error_len);
	if (error)
		end(c, err_native(ERR_CONNECT, error));
	c->r->connect_ms = now_ms() - c->began_ms;
	c->r->connected = !error;
	return !error;
}

static void begin(struct call *c)
{
	struct actions a;
	if (c->wish->direct_tls) {
		begin_tls(c);
		return;
	}
	actions_init(&a);
	stream_out_start(&c->stream, &a);
	run_actions(c, &a);
	actions_fini(&a);
}

static struct stream_out_config stream_config(const struct call_wish *w)
{
	return (struct stream_out_config){.local = w->from,
		.remote = w->to,
		.backend = w->backend,
		.direct_tls = w->direct_tls,
		.attempt_tls = true,
		.may_external = w->credential != NULL,
		.may_dialback = w->secret != NULL};
}

void call_make(const struct call_wish *wish, struct call_result *out)
{
	struct call c = {.wish = wish, .r = out, .fd = -1, .began_ms = now_ms()};
	const struct stream_out_config config = stream_config(wish);
	*out = (struct call_result){0};
	c.scan = scan_new(&scan_limits_stranger);
	buf_init(&c.wire_out, WIRE_MAX);
	buf_init(&c.plain, WIRE_MAX);
	stream_out_init(&c.stream, &config);
	if (connect_to(&c))
		begin(&c);
	flush(&c);
	while (!c.over) {
		read_once(&c);
		flush(&c);
	}
	if (out->secured)
		tls_close_notify(out->tls, &c.wire_out);
	flush(&c);
	if (c.fd >= 0)
		close(c.fd);
	out->all_ms = now_ms() - c.began_ms;
	stream_out_fini(&c.stream);
	scan_free(c.scan);
	buf_fini(&c.wire_out);
	buf_fini(&c.plain);
}

void call_free(struct call_result *result)
{
	tls_free(result->tls);
	result->tls = NULL;
}
