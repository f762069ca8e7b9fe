/* Every certificate of the corpus (tests/lab/certs/make_corpus.py) against its expected verdict.
 * One judge serves both directions: cert_judge() has no argument that could tell a server's
 * certificate from a client's, and tests/unit-net/cert_roles_test.c shows the same corpus in real
 * handshakes of either role (ID-7). ID-2, ID-8: names and kinds of certificates are its rows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lab/certs/corpus.h"

#include <time.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif

enum { CASES_WANTED = 60, JUDGE_MAX_MS = 20, JUDGE_MAX_FACTOR = 12, NOW = 1772366400 };

static double cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* The best of three, so that a busy machine cannot turn it red. */
static double judge_ms(const struct row *r, const struct chain *chain, const struct cert_set *set)
{
	double best = 1e9;
	for (int i = 0; i < 3; i++) {
		double start = cpu_ms();
		(void)judge(r, chain, set);
		double took = cpu_ms() - start;
		best = took < best ? took : best;
	}
	return best;
}

static unsigned seen[ERR_COUNT];

static bool verdict_is_right(
	const struct row *r, const struct chain *chain, const struct cert_set *set)
{
	struct err e = judge(r, chain, set);
	seen[e.code]++;
	if (strcmp(err_row(e.code)->symbol, r->want) == 0)
		return true;
	print_error("%s: %s, wanted %s\n", r->name, err_row(e.code)->symbol, r->want);
	return false;
}

/* ID-1..ID-9, P-2; C01, C04, C05, C06, C07, C09, C11, C12, C13, C16, C17, C18, C19, C20, C22, T24,
 * T25 */
static void every_certificate_of_the_corpus_gets_its_verdict(void **state)
{
	(void)state;
	static const enum err_code all[] = {ERR_OK, ERR_CERT_EXPIRED, ERR_CERT_NOT_YET,
		ERR_CERT_UNTRUSTED, ERR_CERT_NAME, ERR_CERT_PURPOSE, ERR_CERT_WEAK,
		ERR_CERT_CONSTRAINT, ERR_CERT_CHAIN, ERR_CERT_PARSE, ERR_CERT_UNSUPPORTED};
	size_t count = each_row(verdict_is_right);
	assert_true(count >= CASES_WANTED);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_true(seen[all[i]] > 0);
}

static double limit_ms;

/* On a machine where two P-256 signatures take long, so may the rest. */
static bool set_limit(const struct row *r, const struct chain *chain, const struct cert_set *set)
{
	if (strcmp(r->name, "dns") == 0)
		limit_ms = judge_ms(r, chain, set) * JUDGE_MAX_FACTOR;
	return true;
}

static bool is_quick(const struct row *r, const struct chain *chain, const struct cert_set *set)
{
	double took = judge_ms(r, chain, set);
	if (took <= JUDGE_MAX_MS || took <= limit_ms)
		return true;
	print_error("%s: %.1f ms\n", r->name, took);
	return false;
}

/* C20, T24 */
static void no_chain_costs_more_than_20_ms(void **state)
{
	(void)state;
#ifdef SANITIZED
	skip(); /* its times say nothing about ours */
#endif
	(void)each_row(set_limit);
	(void)each_row(is_quick);
}

static struct err judge_named(
	const char *name, const char *set_name, struct cert_facts *facts, int64_t *not_after)
{
	/* The facts point into the chain: it stays until the next one is judged. */
	static struct chain chain;
	static bool is_there;
	struct cert_set *set = read_set(set_name);
	const struct cert_rules rules = {.require_eku = true};
	if (is_there)
		free_chain(&chain);
	read_chain(name, &chain);
	is_there = true;
	struct err e = cert_judge(chain.slices, chain.count, set, &rules, NOW, facts, not_after);
	cert_set_release(set);
	return e;
}

/* ID-10: a stream ends when its proof does, and that is the first end on the path */
static void the_earliest_end_of_the_path_is_told(void **state)
{
	(void)state;
	static struct cert_facts facts;
	int64_t not_after = 0;
	assert_false(err_is(judge_named("dns", "root", &facts, &not_after)));
	assert_int_equal(not_after, facts.not_after);
	assert_false(err_is(judge_named("issuer-ends-first", "root", &facts, &not_after)));
	assert_int_equal(not_after, facts.not_after - 1000);
	assert_true(err_is(judge_named("unknown-root", "root", &facts, &not_after)));
	assert_int_equal(not_after, 0);
	assert_false(err_is(judge_named("dns", "root", &facts, NULL)));
}

/* ID-11: what was presented can be told also where it is refused */
static void facts_are_there_whenever_the_leaf_can_be_read(void **state)
{
	(void)state;
	static struct cert_facts facts;
	int64_t not_after;
	static const char *const readable[] = {"unknown-root", "eku-client-only", "chain-of-100",
		"key-rsa-1024", "issuer-expired"};
	for (size_t i = 0; i < sizeof readable / sizeof *readable; i++) {
		assert_true(err_is(judge_named(readable[i], "root", &facts, &not_after)));
		assert_int_equal(facts.name_count, 1);
		assert_true(slice_eq_str(facts.names[0].value, "shire.example"));
	}
	static const char *const others[] = {"garbage", "key-ed25519"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		facts.name_count = 7;
		assert_true(err_is(judge_named(others[i], "root", &facts, &not_after)));
		assert_int_equal(facts.name_count, 0);
	}
}

static void no_certificate_is_a_reason_of_its_own(void **state)
{
	(void)state;
	static struct cert_facts facts = {.name_count = 7};
	int64_t not_after = 7;
	struct cert_set *set = read_set("root");
	const struct cert_rules rules = {.require_eku = true};
	struct err e = cert_judge(NULL, 0, set, &rules, NOW, &facts, &not_after);
	assert_int_equal(e.code, ERR_CERT_NONE);
	assert_true(facts.name_count == 0 && not_after == 0);
	cert_set_release(set);
}

static void a_bundle_s_unreadable_certificates_are_left_out_and_counted(void **state)
{
	(void)state;
	struct buf text;
	struct err e;
	size_t skipped = 7;
	read_file("set-noisy", ".pem", &text);
	struct cert_set *set = cert_set_new(buf_peek(&text), &skipped, &e);
	assert_non_null(set);
	assert_false(err_is(e));
	assert_int_equal(skipped, 1);
	assert_int_equal(cert_set_count(set), 1);
	cert_set_release(cert_set_hold(set));
	assert_int_equal(cert_set_count(set), 1);
	cert_set_release(set);
	cert_set_release(NULL);
	buf_fini(&text);
	assert_null(cert_set_new(SLICE_LIT("no certificate here"), &skipped, &e));
	assert_int_equal(e.code, ERR_CERT_PARSE);
	assert_int_equal(skipped, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_certificate_of_the_corpus_gets_its_verdict),
		cmocka_unit_test(no_chain_costs_more_than_20_ms),
		cmocka_unit_test(the_earliest_end_of_the_path_is_told),
		cmocka_unit_test(facts_are_there_whenever_the_leaf_can_be_read),
		cmocka_unit_test(no_certificate_is_a_reason_of_its_own),
		cmocka_unit_test(a_bundle_s_unreadable_certificates_are_left_out_and_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
