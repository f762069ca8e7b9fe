/* The fuzz target's dialogues without a fuzzer: its seeds as they are, and torn and joined at
 * random. A broken invariant aborts (tests/fuzz/stream_fuzz.c says which there are). */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../fuzz/stream_fuzz.c"

#define SEED_DIR "tests/fuzz/corpus/stream"

enum { SEEDS_MAX = 64, SEED_BYTES = 8192, ROUNDS = 30000 };

static uint8_t seeds[SEEDS_MAX][SEED_BYTES];
static size_t lengths[SEEDS_MAX], count;

static int read_seeds(void **state)
{
	(void)state;
	DIR *dir = opendir(SEED_DIR);
	assert(dir);
	for (struct dirent *d; (d = readdir(dir)) && count < SEEDS_MAX;) {
		char path[512];
		snprintf(path, sizeof path, SEED_DIR "/%s", d->d_name);
		FILE *f = d->d_name[0] == '.' ? NULL : fopen(path, "rb");
		if (!f)
			continue;
		lengths[count] = fread(seeds[count], 1, SEED_BYTES, f);
		count += lengths[count] > 5;
		fclose(f);
	}
	closedir(dir);
	return count >= 10 ? 0 : -1;
}

static void every_seed_keeps_the_invariants_whatever_the_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < count; i++) {
		for (unsigned script = 0; script < 4096; script++) {
			uint32_t bits = script * 0x9E3779B1U;
			memcpy(seeds[i] + 1, script < 256 ? &script : &bits, 4);
			(void)LLVMFuzzerTestOneInput(seeds[i], lengths[i]);
		}
	}
}

static uint32_t next_random(uint64_t *x)
{
	*x ^= *x >> 12;
	*x ^= *x << 25;
	*x ^= *x >> 27;
	return (uint32_t)((*x * 0x2545F4914F6CDD1DULL) >> 32);
}

/* Where an element, a header or something that happens begins. */
static size_t seam(uint64_t *x, const uint8_t *text, size_t len)
{
	size_t at = 5 + next_random(x) % (len - 5);
	while (at < len && text[at] != '<' && (text[at] == 0 || text[at] > 4))
		at++;
	return at;
}

/* A piece of one seed, from seam to seam, behind what is there already. */
static size_t append_piece(uint64_t *x, uint8_t *out, size_t n, size_t size)
{
	size_t from = next_random(x) % count;
	size_t a = seam(x, seeds[from], lengths[from]);
	size_t b = seam(x, seeds[from], lengths[from]);
	if (a < b && n + (b - a) + 1 < size) {
		memcpy(out + n, seeds[from] + a, b - a);
		n += b - a;
	}
	if (next_random(x) % 2)
		out[n++] = (uint8_t)(1 + next_random(x) % 3);
	return n;
}

static void seeds_torn_and_joined_keep_the_invariants(void **state)
{
	(void)state;
	uint64_t x = 0x2127599BF4325C37ULL;
	for (unsigned round = 0; round < ROUNDS; round++) {
		static uint8_t text[4 * SEED_BYTES];
		size_t first = next_random(&x) % count;
		size_t n = seam(&x, seeds[first], lengths[first]);
		uint32_t script = next_random(&x);
		memcpy(text, seeds[first], n);
		memcpy(text + 1, &script, 4);
		for (unsigned pieces = next_random(&x) % 8; pieces; pieces--)
			n = append_piece(&x, text, n, sizeof text);
		(void)LLVMFuzzerTestOneInput(text, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_seed_keeps_the_invariants_whatever_the_verdicts),
		cmocka_unit_test(seeds_torn_and_joined_keep_the_invariants),
	};
	return cmocka_run_group_tests(tests, read_seeds, NULL);
}
