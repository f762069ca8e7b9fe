#include "trust/identity.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define SHIRE "shire.example"
#define KVA   "xn--mller-kva.example"

struct row {
	enum cert_name_kind kind;
	struct slice name;
	const char *domain;
	bool match;
};

#define DNS(name, domain, match)                                                                   \
	{                                                                                          \
		CERT_NAME_DNS, SLICE_LIT(name), domain, match                                      \
	}
#define SRV(name, domain, match)                                                                   \
	{                                                                                          \
		CERT_NAME_SRV, SLICE_LIT(name), domain, match                                      \
	}
#define XMPP(name, domain, match)                                                                  \
	{                                                                                          \
		CERT_NAME_XMPP, SLICE_LIT(name), domain, match                                     \
	}
#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof *(rows), true)

static struct domain domain_of(const char *text)
{
	struct domain d;
	if (err_is(domain_parse(slice_str(text), &d)))
		fail_msg("%s is no domain", text);
	return d;
}

static void check_rows(const struct row *rows, size_t count, bool others)
{
	for (size_t i = 0; i < count; i++) {
		struct cert_facts facts = {
			.names = {{rows[i].kind, rows[i].name}}, .name_count = 1};
		struct domain d = domain_of(rows[i].domain);
		size_t which = 77;
		bool match = identity_matches(&facts, &d, others, &which);
		if (match != rows[i].match)
			print_error("\"%.*s\" for %s: %s\n", SLICE_ARG(rows[i].name),
				rows[i].domain, match ? "matched" : "did not match");
		assert_int_equal(match, rows[i].match);
		assert_int_equal(which, match ? 0 : 77);
	}
}

/* ID-1, ID-5, C13; RFC 9525 6.3 */
static void a_dns_id_is_compared_in_a_labels_without_case(void **state)
{
	(void)state;
	static const struct row rows[] = {
		DNS(SHIRE, SHIRE, true),
		DNS("SHIRE.EXAMPLE", SHIRE, true),
		DNS(SHIRE, "SHIRE.example", true),
		DNS(SHIRE ".", SHIRE, true),
		DNS(SHIRE, SHIRE ".", true),
		DNS(SHIRE "..", SHIRE, false),
		DNS("." SHIRE, SHIRE, false),
		DNS("", SHIRE, false),
		DNS(".", SHIRE, false),
		DNS("hobbit." SHIRE, SHIRE, false),
		DNS("example", SHIRE, false),
		DNS("evilshire.example", SHIRE, false),
		DNS("shire.example.evil.example", SHIRE, false),
		DNS(KVA, "müller.example", true),
		DNS("XN--MLLER-KVA.example", "MÜLLER.example", true),
		DNS("müller.example", "müller.example", false),
		DNS("m\xfcller.example", "müller.example", false),
		DNS("mller-kva.example", "müller.example", false),
	};
	CHECK(rows);
}

/* C09: CVE-2009-2408's kind; ID-5 */
static void bytes_that_no_host_name_has_make_a_name_match_nothing(void **state)
{
	(void)state;
	static const struct row rows[] = {
		DNS("shire.example\0.evil.example", SHIRE, false),
		DNS("shire.example\0", SHIRE, false),
		DNS("\0shire.example", SHIRE, false),
		DNS("shire\0example", SHIRE, false),
		DNS("shire.example ", SHIRE, false),
		DNS(" shire.example", SHIRE, false),
		DNS("shire.example\n", SHIRE, false),
		DNS("shire.example\x7f", SHIRE, false),
		SRV("_xmpp-server.shire.example\0.evil.example", SHIRE, false),
		XMPP("shire.example\0.evil.example", SHIRE, false),
		XMPP("shire.example\0", SHIRE, false),
	};
	CHECK(rows);
}

/* ID-3; RFC 9525 6.3, RFC 6120 13.7.1.2.1 */
static void a_wildcard_is_the_whole_left_most_label_and_stands_for_one(void **state)
{
	(void)state;
	static const struct row rows[] = {
		DNS("*." SHIRE, "hobbit." SHIRE, true),
		DNS("*.SHIRE.example", "hobbit." SHIRE, true),
		DNS("*." SHIRE ".", "hobbit." SHIRE, true),
		DNS("*." SHIRE, "müller." SHIRE, true),
		DNS("*." KVA, "hobbit.müller.example", true),
		DNS("*." SHIRE, SHIRE, false),
		DNS("*." SHIRE, "a.b." SHIRE, false),
		DNS("*." SHIRE, "hobbit.mordor.example", false),
		DNS("*" SHIRE, "hobbit." SHIRE, false),
		DNS("*hire.example", SHIRE, false),
		DNS("h*." SHIRE, "hobbit." SHIRE, false),
		DNS("h*" SHIRE, "hobbit." SHIRE, false),
		DNS("*x" SHIRE, "hobbit." SHIRE, false),
		DNS("*t." SHIRE, "hobbit." SHIRE, false),
		DNS("**." SHIRE, "hobbit." SHIRE, false),
		DNS("*.*." SHIRE, "a.b." SHIRE, false),
		DNS("*.*.example", "hobbit." SHIRE, false),
		DNS("hobbit.*.example", "hobbit." SHIRE, false),
		DNS("hobbit.shire.*", "hobbit." SHIRE, false),
		DNS("xn--*." SHIRE, "müller." SHIRE, false),
		DNS("*", SHIRE, false),
		DNS("*", "localhost", false),
		DNS("*.", "localhost", false),
		DNS("*.example", SHIRE, false),
		DNS("*..example", SHIRE, false),
	};
	CHECK(rows);
}

/* ID-1, ID-4, C12; RFC 9525 6.5, RFC 4985 */
static void an_srv_id_proves_its_service_and_name_together(void **state)
{
	(void)state;
	static const struct row rows[] = {
		SRV("_xmpp-server." SHIRE, SHIRE, true),
		SRV("_XMPP-Server.SHIRE.Example", SHIRE, true),
		SRV("_xmpp-server." SHIRE ".", SHIRE, true),
		SRV("_xmpp-server." KVA, "müller.example", true),
		SRV("_xmpp-server.müller.example", "müller.example", false),
		SRV("_xmpp-client." SHIRE, SHIRE, false),
		SRV("_imap." SHIRE, SHIRE, false),
		SRV("xmpp-server." SHIRE, SHIRE, false),
		SRV("_xmpp-server._tcp." SHIRE, SHIRE, false),
		SRV("_xmpp-servers." SHIRE, SHIRE, false),
		SRV("_xmpp-server" SHIRE, SHIRE, false),
		SRV("_xmpp-server.", SHIRE, false),
		SRV("_xmpp-server", SHIRE, false),
		SRV(SHIRE, SHIRE, false),
		SRV("_xmpp-server.*." SHIRE, "hobbit." SHIRE, false),
		SRV("_xmpp-server.hobbit." SHIRE, SHIRE, false),
		DNS("_xmpp-server." SHIRE, SHIRE, false),
	};
	CHECK(rows);
}

/* ID-1, ID-5, C11 */
static void an_xmpp_address_counts_when_it_is_a_bare_domain(void **state)
{
	(void)state;
	static const struct row rows[] = {
		XMPP(SHIRE, SHIRE, true),
		XMPP("Shire.Example", SHIRE, true),
		XMPP("müller.example", "müller.example", true),
		XMPP(KVA, "müller.example", true),
		XMPP("gandalf@" SHIRE, SHIRE, false),
		XMPP("@" SHIRE, SHIRE, false),
		XMPP("gandalf@müller.example", "müller.example", false),
		XMPP("müller.example/bag-end", "müller.example", false),
		XMPP(SHIRE "/bag-end", SHIRE, false),
		XMPP(SHIRE "/", SHIRE, false),
		XMPP("*." SHIRE, "hobbit." SHIRE, false),
		XMPP("shire\xff.example", SHIRE, false),
		XMPP("", SHIRE, false),
		XMPP("192.0.2.1", SHIRE, false),
	};
	CHECK(rows);
}

/* C14: IDNA 2003 folds these onto one another */
static void deviation_twins_are_different_domains(void **state)
{
	(void)state;
	struct domain d;
	assert_true(err_is(domain_parse(SLICE_LIT("faß.example"), &d)));
	static const struct row rows[] = {
		XMPP("faß.example", "fass.example", false),
		DNS("xn--fa-hia.example", "fass.example", false),
		XMPP("shire.ex\u0430mple", SHIRE, false), /* Cyrillic */
	};
	CHECK(rows);
}

/* ID-9 */
static void other_names_count_only_where_the_set_of_authorities_may_give_them(void **state)
{
	(void)state;
	static const struct row rows[] = {
		SRV("_xmpp-server." SHIRE, SHIRE, false),
		XMPP(SHIRE, SHIRE, false),
		DNS(SHIRE, SHIRE, true),
	};
	check_rows(rows, sizeof rows / sizeof *rows, false);
}

static void many_names(struct cert_facts *facts, size_t ours)
{
	*facts = (struct cert_facts){.name_count = CERT_NAMES_MAX};
	for (size_t i = 0; i < CERT_NAMES_MAX; i++)
		facts->names[i] = (struct cert_name){CERT_NAME_DNS, SLICE_LIT("mordor.example")};
	facts->names[ours].value = SLICE_LIT(SHIRE);
}

/* ID-4, ID-12; RFC 9525 6.6: any one is enough */
static void each_name_may_match_and_the_caller_learns_which(void **state)
{
	(void)state;
	static struct cert_facts facts;
	struct domain d = domain_of(SHIRE), other = domain_of("rohan.example");
	for (size_t i = 0; i < CERT_NAMES_MAX; i += 199) {
		size_t which = 0;
		many_names(&facts, i);
		assert_true(identity_matches(&facts, &d, false, &which));
		assert_int_equal(which, i);
		assert_true(identity_matches(&facts, &d, false, NULL));
		assert_false(identity_matches(&facts, &other, false, NULL));
	}
}

/* Section 6, "Atk": 10 000 names */
static void a_certificate_with_more_names_than_we_keep_proves_nothing(void **state)
{
	(void)state;
	static struct cert_facts facts;
	struct domain d = domain_of(SHIRE);
	many_names(&facts, 0);
	facts.names_cut = true;
	assert_false(identity_matches(&facts, &d, true, NULL));
}

/* ID-2, ID-6 */
static void nothing_matches_no_names_and_no_domain(void **state)
{
	(void)state;
	static struct cert_facts facts;
	struct domain none = {0}, d = domain_of(SHIRE);
	assert_false(identity_matches(&facts, &d, true, NULL));
	many_names(&facts, 0);
	assert_false(identity_matches(&facts, &none, true, NULL));
	assert_false(identity_dns_matches(SLICE_LIT(""), &none));
	assert_false(identity_dns_matches(SLICE_LIT("."), &none));
	facts = (struct cert_facts){
		.name_count = 1, .names = {{CERT_NAME_SRV, SLICE_LIT("_xmpp-server.")}}};
	assert_false(identity_matches(&facts, &none, true, NULL));
	assert_true(err_is(domain_parse(SLICE_LIT("192.0.2.1"), &none)));
	assert_true(err_is(domain_parse(SLICE_LIT("[2001:db8::1]"), &none)));
}

struct shown {
	struct slice names[3];
	size_t size;
	const char *want;
};

/* ID-11; "PKI Challenges and Gaps": a mismatch must be explained */
static void presented_names_are_shown_bounded_and_sanitised(void **state)
{
	(void)state;
	static const struct shown rows[] = {
		{{{0}}, 100, ""},
		{{SLICE_LIT("a.example"), SLICE_LIT("b.example")}, 100, "a.example,b.example"},
		{{SLICE_LIT("a\0\n\x1b[1m\xc3\xbc ,b")}, 100, "a???[1m????b"},
		{{SLICE_LIT("gandalf@shire.example")}, 100, "shire.example"},
		{{SLICE_LIT("a@b@shire.example"), SLICE_LIT("@")}, 100, "shire.example"},
		{{SLICE_LIT("a.example"), SLICE_LIT("b.example"), SLICE_LIT("c.example")}, 24,
			"a.example,b.example,..."},
		{{SLICE_LIT("a.example"), SLICE_LIT("b.example")}, 16, "a.example,..."},
		{{SLICE_LIT("a.example")}, 8, "..."},
		{{SLICE_LIT("a.example")}, 4, ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char out[101];
		struct cert_facts facts = {0};
		for (size_t k = 0; k < 3 && rows[i].names[k].ptr; k++)
			facts.names[facts.name_count++] =
				(struct cert_name){CERT_NAME_XMPP, rows[i].names[k]};
		memset(out, '#', sizeof out);
		identity_describe(&facts, out, rows[i].size);
		assert_string_equal(out, rows[i].want);
		assert_int_equal(out[rows[i].size], '#');
	}
}

/* ID-11 */
static void one_long_name_does_not_hide_the_others(void **state)
{
	(void)state;
	static char longest[5000];
	char out[200];
	memset(longest, 'a', sizeof longest);
	struct cert_facts facts = {.name_count = 2,
		.names = {{CERT_NAME_DNS, slice_of(longest, sizeof longest)},
			{CERT_NAME_DNS, SLICE_LIT("mordor.example")}}};
	identity_describe(&facts, out, sizeof out);
	assert_non_null(strstr(out, ",mordor.example"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dns_id_is_compared_in_a_labels_without_case),
		cmocka_unit_test(bytes_that_no_host_name_has_make_a_name_match_nothing),
		cmocka_unit_test(a_wildcard_is_the_whole_left_most_label_and_stands_for_one),
		cmocka_unit_test(an_srv_id_proves_its_service_and_name_together),
		cmocka_unit_test(an_xmpp_address_counts_when_it_is_a_bare_domain),
		cmocka_unit_test(deviation_twins_are_different_domains),
		cmocka_unit_test(other_names_count_only_where_the_set_of_authorities_may_give_them),
		cmocka_unit_test(each_name_may_match_and_the_caller_learns_which),
		cmocka_unit_test(a_certificate_with_more_names_than_we_keep_proves_nothing),
		cmocka_unit_test(nothing_matches_no_names_and_no_domain),
		cmocka_unit_test(presented_names_are_shown_bounded_and_sanitised),
		cmocka_unit_test(one_long_name_does_not_hide_the_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
