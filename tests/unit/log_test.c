/* What is written is read back by another program's JSON reader (Python's), strictly as UTF-8. */
#include "base/log.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_LIMIT = 4096, VALUE_LIMIT = 256 };

static char path[] = "/tmp/fedgate-log-test-XXXXXX";
static int fd = -1;

static int open_log(void **state)
{
	(void)state;
	fd = mkstemp(path);
	return fd < 0;
}

static int remove_log(void **state)
{
	(void)state;
	close(fd);
	return unlink(path);
}

static void start(enum log_format format, enum log_level level)
{
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	log_setup(fd, format, level, "worker", 2);
}

static void written(struct buf *b)
{
	ssize_t n = 1;
	buf_init(b, BUF_UNLIMITED);
	for (off_t at = 0; n > 0; at += n) {
		n = pread(fd, buf_reserve(b, 65536), 65536, at);
		assert_true(n >= 0);
		buf_commit(b, (size_t)n);
	}
}

static size_t lines_with(const char *what)
{
	struct buf b;
	size_t count = 0;
	written(&b);
	for (const char *at = buf_cstr(&b); (at = strstr(at, what)); at += strlen(what))
		count++;
	buf_fini(&b);
	return count;
}

/* Runs Python over the lines; `check` sees each as `o`. */
static void python(const char *check)
{
	char command[1000];
	snprintf(command, sizeof command,
		"/usr/bin/python3 -c '\n"
		"import json\n"
		"for line in open(\"%s\", encoding=\"utf-8\", errors=\"strict\", "
		"newline=\"\\n\"):\n"
		" assert line.endswith(\"\\n\") and len(line.encode()) <= %d, line\n"
		" o = json.loads(line, object_pairs_hook=lambda p: dict(p) if len(dict(p)) == "
		"len(p)"
		" else None)\n"
		" assert o[\"role\"] == \"worker\" and o[\"n\"] == 2 and o[\"event\"], line\n"
		" assert not any(ord(c) < 32 or 126 < ord(c) < 160 for c in line[:-1]), line\n"
		" %s\n'",
		path, LINE_LIMIT, check);
	assert_int_equal(system(command), 0);
}

static void fields_become_json_and_logfmt(void **state)
{
	(void)state;
	start(LOG_JSON, LOG_INFO);
	log_event(LOG_INFO, "stream-up", log_s("peer", SLICE_LIT("shire.example")),
		log_n("bytes", -7), log_c("empty", ""), log_c("absent", NULL),
		log_c("quoted", "a \"b\" \\ c=d"), log_end());
	python("assert (o[\"level\"], o[\"event\"], o[\"peer\"], o[\"bytes\"], o[\"empty\"])"
	       " == (\"info\", \"stream-up\", \"shire.example\", -7, \"\");"
	       " assert \"absent\" not in o and len(o) == 9, o;"
	       " assert o[\"quoted\"] == \"a \\\"b\\\" \\\\ c=d\"");
	start(LOG_LOGFMT, LOG_INFO);
	log_event(LOG_WARN, "stream-up", log_s("peer", SLICE_LIT("shire.example")),
		log_n("bytes", -7), log_c("empty", ""), log_c("absent", NULL),
		log_c("quoted", "a \"b\" \\ c=d"), log_c("is", "x=y"), log_end());
	assert_int_equal(lines_with("level=warn role=worker n=2 event=stream-up peer=shire.example "
				    "bytes=-7 empty=\"\" quoted=\"a \\\"b\\\" \\\\ c=d\" "
				    "is=\"x=y\"\n"),
		1);
}

struct value {
	struct slice in;
	const char *shown;
};

/* One line = one event: no value can start another line or colour the terminal. */
static void characters_that_steer_are_escaped_in_both_formats(void **state)
{
	(void)state;
	static const struct value rows[] = {
		{SLICE_LIT("a\nlevel=error"), "\"a\\u000alevel=error\""},
		{SLICE_LIT("a\r\tb"), "\"a\\u000d\\u0009b\""},
		{SLICE_LIT("a\0b"), "\"a\\u0000b\""},
		{SLICE_LIT("\x1b[31m"), "\"\\u001b[31m\""},
		{SLICE_LIT("\x7f"), "\"\\u007f\""},
		{SLICE_LIT("\xc2\x9b"), "\"\\u009b\""},
		{SLICE_LIT("\xe2\x80\xae"), "\"\\u202e\""},
		{SLICE_LIT("\xe2\x80\xa8"), "\"\\u2028\""},
		{SLICE_LIT("müller.example"), "\"müller.example\""},
		{SLICE_LIT("\xf0\x9f\x92\xa9"), "\"\xf0\x9f\x92\xa9\""},
		{SLICE_LIT("a\xff"), "\"a\\ufffd\""},
		{SLICE_LIT("\xc0\xaf"), "\"\\ufffd\\ufffd\""},
		{SLICE_LIT("\xe0\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\""},
		{SLICE_LIT("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""},
		{SLICE_LIT("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
		{SLICE_LIT("\xc3"), "\"\\ufffd\""},
		{SLICE_LIT("\xc3("), "\"\\ufffd(\""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (int json = 0; json < 2; json++) {
			char want[100];
			start(json ? LOG_JSON : LOG_LOGFMT, LOG_INFO);
			log_event(LOG_INFO, "e", log_s("v", rows[i].in), log_end());
			snprintf(want, sizeof want, json ? ",\"v\":%s}\n" : " v=%s\n",
				rows[i].shown);
			if (lines_with(want) != 1 || lines_with("\n") != 1)
				fail_msg("row %zu is not written as %s", i, want);
		}
	}
}

static void a_value_is_cut_at_256_bytes_between_characters(void **state)
{
	(void)state;
	char text[600];
	for (size_t len = VALUE_LIMIT - 2; len < VALUE_LIMIT + 3; len++) {
		start(LOG_JSON, LOG_INFO);
		memset(text, 'a', sizeof text);
		log_event(LOG_INFO, "e", log_s("v", slice_of(text, len)), log_end());
		for (size_t i = len % 2; i + 1 < sizeof text; i += 2)
			memcpy(text + i, "\xc3\xbc", 2);
		log_event(LOG_INFO, "e", log_s("w", slice_of(text, sizeof text)), log_end());
		char check[200];
		snprintf(check, sizeof check,
			"v = o.get(\"v\"); w = o.get(\"w\");"
			" assert v == \"a\" * %zu if v else len(w.encode()) in (255, 256), o",
			len < VALUE_LIMIT ? len : VALUE_LIMIT);
		python(check);
	}
}

static uint32_t next_random(void)
{
	static uint32_t x = 2463534242u;
	x ^= x << 13;
	x ^= x >> 17;
	return x ^= x << 5;
}

static void fill(char *out, size_t len)
{
	static const char *const pieces[] = {"a", "\"", "\\", "\n", "\0", "\x1b", "\xc3\xbc",
		"\xc3", "\xff", "\xe2\x80\xae", "\xf0\x9f\x92\xa9", "\xed\xa0\x80", "}", "{", ",",
		"\x7f"};
	for (size_t i = 0; i < len;) {
		const char *p = pieces[next_random() % 16];
		size_t n = *p ? strlen(p) : 1;
		n = n > len - i ? len - i : n;
		memcpy(out + i, p, n);
		i += n;
	}
}

static void hostile_values_of_any_length_give_whole_json_lines(void **state)
{
	(void)state;
	enum { LINES = 1000, FIELDS = 6, ROOM = 700 };
	static char text[FIELDS][ROOM];
	start(LOG_JSON, LOG_INFO);
	for (int i = 0; i < LINES; i++) {
		struct slice v[FIELDS];
		for (size_t k = 0; k < FIELDS; k++) {
			v[k] = slice_of(text[k], next_random() % ROOM);
			fill(text[k], v[k].len);
		}
		log_reason(err_native(ERR_INTERNAL, -5), "e", log_s("a", v[0]), log_s("b", v[1]),
			log_s("c", v[2]), log_s("d", v[3]), log_s("e", v[4]), log_s("f", v[5]),
			log_end());
	}
	assert_int_equal(lines_with("\n"), LINES);
	assert_true(lines_with("left_out") > 0);
	python("assert o[\"reason\"] == \"FG-Z01\" and o[\"blame\"] == \"us\" and o[\"why\"];"
	       " assert o[\"native\"] == -5;"
	       " assert sum(k in o for k in \"abcdef\") + o.get(\"left_out\", 0) == 6, o");
}

static void the_level_holds_back_what_is_less_urgent(void **state)
{
	(void)state;
	static const enum log_level levels[] = {LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG};
	for (size_t i = 0; i < 4; i++) {
		start(LOG_LOGFMT, LOG_DEBUG);
		log_set_level(levels[i]);
		for (size_t k = 0; k < 4; k++)
			log_event(levels[k], "e", log_end());
		assert_int_equal(lines_with("\n"), i + 1);
	}
}

struct reason {
	enum err_code code;
	const char *level, *blame;
};

static void blame_decides_the_level_of_a_refusal(void **state)
{
	(void)state;
	static const struct reason rows[] = {
		{ERR_CERT_EXPIRED, "level=info", "reason=FG-C02 blame=peer"},
		{ERR_KEY_MISMATCH, "level=warn", "reason=FG-K03 blame=tenant"},
		{ERR_CONFIG, "level=error", "reason=FG-K01 blame=operator"},
		{ERR_INTERNAL, "level=error", "reason=FG-Z01 blame=us"},
		{ERR_IDLE, "level=info", "reason=FG-S22 blame=nobody"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		start(LOG_LOGFMT, LOG_DEBUG);
		log_reason(err_make(rows[i].code), "refused", log_end());
		assert_int_equal(lines_with(rows[i].level), 1);
		assert_int_equal(lines_with(rows[i].blame), 1);
		assert_int_equal(lines_with(err_row(rows[i].code)->sentence), 1);
		assert_int_equal(lines_with("native"), 0);
	}
}

static void pause_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&t, NULL);
}

static long suppressed_sum(void)
{
	struct buf b;
	long sum = 0;
	written(&b);
	for (const char *at = buf_cstr(&b); (at = strstr(at, "suppressed=")); at += 11)
		sum += strtol(at + 11, NULL, 10);
	buf_fini(&b);
	return sum;
}

/* R11: a flood shows as a rate and a count, per reason, and drowns no other reason. */
static void a_flood_of_one_reason_is_held_back_and_counted(void **state)
{
	(void)state;
	enum { FLOOD = 2000 };
	struct timespec begin, end;
	start(LOG_LOGFMT, LOG_INFO);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < FLOOD; i++)
		log_reason(err_make(ERR_XML), "refused", log_end());
	log_reason(err_make(ERR_XML_UTF8), "refused", log_end());
	log_reason(err_make(ERR_INTERNAL), "refused", log_end());
	clock_gettime(CLOCK_MONOTONIC, &end);
	size_t lines = lines_with("reason=FG-X01");
	assert_true(lines >= 20 && lines <= 20 * (size_t)(end.tv_sec - begin.tv_sec + 1));
	assert_int_equal(lines_with("reason=FG-X04"), 1);
	assert_int_equal(lines_with("reason=FG-Z01"), 1);
	pause_ms(1100);
	log_reason(err_make(ERR_XML), "refused", log_end());
	assert_int_equal(suppressed_sum(), FLOOD - (long)lines);
	log_reason(err_make(ERR_XML), "refused", log_end());
	assert_int_equal(suppressed_sum(), FLOOD - (long)lines);
}

/* R11: each row is one kind of line, and how many of it a second may see. */
static void no_kind_of_line_that_others_can_cause_is_without_a_limit(void **state)
{
	(void)state;
	static const struct {
		enum err_code why; /* ERR_OK: an event without a reason */
		long most;
	} rows[] = {
		{ERR_XML, 20},         /* the peer's */
		{ERR_PEER_CLOSED, 20}, /* nobody's: whoever comes and goes in a loop */
		{ERR_DNS_FAILED, 200}, /* the operator's, and caused by whose domain it is */
		{ERR_FILE, 200},
		{ERR_TLS_CREDENTIAL, 200}, /* a tenant's, named by a stranger */
		{ERR_BACKEND_DOWN, 200},   /* a tenant's */
		{ERR_OK, 200},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		start(LOG_LOGFMT, LOG_DEBUG);
		struct timespec begin, end;
		clock_gettime(CLOCK_MONOTONIC, &begin);
		for (int k = 0; k < 1000; k++) {
			if (rows[i].why == ERR_OK)
				log_event(k % 2 ? LOG_INFO : LOG_DEBUG, "flood-test", log_end());
			else
				log_reason(err_make(rows[i].why), "flood", log_end());
		}
		log_event(LOG_INFO, "another", log_end());
		clock_gettime(CLOCK_MONOTONIC, &end);
		long lines = (long)lines_with("event=flood");
		assert_in_range(
			lines, rows[i].most - 20, rows[i].most * (end.tv_sec - begin.tv_sec + 1));
		assert_int_equal(lines_with("event=another"), 1);
	}
}

/* What was held back is told by the next line of the same event. */
static void what_is_held_back_of_an_event_is_counted(void **state)
{
	(void)state;
	enum { FLOOD = 1000 };
	struct timespec now, begin;
	start(LOG_JSON, LOG_INFO);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < FLOOD; i++)
		log_event(LOG_INFO, "counted-event", log_n("i", i), log_end());
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < begin.tv_sec + 2);
	log_event(LOG_INFO, "counted-event", log_end());
	size_t lines = lines_with("counted-event");
	struct buf b;
	written(&b);
	long sum = 0;
	for (const char *at = buf_cstr(&b); (at = strstr(at, "\"suppressed\":")); at += 13)
		sum += strtol(at + 13, NULL, 10);
	buf_fini(&b);
	assert_int_equal(lines + (size_t)sum, FLOOD + 1);
}

static void faults_of_our_own_are_never_held_back(void **state)
{
	(void)state;
	start(LOG_LOGFMT, LOG_INFO);
	for (int i = 0; i < 1000; i++)
		log_reason(err_make(ERR_INTERNAL), "fault", log_end());
	assert_int_equal(lines_with("\n"), 1000);
	assert_int_equal(lines_with("suppressed"), 0);
}

static void levels_and_formats_are_read_by_their_exact_names(void **state)
{
	(void)state;
	enum log_level level = LOG_DEBUG;
	enum log_format format = LOG_LOGFMT;
	assert_true(log_level_parse(SLICE_LIT("error"), &level) && level == LOG_ERROR);
	assert_true(log_level_parse(SLICE_LIT("debug"), &level) && level == LOG_DEBUG);
	assert_false(log_level_parse(SLICE_LIT("Error"), &level));
	assert_false(log_level_parse(SLICE_LIT(""), &level));
	assert_true(log_format_parse(SLICE_LIT("json"), &format) && format == LOG_JSON);
	assert_true(log_format_parse(SLICE_LIT("logfmt"), &format) && format == LOG_LOGFMT);
	assert_false(log_format_parse(SLICE_LIT("xml"), &format));
	assert_true(level == LOG_DEBUG && format == LOG_LOGFMT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_become_json_and_logfmt),
		cmocka_unit_test(characters_that_steer_are_escaped_in_both_formats),
		cmocka_unit_test(a_value_is_cut_at_256_bytes_between_characters),
		cmocka_unit_test(hostile_values_of_any_length_give_whole_json_lines),
		cmocka_unit_test(the_level_holds_back_what_is_less_urgent),
		cmocka_unit_test(blame_decides_the_level_of_a_refusal),
		cmocka_unit_test(a_flood_of_one_reason_is_held_back_and_counted),
		cmocka_unit_test(no_kind_of_line_that_others_can_cause_is_without_a_limit),
		cmocka_unit_test(what_is_held_back_of_an_event_is_counted),
		cmocka_unit_test(faults_of_our_own_are_never_held_back),
		cmocka_unit_test(levels_and_formats_are_read_by_their_exact_names),
	};
	return cmocka_run_group_tests(tests, open_log, remove_log);
}
