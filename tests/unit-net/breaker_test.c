/* ST-17, DB-15, M-1: what failed a moment ago is not tried again, on a virtual clock. */
#include "core/breaker.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

enum { START_MS = 1000000, MINUTE_MS = 60000 };

struct fixture {
	struct breakers *breakers;
	struct domain shire, bree, rohan;
	struct err why;
};

static struct domain domain(const char *name)
{
	struct domain d;
	assert_false(err_is(domain_parse(slice_str(name), &d)));
	return d;
}

static int set_up(void **state)
{
	static struct fixture f;
	f = (struct fixture){.breakers = breakers_new(42),
		.shire = domain("shire.example"),
		.bree = domain("bree.example"),
		.rohan = domain("rohan.example")};
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	breakers_free(f->breakers);
	return 0;
}

static bool allowed(
	struct fixture *f, enum breaker_for who, const struct domain *tenant, uint64_t now)
{
	return breaker_allows(f->breakers, who, tenant, &f->rohan, now, &f->why);
}

static void fail_with(struct fixture *f, enum err_code code, uint64_t now, uint32_t chance)
{
	breaker_failed(f->breakers, &f->shire, &f->rohan, err_make(code), now, chance);
}

/* How long the tenant waits after its next failure, in milliseconds. */
static uint64_t wait_after(struct fixture *f, uint64_t now, uint32_t chance)
{
	uint64_t ms = 0;
	fail_with(f, ERR_CONNECT, now, chance);
	while (!allowed(f, BREAKER_FOR_TENANT, &f->shire, now + ms))
		ms++;
	return ms;
}

static void who_never_failed_may_be_tried(void **state)
{
	struct fixture *f = *state;
	assert_true(allowed(f, BREAKER_FOR_TENANT, &f->shire, START_MS));
	assert_true(allowed(f, BREAKER_FOR_STRANGER, &f->shire, START_MS));
}

static void the_wait_doubles_up_to_a_minute(void **state)
{
	struct fixture *f = *state;
	static const uint64_t least[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000};
	uint64_t now = START_MS;
	for (size_t i = 0; i < sizeof least / sizeof *least; i++) {
		assert_int_equal(wait_after(f, now, 0), least[i]);
		now += MINUTE_MS;
	}
	assert_int_equal(wait_after(f, now, 30000), 60000);
}

static void a_failure_long_ago_does_not_count(void **state)
{
	struct fixture *f = *state;
	uint64_t now = START_MS;
	for (int i = 0; i < 8; i++, now += MINUTE_MS)
		wait_after(f, now, 0);
	assert_int_equal(wait_after(f, now + 11 * MINUTE_MS, 0), 500);
}

static void success_opens_it(void **state)
{
	struct fixture *f = *state;
	fail_with(f, ERR_CONNECT, START_MS, 0);
	fail_with(f, ERR_POLICY, START_MS, 0);
	assert_false(allowed(f, BREAKER_FOR_TENANT, &f->shire, START_MS));
	breaker_worked(f->breakers, &f->shire, &f->rohan);
	assert_true(allowed(f, BREAKER_FOR_TENANT, &f->shire, START_MS));
	assert_true(allowed(f, BREAKER_FOR_STRANGER, &f->shire, START_MS));
}

/* M-1 */
static void what_two_did_not_agree_on_is_between_them(void **state)
{
	struct fixture *f = *state;
	fail_with(f, ERR_CERT_NAME, START_MS, 0);
	assert_false(allowed(f, BREAKER_FOR_TENANT, &f->shire, START_MS));
	assert_int_equal(f->why.code, ERR_CERT_NAME);
	assert_true(allowed(f, BREAKER_FOR_TENANT, &f->bree, START_MS));
}

static void who_cannot_be_reached_cannot_be_reached_by_anybody(void **state)
{
	struct fixture *f = *state;
	fail_with(f, ERR_DNS_NONE, START_MS, 0);
	assert_false(allowed(f, BREAKER_FOR_TENANT, &f->bree, START_MS));
	assert_int_equal(f->why.code, ERR_DNS_NONE);
}

/* DB-15: each row is one reason, and for how long a stranger hears it from memory. */
static void strangers_hear_for_a_minute_that_a_domain_is_not_there(void **state)
{
	static const struct {
		enum err_code why;
		uint64_t ms;
	} rows[] = {
		{ERR_DNS_NONE, MINUTE_MS},
		{ERR_DNS_NO_SERVICE, MINUTE_MS},
		{ERR_DNS_BOGUS, MINUTE_MS},
		{ERR_DNS_SPECIAL, MINUTE_MS},
		{ERR_ADDRESS_BLOCKED, MINUTE_MS},
		{ERR_DNS_LOOP, MINUTE_MS},
		{ERR_CONNECT, MINUTE_MS},
		{ERR_CONNECT_TIMEOUT, MINUTE_MS},
		/* these may pass at once, and say nothing about the domain */
		{ERR_DNS_FAILED, 500},
		{ERR_DNS_TIMEOUT, 500},
		{ERR_DB_TIMEOUT, 500},
		{ERR_LOST, 500},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		tear_down(state);
		set_up(state);
		struct fixture *f = *state;
		fail_with(f, rows[i].why, START_MS, 0);
		uint64_t end = START_MS + rows[i].ms;
		assert_false(allowed(f, BREAKER_FOR_STRANGER, &f->shire, end - 1));
		assert_int_equal(f->why.code, rows[i].why);
		assert_true(allowed(f, BREAKER_FOR_STRANGER, &f->shire, end));
		assert_true(allowed(f, BREAKER_FOR_TENANT, &f->shire, START_MS + 500));
	}
}

/* The table cannot be grown, and a flood of names displaces old failures, not the newest. */
static void a_flood_of_names_leaves_the_newest(void **state)
{
	struct fixture *f = *state;
	enum { FLOOD = 100000, RECENT = 1000 };
	unsigned known = 0;
	for (unsigned i = 0; i < FLOOD; i++) {
		char name[32];
		snprintf(name, sizeof name, "d%u.example", i);
		struct domain d = domain(name);
		breaker_failed(f->breakers, &f->shire, &d, err_make(ERR_DNS_NONE), START_MS + i, 0);
	}
	for (unsigned i = FLOOD - RECENT; i < FLOOD; i++) {
		char name[32];
		snprintf(name, sizeof name, "d%u.example", i);
		struct domain d = domain(name);
		known += !breaker_allows(
			f->breakers, BREAKER_FOR_STRANGER, &f->bree, &d, START_MS + FLOOD, &f->why);
	}
	assert_int_equal(known, RECENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_never_failed_may_be_tried, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_wait_doubles_up_to_a_minute, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_failure_long_ago_does_not_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(success_opens_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_two_did_not_agree_on_is_between_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			who_cannot_be_reached_cannot_be_reached_by_anybody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			strangers_hear_for_a_minute_that_a_domain_is_not_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_flood_of_names_leaves_the_newest, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
