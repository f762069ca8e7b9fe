/* Namespace names. Namespaces in XML 1.0, 2 wants a URI reference; expat refuses none but those
 * that hold its own separator, libxml2 calls every other one not namespace-well-formed. We take
 * what RFC 3986 allows, less user names and IP literals in the authority. */
#include "xmpp/scan_inside.h"

enum { PORT_DIGITS = 5 };

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

/* RFC 3986 2.2, 2.3 and 3.3: what a path may hold beside letters, digits and escapes. */
static bool is_path_mark(char c)
{
	switch (c) {
	case '-':
	case '.':
	case '_':
	case '~':
	case '!':
	case '$':
	case '&':
	case '\'':
	case '(':
	case ')':
	case '*':
	case '+':
	case ',':
	case ';':
	case '=':
	case ':':
	case '@':
	case '/':
		return true;
	default:
		return false;
	}
}

static bool is_name_mark(char c)
{
	return c == '-' || c == '.' || c == '_' || c == '~';
}

static bool is_scheme_mark(char c)
{
	return c == '+' || c == '-' || c == '.';
}

/* RFC 3986 3.1. */
static bool is_scheme(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		bool first = is_alpha(s.ptr[i]);
		if (!first && (i == 0 || !(is_digit(s.ptr[i]) || is_scheme_mark(s.ptr[i]))))
			return false;
	}
	return s.len > 0;
}

/* RFC 3986 3.2.2, 3.2.3: a name and perhaps a port. */
static bool is_authority(struct slice s)
{
	size_t i = 0;
	while (i < s.len && (is_alpha(s.ptr[i]) || is_digit(s.ptr[i]) || is_name_mark(s.ptr[i])))
		i++;
	if (i == s.len)
		return true;
	size_t port = i + 1;
	for (i = port; i < s.len && is_digit(s.ptr[i]); i++)
		;
	return s.ptr[port - 1] == ':' && i == s.len && i > port && i - port <= PORT_DIGITS;
}

/* A path (RFC 3986 3.3), or a query or fragment (3.4, 3.5), which may hold '?' too. */
static bool is_chars(struct slice s, bool question)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c == '%') {
			if (i + 2 >= s.len || !is_hex(s.ptr[i + 1]) || !is_hex(s.ptr[i + 2]))
				return false;
			i += 2;
		} else if (!is_alpha(c) && !is_digit(c) && !is_path_mark(c) &&
			   !(question && c == '?')) {
			return false;
		}
	}
	return true;
}

/* Where the part ends that no '/', '?' or '#' ends earlier. */
static size_t part_end(struct slice s)
{
	size_t i = 0;
	while (i < s.len && s.ptr[i] != '/' && s.ptr[i] != '?' && s.ptr[i] != '#')
		i++;
	return i;
}

bool scan_is_uri(struct slice name)
{
	struct slice rest = name;
	size_t end = part_end(name), colon = slice_find(slice_sub(name, 0, end), ':');
	if (colon < end) {
		if (!is_scheme(slice_sub(name, 0, colon)))
			return false;
		rest = slice_sub(name, colon + 1, name.len);
	}
	if (slice_starts(rest, "//")) {
		rest = slice_sub(rest, 2, rest.len);
		end = part_end(rest);
		if (!is_authority(slice_sub(rest, 0, end)))
			return false;
		rest = slice_sub(rest, end, rest.len);
	}
	size_t hash = slice_find(rest, '#'), query = slice_find(slice_sub(rest, 0, hash), '?');
	return is_chars(slice_sub(rest, 0, query), false) &&
	       is_chars(slice_sub(rest, query + 1, hash), true) &&
	       is_chars(slice_sub(rest, hash + 1, rest.len), true);
}
