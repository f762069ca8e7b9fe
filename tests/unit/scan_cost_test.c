/* What a dribble costs (X20): 512 KiB that come byte by byte, in every place where a parser may be
 * tempted to start over. The caps are lifted, so that only the scanner's own way of working keeps
 * the cost down; then, with the caps as they are, it closes at the cap. */
#include "scancorpus.h"
#include "xmpp/scan.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

enum { HALF = 256 * 1024, FULL = 512 * 1024, RUNS = 9, ROUNDS = 5 };

static const struct scan_limits lifted = {
	1u << 30, 1u << 30, 1u << 30, 1u << 30, 1u << 30, 1u << 30};

/* Sanitizers and valgrind make everything slower: then the growth alone is judged. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW 1
#elif defined(__has_feature)
#define SLOW (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SLOW 0
#endif

#if SLOW
static const double allowed_ms = 1000;
#else
static const double allowed_ms = 50;
#endif

struct dribble {
	const char *title;
	const char *start, *unit, *end; /* unit "#": attributes with names of their own */
	enum err_code capped;           /* with the caps as they are: what, */
	size_t cap;                     /* and at how many bytes of the element */
};

static const struct dribble dribbles[] = {
	{"an attribute of '>'", "<m a='", ">", "'/>", ERR_XML_TAG_SIZE, 16384},
	{"an attribute of text", "<m a='", "x", "'/>", ERR_XML_TAG_SIZE, 16384},
	{"an attribute of entities", "<m a='", "&amp;", "'/>", ERR_XML_TAG_SIZE, 16384},
	{"a start tag of white space", "<m", " ", "/>", ERR_XML_TAG_SIZE, 16384},
	{"a start tag of one long name", "<m", "m", "/>", ERR_XML_TAG_SIZE, 16384},
	{"a start tag of attributes", "<m", "#", "/>", ERR_XML_ATTRS, 0},
	{"text", "<m>", "x", "</m>", ERR_STANZA_SIZE, 524288},
	{"text of '>'", "<m>", ">", "</m>", ERR_STANZA_SIZE, 524288},
	{"text of brackets", "<m>", "]", "</m>", ERR_STANZA_SIZE, 524288},
	{"text beyond ASCII", "<m>", "\xe2\x82\xac", "</m>", ERR_STANZA_SIZE, 524288},
	{"entities", "<m>", "&lt;", "</m>", ERR_STANZA_SIZE, 524288},
	{"character references", "<m>", "&#x20AC;", "</m>", ERR_STANZA_SIZE, 524288},
	{"CDATA", "<m><![CDATA[", "]>", "]]></m>", ERR_STANZA_SIZE, 524288},
	{"children", "<m>", "<a/>", "</m>", ERR_STANZA_SIZE, 524288},
	{"an end tag of white space", "<m></m", " ", ">", ERR_STANZA_SIZE, 524288},
};

static void build(struct buf *out, const struct dribble *d, size_t bytes)
{
	(void)buf_append_str(out, d->start);
	for (unsigned i = 0; buf_len(out) < bytes; i++) {
		if (strcmp(d->unit, "#") == 0)
			(void)buf_printf(out, " a%x=''", i);
		else
			(void)buf_append_str(out, d->unit);
	}
	(void)buf_append_str(out, d->end);
}

static double cpu_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct scan *open_stream(const struct scan_limits *limits)
{
	struct scan *s = scan_new(limits);
	struct slice header = SLICE_LIT(USUAL);
	assert_int_equal(scan_next(s, &header), SCAN_HEADER);
	return s;
}

/* Feeds byte by byte; how many were taken before an event. */
static size_t dribble(struct scan *s, struct slice bytes, enum scan_event *event)
{
	*event = SCAN_MORE;
	for (size_t i = 0; i < bytes.len; i++) {
		struct slice one = slice_sub(bytes, i, i + 1);
		*event = scan_next(s, &one);
		if (*event != SCAN_MORE)
			return i + 1 - one.len;
	}
	return bytes.len;
}

static double cost_ms(const struct dribble *d, size_t bytes)
{
	struct buf stanza;
	enum scan_event event;
	buf_init(&stanza, BUF_UNLIMITED);
	build(&stanza, d, bytes);
	struct scan *s = open_stream(&lifted);
	double before = cpu_ms();
	size_t taken = dribble(s, buf_peek(&stanza), &event);
	double spent = cpu_ms() - before;
	assert_int_equal(event, SCAN_ELEMENT);
	assert_int_equal(taken, buf_len(&stanza));
	scan_free(s);
	buf_fini(&stanza);
	return spent;
}

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The medians of several runs, both sizes in turn: what else the machine does hits both. */
static void measure(const struct dribble *d, double *half, double *full)
{
	double halves[RUNS], fulls[RUNS];
	for (int i = 0; i < RUNS; i++) {
		halves[i] = cost_ms(d, HALF);
		fulls[i] = cost_ms(d, FULL);
	}
	qsort(halves, RUNS, sizeof *halves, order);
	qsort(fulls, RUNS, sizeof *fulls, order);
	*half = halves[RUNS / 2];
	*full = fulls[RUNS / 2];
}

/* A quadratic scanner never passes; a linear one gets another round when the machine was busy. */
static bool is_cheap(const struct dribble *d)
{
	double half = 0, full = 0;
	for (int round = 0; round < ROUNDS; round++) {
		measure(d, &half, &full);
		if (full <= allowed_ms && full <= 2.2 * half)
			break;
	}
	bool cheap = full <= allowed_ms && full <= 2.2 * half;
	print_message("  %-28s 256 KiB %5.2f ms, 512 KiB %5.2f ms, x%.2f%s\n", d->title, half, full,
		full / half, cheap ? "" : " TOO MUCH");
	return cheap;
}

static void half_a_mebibyte_byte_by_byte_costs_little_and_grows_linearly(void **state)
{
	size_t dear = 0;
	(void)state;
	for (size_t i = 0; i < sizeof dribbles / sizeof *dribbles; i++)
		dear += !is_cheap(&dribbles[i]);
	assert_int_equal(dear, 0);
}

/* X23: as many bindings in scope as there may be, and names that are bound by the first of them. */
static void names_under_all_bindings_there_may_be_cost_little(void **state)
{
	struct buf stanza;
	double spent[RUNS];
	(void)state;
	buf_init(&stanza, BUF_UNLIMITED);
	for (int level = 0; level < 4; level++) {
		(void)buf_append_str(&stanza, "<m");
		for (int i = 0; i < 64; i++)
			(void)buf_printf(
				&stanza, " xmlns:%c%02x='urn:x'", 'a' + level, (unsigned)i);
		(void)buf_append_str(&stanza, ">");
	}
	while (buf_len(&stanza) < FULL - 64)
		(void)buf_append_str(&stanza, "<a00:m/>");
	(void)buf_append_str(&stanza, "</m></m></m></m>");
	for (int i = 0; i < RUNS; i++) {
		struct scan *s = open_stream(&scan_limits_proven);
		struct slice in = buf_peek(&stanza);
		double before = cpu_ms();
		assert_int_equal(scan_next(s, &in), SCAN_ELEMENT);
		spent[i] = cpu_ms() - before;
		scan_free(s);
	}
	qsort(spent, RUNS, sizeof *spent, order);
	print_message("  names under 256 bindings     512 KiB %5.2f ms\n", spent[RUNS / 2]);
	/* A hostile connection may cost 50 ms for each 64 KiB it sends. */
	assert_true(spent[RUNS / 2] <= allowed_ms * 8);
	buf_fini(&stanza);
}

static void with_the_usual_caps_a_dribble_ends_at_the_cap(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof dribbles / sizeof *dribbles; i++) {
		const struct dribble *d = &dribbles[i];
		struct buf stanza;
		enum scan_event event;
		buf_init(&stanza, BUF_UNLIMITED);
		build(&stanza, d, 2 * FULL);
		struct scan *s = open_stream(&scan_limits_proven);
		size_t taken = dribble(s, buf_peek(&stanza), &event);
		assert_int_equal(event, SCAN_ERROR);
		assert_int_equal(scan_error(s).code, d->capped);
		if (d->cap)
			assert_int_equal(taken, d->cap);
		else
			assert_true(taken < 16384);
		scan_free(s);
		buf_fini(&stanza);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_a_mebibyte_byte_by_byte_costs_little_and_grows_linearly),
		cmocka_unit_test(names_under_all_bindings_there_may_be_cost_little),
		cmocka_unit_test(with_the_usual_caps_a_dribble_ends_at_the_cap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
