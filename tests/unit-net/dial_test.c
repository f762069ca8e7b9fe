/* Who is tried when (RFC 8305, XEP-0495), and how a dial ends. */
#include "lib/dial_owner.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

/* ---- Happy Eyeballs: RFC 8305, XEP-0495 ---- */

static void a_refused_candidate_costs_no_waiting(void **state)
{
	(void)state;
	fake_ports[0] = refused_port();
	fake_ports[1] = listen_at("127.0.0.1", 0, false);
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example, 2 @1 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.1", 0}));
	assert_int_equal(the.port, fake_ports[1]);
	assert_in_range(the.at_ms, 0, 200);
}

static void behind_a_black_hole_the_second_address_comes_in_time(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.2", 0, true);
	(void)listen_at("127.0.0.3", fake_ports[0], false);
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.2, 127.0.0.3", 0}));
	assert_string_equal(the.where, "127.0.0.3");
	assert_in_range(the.at_ms, 250, 2000);
}

static void targets_of_one_priority_race_like_addresses(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.2", 0, true);
	fake_ports[1] = listen_at("127.0.0.3", 0, true);
	fake_ports[2] = listen_at("127.0.0.4", 0, false);
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA,
				"1 @0 x.example, 1 @1 y.example, 1 @2 z.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.2", 0},
		{"y.example", FAKE_A, RESOLVE_DATA, "127.0.0.3", 0},
		{"z.example", FAKE_A, RESOLVE_DATA, "127.0.0.4", 0}));
	assert_string_equal(the.where, "127.0.0.4");
	assert_in_range(the.at_ms, 0, 2000);
}

static void a_lower_priority_waits_for_the_higher_to_fail(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.2", 0, true);
	fake_ports[1] = listen_at("127.0.0.3", 0, false);
	dial_begin(
		RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example, 2 @1 y.example", 0},
			{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.2", 0},
			{"y.example", FAKE_A, RESOLVE_DATA, "127.0.0.3", 0}));
	assert_false(fake_worker_run(the.f, the_dial_is_over, NULL, 1200));
	assert_int_equal(fake_dns_asked("y.example", FAKE_A), 0);
	/* Ten seconds (BE-20) in a moment: */
	struct dial_attempt *running = the.dial.attempts[0];
	assert_non_null(running);
	dial_close_listener(0); /* the SYN is sent again and now refused */
	assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 4000));
	assert_int_equal(the.port, fake_ports[1]);
}

/* D15: all of IPv6 is a black hole, or leads to where nobody is dialled. */
static void a_black_hole_of_ipv6_costs_a_quarter_of_a_second(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("::1", 0, true);
	(void)listen_at("127.0.0.2", fake_ports[0], false);
	static const struct {
		const char *six;
		uint64_t least_ms, most_ms;
	} rows[] = {{"::1", 200, 450}, {"fc00::1, fe80::1, ::ffff:10.0.0.1", 0, 150}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example", 0},
			{"x.example", FAKE_AAAA, RESOLVE_DATA, rows[i].six, 0},
			{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.2", 0}));
		assert_string_equal(the.where, "127.0.0.2");
		assert_in_range(the.at_ms, rows[i].least_ms, rows[i].most_ms);
		dial_stop(&the.dial);
	}
}

static void a_broken_family_does_not_hold_up_the_other(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.2", 0, true);
	(void)listen_at("127.0.0.3", fake_ports[0], true);
	(void)listen_at("127.0.0.4", fake_ports[0], true);
	(void)listen_at("127.0.0.5", fake_ports[0], true);
	(void)listen_at("::1", fake_ports[0], false);
	/* D15, the other way round: IPv4 is what is broken here. */
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.2, 127.0.0.3, 127.0.0.4, 127.0.0.5",
			0},
		{"x.example", FAKE_AAAA, RESOLVE_DATA, "::1", 100}));
	assert_string_equal(the.where, "::1");
	assert_in_range(the.at_ms, 200, 400);
}

static void an_answer_that_comes_behind_the_connection_changes_nothing(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("::1", 0, false);
	(void)listen_at("127.0.0.3", fake_ports[0], false);
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example, 2 @0 y.example", 0},
		{"x.example", FAKE_AAAA, RESOLVE_DATA, "::1", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.3", 100}));
	assert_string_equal(the.where, "::1");
	(void)fake_worker_run(the.f, NULL, NULL, 500);
	assert_int_equal(the.connected, 1);
	assert_int_equal(fake_dns_asked("y.example", FAKE_A), 0);
	/* It is there when the owner finds that TLS or the proof fails. */
	the.connected = 0;
	dial_next(&the.dial, err_make(ERR_TLS));
	assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 500));
	assert_string_equal(the.where, "127.0.0.3");
	/* And then nothing is left: the owner's own reason comes back. */
	the.connected = 0;
	dial_next(&the.dial, err_make(ERR_CERT_NAME));
	assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 500));
	assert_int_equal(the.failed, 1);
	assert_int_equal(the.why.code, ERR_CERT_NAME);
}

static void an_attempt_that_lost_the_race_gets_its_chance_later(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.2", 0, true);
	(void)listen_at("127.0.0.3", fake_ports[0], false);
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.2, 127.0.0.3", 0}));
	assert_string_equal(the.where, "127.0.0.3");
	the.connected = 0;
	dial_next(&the.dial, err_make(ERR_TLS));
	(void)fake_worker_run(the.f, NULL, NULL, 50);
	assert_int_equal(the.connected + the.failed, 0); /* it is being tried */
	assert_non_null(the.dial.attempts[0]);
}

/* BE-20 */
static void the_whole_has_a_limit(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.2", 0, true);
	dial_begin(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.2", 0}));
	(void)fake_worker_run(the.f, NULL, NULL, 50);
	uint64_t left = the.dial.total.due_ms - uv_now(&the.f->loop);
	assert_in_range(left, 59000, 60000);
	timer_start(the.f->w.timers, &the.dial.total, 10, the.dial.total.fire, the.dial.total.arg);
	assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 500));
	assert_int_equal(the.why.code, ERR_CONNECT_TIMEOUT);
	assert_null(the.dial.attempts[0]);
}

static void one_candidate_has_a_limit(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.2", 0, true);
	dial_begin(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.2", 0}));
	assert_false(fake_worker_run(the.f, the_dial_is_over, NULL, 8500));
	assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 2500));
	assert_int_equal(the.why.code, ERR_CONNECT_TIMEOUT);
	assert_in_range(the.at_ms, 9900, 10900);
}

/* ---- backends ---- */

static void a_list_is_tried_in_order_without_dns(void **state)
{
	(void)state;
	struct address items[2] = {own_listener("127.0.0.1", refused_port()),
		own_listener("127.0.0.1", listen_at("127.0.0.1", 0, false))};
	struct address_list list = {.items = items, .count = 2};
	the.f->gate.allow_private.count = 0; /* the operator's own words need no permission */
	dial_list(&the.dial, &the.f->w, &list, &the_events, &the);
	assert_int_equal(the.connected + the.failed, 0);
	assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 500));
	assert_int_equal(the.connected, 1);
	the.connected = 0;
	dial_next(&the.dial, err_make(ERR_LOST));
	assert_int_equal(the.failed, 1);

	list.count = 1;
	the.failed = 0;
	dial_list(&the.dial, &the.f->w, &list, &the_events, &the);
	assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 500));
	assert_int_equal(the.why.code, ERR_CONNECT);
	assert_int_equal(the.why.native, ECONNREFUSED);

	list.count = 0;
	the.failed = 0;
	dial_list(&the.dial, &the.f->w, &list, &the_events, &the);
	assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 500));
	assert_int_equal(the.why.code, ERR_BACKEND_DOWN);
}

/* ---- ends ---- */

static void stopping_at_any_moment_silences_it(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.2", 0, true);
	fake_ports[1] = listen_at("127.0.0.3", 0, false);
	for (uint64_t ms = 0; ms < 60; ms += 6) {
		dial_begin(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example", 10},
			{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.2", 20},
			{"x.example", FAKE_AAAA, RESOLVE_NONE, NULL, 30}));
		(void)fake_worker_run(the.f, NULL, NULL, ms);
		dial_stop(&the.dial);
		dial_stop(&the.dial);
		memset(&the.dial, 0xee, sizeof the.dial);
		(void)fake_worker_run(the.f, NULL, NULL, 60);
		assert_int_equal(the.connected + the.failed, 0);
		the.dial = (struct dial){0};
	}
}

static void the_owner_may_be_gone_after_its_callback(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.1", 0, false);
	fake_ports[1] = refused_port();
	for (int i = 0; i < 3; i++) {
		the.stop_in_callback = false;
		the.dial = (struct dial){0};
		dial_begin(RECORDS({"a.example", FAKE_SRV, i == 2 ? RESOLVE_FAILED : RESOLVE_DATA,
					   i ? "1 @1 x.example" : "1 @0 x.example", 0},
			{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.1", 0}));
		the.stop_in_callback = true;
		assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 500));
		(void)fake_worker_run(the.f, NULL, NULL, 30);
		assert_int_equal(the.connected + the.failed, 1);
	}
}

static void a_dial_that_is_over_holds_no_places(void **state)
{
	(void)state;
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_NONE, "1 5269 x.example", 0}));
	assert_int_equal(the.failed, 1);
	assert_null(the.dial.places);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIAL_TEST(a_dial_that_is_over_holds_no_places),
		DIAL_TEST(a_refused_candidate_costs_no_waiting),
		DIAL_TEST(behind_a_black_hole_the_second_address_comes_in_time),
		DIAL_TEST(targets_of_one_priority_race_like_addresses),
		DIAL_TEST(a_lower_priority_waits_for_the_higher_to_fail),
		DIAL_TEST(a_black_hole_of_ipv6_costs_a_quarter_of_a_second),
		DIAL_TEST(a_broken_family_does_not_hold_up_the_other),
		DIAL_TEST(an_answer_that_comes_behind_the_connection_changes_nothing),
		DIAL_TEST(an_attempt_that_lost_the_race_gets_its_chance_later),
		DIAL_TEST(the_whole_has_a_limit),
		DIAL_TEST(one_candidate_has_a_limit),
		DIAL_TEST(a_list_is_tried_in_order_without_dns),
		DIAL_TEST(stopping_at_any_moment_silences_it),
		DIAL_TEST(the_owner_may_be_gone_after_its_callback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
