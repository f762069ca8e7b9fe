#include "trust/identity.h"

#include <string.h>

#define SRV_PREFIX "_xmpp-server."
#define MORE       "..."

enum { SHOWN_MAX = 80 }; /* bytes of one name in a log line */

static struct slice without_dot(struct slice s)
{
	return s.len && s.ptr[s.len - 1] == '.' ? slice_sub(s, 0, s.len - 1) : s;
}

/* A domain holds letters, digits, hyphens and dots only, so a name with any other byte (NUL,
 * U-labels, spaces) equals none (ID-5, C09). */
bool identity_dns_matches(struct slice pattern, const struct domain *domain)
{
	pattern = without_dot(pattern);
	if (!domain_is_set(domain))
		return false;
	if (slice_find(pattern, '*') == pattern.len)
		return slice_ieq_str(pattern, domain->name);
	/* RFC 9525 6.3: the wildcard is the whole left-most label and stands for exactly one. */
	struct slice rest = slice_sub(pattern, 2, pattern.len);
	struct slice name = domain_slice(domain);
	size_t label = slice_find(name, '.');
	if (!slice_starts(pattern, "*.") || label == name.len)
		return false;
	return slice_find(rest, '.') < rest.len && slice_ieq_str(rest, domain->name + label + 1);
}

/* ID-1, ID-4: service and name are compared together. */
static bool srv_matches(struct slice value, const struct domain *domain)
{
	const size_t n = sizeof SRV_PREFIX - 1;
	return domain_is_set(domain) && slice_ieq_str(slice_sub(value, 0, n), SRV_PREFIX) &&
	       slice_ieq_str(without_dot(slice_sub(value, n, value.len)), domain->name);
}

/* ID-1: only a bare domainpart is a server's identity; nothing with a localpart or a resource is a
 * domain. */
static bool xmpp_matches(struct slice value, const struct domain *domain)
{
	struct domain named;
	return !err_is(domain_parse(value, &named)) && domain_eq(&named, domain);
}

static bool name_matches(const struct cert_name *name, const struct domain *domain, bool others)
{
	switch (name->kind) {
	case CERT_NAME_DNS:
		return identity_dns_matches(name->value, domain);
	case CERT_NAME_SRV:
		return others && srv_matches(name->value, domain);
	case CERT_NAME_XMPP:
		return others && xmpp_matches(name->value, domain);
	}
	return false;
}

bool identity_matches(const struct cert_facts *facts, const struct domain *domain,
	bool allow_other_names, size_t *which)
{
	for (size_t i = 0; i < facts->name_count && !facts->names_cut; i++) {
		if (!name_matches(&facts->names[i], domain, allow_other_names))
			continue;
		if (which)
			*which = i;
		return true;
	}
	return false;
}

/* What may be shown of a name: no localpart (they are personal), no more than a part. */
static struct slice shown_of(struct slice v)
{
	for (size_t at = slice_find(v, '@'); at < v.len; at = slice_find(v, '@'))
		v = slice_sub(v, at + 1, v.len);
	return slice_sub(v, 0, SHOWN_MAX);
}

void identity_describe(const struct cert_facts *facts, char *out, size_t size)
{
	size_t n = 0;
	*out = '\0';
	for (size_t i = 0; i < facts->name_count; i++) {
		struct slice v = shown_of(facts->names[i].value);
		bool fits = n + 1 + v.len + sizeof MORE <= size;
		if (!fits)
			v = slice_str(n + sizeof MORE < size ? MORE : "");
		if (n && v.len)
			out[n++] = ',';
		for (size_t k = 0; k < v.len; k++)
			out[n++] = v.ptr[k] > ' ' && v.ptr[k] < 0x7f && v.ptr[k] != ',' ? v.ptr[k]
											: '?';
		out[n] = '\0';
		if (!fits)
			break;
	}
}
