/* Single cases of the verdict, by name and rule: who is let in, for which reason not, until when.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "trust/policy.h"

#include <string.h>

enum { NOW = 1772366400 };

struct one {
	const char *title;
	bool tls;
	/* A sign for each of dane, pkix, posh, pin, dialback: `.` none, `?` pending, `+` proves,
	 * `x` fails, `!` forbids. */
	const char *said;
	enum err_code whys[PROOF_KINDS];
	enum level floor;
	enum policy_decision want;
	enum level level;
	enum err_code why;
};

static struct policy_case case_of(const struct one *o)
{
	static const char signs[] = ".?+x!";
	struct policy_case c = {.tls = o->tls};
	for (int k = 0; k < PROOF_KINDS; k++) {
		c.of[k].outcome = (enum evidence_outcome)(strchr(signs, o->said[k]) - signs);
		c.of[k].why = err_make(o->whys[k]);
	}
	return c;
}

static void check_ones(const struct one *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct policy_case c = case_of(&all[i]);
		struct policy_verdict v;
		policy_decide(&c, all[i].floor, NOW, &v);
		if (v.decision != all[i].want || v.level != all[i].level ||
			v.why.code != all[i].why)
			fail_msg("%s: %d, %s, %s", all[i].title, v.decision, level_name(v.level),
				err_row(v.why.code)->symbol);
	}
}
#define CHECK_ONES(all) check_ones(all, sizeof(all) / sizeof *(all))

/* DANE-1, POSH-4, POSH-5, M-3, M-5; C01, C04, C05, C27, B09, P20 */
static void single_cases_have_their_verdicts(void **state)
{
	(void)state;
	static const struct one all[] = {
		{"PKIX is enough for everything", true, ".+...", {0}, LEVEL_TRUSTED, POLICY_ACCEPT,
			LEVEL_TRUSTED, ERR_OK},
		{"POSH alone is trusted", true, ".x+..", {0, ERR_CERT_UNTRUSTED}, LEVEL_TRUSTED,
			POLICY_ACCEPT, LEVEL_TRUSTED, ERR_OK},
		{"a configured pin alone is trusted", true, ".x.+.", {0, ERR_CERT_UNTRUSTED},
			LEVEL_TRUSTED, POLICY_ACCEPT, LEVEL_TRUSTED, ERR_OK},
		{"DANE alone is trusted, an expired certificate under 3 1 1 too", true, "+x...",
			{0, ERR_CERT_EXPIRED}, LEVEL_TRUSTED, POLICY_ACCEPT, LEVEL_TRUSTED, ERR_OK},
		{"a DANE mismatch is final: PKIX, POSH, pin and dialback do not save it", true,
			"!++++", {ERR_DANE_MISMATCH}, LEVEL_VERIFIED, POLICY_REFUSE, LEVEL_NONE,
			ERR_DANE_MISMATCH},
		{"bogus DNSSEC is final and is called so", true, "!+..?", {ERR_DNS_BOGUS},
			LEVEL_SECURE, POLICY_REFUSE, LEVEL_NONE, ERR_DNS_BOGUS},
		{"bogus DNSSEC is final without TLS as well", false, "!...+", {ERR_DNS_BOGUS},
			LEVEL_VERIFIED, POLICY_REFUSE, LEVEL_NONE, ERR_DNS_BOGUS},
		{"a POSH mismatch is saved by DANE", true, "+xx..",
			{0, ERR_CERT_UNTRUSTED, ERR_POSH_MISMATCH}, LEVEL_TRUSTED, POLICY_ACCEPT,
			LEVEL_TRUSTED, ERR_OK},
		{"a POSH mismatch is saved by PKIX", true, ".+x..", {0, 0, ERR_POSH_MISMATCH},
			LEVEL_TRUSTED, POLICY_ACCEPT, LEVEL_TRUSTED, ERR_OK},
		{"a POSH mismatch saved by nothing is the reason", true, ".xx..",
			{ERR_DANE_NONE, ERR_CERT_UNTRUSTED, ERR_POSH_MISMATCH}, LEVEL_TRUSTED,
			POLICY_REFUSE, LEVEL_NONE, ERR_POSH_MISMATCH},
		{"a pin that does not match refuses a certificate that PKIX finds good (C27)", true,
			".+.!+", {0, 0, 0, ERR_PIN_MISMATCH}, LEVEL_SECURE, POLICY_REFUSE,
			LEVEL_NONE, ERR_PIN_MISMATCH},
		{"an expired certificate under a matching pin is refused (C27)", true, ".x.x.",
			{0, ERR_CERT_EXPIRED, 0, ERR_CERT_EXPIRED}, LEVEL_TRUSTED, POLICY_REFUSE,
			LEVEL_NONE, ERR_CERT_EXPIRED},
		{"without TLS there is no secure", false, "????+", {0}, LEVEL_SECURE, POLICY_REFUSE,
			LEVEL_VERIFIED, ERR_TLS_REQUIRED},
		{"without TLS dialback is verified", false, "....+", {0}, LEVEL_VERIFIED,
			POLICY_ACCEPT, LEVEL_VERIFIED, ERR_OK},
		{"without TLS there is no certificate to prove anything", false, "++++.", {0},
			LEVEL_VERIFIED, POLICY_REFUSE, LEVEL_NONE, ERR_POLICY},
		{"with TLS dialback is secure, whatever the certificate is (C01, C04)", true,
			".x..+", {0, ERR_CERT_EXPIRED}, LEVEL_SECURE, POLICY_ACCEPT, LEVEL_SECURE,
			ERR_OK},
		{"dialback is not asked where it would not be enough", true, ".x..?",
			{0, ERR_CERT_UNTRUSTED}, LEVEL_TRUSTED, POLICY_REFUSE, LEVEL_NONE,
			ERR_CERT_UNTRUSTED},
		{"being reached by DNS is not being trusted (M-5)", true, ".x..+",
			{0, ERR_CERT_NAME}, LEVEL_TRUSTED, POLICY_REFUSE, LEVEL_SECURE,
			ERR_CERT_NAME},
		{"dialback decides where it is the last", true, ".x..?", {0, ERR_CERT_UNTRUSTED},
			LEVEL_SECURE, POLICY_WAIT, LEVEL_NONE, ERR_OK},
		{"DANE is waited for though PKIX is good: it may forbid", true, "?+?..", {0},
			LEVEL_TRUSTED, POLICY_WAIT, LEVEL_TRUSTED, ERR_OK},
		{"POSH is not waited for when PKIX is good", true, ".+?.?", {0}, LEVEL_TRUSTED,
			POLICY_ACCEPT, LEVEL_TRUSTED, ERR_OK},
		{"nothing at all is no proof even where nothing is asked for (M-4)", true, ".....",
			{0}, LEVEL_NONE, POLICY_REFUSE, LEVEL_NONE, ERR_POLICY},
	};
	CHECK_ONES(all);
}

/* One fact differs from row to row: what is more telling is told. */
static void the_most_telling_reason_is_given(void **state)
{
	(void)state;
	static const struct one all[] = {
		{"no certificate and nothing else", true, ".....",
			{ERR_DANE_INSECURE, ERR_CERT_NONE, ERR_POSH_NONE}, LEVEL_TRUSTED,
			POLICY_REFUSE, LEVEL_NONE, ERR_CERT_NONE},
		{"a stranger's certificate and no document", true, ".x...",
			{ERR_DANE_INSECURE, ERR_CERT_UNTRUSTED, ERR_POSH_NONE}, LEVEL_TRUSTED,
			POLICY_REFUSE, LEVEL_NONE, ERR_CERT_UNTRUSTED},
		{"most strangers have no web server: that says little", true, ".xx..",
			{ERR_DANE_INSECURE, ERR_CERT_UNTRUSTED, ERR_POSH_FETCH}, LEVEL_TRUSTED,
			POLICY_REFUSE, LEVEL_NONE, ERR_CERT_UNTRUSTED},
		{"another domain's certificate is called so (C05)", true, ".xx..",
			{ERR_DANE_INSECURE, ERR_CERT_NAME, ERR_POSH_PARSE}, LEVEL_TRUSTED,
			POLICY_REFUSE, LEVEL_NONE, ERR_CERT_NAME},
		{"who publishes POSH means POSH", true, ".xx..",
			{ERR_DANE_INSECURE, ERR_CERT_NAME, ERR_POSH_WEAK}, LEVEL_TRUSTED,
			POLICY_REFUSE, LEVEL_NONE, ERR_POSH_WEAK},
		{"who has an authority's certificate means that, and it has expired (C01)", true,
			".xx..", {ERR_DANE_INSECURE, ERR_CERT_EXPIRED, ERR_POSH_MISMATCH},
			LEVEL_TRUSTED, POLICY_REFUSE, LEVEL_NONE, ERR_CERT_EXPIRED},
		{"unusable records are more than none", true, ".....",
			{ERR_DANE_UNUSABLE, ERR_OK, ERR_POSH_NONE}, LEVEL_TRUSTED, POLICY_REFUSE,
			LEVEL_NONE, ERR_DANE_UNUSABLE},
		{"dialback was the last resort, so its failure is told", true, ".xx.x",
			{0, ERR_CERT_EXPIRED, ERR_POSH_MISMATCH, 0, ERR_DB_INVALID}, LEVEL_SECURE,
			POLICY_REFUSE, LEVEL_NONE, ERR_DB_INVALID},
		{"where dialback is not enough, its failure is not the reason", true, ".x..x",
			{0, ERR_CERT_UNTRUSTED, 0, 0, ERR_DB_INVALID}, LEVEL_TRUSTED, POLICY_REFUSE,
			LEVEL_NONE, ERR_CERT_UNTRUSTED},
		{"without TLS the certificate's faults are no reason", false, ".xx.x",
			{0, ERR_CERT_EXPIRED, ERR_POSH_MISMATCH, 0, ERR_DB_TIMEOUT}, LEVEL_VERIFIED,
			POLICY_REFUSE, LEVEL_NONE, ERR_DB_TIMEOUT},
		{"of two vetoes DANE is told, which is public", true, "!..!.",
			{ERR_DANE_FAILED, 0, 0, ERR_PIN_MISMATCH}, LEVEL_SECURE, POLICY_REFUSE,
			LEVEL_NONE, ERR_DANE_FAILED},
		{"a veto without a reason gets that of its kind: DANE", true, "!....", {0},
			LEVEL_SECURE, POLICY_REFUSE, LEVEL_NONE, ERR_DANE_MISMATCH},
		{"a veto without a reason gets that of its kind: pin", true, "...!.", {0},
			LEVEL_SECURE, POLICY_REFUSE, LEVEL_NONE, ERR_PIN_MISMATCH},
		{"a veto by another kind refuses too", true, ".+!..", {0}, LEVEL_SECURE,
			POLICY_REFUSE, LEVEL_NONE, ERR_POLICY},
		{"without any reason it is the policy", true, ".xxxx", {0}, LEVEL_SECURE,
			POLICY_REFUSE, LEVEL_NONE, ERR_POLICY},
	};
	CHECK_ONES(all);
}

/* ---- time ---- */

static struct policy_verdict decide_at(const struct policy_case *c, enum level floor, int64_t now)
{
	struct policy_verdict v;
	policy_decide(c, floor, now, &v);
	return v;
}

/* C03, P15 */
static void a_proof_holds_to_the_last_second_and_not_longer(void **state)
{
	(void)state;
	struct policy_case c = {.tls = true};
	c.of[PROOF_POSH] = (struct evidence){.outcome = EVIDENCE_PROVES, .not_after = NOW};
	assert_int_equal(decide_at(&c, LEVEL_TRUSTED, NOW).decision, POLICY_ACCEPT);
	assert_int_equal(policy_level(&c, NOW), LEVEL_TRUSTED);
	assert_int_equal(policy_level(&c, NOW + 1), LEVEL_NONE);
	struct policy_verdict v = decide_at(&c, LEVEL_TRUSTED, NOW + 1);
	assert_int_equal(v.decision, POLICY_REFUSE);
	assert_int_equal(v.why.code, ERR_PROOF_OVER);
	/* It says more than what else failed, where it would have been enough. */
	c.of[PROOF_PKIX] =
		(struct evidence){.outcome = EVIDENCE_FAILS, .why = err_make(ERR_CERT_WEAK)};
	assert_int_equal(decide_at(&c, LEVEL_TRUSTED, NOW + 1).why.code, ERR_PROOF_OVER);
	c.of[PROOF_ASKED] = c.of[PROOF_POSH];
	c.of[PROOF_POSH].outcome = EVIDENCE_NONE;
	assert_int_equal(decide_at(&c, LEVEL_TRUSTED, NOW + 1).why.code, ERR_CERT_WEAK);
}

static void a_veto_does_not_run_out(void **state)
{
	(void)state;
	struct policy_case c = {.tls = true};
	c.of[PROOF_PKIX].outcome = EVIDENCE_PROVES;
	c.of[PROOF_DANE] = (struct evidence){.outcome = EVIDENCE_FORBIDS,
		.why = err_make(ERR_DANE_MISMATCH),
		.not_after = NOW - 1000};
	assert_int_equal(decide_at(&c, LEVEL_SECURE, NOW).decision, POLICY_REFUSE);
}

/* C03, DANE-9: what is judged again when */
static void an_acceptance_is_judged_again_when_what_it_rests_on_runs_out(void **state)
{
	(void)state;
	static const struct {
		int64_t dane, pkix, posh, pin, asked; /* 0: for ever; -1: does not prove */
		int64_t want;
	} all[] = {
		{-1, 0, -1, -1, -1, 0},
		{-1, NOW + 9, -1, -1, -1, NOW + 9},
		{-1, NOW, -1, -1, -1, NOW},
		/* another proof that ends earlier is not what it rests on */
		{-1, NOW + 9, NOW + 3, -1, NOW + 2, NOW + 9},
		/* but DANE and pins may turn against it */
		{NOW + 5, NOW + 9, -1, -1, -1, NOW + 5},
		{NOW + 5, NOW + 3, -1, -1, -1, NOW + 5},
		{-1, NOW + 9, -1, NOW + 4, -1, NOW + 4},
		/* what has run out is no date to come */
		{NOW - 5, NOW + 9, -1, -1, -1, NOW + 9},
		{NOW - 5, -1, NOW - 1, -1, NOW + 2, NOW + 2},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct policy_case c = {.tls = true};
		const int64_t dates[] = {
			all[i].dane, all[i].pkix, all[i].posh, all[i].pin, all[i].asked};
		for (int k = 0; k < PROOF_KINDS; k++) {
			if (dates[k] < 0)
				continue;
			c.of[k].outcome = EVIDENCE_PROVES;
			c.of[k].not_after = dates[k];
		}
		struct policy_verdict v = decide_at(&c, LEVEL_SECURE, NOW);
		assert_int_equal(v.decision, POLICY_ACCEPT);
		assert_int_equal(v.judge_again, all[i].want);
	}
}

static void that_there_is_no_dane_holds_for_its_time_too(void **state)
{
	(void)state;
	struct policy_case c = {.tls = true};
	c.of[PROOF_PKIX].outcome = EVIDENCE_PROVES;
	c.of[PROOF_DANE] =
		(struct evidence){.why = err_make(ERR_DANE_NONE), .not_after = NOW + 300};
	assert_int_equal(decide_at(&c, LEVEL_SECURE, NOW).judge_again, NOW + 300);
	c.of[PROOF_DANE].outcome = EVIDENCE_PENDING;
	assert_int_equal(decide_at(&c, LEVEL_SECURE, NOW).judge_again, 0);
}

/* ---- the deadline ---- */

static void what_is_late_proves_nothing_but_dialback_may_still_be_asked(void **state)
{
	(void)state;
	static const struct one all_open = {.tls = true, .said = "?????"};
	struct policy_case c = case_of(&all_open);
	c.of[PROOF_POSH] = (struct evidence){.outcome = EVIDENCE_PROVES};
	policy_give_up_waiting(&c);
	assert_int_equal(c.of[PROOF_DANE].outcome, EVIDENCE_FAILS);
	assert_int_equal(c.of[PROOF_PKIX].outcome, EVIDENCE_FAILS);
	assert_int_equal(c.of[PROOF_PKIX].why.code, ERR_PROOF_LATE);
	assert_int_equal(c.of[PROOF_POSH].outcome, EVIDENCE_PROVES);
	assert_int_equal(c.of[PROOF_PIN].outcome, EVIDENCE_FAILS);
	assert_int_equal(c.of[PROOF_ASKED].outcome, EVIDENCE_PENDING);
	assert_int_equal(decide_at(&c, LEVEL_TRUSTED, NOW).decision, POLICY_ACCEPT);
	c.of[PROOF_POSH].outcome = EVIDENCE_FAILS;
	assert_int_equal(decide_at(&c, LEVEL_TRUSTED, NOW).why.code, ERR_PROOF_LATE);
	struct policy_verdict v = decide_at(&c, LEVEL_SECURE, NOW);
	assert_int_equal(v.decision, POLICY_WAIT);
	assert_int_equal(v.waits_for, 1u << PROOF_ASKED);
}

/* DANE-1, RFC 7673 3.4: blocking the query must not do what no answer could (D04) */
static void tlsa_records_that_dnssec_owes_are_not_given_up(void **state)
{
	(void)state;
	static const struct one open = {.tls = true, .said = "?+..."};
	struct policy_case c = case_of(&open);
	c.of[PROOF_DANE].secure = true;
	policy_give_up_waiting(&c);
	struct policy_verdict v = decide_at(&c, LEVEL_SECURE, NOW);
	assert_int_equal(v.decision, POLICY_REFUSE);
	assert_int_equal(v.why.code, ERR_DANE_FAILED);
	/* No other kind is owed, whatever it rests on. */
	c = case_of(&open);
	c.of[PROOF_DANE].outcome = EVIDENCE_NONE;
	c.of[PROOF_POSH] = (struct evidence){.outcome = EVIDENCE_PENDING, .secure = true};
	policy_give_up_waiting(&c);
	assert_int_equal(decide_at(&c, LEVEL_SECURE, NOW).decision, POLICY_ACCEPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_cases_have_their_verdicts),
		cmocka_unit_test(the_most_telling_reason_is_given),
		cmocka_unit_test(a_proof_holds_to_the_last_second_and_not_longer),
		cmocka_unit_test(a_veto_does_not_run_out),
		cmocka_unit_test(an_acceptance_is_judged_again_when_what_it_rests_on_runs_out),
		cmocka_unit_test(that_there_is_no_dane_holds_for_its_time_too),
		cmocka_unit_test(what_is_late_proves_nothing_but_dialback_may_still_be_asked),
		cmocka_unit_test(tlsa_records_that_dnssec_owes_are_not_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
