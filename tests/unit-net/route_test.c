/* The way of a pair's stanzas, against a backend played on a plain socket. */
#include "core/route.h"
#include "lib/dial_owner.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER                                                                                     \
	"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"     \
	" xmlns:db='jabber:server:dialback' from='shire.example' to='a.example' id='x'"            \
	" version='1.0'><stream:features><dialback xmlns='urn:xmpp:features:dialback'/>"           \
	"</stream:features>"
#define VALID "<db:result from='shire.example' to='a.example' type='valid'/>"

enum { SMALL = 4096, STANZA = 1000 };

static const struct fake_record nowhere = {
	"a.example", FAKE_SRV, RESOLVE_NONE, "1 5269 x.example", 0};
static struct address backend;
static struct tenant tenant;
static int listener, far, shared_fd;
static unsigned rooms;

static void on_room(void *owner)
{
	(void)owner;
	rooms++;
}

static void on_ready(void *owner)
{
	(void)owner;
}

static bool on_failed(void *owner, struct err why, const char *condition, const char *text)
{
	(void)owner;
	(void)why;
	(void)condition;
	(void)text;
	return false;
}

static const struct route_events events = {.room = on_room, .ready = on_ready, .failed = on_failed};

static void turn(uint64_t ms)
{
	(void)fake_worker_run(the.f, NULL, NULL, ms);
}

static int set_up(void **state)
{
	int failed = dial_set_up(state), small = SMALL;
	backend.len = sizeof(struct sockaddr_in);
	struct sockaddr_in *at = (struct sockaddr_in *)&backend.sa;
	*at = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	assert_int_equal(bind(listener, (struct sockaddr *)at, sizeof *at), 0);
	assert_int_equal(listen(listener, 4), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)at, &backend.len), 0);
	tenant = (struct tenant){.refs = 1, .backends = {.items = &backend, .count = 1}};
	assert_false(err_is(domain_parse(SLICE_LIT("shire.example"), &tenant.domain)));
	the.f->w.shared = shared_create(&shared_fd);
	the.f->gate.idle_seconds = 600;
	fake_dns_use(the.f, &nowhere, 1);
	rooms = 0;
	far = -1;
	return failed;
}

static int tear_down(void **state)
{
	shared_unmap(the.f->w.shared);
	close(shared_fd);
	close(listener);
	close(far);
	return dial_tear_down(state);
}

static struct route *new_route(void)
{
	struct route_config c = {.from = the_domain(),
		.to = tenant.domain,
		.forward_tenant = &tenant,
		.forward_backend = true,
		.back_tenant = &tenant,
		.session = "0123456789abcdef"};
	return route_new(&the.f->w, &c, &events, NULL);
}

static void say(const char *text)
{
	assert_int_equal(send(far, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	turn(50);
}

static void push(struct route *r)
{
	char text[STANZA];
	int n = snprintf(text, sizeof text,
		"<message from='a@a.example' to='b@shire.example'><body>%0900d</body></message>",
		0);
	route_push(r, slice_of(text, (size_t)n));
}

static size_t push_len(void)
{
	return strlen("<message from='a@a.example' to='b@shire.example'><body></body></message>") +
	       900;
}

static void accept_stream(void)
{
	turn(100);
	far = accept(listener, NULL, NULL);
	assert_true(far >= 0);
	turn(50);
	say(ANSWER);
	say(VALID);
}

static bool read_all(void *unused)
{
	char bytes[65536];
	(void)unused;
	while (recv(far, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
		;
	return the.f->w.outgoings == NULL;
}

static bool all_gone(void *unused)
{
	(void)unused;
	return the.f->w.outgoings == NULL;
}

/* Stanzas wait for the kernel: all of them are on the wire, none of them in the queue alone. */
static void fill_the_kernel(struct route *r)
{
	for (int i = 0; i < 10000 && the.f->w.queued_stanzas == 0; i++) {
		for (int j = 0; j < 16; j++)
			push(r);
		turn(10);
	}
	assert_in_range(the.f->w.queued_stanzas, 1, 32);
}

static void a_closed_route_ends_when_its_last_stanzas_leave_with_the_stream(void **state)
{
	(void)state;
	struct route *r = new_route();
	push(r);
	accept_stream();
	fill_the_kernel(r);
	route_close(r);
	assert_non_null(the.f->w.outgoings);
	say("</stream:stream>");
	assert_true(fake_worker_run(the.f, read_all, NULL, 4000));
}

static void a_full_route_that_loses_its_stream_holds_nobody_up(void **state)
{
	(void)state;
	struct route *r = new_route();
	push(r);
	accept_stream();
	fill_the_kernel(r);
	while (!route_is_full(r))
		push(r);
	route_note_full(r);
	struct linger hard = {.l_onoff = 1};
	setsockopt(far, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
	close(far);
	far = -1;
	turn(200);
	assert_true(rooms > 0);
	close(listener); /* nothing answers any more */
	the.f->w.stopping = true;
	route_close(r);
	assert_true(fake_worker_run(the.f, all_gone, NULL, 15000));
}

/* R03: there is a limit to what waits in a worker; each stream has a share of its own in it. */
static void what_waits_is_bounded_for_all_streams_together(void **state)
{
	(void)state;
	struct worker *w = &the.f->w;
	struct route *r = new_route();
	const uint64_t others = 64 * (uint64_t)the.f->gate.queue_bytes;
	w->queued_bytes = others;
	for (int i = 0; i < 200; i++)
		push(r);
	uint64_t waiting = w->queued_bytes - others;
	/* 64 KiB of stanzas, and as much of the errors that answer the others. */
	assert_in_range(waiting, 100000, 2 * 65536);
	assert_int_equal(shared_counter(w->shared, SHARED_BOUNCED), 200 - 65536 / push_len());
	w->queued_bytes -= others;
	push(r);
	assert_int_equal(w->queued_bytes, waiting + push_len());
	w->stopping = true;
	route_close(r);
	close(listener);
	assert_true(fake_worker_run(the.f, all_gone, NULL, 15000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_closed_route_ends_when_its_last_stanzas_leave_with_the_stream, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_full_route_that_loses_its_stream_holds_nobody_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_waits_is_bounded_for_all_streams_together, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
