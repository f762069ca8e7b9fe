#include "cmd/finding.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static size_t words_in(const char *text)
{
	size_t n = 0;
	for (const char *p = text; *p; p++)
		n += *p != ' ' && (p == text || p[-1] == ' ');
	return n;
}

static void every_finding_has_an_id_of_its_own_and_a_short_sentence(void **state)
{
	(void)state;
	for (int i = 0; i < FINDING_COUNT; i++) {
		const struct finding_row *row = finding_row((enum finding_id)i);
		assert_int_equal(strlen(row->id), 5);
		assert_memory_equal(row->id, "ON-", 3);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(row->id, finding_row((enum finding_id)k)->id);
		if (words_in(row->sentence) > 25)
			fail_msg(
				"%s has a sentence of %zu words", row->id, words_in(row->sentence));
		assert_int_equal(row->sentence[strlen(row->sentence) - 1], '.');
	}
}

/* Who reads a problem must learn what to do; where nothing is wrong there is nothing to do. */
static void every_problem_says_what_to_do_and_for_whom(void **state)
{
	(void)state;
	for (int i = 0; i < FINDING_COUNT; i++) {
		const struct finding_row *row = finding_row((enum finding_id)i);
		assert_int_equal(*row->fix == '\0', row->weight == FINDING_GOOD);
		if (row->weight == FINDING_PROBLEM)
			assert_int_not_equal(row->who, WHO_NOBODY);
	}
}

/* Words that nobody outside the trade knows; record types stand in the records to copy. */
static void sentences_are_free_of_the_words_of_the_trade(void **state)
{
	static const char *const jargon[] = {"SAN", "EKU", "PKIX", "SNI", "RRSIG", "TLSA ", "leaf",
		"fingerprint", "JSON", "HTTP", "STARTTLS", "EXTERNAL"};
	(void)state;
	for (int i = 0; i < FINDING_COUNT; i++) {
		const struct finding_row *row = finding_row((enum finding_id)i);
		for (size_t k = 0; k < sizeof jargon / sizeof *jargon; k++) {
			if (strstr(row->sentence, jargon[k]))
				fail_msg("%s says %s", row->id, jargon[k]);
		}
	}
}

static void a_pattern_is_filled_with_its_words(void **state)
{
	static const struct {
		const char *pattern, *expected;
	} rows[] = {
		{"", ""},
		{"no word", "no word"},
		{"{0} and {1}", "zero and one"},
		{"{1}{1}", "oneone"},
		{"{3}: there is none", "?: there is none"},
		{"{4} {x} {", "{4} {x} {"},
	};
	static const char *const words[FINDING_WORDS] = {"zero", "one", "two", NULL};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char out[64];
		finding_fill(rows[i].pattern, words, out, sizeof out);
		assert_string_equal(out, rows[i].expected);
	}
}

static void what_does_not_fit_is_cut(void **state)
{
	static const char *const words[FINDING_WORDS] = {"a long word"};
	char out[8];
	(void)state;
	finding_fill("-{0}-", words, out, sizeof out);
	assert_string_equal(out, "-a long");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_finding_has_an_id_of_its_own_and_a_short_sentence),
		cmocka_unit_test(every_problem_says_what_to_do_and_for_whom),
		cmocka_unit_test(sentences_are_free_of_the_words_of_the_trade),
		cmocka_unit_test(a_pattern_is_filled_with_its_words),
		cmocka_unit_test(what_does_not_fit_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
