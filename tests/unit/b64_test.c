#include "base/b64.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

struct row {
	struct slice bytes;
	const char *text;
};

/* RFC 4648 10 */
static void the_published_vectors_come_out_in_both_directions(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{SLICE_LIT(""), ""},
		{SLICE_LIT("f"), "Zg=="},
		{SLICE_LIT("fo"), "Zm8="},
		{SLICE_LIT("foo"), "Zm9v"},
		{SLICE_LIT("foob"), "Zm9vYg=="},
		{SLICE_LIT("fooba"), "Zm9vYmE="},
		{SLICE_LIT("foobar"), "Zm9vYmFy"},
		{SLICE_LIT("\0\xff\xfe\xfb\xf0"), "AP/++/A="},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf b;
		buf_init(&b, 100);
		assert_true(b64_encode(rows[i].bytes, &b));
		assert_string_equal(buf_cstr(&b), rows[i].text);
		buf_clear(&b);
		assert_true(b64_decode(slice_str(rows[i].text), &b));
		assert_true(slice_eq(buf_peek(&b), rows[i].bytes));
		buf_fini(&b);
	}
}

/* EXT-3; RFC 6120 6.4.2: no white space, no padding inside, one text per meaning */
static void only_canonical_base64_is_decoded(void **state)
{
	(void)state;
	static const struct slice wrong[] = {
		SLICE_LIT("="),
		SLICE_LIT("===="),
		SLICE_LIT("Z"),
		SLICE_LIT("Zg"),
		SLICE_LIT("Zg="),
		SLICE_LIT("Zg==="),
		SLICE_LIT("Z==="),
		SLICE_LIT("Zm8"),
		SLICE_LIT("Zm9v="),
		SLICE_LIT("Zg==Zg=="),
		SLICE_LIT("Zm8=Zm8="),
		SLICE_LIT("Z=g="),
		SLICE_LIT("=Zm8"),
		SLICE_LIT(" Zm9v"),
		SLICE_LIT("Zm9v\n"),
		SLICE_LIT("Zm9 v==="),
		SLICE_LIT("Zm\n9"),
		SLICE_LIT("Zh=="),
		SLICE_LIT("Zm9="),
		SLICE_LIT("Zm-_"),
		SLICE_LIT("Zm9\0"),
		SLICE_LIT("Zm9\xc3"),
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct buf b;
		buf_init(&b, 100);
		if (b64_decode(wrong[i], &b))
			fail_msg("\"%.*s\" was decoded", SLICE_ARG(wrong[i]));
		buf_fini(&b);
	}
}

static void every_text_that_decodes_encodes_to_itself(void **state)
{
	(void)state;
	static const char digits[] = "AQgw9+/=z";
	for (unsigned n = 0; n < 9 * 9 * 9 * 9; n++) {
		char text[5] = {
			digits[n % 9], digits[n / 9 % 9], digits[n / 81 % 9], digits[n / 729]};
		struct buf bytes, again;
		buf_init(&bytes, 10);
		buf_init(&again, 10);
		if (b64_decode(slice_of(text, 4), &bytes)) {
			assert_true(b64_encode(buf_peek(&bytes), &again));
			assert_string_equal(buf_cstr(&again), text);
		}
		buf_fini(&bytes);
		buf_fini(&again);
	}
}

static void a_full_buf_takes_no_part_of_a_text(void **state)
{
	(void)state;
	struct buf b;
	buf_init(&b, 8);
	assert_true(b64_encode(SLICE_LIT("fo"), &b));
	assert_false(b64_encode(SLICE_LIT("foob"), &b));
	assert_string_equal(buf_cstr(&b), "Zm8=");
	assert_false(b64_decode(SLICE_LIT("Zm9vYmFy"), &b));
	buf_fini(&b);
}

static void hexadecimal_digits_are_lower_case(void **state)
{
	(void)state;
	char out[9] = "########";
	hex_encode((const unsigned char *)"\x00\x9a\xff", 3, out);
	assert_string_equal(out, "009aff");
	assert_int_equal(out[7], '#');
	hex_encode((const unsigned char *)"", 0, out);
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_vectors_come_out_in_both_directions),
		cmocka_unit_test(only_canonical_base64_is_decoded),
		cmocka_unit_test(every_text_that_decodes_encodes_to_itself),
		cmocka_unit_test(a_full_buf_takes_no_part_of_a_text),
		cmocka_unit_test(hexadecimal_digits_are_lower_case),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
