/* Chains and sets of authorities: RFC 5280 path validation by mbedTLS, with our own word on dates,
 * purposes and name constraints. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "base/mem.h"
#include "trust/cert_inside.h"

#include <mbedtls/asn1.h>

#include <string.h>

#define OID_NAME_CONSTRAINTS "\x55\x1d\x1e"

/* RFC 9325 4.5: RSA from 2048 bits, SHA-2 signatures, NIST curves. */
static const mbedtls_x509_crt_profile profile = {
	.allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
	.allowed_pks = MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSA) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSASSA_PSS) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA),
	.allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) |
			  MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1) |
			  MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP521R1),
	.rsa_min_bitlen = 2048,
};

enum { RSA_MAX_BITS = 8192, PATH_MAX_CERTS = CERT_CHAIN_MAX + 3 };

/* ---- sets ---- */

static size_t count_certs(const mbedtls_x509_crt *crt)
{
	size_t n = 0;
	for (; crt && crt->raw.p; crt = crt->next)
		n++;
	return n;
}

struct cert_set *cert_set_new(struct slice pem, size_t *skipped, struct err *e)
{
	struct cert_set *s = MEM_NEW(struct cert_set);
	char *text = mem_dup(pem.ptr, pem.len);
	mbedtls_x509_crt_init(&s->anchors);
	s->refs = 1;
	int left = mbedtls_x509_crt_parse(&s->anchors, (unsigned char *)text, pem.len + 1);
	mem_free(text);
	s->count = count_certs(&s->anchors);
	if (skipped)
		*skipped = left > 0 ? (size_t)left : 0;
	*e = s->count ? err_ok() : err_native(ERR_CERT_PARSE, left);
	if (s->count)
		return s;
	cert_set_release(s);
	return NULL;
}

struct cert_set *cert_set_hold(struct cert_set *s)
{
	s->refs++;
	return s;
}

void cert_set_release(struct cert_set *s)
{
	if (!s || --s->refs)
		return;
	mbedtls_x509_crt_free(&s->anchors);
	mem_free(s);
}

size_t cert_set_count(const struct cert_set *s)
{
	return s->count;
}

/* ---- name constraints (ID-9, C19) ---- */

/* Whether `name` lies under `base` (RFC 5280 4.2.1.10): the same, or with labels in front. */
static bool under(struct slice name, struct slice base)
{
	if (slice_starts(name, "*."))
		name = slice_sub(name, 2, name.len);
	bool only_below = base.len && base.ptr[0] == '.';
	if (only_below)
		base = slice_sub(base, 1, base.len);
	if (base.len == 0)
		return true;
	if (name.len < base.len)
		return false;
	struct slice tail = slice_sub(name, name.len - base.len, name.len);
	char text[256];
	if (base.len >= sizeof text)
		return false;
	memcpy(text, base.ptr, base.len);
	text[base.len] = '\0';
	if (!slice_ieq_str(tail, text))
		return false;
	return name.len == base.len ? !only_below : name.ptr[name.len - base.len - 1] == '.';
}

/* The domain that a name of any kind speaks of. */
static struct slice domain_of(const struct cert_name *n)
{
	size_t dot = slice_find(n->value, '.');
	if (n->kind == CERT_NAME_SRV && slice_starts(n->value, "_"))
		return slice_sub(n->value, dot + 1, n->value.len);
	if (n->kind == CERT_NAME_XMPP)
		return slice_sub(n->value,
			slice_find(n->value, '@') < n->value.len ? slice_find(n->value, '@') + 1 : 0,
			n->value.len);
	return n->value;
}

enum subtree_kind { SUBTREES_PERMITTED, SUBTREES_EXCLUDED };

/* One list of GeneralSubtrees against one name. False when the list cannot be read. */
static bool walk_subtrees(struct slice list, struct slice name, bool *any_dns, bool *matches)
{
	unsigned char *p = (unsigned char *)(uintptr_t)list.ptr, *end = p + list.len;
	size_t len;
	while (p < end) {
		if (mbedtls_asn1_get_tag(
			    &p, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE))
			return false;
		unsigned char *next = p + len;
		if (len >= 2 && *p == (MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2)) {
			if (mbedtls_asn1_get_tag(&p, next, &len, MBEDTLS_ASN1_CONTEXT_SPECIFIC | 2))
				return false;
			*any_dns = true;
			*matches |= under(name, slice_of(p, len));
		}
		p = next;
	}
	return true;
}

static bool name_allowed(struct slice permitted, struct slice excluded, struct slice name)
{
	bool any = false, inside = false, none = false, outside = false;
	if (!walk_subtrees(permitted, name, &any, &inside) ||
		!walk_subtrees(excluded, name, &none, &outside))
		return false;
	return (!any || inside) && !outside;
}

bool cert_constraints_allow(const mbedtls_x509_crt *issuer, const struct cert_facts *leaf)
{
	struct slice value, permitted = SLICE_LIT(""), excluded = SLICE_LIT("");
	if (!cert_extension(issuer, SLICE_LIT(OID_NAME_CONSTRAINTS), &value))
		return true;
	unsigned char *p = (unsigned char *)(uintptr_t)value.ptr, *end = p + value.len;
	size_t len;
	if (mbedtls_asn1_get_tag(&p, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE))
		return false;
	for (int tag = 0; tag <= 1 && p < end; tag++) {
		if (mbedtls_asn1_get_tag(&p, end, &len,
			    MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED | tag))
			continue;
		*(tag ? &excluded : &permitted) = slice_of(p, len);
		p += len;
	}
	if (p != end)
		return false;
	for (size_t i = 0; i < leaf->name_count; i++) {
		if (!name_allowed(permitted, excluded, domain_of(&leaf->names[i])))
			return false;
	}
	return true;
}

/* ---- paths ---- */

/* The path that the library settled on, leaf first. */
struct path {
	const mbedtls_x509_crt *certs[PATH_MAX_CERTS];
	size_t count;
};

static int on_path(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct path *path = arg;
	(void)flags;
	if (depth >= PATH_MAX_CERTS)
		return -1;
	path->certs[depth] = crt;
	if ((size_t)depth + 1 > path->count)
		path->count = (size_t)depth + 1;
	return 0;
}

static struct err flags_to_err(uint32_t flags)
{
	const uint32_t weak = MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK |
			      MBEDTLS_X509_BADCERT_BAD_KEY;
	if (flags & weak)
		return err_make(ERR_CERT_WEAK);
	return err_make(flags ? ERR_CERT_UNTRUSTED : ERR_OK);
}

static int64_t date_of(const mbedtls_x509_crt *crt, bool end)
{
	struct cert_facts facts;
	if (err_is(cert_read(slice_of(crt->raw.p, crt->raw.len), &facts)))
		return end ? 0 : INT64_MAX;
	return end ? facts.not_after : facts.not_before;
}

/* Every certificate of the path but the anchor, whose dates are not part of the trust in it
 * (RFC 5280 6.1.1 d), unless the leaf is the anchor. */
static struct err check_dates(const struct path *path, int64_t now, int64_t *not_after)
{
	size_t n = path->count > 1 ? path->count - 1 : path->count;
	*not_after = INT64_MAX;
	for (size_t i = 0; i < n; i++) {
		int64_t end = date_of(path->certs[i], true);
		if (now > end)
			return err_make(ERR_CERT_EXPIRED);
		if (now < date_of(path->certs[i], false))
			return err_make(ERR_CERT_NOT_YET);
		if (end < *not_after)
			*not_after = end;
	}
	return err_ok();
}

static struct err check_keys(const struct path *path)
{
	for (size_t i = 0; i < path->count; i++) {
		const mbedtls_pk_context *pk = &path->certs[i]->pk;
		if (mbedtls_pk_get_type(pk) == MBEDTLS_PK_RSA &&
			mbedtls_pk_get_bitlen(pk) > RSA_MAX_BITS)
			return err_make(ERR_CERT_WEAK); /* C20: bounded work */
	}
	return err_ok();
}

/* ID-7, ID-8: serverAuth in both directions, never a CA as end entity. */
static struct err check_purpose(const struct cert_facts *leaf, const struct cert_rules *rules)
{
	bool server = leaf->eku_server || leaf->eku_any;
	if (leaf->has_eku ? !server : rules->require_eku)
		return err_make(ERR_CERT_PURPOSE);
	if (leaf->has_key_usage && !leaf->ku_digital_signature)
		return err_make(ERR_CERT_PURPOSE);
	return err_ok();
}

static struct err check_constraints(const struct path *path, const struct cert_facts *leaf)
{
	for (size_t i = 1; i < path->count; i++) {
		if (!cert_constraints_allow(path->certs[i], leaf))
			return err_make(ERR_CERT_CONSTRAINT);
	}
	return err_ok();
}

static struct err judge_path(const struct path *path, const struct cert_facts *leaf,
	const struct cert_rules *rules, int64_t now, int64_t *not_after)
{
	struct err e = check_keys(path);
	if (!err_is(e))
		e = check_dates(path, now, not_after);
	if (!err_is(e))
		e = check_purpose(leaf, rules);
	/* A self-signed leaf that is itself an anchor may carry CA:TRUE (community sets). */
	if (!err_is(e) && leaf->is_ca && path->count > 1)
		e = err_make(ERR_CERT_PURPOSE);
	return err_is(e) ? e : check_constraints(path, leaf);
}

static struct err find_path(mbedtls_x509_crt *chain, const struct cert_set *set, struct path *path)
{
	uint32_t flags = 0;
	int failed = mbedtls_x509_crt_verify_with_profile(chain,
		(mbedtls_x509_crt *)(uintptr_t)&set->anchors, NULL, &profile, NULL, &flags, on_path,
		path);
	if (failed && failed != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED)
		return err_native(ERR_CERT_CHAIN, failed);
	return flags_to_err(flags);
}

struct err cert_judge(const struct slice *chain, size_t count, const struct cert_set *set,
	const struct cert_rules *rules, int64_t now, struct cert_facts *facts, int64_t *not_after)
{
	struct path path = {.count = 0};
	size_t bytes = 0;
	int64_t earliest = 0;
	for (size_t i = 0; i < count; i++)
		bytes += chain[i].len;
	struct err e = count ? cert_read(chain[0], facts) : err_make(ERR_CERT_NONE);
	if (err_is(e))
		return e;
	if (count > CERT_CHAIN_MAX || bytes > CERT_CHAIN_MAX_BYTES)
		return err_make(ERR_CERT_CHAIN);
	mbedtls_x509_crt list;
	mbedtls_x509_crt_init(&list);
	/* One that cannot be read is left out: the path may do without it. */
	for (size_t i = 0; i < count; i++)
		(void)cert_parse(&list, chain[i]);
	e = find_path(&list, set, &path);
	if (!err_is(e))
		e = judge_path(&path, facts, rules, now, &earliest);
	mbedtls_x509_crt_free(&list);
	if (not_after)
		*not_after = earliest;
	return e;
}
