#include "trust/keymatch.h"

#include "base/mem.h"
#include "trust/pem.h"

#include <mbedtls/hmac_drbg.h>
#include <mbedtls/pk.h>
#include <mbedtls/sha256.h>

#include <string.h>

enum {
	TAG_INTEGER = 0x02,
	TAG_BIT_STRING = 0x03,
	TAG_OCTET_STRING = 0x04,
	TAG_SEQUENCE = 0x30,
	TAG_CONTEXT_0 = 0xa0,
	TAG_CONTEXT_1 = 0xa1,
	SHA256_LEN = 32,
};

/* --- DER --- */

/* Takes one element with this tag: its content, and the whole of it (may be NULL). */
static bool der_take(struct slice *rest, int tag, struct slice *content, struct slice *whole)
{
	const unsigned char *p = (const unsigned char *)rest->ptr;
	if (rest->len < 2 || p[0] != tag)
		return false;
	size_t head = 2, len = p[1];
	if (len & 0x80) {
		size_t bytes = len & 0x7f;
		if (bytes == 0 || bytes > 3 || rest->len < 2 + bytes)
			return false;
		len = 0;
		for (size_t i = 0; i < bytes; i++)
			len = len << 8 | p[2 + i];
		head += bytes;
	}
	if (rest->len - head < len)
		return false;
	*content = slice_sub(*rest, head, head + len);
	if (whole)
		*whole = slice_sub(*rest, 0, head + len);
	*rest = slice_sub(*rest, head + len, rest->len);
	return true;
}

static bool der_skip(struct slice *rest, int tag)
{
	struct slice content;
	return der_take(rest, tag, &content, NULL);
}

/* Tag and length of an element whose content is n bytes long. */
static size_t der_head(unsigned char tag, size_t n, unsigned char out[5])
{
	size_t len = 0;
	out[len++] = tag;
	if (n >= 0x80) {
		unsigned char bytes = n > 0xffff ? 3 : n > 0xff ? 2 : 1;
		out[len++] = 0x80 | bytes;
		for (int shift = 8 * (bytes - 1); shift > 0; shift -= 8)
			out[len++] = (unsigned char)(n >> shift);
	}
	out[len++] = (unsigned char)n;
	return len;
}

/* --- the public half, as the file states it --- */

struct public_half {
	struct slice algorithm; /* the content of the AlgorithmIdentifier; for SEC 1 its curve */
	bool curve_only;
	struct slice bits; /* the content of the BIT STRING, without its count of unused bits */
};

static const unsigned char oid_ec[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
static const unsigned char algorithm_rsa[] = {
	0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

static void hash_head(mbedtls_sha256_context *sha, unsigned char tag, size_t n)
{
	unsigned char head[5];
	mbedtls_sha256_update(sha, head, der_head(tag, n, head));
}

static void hash_slice(mbedtls_sha256_context *sha, struct slice s)
{
	mbedtls_sha256_update(sha, (const unsigned char *)s.ptr, s.len);
}

static size_t whole_len(size_t n)
{
	unsigned char head[5];
	return der_head(0, n, head) + n;
}

/* SHA-256 of SEQUENCE { SEQUENCE { algorithm }, BIT STRING { bits } } (RFC 5280 4.1.2.7), where
 * the bits are `bits`, or SEQUENCE { bits } for RSA (RFC 3279 2.3.1). */
static void hash_spki(const struct public_half *h, bool sequence, unsigned char out[SHA256_LEN])
{
	size_t algorithm = h->algorithm.len + (h->curve_only ? sizeof oid_ec : 0);
	size_t bits = 1 + (sequence ? whole_len(h->bits.len) : h->bits.len);
	mbedtls_sha256_context sha;
	mbedtls_sha256_init(&sha);
	mbedtls_sha256_starts(&sha, 0);
	hash_head(&sha, TAG_SEQUENCE, whole_len(algorithm) + whole_len(bits));
	hash_head(&sha, TAG_SEQUENCE, algorithm);
	if (h->curve_only)
		mbedtls_sha256_update(&sha, oid_ec, sizeof oid_ec);
	hash_slice(&sha, h->algorithm);
	hash_head(&sha, TAG_BIT_STRING, bits);
	mbedtls_sha256_update(&sha, (const unsigned char *)"\0", 1);
	if (sequence)
		hash_head(&sha, TAG_SEQUENCE, h->bits.len);
	hash_slice(&sha, h->bits);
	mbedtls_sha256_finish(&sha, out);
	mbedtls_sha256_free(&sha);
}

/* RFC 5915 3: version, key, [0] curve, [1] public key. `algorithm` is PKCS 8's, or empty. */
static bool ec_public(struct slice der, struct slice algorithm, unsigned char out[SHA256_LEN])
{
	struct slice key, curve = SLICE_NONE, tagged, bits;
	if (!der_take(&der, TAG_SEQUENCE, &key, NULL) || !der_skip(&key, TAG_INTEGER) ||
		!der_skip(&key, TAG_OCTET_STRING))
		return false;
	bool has_curve = der_take(&key, TAG_CONTEXT_0, &curve, NULL);
	struct public_half h = {algorithm.len ? algorithm : curve, !algorithm.len, SLICE_NONE};
	if ((!algorithm.len && !has_curve) || !der_take(&key, TAG_CONTEXT_1, &tagged, NULL) ||
		!der_take(&tagged, TAG_BIT_STRING, &bits, NULL) || bits.len < 2)
		return false;
	h.bits = slice_sub(bits, 1, bits.len);
	hash_spki(&h, false, out);
	return true;
}

/* RFC 8017 A.1.2: version, modulus, public exponent, and what nobody else may know. */
static bool rsa_public(struct slice der, unsigned char out[SHA256_LEN])
{
	struct slice key, modulus, exponent, unused;
	if (!der_take(&der, TAG_SEQUENCE, &key, NULL) || !der_skip(&key, TAG_INTEGER) ||
		!der_take(&key, TAG_INTEGER, &unused, &modulus) ||
		!der_take(&key, TAG_INTEGER, &unused, &exponent))
		return false;
	struct public_half h = {slice_of(algorithm_rsa, sizeof algorithm_rsa), false,
		slice_of(modulus.ptr, modulus.len + exponent.len)};
	hash_spki(&h, true, out);
	return true;
}

/* RFC 5958 2: version, algorithm, and the key in the form of its algorithm. */
static bool pkcs8_public(struct slice der, unsigned char out[SHA256_LEN])
{
	struct slice outer, algorithm, key;
	if (!der_take(&der, TAG_SEQUENCE, &outer, NULL) || !der_skip(&outer, TAG_INTEGER) ||
		!der_take(&outer, TAG_SEQUENCE, &algorithm, NULL) ||
		!der_take(&outer, TAG_OCTET_STRING, &key, NULL))
		return false;
	if (slice_eq(algorithm, slice_of(algorithm_rsa, sizeof algorithm_rsa)))
		return rsa_public(key, out);
	struct slice oid = slice_sub(algorithm, 0, sizeof oid_ec);
	return slice_eq(oid, slice_of(oid_ec, sizeof oid_ec)) && ec_public(key, algorithm, out);
}

static bool stated_public(struct slice label, struct slice der, unsigned char out[SHA256_LEN])
{
	if (slice_eq_str(label, "PRIVATE KEY"))
		return pkcs8_public(der, out);
	if (slice_eq_str(label, "EC PRIVATE KEY"))
		return ec_public(der, SLICE_NONE, out);
	return slice_eq_str(label, "RSA PRIVATE KEY") && rsa_public(der, out);
}

/* --- the whole key --- */

/* What blinds our own test signature need not come from outside: the key itself is secret enough,
 * and nobody sees the signature. */
static int random_of_key(mbedtls_hmac_drbg_context *drbg, struct slice der)
{
	return mbedtls_hmac_drbg_seed_buf(drbg, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256),
		(const unsigned char *)der.ptr, der.len);
}

static bool signs(mbedtls_pk_context *key, const unsigned char *spki, size_t spki_len,
	mbedtls_hmac_drbg_context *drbg)
{
	unsigned char hash[SHA256_LEN] = "fedgate check: does this sign?";
	unsigned char signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	size_t len = 0;
	unsigned char *p = (unsigned char *)spki;
	mbedtls_pk_context public;
	mbedtls_pk_init(&public);
	bool ok = mbedtls_pk_parse_subpubkey(&p, spki + spki_len, &public) == 0 &&
		  mbedtls_pk_sign(key, MBEDTLS_MD_SHA256, hash, sizeof hash, signature,
			  sizeof signature, &len, mbedtls_hmac_drbg_random, drbg) == 0 &&
		  mbedtls_pk_verify(
			  &public, MBEDTLS_MD_SHA256, hash, sizeof hash, signature, len) == 0;
	mbedtls_pk_free(&public);
	return ok;
}

static struct err judge_parsed(mbedtls_pk_context *key, const unsigned char want[SHA256_LEN],
	bool prove, mbedtls_hmac_drbg_context *drbg)
{
	unsigned char spki[4096], hash[SHA256_LEN];
	int len = mbedtls_pk_write_pubkey_der(key, spki, sizeof spki);
	if (len <= 0)
		return err_native(ERR_KEY_PARSE, len);
	/* It is written at the buffer's end. */
	const unsigned char *start = spki + sizeof spki - len;
	mbedtls_sha256(start, (size_t)len, hash, 0);
	if (memcmp(hash, want, sizeof hash) != 0)
		return err_make(ERR_KEY_MISMATCH);
	if (prove && !signs(key, start, (size_t)len, drbg))
		return err_make(ERR_KEY_MISMATCH);
	return err_ok();
}

static struct err judge_fully(struct slice der, const unsigned char want[SHA256_LEN], bool prove)
{
	mbedtls_pk_context key;
	mbedtls_hmac_drbg_context drbg;
	mbedtls_pk_init(&key);
	mbedtls_hmac_drbg_init(&drbg);
	int rc = random_of_key(&drbg, der);
	if (rc == 0)
		rc = mbedtls_pk_parse_key(&key, (const unsigned char *)der.ptr, der.len, NULL, 0,
			mbedtls_hmac_drbg_random, &drbg);
	struct err e = rc ? err_native(ERR_KEY_PARSE, rc) : judge_parsed(&key, want, prove, &drbg);
	mbedtls_hmac_drbg_free(&drbg);
	mbedtls_pk_free(&key); /* wipes it */
	return e;
}

static bool is_key_label(struct slice label)
{
	return slice_eq_str(label, "PRIVATE KEY") || slice_eq_str(label, "EC PRIVATE KEY") ||
	       slice_eq_str(label, "RSA PRIVATE KEY");
}

struct err key_matches(struct slice key_pem, const unsigned char spki_sha256[32], bool prove)
{
	struct buf der;
	struct slice label = SLICE_NONE;
	unsigned char stated[SHA256_LEN];
	struct err e;
	buf_init(&der, KEY_MAX_BYTES);
	der.secret = true;
	while (pem_next(&key_pem, &label, &der, &e) && !is_key_label(label))
		; /* "EC PARAMETERS" stands before the key in files of old tools. */
	if (!is_key_label(label) || err_is(e))
		e = err_make(ERR_KEY_PARSE);
	else if (!prove && stated_public(label, buf_peek(&der), stated) &&
		 memcmp(stated, spki_sha256, sizeof stated) == 0)
		e = err_ok();
	else
		e = judge_fully(buf_peek(&der), spki_sha256, prove);
	buf_fini(&der);
	return e;
}

bool key_is_encrypted(struct slice key_pem)
{
	while (key_pem.len) {
		struct slice line = slice_sub(key_pem, 0, slice_find(key_pem, '\n'));
		if (slice_starts(line, "-----BEGIN ENCRYPTED PRIVATE KEY") ||
			slice_starts(line, "Proc-Type: 4,ENCRYPTED"))
			return true;
		key_pem = slice_sub(key_pem, line.len + 1, key_pem.len);
	}
	return false;
}

/* --- chains --- */

/* RFC 5280 4.1: [0] version, serial number, algorithm, issuer, validity, subject. */
static bool names_of(struct slice der, struct slice *issuer, struct slice *subject)
{
	struct slice certificate, tbs, unused;
	if (!der_take(&der, TAG_SEQUENCE, &certificate, NULL) ||
		!der_take(&certificate, TAG_SEQUENCE, &tbs, NULL))
		return false;
	der_skip(&tbs, TAG_CONTEXT_0);
	return der_skip(&tbs, TAG_INTEGER) && der_skip(&tbs, TAG_SEQUENCE) &&
	       der_take(&tbs, TAG_SEQUENCE, &unused, issuer) && der_skip(&tbs, TAG_SEQUENCE) &&
	       der_take(&tbs, TAG_SEQUENCE, &unused, subject);
}

bool chain_follows(struct slice child, struct slice parent)
{
	struct slice issuer, subject, unused;
	return names_of(child, &issuer, &unused) && names_of(parent, &unused, &subject) &&
	       slice_eq(issuer, subject);
}
