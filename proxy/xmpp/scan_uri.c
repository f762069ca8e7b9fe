/* Namespace names. Namespaces in XML 1.0, 2 wants a URI reference; expat refuses none but those
 * that hold its own separator, libxml2 calls every other one not namespace-well-formed. We take
 * what RFC 3986 allows, less user names and IP literals in the authority. */
#include "xmpp/scan_inside.h"

#include <string.h>

enum {
	URI_MAX = 1999, /* libxml2 takes no longer one */
	PORT_DIGITS = 5,
};

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

/* RFC 3986 3.1. */
static bool is_scheme(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool first = is_alpha(s.ptr[i]);
		if (!first && (i == 0 || !(is_digit(s.ptr[i]) || is_one_of(s.ptr[i], "+-."))))
			return false;
	}
	return s.len > 0;
}

/* RFC 3986 3.2.2, 3.2.3: a name and perhaps a port. */
static bool is_authority(struct slice s)
{
	size_t i = 0;
	while (i < s.len &&
		(is_alpha(s.ptr[i]) || is_digit(s.ptr[i]) || is_one_of(s.ptr[i], "-._~")))
		i++;
	if (i == s.len)
		return true;
	size_t port = i + 1;
	for (i = port; i < s.len && is_digit(s.ptr[i]); i++)
		;
	return s.ptr[port - 1] == ':' && i == s.len && i > port && i - port <= PORT_DIGITS;
}

/* RFC 3986 3.3: pchar and what `more` names. */
static bool is_chars(struct slice s, const char *more)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c == '%') {
			if (i + 2 >= s.len || !is_hex(s.ptr[i + 1]) || !is_hex(s.ptr[i + 2]))
				return false;
			i += 2;
		} else if (!is_alpha(c) && !is_digit(c) && !is_one_of(c, "-._~!$&'()*+,;=:@") &&
			   !is_one_of(c, more)) {
			return false;
		}
	}
	return true;
}

/* Where the first byte of `set` stands, or the length. */
static size_t find_any(struct slice s, const char *set)
{
	size_t i = 0;
	while (i < s.len && !is_one_of(s.ptr[i], set))
		i++;
	return i;
}

bool scan_is_uri(struct slice name)
{
	if (name.len > URI_MAX)
		return false;
	size_t end = find_any(name, ":/?#");
	struct slice rest = name;
	if (end < name.len && name.ptr[end] == ':') {
		if (!is_scheme(slice_sub(name, 0, end)))
			return false;
		rest = slice_sub(name, end + 1, name.len);
	}
	if (slice_starts(rest, "//")) {
		rest = slice_sub(rest, 2, rest.len);
		end = find_any(rest, "/?#");
		if (!is_authority(slice_sub(rest, 0, end)))
			return false;
		rest = slice_sub(rest, end, rest.len);
	}
	size_t hash = slice_find(rest, '#'), query = slice_find(slice_sub(rest, 0, hash), '?');
	return is_chars(slice_sub(rest, 0, query), "/") &&
	       is_chars(slice_sub(rest, query + 1, hash), "/?") &&
	       is_chars(slice_sub(rest, hash + 1, rest.len), "/?");
}
