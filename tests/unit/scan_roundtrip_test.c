/* A million stanzas in, the same out: none lost, merged, split, changed or out of order (X36). */
#include "scangen.h"
#include "scanplay.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { STANZAS = 1000000, AT_ONCE = 200, SHAPES = 64, SHAPE_MAX = 250 };

/* Stanzas of random shape; each carries its number, so that order shows. */
struct source {
	struct buf shapes[SHAPES];
	size_t made;
};

static void make_stanzas(struct source *src, struct buf *out, size_t count, struct buf *plain)
{
	for (size_t i = 0; i < count; i++, src->made++) {
		struct buf *shape = &src->shapes[(src->made * 7) % SHAPES];
		size_t before = buf_len(out);
		(void)buf_printf(out, "<message id='%zu'>", src->made);
		(void)buf_append(out, buf_peek(shape));
		(void)buf_append_str(out, "</message>");
		(void)buf_append(plain, slice_sub(buf_peek(out), before, buf_len(out)));
		if (src->made % 5 == 0)
			(void)buf_append_str(out, " \n");
	}
}

static size_t feed(struct scan *s, struct slice bytes, uint64_t *seed, struct buf *seen)
{
	size_t elements = 0;
	for (size_t at = 0; at < bytes.len;) {
		size_t n = 1 + (size_t)(scanplay_random(seed) >> 8) % 3000;
		struct slice piece = slice_sub(bytes, at, at + n);
		at += piece.len;
		enum scan_event event;
		while ((event = scan_next(s, &piece)) == SCAN_ELEMENT) {
			(void)buf_append(seen, scan_element(s)->raw);
			elements++;
		}
		assert_int_equal(event, SCAN_MORE);
	}
	return elements;
}

static void a_million_stanzas_come_out_as_they_went_in(void **state)
{
	(void)state;
	struct scangen gen = {.seed = 7};
	struct source src = {.made = 0};
	struct buf stream, plain, seen;
	size_t elements = 0;
	uint64_t seed = 11;
	buf_init(&stream, BUF_UNLIMITED);
	buf_init(&plain, BUF_UNLIMITED);
	buf_init(&seen, BUF_UNLIMITED);
	struct scan *s = scan_new(&scan_limits_proven);
	scangen_header(&gen, &stream);
	struct slice header = buf_peek(&stream);
	assert_int_equal(scan_next(s, &header), SCAN_HEADER);
	for (size_t i = 0; i < SHAPES; i++) {
		buf_init(&src.shapes[i], BUF_UNLIMITED);
		do {
			buf_clear(&src.shapes[i]);
			scangen_element(&gen, &src.shapes[i]);
		} while (buf_len(&src.shapes[i]) > SHAPE_MAX);
	}
	while (src.made < STANZAS) {
		buf_clear(&stream);
		buf_clear(&plain);
		buf_clear(&seen);
		make_stanzas(&src, &stream, AT_ONCE, &plain);
		elements += feed(s, buf_peek(&stream), &seed, &seen);
		assert_true(slice_eq(buf_peek(&plain), buf_peek(&seen)));
	}
	assert_int_equal(elements, STANZAS);
	scan_free(s);
	for (size_t i = 0; i < SHAPES; i++)
		buf_fini(&src.shapes[i]);
	buf_fini(&stream);
	buf_fini(&plain);
	buf_fini(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_million_stanzas_come_out_as_they_went_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
