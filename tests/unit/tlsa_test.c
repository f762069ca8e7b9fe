/* TLSA RDATA to usable records (DANE-2; RFC 6698 2.1, 4.1; RFC 7671 9). What they say about
 * certificates is shown by cert_tlsa_test.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "trust/tlsa.h"

#include <string.h>

static unsigned char rdata[65536];

/* usage, selector, matching type and `len` bytes of `fill` behind them. */
static struct slice record(unsigned usage, unsigned selector, unsigned mtype, size_t len, int fill)
{
	rdata[0] = (unsigned char)usage;
	rdata[1] = (unsigned char)selector;
	rdata[2] = (unsigned char)mtype;
	memset(rdata + 3, fill, len);
	return slice_of(rdata, len + 3);
}

/* A DER SEQUENCE of `len` bytes in all, long enough for a length of two bytes. */
static struct slice whole(unsigned selector, size_t len)
{
	struct slice s = record(3, selector, 0, len, 7);
	rdata[3] = 0x30;
	rdata[4] = 0x82;
	rdata[5] = (unsigned char)((len - 4) >> 8);
	rdata[6] = (unsigned char)(len - 4);
	return s;
}

static bool is_usable(struct slice s)
{
	struct tlsa_set set;
	memset(&set, 0, sizeof set);
	tlsa_add(&set, s);
	assert_int_equal(set.count + set.unusable, 1);
	return set.count == 1;
}

/* DANE-2; D04 */
static void what_is_unknown_or_malformed_is_unusable_and_no_mismatch(void **state)
{
	(void)state;
	static const struct {
		unsigned usage, selector, mtype;
		size_t len;
		bool usable;
	} all[] = {
		{3, 1, 1, 32, true},
		{3, 1, 2, 64, true},
		{0, 0, 1, 32, true},
		{1, 0, 1, 32, true},
		{2, 0, 1, 32, true},
		{4, 1, 1, 32, false},
		{255, 1, 1, 32, false},
		{3, 2, 1, 32, false},
		{3, 255, 1, 32, false},
		{3, 1, 3, 32, false},
		{3, 1, 255, 64, false},
		{3, 1, 1, 31, false},
		{3, 1, 1, 33, false},
		{3, 1, 1, 64, false},
		{3, 1, 1, 20, false},
		{3, 1, 2, 32, false},
		{3, 1, 2, 63, false},
		{3, 1, 2, 65, false},
		{3, 1, 1, 0, false},
		{3, 1, 0, 0, false},
		{3, 1, 0, 32, false}, /* no DER */
		{3, 1, 1, 60000, false},
		{3, 0, 0, 60000, false},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct slice s =
			record(all[i].usage, all[i].selector, all[i].mtype, all[i].len, 0xab);
		if (is_usable(s) != all[i].usable)
			fail_msg("%u %u %u, %zu bytes", all[i].usage, all[i].selector, all[i].mtype,
				all[i].len);
	}
	for (size_t n = 0; n <= 3; n++)
		assert_false(is_usable(slice_sub(record(3, 1, 1, 32, 0xab), 0, n)));
}

/* DANE-2: "malformed" for a whole certificate or key */
static void whole_certificates_and_keys_are_der_of_a_sane_size(void **state)
{
	(void)state;
	assert_true(is_usable(whole(0, 1000)));
	assert_true(is_usable(whole(1, 300)));
	assert_true(is_usable(whole(0, TLSA_RDATA_MAX - 3)));
	assert_false(is_usable(whole(0, TLSA_RDATA_MAX - 2)));
	assert_false(is_usable(whole(0, 60000)));
	struct slice s = whole(0, 1000);
	assert_false(is_usable(slice_sub(s, 0, s.len - 1)));
	rdata[1003] = 0;
	assert_false(is_usable(slice_of(rdata, 1004)));
	rdata[3] = 0x31;
	assert_false(is_usable(s));
	static const struct {
		const char *der;
		size_t len;
		bool usable;
	} all[] = {
		{"\x30\x01\x07", 3, true},
		{"\x30\x81\x01\x07", 4, true},
		{"\x30\x82\x00\x01\x07", 5, true},
		{"\x30\x00", 2, false},
		{"\x30", 1, false},
		{"\x30\x80\x00\x00", 4, false},
		{"\x30\x81", 2, false},
		{"\x30\x82\x00", 3, false},
		{"\x30\x83\x00\x00\x01\x07", 6, false},
		{"\x30\x83\x00\x01\x07\x07", 6, false},
		{"\x30\xff\x07", 3, false},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		(void)record(3, 0, 0, 0, 0);
		memcpy(rdata + 3, all[i].der, all[i].len);
		assert_int_equal(is_usable(slice_of(rdata, all[i].len + 3)), all[i].usable);
	}
}

static void a_record_is_kept_as_it_was_read(void **state)
{
	(void)state;
	struct tlsa_set set;
	unsigned char bytes[64];
	memset(&set, 0, sizeof set);
	memset(bytes, 0xab, sizeof bytes);
	tlsa_add(&set, record(3, 1, 2, 64, 0xab));
	tlsa_add(&set, record(1, 0, 1, 32, 0xab));
	assert_int_equal(set.count, 2);
	const struct tlsa_record *r = set.records;
	assert_true(r->usage == 3 && r->selector == 1 && r->mtype == 2 && r->len == 64);
	assert_memory_equal(r->data, bytes, 64);
	r++;
	assert_true(r->usage == 1 && r->selector == 0 && r->mtype == 1 && r->len == 32);
	assert_memory_equal(r->data, bytes, 32);
}

static void the_same_record_counts_once_and_too_many_do_not_count(void **state)
{
	(void)state;
	struct tlsa_set set;
	memset(&set, 0, sizeof set);
	for (int i = 0; i < TLSA_RECORDS_MAX; i++) {
		tlsa_add(&set, record(3, 1, 1, 32, i));
		tlsa_add(&set, record(3, 1, 1, 32, i));
	}
	assert_int_equal(set.count, TLSA_RECORDS_MAX);
	assert_int_equal(set.unusable, 0);
	tlsa_add(&set, record(3, 1, 1, 32, TLSA_RECORDS_MAX));
	tlsa_add(&set, record(3, 1, 1, 32, 0));
	assert_int_equal(set.count, TLSA_RECORDS_MAX);
	assert_int_equal(set.unusable, 1);
}

static size_t count_of(
	const struct tlsa_set *set, unsigned usage, unsigned selector, unsigned mtype)
{
	size_t n = 0;
	for (size_t i = 0; i < set->count; i++)
		n += set->records[i].usage == usage && set->records[i].selector == selector &&
		     set->records[i].mtype == mtype;
	return n;
}

/* RFC 7671 9 */
static void the_strongest_digest_of_each_usage_and_selector_stays(void **state)
{
	(void)state;
	struct tlsa_set set;
	memset(&set, 0, sizeof set);
	tlsa_add(&set, record(3, 1, 1, 32, 1));
	tlsa_add(&set, record(3, 1, 2, 64, 2));
	tlsa_add(&set, record(3, 1, 1, 32, 3));
	tlsa_add(&set, whole(1, 300));
	tlsa_add(&set, record(3, 0, 1, 32, 4));
	tlsa_add(&set, record(2, 1, 1, 32, 5));
	tlsa_add(&set, record(2, 0, 2, 64, 6));
	tlsa_add(&set, record(3, 0, 2, 32, 7)); /* unusable, so it is stronger than nothing */
	tlsa_settle(&set);
	assert_int_equal(set.count, 5);
	assert_int_equal(set.unusable, 1);
	assert_int_equal(count_of(&set, 3, 1, 1), 0);
	assert_int_equal(count_of(&set, 3, 1, 2), 1);
	assert_int_equal(count_of(&set, 3, 1, 0), 1);
	assert_int_equal(count_of(&set, 3, 0, 1), 1);
	assert_int_equal(count_of(&set, 2, 1, 1), 1);
	assert_int_equal(count_of(&set, 2, 0, 2), 1);
}

/* DANE-10 */
static void records_are_told_in_the_form_of_zones(void **state)
{
	(void)state;
	struct tlsa_set set;
	char text[64], small[6];
	memset(&set, 0, sizeof set);
	tlsa_add(&set, record(3, 1, 1, 32, 0xa1));
	tlsa_describe(&set.records[0], text, sizeof text);
	assert_string_equal(text, "3 1 1 a1a1a1a1a1a1a1a1...");
	tlsa_describe(&set.records[0], small, sizeof small);
	assert_string_equal(small, "3 1 1");
	tlsa_add(&set, whole(0, 300));
	tlsa_describe(&set.records[1], text, sizeof text);
	assert_string_equal(text, "3 0 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_unknown_or_malformed_is_unusable_and_no_mismatch),
		cmocka_unit_test(whole_certificates_and_keys_are_der_of_a_sane_size),
		cmocka_unit_test(a_record_is_kept_as_it_was_read),
		cmocka_unit_test(the_same_record_counts_once_and_too_many_do_not_count),
		cmocka_unit_test(the_strongest_digest_of_each_usage_and_selector_stays),
		cmocka_unit_test(records_are_told_in_the_form_of_zones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
