/* The table of one stream's pairs (DB-4, EXT-4, M-3), and the addresses that lead into it. */
#include "xmpp/jid.h"
#include "xmpp/pairs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static struct domain name(const char *text)
{
	struct domain d;
	assert_false(err_is(domain_parse(slice_str(text), &d)));
	return d;
}

static struct pair *add(struct pairs *p, const char *from, const char *to)
{
	struct domain f = name(from), t = name(to);
	return pairs_add(p, &f, &t);
}

static struct pair *find(const struct pairs *p, const char *from, const char *to)
{
	struct domain f = name(from), t = name(to);
	return pairs_find(p, &f, &t);
}

static struct pair *find_text(const struct pairs *p, const char *from, const char *to)
{
	return pairs_find_text(p, slice_str(from), slice_str(to));
}

static void a_pair_is_ordered_and_exact(void **state)
{
	(void)state;
	struct pairs p;
	pairs_init(&p);
	struct pair *pair = add(&p, "a.example", "b.example");
	assert_ptr_equal(find(&p, "a.example", "b.example"), pair);
	assert_ptr_equal(find(&p, "A.Example.", "B.example"), pair);
	assert_null(find(&p, "b.example", "a.example"));
	assert_null(find(&p, "a.example", "a.example"));
	assert_null(find(&p, "sub.a.example", "b.example"));
	assert_null(find(&p, "example", "b.example"));
	pairs_fini(&p);
}

/* The cheap way: canonical text or nothing. */
static void the_text_of_a_pair_is_its_canonical_form_byte_for_byte(void **state)
{
	(void)state;
	struct pairs p;
	pairs_init(&p);
	struct pair *plain = add(&p, "A.example", "b.example.");
	struct pair *idn = add(&p, "xn--mller-kva.example", "b.example");
	assert_ptr_equal(find_text(&p, "a.example", "b.example"), plain);
	assert_ptr_equal(find_text(&p, "m\xc3\xbcller.example", "b.example"), idn);
	static const char *const others[] = {"A.example", "a.example.", "a.exampl", "a.examplex",
		"xn--mller-kva.example", "", "b.example"};
	for (size_t i = 0; i < COUNT(others); i++)
		assert_null(find_text(&p, others[i], "b.example"));
	assert_null(find_text(&p, "a.example", "a.example"));
	assert_null(pairs_find_text(&p, slice_of("a.example\0", 10), SLICE_LIT("b.example")));
	pairs_fini(&p);
}

/* Only PAIR_VALID counts as proven; what is open counts as open. */
static void only_valid_pairs_are_proven(void **state)
{
	(void)state;
	static const struct {
		enum pair_state state;
		bool reverify, valid, pending;
	} rows[] = {
		{PAIR_ASSESSING, false, false, true},
		{PAIR_VERIFYING, false, false, true},
		{PAIR_VALID, false, true, false},
		{PAIR_VALID, true, true, true},
		{PAIR_FAILED, false, false, false},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct pairs p;
		struct domain a = name("a.example"), b = name("b.example");
		pairs_init(&p);
		struct pair *pair = pairs_add(&p, &a, &b);
		assert_int_equal(pair->state, PAIR_ASSESSING);
		pair->state = rows[i].state;
		pair->reverify = rows[i].reverify;
		assert_int_equal(pairs_has_from(&p, &a), rows[i].valid);
		assert_false(pairs_has_from(&p, &b));
		assert_int_equal(pairs_valid_count(&p), rows[i].valid);
		assert_int_equal(pair_is_pending(pair), rows[i].pending);
		assert_int_equal(pairs_pending_count(&p), rows[i].pending);
		pairs_fini(&p);
	}
}

/* DB-4, B12 */
static void a_stream_holds_a_hundred_pairs(void **state)
{
	(void)state;
	struct pairs p;
	char text[32];
	pairs_init(&p);
	for (unsigned i = 0; i < PAIRS_MAX; i++) {
		snprintf(text, sizeof text, "h%u.example", i);
		assert_non_null(add(&p, text, "b.example"));
	}
	assert_null(add(&p, "more.example", "b.example"));
	assert_int_equal(p.count, 100);
	assert_non_null(find(&p, "h99.example", "b.example"));
	pairs_fini(&p);
	assert_int_equal(p.count, 0);
	assert_null(find(&p, "h0.example", "b.example"));
}

static void each_proof_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(pair_proof_name(PROOF_NONE), "none");
	assert_string_equal(pair_proof_name(PROOF_EXTERNAL), "external");
	assert_string_equal(pair_proof_name(PROOF_CERTIFICATE), "certificate");
	assert_string_equal(pair_proof_name(PROOF_DIALBACK), "dialback");
	assert_string_equal(pair_proof_name(PROOF_BACKEND), "backend");
}

/* RFC 7622 3.2; X30 */
static void a_domainpart_stands_behind_the_first_at_and_before_the_first_slash(void **state)
{
	(void)state;
	static const struct {
		const char *jid, *part; /* NULL: no address */
	} rows[] = {
		{"x.example", "x.example"},
		{"a@x.example", "x.example"},
		{"a@x.example/r", "x.example"},
		{"x.example/r", "x.example"},
		{"x.example/a@y.example", "x.example"},
		{"x.example/r/s", "x.example"},
		{"a@x.example/@", "x.example"},
		{"a@b@x.example", "b@x.example"}, /* no domain: refused as such later */
		{"", NULL},
		{"@", NULL},
		{"/", NULL},
		{"@x.example", NULL},
		{"a@", NULL},
		{"a@/r", NULL},
		{"/r", NULL},
		{"x.example/", NULL},
		{"a@x.example/", NULL},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice part;
		bool found = jid_domainpart(slice_str(rows[i].jid), &part);
		assert_int_equal(found, rows[i].part != NULL);
		if (found)
			assert_true(slice_eq_str(part, rows[i].part));
	}
}

/* X30, ID-6, C15 */
static void a_stream_speaks_of_domains_and_nothing_more(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err_code want;
	} rows[] = {
		{"x.example", ERR_OK},
		{"X.EXAMPLE.", ERR_OK},
		{"a@x.example", ERR_ADDRESS},
		{"x.example/r", ERR_ADDRESS},
		{"x.example/", ERR_ADDRESS},
		{"@", ERR_ADDRESS},
		{"", ERR_DOMAIN},
		{" ", ERR_DOMAIN},
		{"x.example:5269", ERR_DOMAIN},
		{"x example", ERR_DOMAIN},
		{"x.example ", ERR_DOMAIN},
		{"x%2eexample", ERR_DOMAIN},
		{"127.0.0.1", ERR_DOMAIN},
		{"[::1]", ERR_DOMAIN},
		{"::1", ERR_DOMAIN},
		{"x..example", ERR_DOMAIN},
		{".x.example", ERR_DOMAIN},
		{"fa\xc3\x9f.example", ERR_DOMAIN_FOLD},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct domain d;
		assert_int_equal(jid_domain_only(slice_str(rows[i].text), &d).code, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_is_ordered_and_exact),
		cmocka_unit_test(the_text_of_a_pair_is_its_canonical_form_byte_for_byte),
		cmocka_unit_test(only_valid_pairs_are_proven),
		cmocka_unit_test(a_stream_holds_a_hundred_pairs),
		cmocka_unit_test(each_proof_has_a_name),
		cmocka_unit_test(
			a_domainpart_stands_behind_the_first_at_and_before_the_first_slash),
		cmocka_unit_test(a_stream_speaks_of_domains_and_nothing_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
