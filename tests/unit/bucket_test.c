/* P18, R14, T18: allowances per source, on a virtual clock. */
#include "base/bucket.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

enum { START_MS = 5000000 };

static struct buckets table;
static const struct bucket_rate ten_a_minute = {.interval_ms = 6000, .burst = 10};

static int empty_table(void **state)
{
	(void)state;
	memset(&table, 0, sizeof table);
	table.seed[0] = 0x0123456789abcdef;
	table.seed[1] = 0xfedcba9876543210;
	return 0;
}

static bool take(const char *key, uint64_t now_ms)
{
	return bucket_take(&table, slice_str(key), ten_a_minute, now_ms);
}

static unsigned take_all(const char *key, uint64_t now_ms)
{
	unsigned n = 0;
	while (n < 1000 && take(key, now_ms))
		n++;
	return n;
}

/* Key number i: four bytes, as an IPv4 address is. */
static bool take_number(uint32_t i, uint64_t now_ms)
{
	return bucket_take(&table, slice_of(&i, sizeof i), ten_a_minute, now_ms);
}

static void a_new_source_has_its_burst_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(take_all("a", START_MS), 10);
	assert_int_equal(take_all("a", START_MS), 0);
	assert_int_equal(take_all("a", START_MS + 5999), 0);
}

static void one_comes_back_with_every_interval(void **state)
{
	(void)state;
	take_all("a", START_MS);
	for (uint64_t i = 1; i <= 20; i++)
		assert_int_equal(take_all("a", START_MS + i * 6000), 1);
}

static void silence_earns_a_burst_and_never_two(void **state)
{
	(void)state;
	take_all("a", START_MS);
	assert_int_equal(take_all("a", START_MS + 3 * 6000), 3);
	assert_int_equal(take_all("a", START_MS + 13 * 6000), 10);
	assert_int_equal(take_all("a", START_MS + (uint64_t)86400000), 10);
}

static void a_refusal_costs_nothing(void **state)
{
	(void)state;
	take_all("a", START_MS);
	for (int i = 0; i < 1000; i++)
		assert_false(take("a", START_MS + 3000));
	assert_true(take("a", START_MS + 6000));
}

static void sources_do_not_spend_for_one_another(void **state)
{
	(void)state;
	assert_int_equal(take_all("a", START_MS), 10);
	assert_int_equal(take_all("b", START_MS), 10);
	assert_int_equal(take_all("ab", START_MS), 10);
}

static void what_is_given_back_can_be_taken_again(void **state)
{
	(void)state;
	take_all("a", START_MS);
	bucket_give_back(&table, slice_str("a"), ten_a_minute);
	assert_int_equal(take_all("a", START_MS), 1);
}

static void giving_back_never_makes_more_than_a_burst(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		bucket_give_back(&table, slice_str("a"), ten_a_minute);
	assert_true(take("a", START_MS));
	for (int i = 0; i < 100; i++)
		bucket_give_back(&table, slice_str("a"), ten_a_minute);
	assert_int_equal(take_all("a", START_MS), 10);
}

static void giving_back_is_for_the_own_allowance_alone(void **state)
{
	(void)state;
	take_all("a", START_MS);
	bucket_give_back(&table, slice_str("b"), ten_a_minute);
	assert_int_equal(take_all("a", START_MS), 0);
}

/* The table cannot be grown: 64 Ki sources are remembered, and many more do no harm. */
static void a_crowd_of_sources_is_remembered_as_far_as_there_is_room(void **state)
{
	(void)state;
	enum { FEW = BUCKET_SETS * BUCKET_WAYS / 8 };
	unsigned forgotten = 0;
	for (uint32_t i = 0; i < FEW; i++) {
		for (int k = 0; k < 10; k++)
			assert_true(take_number(i, START_MS));
	}
	for (uint32_t i = 0; i < FEW; i++)
		forgotten += take_number(i, START_MS);
	assert_int_equal(forgotten, 0);
	for (uint32_t i = FEW; i < 20 * FEW; i++)
		assert_true(take_number(i, START_MS));
}

/* Who has used up everything is the last to be forgotten: a crowd of passers-by does not wash a
 * flood clean. */
static void the_one_nearest_to_its_full_allowance_is_forgotten_first(void **state)
{
	(void)state;
	take_all("a", START_MS);
	for (uint32_t i = 0; i < 4 * BUCKET_SETS * BUCKET_WAYS; i++)
		take_number(i, START_MS);
	assert_int_equal(take_all("a", START_MS), 0);
}

static void a_burst_of_one_is_a_pace(void **state)
{
	(void)state;
	struct bucket_rate pace = {.interval_ms = 10, .burst = 1};
	unsigned n = 0;
	for (uint64_t t = 0; t < 1000; t++)
		n += bucket_take(&table, SLICE_LIT("a"), pace, START_MS + t);
	assert_int_equal(n, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_new_source_has_its_burst_and_no_more, empty_table),
		cmocka_unit_test_setup(one_comes_back_with_every_interval, empty_table),
		cmocka_unit_test_setup(silence_earns_a_burst_and_never_two, empty_table),
		cmocka_unit_test_setup(a_refusal_costs_nothing, empty_table),
		cmocka_unit_test_setup(sources_do_not_spend_for_one_another, empty_table),
		cmocka_unit_test_setup(what_is_given_back_can_be_taken_again, empty_table),
		cmocka_unit_test_setup(giving_back_never_makes_more_than_a_burst, empty_table),
		cmocka_unit_test_setup(giving_back_is_for_the_own_allowance_alone, empty_table),
		cmocka_unit_test_setup(
			a_crowd_of_sources_is_remembered_as_far_as_there_is_room, empty_table),
		cmocka_unit_test_setup(
			the_one_nearest_to_its_full_allowance_is_forgotten_first, empty_table),
		cmocka_unit_test_setup(a_burst_of_one_is_a_pace, empty_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
