/* The scanner's limits: exact, and met while bytes arrive, never at an element's end (ST-16). */
#include "scancorpus.h"
#include "scanplay.h"
#include "xmpp/scan_inside.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* start, then `unit` as often as makes it `bytes` long with the end, then the end. A unit of
 * several bytes is cut where the length asks for it, so only limits may be tested with it. */
static void build(
	struct buf *out, const char *start, const char *unit, const char *end, size_t bytes)
{
	size_t fixed = strlen(start) + strlen(end), len = strlen(unit);
	assert_true(fixed <= bytes);
	(void)buf_append_str(out, start);
	for (size_t i = 0; i < bytes - fixed; i++)
		(void)buf_append(out, slice_of(unit + i % len, 1));
	(void)buf_append_str(out, end);
}

static void expect(const char *title, const struct scan_limits *limits, const struct buf *stream,
	enum err_code error, size_t taken)
{
	struct scanplay play;
	bool same = scanplay_every_way(&play, limits, buf_peek(stream));
	if (!same || play.error != error || play.taken != taken)
		fail_msg("%s: %s at %zu, wanted %s at %zu%s", title, err_row(play.error)->symbol,
			play.taken, err_row(error)->symbol, taken, same ? "" : "; splits differ");
	scanplay_fini(&play);
}

/* Builds exactly limit - 1, limit and limit + 1 bytes: only the last is refused, at the limit. */
static void expect_limit(const char *title, const struct scan_limits *limits, const char *before,
	const char *const parts[3], size_t limit, enum err_code error)
{
	for (size_t bytes = limit - 1; bytes <= limit + 1; bytes++) {
		struct buf stream;
		buf_init(&stream, BUF_UNLIMITED);
		(void)buf_append_str(&stream, before);
		build(&stream, parts[0], parts[1], parts[2], bytes);
		size_t all = buf_len(&stream);
		bool over = bytes > limit;
		expect(title, limits, &stream, over ? error : ERR_OK, over ? all - 1 : all);
		buf_fini(&stream);
	}
}

static void an_element_of_the_limit_is_taken_and_one_byte_more_is_not(void **state)
{
	static const char *const shapes[][3] = {
		{"<m>", "x", "</m>"},
		{"<m>", "]", "</m>"},
		{"<m>\xc3\xa9", "x", "\xf0\x9f\x98\x80</m>"},
		{"<m><![CDATA[", "<", "]]></m>"},
		{"<m>&amp;", "x", "</m>"},
		{"<m><a/>", "x", "<a/></m>"},
		{"<m><a b='", "x", "'/></m>"},
		{"<m></m", " ", ">"},
	};
	struct scan_limits small = scan_limits_stranger;
	(void)state;
	small.max_element_bytes = 1000;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
		expect_limit(shapes[i][0], &small, USUAL, shapes[i], 1000, ERR_STANZA_SIZE);
	/* X25, the limits as they are: RFC 6120 13.12 wants at least 10000. */
	expect_limit("stranger", &scan_limits_stranger, USUAL, shapes[0], 16384, ERR_STANZA_SIZE);
	expect_limit("proven", &scan_limits_proven, USUAL, shapes[0], 524288, ERR_STANZA_SIZE);
}

static void each_element_has_the_whole_limit(void **state)
{
	struct scan_limits small = scan_limits_stranger;
	struct buf stream;
	(void)state;
	small.max_element_bytes = 100;
	buf_init(&stream, BUF_UNLIMITED);
	(void)buf_append_str(&stream, USUAL);
	for (int i = 0; i < 10; i++) {
		build(&stream, "<m>", "x", "</m>", 100);
		build(&stream, "", " ", "", 300);
	}
	expect("ten", &small, &stream, ERR_OK, buf_len(&stream));
	buf_fini(&stream);
}

static void a_header_of_the_limit_is_taken_and_one_byte_more_is_not(void **state)
{
	static const char *const shapes[][3] = {
		{"<a b='", "x", "'>"},
		{"<a b='", ">", "'>"},
		{"<a", " ", ">"},
		{"<a", "a", ">"},
		{"<a ", "a", "=''>"},
		{"<?xml version='1.0'?><a b='", "x", "'>"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		expect_limit(
			shapes[i][0], &scan_limits_stranger, "", shapes[i], 8192, ERR_XML_TAG_SIZE);
		expect_limit(
			shapes[i][0], &scan_limits_proven, "", shapes[i], 8192, ERR_XML_TAG_SIZE);
	}
}

static void a_start_tag_of_the_limit_is_taken_and_one_byte_more_is_not(void **state)
{
	static const char *const shapes[][3] = {
		{"<a b='", "x", "'/>"},
		{"<a b='", ">", "'/>"},
		{"<a b='&amp;", "x", "&lt;'/>"},
		{"<a", " ", "/>"},
		{"<a", "a", "/>"},
		{"<a ", "a", "=''/>"},
		{"<a b", " ", "=''/>"},
		{"<a b=", " ", "''/>"},
	};
	struct scan_limits small = scan_limits_proven;
	(void)state;
	small.max_tag_bytes = 500;
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		expect_limit(shapes[i][0], &small, USUAL, shapes[i], 500, ERR_XML_TAG_SIZE);
		expect_limit(shapes[i][0], &small, USUAL "<m>x", shapes[i], 500, ERR_XML_TAG_SIZE);
	}
	expect_limit("proven", &scan_limits_proven, USUAL, shapes[1], 16384, ERR_XML_TAG_SIZE);
}

/* A reference is part of its value: a tag is not longer for ending in one. */
static void a_reference_does_not_stretch_the_tag(void **state)
{
	struct scan_limits small = scan_limits_proven;
	(void)state;
	small.max_tag_bytes = 50;
	for (size_t bytes = 40; bytes < 50; bytes++) {
		struct buf stream;
		buf_init(&stream, BUF_UNLIMITED);
		(void)buf_append_str(&stream, USUAL);
		build(&stream, "<a b='", "x", "&#x10FFFF;&#x10FFFF;", bytes + 20);
		expect("reference", &small, &stream, ERR_XML_TAG_SIZE, sizeof USUAL - 1 + 50);
		buf_fini(&stream);
	}
}

/* ---- counts ---- */

static void put_counted(
	struct buf *out, const char *format_head, unsigned from, unsigned count, const char *tail)
{
	for (unsigned i = from; i < from + count; i++)
		(void)buf_printf(out, " %s%u%s", format_head, i, tail);
}

static void tag_with(struct buf *out, unsigned attrs, unsigned declarations, const char *end)
{
	(void)buf_append_str(out, "<m");
	put_counted(out, "xmlns:n", 0, declarations, "='urn:x'");
	put_counted(out, "a", 0, attrs, "=''");
	(void)buf_append_str(out, end);
}

static void attributes_and_declarations_are_counted(void **state)
{
	static const struct {
		const char *title;
		const struct scan_limits *limits;
		unsigned attrs, declarations;
		enum err_code error;
	} rows[] = {
		{"X22 all attributes there may be", &scan_limits_proven, 256, 0, ERR_OK},
		{"X22 one attribute more", &scan_limits_proven, 257, 0, ERR_XML_ATTRS},
		{"X22 all a stranger may have", &scan_limits_stranger, 32, 0, ERR_OK},
		{"X22 one more", &scan_limits_stranger, 33, 0, ERR_XML_ATTRS},
		{"X23 all declarations there may be", &scan_limits_proven, 0, 64, ERR_OK},
		{"X23 one declaration more", &scan_limits_proven, 0, 65, ERR_XML_ATTRS},
		{"X23 all a stranger may have", &scan_limits_stranger, 0, 16, ERR_OK},
		{"X23 one more", &scan_limits_stranger, 0, 17, ERR_XML_ATTRS},
		{"X23 all of both", &scan_limits_proven, 256, 64, ERR_OK},
		{"X23 declarations do not make room for attributes", &scan_limits_proven, 257, 63,
			ERR_XML_ATTRS},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf stream;
		buf_init(&stream, BUF_UNLIMITED);
		(void)buf_append_str(&stream, USUAL);
		tag_with(&stream, rows[i].attrs, rows[i].declarations, "/>");
		size_t all = buf_len(&stream);
		expect(rows[i].title, rows[i].limits, &stream, rows[i].error,
			rows[i].error == ERR_OK ? all : all - 1);
		buf_fini(&stream);
	}
}

/* X22: not at the tag's end but when there are more than both limits together. */
static void endless_attributes_are_not_waited_for(void **state)
{
	struct buf stream;
	(void)state;
	buf_init(&stream, BUF_UNLIMITED);
	(void)buf_append_str(&stream, USUAL);
	tag_with(&stream, 256 + 64, 0, "");
	size_t all = buf_len(&stream) + 1;
	(void)buf_append_str(&stream, " b='' c=''");
	expect("endless", &scan_limits_proven, &stream, ERR_XML_ATTRS, all);
	buf_fini(&stream);
}

static void declarations_in_scope_are_counted(void **state)
{
	(void)state;
	for (unsigned extra = 0; extra < 2; extra++) {
		struct buf stream;
		buf_init(&stream, BUF_UNLIMITED);
		(void)buf_append_str(&stream, USUAL);
		for (unsigned level = 0; level < 4; level++)
			tag_with(&stream, 0, level < 3 ? 64 : 63, "><x xmlns='urn:gone'/>");
		/* What a closed element declared is in scope no more: one is left after four `x`.
		 */
		tag_with(&stream, 0, 1, ">");
		tag_with(&stream, 0, extra, "/>");
		size_t all = buf_len(&stream);
		expect("X23", &scan_limits_proven, &stream, extra ? ERR_XML_ATTRS : ERR_OK,
			extra ? all - 1 : all);
		buf_fini(&stream);
	}
}

static void nest(struct buf *out, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		(void)buf_append_str(out, "<m>");
	for (unsigned i = 0; i < depth; i++)
		(void)buf_append_str(out, "</m>");
}

static void depth_is_counted(void **state)
{
	(void)state;
	for (unsigned depth = 15; depth <= 65; depth++) {
		struct buf stream;
		buf_init(&stream, BUF_UNLIMITED);
		(void)buf_append_str(&stream, USUAL);
		nest(&stream, depth);
		size_t start = sizeof USUAL - 1, all = buf_len(&stream);
		expect("X24 proven", &scan_limits_proven, &stream,
			depth > 64 ? ERR_XML_DEPTH : ERR_OK, depth > 64 ? start + 64 * 3 + 2 : all);
		expect("X24 stranger", &scan_limits_stranger, &stream,
			depth > 16 ? ERR_XML_DEPTH : ERR_OK, depth > 16 ? start + 16 * 3 + 2 : all);
		buf_fini(&stream);
	}
}

/* X24: nothing is recursive: a hundred thousand levels need no stack. */
static void depth_needs_no_stack(void **state)
{
	struct scan_limits lifted = {1 << 24, 8192, 8192, 1 << 20, 16, 16};
	struct scanplay play;
	struct buf stream;
	(void)state;
	buf_init(&stream, BUF_UNLIMITED);
	(void)buf_append_str(&stream, USUAL);
	nest(&stream, 100000);
	scanplay_run(&play, &lifted, buf_peek(&stream), FEED_RANDOM, 1);
	assert_int_equal(play.error, ERR_OK);
	assert_int_equal(play.events, 2);
	scanplay_fini(&play);
	buf_fini(&stream);
}

/* ---- the scanner as an object ---- */

static enum scan_event give(struct scan *s, const char *text)
{
	struct slice in = slice_str(text);
	return scan_next(s, &in);
}

static void new_limits_hold_from_the_next_byte_on(void **state)
{
	struct scan_limits tight = scan_limits_proven, wide = scan_limits_proven;
	(void)state;
	tight.max_element_bytes = 8;
	wide.max_element_bytes = 20;
	struct scan *s = scan_new(&wide);
	assert_int_equal(give(s, USUAL), SCAN_HEADER);
	assert_int_equal(give(s, "<m>4567890"), SCAN_MORE);
	scan_set_limits(s, &tight); /* below what is held already */
	assert_int_equal(give(s, "1"), SCAN_ERROR);
	assert_int_equal(scan_error(s).code, ERR_STANZA_SIZE);
	assert_int_equal(give(s, "<m/>"), SCAN_ERROR);
	scan_reset(s);
	scan_set_limits(s, &wide);
	assert_int_equal(give(s, USUAL), SCAN_HEADER);
	assert_int_equal(give(s, "<m>4567890<a"), SCAN_MORE);
	scan_set_limits(s, &tight); /* below where a start tag began */
	assert_int_equal(give(s, "a"), SCAN_ERROR);
	assert_int_equal(scan_error(s).code, ERR_STANZA_SIZE);
	scan_reset(s);
	assert_int_equal(give(s, USUAL), SCAN_HEADER);
	assert_int_equal(give(s, "<m>45678"), SCAN_MORE);
	scan_set_limits(s, &wide);
	assert_int_equal(give(s, "</m>"), SCAN_ELEMENT);
	scan_free(s);
}

static void a_reset_scanner_knows_nothing_of_before(void **state)
{
	(void)state;
	struct scan *s = scan_new(&scan_limits_proven);
	assert_int_equal(give(s, "<a xmlns:x='urn:x'>"), SCAN_HEADER);
	assert_int_equal(give(s, "  <x:m xmlns:y='urn:y'><y:z>"), SCAN_MORE);
	assert_true(scan_mid_element(s));
	assert_int_equal(scan_idle_bytes(s), 2);
	scan_reset(s); /* RFC 6120 4.3.3: the old stream's bindings are gone */
	assert_false(scan_mid_element(s));
	assert_int_equal(scan_idle_bytes(s), 0);
	assert_int_equal(give(s, "<?xml version='1.0'?><b>"), SCAN_HEADER);
	assert_int_equal(give(s, "<x:m/>"), SCAN_ERROR);
	assert_int_equal(scan_error(s).code, ERR_XML_NAMESPACE);
	scan_free(s);
}

/* X33: what keep-alive costs is counted, so that a flood of it can be. */
static void white_space_between_elements_is_counted(void **state)
{
	(void)state;
	struct scan *s = scan_new(&scan_limits_proven);
	assert_int_equal(give(s, " \n" USUAL), SCAN_HEADER);
	assert_int_equal(scan_idle_bytes(s), 2);
	assert_int_equal(give(s, " \t\r\n<m> </m>"), SCAN_ELEMENT);
	assert_int_equal(scan_idle_bytes(s), 6);
	assert_int_equal(give(s, "    "), SCAN_MORE);
	assert_int_equal(scan_idle_bytes(s), 10);
	assert_false(scan_mid_element(s));
	scan_free(s);
}

/* X26: what a large element needed is given back when the stream is idle. */
static void an_idle_scanner_holds_little(void **state)
{
	struct buf stream;
	(void)state;
	buf_init(&stream, BUF_UNLIMITED);
	tag_with(&stream, 256, 64, ">");
	build(&stream, "", "x", "</m>", 400000);
	struct scan *s = scan_new(&scan_limits_proven);
	assert_int_equal(give(s, USUAL), SCAN_HEADER);
	struct slice first = slice_sub(buf_peek(&stream), 0, 300000);
	struct slice second = slice_sub(buf_peek(&stream), 300000, buf_len(&stream));
	assert_int_equal(scan_next(s, &first), SCAN_MORE);
	assert_true(s->held.cap >= 300000);
	assert_int_equal(scan_next(s, &second), SCAN_ELEMENT);
	assert_int_equal(scan_next(s, &second), SCAN_MORE);
	size_t arrays = s->raw_room * sizeof *s->raw + s->top_room * sizeof *s->top +
			s->attr_room * sizeof *s->attrs + s->binding_room * sizeof *s->bindings +
			s->seen_room * sizeof *s->seen + s->need_room * sizeof *s->needs;
	assert_int_equal(s->held.cap, 0);
	assert_true(s->uris.cap + arrays + s->level_room * sizeof *s->levels < 6000);
	assert_int_equal(give(s, "<m a='1' xmlns:x='urn:x'/>"), SCAN_ELEMENT);
	scan_free(s);
	buf_fini(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_element_of_the_limit_is_taken_and_one_byte_more_is_not),
		cmocka_unit_test(each_element_has_the_whole_limit),
		cmocka_unit_test(a_header_of_the_limit_is_taken_and_one_byte_more_is_not),
		cmocka_unit_test(a_start_tag_of_the_limit_is_taken_and_one_byte_more_is_not),
		cmocka_unit_test(a_reference_does_not_stretch_the_tag),
		cmocka_unit_test(attributes_and_declarations_are_counted),
		cmocka_unit_test(endless_attributes_are_not_waited_for),
		cmocka_unit_test(declarations_in_scope_are_counted),
		cmocka_unit_test(depth_is_counted),
		cmocka_unit_test(depth_needs_no_stack),
		cmocka_unit_test(new_limits_hold_from_the_next_byte_on),
		cmocka_unit_test(a_reset_scanner_knows_nothing_of_before),
		cmocka_unit_test(white_space_between_elements_is_counted),
		cmocka_unit_test(an_idle_scanner_holds_little),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
