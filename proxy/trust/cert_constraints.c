/* Name constraints (RFC 5280 4.2.1.10; ID-9, C19), which mbedTLS does not judge. Names of a form
 * that we do not understand are refused wherever a constraint speaks of that form: "the
 * application MUST either process the constraint or reject the certificate". */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "base/domain.h"
#include "trust/cert_inside.h"

#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>

#define OID_NAME_CONSTRAINTS "\x55\x1d\x1e"

enum form { FORM_OTHER = 0, FORM_DNS = 2, FORM_DIRECTORY = 4, FORM_MASK = 0x1f };
enum { SEQUENCE = MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE };
enum { SUBTREES = MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED };

struct subtrees {
	struct slice permitted, excluded; /* the content of GeneralSubtrees */
};

/* ---- DER ---- */

/* Takes one element of any tag. */
static bool take_any(struct slice *rest, int *tag, struct slice *content)
{
	unsigned char *p = (unsigned char *)(uintptr_t)rest->ptr, *end = p + rest->len;
	size_t len;
	if (p == end)
		return false;
	*tag = *p++;
	if (mbedtls_asn1_get_len(&p, end, &len))
		return false;
	*content = slice_of(p, len);
	p += len;
	*rest = slice_of(p, (size_t)(end - p));
	return true;
}

static bool take(struct slice *rest, int tag, struct slice *content)
{
	struct slice copy = *rest, found;
	int found_tag;
	if (!take_any(&copy, &found_tag, &found) || found_tag != tag)
		return false;
	*rest = copy;
	*content = found;
	return true;
}

/* GeneralSubtree ::= SEQUENCE { base, minimum DEFAULT 0, maximum OPTIONAL }; RFC 5280 allows
 * nothing but the base. */
static bool take_subtree(struct slice *list, int *tag, struct slice *base)
{
	struct slice subtree;
	return take(list, SEQUENCE, &subtree) && take_any(&subtree, tag, base) && subtree.len == 0;
}

/* ---- one name against one base ---- */

static struct slice without_dot(struct slice s)
{
	return s.len && s.ptr[s.len - 1] == '.' ? slice_sub(s, 0, s.len - 1) : s;
}

/* `name` is `base` or has labels in front of it. The empty base holds everything. */
static bool is_under(struct slice name, struct slice base)
{
	if (base.len == 0)
		return true;
	if (name.len < base.len || !slice_ieq(slice_sub(name, name.len - base.len, name.len), base))
		return false;
	return name.len == base.len || name.ptr[name.len - base.len - 1] == '.';
}

/* A base with a dot in front, which RFC 5280 does not know for domains but authorities use, holds
 * only what is below it. A wildcard name is permitted when all that it stands for is, and excluded
 * when any of it is. */
static bool dns_in(struct slice name, struct slice base, bool excluding)
{
	name = without_dot(name);
	base = without_dot(base);
	bool only_below = slice_starts(base, ".");
	if (only_below)
		base = slice_sub(base, 1, base.len);
	if (!slice_starts(name, "*."))
		return is_under(name, base) && !(only_below && name.len == base.len);
	struct slice parent = slice_sub(name, 2, name.len);
	if (is_under(parent, base))
		return true;
	struct slice above = slice_sub(base, slice_find(base, '.') + 1, base.len);
	return excluding && !only_below && slice_ieq(parent, above);
}

/* The first RDNs of the name are those of the base, byte for byte. */
static bool directory_in(struct slice name, struct slice base)
{
	struct slice rdns, first;
	if (!take(&base, SEQUENCE, &first) || !take(&name, SEQUENCE, &rdns))
		return false;
	return slice_eq(slice_sub(rdns, 0, first.len), first);
}

static bool is_in(int form, struct slice name, struct slice base, bool excluding)
{
	if (form == FORM_DNS)
		return dns_in(name, base, excluding);
	if (form == FORM_DIRECTORY)
		return directory_in(name, base);
	return excluding;
}

/* ---- one name against all ---- */

/* True when the name passes this list; one that cannot be read lets nothing pass. */
static bool passes(struct slice list, int form, struct slice name, bool excluding)
{
	bool any = false, inside = false;
	while (list.len) {
		int tag;
		struct slice base;
		if (!take_subtree(&list, &tag, &base))
			return false;
		if ((tag & FORM_MASK) != form)
			continue;
		any = true;
		inside |= is_in(form, name, base, excluding);
	}
	return !any || inside != excluding;
}

static bool allowed(const struct subtrees *t, int form, struct slice name)
{
	return passes(t->permitted, form, name, false) && passes(t->excluded, form, name, true);
}

/* RFC 5280's dNSName constraints do not restrict otherName; ours hold for what these name as well
 * (ID-9). An XmppAddr is brought to A-labels as identity.c does; one that is no domain matches no
 * domain there, and stands for the empty name here. */
static bool domain_allowed(const struct subtrees *t, const struct cert_name *n)
{
	struct domain d = {0};
	struct slice name = n->value;
	if (n->kind == CERT_NAME_SRV)
		name = slice_sub(name, slice_find(name, '.') + 1, name.len);
	if (n->kind == CERT_NAME_XMPP) {
		size_t at = slice_find(name, '@');
		name = slice_sub(name, at < name.len ? at + 1 : 0, slice_find(name, '/'));
		(void)domain_parse(name, &d);
		name = domain_slice(&d);
	}
	return allowed(t, FORM_DNS, name);
}

static bool raw_names_allowed(const struct subtrees *t, const mbedtls_x509_crt *crt)
{
	struct slice subject = slice_of(crt->subject_raw.p, crt->subject_raw.len), rdns;
	struct slice copy = subject;
	size_t count = 0;
	if (take(&copy, SEQUENCE, &rdns) && rdns.len && !allowed(t, FORM_DIRECTORY, subject))
		return false;
	if (!mbedtls_x509_crt_has_ext_type(crt, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME))
		return true;
	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s; s = s->next) {
		int form = s->buf.tag & FORM_MASK;
		if (++count > CERT_NAMES_MAX) /* bounded work */
			return false;
		if (form != FORM_DNS && !allowed(t, form, slice_of(s->buf.p, s->buf.len)))
			return false;
	}
	return true;
}

/* NameConstraints ::= SEQUENCE { permitted [0] OPTIONAL, excluded [1] OPTIONAL }. */
static bool read_subtrees(struct slice value, struct subtrees *t)
{
	struct slice both;
	*t = (struct subtrees){SLICE_LIT(""), SLICE_LIT("")};
	if (!take(&value, SEQUENCE, &both) || value.len)
		return false;
	(void)take(&both, SUBTREES | 0, &t->permitted);
	(void)take(&both, SUBTREES | 1, &t->excluded);
	return both.len == 0;
}

bool cert_constraints_allow(const mbedtls_x509_crt *issuer, const mbedtls_x509_crt *subject)
{
	struct slice value;
	struct subtrees trees;
	struct cert_facts facts;
	if (!cert_extension(issuer, SLICE_LIT(OID_NAME_CONSTRAINTS), &value))
		return true;
	if (!read_subtrees(value, &trees) || !raw_names_allowed(&trees, subject))
		return false;
	cert_facts_of(subject, &facts);
	for (size_t i = 0; i < facts.name_count; i++) {
		if (!domain_allowed(&trees, &facts.names[i]))
			return false;
	}
	return true;
}
