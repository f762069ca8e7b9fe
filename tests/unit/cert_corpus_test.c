/* Every certificate of the corpus (tests/lab/certs/make_corpus.py) against its expected verdict.
 * One judge serves both directions: cert_judge() has no argument that could tell a server's
 * certificate from a client's, and tests/unit-net/cert_roles_test.c shows the same corpus in real
 * handshakes of either role (ID-7). */
#include "base/buf.h"
#include "base/mem.h"
#include "trust/identity.h"
#include "trust/pem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	CHAIN_ROOM = 128,
	COLUMNS = 7,
	FILE_MAX = 1 << 20,
	CASES_WANTED = 60,
	JUDGE_MAX_MS = 20,
	JUDGE_MAX_FACTOR = 12
};

struct row {
	char name[80], domain[80], set[40], rules[40], now[24], want[32], shown[8];
};

struct chain {
	struct buf ders[CHAIN_ROOM];
	struct slice slices[CHAIN_ROOM];
	size_t count;
};

static void read_file(const char *name, const char *ending, struct buf *text)
{
	char path[256];
	snprintf(path, sizeof path, CERTS_DIR "/%s%s", name, ending);
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s: run make, which makes the corpus", path);
	size_t n = 1;
	buf_init(text, FILE_MAX);
	while (n) {
		n = fread(buf_reserve(text, 4096), 1, 4096, f);
		buf_commit(text, n);
	}
	fclose(f);
}

static void read_chain(const char *name, struct chain *chain)
{
	struct buf text;
	struct slice label;
	struct err e;
	read_file(name, ".pem", &text);
	struct slice rest = buf_peek(&text);
	for (chain->count = 0; chain->count < CHAIN_ROOM; chain->count++) {
		struct buf *der = &chain->ders[chain->count];
		buf_init(der, FILE_MAX);
		if (!pem_next(&rest, &label, der, &e))
			break;
		chain->slices[chain->count] = buf_peek(der);
	}
	buf_fini(&text);
}

static void free_chain(struct chain *chain)
{
	for (size_t i = 0; i < chain->count; i++)
		buf_fini(&chain->ders[i]);
}

static struct cert_set *read_set(const char *name)
{
	char file[64];
	struct buf text;
	struct err e;
	snprintf(file, sizeof file, "set-%s", name);
	read_file(file, ".pem", &text);
	struct cert_set *set = cert_set_new(buf_peek(&text), NULL, &e);
	buf_fini(&text);
	if (!set)
		fail_msg("set %s: %s", name, err_row(e.code)->symbol);
	return set;
}

static struct cert_rules rules_of(const char *text)
{
	bool community = strcmp(text, "community") == 0;
	return (struct cert_rules){
		.require_eku = !community,
		.allow_other_names = community || strcmp(text, "public+others") == 0,
	};
}

static struct err judge(const struct row *r, const struct chain *chain, const struct cert_set *set)
{
	struct cert_facts facts = {0};
	struct cert_rules rules = rules_of(r->rules);
	struct domain domain;
	int64_t not_after = -1;
	assert_false(err_is(domain_parse(slice_str(r->domain), &domain)));
	struct err e = cert_judge(chain->slices, chain->count, set, &rules,
		strtoll(r->now, NULL, 10), &facts, &not_after);
	if (err_is(e))
		return e;
	assert_true(not_after >= strtoll(r->now, NULL, 10));
	assert_true(not_after <= facts.not_after);
	if (!identity_matches(&facts, &domain, rules.allow_other_names, NULL))
		return err_make(ERR_CERT_NAME);
	return err_ok();
}

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

static bool next_row(struct slice *rest, struct row *r)
{
	struct slice line = slice_sub(*rest, 0, slice_find(*rest, '\n'));
	*rest = slice_sub(*rest, line.len + 1, rest->len);
	char *fields[COLUMNS] = {r->name, r->domain, r->set, r->rules, r->now, r->want, r->shown};
	const size_t rooms[COLUMNS] = {sizeof r->name, sizeof r->domain, sizeof r->set,
		sizeof r->rules, sizeof r->now, sizeof r->want, sizeof r->shown};
	for (size_t i = 0; i < COLUMNS && line.len; i++) {
		struct slice field = slice_sub(line, 0, slice_find(line, '\t'));
		line = slice_sub(line, field.len + 1, line.len);
		assert_true(field.len && field.len < rooms[i]);
		memcpy(fields[i], field.ptr, field.len);
		fields[i][field.len] = '\0';
	}
	return *r->name != '\0';
}

typedef bool (*check_row)(const struct row *r, const struct chain *c, const struct cert_set *s);

/* All failures are shown, not only the first. */
static size_t each_row(check_row check)
{
	struct buf text;
	struct row r;
	size_t count = 0, failed = 0;
	read_file("cases", ".tsv", &text);
	struct slice rest = buf_peek(&text);
	for (memset(&r, 0, sizeof r); next_row(&rest, &r); memset(&r, 0, sizeof r)) {
		struct chain chain;
		struct cert_set *set = read_set(r.set);
		read_chain(r.name, &chain);
		failed += check(&r, &chain, set) ? 0 : 1;
		count++;
		free_chain(&chain);
		cert_set_release(set);
	}
	buf_fini(&text);
	assert_int_equal(failed, 0);
	return count;
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
