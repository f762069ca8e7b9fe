#include "link_owner.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(struct owner *o, const char *kind, struct slice what)
{
	size_t at = strlen(o->heard);
	snprintf(o->heard + at, sizeof o->heard - at, "%s%.*s", kind, SLICE_ARG(what));
	if (o->close_at && strncmp(kind, o->close_at, 1) == 0)
		link_close(&o->link);
}

static void on_header(void *owner, const struct scan_element *e)
{
	(void)e;
	note(owner, "H", SLICE_LIT(""));
}

static void obey(struct owner *o, struct slice name)
{
	if (slice_eq_str(name, "starttls") || slice_eq_str(name, "proceed")) {
		o->starttls_refused = !link_start_tls(&o->link, &o->params);
		if (o->starttls_refused)
			link_finish(&o->link, 500);
	} else if (slice_eq_str(name, "pause")) {
		link_pause(&o->link);
	} else if (slice_eq_str(name, "pause-resume")) {
		link_pause(&o->link);
		link_resume(&o->link);
	} else if (slice_eq_str(name, "restart")) {
		link_restart(&o->link);
	} else if (slice_eq_str(name, "finish")) {
		link_finish(&o->link, 500);
	}
}

static void on_element(void *owner, const struct scan_element *e)
{
	struct owner *o = owner;
	o->elements++;
	if (o->elements < 200)
		note(o, "E:", e->local);
	obey(o, e->local);
}

static void on_end(void *owner)
{
	note(owner, "/", SLICE_LIT(""));
}

static void on_tls_up(void *owner)
{
	note(owner, "T", SLICE_LIT(""));
}

static void on_broken(void *owner, struct err why)
{
	struct owner *o = owner;
	o->why = why;
	note(o, "B:", slice_str(err_row(why.code)->symbol));
	if (o->say_goodbye) {
		link_write(&o->link, SLICE_LIT("<stream:error/></stream:stream>"));
		link_finish(&o->link, 500);
	}
}

static void on_room(void *owner)
{
	struct owner *o = owner;
	o->rooms++;
	if (o->settle)
		link_settle(&o->link, &o->queue);
	if (o->pump_on_room)
		link_pump(&o->link, &o->queue);
	if (o->close_at && *o->close_at == 'R')
		note(o, "R", SLICE_LIT(""));
}

static void on_closed(void *owner)
{
	struct owner *o = owner;
	assert(!o->closed);
	o->closed = true;
	note(o, "C", SLICE_LIT(""));
}

static const struct link_events events = {
	.header = on_header,
	.element = on_element,
	.end = on_end,
	.tls_up = on_tls_up,
	.broken = on_broken,
	.room = on_room,
	.closed = on_closed,
};

void owner_open(struct owner *o, struct fake_worker *f, int sndbuf)
{
	int near;
	*o = (struct owner){.f = f};
	fake_tcp_pair(&near, &o->far, sndbuf);
	sendq_init(&o->queue, 1000000, BUF_UNLIMITED);
	struct err e = link_open(&o->link, &f->w, near, &scan_limits_proven, &events, o);
	assert(!err_is(e));
	(void)e;
}

static bool is_closed(void *arg)
{
	return ((struct owner *)arg)->closed;
}

void owner_free(struct owner *o)
{
	link_close(&o->link);
	bool closed = fake_worker_run(o->f, is_closed, o, 5000);
	assert(closed);
	(void)closed;
	sendq_fini(&o->queue);
	if (o->far >= 0)
		close(o->far);
}

void owner_run(struct owner *o, uint64_t ms)
{
	fake_worker_run(o->f, NULL, NULL, ms);
}

struct wish {
	struct owner *o;
	const char *text;
};

static bool is_heard(void *arg)
{
	const struct wish *w = arg;
	return strstr(w->o->heard, w->text) != NULL;
}

bool owner_hears(struct owner *o, const char *text)
{
	struct wish w = {o, text};
	return fake_worker_run(o->f, is_heard, &w, 2000);
}

void owner_send(struct owner *o, struct slice bytes)
{
	while (bytes.len) {
		ssize_t n = send(o->far, bytes.ptr, bytes.len, MSG_NOSIGNAL);
		assert(n > 0 || errno == EAGAIN);
		if (n > 0)
			bytes = slice_sub(bytes, (size_t)n, bytes.len);
		owner_run(o, 0);
	}
}

void owner_send_text(struct owner *o, const char *text)
{
	owner_send(o, slice_str(text));
}

size_t owner_receive(struct owner *o, char *out, size_t room, bool *end)
{
	size_t len = 0;
	ssize_t n = 1;
	*end = false;
	while (n > 0 && len < room) {
		n = recv(o->far, out + len, room - len, 0);
		len += n > 0 ? (size_t)n : 0;
	}
	*end = n == 0 || (n < 0 && errno != EAGAIN);
	return len;
}

void owner_reset_far(struct owner *o)
{
	struct linger now = {.l_onoff = 1};
	setsockopt(o->far, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(o->far);
	o->far = -1;
}

bool owner_handshake(struct owner *o, SSL *ssl)
{
	SSL_set_fd(ssl, o->far);
	for (int i = 0; i < 1000; i++) {
		int n = SSL_do_handshake(ssl);
		if (n == 1)
			return true;
		if (SSL_get_error(ssl, n) != SSL_ERROR_WANT_READ)
			return false;
		owner_run(o, 1);
	}
	return false;
}
