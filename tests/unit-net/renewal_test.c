/* When proofs are found out anew, and how long one is believed that cannot be. */
#include "core/renewal.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { NOW = 1800000000 };

static void a_proof_is_judged_again_when_it_has_run_out(void **state)
{
	(void)state;
	struct renewal r = {0};
	renewal_proven(&r, NOW + 60);
	assert_false(renewal_is_due(&r, NOW + 60));
	assert_true(renewal_is_due(&r, NOW + 61));
	renewal_proven(&r, 0);
	assert_false(renewal_is_due(&r, INT64_MAX));
}

/* DANE-9: max(TTL, 1 h) */
static void records_of_dns_are_looked_at_after_their_ttl_but_not_within_the_hour(void **state)
{
	(void)state;
	assert_int_equal(renewal_of_dns(0, NOW), NOW + 3600);
	assert_int_equal(renewal_of_dns(3599, NOW), NOW + 3600);
	assert_int_equal(renewal_of_dns(7200, NOW), NOW + 7200);
	assert_int_equal(renewal_of_dns(UINT32_MAX, NOW), (int64_t)NOW + UINT32_MAX);
}

/* P15 */
static void what_cannot_be_found_out_is_tried_with_growing_pauses_for_an_hour(void **state)
{
	(void)state;
	static const int64_t pauses[] = {30, 60, 120, 240, 480, 600, 600, 600, 600, 270};
	struct renewal r = {0};
	int64_t now = NOW;
	renewal_proven(&r, NOW - 1);
	for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
		assert_true(renewal_put_off(&r, now));
		assert_int_equal(r.due - now, pauses[i]);
		assert_false(renewal_is_due(&r, r.due));
		now = r.due;
	}
	assert_int_equal(now, NOW + 3600);
	assert_false(renewal_put_off(&r, now));
	/* Once proven again, the next trouble has an hour of its own. */
	renewal_proven(&r, now);
	assert_true(renewal_put_off(&r, now + 10));
	assert_int_equal(r.due, now + 10 + 30);
}

/* F04 */
static void a_clock_that_leaps_back_gives_an_hour_and_no_more(void **state)
{
	(void)state;
	struct renewal r = {0};
	assert_true(renewal_put_off(&r, NOW));
	assert_true(renewal_put_off(&r, NOW - 100000));
	assert_int_equal(r.due, NOW - 100000 + 30);
	assert_false(renewal_put_off(&r, NOW - 100000 + 3600));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proof_is_judged_again_when_it_has_run_out),
		cmocka_unit_test(
			records_of_dns_are_looked_at_after_their_ttl_but_not_within_the_hour),
		cmocka_unit_test(what_cannot_be_found_out_is_tried_with_growing_pauses_for_an_hour),
		cmocka_unit_test(a_clock_that_leaps_back_gives_an_hour_and_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
