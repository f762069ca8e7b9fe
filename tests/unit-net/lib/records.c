#include "records.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <assert.h>
#include <string.h>

/* RFC 8446 7.1 */
static void expand_label(
	const unsigned char *secret, const char *label, unsigned char *out, size_t len)
{
	unsigned char info[64] = {0};
	size_t n = strlen(label) + 6;
	info[1] = (unsigned char)len;
	info[2] = (unsigned char)n;
	memcpy(info + 3, "tls13 ", 6);
	memcpy(info + 9, label, n - 6);
	EVP_PKEY_CTX *p = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	int ok = EVP_PKEY_derive_init(p) > 0 &&
		 EVP_PKEY_CTX_set_hkdf_mode(p, EVP_PKEY_HKDEF_MODE_EXPAND_ONLY) > 0 &&
		 EVP_PKEY_CTX_set_hkdf_md(p, EVP_sha256()) > 0 &&
		 EVP_PKEY_CTX_set1_hkdf_key(p, secret, 32) > 0 &&
		 EVP_PKEY_CTX_add1_hkdf_info(p, info, (int)n + 4) > 0 &&
		 EVP_PKEY_derive(p, out, &len) > 0;
	assert(ok);
	(void)ok;
	EVP_PKEY_CTX_free(p);
}

static void take_keys(struct records *r)
{
	expand_label(r->secret, "key", r->key, sizeof r->key);
	expand_label(r->secret, "iv", r->iv, sizeof r->iv);
	r->seq = 0;
}

void records_init13(struct records *r, const unsigned char secret[32])
{
	*r = (struct records){0};
	memcpy(r->secret, secret, 32);
	take_keys(r);
}

void records_next_keys(struct records *r)
{
	unsigned char next[32];
	expand_label(r->secret, "traffic upd", next, sizeof next);
	memcpy(r->secret, next, sizeof next);
	take_keys(r);
}

/* RFC 5246 6.3: client key, server key, client salt, server salt. */
void records_init12(struct records *r, const unsigned char master[48],
	const unsigned char client_random[32], const unsigned char server_random[32])
{
	unsigned char seed[13 + 64], block[40];
	memcpy(seed, "key expansion", 13);
	memcpy(seed + 13, server_random, 32);
	memcpy(seed + 45, client_random, 32);
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *k = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_octet_string(
			OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)master, 48),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof seed),
		OSSL_PARAM_construct_end(),
	};
	int ok = EVP_KDF_derive(k, block, sizeof block, params) > 0;
	assert(ok);
	(void)ok;
	EVP_KDF_CTX_free(k);
	EVP_KDF_free(kdf);
	*r = (struct records){.tls12 = true, .seq = 1};
	memcpy(r->key, block, 16);
	memcpy(r->iv, block + 32, 4);
}

static void put16(unsigned char *p, size_t n)
{
	p[0] = (unsigned char)(n >> 8);
	p[1] = (unsigned char)n;
}

static void put_seq(unsigned char *p, uint64_t seq)
{
	for (int i = 0; i < 8; i++)
		p[i] = (unsigned char)(seq >> (56 - 8 * i));
}

/* Encrypts and appends ciphertext and tag. */
static void gcm(const struct records *r, const unsigned char *nonce, const unsigned char *aad,
	size_t aad_len, const unsigned char *in, size_t len, struct buf *out)
{
	unsigned char sealed[17000], tag[16];
	int n = 0;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, r->key, nonce);
	EVP_EncryptUpdate(c, NULL, &n, aad, (int)aad_len);
	EVP_EncryptUpdate(c, sealed, &n, in, (int)len);
	EVP_EncryptFinal_ex(c, sealed + len, &n);
	EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag);
	EVP_CIPHER_CTX_free(c);
	(void)buf_append(out, slice_of(sealed, len));
	(void)buf_append(out, slice_of(tag, 16));
}

static void seal13(struct records *r, int type, struct slice content, struct buf *out)
{
	unsigned char inner[17000], nonce[12], seq[12] = {0};
	unsigned char header[5] = {REC_DATA, 3, 3};
	memcpy(inner, content.ptr, content.len);
	inner[content.len] = (unsigned char)type;
	put16(header + 3, content.len + 17);
	put_seq(seq + 4, r->seq++);
	for (int i = 0; i < 12; i++)
		nonce[i] = r->iv[i] ^ seq[i];
	(void)buf_append(out, slice_of(header, 5));
	gcm(r, nonce, header, 5, inner, content.len + 1, out);
}

static void seal12(struct records *r, int type, struct slice content, struct buf *out)
{
	unsigned char nonce[12], aad[13], header[5] = {(unsigned char)type, 3, 3};
	memcpy(nonce, r->iv, 4);
	put_seq(nonce + 4, r->seq);
	put_seq(aad, r->seq++);
	memcpy(aad + 8, header, 3);
	put16(aad + 11, content.len);
	put16(header + 3, content.len + 24);
	(void)buf_append(out, slice_of(header, 5));
	(void)buf_append(out, slice_of(nonce + 4, 8));
	gcm(r, nonce, aad, 13, (const unsigned char *)content.ptr, content.len, out);
}

void records_seal(struct records *r, int type, struct slice content, struct buf *out)
{
	if (r->tls12)
		seal12(r, type, content, out);
	else
		seal13(r, type, content, out);
}

void records_clear(int type, struct slice content, struct buf *out)
{
	unsigned char header[5] = {(unsigned char)type, 3, 3};
	put16(header + 3, content.len);
	(void)buf_append(out, slice_of(header, 5));
	(void)buf_append(out, content);
}
