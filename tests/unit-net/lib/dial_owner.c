#include "dial_owner.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- places to dial ---- */

static int listeners[8], fillers[16];
static size_t listener_count, filler_count;

unsigned listen_at(const char *host, unsigned port, bool black_hole)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&sa;
	bool six = strchr(host, ':') != NULL;
	socklen_t len = six ? sizeof *v6 : sizeof *v4;
	int on = 1;
	sa.ss_family = six ? AF_INET6 : AF_INET;
	inet_pton(sa.ss_family, host, six ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr);
	v4->sin_port = htons((uint16_t)port);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(fd, black_hole ? 0 : 10), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	listeners[listener_count++] = fd;
	for (int i = 0; black_hole && i < 2; i++) {
		int filler = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(filler, (struct sockaddr *)&sa, len);
		fillers[filler_count++] = filler;
	}
	struct timespec settle = {.tv_nsec = black_hole ? 20000000 : 0};
	(void)nanosleep(&settle, NULL);
	return ntohs(v4->sin_port);
}

unsigned refused_port(void)
{
	unsigned port = listen_at("127.0.0.1", 0, false);
	close(listeners[--listener_count]);
	return port;
}

void dial_close_listener(size_t i)
{
	close(listeners[i]);
	listeners[i] = -1;
}

bool dial_listener_has_caller(size_t i)
{
	int fd = accept(listeners[i], NULL, NULL);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* ---- the owner ---- */

struct owner the;

static void on_connected(void *arg, int fd, bool direct_tls)
{
	struct owner *o = arg;
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	o->connected++;
	o->direct = direct_tls;
	o->at_ms = uv_now(&o->f->loop) - o->began;
	assert_int_equal(getpeername(fd, (struct sockaddr *)&sa, &len), 0);
	o->port = ntohs(((struct sockaddr_in *)&sa)->sin_port);
	if (sa.ss_family == AF_INET)
		inet_ntop(
			AF_INET, &((struct sockaddr_in *)&sa)->sin_addr, o->where, sizeof o->where);
	else
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&sa)->sin6_addr, o->where,
			sizeof o->where);
	close(fd);
	if (o->stop_in_callback) {
		dial_stop(&o->dial);
		memset(&o->dial, 0xee, sizeof o->dial); /* as when its owner is freed */
	}
}

static void on_failed(void *arg, struct err why)
{
	struct owner *o = arg;
	o->failed++;
	o->why = why;
	o->at_ms = uv_now(&o->f->loop) - o->began;
	if (o->stop_in_callback)
		memset(&o->dial, 0xee, sizeof o->dial);
}

const struct dial_events the_events = {.connected = on_connected, .failed = on_failed};

static struct network loopback[2] = {{.family = AF_INET, .prefix = {127}, .bits = 8},
	{.family = AF_INET6, .prefix = {[15] = 1}, .bits = 128}};

int dial_set_up(void **state)
{
	(void)state;
	the = (struct owner){.f = fake_worker_new()};
	the.f->gate.allow_private = (struct network_list){.items = loopback, .count = 2};
	return 0;
}

int dial_tear_down(void **state)
{
	(void)state;
	if (!the.stop_in_callback)
		dial_stop(&the.dial);
	fake_dns_end();
	fake_worker_free(the.f);
	while (listener_count)
		close(listeners[--listener_count]);
	while (filler_count)
		close(fillers[--filler_count]);
	return 0;
}

bool the_dial_is_over(void *unused)
{
	(void)unused;
	return the.connected || the.failed;
}

struct domain the_domain(void)
{
	struct domain d;
	assert_false(err_is(domain_parse(SLICE_LIT("a.example"), &d)));
	return d;
}

void dial_begin(const struct fake_record *records, size_t count)
{
	struct domain d = the_domain();
	fake_dns_use(the.f, records, count);
	the.connected = the.failed = 0;
	uv_update_time(&the.f->loop);
	the.began = uv_now(&the.f->loop);
	dial_peer(&the.dial, &the.f->w, &d, DIAL_CANDIDATES_MAX, &the_events, &the);
	assert_int_equal(the.connected + the.failed, 0); /* never from inside the call */
}

void dial_it(const struct fake_record *records, size_t count)
{
	dial_begin(records, count);
	assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 5000));
}

struct address own_listener(const char *host, unsigned port)
{
	struct address a = {.len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&a.sa;
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	inet_pton(AF_INET, host, &v4->sin_addr);
	return a;
}
