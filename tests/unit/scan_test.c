/* The scanner on the corpus, fed in every way (X13): good streams and bad ones (ST-8, ST-9). */
#include "scancorpus.h"
#include "scanplay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static bool right(const struct scan_case *c)
{
	struct scanplay play;
	bool same = scanplay_every_way(&play, &scan_limits_proven, c->stream);
	bool as_told = slice_eq_str(buf_peek(&play.summary), c->expect);
	if (!same)
		print_error("%s %s: another split, other events\n", c->id, c->title);
	if (!as_told)
		print_error("%s %s:\nwanted %s\ngot %s\n", c->id, c->title, c->expect,
			buf_cstr(&play.summary));
	scanplay_fini(&play);
	return same && as_told;
}

static size_t wrong_of(const struct scan_case *cases, size_t count)
{
	size_t wrong = 0;
	for (size_t i = 0; i < count; i++)
		wrong += !right(&cases[i]);
	return wrong;
}

static void good_streams_are_told_alike_at_every_split(void **state)
{
	(void)state;
	assert_int_equal(wrong_of(scan_corpus_good, scan_corpus_good_count), 0);
}

static void bad_streams_are_refused_at_the_same_byte_at_every_split(void **state)
{
	(void)state;
	assert_int_equal(wrong_of(scan_corpus_bad, scan_corpus_bad_count), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_streams_are_told_alike_at_every_split),
		cmocka_unit_test(bad_streams_are_refused_at_the_same_byte_at_every_split),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
