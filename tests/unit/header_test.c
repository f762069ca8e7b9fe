/* Stream headers as read (RFC 6120 4.7, 4.8; ST-1..ST-5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "xmpp/header.h"

#include "../lib/scanned.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define OPEN         "<stream:stream xmlns='jabber:server' " STREAM_NS

static struct err read_header(const char *text, struct stream_header *h)
{
	struct scan *scan;
	const struct scan_element *e = scanned_header(&scan, text);
	if (!e)
		print_error("not scanned: %s\n", text);
	assert_non_null(e);
	struct err wrong = stream_header_read(e, h);
	scan_free(scan);
	return wrong;
}

struct row {
	const char *text;
	enum err_code want;
	const char *from, *to;
};

/* ST-2, ST-5, X30, ADR-5 */
static void roots_and_addresses_are_judged(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{OPEN " from='a.example' to='b.example'>", ERR_OK, "a.example", "b.example"},
		{OPEN " to='b.example'>", ERR_OK, "", "b.example"},
		{OPEN ">", ERR_OK, "", ""},
		{OPEN " from='' to=''>", ERR_OK, "", ""},
		{OPEN " from='A.EXAMPLE.' to='m\xc3\xbcller.example'>", ERR_OK, "a.example",
			"xn--mller-kva.example"},
		{OPEN " from='a&#46;example' to='b.example'>", ERR_OK, "a.example", "b.example"},
		/* the same attribute in a namespace is another one */
		{OPEN " xmlns:q='urn:q' q:to='b.example'>", ERR_OK, "", ""},
		{OPEN " from='a@a.example' to='b.example'>", ERR_ADDRESS, "", "b.example"},
		{OPEN " from='a.example' to='b.example/r'>", ERR_ADDRESS, "a.example", ""},
		{OPEN " from='a.example' to='b example'>", ERR_DOMAIN, "a.example", ""},
		{OPEN " from='a.example' to='fa\xc3\x9f.example'>", ERR_DOMAIN_FOLD, "a.example",
			""},
		/* the first fault is told: the root's, then `to`, then `from` */
		{OPEN " from='x@' to='b..example'>", ERR_DOMAIN, "", ""},
		{"<stream:stream " STREAM_NS " to='b.example'>", ERR_STREAM_NS, "", "b.example"},
		{"<stream:stream xmlns='jabber:client' " STREAM_NS " to='b.example'>",
			ERR_STREAM_NS, "", "b.example"},
		{"<stream:stream xmlns='jabber:server' xmlns:stream='urn:x' to='b.example'>",
			ERR_STREAM_NS, "", "b.example"},
		{"<stream xmlns='http://etherx.jabber.org/streams' to='b.example'>",
			ERR_STREAM_PREFIX, "", "b.example"},
		{"<s:stream xmlns='jabber:server' xmlns:s='http://etherx.jabber.org/streams' "
		 "to='b.example'>",
			ERR_STREAM_PREFIX, "", "b.example"},
		{"<stream:features xmlns='jabber:server' " STREAM_NS " to='b.example'>",
			ERR_STREAM_ROOT, "", "b.example"},
		{"<html>", ERR_STREAM_ROOT, "", ""},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct stream_header h;
		struct err wrong = read_header(rows[i].text, &h);
		if (wrong.code != rows[i].want)
			print_error("%s: %s\n", rows[i].text, err_row(wrong.code)->symbol);
		assert_int_equal(wrong.code, rows[i].want);
		assert_string_equal(h.from.name, rows[i].from);
		assert_string_equal(h.to.name, rows[i].to);
	}
}

/* ST-4: RFC 6120 4.7.5 */
static void the_major_version_governs(void **state)
{
	(void)state;
	static const struct {
		const char *version;
		unsigned major; /* 0: before 1.0 */
	} rows[] = {
		{"1.0", 1}, {"1.99", 1}, {"2.0", 2}, {"9999.0", 9999}, {"01.0", 1}, {"0.9", 0},
		{"0.0", 0}, {"1", 0}, {"", 0}, {".0", 0}, {"-1.0", 0}, {" 1.0", 0}, {"one.zero", 0},
		{"99999.0", 0}, /* no number that anybody means */
	};
	struct stream_header h;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[300];
		snprintf(text, sizeof text, OPEN " to='b.example' version='%s'>", rows[i].version);
		assert_false(err_is(read_header(text, &h)));
		if (h.major != rows[i].major)
			print_error("version '%s'\n", rows[i].version);
		assert_int_equal(h.major, rows[i].major);
		assert_int_equal(h.has_version, rows[i].major > 0);
	}
	assert_false(err_is(read_header(OPEN " to='b.example'>", &h)));
	assert_false(h.has_version);
}

/* ST-3, DB-8: an id is opaque, or there is none. */
static void an_id_is_taken_whole_or_not_at_all(void **state)
{
	(void)state;
	static char text[1000], id[STREAM_ID_MAX + 2];
	struct stream_header h;
	assert_false(err_is(read_header(OPEN " id='a&amp;b&apos; c'>", &h)));
	assert_string_equal(h.id, "a&b' c");
	assert_false(err_is(read_header(OPEN " id=''>", &h)));
	assert_string_equal(h.id, "");
	memset(id, 'i', STREAM_ID_MAX);
	snprintf(text, sizeof text, OPEN " id='%s'>", id);
	assert_false(err_is(read_header(text, &h)));
	assert_string_equal(h.id, id);
	id[STREAM_ID_MAX] = 'i';
	snprintf(text, sizeof text, OPEN " id='%s'>", id);
	assert_false(err_is(read_header(text, &h)));
	assert_string_equal(h.id, "");
}

/* ST-12: what goes into headers of ours must be harmless there. */
static void a_language_is_letters_digits_and_hyphens(void **state)
{
	(void)state;
	static const struct {
		const char *lang, *want;
	} rows[] = {
		{"de", "de"},
		{"en-GB", "en-GB"},
		{"zh-Hans-1", "zh-Hans-1"},
		{"", ""},
		{"de_AT", ""},
		{"d&#101;", ""},
		{"de&apos; from=&apos;evil.example", ""},
		{"an-unreasonably-long-language-tag-12", ""},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[300];
		struct stream_header h;
		snprintf(text, sizeof text, OPEN " xml:lang='%s'>", rows[i].lang);
		assert_false(err_is(read_header(text, &h)));
		assert_string_equal(h.lang, rows[i].want);
	}
}

/* XEP-0220 2: the feature of old servers; by namespace, whatever the prefix. */
static void the_dialback_namespace_is_seen_under_any_prefix(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool want;
	} rows[] = {
		{OPEN " xmlns:db='jabber:server:dialback'>", true},
		{OPEN " xmlns:other='jabber:server:dialback'>", true},
		{OPEN " xmlns:db='jabber:server:dialback2'>", false},
		{OPEN " db='jabber:server:dialback'>", false},
		{OPEN ">", false},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct stream_header h;
		assert_false(err_is(read_header(rows[i].text, &h)));
		assert_int_equal(h.has_dialback, rows[i].want);
	}
}

/* X30, ADR-1: too long is wrong, not missing. */
static void an_over_long_address_is_not_taken_for_none(void **state)
{
	(void)state;
	static const char *const names[] = {"from", "to"};
	static const size_t lengths[] = {1024, 4096, 4097, 7000};
	static char text[8000], domain[7001];
	memset(domain, 'a', 7000);
	for (size_t n = 0; n < COUNT(names); n++) {
		for (size_t i = 0; i < COUNT(lengths); i++) {
			struct stream_header h;
			snprintf(text, sizeof text, OPEN " %s='%.*s'>", names[n], (int)lengths[i],
				domain);
			assert_true(err_is(read_header(text, &h)));
			assert_false(domain_is_set(&h.from) || domain_is_set(&h.to));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roots_and_addresses_are_judged),
		cmocka_unit_test(the_major_version_governs),
		cmocka_unit_test(an_id_is_taken_whole_or_not_at_all),
		cmocka_unit_test(a_language_is_letters_digits_and_hyphens),
		cmocka_unit_test(the_dialback_namespace_is_seen_under_any_prefix),
		cmocka_unit_test(an_over_long_address_is_not_taken_for_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
