/* What a probe says on a terminal: words of strangers stand in it. */
#include "cmd/probe_report.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What is printed when a stranger's words are said. */
static void said(const char *words, char *out, size_t size)
{
	FILE *file = tmpfile();
	int before = dup(STDOUT_FILENO);
	assert_non_null(file);
	fflush(stdout);
	dup2(fileno(file), STDOUT_FILENO);
	struct probe_report *r = probe_report_new(false);
	probe_say(r, SAY_INFO, "web", err_ok(), "%s", words);
	probe_report_free(r);
	dup2(before, STDOUT_FILENO);
	close(before);
	rewind(file);
	out[fread(out, 1, size - 1, file)] = '\0';
	fclose(file);
}

/* Nothing steers the terminal, ends the line or turns the reading direction. */
static void words_of_strangers_do_not_steer_a_terminal(void **state)
{
	(void)state;
	static const struct {
		const char *words, *shown;
	} rows[] = {
		{"gr\xc3\xbc\xc3\x9f dich", "gr\xc3\xbc\xc3\x9f dich"},
		{"a\x1b[2Jb", "a?[2Jb"},
		{"a\nb\r\tc", "a?b??c"},
		{"a\xc2\x9b"
		 "2Jb",
			"a?2Jb"}, /* U+009B, the other CSI */
		{"a\x9b"
		 "2Jb",
			"a?2Jb"}, /* no UTF-8: what eight-bit terminals take for it */
		{"a\xe2\x80\xae"
		 "b",
			"a?b"}, /* right to left from here */
		{"a\xc3", "a?"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char out[200];
		said(rows[i].words, out, sizeof out);
		assert_non_null(strstr(out, rows[i].shown));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_of_strangers_do_not_steer_a_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
