#include "tenants/inifile.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define TEXT(s)                                                                                    \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}
#define TEN   "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

static void good_lines_become_settings(void **state)
{
	(void)state;
	static const struct {
		struct slice text;
		const char *section, *key, *value;
		unsigned line;
		bool more;
	} rows[] = {
		{TEXT("[a]\nk = v\n"), "a", "k", "v", 2, false},
		{TEXT("[a]\nk=v"), "a", "k", "v", 2, false},
		{TEXT("[a]\r\nk = v\r\n"), "a", "k", "v", 2, false},
		{TEXT("[a]\nk\t =\tv w \t\n"), "a", "k", "v w", 2, false},
		{TEXT("; c\n# c\n\n[a] ; c\n\t \nk = v ; c\n"), "a", "k", "v", 6, false},
		{TEXT("[a]\nk += v\n"), "a", "k", "v", 2, true},
		{TEXT("[a]\nk+=v\n"), "a", "k", "v", 2, true},
		{TEXT("[a]\nk =\n"), "a", "k", "", 2, false},
		{TEXT("[a]\nk = v=w;x#y:z\n"), "a", "k", "v=w;x#y:z", 2, false},
		{TEXT("[a]\nk = m\xc3\xbcller\n"), "a", "k", "m\xc3\xbcller", 2, false},
		{TEXT("k = v\n"), "", "k", "v", 1, false},
		{TEXT("[a]\nk = \"v\n"), "a", "k", "\"v", 2, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct settings s;
		struct faults f;
		faults_init(&f);
		inifile_read(rows[i].text, "x.ini", &s, &f);
		assert_string_equal(buf_cstr(&f.text), "");
		assert_int_equal(s.count, 1);
		assert_string_equal(s.items[0].section, rows[i].section);
		assert_string_equal(s.items[0].key, rows[i].key);
		assert_string_equal(s.items[0].value, rows[i].value);
		assert_int_equal(s.items[0].line, rows[i].line);
		assert_int_equal(s.items[0].more, rows[i].more);
		assert_false(s.broken);
		settings_fini(&s);
		faults_fini(&f);
	}
}

/* Attack catalogue 0.6, 2.4, K03: what inih would read as something else. */
static void bad_lines_are_faults_at_their_line(void **state)
{
	(void)state;
	static const struct {
		struct slice text;
		const char *want;
	} rows[] = {
		{TEXT("[a]\nk = " FIFTY FIFTY FIFTY FIFTY "policy = off\n"),
			"x.ini:2: the line is longer than 198 bytes"},
		{TEXT("; " FIFTY FIFTY FIFTY FIFTY "\n"), "x.ini:1: the line is longer"},
		{TEXT("[" FIFTY "]\n"), "x.ini:1: the section's name is longer than 48 bytes"},
		{TEXT("[tenant shire.example]\n"), "x.ini:1: a section's name is one plain word"},
		{TEXT("[]\n"), "x.ini:1: a section's name is one plain word"},
		{TEXT("[a\n"), "x.ini:1: the section has no closing `]`"},
		{TEXT("[a] k = v\n"), "x.ini:1: something stands behind the `]`"},
		{TEXT("[a]\n k = v\n"), "x.ini:2: the line is indented"},
		{TEXT("[a]\n\tk = v\n"), "x.ini:2: the line is indented"},
		{TEXT("[a]\n  ; c\n"), "x.ini:2: the line is indented"},
		{TEXT("[a]\nk = v\0w\n"), "x.ini:2: the line holds a NUL byte"},
		{TEXT("[a]\rk = v\r"), "x.ini:1: a carriage return stands inside"},
		{TEXT("[a]\nk = v\rw\n"), "x.ini:2: a carriage return stands inside"},
		{TEXT("\xef\xbb\xbf[a]\n"), "x.ini:1: a byte order mark stands here"},
		{TEXT("[a]\nk = m\xfcller\n"), "x.ini:2: the line is not UTF-8"},
		{TEXT("[a]\nk = \xc0\xaf\n"), "x.ini:2: the line is not UTF-8"},
		{TEXT("[a]\nk = \xed\xa0\x80\n"), "x.ini:2: the line is not UTF-8"},
		{TEXT("[a]\nk = \x1b[2J\n"), "x.ini:2: the line holds a control character"},
		{TEXT("[a]\nk\n"), "x.ini:2: k: there is no `=`"},
		{TEXT("[a]\nk v\n"), "x.ini:2: neither a comment, a [section] nor"},
		{TEXT("[a]\nk: v\n"), "x.ini:2: neither a comment, a [section] nor"},
		{TEXT("[a]\nk l = v\n"), "x.ini:2: what stands before the `=` is not a key"},
		{TEXT("[a]\n= v\n"), "x.ini:2: what stands before the `=` is not a key"},
		{TEXT("[a]\nk ; c = v\n"), "x.ini:2: what stands before the `=` is not a key"},
		{TEXT("[a]\nlisten[::]:5 = v\n"), "x.ini:2: what stands before the `=`"},
		{TEXT("[a]\nk = \"v\"\n"), "x.ini:2: k: values stand without quotes"},
		{TEXT("[a]\nk = 'v'\n"), "x.ini:2: k: values stand without quotes"},
		{TEXT("[a]\nk = v # c\n"), "x.ini:2: k: a comment behind a value begins with ` ;`"},
		{TEXT("// c\n"), "x.ini:1: neither a comment, a [section] nor"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct settings s;
		struct faults f;
		faults_init(&f);
		inifile_read(rows[i].text, "x.ini", &s, &f);
		if (!slice_starts(buf_peek(&f.text), rows[i].want))
			print_error("row %zu: %s\n", i, buf_cstr(&f.text));
		assert_true(slice_starts(buf_peek(&f.text), rows[i].want));
		assert_int_equal(f.count, 1);
		assert_int_equal(s.count, 0);
		assert_true(s.broken);
		settings_fini(&s);
		faults_fini(&f);
	}
}

static void a_line_of_198_bytes_is_read_whole(void **state)
{
	(void)state;
	char text[INI_LINE_MAX + 8] = "[a]\nk = ";
	for (int extra = 0; extra < 2; extra++) {
		struct settings s;
		struct faults f;
		size_t len = strlen("[a]\n") + INI_LINE_MAX + (size_t)extra;
		memset(text + 8, 'v', len - 8);
		faults_init(&f);
		inifile_read(slice_of(text, len), "x.ini", &s, &f);
		assert_int_equal(s.count, extra ? 0 : 1);
		if (!extra)
			assert_int_equal(strlen(s.items[0].value), INI_LINE_MAX - 4);
		settings_fini(&s);
		faults_fini(&f);
	}
}

static void the_lines_around_a_bad_one_are_read(void **state)
{
	(void)state;
	struct settings s;
	struct faults f;
	faults_init(&f);
	inifile_read(SLICE_LIT("[a]\nk = 1\n l = 2\nm\n[b]\nn = 3\n"), "x.ini", &s, &f);
	assert_int_equal(f.count, 2);
	assert_int_equal(s.count, 2);
	assert_string_equal(s.items[1].section, "b");
	assert_int_equal(s.items[1].line, 6);
	settings_fini(&s);
	faults_fini(&f);
}

static void an_empty_section_is_seen(void **state)
{
	(void)state;
	struct settings s;
	struct faults f;
	faults_init(&f);
	inifile_read(SLICE_LIT("\n[a]\n[b]\n"), "x.ini", &s, &f);
	assert_int_equal(s.heading_count, 2);
	assert_string_equal(s.headings[1].name, "b");
	assert_int_equal(s.headings[1].line, 3);
	settings_fini(&s);
	faults_fini(&f);
}

static void a_report_shows_fifty_and_counts_all(void **state)
{
	(void)state;
	struct faults f;
	faults_init(&f);
	for (unsigned i = 1; i <= 120; i++)
		fault_add(&f, (struct place){"x.ini", i, "k"}, "is wrong");
	fault_warn(&f, (struct place){"x.ini", 0, NULL}, "is %s", "odd\x1b[2J");
	assert_int_equal(f.count, 120);
	assert_int_equal(f.warnings, 1);
	assert_int_equal(f.item_count, FAULTS_SHOWN + 1);
	assert_non_null(
		strstr(buf_cstr(&f.text), "x.ini:50: k: is wrong\nwarning: x.ini: is odd?[2J\n"));
	assert_null(strstr(buf_cstr(&f.text), "x.ini:51:"));
	faults_fini(&f);
}

static void the_word_that_was_meant_is_found(void **state)
{
	(void)state;
	static const char *const words[] = {
		"certificate", "key", "domain", "domains", "ca_file", NULL};
	static const struct {
		const char *word, *meant;
	} rows[] = {
		{"certificat", "certificate"},
		{"cretificate", "certificate"},
		{"Certificate", "certificate"},
		{"ca-file", "ca_file"},
		{"kye", "key"},
		{"domians", "domains"},
		{"banana", NULL},
		{"", NULL},
		{"a_word_far_too_long_for_any_key_of_any_configuration_file", NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *meant = fault_did_you_mean(slice_str(rows[i].word), words);
		if (rows[i].meant)
			assert_string_equal(meant, rows[i].meant);
		else
			assert_null(meant);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines_become_settings),
		cmocka_unit_test(bad_lines_are_faults_at_their_line),
		cmocka_unit_test(a_line_of_198_bytes_is_read_whole),
		cmocka_unit_test(the_lines_around_a_bad_one_are_read),
		cmocka_unit_test(an_empty_section_is_seen),
		cmocka_unit_test(a_report_shows_fifty_and_counts_all),
		cmocka_unit_test(the_word_that_was_meant_is_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
