/* The circuit breaker per peer: bounded, whatever names strangers make up. */
#include "core/breaker.h"
#include "lib/fake_worker.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

enum { MANY = 100000, LONG_AFTER_MS = 130000 };

static struct fake_worker *f;

static int set_up(void **state)
{
	(void)state;
	f = fake_worker_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_worker_free(f);
	return 0;
}

static struct domain named(const char *text)
{
	struct domain d;
	assert_false(err_is(domain_parse(slice_str(text), &d)));
	return d;
}

static bool allows(const struct domain *tenant, const struct domain *peer)
{
	struct err why;
	return breaker_allows(&f->w, tenant, peer, &why);
}

static void what_could_not_be_reached_is_closed_for_all_tenants_a_refusal_for_one(void **state)
{
	(void)state;
	const struct domain shire = named("shire.example"), bree = named("bree.example");
	const struct domain dead = named("dead.example"), rude = named("rude.example");
	breaker_failed(&f->w, &shire, &dead, err_make(ERR_CONNECT));
	breaker_failed(&f->w, &shire, &rude, err_make(ERR_DB_REJECTED));
	assert_false(allows(&shire, &dead));
	assert_false(allows(&bree, &dead));
	assert_false(allows(&shire, &rude));
	assert_true(allows(&bree, &rude)); /* M-1 */
	breaker_worked(&f->w, &shire, &rude);
	assert_true(allows(&shire, &rude));
}

static void names_that_were_made_up_give_way_when_they_are_long_over(void **state)
{
	(void)state;
	const struct domain shire = named("shire.example"), late = named("late.example");
	for (int i = 0; i < MANY; i++) {
		char text[32];
		snprintf(text, sizeof text, "n%d.example", i);
		const struct domain d = named(text);
		breaker_failed(&f->w, &shire, &d, err_make(ERR_DNS_NONE));
	}
	breaker_failed(&f->w, &shire, &late, err_make(ERR_CONNECT));
	assert_true(allows(&shire, &late)); /* no room, and nothing is over yet */
	assert_int_equal(map_count(f->w.breakers), MANY);
	f->loop.time += LONG_AFTER_MS;
	breaker_failed(&f->w, &shire, &late, err_make(ERR_CONNECT));
	assert_false(allows(&shire, &late));
	assert_int_equal(map_count(f->w.breakers), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_could_not_be_reached_is_closed_for_all_tenants_a_refusal_for_one,
			set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			names_that_were_made_up_give_way_when_they_are_long_over, set_up,
			tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
