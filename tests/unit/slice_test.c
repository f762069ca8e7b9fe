#include "base/slice.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

struct pair {
	struct slice a, b;
	bool same, same_folded;
};

/* C09: lengths count, a NUL ends nothing */
static void slices_are_compared_by_all_their_bytes(void **state)
{
	(void)state;
	static const struct pair rows[] = {
		{SLICE_LIT(""), SLICE_LIT(""), true, true},
		{SLICE_NONE, SLICE_LIT(""), true, true},
		{SLICE_LIT("a"), SLICE_LIT("a"), true, true},
		{SLICE_LIT("a"), SLICE_LIT("A"), false, true},
		{SLICE_LIT("Z"), SLICE_LIT("z"), false, true},
		{SLICE_LIT("a"), SLICE_LIT("b"), false, false},
		{SLICE_LIT("a"), SLICE_LIT(""), false, false},
		{SLICE_LIT("a"), SLICE_LIT("ab"), false, false},
		{SLICE_LIT("a\0b"), SLICE_LIT("a\0c"), false, false},
		{SLICE_LIT("a\0"), SLICE_LIT("a"), false, false},
		{SLICE_LIT("@"), SLICE_LIT("`"), false, false},
		{SLICE_LIT("["), SLICE_LIT("{"), false, false},
		{SLICE_LIT("\xc4"), SLICE_LIT("\xe4"), false, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct pair *r = &rows[i];
		assert_int_equal(slice_eq(r->a, r->b), r->same);
		assert_int_equal(slice_eq(r->b, r->a), r->same);
		assert_int_equal(slice_eq_secret(r->a, r->b), r->same);
		assert_int_equal(slice_ieq(r->a, r->b), r->same_folded);
		assert_int_equal(slice_ieq(r->b, r->a), r->same_folded);
	}
}

static void text_is_compared_without_its_nul(void **state)
{
	(void)state;
	assert_true(slice_eq_str(SLICE_LIT("abc"), "abc"));
	assert_false(slice_eq_str(SLICE_LIT("abc\0"), "abc"));
	assert_true(slice_ieq_str(SLICE_LIT("aBc"), "AbC"));
	assert_false(slice_ieq_str(SLICE_LIT("abc\0"), "abc"));
	assert_true(slice_eq_str(SLICE_NONE, ""));
	assert_int_equal(slice_str(NULL).len, 0);
}

static void a_start_is_found_only_where_it_fits(void **state)
{
	(void)state;
	assert_true(slice_starts(SLICE_LIT("xn--a"), "xn--"));
	assert_true(slice_starts(SLICE_LIT("xn--"), "xn--"));
	assert_false(slice_starts(SLICE_LIT("xn-"), "xn--"));
	assert_false(slice_starts(SLICE_LIT("XN--a"), "xn--"));
	assert_true(slice_starts(SLICE_NONE, ""));
}

static void the_first_of_a_byte_is_found_or_the_end(void **state)
{
	(void)state;
	assert_int_equal(slice_find(SLICE_LIT("a.b.c"), '.'), 1);
	assert_int_equal(slice_find(SLICE_LIT("abc"), '.'), 3);
	assert_int_equal(slice_find(SLICE_LIT("ab\0.c"), '.'), 3);
	assert_int_equal(slice_find(SLICE_NONE, '.'), 0);
}

static void a_part_never_leaves_its_slice(void **state)
{
	(void)state;
	struct slice s = SLICE_LIT("abcdef");
	static const struct {
		size_t from, to;
		const char *want;
	} rows[] = {{0, 6, "abcdef"}, {2, 4, "cd"}, {4, 99, "ef"}, {6, 6, ""}, {7, 9, ""},
		{4, 2, ""}, {(size_t)-1, (size_t)-1, ""}, {0, (size_t)-1, "abcdef"}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct slice part = slice_sub(s, rows[i].from, rows[i].to);
		assert_true(slice_eq_str(part, rows[i].want));
		assert_true(part.ptr >= s.ptr && part.ptr + part.len <= s.ptr + s.len);
	}
	assert_int_equal(slice_sub(SLICE_NONE, 0, 5).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_are_compared_by_all_their_bytes),
		cmocka_unit_test(text_is_compared_without_its_nul),
		cmocka_unit_test(a_start_is_found_only_where_it_fits),
		cmocka_unit_test(the_first_of_a_byte_is_found_or_the_end),
		cmocka_unit_test(a_part_never_leaves_its_slice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
