/* Chains and sets of authorities: RFC 5280 path validation by mbedTLS, with our own word on dates,
 * purposes and (cert_constraints.c) names. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "base/mem.h"
#include "trust/cert_inside.h"
#include "trust/keymatch.h"
#include "trust/pem.h"

#include <string.h>

/* RFC 9325 4.5: RSA keys of some length, SHA-2 signatures, NIST curves. */
static const mbedtls_x509_crt_profile profile = {
	.allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
	.allowed_pks =
		MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSA) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSASSA_PSS) |
		MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) | MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA),
	.allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) |
			  MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1) |
			  MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP521R1),
	.rsa_min_bitlen = RSA_MIN_BITS,
};

enum { RSA_MAX_EXPONENT_BITS = 32 };

/* ---- sets ---- */

/* Not the library's own PEM reader: it would refuse anchors with critical name constraints, which
 * we judge. Returns how many blocks were left out. */
static size_t add_anchors(struct cert_set *s, struct slice pem, struct err *last)
{
	struct slice label;
	struct buf der;
	struct err e;
	size_t skipped = 0;
	buf_init(&der, BUF_UNLIMITED);
	while (pem.len) {
		bool found = pem_next(&pem, &label, &der, &e);
		if (found && slice_eq_str(label, "CERTIFICATE"))
			e = cert_parse(&s->anchors, buf_peek(&der), true);
		else if (found)
			continue;
		else if (!err_is(e))
			break;
		if (err_is(e))
			*last = e;
		*(err_is(e) ? &skipped : &s->count) += 1;
	}
	buf_fini(&der);
	return skipped;
}

struct cert_set *cert_set_new(struct slice pem, size_t *skipped, struct err *e)
{
	struct cert_set *s = MEM_NEW(struct cert_set);
	struct err last = err_make(ERR_CERT_PARSE);
	mbedtls_x509_crt_init(&s->anchors);
	s->refs = 1;
	size_t left = add_anchors(s, pem, &last);
	if (skipped)
		*skipped = left;
	*e = s->count ? err_ok() : last;
	if (s->count)
		return s;
	cert_set_release(s);
	return NULL;
}

struct cert_set *cert_set_of(struct slice der, struct err *e)
{
	struct cert_set *s = MEM_NEW(struct cert_set);
	mbedtls_x509_crt_init(&s->anchors);
	s->refs = 1;
	s->count = 1;
	*e = cert_parse(&s->anchors, der, true);
	if (!err_is(*e))
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

/* ---- paths ---- */

/* The path that the library settled on, leaf first. */
struct path {
	const mbedtls_x509_crt *certs[CERT_PATH_MAX];
	size_t count;
};

static int on_path(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	struct path *path = arg;
	(void)flags;
	if (depth >= CERT_PATH_MAX)
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

static struct err check_date(const struct cert_facts *f, int64_t now)
{
	if (now > f->not_after)
		return err_make(ERR_CERT_EXPIRED);
	return err_make(now < f->not_before ? ERR_CERT_NOT_YET : ERR_OK);
}

/* C20: bounded work. Before any signature is checked: a long public exponent costs a third of a
 * second. RSA keys over 8192 bits the library does not read (MBEDTLS_MPI_MAX_SIZE). */
static bool is_costly(const mbedtls_x509_crt *crt)
{
	return mbedtls_pk_get_type(&crt->pk) == MBEDTLS_PK_RSA &&
	       mbedtls_mpi_bitlen(&mbedtls_pk_rsa(crt->pk)->E) > RSA_MAX_EXPONENT_BITS;
}

/* ID-7: serverAuth in both directions. An issuer that states purposes must state this one: a CA
 * for mail must not speak for servers, which no public CA audit would find. */
static bool purpose_allows(const struct cert_facts *f, bool required)
{
	return f->has_eku ? f->eku_server || f->eku_any : !required;
}

static struct err check_leaf(
	const struct path *path, const struct cert_facts *leaf, const struct cert_rules *rules)
{
	if (!purpose_allows(leaf, rules->require_eku))
		return err_make(ERR_CERT_PURPOSE);
	if (leaf->has_key_usage && !leaf->ku_digital_signature)
		return err_make(ERR_CERT_PURPOSE);
	/* ID-8. A self-signed leaf that is itself an anchor may carry CA:TRUE (community sets). */
	return err_make(leaf->is_ca && path->count > 1 ? ERR_CERT_PURPOSE : ERR_OK);
}

static bool is_self_issued(const mbedtls_x509_crt *crt)
{
	return slice_eq(slice_of(crt->subject_raw.p, crt->subject_raw.len),
		slice_of(crt->issuer_raw.p, crt->issuer_raw.len));
}

/* RFC 5280 6.1.3 (b), (c): all below the issuer but self-issued authorities. */
static struct err check_constraints(const struct path *path, size_t issuer)
{
	for (size_t i = 0; i < issuer; i++) {
		if (i > 0 && is_self_issued(path->certs[i]))
			continue;
		if (!cert_constraints_allow(path->certs[issuer], path->certs[i]))
			return err_make(ERR_CERT_CONSTRAINT);
	}
	return err_ok();
}

/* Every certificate of the path but the anchor: that one is a key and a name, and its dates and
 * purposes are no part of the trust in it, unless it is the leaf itself. */
static struct err judge_path(const struct path *path, const struct cert_facts *leaf,
	const struct cert_rules *rules, int64_t now, int64_t *not_after)
{
	struct cert_facts f = *leaf;
	struct err e = check_leaf(path, leaf, rules);
	*not_after = INT64_MAX;
	for (size_t i = 0; i < path->count && !err_is(e); i++) {
		e = check_constraints(path, i);
		if (i > 0)
			cert_facts_of(path->certs[i], &f);
		if (err_is(e) || (i > 0 && i + 1 == path->count))
			continue;
		e = check_date(&f, now);
		if (!err_is(e) && i > 0 && !purpose_allows(&f, false))
			e = err_make(ERR_CERT_PURPOSE);
		*not_after = f.not_after < *not_after ? f.not_after : *not_after;
	}
	return e;
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

/* What the path may be made of. An issuer that cannot be read or is out of its dates is left out:
 * another one of the same name may do (cross-signed and renewed authorities). */
struct material {
	mbedtls_x509_crt list;
	struct err why_out[CERT_CHAIN_MAX];
};

static struct err gather(struct material *m, const struct slice *chain, size_t count, int64_t now)
{
	for (size_t i = 0; i < count; i++) {
		struct cert_facts f;
		m->why_out[i] = cert_read(chain[i], &f);
		if (!err_is(m->why_out[i]) && i > 0)
			m->why_out[i] = check_date(&f, now);
		if (!err_is(m->why_out[i]))
			m->why_out[i] = cert_parse(&m->list, chain[i], false);
	}
	for (const mbedtls_x509_crt *crt = &m->list; crt; crt = crt->next) {
		if (is_costly(crt))
			return err_make(ERR_CERT_WEAK);
	}
	return err_ok();
}

/* The better reason, where the path broke off at a certificate that was left out. */
static struct err explain(const struct material *m, const struct path *path,
	const struct slice *chain, size_t count, struct err e)
{
	if (e.code != ERR_CERT_UNTRUSTED || path->count == 0)
		return e;
	const mbedtls_x509_crt *last = path->certs[path->count - 1];
	for (size_t i = 1; i < count; i++) {
		if (err_is(m->why_out[i]) &&
			chain_follows(slice_of(last->raw.p, last->raw.len), chain[i]))
			return m->why_out[i];
	}
	return e;
}

/* The certificates were read where they lie, so their bytes outlive what the library made of
 * them. */
static void write_path(const struct path *path, struct cert_path *out)
{
	out->count = path->count;
	for (size_t i = 0; i < path->count; i++)
		out->certs[i] = slice_of(path->certs[i]->raw.p, path->certs[i]->raw.len);
}

static struct err judge_chain(const struct slice *chain, size_t count, const struct cert_set *set,
	const struct cert_rules *rules, int64_t now, const struct cert_facts *leaf,
	struct cert_path *out)
{
	struct material m;
	struct path path = {.count = 0};
	mbedtls_x509_crt_init(&m.list);
	struct err e = gather(&m, chain, count, now);
	if (!err_is(e))
		e = explain(&m, &path, chain, count, find_path(&m.list, set, &path));
	if (!err_is(e))
		e = judge_path(&path, leaf, rules, now, &out->not_after);
	if (!err_is(e))
		write_path(&path, out);
	mbedtls_x509_crt_free(&m.list);
	return e;
}

struct err cert_judge_path(const struct slice *chain, size_t count, const struct cert_set *set,
	const struct cert_rules *rules, int64_t now, struct cert_facts *facts,
	struct cert_path *path)
{
	size_t bytes = 0;
	memset(facts, 0, sizeof *facts);
	memset(path, 0, sizeof *path);
	for (size_t i = 0; i < count; i++)
		bytes += chain[i].len;
	struct err e = err_make(count ? ERR_OK : ERR_CERT_NONE);
	if (count && chain[0].len <= CERT_CHAIN_MAX_BYTES)
		e = cert_read(chain[0], facts);
	if (!err_is(e) && (count > CERT_CHAIN_MAX || bytes > CERT_CHAIN_MAX_BYTES))
		e = err_make(ERR_CERT_CHAIN);
	if (!err_is(e))
		e = judge_chain(chain, count, set, rules, now, facts, path);
	if (err_is(e))
		memset(path, 0, sizeof *path);
	return e;
}

struct err cert_judge(const struct slice *chain, size_t count, const struct cert_set *set,
	const struct cert_rules *rules, int64_t now, struct cert_facts *facts, int64_t *not_after)
{
	struct cert_path path;
	struct err e = cert_judge_path(chain, count, set, rules, now, facts, &path);
	if (not_after)
		*not_after = path.not_after;
	return e;
}
