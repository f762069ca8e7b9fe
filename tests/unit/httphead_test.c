/* Reading the head of an HTTP request: each row differs from a fine one in one fact, and is read
 * whole, byte by byte, and in two halves at every place. */
#include "base/httphead.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define HOST "Host: gate.example\r\n"
#define GET  "GET /a HTTP/1.1\r\n" HOST

static struct httphead_reader reader;

/* Gives the bytes in pieces of at most `first`, then `step`; *left gets what was not taken. */
static enum httphead_step read_in(struct slice bytes, size_t first, size_t step, size_t *left)
{
	enum httphead_step got = HTTPHEAD_MORE;
	size_t n = first;
	httphead_reset(&reader);
	while (bytes.len && got == HTTPHEAD_MORE) {
		struct slice piece = slice_sub(bytes, 0, n);
		size_t had = piece.len;
		got = httphead_read(&reader, &piece);
		bytes = slice_sub(bytes, had - piece.len, bytes.len);
		n = step;
	}
	*left = bytes.len;
	return got;
}

static void is_read_as(const char *what, struct slice bytes, enum httphead_step expected)
{
	size_t left, same;
	enum httphead_step got = read_in(bytes, bytes.len, 1, &left);
	if (got != expected)
		fail_msg("%s: %d, not %d", what, (int)got, (int)expected);
	for (size_t at = 1; at <= bytes.len; at += bytes.len > 1000 ? 997 : 1) {
		assert_int_equal(read_in(bytes, at, bytes.len, &same), expected);
		assert_int_equal(same, left);
	}
	assert_int_equal(read_in(bytes, 1, 1, &same), expected);
	assert_int_equal(same, left);
}

struct row {
	const char *what;
	struct slice bytes;
	enum httphead_step step;
};

static void play(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		is_read_as(rows[i].what, rows[i].bytes, rows[i].step);
}
#define PLAY(rows) play(rows, sizeof(rows) / sizeof *(rows))

/* RFC 9112 2.2, 2.3, 3; P22 */
static void the_request_line_has_three_parts_and_single_blanks(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"fine", SLICE_LIT(GET "\r\n"), HTTPHEAD_WHOLE},
		{"HTTP/1.0", SLICE_LIT("GET /a HTTP/1.0\r\n" HOST "\r\n"), HTTPHEAD_WHOLE},
		{"any token is a method", SLICE_LIT("BREW!-x /a HTTP/1.1\r\n\r\n"), HTTPHEAD_WHOLE},
		{"an empty line before", SLICE_LIT("\r\n" GET "\r\n"), HTTPHEAD_WHOLE},
		{"two empty lines before", SLICE_LIT("\r\n\r\n" GET "\r\n"), HTTPHEAD_MALFORMED},
		{"not over yet", SLICE_LIT(GET "\r"), HTTPHEAD_MORE},
		{"no field yet", SLICE_LIT("GET /a HTTP/1.1\r\n"), HTTPHEAD_MORE},
		{"HTTP/0.9", SLICE_LIT("GET /a\r\n"), HTTPHEAD_MALFORMED},
		{"HTTP/1.2", SLICE_LIT("GET /a HTTP/1.2\r\n"), HTTPHEAD_VERSION},
		{"HTTP/2.0", SLICE_LIT("GET /a HTTP/2.0\r\n"), HTTPHEAD_VERSION},
		{"HTTP/2's preface", SLICE_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
			HTTPHEAD_VERSION},
		{"small letters", SLICE_LIT("GET /a http/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"HTTP/1", SLICE_LIT("GET /a HTTP/1\r\n"), HTTPHEAD_MALFORMED},
		{"HTTP/1.10", SLICE_LIT("GET /a HTTP/1.10\r\n"), HTTPHEAD_MALFORMED},
		{"another protocol", SLICE_LIT("GET /a RTSP/1.0\r\n"), HTTPHEAD_MALFORMED},
		{"two blanks", SLICE_LIT("GET  /a HTTP/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"two blanks behind", SLICE_LIT("GET /a  HTTP/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"a tab", SLICE_LIT("GET\t/a HTTP/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"a blank at the end", SLICE_LIT("GET /a HTTP/1.1 \r\n"), HTTPHEAD_MALFORMED},
		{"a blank at the start", SLICE_LIT(" GET /a HTTP/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"a blank in the target", SLICE_LIT("GET /a b HTTP/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"no method", SLICE_LIT(" /a HTTP/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"no target", SLICE_LIT("GET HTTP/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"a colon in the method", SLICE_LIT("GE:T /a HTTP/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"NUL in the target", SLICE_LIT("GET /a\0b HTTP/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"DEL in the target", SLICE_LIT("GET /a\x7f HTTP/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"UTF-8 in the target", SLICE_LIT("GET /\xc3\xa4 HTTP/1.1\r\n"),
			HTTPHEAD_MALFORMED},
		{"LF alone", SLICE_LIT("GET /a HTTP/1.1\n"), HTTPHEAD_MALFORMED},
		{"CR alone", SLICE_LIT("GET /a\rb HTTP/1.1\r\n"), HTTPHEAD_MALFORMED},
		{"two CR", SLICE_LIT("GET /a HTTP/1.1\r\r\n"), HTTPHEAD_MALFORMED},
	};
	PLAY(rows);
}

/* RFC 9112 3.2, 5.1, 5.2, 6.1, 6.2; P21: what another reader could take otherwise */
static void a_field_line_is_a_name_a_colon_and_a_value(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"no value", SLICE_LIT(GET "A:\r\n\r\n"), HTTPHEAD_WHOLE},
		{"no blank", SLICE_LIT(GET "A:b\r\n\r\n"), HTTPHEAD_WHOLE},
		{"blanks around", SLICE_LIT(GET "A: \t b \t\r\n\r\n"), HTTPHEAD_WHOLE},
		{"bytes of any text", SLICE_LIT(GET "A: \xe4\xff\r\n\r\n"), HTTPHEAD_WHOLE},
		{"no colon", SLICE_LIT(GET "A\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"no name", SLICE_LIT(GET ": b\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"a blank before the colon", SLICE_LIT(GET "A : b\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"folded", SLICE_LIT(GET "A: b\r\n c: d\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"folded by a tab", SLICE_LIT(GET "A: b\r\n\tc: d\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"NUL in the value", SLICE_LIT(GET "A: b\0c\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"DEL in the value", SLICE_LIT(GET "A: b\x7f\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"NUL in the name", SLICE_LIT(GET "A\0: b\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"LF alone", SLICE_LIT(GET "A: b\nC: d\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"LF alone at the end", SLICE_LIT(GET "\n"), HTTPHEAD_MALFORMED},
		{"CR alone", SLICE_LIT(GET "A: b\rC: d\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"two Hosts", SLICE_LIT(GET "Host: b.example\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"the same Host twice", SLICE_LIT(GET HOST "\r\n"), HTTPHEAD_MALFORMED},
		{"an empty Host and one", SLICE_LIT("GET /a HTTP/1.1\r\nHost:\r\n" HOST "\r\n"),
			HTTPHEAD_MALFORMED},
		{"a length", SLICE_LIT(GET "Content-Length: 0\r\n\r\n"), HTTPHEAD_WHOLE},
		{"no number", SLICE_LIT(GET "Content-Length: x\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"below nothing", SLICE_LIT(GET "Content-Length: -1\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"a plus", SLICE_LIT(GET "Content-Length: +1\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"an empty length", SLICE_LIT(GET "Content-Length:\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"a list", SLICE_LIT(GET "Content-Length: 1, 1\r\n\r\n"), HTTPHEAD_MALFORMED},
		{"two lengths", SLICE_LIT(GET "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"),
			HTTPHEAD_MALFORMED},
		{"length and coding",
			SLICE_LIT(GET "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"),
			HTTPHEAD_MALFORMED},
		{"coding and length",
			SLICE_LIT(GET "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
			HTTPHEAD_MALFORMED},
	};
	PLAY(rows);
}

/* RFC 9112 6.3, 9.3 */
static void the_head_says_what_matters(void **state)
{
	(void)state;
	static const struct {
		struct slice bytes;
		const char *method, *target, *host; /* host NULL: none */
		bool close, body;
	} rows[] = {
		{SLICE_LIT(GET "\r\n"), "GET", "/a", "gate.example", false, false},
		{SLICE_LIT("HEAD /%2e?b#c HTTP/1.1\r\nHOST:x:1 \r\n\r\n"), "HEAD", "/%2e?b#c",
			"x:1", false, false},
		{SLICE_LIT("GET /a HTTP/1.1\r\n\r\n"), "GET", "/a", NULL, false, false},
		{SLICE_LIT("GET /a HTTP/1.1\r\nHost:\r\n\r\n"), "GET", "/a", "", false, false},
		{SLICE_LIT("GET /a HTTP/1.0\r\n" HOST "\r\n"), "GET", "/a", "gate.example", true,
			false},
		{SLICE_LIT(GET "connection: Close\r\n\r\n"), "GET", "/a", "gate.example", true,
			false},
		{SLICE_LIT(GET "Connection: te , close\r\n\r\n"), "GET", "/a", "gate.example", true,
			false},
		{SLICE_LIT(GET "Connection: keep-alive, closed\r\n\r\n"), "GET", "/a",
			"gate.example", false, false},
		{SLICE_LIT(GET "Content-Length: 00\r\n\r\n"), "GET", "/a", "gate.example", false,
			false},
		{SLICE_LIT(GET "CONTENT-LENGTH: 010\r\n\r\n"), "GET", "/a", "gate.example", false,
			true},
		{SLICE_LIT(GET "Transfer-Encoding: \r\n\r\n"), "GET", "/a", "gate.example", false,
			true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct httphead *h = &reader.head;
		size_t left;
		assert_int_equal(read_in(rows[i].bytes, 7, 7, &left), HTTPHEAD_WHOLE);
		assert_true(slice_eq_str(h->method, rows[i].method));
		assert_true(slice_eq_str(h->target, rows[i].target));
		assert_int_equal(h->host.ptr != NULL, rows[i].host != NULL);
		assert_true(!rows[i].host || slice_eq_str(h->host, rows[i].host));
		assert_int_equal(h->close, rows[i].close);
		assert_int_equal(h->body, rows[i].body);
	}
}

static void what_stands_behind_a_head_is_left(void **state)
{
	(void)state;
	static const char two[] = GET "\r\nHEAD /b HTTP/1.0\r\n\r\n";
	struct slice rest = slice_of(two, sizeof two - 1);
	httphead_reset(&reader);
	assert_int_equal(httphead_read(&reader, &rest), HTTPHEAD_WHOLE);
	assert_true(slice_eq_str(rest, "HEAD /b HTTP/1.0\r\n\r\n"));
	assert_false(httphead_is_empty(&reader));
	httphead_reset(&reader);
	assert_true(httphead_is_empty(&reader));
	assert_int_equal(httphead_read(&reader, &rest), HTTPHEAD_WHOLE);
	assert_true(slice_eq_str(reader.head.target, "/b"));
	assert_null(reader.head.host.ptr);
	assert_int_equal(rest.len, 0);
}

/* P08, P22: a head of `size` bytes in all, or of so many fields */
static enum httphead_step read_large(size_t size, unsigned fields)
{
	static char bytes[HTTPHEAD_MAX + 100];
	size_t n = (size_t)snprintf(bytes, sizeof bytes, "GET /a HTTP/1.1\r\n"), left;
	for (unsigned i = 1; i < fields; i++)
		n += (size_t)snprintf(bytes + n, sizeof bytes - n, "A: b\r\n");
	n += (size_t)snprintf(bytes + n, sizeof bytes - n, "A: ");
	while (n + 4 < size)
		bytes[n++] = 'c';
	n += (size_t)snprintf(bytes + n, sizeof bytes - n, "\r\n\r\n");
	return read_in(slice_of(bytes, n), n, 1, &left);
}

static void a_head_has_a_largest_size_and_number_of_fields(void **state)
{
	(void)state;
	assert_int_equal(read_large(HTTPHEAD_MAX, 1), HTTPHEAD_WHOLE);
	assert_int_equal(read_large(HTTPHEAD_MAX + 1, 1), HTTPHEAD_TOO_LARGE);
	assert_int_equal(read_large(HTTPHEAD_MAX + 3, 1), HTTPHEAD_TOO_LARGE);
	assert_int_equal(read_large(0, HTTPHEAD_FIELDS_MAX), HTTPHEAD_WHOLE);
	assert_int_equal(read_large(0, HTTPHEAD_FIELDS_MAX + 1), HTTPHEAD_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_request_line_has_three_parts_and_single_blanks),
		cmocka_unit_test(a_field_line_is_a_name_a_colon_and_a_value),
		cmocka_unit_test(the_head_says_what_matters),
		cmocka_unit_test(what_stands_behind_a_head_is_left),
		cmocka_unit_test(a_head_has_a_largest_size_and_number_of_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
