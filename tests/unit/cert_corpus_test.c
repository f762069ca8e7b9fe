/* Every certificate of the corpus (tests/lab/certs/make_corpus.py) against its expected verdict.
 * One judge serves both directions: cert_judge() has no argument that could tell a server's
 * certificate from a client's, and tests/unit-net/cert_roles_test.c shows the same corpus in real
 * handshakes of either role (ID-7). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lab/certs/corpus.h"

#include <time.h>

enum { CASES_WANTED = 60, JUDGE_MAX_MS = 20, JUDGE_MAX_FACTOR = 12 };

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

/* ID-1..ID-9, P-2; C01, C04..C09, C11..C13, C16..C20, C22, T24, T25 */
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
#ifdef __SANITIZE_ADDRESS__
	skip(); /* its times say nothing about ours */
#endif
	(void)each_row(set_limit);
	(void)each_row(is_quick);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_certificate_of_the_corpus_gets_its_verdict),
		cmocka_unit_test(no_chain_costs_more_than_20_ms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
