/* The verdict against a specification of it: what a case without open questions comes to is said in
 * a few lines, and a case with open questions is decided when all their answers come to the same.
 * Then properties over all cases; single ones, by name, are in policy_cases_test.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "trust/policy.h"

#include <string.h>

enum { NOW = 1772366400, COMBINATIONS_WANTED = 500 };

/* ---- the oracle: DNA-3, M-3, M-5, DANE-1, C27 ---- */

/* NONE of these is PENDING. OVER is a proof that has run out. */
enum said { NONE, PENDING, PROVES, FAILS, FORBIDS, OVER, SAID };

struct question {
	bool tls;
	enum said of[PROOF_KINDS];
	enum level floor;
};

static enum level level_by_spec(const struct question *q)
{
	if (q->of[PROOF_DANE] == FORBIDS || q->of[PROOF_PIN] == FORBIDS)
		return LEVEL_NONE;
	for (int k = PROOF_DANE; k <= PROOF_PIN; k++) {
		if (q->tls && q->of[k] == PROVES)
			return LEVEL_TRUSTED;
	}
	if (q->of[PROOF_ASKED] == PROVES)
		return q->tls ? LEVEL_SECURE : LEVEL_VERIFIED;
	return LEVEL_NONE;
}

/* Bit 0: it may be refused, bit 1: it may be accepted. */
static unsigned ends_by_spec(struct question q)
{
	for (int k = 0; k < PROOF_KINDS; k++) {
		if (q.of[k] != PENDING)
			continue;
		unsigned ends = 0;
		for (enum said s = PROVES; s <= FORBIDS; s++) {
			q.of[k] = s;
			if (s != FORBIDS || k == PROOF_DANE || k == PROOF_PIN)
				ends |= ends_by_spec(q);
		}
		return ends;
	}
	enum level least = q.floor == LEVEL_NONE ? LEVEL_VERIFIED : q.floor;
	return level_by_spec(&q) >= least ? 2 : 1;
}

static enum policy_decision decision_by_spec(const struct question *q)
{
	static const enum policy_decision of[] = {0, POLICY_REFUSE, POLICY_ACCEPT, POLICY_WAIT};
	return of[ends_by_spec(*q)];
}

/* ---- all cases ---- */

static struct evidence evidence_of(enum said s)
{
	static const enum evidence_outcome outcomes[SAID] = {
		[NONE] = EVIDENCE_NONE,
		[PENDING] = EVIDENCE_PENDING,
		[PROVES] = EVIDENCE_PROVES,
		[FAILS] = EVIDENCE_FAILS,
		[FORBIDS] = EVIDENCE_FORBIDS,
		[OVER] = EVIDENCE_PROVES,
	};
	return (struct evidence){.outcome = outcomes[s], .not_after = s == OVER ? NOW - 1 : 0};
}

static struct policy_verdict ask(const struct question *q)
{
	struct policy_case c = {.tls = q->tls};
	struct policy_verdict v;
	memset(&v, 0xa5, sizeof v);
	for (int k = 0; k < PROOF_KINDS; k++)
		c.of[k] = evidence_of(q->of[k]);
	policy_decide(&c, q->floor, NOW, &v);
	assert_int_equal(policy_level(&c, NOW), v.level);
	return v;
}

/* Only DANE and pins say no for good. */
static bool can_say(int kind, enum said s)
{
	return s != FORBIDS || kind == PROOF_DANE || kind == PROOF_PIN;
}

/* Calls for every case there is; returns how many. */
static size_t each_case(void (*check)(const struct question *q))
{
	size_t count = 0, all = 2 * (LEVEL_TRUSTED + 1);
	for (int k = 0; k < PROOF_KINDS; k++)
		all *= SAID;
	for (size_t n = 0; n < all; n++) {
		size_t rest = n;
		bool is_case = true;
		struct question q = {.tls = rest % 2};
		rest /= 2;
		q.floor = (enum level)(rest % (LEVEL_TRUSTED + 1));
		rest /= LEVEL_TRUSTED + 1;
		for (int k = 0; k < PROOF_KINDS; k++, rest /= SAID) {
			q.of[k] = (enum said)(rest % SAID);
			is_case = is_case && can_say(k, q.of[k]);
		}
		if (!is_case)
			continue;
		check(&q);
		count++;
	}
	return count;
}

static void is_as_specified(const struct question *q)
{
	struct policy_verdict v = ask(q);
	struct question sure = *q;
	for (int k = 0; k < PROOF_KINDS; k++) {
		if (sure.of[k] == PENDING)
			sure.of[k] = NONE;
	}
	if (v.decision != decision_by_spec(q))
		fail_msg("tls %d dane %d pkix %d posh %d pin %d asked %d floor %d: %d", q->tls,
			q->of[0], q->of[1], q->of[2], q->of[3], q->of[4], q->floor, v.decision);
	assert_int_equal(v.level, level_by_spec(&sure));
	assert_true(err_is(v.why) == (v.decision == POLICY_REFUSE));
	assert_true((v.waits_for != 0) == (v.decision == POLICY_WAIT));
}

/* DNA-3, M-3, DANE-1, POSH-4; P20 */
static void every_case_is_decided_as_specified_and_as_early(void **state)
{
	(void)state;
	assert_true(each_case(is_as_specified) >= COMBINATIONS_WANTED);
}

/* Whether there are answers to all other questions with which this one's makes the difference. */
static bool is_decisive(struct question q, int kind)
{
	unsigned ends = 0;
	int open = kind;
	for (int k = 0; k < PROOF_KINDS; k++) {
		if (q.of[k] == PENDING && k != kind)
			open = k;
	}
	for (enum said s = PROVES; s <= FORBIDS; s++) {
		q.of[open] = s;
		if (!can_say(open, s))
			continue;
		if (open != kind && is_decisive(q, kind))
			return true;
		ends |= open == kind ? ends_by_spec(q) : 0;
	}
	return ends == 3;
}

static void waits_for_what_decides(const struct question *q)
{
	unsigned decisive = 0;
	struct policy_verdict v = ask(q);
	if (v.decision != POLICY_WAIT)
		return;
	for (int k = 0; k < PROOF_KINDS; k++) {
		if (q->of[k] == PENDING && is_decisive(*q, k))
			decisive |= 1u << k;
	}
	assert_int_equal(v.waits_for, decisive);
}

static void only_answers_that_can_decide_are_waited_for(void **state)
{
	(void)state;
	(void)each_case(waits_for_what_decides);
}

static void names_what_proves(const struct question *q)
{
	struct policy_verdict v = ask(q);
	if (v.level == LEVEL_NONE) {
		assert_int_equal(v.by, PROOF_KINDS);
		return;
	}
	assert_int_equal(q->of[v.by], PROVES);
	for (unsigned k = 0; k < v.by; k++)
		assert_true(q->of[k] != PROVES || !q->tls);
}

/* DNA-4 */
static void the_first_of_the_kinds_that_prove_is_named(void **state)
{
	(void)state;
	(void)each_case(names_what_proves);
}

static void lists_all_it_looked_at(const struct question *q)
{
	struct policy_verdict v = ask(q);
	size_t n = 0;
	for (unsigned k = 0; k < PROOF_KINDS; k++) {
		if (q->of[k] == NONE)
			continue;
		const struct policy_reason *r = &v.reasons[n++];
		assert_int_equal(r->kind, k);
		bool over = q->of[k] == OVER;
		assert_int_equal(r->outcome, over ? EVIDENCE_FAILS : evidence_of(q->of[k]).outcome);
		assert_int_equal(r->why.code, over ? ERR_PROOF_OVER : ERR_OK);
	}
	assert_int_equal(v.reason_count, n);
}

/* DNA-3, DNA-4 */
static void all_that_was_evaluated_is_recorded(void **state)
{
	(void)state;
	(void)each_case(lists_all_it_looked_at);
}

static void more_proof_is_no_less(const struct question *q)
{
	struct policy_verdict less = ask(q);
	for (int k = 0; k < PROOF_KINDS; k++) {
		struct question better = *q;
		if (q->of[k] != FAILS && q->of[k] != NONE && q->of[k] != OVER)
			continue;
		better.of[k] = PROVES;
		struct policy_verdict more = ask(&better);
		assert_true(more.level >= less.level);
		assert_true(less.decision != POLICY_ACCEPT || more.decision == POLICY_ACCEPT);
	}
}

static void more_proof_never_lowers_the_level(void **state)
{
	(void)state;
	(void)each_case(more_proof_is_no_less);
}

static void higher_floor_is_no_easier(const struct question *q)
{
	struct question higher = *q;
	if (q->floor == LEVEL_TRUSTED)
		return;
	higher.floor++;
	enum policy_decision low = ask(q).decision, high = ask(&higher).decision;
	assert_true(low != POLICY_REFUSE || high == POLICY_REFUSE);
	assert_true(high != POLICY_ACCEPT || low == POLICY_ACCEPT);
}

static void a_higher_floor_never_lets_in_more(void **state)
{
	(void)state;
	(void)each_case(higher_floor_is_no_easier);
}

/* All ways there: whatever of it is known already, a decision is the one that stands at the end. */
static void is_never_taken_back(const struct question *q)
{
	for (int k = 0; k < PROOF_KINDS; k++) {
		if (q->of[k] == PENDING)
			return;
	}
	struct policy_verdict last = ask(q);
	assert_true(last.decision != POLICY_WAIT);
	for (unsigned open = 1; open < 1u << PROOF_KINDS; open++) {
		struct question before = *q;
		for (int k = 0; k < PROOF_KINDS; k++) {
			if (open & 1u << k)
				before.of[k] = PENDING;
		}
		enum policy_decision early = ask(&before).decision;
		assert_true(early == POLICY_WAIT || early == last.decision);
	}
}

static void no_order_of_arrival_changes_the_verdict(void **state)
{
	(void)state;
	(void)each_case(is_never_taken_back);
}

static void every_kind_has_its_word(void **state)
{
	(void)state;
	static const char *const words[] = {"dane", "pkix", "posh", "pin", "dialback", "none"};
	for (unsigned k = 0; k <= PROOF_KINDS; k++)
		assert_string_equal(proof_kind_name(k), words[k]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_is_decided_as_specified_and_as_early),
		cmocka_unit_test(only_answers_that_can_decide_are_waited_for),
		cmocka_unit_test(the_first_of_the_kinds_that_prove_is_named),
		cmocka_unit_test(all_that_was_evaluated_is_recorded),
		cmocka_unit_test(more_proof_never_lowers_the_level),
		cmocka_unit_test(a_higher_floor_never_lets_in_more),
		cmocka_unit_test(no_order_of_arrival_changes_the_verdict),
		cmocka_unit_test(every_kind_has_its_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
