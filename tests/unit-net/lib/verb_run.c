#include "verb_run.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

char verb_out[VERB_TEXT_MAX], verb_complaint[VERB_TEXT_MAX];

static void read_back(FILE *file, const char *dir, char text[VERB_TEXT_MAX])
{
	static char raw[VERB_TEXT_MAX];
	size_t dir_len = strlen(dir), len = 0;
	rewind(file);
	raw[fread(raw, 1, sizeof raw - 1, file)] = '\0';
	fclose(file);
	for (const char *s = raw; *s;) {
		if (strncmp(s, dir, dir_len) == 0)
			s += dir_len + (s[dir_len] == '/');
		else
			text[len++] = *s++;
	}
	text[len] = '\0';
}

int verb_run(int (*verb)(int argc, char **argv), int argc, char **argv, const char *dir)
{
	FILE *files[2] = {tmpfile(), tmpfile()};
	int saved[2];
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		saved[i] = dup(STDOUT_FILENO + i);
		assert_true(files[i] && saved[i] >= 0);
		assert_true(dup2(fileno(files[i]), STDOUT_FILENO + i) >= 0);
	}
	int status = verb(argc, argv);
	fflush(NULL);
	for (int i = 0; i < 2; i++) {
		dup2(saved[i], STDOUT_FILENO + i);
		close(saved[i]);
	}
	read_back(files[0], dir, verb_out);
	read_back(files[1], dir, verb_complaint);
	return status;
}
