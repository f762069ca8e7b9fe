#include "base/map.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* SipHash paper, appendix A: key 00..0f, message 00..0e; and the empty message of the authors'
 * table of vectors. */
static void siphash_gives_the_published_vectors(void **state)
{
	(void)state;
	char message[15];
	for (int i = 0; i < 15; i++)
		message[i] = (char)i;
	uint64_t k0 = 0x0706050403020100, k1 = 0x0f0e0d0c0b0a0908;
	assert_true(siphash(k0, k1, slice_of(message, 15)) == 0xa129ca6149be45e5);
	assert_true(siphash(k0, k1, slice_of(message, 0)) == 0x726fdb47dd0e0e31);
	assert_true(siphash(k0, k1, SLICE_NONE) == 0x726fdb47dd0e0e31);
}

static void a_key_is_its_bytes(void **state)
{
	(void)state;
	int one, two, three;
	struct map *m = map_new(7);
	assert_null(map_get(m, SLICE_LIT("a")));
	assert_null(map_put(m, SLICE_LIT("a"), &one));
	assert_null(map_put(m, SLICE_LIT("a\0b"), &two));
	assert_null(map_put(m, SLICE_LIT(""), &three));
	assert_ptr_equal(map_get(m, SLICE_LIT("a")), &one);
	assert_ptr_equal(map_get(m, SLICE_LIT("a\0b")), &two);
	assert_ptr_equal(map_get(m, SLICE_NONE), &three);
	assert_null(map_get(m, SLICE_LIT("A")));
	assert_int_equal(map_count(m), 3);
	map_free(m);
	map_free(NULL);
}

static void the_key_is_copied(void **state)
{
	(void)state;
	int value;
	char key[] = "shire";
	struct map *m = map_new(7);
	map_put(m, slice_str(key), &value);
	key[0] = 'X';
	assert_ptr_equal(map_get(m, SLICE_LIT("shire")), &value);
	assert_true(slice_eq_str(map_key_at(m, 0), "shire"));
	map_free(m);
}

static void putting_again_replaces_and_gives_the_old_value(void **state)
{
	(void)state;
	int one, two;
	struct map *m = map_new(7);
	map_put(m, SLICE_LIT("a"), &one);
	assert_ptr_equal(map_put(m, SLICE_LIT("a"), &two), &one);
	assert_ptr_equal(map_get(m, SLICE_LIT("a")), &two);
	assert_int_equal(map_count(m), 1);
	assert_ptr_equal(map_remove(m, SLICE_LIT("a")), &two);
	assert_null(map_remove(m, SLICE_LIT("a")));
	assert_int_equal(map_count(m), 0);
	map_free(m);
}

static void walking_down_may_remove(void **state)
{
	(void)state;
	int values[100];
	struct map *m = map_new(7);
	for (int i = 0; i < 100; i++) {
		values[i] = i;
		map_put(m, slice_of(&i, sizeof i), &values[i]);
	}
	size_t seen = 0;
	for (size_t i = map_count(m); i-- > 0; seen++) {
		int *v = map_value_at(m, i);
		if (*v % 3 == 0)
			assert_ptr_equal(map_remove(m, map_key_at(m, i)), v);
	}
	assert_int_equal(seen, 100);
	for (int i = 0; i < 100; i++)
		assert_ptr_equal(map_get(m, slice_of(&i, sizeof i)), i % 3 ? &values[i] : NULL);
	map_free(m);
}

enum { KEYS = 512, STEPS = 100000 };

/* Against an array that cannot be wrong. */
static void a_long_random_life_agrees_with_an_array(void **state)
{
	(void)state;
	static int values[KEYS];
	int *model[KEYS] = {0};
	size_t count = 0;
	uint32_t seed = 1;
	struct map *m = map_new(42);
	for (int step = 0; step < STEPS; step++) {
		seed = seed * 1664525 + 1013904223;
		uint32_t key = (seed >> 8) % KEYS;
		struct slice k = slice_of(&key, sizeof key);
		/* Phases of growing and shrinking. */
		bool put = (seed >> 28) < (step / 5000 % 2 ? 4 : 12);
		void *before = put ? map_put(m, k, &values[key]) : map_remove(m, k);
		assert_ptr_equal(before, model[key]);
		model[key] = put ? &values[key] : NULL;
		count = count + (put && !before) - (!put && before);
		assert_int_equal(map_count(m), count);
	}
	for (uint32_t key = 0; key < KEYS; key++)
		assert_ptr_equal(map_get(m, slice_of(&key, sizeof key)), model[key]);
	map_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_gives_the_published_vectors),
		cmocka_unit_test(a_key_is_its_bytes),
		cmocka_unit_test(the_key_is_copied),
		cmocka_unit_test(putting_again_replaces_and_gives_the_old_value),
		cmocka_unit_test(walking_down_may_remove),
		cmocka_unit_test(a_long_random_life_agrees_with_an_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
