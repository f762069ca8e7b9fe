/* When proofs are found out anew, and how long one is believed that cannot be. */
#include "core/renewal.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { NOW = 1800000000 };

static void prove(struct renewal *r, enum proof_kind by, int64_t until, int64_t again, int64_t now)
{
	const struct renewal_proof p = {.by = by, .until = until, .again = again};
	renewal_proven(r, &p, now);
}

static void a_proof_is_judged_again_when_it_has_run_out(void **state)
{
	(void)state;
	struct renewal r = {0};
	prove(&r, PROOF_PKIX, NOW + 60, NOW + 60, NOW);
	assert_false(renewal_is_due(&r, NOW + 60));
	assert_true(renewal_is_due(&r, NOW + 61));
	prove(&r, PROOF_PKIX, 0, 0, NOW);
	assert_false(renewal_is_due(&r, INT64_MAX));
}

/* DANE-9: max(TTL, 1 h) */
static void records_of_dns_are_looked_at_after_their_ttl_but_not_within_the_hour(void **state)
{
	(void)state;
	assert_int_equal(renewal_of_dns(0, NOW), NOW + 3600);
	assert_int_equal(renewal_of_dns(3599, NOW), NOW + 3600);
	assert_int_equal(renewal_of_dns(7200, NOW), NOW + 7200);
	assert_int_equal(renewal_of_dns(UINT32_MAX, NOW), (int64_t)NOW + UINT32_MAX);
}

/* P15: each row differs in the proof, how long it holds, or what else there is to mind. */
static void only_for_a_document_is_another_looked_for_before_it_ends(void **state)
{
	(void)state;
	static const struct {
		const char *title;
		enum proof_kind by;
		int64_t until_s, again_s, due_s;
	} rows[] = {
		{"a document: three quarters", PROOF_POSH, 3600, 3600, 2700},
		{"an hour ahead at most", PROOF_POSH, 86400, 86400, 82800},
		{"the shortest", PROOF_POSH, 60, 60, 45},
		{"DNS was silent: it is asked again before", PROOF_POSH, 86400, 600, 600},
		{"a certificate stays the same", PROOF_PKIX, 3600, 3600, 3600},
		{"records have their own time", PROOF_DANE, 3600, 3600, 3600},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct renewal r = {0};
		print_message("           %s\n", rows[i].title);
		prove(&r, rows[i].by, NOW + rows[i].until_s, NOW + rows[i].again_s, NOW);
		assert_int_equal(r.due - NOW, rows[i].due_s);
	}
}

/* P15, POSH-6, RFC 7711 6 */
static void a_document_without_a_next_is_believed_to_its_end_and_no_longer(void **state)
{
	(void)state;
	static const int64_t pauses[] = {30, 60, 120, 240, 480, 600};
	struct renewal r = {0};
	int64_t end = NOW + 86400, now;
	prove(&r, PROOF_POSH, end, end, NOW);
	now = r.due;
	for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
		/* The same document, told a little differently. */
		prove(&r, PROOF_POSH, end + (int64_t)(i % 3) - 1, end, now);
		assert_int_equal(r.due - now, pauses[i]);
		now = r.due;
	}
	for (int i = 0; now < end; i++) {
		assert_in_range(i, 0, 20);
		assert_false(renewal_is_over(&r, now));
		prove(&r, PROOF_POSH, end, end, now);
		assert_in_range(r.due, now + 1, end);
		now = r.due;
	}
	assert_false(renewal_is_over(&r, end));
	assert_true(renewal_is_over(&r, end + 1));
	assert_false(renewal_put_off(&r, end + 1));
}

static void a_next_document_begins_anew(void **state)
{
	(void)state;
	struct renewal r = {0};
	prove(&r, PROOF_POSH, NOW + 3600, NOW + 3600, NOW);
	prove(&r, PROOF_POSH, NOW + 3600, NOW + 3600, NOW + 2701);
	prove(&r, PROOF_POSH, NOW + 2710 + 3600, NOW + 2710 + 3600, NOW + 2710);
	assert_int_equal(r.due, NOW + 2710 + 2700);
	/* Also one that holds for less, and a reload in between is no attempt. */
	prove(&r, PROOF_POSH, NOW + 2710 + 600, NOW + 2710 + 600, NOW + 2710);
	assert_int_equal(r.due, NOW + 2710 + 450);
	prove(&r, PROOF_POSH, NOW + 2710 + 600, NOW + 2710 + 600, NOW + 2720);
	assert_int_equal(r.due, NOW + 2710 + 450);
}

/* DANE-9: the one proof that is believed beyond its time. */
static void records_that_cannot_be_had_are_tried_with_growing_pauses_for_an_hour(void **state)
{
	(void)state;
	static const int64_t pauses[] = {30, 60, 120, 240, 480, 600, 600, 600, 600, 270};
	struct renewal r = {0};
	int64_t now = NOW;
	prove(&r, PROOF_DANE, NOW - 1, NOW - 1, NOW - 3601);
	for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
		assert_false(renewal_is_over(&r, now));
		assert_true(renewal_put_off(&r, now));
		assert_int_equal(r.due - now, pauses[i]);
		assert_int_equal(renewal_left(&r, now), NOW + 3600 - now);
		assert_false(renewal_is_due(&r, r.due));
		now = r.due;
	}
	assert_int_equal(now, NOW + 3600);
	assert_false(renewal_put_off(&r, now));
	/* Once proven again, the next trouble has an hour of its own. */
	prove(&r, PROOF_DANE, now + 3600, now + 3600, now);
	assert_true(renewal_put_off(&r, now + 10));
	assert_int_equal(r.due, now + 10 + 30);
}

/* Each row: how long something else may stand in the way of a proof that is good. */
static void what_stands_in_the_way_is_waited_for_no_longer_than_the_proof_holds(void **state)
{
	(void)state;
	static const struct {
		enum proof_kind by;
		int64_t until_s, end_s;
	} rows[] = {{PROOF_PKIX, 600, 600}, {PROOF_PKIX, 7200, 3600}, {PROOF_PKIX, 0, 3600},
		{PROOF_PIN, 600, 600}, {PROOF_POSH, 600, 600}, {PROOF_POSH, 7200, 7200},
		{PROOF_DANE, 600, 3600}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct renewal r = {0};
		int64_t until = rows[i].until_s ? NOW + rows[i].until_s : 0;
		prove(&r, rows[i].by, until, until, NOW);
		assert_true(renewal_put_off(&r, NOW));
		assert_true(renewal_put_off(&r, NOW + rows[i].end_s - 1));
		assert_int_equal(r.due, NOW + rows[i].end_s);
		assert_false(renewal_put_off(&r, NOW + rows[i].end_s));
	}
}

/* F04 */
static void a_clock_that_leaps_back_gives_an_hour_and_no_more(void **state)
{
	(void)state;
	struct renewal r = {.by = PROOF_DANE};
	assert_true(renewal_put_off(&r, NOW));
	assert_true(renewal_put_off(&r, NOW - 100000));
	assert_int_equal(r.due, NOW - 100000 + 30);
	assert_false(renewal_put_off(&r, NOW - 100000 + 3600));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proof_is_judged_again_when_it_has_run_out),
		cmocka_unit_test(
			records_of_dns_are_looked_at_after_their_ttl_but_not_within_the_hour),
		cmocka_unit_test(only_for_a_document_is_another_looked_for_before_it_ends),
		cmocka_unit_test(a_document_without_a_next_is_believed_to_its_end_and_no_longer),
		cmocka_unit_test(a_next_document_begins_anew),
		cmocka_unit_test(
			records_that_cannot_be_had_are_tried_with_growing_pauses_for_an_hour),
		cmocka_unit_test(
			what_stands_in_the_way_is_waited_for_no_longer_than_the_proof_holds),
		cmocka_unit_test(a_clock_that_leaps_back_gives_an_hour_and_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
