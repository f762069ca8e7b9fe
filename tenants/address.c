/* Addresses and networks as text, as structs, and one against the other. */
#include "tenants/value.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const unsigned char mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool ip_parse(int family, struct slice text, void *out)
{
	char copy[INET6_ADDRSTRLEN];
	if (text.len == 0 || text.len >= sizeof copy || slice_find(text, '\0') < text.len)
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return inet_pton(family, copy, out) == 1;
}

/* A plain number up to `max`, without sign or leading zeros. */
static bool number_parse(struct slice text, unsigned max, unsigned *out)
{
	unsigned n = 0;
	if (text.len == 0 || text.len > 9 || (text.len > 1 && text.ptr[0] == '0'))
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		n = n * 10 + (unsigned)(text.ptr[i] - '0');
	}
	*out = n;
	return n <= max;
}

static bool address_set(struct address *out, int family, struct slice host, unsigned port)
{
	*out = (struct address){0};
	if (family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->sa;
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		out->len = sizeof *in6;
		return ip_parse(AF_INET6, host, &in6->sin6_addr);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)&out->sa;
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	out->len = sizeof *in;
	return ip_parse(AF_INET, host, &in->sin_addr);
}

/* Says why `text` is no ADDRESS:PORT, and what would be. Always false. */
static bool address_explain(struct slice text, struct slice host, char *why)
{
	struct slice q = fault_quote(text);
	struct in6_addr scratch;
	bool v4 = ip_parse(AF_INET, text, &scratch);
	bool v6 = text.len && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']';
	if (v4 || v6)
		snprintf(why, VALUE_WHY_MAX, "`%.*s` has no port: write %.*s:5269", SLICE_ARG(q),
			SLICE_ARG(q));
	else if (text.len && text.ptr[0] != '[' && slice_find(host, ':') < host.len)
		snprintf(why, VALUE_WHY_MAX,
			"`%.*s`: an IPv6 address stands in brackets, as [::1]:5269", SLICE_ARG(q));
	else
		snprintf(why, VALUE_WHY_MAX,
			"`%.*s` is not ADDRESS:PORT, as 127.0.0.1:5269 or [::1]:5269; names are "
			"not looked up here",
			SLICE_ARG(q));
	return false;
}

bool address_parse(struct slice text, struct address *out, char why[VALUE_WHY_MAX])
{
	size_t colon = text.len;
	while (colon && text.ptr[colon - 1] != ':')
		colon--;
	struct slice host = slice_sub(text, 0, colon ? colon - 1 : 0);
	struct slice port_text = slice_sub(text, colon, text.len);
	bool v6 = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
	struct slice bare = v6 ? slice_sub(host, 1, host.len - 1) : host;
	if (!address_set(out, v6 ? AF_INET6 : AF_INET, bare, 0))
		return address_explain(text, host, why);
	unsigned port;
	if (!number_parse(port_text, 65535, &port) || port == 0) {
		struct slice q = fault_quote(port_text);
		snprintf(why, VALUE_WHY_MAX, "`%.*s` is not a port: 1 to 65535", SLICE_ARG(q));
		return false;
	}
	return address_set(out, v6 ? AF_INET6 : AF_INET, bare, port);
}

/* The bytes of an address for comparing; an IPv4 address in IPv6 clothes is the IPv4 address. */
static const unsigned char *address_bytes(const struct sockaddr_storage *sa, int *family)
{
	*family = sa->ss_family;
	if (sa->ss_family == AF_INET)
		return (const unsigned char *)&((const struct sockaddr_in *)sa)->sin_addr;
	if (sa->ss_family != AF_INET6)
		return NULL;
	const unsigned char *in6 =
		(const unsigned char *)&((const struct sockaddr_in6 *)sa)->sin6_addr;
	if (memcmp(in6, mapped_prefix, sizeof mapped_prefix) != 0)
		return in6;
	*family = AF_INET;
	return in6 + sizeof mapped_prefix;
}

static bool prefix_eq(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	if (memcmp(a, b, bits / 8) != 0)
		return false;
	unsigned rest = bits % 8;
	unsigned char mask = (unsigned char)(0xff00u >> rest);
	return rest == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0;
}

static void clear_host_bits(struct network *n)
{
	for (unsigned bit = n->bits; bit < sizeof n->prefix * 8; bit++)
		n->prefix[bit / 8] &= (unsigned char)~(0x80u >> bit % 8);
}

static void unmap(struct network *n)
{
	if (n->family != AF_INET6 || n->bits < 96 ||
		memcmp(n->prefix, mapped_prefix, sizeof mapped_prefix) != 0)
		return;
	struct network v4 = {.family = AF_INET, .bits = n->bits - 96};
	memcpy(v4.prefix, n->prefix + 12, 4);
	*n = v4;
}

bool network_parse(struct slice text, struct network *out, char why[VALUE_WHY_MAX])
{
	struct slice q = fault_quote(text);
	size_t slash = slice_find(text, '/');
	struct slice ip = slice_sub(text, 0, slash);
	struct slice bits = slice_sub(text, slash + 1, text.len);
	*out = (struct network){0};
	out->family = ip_parse(AF_INET, ip, out->prefix)    ? AF_INET
		      : ip_parse(AF_INET6, ip, out->prefix) ? AF_INET6
							    : AF_UNSPEC;
	unsigned width = out->family == AF_INET ? 32 : 128;
	out->bits = width;
	if (out->family == AF_UNSPEC) {
		snprintf(why, VALUE_WHY_MAX,
			"`%.*s` is not a network, as 10.0.0.0/8, fd00::/8 or one address",
			SLICE_ARG(q));
		return false;
	}
	if (slash < text.len && !number_parse(bits, width, &out->bits)) {
		snprintf(why, VALUE_WHY_MAX, "`%.*s`: behind the `/` stands 0 to %u", SLICE_ARG(q),
			width);
		return false;
	}
	struct network cleared = *out;
	clear_host_bits(&cleared);
	if (memcmp(cleared.prefix, out->prefix, sizeof cleared.prefix) != 0) {
		char meant[ADDRESS_TEXT_MAX];
		network_write(&cleared, meant);
		snprintf(why, VALUE_WHY_MAX,
			"`%.*s` has bits set behind its prefix; did you mean %s?", SLICE_ARG(q),
			meant);
		return false;
	}
	unmap(out);
	return true;
}

void address_write(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
	char ip[INET6_ADDRSTRLEN] = "";
	if (a->sa.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->sa;
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
		snprintf(out, ADDRESS_TEXT_MAX, "[%s]:%u", ip, ntohs(in6->sin6_port));
	} else {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&a->sa;
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
		snprintf(out, ADDRESS_TEXT_MAX, "%s:%u", ip, ntohs(in->sin_port));
	}
}

void network_write(const struct network *n, char out[ADDRESS_TEXT_MAX])
{
	char ip[INET6_ADDRSTRLEN] = "";
	inet_ntop(n->family, n->prefix, ip, sizeof ip);
	snprintf(out, ADDRESS_TEXT_MAX, "%s/%u", ip, n->bits);
}

unsigned address_port(const struct sockaddr_storage *sa)
{
	return ntohs(sa->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
					       : ((const struct sockaddr_in *)sa)->sin_port);
}

bool address_eq(const struct address *a, const struct address *b)
{
	return a->len == b->len && a->sa.ss_family == b->sa.ss_family &&
	       address_port(&a->sa) == address_port(&b->sa) && address_same_host(&a->sa, &b->sa);
}

bool address_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	int family_a, family_b;
	const unsigned char *x = address_bytes(a, &family_a);
	const unsigned char *y = address_bytes(b, &family_b);
	return x && y && family_a == family_b && memcmp(x, y, family_a == AF_INET ? 4 : 16) == 0;
}

bool address_is_loopback(const struct sockaddr_storage *sa)
{
	static const unsigned char one[16] = {[15] = 1};
	int family;
	const unsigned char *bytes = address_bytes(sa, &family);
	if (!bytes)
		return false;
	return family == AF_INET ? bytes[0] == 127 : memcmp(bytes, one, sizeof one) == 0;
}

bool address_is_any(const struct sockaddr_storage *sa)
{
	static const unsigned char zero[16];
	int family;
	const unsigned char *bytes = address_bytes(sa, &family);
	return bytes && memcmp(bytes, zero, family == AF_INET ? 4 : sizeof zero) == 0;
}

bool network_list_has(const struct network_list *list, const struct sockaddr_storage *addr)
{
	int family;
	const unsigned char *bytes = address_bytes(addr, &family);
	for (size_t i = 0; bytes && i < list->count; i++) {
		const struct network *n = &list->items[i];
		if (n->family == family && prefix_eq(n->prefix, bytes, n->bits))
			return true;
	}
	return false;
}
