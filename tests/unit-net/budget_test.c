/* DB-15, P18, B13, T18, R14: whose share it is, and how large. */
#include "core/budget.h"

#include "core/shared.h"
#include "lib/fake_worker.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct fake_worker *f;
static struct worker *w;
static int shared_fd;

static int set_up(void **state)
{
	(void)state;
	f = fake_worker_new();
	w = &f->w;
	w->shared = shared_create(&shared_fd);
	w->sources = map_new(1);
	f->gate.max_per_address = 40;
	f->gate.connections_per_second = 25;
	f->gate.questions_per_minute = 10;
	return w->shared ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	budget_free(w);
	shared_unmap(w->shared);
	close(shared_fd);
	fake_worker_free(f);
	return 0;
}

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage sa = {0};
	bool six = strchr(text, ':') != NULL;
	void *to = six ? (void *)&((struct sockaddr_in6 *)&sa)->sin6_addr
		       : (void *)&((struct sockaddr_in *)&sa)->sin_addr;
	sa.ss_family = six ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(sa.ss_family, text, to), 1);
	return sa;
}

static unsigned connect_all(const char *from)
{
	struct sockaddr_storage sa = address(from);
	unsigned n = 0;
	while (n < 1000 && !err_is(budget_connect(w, &sa)))
		n++;
	return n;
}

static unsigned ask_all(const char *from)
{
	struct sockaddr_storage sa = address(from);
	unsigned n = 0;
	while (n < 1000 && !err_is(budget_ask(w, &sa)))
		n++;
	return n;
}

static void end_all(const char *from, unsigned n, bool proven)
{
	struct sockaddr_storage sa = address(from);
	while (n--)
		budget_asked(w, &sa, proven);
}

static void connected(const char *from)
{
	struct sockaddr_storage sa = address(from);
	budget_connected(w, &sa);
}

static void disconnected(const char *from)
{
	struct sockaddr_storage sa = address(from);
	budget_disconnected(w, &sa);
}

/* Each row: two addresses, and whether they are one source. */
static void a_source_is_an_ipv4_address_or_an_ipv6_64(void **state)
{
	(void)state;
	static const struct {
		const char *one, *other;
		bool same;
	} rows[] = {
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.2", "192.0.2.3", false},
		{"192.0.2.4", "::ffff:192.0.2.4", true}, /* listened for on [::] */
		{"::ffff:192.0.2.5", "::ffff:192.0.2.6", false},
		{"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
		{"2001:db8:0:2::1", "2001:db8:0:3::1", false},
		{"2001:db8:1:1::1", "2001:db8:2:1::1", false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(connect_all(rows[i].one), 50);
		assert_int_equal(connect_all(rows[i].other), rows[i].same ? 0 : 50);
	}
}

static void open_connections_of_a_source_are_bounded(void **state)
{
	(void)state;
	struct sockaddr_storage sa = address("192.0.2.1"), neighbour = address("192.0.2.2");
	for (int i = 0; i < 40; i++) {
		assert_false(err_is(budget_connect(w, &sa)));
		budget_connected(w, &sa);
	}
	assert_int_equal(budget_connect(w, &sa).code, ERR_TOO_MANY);
	assert_false(err_is(budget_connect(w, &neighbour)));
	budget_disconnected(w, &sa);
	assert_int_equal(w->connections, 39);
	assert_false(err_is(budget_connect(w, &sa)));
	for (int i = 0; i < 39; i++)
		budget_disconnected(w, &sa);
	assert_int_equal(map_count(w->sources), 0);
}

static void questions_in_vain_are_counted_and_true_ones_are_not(void **state)
{
	(void)state;
	connected("192.0.2.1");
	for (int i = 0; i < 20; i++) {
		assert_int_equal(ask_all("192.0.2.1"), 10);
		end_all("192.0.2.1", 10, true);
	}
	assert_int_equal(ask_all("192.0.2.1"), 10);
	end_all("192.0.2.1", 10, false);
	assert_int_equal(ask_all("192.0.2.1"), 0);
	assert_int_equal(w->questions, 0);
	disconnected("192.0.2.1");
}

/* Coming again does not help: the node remembers. */
static void a_new_connection_brings_no_new_questions(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		connected("192.0.2.1");
		unsigned n = ask_all("192.0.2.1");
		assert_int_equal(n, i ? 0 : 10);
		end_all("192.0.2.1", n, false);
		disconnected("192.0.2.1");
	}
}

static void open_questions_of_one_source_and_of_all_are_bounded(void **state)
{
	(void)state;
	f->gate.questions_per_minute = 60000;
	unsigned all = 0;
	for (int i = 1; i <= 20; i++) {
		char from[32];
		(void)snprintf(from, sizeof from, "192.0.2.%d", i);
		connected(from);
		unsigned n = ask_all(from);
		assert_int_equal(n, i <= 12 ? 16 : i == 13 ? 8 : 0);
		all += n;
	}
	assert_int_equal(all, 200);
	assert_int_equal(w->questions, 200);
	end_all("192.0.2.1", 16, false);
	assert_int_equal(ask_all("192.0.2.20"), 16);
	end_all("192.0.2.20", 16, false);
	for (int i = 2; i <= 13; i++) {
		char from[32];
		(void)snprintf(from, sizeof from, "192.0.2.%d", i);
		end_all(from, i == 13 ? 8 : 16, false);
	}
	assert_int_equal(w->questions, 0);
}

/* What is used up of one kind is not missing of another, and every refusal is counted. */
static void kinds_have_shares_of_their_own(void **state)
{
	(void)state;
	struct sockaddr_storage sa = address("192.0.2.1");
	unsigned claimed = 0, answered = 0;
	connected("192.0.2.1");
	assert_int_equal(connect_all("192.0.2.1"), 50);
	assert_int_equal(ask_all("192.0.2.1"), 10);
	while (claimed < 5000 && budget_claim(w, &sa))
		claimed++;
	while (answered < 5000 && budget_answer(w, &sa))
		answered++;
	assert_in_range(claimed, 200, 202);
	assert_in_range(answered, 1000, 1010);
	assert_int_equal(shared_counter(w->shared, SHARED_OVER_BUDGET), 4);
	end_all("192.0.2.1", 10, false);
	disconnected("192.0.2.1");
}

/* A worker that is not itself any more must not end the supervisor, which reads the table. */
static void the_shared_table_cannot_be_taken_away(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(shared_fd, 0), -1);
	assert_int_equal(ftruncate(shared_fd, 1 << 28), -1);
	assert_int_equal(shared_counter(w->shared, SHARED_REFUSED), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_shared_table_cannot_be_taken_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_source_is_an_ipv4_address_or_an_ipv6_64, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			open_connections_of_a_source_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			questions_in_vain_are_counted_and_true_ones_are_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_new_connection_brings_no_new_questions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			open_questions_of_one_source_and_of_all_are_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kinds_have_shares_of_their_own, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
