#include "cmd/finding.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct finding_row rows[FINDING_COUNT] = {
#define FINDING_ROW(symbol, id, who, weight, sentence, fix)                                        \
	[symbol] = {id, WHO_##who, FINDING_##weight, sentence, fix},
	FINDING_TABLE(FINDING_ROW)
#undef FINDING_ROW
};

const struct finding_row *finding_row(enum finding_id id)
{
	return &rows[id];
}

const char *finding_who_name(enum finding_who who)
{
	static const char *const names[] = {
		"the domain's owner", "the DNS provider", "the host", "nobody: wait", "nobody"};
	return names[who];
}

const char *finding_weight_name(enum finding_weight weight)
{
	static const char *const names[] = {"problem", "advice", "good"};
	return names[weight];
}

static size_t put(char *out, size_t size, size_t at, const char *text)
{
	int n = at < size ? snprintf(out + at, size - at, "%s", text) : 0;
	return at + (n > 0 ? (size_t)n : 0);
}

void finding_fill(
	const char *pattern, const char *const words[FINDING_WORDS], char *out, size_t size)
{
	size_t at = 0;
	*out = '\0';
	for (const char *p = pattern; *p; p++) {
		char one[2] = {*p, '\0'};
		bool word = p[0] == '{' && p[1] >= '0' && p[1] < '0' + FINDING_WORDS && p[2] == '}';
		const char *text = word ? words[p[1] - '0'] : one;
		at = put(out, size, at, text ? text : "?");
		if (word)
			p += 2;
	}
}
