/* Linked with -Wl,--wrap=mem_free: what the buf gives back is looked at before it goes. */
#include "base/buf.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { SECRET_ROOM = 1 << 12 };
#define SECRET "the private half of a key"

void __real_mem_free(void *ptr);
void __wrap_mem_free(void *ptr);

static const char *watched; /* memory of this test's secret buf */
static size_t watched_cap;
static int freed_clean, freed_dirty;

static bool holds_secret(const char *data, size_t len)
{
	for (size_t i = 0; i + 8 <= len; i++) {
		if (memcmp(data + i, SECRET, 8) == 0)
			return true;
	}
	return false;
}

void __wrap_mem_free(void *ptr)
{
	if (ptr && ptr == watched)
		*(holds_secret(ptr, watched_cap) ? &freed_dirty : &freed_clean) += 1;
	__real_mem_free(ptr);
}

static void watch(const struct buf *b)
{
	watched = b->data;
	watched_cap = b->cap;
}

static void is_text(struct buf *b, const char *want)
{
	assert_int_equal(buf_len(b), strlen(want));
	assert_true(slice_eq_str(buf_peek(b), want));
	assert_string_equal(buf_cstr(b), want);
}

static void bytes_are_appended_behind_and_consumed_in_front(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 100);
	is_text(&b, "");
	assert_false(err_is(buf_append_str(&b, "hello ")));
	assert_false(err_is(buf_append(&b, SLICE_LIT("world"))));
	is_text(&b, "hello world");
	buf_consume(&b, 6);
	is_text(&b, "world");
	assert_false(err_is(buf_printf(&b, "-%d-%s", 7, "x")));
	is_text(&b, "world-7-x");
	buf_consume(&b, 9);
	is_text(&b, "");
	buf_clear(&b);
	is_text(&b, "");
	assert_false(err_is(buf_append(&b, SLICE_NONE)));
	buf_fini(&b);
	is_text(&b, "");
	buf_fini(&b);
}

struct append {
	size_t held, more;
	bool fits;
};

/* The contract of every cap in the gate: refused whole, never cut. */
static void an_append_over_the_limit_is_refused_whole(void **state)
{
	(void)state;
	static const struct append rows[] = {
		{0, 0, true},
		{0, 10, true},
		{0, 11, false},
		{9, 1, true},
		{9, 2, false},
		{10, 0, true},
		{10, 1, false},
		{10, (size_t)-1, false},
		{10, (size_t)-10, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b;
		buf_init(&b, 10);
		assert_false(err_is(buf_append(&b, slice_of("0123456789", rows[i].held))));
		char *room = buf_reserve(&b, rows[i].more);
		assert_int_equal(room != NULL, rows[i].fits);
		struct err e = buf_append(&b, slice_of("abcdefghijk", rows[i].more));
		assert_int_equal(e.code, rows[i].fits ? ERR_OK : ERR_LIMIT);
		assert_int_equal(buf_len(&b), rows[i].held + (rows[i].fits ? rows[i].more : 0));
		assert_true(slice_eq(slice_sub(buf_peek(&b), 0, rows[i].held),
			slice_of("0123456789", rows[i].held)));
		buf_fini(&b);
	}
}

static void printing_over_the_limit_is_refused_whole_and_up_to_it_is_not(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 10);
	assert_false(err_is(buf_printf(&b, "%s", "1234")));
	assert_int_equal(buf_printf(&b, "%d", 5678901).code, ERR_LIMIT);
	is_text(&b, "1234");
	assert_false(err_is(buf_printf(&b, "%d", 567890)));
	is_text(&b, "1234567890");
	buf_fini(&b);
}

/* Content limits count content: what was consumed makes room again. */
static void consumed_bytes_make_room_and_nothing_is_lost_over_many_rounds(void **state)
{
	(void)state;
	struct buf b;
	unsigned char in = 0, expected = 0;
	buf_init(&b, 1000);
	for (int round = 0; round < 5000; round++) {
		size_t n = (size_t)(round * 7 % 400);
		while (n-- && buf_len(&b) < 1000) {
			char c = (char)in++;
			assert_false(err_is(buf_append(&b, slice_of(&c, 1))));
		}
		size_t take = buf_len(&b) * (size_t)(round % 5) / 4;
		struct slice s = slice_sub(buf_peek(&b), 0, take);
		for (size_t i = 0; i < s.len; i++)
			assert_int_equal((unsigned char)s.ptr[i], expected++);
		buf_consume(&b, take);
	}
	assert_true(b.cap <= 4096);
	buf_fini(&b);
}

/* Private keys pass through these bufs. */
static void a_secret_is_wiped_before_its_memory_is_given_back(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, SECRET_ROOM);
	b.secret = true;
	freed_clean = freed_dirty = 0;
	assert_false(err_is(buf_append_str(&b, SECRET)));
	watch(&b);
	while (b.data == watched) /* until it has moved to larger memory */
		assert_false(err_is(buf_append_str(&b, SECRET)));
	assert_int_equal(freed_clean, 1);
	watch(&b);
	buf_consume(&b, 5);
	buf_clear(&b);
	buf_fini(&b);
	assert_int_equal(freed_clean, 2);
	assert_int_equal(freed_dirty, 0);
	assert_true(b.secret);
}

static void the_wiping_test_sees_a_secret_that_was_not_wiped(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, SECRET_ROOM);
	freed_dirty = 0;
	assert_false(err_is(buf_append_str(&b, SECRET)));
	watch(&b);
	buf_fini(&b);
	assert_int_equal(freed_dirty, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_appended_behind_and_consumed_in_front),
		cmocka_unit_test(an_append_over_the_limit_is_refused_whole),
		cmocka_unit_test(printing_over_the_limit_is_refused_whole_and_up_to_it_is_not),
		cmocka_unit_test(consumed_bytes_make_room_and_nothing_is_lost_over_many_rounds),
		cmocka_unit_test(a_secret_is_wiped_before_its_memory_is_given_back),
		cmocka_unit_test(the_wiping_test_sees_a_secret_that_was_not_wiped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
