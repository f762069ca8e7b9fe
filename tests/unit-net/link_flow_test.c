/* Stanzas through a link: back-pressure, order, and the account when the connection is cut. */
#include "lib/link_owner.h"
#include "lib/served.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <mbedtls/ssl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STANZA_LEN = 200, SMALL = 8192 };

static struct made ec;
static struct served served;

static int set_up_all(void **state)
{
	(void)state;
	ec = make_certificate((struct made_as){.key = MADE_P256, .name = "shire.example"});
	served.credential = made_credential(&ec, NULL);
	return 0;
}

static int tear_down_all(void **state)
{
	(void)state;
	credential_release(served.credential);
	made_free(&ec);
	return 0;
}

static void push(struct owner *o, unsigned number)
{
	char text[STANZA_LEN + 1];
	snprintf(
		text, sizeof text, "<message id='%08u'>%*s</message>", number, STANZA_LEN - 33, "");
	assert_int_equal(strlen(text), STANZA_LEN);
	assert_false(err_is(sendq_push(&o->queue, slice_of(text, STANZA_LEN), 0)));
}

/* The far end: reads text, by TLS or plain, and checks that it is the next stanzas in order. */
struct reader {
	struct owner *o;
	SSL *ssl;
	char part[STANZA_LEN];
	size_t len;
	unsigned next;
};

static void take(struct reader *r, const char *bytes, size_t n)
{
	while (n) {
		size_t room = STANZA_LEN - r->len, take = n < room ? n : room;
		memcpy(r->part + r->len, bytes, take);
		r->len += take;
		bytes += take;
		n -= take;
		if (r->len < STANZA_LEN)
			return;
		assert_int_equal(strtoul(r->part + 13, NULL, 10), r->next++);
		r->len = 0;
	}
}

/* Up to `most` bytes of what is there. */
static size_t read_some(struct reader *r, size_t most)
{
	char bytes[65536];
	size_t all = 0;
	while (all < most) {
		size_t room = most - all < sizeof bytes ? most - all : sizeof bytes;
		ssize_t n = r->ssl ? SSL_read(r->ssl, bytes, (int)room)
				   : recv(r->o->far, bytes, room, 0);
		if (n <= 0)
			break;
		take(r, bytes, (size_t)n);
		all += (size_t)n;
	}
	return all;
}

static SSL *tls_up(struct owner *o)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_connect_state(ssl);
	o->params = served_params(&served);
	link_sniff(&o->link, &o->params);
	assert_true(owner_handshake(o, ssl));
	assert_true(owner_hears(o, "T"));
	return ssl;
}

/* ---- back-pressure ---- */

static void a_slow_far_end_gets_everything_in_order(void **state)
{
	(void)state;
	enum { MANY = 20000 };
	for (int tls = 0; tls < 2; tls++) {
		struct owner o;
		struct fake_worker *f = fake_worker_new();
		owner_open(&o, f, SMALL);
		struct reader r = {.o = &o, .ssl = tls ? tls_up(&o) : NULL};
		o.pump_on_room = o.settle = true;
		for (unsigned i = 0; i < MANY; i++)
			push(&o, i);
		link_pump(&o.link, &o.queue);
		size_t waiting = 0;
		do { /* until the kernels of both ends are full */
			waiting = sendq_count(&o.queue);
			owner_run(&o, 60);
		} while (sendq_count(&o.queue) != waiting);
		/* What waits outside the queue is bounded. */
		assert_true(waiting > MANY / 2);
		assert_in_range(link_backlog(&o.link), 1, 64 * 1024 + 2 * 17000);
		for (int i = 0; i < 100000 && r.next < MANY; i++) {
			(void)read_some(&r, i % 3 ? 1000 : 100000);
			owner_run(&o, 0);
		}
		assert_int_equal(r.next, MANY);
		owner_run(&o, 20);
		assert_int_equal(sendq_count(&o.queue), 0);
		assert_int_equal(link_backlog(&o.link), 0);
		assert_true(o.rooms > 2);
		assert_int_equal(link_cut(&o.link, &o.queue), 0);
		SSL_free(r.ssl);
		owner_free(&o);
		fake_worker_free(f);
	}
}

static void what_was_acknowledged_is_forgotten_on_the_way(void **state)
{
	(void)state;
	struct owner o;
	struct fake_worker *f = fake_worker_new();
	owner_open(&o, f, 0);
	struct reader r = {.o = &o};
	o.settle = true;
	for (unsigned i = 0; i < 2000; i++) {
		push(&o, i);
		link_pump(&o.link, &o.queue);
		owner_run(&o, 0);
		(void)read_some(&r, 100000);
		assert_true(sendq_unacked(&o.queue) <= 200);
	}
	assert_int_equal(r.next, 2000);
	owner_free(&o);
	fake_worker_free(f);
}

static void nothing_is_pumped_into_a_link_that_is_over(void **state)
{
	(void)state;
	struct owner o;
	struct fake_worker *f = fake_worker_new();
	owner_open(&o, f, 0);
	push(&o, 0);
	shutdown(o.far, SHUT_WR);
	assert_true(owner_hears(&o, "B:ERR_LOST"));
	assert_false(link_is_open(&o.link));
	link_pump(&o.link, &o.queue);
	assert_int_equal(link_backlog(&o.link), 0);
	assert_int_equal(link_cut(&o.link, &o.queue), 0);
	assert_int_equal(sendq_count(&o.queue), 1);
	owner_free(&o);
	fake_worker_free(f);
}

/* ---- the cut ---- */

struct cut_row {
	const char *title;
	bool tls, paused; /* paused: it is a write that fails, not a read */
	unsigned stanzas;
	size_t read; /* bytes the far end takes before it goes */
	bool reset;
};

static const struct cut_row cuts[] = {
	{"nothing is read, then RST", false, false, 4000, 0, true},
	{"nothing is read, then RST, paused", false, true, 4000, 0, true},
	{"a part is read, then RST", false, false, 4000, 5001, true},
	{"a part is read, then RST, paused", false, true, 4000, 5001, true},
	{"much is read, paused", false, true, 4000, 300001, true},
	{"TLS, nothing is read", true, false, 4000, 0, true},
	{"TLS, nothing is read, paused", true, true, 4000, 0, true},
	{"TLS, a part is read", true, false, 4000, 20001, true},
	{"TLS, a part is read, paused", true, true, 4000, 20001, true},
	{"TLS, much is read, paused", true, true, 4000, 300001, true},
	{"all is read, then FIN", false, false, 100, 1000000, false},
	{"TLS, all is read, then FIN", true, false, 100, 1000000, false},
	{"one stanza, read", false, false, 1, 1000, true},
	{"one stanza, not read", false, false, 1, 0, true},
};

static void cut(const struct cut_row *row, struct owner *o, struct reader *r)
{
	int unread = 0;
	if (row->paused)
		link_pause(&o->link);
	for (unsigned i = 0; i < row->stanzas; i++)
		push(o, i);
	link_pump(&o->link, &o->queue);
	owner_run(o, 20);
	for (size_t left = row->read; left;) {
		size_t n = read_some(r, left < 3000 ? left : 3000);
		left -= n;
		owner_run(o, 1);
		if (!n)
			break;
	}
	owner_run(o, 10);
	ioctl(o->far, FIONREAD, &unread);
	unsigned had = r->next; /* whole, in the far end's hands */
	/* What its kernel has beyond that can be acknowledged, nothing more. */
	unsigned most = (unsigned)(row->stanzas < had + (r->len + (size_t)unread) / STANZA_LEN
					   ? row->stanzas
					   : had + (r->len + (size_t)unread + 17000) / STANZA_LEN);
	if (row->reset) {
		owner_reset_far(o);
	} else {
		shutdown(o->far, SHUT_WR);
	}
	assert_true(owner_hears(o, "B:"));
	unsigned in_flight = (unsigned)link_cut(&o->link, &o->queue);
	unsigned left = (unsigned)sendq_count(&o->queue);
	unsigned delivered = row->stanzas - in_flight - left;
	/* Never twice: what is left, the far end has not had. */
	if (had > row->stanzas - left)
		fail_msg("%s: %u had, %u left of %u", row->title, had, left, row->stanzas);
	/* Never lost: what is called delivered, its kernel has had. */
	if (delivered > most)
		fail_msg("%s: %u called delivered, %u could be", row->title, delivered, most);
	/* What the kernel did not take whole, nobody can have: it is left. */
	uint64_t taken = o->link.wire_taken / STANZA_LEN;
	if (row->tls ? delivered + in_flight > taken : delivered + in_flight != taken)
		fail_msg("%s: %u gone, %u taken", row->title, delivered + in_flight,
			(unsigned)taken);
	if (!row->reset || row->read > row->stanzas * STANZA_LEN)
		assert_int_equal(delivered, row->stanzas);
}

static void the_account_is_right_when_the_connection_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
		struct owner o;
		struct slice first;
		struct fake_worker *f = fake_worker_new();
		owner_open(&o, f, SMALL);
		struct reader r = {.o = &o, .ssl = cuts[i].tls ? tls_up(&o) : NULL};
		o.pump_on_room = o.settle = true;
		cut(&cuts[i], &o, &r);
		/* The rest stands ready, from its first byte. */
		unsigned at = cuts[i].stanzas - (unsigned)sendq_count(&o.queue);
		while (sendq_take(&o.queue, &first))
			assert_int_equal(strtoul(first.ptr + 13, NULL, 10), at++);
		SSL_free(r.ssl);
		owner_free(&o);
		fake_worker_free(f);
	}
}

static void a_cut_after_closing_counts_all_that_was_taken_as_in_flight(void **state)
{
	(void)state;
	struct owner o;
	struct fake_worker *f = fake_worker_new();
	owner_open(&o, f, 0);
	push(&o, 0);
	link_pump(&o.link, &o.queue);
	owner_run(&o, 5);
	link_close(&o.link);
	assert_int_equal(link_cut(&o.link, &o.queue), 1); /* nobody can be asked any more */
	assert_int_equal(sendq_count(&o.queue), 0);
	owner_free(&o);
	fake_worker_free(f);
}

/* The library refuses the record behind the last one that may have a number. */
static void exhaust_tls(struct link *l)
{
	mbedtls_ssl_context *ssl = (mbedtls_ssl_context *)l->tls; /* its first member */
	memset(ssl->MBEDTLS_PRIVATE(cur_out_ctr), 0xff, 8);
}

static void stanzas_that_tls_can_not_take_are_kept_and_the_link_breaks(void **state)
{
	(void)state;
	struct owner o;
	struct fake_worker *f = fake_worker_new();
	owner_open(&o, f, 0);
	SSL *ssl = tls_up(&o);
	o.settle = true;
	exhaust_tls(&o.link);
	for (unsigned i = 0; i < 100; i++)
		push(&o, i);
	link_pump(&o.link, &o.queue);
	assert_true(owner_hears(&o, "B:ERR_TLS"));
	link_settle(&o.link, &o.queue);
	assert_int_equal(link_cut(&o.link, &o.queue), 0);
	assert_int_equal(sendq_count(&o.queue), 100);
	SSL_free(ssl);
	owner_free(&o);
	fake_worker_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stanzas_that_tls_can_not_take_are_kept_and_the_link_breaks),
		cmocka_unit_test(a_slow_far_end_gets_everything_in_order),
		cmocka_unit_test(what_was_acknowledged_is_forgotten_on_the_way),
		cmocka_unit_test(nothing_is_pumped_into_a_link_that_is_over),
		cmocka_unit_test(the_account_is_right_when_the_connection_is_cut),
		cmocka_unit_test(a_cut_after_closing_counts_all_that_was_taken_as_in_flight),
	};
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
