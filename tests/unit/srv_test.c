/* RFC 2782's choice, both services merged (XEP-0368 3), "." and the caps (DNS-1..DNS-4). */
#include "xmpp/srv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { DRAWS = 100000 };

/* xorshift64*: the same numbers in every run. */
static uint32_t random_below(void *arg, uint32_t n)
{
	uint64_t *x = arg;
	*x ^= *x >> 12;
	*x ^= *x << 25;
	*x ^= *x >> 27;
	return (uint32_t)((*x * 0x2545F4914F6CDD1DULL) >> 32) % (n + 1);
}

static uint32_t lowest(void *arg, uint32_t n)
{
	(void)arg;
	(void)n;
	return 0;
}

static uint32_t highest(void *arg, uint32_t n)
{
	(void)arg;
	return n;
}

static struct domain target(const char *name)
{
	struct domain d = {0};
	if (strcmp(name, ".") != 0)
		assert_false(err_is(domain_parse(slice_str(name), &d)));
	return d;
}

static void add(
	struct srv_set *set, uint16_t priority, uint16_t weight, bool direct, const char *name)
{
	srv_add(set, (struct srv_record){priority, weight, 5269, direct, target(name)});
}

static void check_order(const struct srv_set *set, const char *names)
{
	char got[400] = "";
	size_t n = 0;
	for (size_t i = 0; i < set->count; i++)
		n += (size_t)snprintf(got + n, sizeof got - n, "%s%s%s", i ? " " : "",
			set->records[i].target.name, set->records[i].direct_tls ? "+" : "");
	assert_string_equal(got, names);
}

/* The probability that RFC 2782's choice leaves records [0, count) in the order of `wanted`:
 * worked out from its words, not from the code. Weight 0 stands first. */
static double chance(const unsigned *weights, size_t count, const size_t *wanted)
{
	bool gone[8] = {false};
	double p = 1;
	for (size_t k = 0; k < count; k++) {
		unsigned sum = 0, below = 0;
		bool first = true;
		for (size_t i = 0; i < count; i++)
			sum += gone[i] ? 0 : weights[i];
		for (size_t i = 0; i < wanted[k]; i++) {
			below += gone[i] ? 0 : weights[i];
			first &= gone[i];
		}
		/* Numbers 0..sum; a record takes those above the sum before it, the first 0 too. */
		double share = weights[wanted[k]] + (first ? 1.0 : 0.0);
		if (!first && below == 0 && weights[wanted[k]] == 0)
			share = 0; /* a second weight of 0 in front gets nothing before the first
				      went */
		p *= share / (sum + 1.0);
		gone[wanted[k]] = true;
	}
	return p;
}

static bool next_order(size_t *order, size_t n)
{
	size_t i = n - 1;
	while (i > 0 && order[i - 1] > order[i])
		i--;
	if (i == 0)
		return false;
	size_t j = n - 1;
	while (order[j] < order[i - 1])
		j--;
	size_t t = order[i - 1];
	order[i - 1] = order[j];
	order[j] = t;
	for (size_t a = i, b = n - 1; a < b; a++, b--) {
		t = order[a];
		order[a] = order[b];
		order[b] = t;
	}
	return true;
}

static const char *const four[4] = {"a.example", "b.example", "c.example", "d.example"};

static void count_orders(const unsigned *weights, unsigned counts[4][4][4][4])
{
	uint64_t seed = 88172645463325252ULL;
	memset(counts, 0, 256 * sizeof(unsigned));
	for (size_t n = 0; n < DRAWS; n++) {
		struct srv_set set = {0};
		size_t at[4];
		for (size_t i = 0; i < 4; i++)
			add(&set, 10, (uint16_t)weights[i], i % 2, four[i]);
		srv_order(&set, random_below, &seed);
		for (size_t i = 0; i < 4; i++)
			at[i] = (size_t)(set.records[i].target.name[0] - 'a');
		counts[at[0]][at[1]][at[2]][at[3]]++;
	}
}

/* RFC 2782, within 1 % of 1e5 draws; "a zero weight still gets its small chance". */
static void weights_decide_as_rfc_2782_says(void **state)
{
	(void)state;
	static const unsigned weights[][4] = {
		{0, 10, 30, 60}, {1, 1, 1, 1}, {0, 1, 1, 1}, {5, 5, 10, 80}, {0, 0, 3, 1}};
	for (size_t w = 0; w < sizeof weights / sizeof *weights; w++) {
		static unsigned counts[4][4][4][4];
		size_t order[4] = {0, 1, 2, 3};
		double sum = 0;
		count_orders(weights[w], counts);
		do {
			double want = chance(weights[w], 4, order);
			double got = counts[order[0]][order[1]][order[2]][order[3]] / (double)DRAWS;
			assert_true(fabs(got - want) < 0.01);
			sum += want;
		} while (next_order(order, 4));
		assert_true(fabs(sum - 1) < 1e-9);
	}
}

/* RFC 2782: a weight of 0 beside others is rarely first, but not never. */
static void a_weight_of_zero_gets_its_small_share(void **state)
{
	(void)state;
	uint64_t seed = 42;
	unsigned first = 0;
	for (size_t n = 0; n < DRAWS; n++) {
		struct srv_set set = {0};
		add(&set, 0, 9, false, "b.example");
		add(&set, 0, 0, false, "a.example");
		srv_order(&set, random_below, &seed);
		first += set.records[0].target.name[0] == 'a';
	}
	assert_in_range(first, DRAWS / 10 - DRAWS / 100, DRAWS / 10 + DRAWS / 100);
}

/* XEP-0368 3 rule 1: one list, whatever the service. */
static void priorities_of_both_services_are_mixed(void **state)
{
	(void)state;
	struct srv_set set = {0};
	add(&set, 20, 0, true, "d.example");
	add(&set, 5, 0, false, "b.example");
	add(&set, 30, 0, false, "e.example");
	add(&set, 1, 0, true, "a.example");
	add(&set, 5, 1, true, "c.example");
	assert_int_equal(srv_judge(&set), SRV_USE);
	srv_order(&set, lowest, NULL);
	check_order(&set, "a.example+ b.example c.example+ d.example+ e.example");
	srv_order(&set, highest, NULL);
	check_order(&set, "a.example+ c.example+ b.example d.example+ e.example");
}

/* "weight overflow (sum of 65535s)" */
static void the_greatest_weights_do_not_overflow(void **state)
{
	(void)state;
	struct srv_set set = {0};
	uint64_t seed = 7;
	char name[32];
	for (unsigned i = 0; i < SRV_MAX; i++) {
		snprintf(name, sizeof name, "h%u.example", i);
		add(&set, 65535, 65535, false, name);
	}
	srv_order(&set, highest, NULL);
	assert_string_equal(set.records[0].target.name, "h31.example");
	for (size_t n = 0; n < 1000; n++)
		srv_order(&set, random_below, &seed);
	uint64_t seen = 0;
	for (size_t i = 0; i < set.count; i++) {
		unsigned host;
		assert_int_equal(sscanf(set.records[i].target.name, "h%u.", &host), 1);
		seen |= 1ULL << host;
	}
	assert_int_equal(seen, 0xffffffff); /* nobody lost, nobody twice */
}

struct dots {
	const char *main[3], *direct[3]; /* targets of _xmpp-server, _xmpps-server */
	enum srv_outcome want;
	const char *order;
};

/* DNS-1, DNS-3, XEP-0368 5, D05 */
static void a_dot_means_no_such_service(void **state)
{
	(void)state;
	static const struct dots rows[] = {
		{{NULL}, {NULL}, SRV_FALLBACK, ""},
		{{"."}, {NULL}, SRV_NO_SERVICE, ""},
		{{"."}, {"."}, SRV_NO_SERVICE, ""},
		/* one service refused, the other there */
		{{"."}, {"t.example"}, SRV_NO_SERVICE, NULL},
		{{"m.example"}, {"."}, SRV_USE, "m.example"},
		/* no direct TLS, and nothing else said: no fall-back to A */
		{{NULL}, {"."}, SRV_NO_SERVICE, ""},
		{{NULL}, {"t.example"}, SRV_USE, "t.example+"},
		/* "." is only meant when it stands alone (RFC 6120 3.2.1 rule 3) */
		{{".", "m.example"}, {NULL}, SRV_USE, "m.example"},
		{{"m.example"}, {".", "t.example"}, SRV_USE, "t.example+ m.example"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct srv_set set = {0};
		for (size_t k = 0; k < 3 && rows[i].direct[k]; k++)
			add(&set, 0, 0, true, rows[i].direct[k]);
		for (size_t k = 0; k < 3 && rows[i].main[k]; k++)
			add(&set, 0, 0, false, rows[i].main[k]);
		assert_int_equal(srv_judge(&set), rows[i].want);
		if (!rows[i].order)
			continue;
		srv_order(&set, lowest, NULL);
		check_order(&set, rows[i].order);
	}
}

/* DNS-4 */
static void of_ten_thousand_records_thirty_two_are_kept(void **state)
{
	(void)state;
	struct srv_set set = {0};
	uint64_t seed = 1;
	for (unsigned i = 0; i < 10000; i++)
		add(&set, (uint16_t)(i % 7), (uint16_t)i, i % 2, "a.example");
	assert_int_equal(set.count, SRV_MAX);
	assert_int_equal(set.dropped, 10000 - SRV_MAX);
	assert_int_equal(srv_judge(&set), SRV_USE);
	srv_order(&set, random_below, &seed);
	for (size_t i = 1; i < set.count; i++)
		assert_true(set.records[i - 1].priority <= set.records[i].priority);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_decide_as_rfc_2782_says),
		cmocka_unit_test(a_weight_of_zero_gets_its_small_share),
		cmocka_unit_test(priorities_of_both_services_are_mixed),
		cmocka_unit_test(the_greatest_weights_do_not_overflow),
		cmocka_unit_test(a_dot_means_no_such_service),
		cmocka_unit_test(of_ten_thousand_records_thirty_two_are_kept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
