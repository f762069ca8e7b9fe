/* What the scanner takes, libxml2 and expat take and see alike (X14): names, attributes, text,
 * nesting, cut points. The fuzz target looks further, this holds what is known. */
#include "scancorpus.h"
#include "scandiff.h"
#include "scangen.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static bool agreed(const char *title, struct slice stream)
{
	struct scanplay play;
	bool same = scanplay_every_way(&play, &scan_limits_proven, stream);
	const char *bad = same ? scandiff(&play, stream) : "another split, other events";
	scanplay_fini(&play);
	if (bad)
		print_error("%s: %s\n", title, bad);
	return !bad;
}

static size_t differing(const struct scan_case *cases, size_t count)
{
	size_t wrong = 0;
	for (size_t i = 0; i < count; i++)
		wrong += !agreed(cases[i].title, cases[i].stream);
	return wrong;
}

static void all_see_the_good_streams_alike(void **state)
{
	(void)state;
	assert_int_equal(differing(scan_corpus_good, scan_corpus_good_count), 0);
}

static void all_see_alike_what_was_taken_of_the_bad_streams(void **state)
{
	(void)state;
	assert_int_equal(differing(scan_corpus_bad, scan_corpus_bad_count), 0);
}

static void random_streams_are_taken_whole_and_seen_alike(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		struct scangen gen = {.seed = seed};
		struct scanplay play;
		struct buf stream;
		buf_init(&stream, BUF_UNLIMITED);
		scangen_header(&gen, &stream);
		for (int i = 0; i < 4; i++)
			scangen_element(&gen, &stream);
		scangen_end(&stream);
		scanplay_run(&play, &scan_limits_proven, buf_peek(&stream), FEED_RANDOM, seed);
		if (!play.ended || scandiff(&play, buf_peek(&stream)))
			fail_msg("seed %u: %s", (unsigned)seed, buf_cstr(&stream));
		scanplay_fini(&play);
		buf_fini(&stream);
	}
}

/* The seeds of the fuzzer: their first byte is for it. */
static size_t read_seed(const char *name, char *out, size_t size)
{
	char path[512];
	snprintf(path, sizeof path, "tests/fuzz/corpus/scan/%s", name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	size_t n = fread(out, 1, size, f);
	fclose(f);
	return n;
}

static void all_see_the_seeds_of_the_fuzzer_alike(void **state)
{
	static char bytes[65536];
	size_t seen = 0, wrong = 0;
	(void)state;
	DIR *dir = opendir("tests/fuzz/corpus/scan");
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		size_t n = read_seed(entry->d_name, bytes, sizeof bytes);
		struct buf stream;
		buf_init(&stream, BUF_UNLIMITED);
		(void)buf_append_str(&stream, bytes[0] & 0x80 ? USUAL : "");
		(void)buf_append(&stream, slice_of(bytes + 1, n - 1));
		wrong += !agreed(entry->d_name, buf_peek(&stream));
		buf_fini(&stream);
		seen++;
	}
	closedir(dir);
	assert_int_equal(wrong, 0);
	assert_true(seen > 50);
}

/* The check itself must be able to fail. */
static void a_wrong_cut_or_name_is_noticed(void **state)
{
	static const char stream[] = USUAL "<a/><b/>";
	(void)state;
	struct scanplay play;
	scanplay_run(&play, &scan_limits_proven, slice_str(stream), FEED_WHOLE, 0);
	assert_null(scandiff(&play, slice_str(stream)));
	play.cuts.data[0]++;
	assert_non_null(scandiff(&play, slice_str(stream)));
	play.cuts.data[0]--;
	play.tops.data[play.tops.end - 2]++;
	assert_non_null(scandiff(&play, slice_str(stream)));
	play.tops.data[play.tops.end - 2]--;
	play.judged--;
	assert_non_null(scandiff(&play, slice_str(stream)));
	scanplay_fini(&play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_see_the_good_streams_alike),
		cmocka_unit_test(all_see_alike_what_was_taken_of_the_bad_streams),
		cmocka_unit_test(random_streams_are_taken_whole_and_seen_alike),
		cmocka_unit_test(all_see_the_seeds_of_the_fuzzer_alike),
		cmocka_unit_test(a_wrong_cut_or_name_is_noticed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
