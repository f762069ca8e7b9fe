#include "base/slice.h"

#include <string.h>

struct slice slice_of(const void *ptr, size_t len)
{
	return (struct slice){ptr, len};
}

struct slice slice_str(const char *text)
{
	return text ? slice_of(text, strlen(text)) : SLICE_NONE;
}

bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_eq_str(struct slice a, const char *text)
{
	return slice_eq(a, slice_str(text));
}

static char fold(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool slice_ieq(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (fold(a.ptr[i]) != fold(b.ptr[i]))
			return false;
	}
	return true;
}

bool slice_ieq_str(struct slice a, const char *text)
{
	return slice_ieq(a, slice_str(text));
}

bool slice_starts(struct slice a, const char *prefix)
{
	size_t n = strlen(prefix);
	return a.len >= n && (n == 0 || memcmp(a.ptr, prefix, n) == 0);
}

size_t slice_find(struct slice a, char c)
{
	const char *at = a.len ? memchr(a.ptr, c, a.len) : NULL;
	return at ? (size_t)(at - a.ptr) : a.len;
}

struct slice slice_sub(struct slice a, size_t from, size_t to)
{
	if (to > a.len)
		to = a.len;
	if (from > to)
		from = to;
	return slice_of(a.ptr ? a.ptr + from : NULL, to - from);
}

bool slice_eq_secret(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	unsigned char diff = 0;
	for (size_t i = 0; i < a.len; i++)
		diff |= (unsigned char)(a.ptr[i] ^ b.ptr[i]);
	return diff == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice a)
{
	while (a.len && is_blank(a.ptr[0]))
		a = slice_sub(a, 1, a.len);
	while (a.len && is_blank(a.ptr[a.len - 1]))
		a.len--;
	return a;
}
