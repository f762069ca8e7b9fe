#include "trust/pem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#define BEGIN "-----BEGIN CERTIFICATE-----\n"
#define END   "-----END CERTIFICATE-----\n"

static void is_block(struct slice *rest, const char *label, const char *want)
{
	struct slice found;
	struct buf der;
	struct err e;
	buf_init(&der, 1000);
	assert_true(pem_next(rest, &found, &der, &e));
	assert_false(err_is(e));
	assert_true(slice_eq_str(found, label));
	assert_string_equal(buf_cstr(&der), want);
	buf_fini(&der);
}

static enum err_code is_end(struct slice *rest, size_t max)
{
	struct slice found;
	struct buf der;
	struct err e = err_make(ERR_INTERNAL);
	buf_init(&der, max);
	assert_false(pem_next(rest, &found, &der, &e));
	buf_fini(&der);
	return e.code;
}

/* RFC 7468 2: explanatory text stands outside of blocks, lines end as they like */
static void blocks_are_found_one_after_the_other(void **state)
{
	(void)state;
	struct slice rest = slice_str("subject=shire\n" BEGIN "Zm9v\n" END "between\n"
				      "-----BEGIN PRIVATE KEY-----\r\nZm9v\r\nYmFy\r\n"
				      "-----END PRIVATE KEY-----\r\n" BEGIN "Zg==\n"
				      "-----END CERTIFICATE-----");
	is_block(&rest, "CERTIFICATE", "foo");
	is_block(&rest, "PRIVATE KEY", "foobar");
	is_block(&rest, "CERTIFICATE", "f");
	assert_int_equal(is_end(&rest, 1000), ERR_OK);
	assert_int_equal(rest.len, 0);
}

static void a_text_without_a_block_has_a_clean_end(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "\n", "shire", "-----BEGIN -----\nZm9v\n",
		"-----BEGIN CERTIFICATE----\nZm9v\n" END, "-----begin CERTIFICATE-----\nZm9v\n" END,
		" " BEGIN "Zm9v\n" END, "----BEGIN CERTIFICATE-----\nZm9v\n" END, END,
		"x" BEGIN "Zm9v\n" END, "-----BEGIN", "-----"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct slice rest = slice_str(texts[i]);
		if (is_end(&rest, 1000) != ERR_OK)
			fail_msg("\"%s\" is no clean end", texts[i]);
	}
}

static void a_broken_block_is_an_error(void **state)
{
	(void)state;
	static const char *const texts[] = {
		BEGIN,
		BEGIN "Zm9v\n",
		BEGIN END,
		BEGIN "\n" END,
		BEGIN "Zm9v\n-----END PRIVATE KEY-----\n",
		BEGIN "Zm9\n" END,
		BEGIN "Zm9v=\n" END,
		BEGIN "Zm9*\n" END,
		BEGIN "Zm9v\n\xc3\xbc\n" END,
		BEGIN "Zm9v\n" BEGIN "Zm9v\n" END,
		/* RFC 1421 headers: encrypted keys of old tools */
		BEGIN "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nZm9v\n" END,
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct slice rest = slice_str(texts[i]);
		if (is_end(&rest, 1000) != ERR_CERT_PARSE)
			fail_msg("\"%s\" is not broken", texts[i]);
	}
}

static void reading_goes_on_behind_a_broken_block(void **state)
{
	(void)state;
	struct slice rest = slice_str(BEGIN "Zm9*\n" END BEGIN "Zm9v\n" END);
	assert_int_equal(is_end(&rest, 1000), ERR_CERT_PARSE);
	is_block(&rest, "CERTIFICATE", "foo");
	assert_int_equal(is_end(&rest, 1000), ERR_OK);
}

static void a_block_that_is_too_large_is_an_error_not_a_part(void **state)
{
	(void)state;
	struct slice rest = slice_str(BEGIN "Zm9vYmFy\n" END);
	assert_int_equal(is_end(&rest, 5), ERR_CERT_PARSE);
}

static void bytes_behind_a_nul_count(void **state)
{
	(void)state;
	struct slice rest = SLICE_LIT("\0\n" BEGIN "Zm9v\n" END);
	is_block(&rest, "CERTIFICATE", "foo");
	rest = SLICE_LIT(BEGIN "Zm9v\0\n" END);
	assert_int_equal(is_end(&rest, 1000), ERR_CERT_PARSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_found_one_after_the_other),
		cmocka_unit_test(a_text_without_a_block_has_a_clean_end),
		cmocka_unit_test(a_broken_block_is_an_error),
		cmocka_unit_test(reading_goes_on_behind_a_broken_block),
		cmocka_unit_test(a_block_that_is_too_large_is_an_error_not_a_part),
		cmocka_unit_test(bytes_behind_a_nul_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
