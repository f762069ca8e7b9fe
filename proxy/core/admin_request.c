#include "core/admin.h"

#include <string.h>

enum { WORDS_MAX = 4 };

static const struct {
	const char *word;
	enum admin_verb verb;
	size_t least, most; /* words behind it */
} verbs[] = {
	{"explain", ADMIN_EXPLAIN, 2, 3},
	{"status", ADMIN_STATUS, 0, 0},
	{"reload", ADMIN_RELOAD, 0, 0},
};

/* Words with one space between them. False: a byte that has no place in any. */
static bool split(struct slice line, struct slice words[WORDS_MAX + 1], size_t *count)
{
	*count = 0;
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.ptr[i];
		if (c < ' ' || c == 0x7f)
			return false;
	}
	for (; *count <= WORDS_MAX; line = slice_sub(line, words[*count - 1].len + 1, line.len)) {
		size_t end = slice_find(line, ' ');
		words[(*count)++] = slice_sub(line, 0, end);
		if (end == 0)
			return false;
		if (end == line.len)
			return true;
	}
	return true; /* more than any verb takes */
}

static bool read_number(struct slice s, unsigned *out)
{
	*out = 0;
	for (size_t i = 0; i < s.len && *out <= ADMIN_LAST_MAX; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		*out = *out * 10 + (unsigned)(s.ptr[i] - '0');
	}
	return *out >= 1 && *out <= ADMIN_LAST_MAX;
}

static const char *read_explain(
	const struct slice *words, size_t count, struct admin_request *out, const char **sentence)
{
	out->last = ADMIN_LAST;
	*sentence = "the tenant is no valid domain name";
	if (err_is(domain_parse(words[1], &out->tenant)))
		return "domain";
	*sentence = "the peer is no valid domain name";
	if (err_is(domain_parse(words[2], &out->peer)))
		return "domain";
	*sentence = "the number of decisions is 1 to 50";
	return count > 3 && !read_number(words[3], &out->last) ? "number" : NULL;
}

const char *admin_parse(struct slice line, struct admin_request *out, const char **sentence)
{
	struct slice words[WORDS_MAX + 1];
	size_t count;
	*out = (struct admin_request){0};
	*sentence = "a question is words with one space between them";
	if (!split(line, words, &count))
		return "garbage";
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
		if (!slice_eq_str(words[0], verbs[i].word))
			continue;
		*sentence = "the question has too few or too many words";
		if (count - 1 < verbs[i].least || count - 1 > verbs[i].most)
			return "words";
		out->verb = verbs[i].verb;
		return out->verb == ADMIN_EXPLAIN ? read_explain(words, count, out, sentence)
						  : NULL;
	}
	*sentence = "there are the questions explain, status and reload";
	return "verb";
}
