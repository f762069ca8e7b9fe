#include "trust/tlsa.h"

#include "base/b64.h"
#include "trust/digest.h"
#include "trust/identity.h"

#include <stdio.h>
#include <string.h>

/* RFC 7218's names for the numbers. */
enum { PKIX_TA, PKIX_EE, DANE_TA, DANE_EE };
enum { CERT, SPKI };
enum { FULL, SHA2_256, SHA2_512 };

enum {
	HEADER = 3,        /* usage, selector, matching type */
	ANCHORS_TRIED = 3, /* bounded work: a path for each certificate that a 2 x x record fits */
	SHOWN_BYTES = 8,
};

/* ---- records ---- */

/* One DER SEQUENCE and nothing behind it: so begin certificates and keys. */
static bool is_der_sequence(struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t len, head = 2;
	if (s.len < 2 || p[0] != 0x30)
		return false;
	len = p[1];
	if (p[1] & 0x80) {
		size_t bytes = p[1] & 0x7f;
		if (bytes == 0 || bytes > 2 || s.len < 2 + bytes)
			return false;
		head += bytes;
		len = bytes == 1 ? p[2] : (size_t)p[2] << 8 | p[3];
	}
	return len > 0 && s.len == head + len;
}

/* DANE-2: what cannot be used is not a mismatch (RFC 6698 4.1). */
static bool read_record(struct slice rdata, struct tlsa_record *out)
{
	const unsigned char *p = (const unsigned char *)rdata.ptr;
	if (rdata.len <= HEADER || rdata.len > TLSA_RDATA_MAX)
		return false;
	*out = (struct tlsa_record){.usage = p[0], .selector = p[1], .mtype = p[2]};
	if (out->usage > DANE_EE || out->selector > SPKI || out->mtype > SHA2_512)
		return false;
	struct slice data = slice_sub(rdata, HEADER, rdata.len);
	out->len = out->mtype == SHA2_512 ? DIGEST_512 : DIGEST_256;
	if (out->mtype == FULL && is_der_sequence(data))
		digest_256(data, out->data);
	else if (out->mtype != FULL && data.len == out->len)
		memcpy(out->data, data.ptr, data.len);
	else
		return false;
	return true;
}

static bool is_same(const struct tlsa_record *a, const struct tlsa_record *b)
{
	return a->usage == b->usage && a->selector == b->selector && a->mtype == b->mtype &&
	       slice_eq(slice_of(a->data, a->len), slice_of(b->data, b->len));
}

static void put(struct tlsa_set *set, const struct tlsa_record *r)
{
	for (size_t i = 0; i < set->count; i++) {
		if (is_same(&set->records[i], r))
			return;
	}
	if (set->count == TLSA_RECORDS_MAX)
		set->unusable++;
	else
		set->records[set->count++] = *r;
}

void tlsa_add(struct tlsa_set *set, struct slice rdata)
{
	struct tlsa_record r;
	if (read_record(rdata, &r))
		put(set, &r);
	else
		set->unusable++;
}

static bool has_stronger(const struct tlsa_set *set, const struct tlsa_record *r)
{
	for (size_t i = 0; i < set->count && r->mtype == SHA2_256; i++) {
		const struct tlsa_record *o = &set->records[i];
		if (o->usage == r->usage && o->selector == r->selector && o->mtype == SHA2_512)
			return true;
	}
	return false;
}

/* RFC 7671 9: of each usage and selector only the strongest digest counts; mtype 0 is no digest
 * and always does. */
void tlsa_settle(struct tlsa_set *set)
{
	size_t kept = 0;
	for (size_t i = 0; i < set->count; i++) {
		if (!has_stronger(set, &set->records[i]))
			set->records[kept++] = set->records[i];
	}
	set->count = kept;
}

/* ---- does a record fit a certificate? ---- */

struct prints {
	bool has_spki;
	unsigned char of[2][2][DIGEST_512]; /* selector; SHA-256, SHA-512 */
};

static void take_prints(struct slice der, struct prints *p)
{
	struct slice spki = SLICE_NONE;
	p->has_spki = cert_spki(der, &spki);
	digest_256(der, p->of[CERT][0]);
	digest_512(der, p->of[CERT][1]);
	digest_256(spki, p->of[SPKI][0]);
	digest_512(spki, p->of[SPKI][1]);
}

static bool fits(const struct tlsa_record *r, const struct prints *p)
{
	if (r->selector == SPKI && !p->has_spki)
		return false;
	return memcmp(r->data, p->of[r->selector][r->mtype == SHA2_512], r->len) == 0;
}

static const struct tlsa_record *fitting(
	const struct tlsa_set *set, unsigned usage, const struct prints *p)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->records[i].usage == usage && fits(&set->records[i], p))
			return &set->records[i];
	}
	return NULL;
}

static bool has_usage(const struct tlsa_set *set, unsigned least, unsigned most)
{
	for (size_t i = 0; i < set->count; i++) {
		if (set->records[i].usage >= least && set->records[i].usage <= most)
			return true;
	}
	return false;
}

/* ---- what each usage asks for ---- */

struct judging {
	const struct tlsa_set *set;
	const struct tlsa_question *q;
	struct prints leaf;
	struct tlsa_match match;
};

static bool succeed(struct judging *j, const struct tlsa_record *r, int64_t not_after)
{
	j->match.e = err_ok();
	j->match.nearest = err_ok();
	j->match.record = *r;
	j->match.not_after = not_after;
	return true;
}

static bool nearly(struct judging *j, struct err e)
{
	if (!err_is(j->match.nearest))
		j->match.nearest = e;
	return false;
}

/* RFC 7671 5.1: neither names nor chain nor dates. But a key that others can find out proves
 * nothing (P-2). */
static bool try_dane_ee(struct judging *j)
{
	struct cert_facts leaf;
	const struct tlsa_record *r = fitting(j->set, DANE_EE, &j->leaf);
	if (!r)
		return false;
	struct err e = cert_read(j->q->chain[0], &leaf);
	if (!err_is(e) && leaf.weak_key)
		e = err_make(ERR_CERT_WEAK);
	return err_is(e) ? nearly(j, e) : succeed(j, r, 0);
}

/* RFC 5280 and the reference identifiers R and TLSA base domain (RFC 7671 10.2, RFC 7673 4.1). */
static struct err validate(const struct judging *j, const struct cert_set *anchors,
	const struct cert_rules *rules, struct cert_path *path)
{
	struct cert_facts facts;
	struct err e =
		cert_judge_path(j->q->chain, j->q->count, anchors, rules, j->q->now, &facts, path);
	for (size_t i = 0; i < 2 && !err_is(e); i++) {
		const struct domain *d = &j->q->names[i];
		if (domain_is_set(d) && identity_matches(&facts, d, rules->allow_other_names, NULL))
			return e;
	}
	return err_is(e) ? e : err_make(ERR_CERT_NAME);
}

/* The domain's own authority: it may name services and need not state purposes (ID-7, ID-9). */
static bool try_anchor(struct judging *j, struct slice der, const struct tlsa_record *r)
{
	static const struct cert_rules rules = {.require_eku = false, .allow_other_names = true};
	struct cert_path path = {.count = 0};
	struct err e;
	struct cert_set *anchor = cert_set_of(der, &e);
	if (anchor)
		e = validate(j, anchor, &rules, &path);
	cert_set_release(anchor);
	return err_is(e) ? nearly(j, e) : succeed(j, r, path.not_after);
}

static size_t sent(const struct judging *j)
{
	return j->q->count < CERT_CHAIN_MAX ? j->q->count : CERT_CHAIN_MAX;
}

/* RFC 7671 5.2: the authority is in the chain that was sent, above the leaf. */
static bool try_dane_ta(struct judging *j)
{
	size_t tried = 0;
	if (!has_usage(j->set, DANE_TA, DANE_TA))
		return false;
	for (size_t i = 1; i < sent(j) && tried < ANCHORS_TRIED; i++) {
		struct prints p;
		take_prints(j->q->chain[i], &p);
		const struct tlsa_record *r = fitting(j->set, DANE_TA, &p);
		tried += r ? 1 : 0;
		if (r && try_anchor(j, j->q->chain[i], r))
			return true;
	}
	return false;
}

static const struct tlsa_record *fitting_issuer(
	const struct judging *j, const struct slice *certs, size_t count)
{
	const struct tlsa_record *r = NULL;
	for (size_t i = 1; i < count && !r; i++) {
		struct prints p;
		take_prints(certs[i], &p);
		r = fitting(j->set, PKIX_TA, &p);
	}
	return r;
}

/* Usages 1 and 0 only narrow what PKIX allows. */
static bool try_pkix_under(struct judging *j, size_t which)
{
	struct cert_path path;
	const struct tlsa_record *r = fitting(j->set, PKIX_EE, &j->leaf);
	struct err e = validate(j, j->q->sets[which], &j->q->rules[which], &path);
	if (!r && !err_is(e))
		r = fitting_issuer(j, path.certs, path.count);
	if (r && !err_is(e))
		return succeed(j, r, path.not_after);
	if (r || fitting_issuer(j, j->q->chain, sent(j)))
		return nearly(j, e);
	return false;
}

static bool try_pkix(struct judging *j)
{
	if (j->q->only_3_and_2 || !has_usage(j->set, PKIX_TA, PKIX_EE))
		return false;
	for (size_t i = 0; i < 2; i++) {
		if (j->q->sets[i] && try_pkix_under(j, i))
			return true;
	}
	return false;
}

struct tlsa_match tlsa_judge(const struct tlsa_set *set, const struct tlsa_question *q)
{
	struct judging j = {.set = set, .q = q, .match = {.e = err_make(ERR_DANE_MISMATCH)}};
	unsigned least = q->only_3_and_2 ? DANE_TA : PKIX_TA;
	if (!has_usage(set, least, DANE_EE))
		j.match.e =
			err_make(set->count + set->unusable ? ERR_DANE_UNUSABLE : ERR_DANE_NONE);
	else if (!q->count)
		j.match.e = err_make(ERR_CERT_NONE);
	if (j.match.e.code != ERR_DANE_MISMATCH)
		return j.match;
	take_prints(q->chain[0], &j.leaf);
	(void)(try_dane_ee(&j) || try_dane_ta(&j) || try_pkix(&j));
	return j.match;
}

/* ---- for people, for publishing ---- */

bool tlsa_set_has(const struct tlsa_set *set, const struct tlsa_record *r)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct tlsa_record *own = &set->records[i];
		if (own->usage == r->usage && own->selector == r->selector &&
			own->mtype == r->mtype && own->len == r->len &&
			memcmp(own->data, r->data, r->len) == 0)
			return true;
	}
	return false;
}

void tlsa_write(const struct tlsa_record *r, char out[TLSA_TEXT_MAX])
{
	int n = snprintf(out, TLSA_TEXT_MAX, "%u %u %u ", r->usage, r->selector, r->mtype);
	hex_encode(r->data, r->len, out + n);
}

void tlsa_describe(const struct tlsa_record *r, char *out, size_t size)
{
	char hex[2 * SHOWN_BYTES + 1];
	hex_encode(r->data, SHOWN_BYTES, hex);
	/* Of mtype 0 only a digest is kept, which stands in no zone. */
	if (r->mtype == FULL)
		(void)snprintf(out, size, "%u %u %u", r->usage, r->selector, r->mtype);
	else
		(void)snprintf(out, size, "%u %u %u %s...", r->usage, r->selector, r->mtype, hex);
}

bool tlsa_of_leaf(struct slice leaf_der, struct tlsa_record *out)
{
	struct slice spki;
	*out = (struct tlsa_record){DANE_EE, SPKI, SHA2_256, DIGEST_256, {0}};
	if (!cert_spki(leaf_der, &spki))
		return false;
	digest_256(spki, out->data);
	return true;
}
