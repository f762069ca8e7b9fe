/* Where POSH documents are, and where a redirect or a reference may lead (POSH-2, POSH-9, P03):
 * RFC 3986, as far as https with a host name goes. What the target holds is sent as it stands here,
 * so nothing passes that could end the request line or the Host field early (P16). */
#include "trust/posh.h"

#include <stdio.h>
#include <string.h>

enum { HTTPS_PORT = 443, PORT_LEAST = 1024, PORT_MOST = 65535, PORT_DIGITS = 5 };

/* ---- characters ---- */

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* RFC 3986 2: unreserved, reserved, and percent-encoded octets. */
static bool is_uri_text(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c == '%' && i + 2 < s.len && is_hex(s.ptr[i + 1]) && is_hex(s.ptr[i + 2]))
			continue;
		if (c == '\0' || (!is_alnum(c) && !strchr("-._~:/?#[]@!$&'()*+,;=", c)))
			return false;
	}
	return true;
}

/* Where one of the characters of `set` stands first, or s.len. */
static size_t find_any(struct slice s, const char *set)
{
	size_t first = s.len;
	for (; *set; set++) {
		size_t at = slice_find(s, *set);
		first = at < first ? at : first;
	}
	return first;
}

/* Cuts s at n: what stands before goes out, s keeps the rest. */
static struct slice cut(struct slice *s, size_t n)
{
	struct slice head = slice_sub(*s, 0, n);
	*s = slice_sub(*s, n, s->len);
	return head;
}

/* ---- authority ---- */

/* An empty port is the default one (RFC 3986 3.2.3). */
static bool read_port(struct slice digits, uint16_t *out)
{
	unsigned long port = 0;
	if (digits.len > PORT_DIGITS)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return false;
		port = port * 10 + (unsigned long)(digits.ptr[i] - '0');
	}
	port = digits.len ? port : HTTPS_PORT;
	if (port > PORT_MOST || (port < PORT_LEAST && port != HTTPS_PORT))
		return false;
	*out = (uint16_t)port;
	return true;
}

/* No user part, no address: domain_parse() takes neither. */
static bool read_authority(struct slice text, struct posh_url *out)
{
	struct slice host = cut(&text, slice_find(text, ':'));
	return !err_is(domain_parse(host, &out->host)) &&
	       read_port(slice_sub(text, 1, text.len), &out->port);
}

/* ---- path ---- */

/* Up to and without the last slash. */
static size_t parent(const char *path, size_t len)
{
	while (len > 0 && path[len - 1] != '/')
		len--;
	return len ? len - 1 : 0;
}

/* RFC 3986 5.2.4. The path begins with a slash. */
static size_t remove_dots(struct slice path, char *out)
{
	size_t n = 0;
	while (path.len) {
		struct slice rest = slice_sub(path, 1, path.len);
		struct slice segment = cut(&rest, slice_find(rest, '/'));
		bool one = slice_eq_str(segment, "."), two = slice_eq_str(segment, "..");
		if (two)
			n = parent(out, n);
		else if (!one) {
			memmove(out + n, path.ptr, segment.len + 1);
			n += segment.len + 1;
		}
		if ((one || two) && !rest.len)
			out[n++] = '/';
		path = rest;
	}
	return n;
}

/* Puts path and query together; the room is POSH_URL_MAX. Only a URL with a scheme has no path, and
 * so room for one. */
static bool put_target(struct slice path, struct slice query, struct posh_url *out)
{
	if (path.len + query.len > POSH_URL_MAX)
		return false;
	size_t n = remove_dots(path, out->target);
	if (n == 0)
		out->target[n++] = '/';
	if (query.len)
		memcpy(out->target + n, query.ptr, query.len);
	out->target[n + query.len] = '\0';
	return true;
}

/* RFC 3986 5.2.3: what stands behind the base's last slash gives way. */
static bool put_relative(
	struct slice path, struct slice query, const struct posh_url *base, struct posh_url *out)
{
	char whole[2 * POSH_URL_MAX];
	struct slice old_query = slice_str(base->target);
	struct slice old_path = cut(&old_query, slice_find(old_query, '?'));
	if (path.len == 0)
		return put_target(old_path, query.len ? query : old_query, out);
	size_t kept = parent(old_path.ptr, old_path.len) + 1;
	memcpy(whole, old_path.ptr, kept);
	memcpy(whole + kept, path.ptr, path.len);
	return put_target(slice_of(whole, kept + path.len), query, out);
}

/* ---- the whole ---- */

/* Takes "https:" off. False: it has another scheme, or none and no base. */
static bool take_scheme(struct slice *text, bool has_base)
{
	size_t colon = slice_find(*text, ':');
	if (colon == text->len || find_any(*text, "/?#") < colon)
		return has_base;
	struct slice scheme = cut(text, colon);
	*text = slice_sub(*text, 1, text->len);
	/* RFC 3986 5.2.2: a scheme wants a whole URL, not "https:path". */
	return slice_ieq_str(scheme, "https") && slice_starts(*text, "//");
}

/* What stands behind the scheme, without the fragment. */
static bool read_rest(struct slice text, const struct posh_url *base, struct posh_url *out)
{
	bool absolute = slice_starts(text, "//");
	if (absolute) {
		text = slice_sub(text, 2, text.len);
		if (!read_authority(cut(&text, find_any(text, "/?")), out))
			return false;
	}
	struct slice path = cut(&text, slice_find(text, '?'));
	if (absolute)
		return put_target(path, text, out);
	if (!base)
		return false;
	out->host = base->host;
	out->port = base->port;
	if (slice_starts(path, "/"))
		return put_target(path, text, out);
	return put_relative(path, text, base, out);
}

struct err posh_url_parse(struct slice text, const struct posh_url *base, struct posh_url *out)
{
	struct posh_url u = {.port = HTTPS_PORT};
	bool fine = text.len <= POSH_URL_MAX && is_uri_text(text) &&
		    take_scheme(&text, base != NULL) &&
		    read_rest(slice_sub(text, 0, slice_find(text, '#')), base, &u);
	if (!fine)
		memset(&u, 0, sizeof u);
	*out = u;
	return err_make(fine ? ERR_OK : ERR_POSH_REDIRECT);
}

void posh_url_of(const struct domain *d, const char *service, struct posh_url *out)
{
	memset(out, 0, sizeof *out);
	out->host = domain_canonical(d);
	out->port = HTTPS_PORT;
	(void)snprintf(out->target, sizeof out->target, "/.well-known/posh/%s.json", service);
}

void posh_url_write(const struct posh_url *u, struct buf *out)
{
	(void)buf_printf(out, "https://%s", u->host.name);
	if (u->port != HTTPS_PORT)
		(void)buf_printf(out, ":%u", (unsigned)u->port);
	(void)buf_append_str(out, u->target);
}
