#include "certs.h"

#include "base/mem.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <assert.h>
#include <time.h>

static EVP_PKEY *make_key(enum made_key kind)
{
	switch (kind) {
	case MADE_P256:
		return EVP_EC_gen("P-256");
	case MADE_P521:
		return EVP_EC_gen("P-521");
	case MADE_RSA:
		return EVP_RSA_gen(2048);
	case MADE_RSA_1024:
		return EVP_RSA_gen(1024);
	case MADE_ED25519:
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	}
	return NULL;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert(e);
	X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
}

static void add_unknown(X509 *cert)
{
	ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.55555.1", 1);
	ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
	ASN1_OCTET_STRING_set(bytes, (const unsigned char *)"\x05\x00", 2);
	X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, bytes);
	X509_add_ext(cert, e, -1);
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(bytes);
	ASN1_OBJECT_free(oid);
}

static char *as_text(BIO *bio)
{
	char *text;
	long len = BIO_get_mem_data(bio, &text);
	char *copy = mem_dup(text, (size_t)len);
	BIO_free(bio);
	return copy;
}

static void write_pems(struct made *m, const struct made *issuer)
{
	BIO *chain = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(chain, m->cert);
	if (issuer)
		PEM_write_bio_X509(chain, issuer->cert);
	PEM_write_bio_PrivateKey(key, m->key, NULL, NULL, 0, NULL, NULL);
	m->chain_pem = as_text(chain);
	m->key_pem = as_text(key);
}

struct made make_certificate(struct made_as as)
{
	static long serial = 1000;
	char san[300];
	struct made m = {.cert = X509_new(), .key = make_key(as.key)};
	assert(m.key);
	int days = as.days ? as.days : 30;
	X509_set_version(m.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(m.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(m.cert), -86400L * 60);
	X509_gmtime_adj(X509_getm_notAfter(m.cert), 86400L * days);
	X509_NAME *subject = X509_get_subject_name(m.cert);
	X509_NAME_add_entry_by_txt(subject, as.only_common_name ? "CN" : "O", MBSTRING_ASC,
		(const unsigned char *)as.name, -1, -1, 0);
	X509_set_issuer_name(m.cert, as.issuer ? X509_get_subject_name(as.issuer->cert) : subject);
	X509_set_pubkey(m.cert, m.key);
	BIO_snprintf(san, sizeof san, "DNS:%s", as.name);
	if (!as.only_common_name)
		add_extension(m.cert, NID_subject_alt_name, san);
	if (as.ca) {
		add_extension(m.cert, NID_basic_constraints, "critical,CA:TRUE");
		add_extension(m.cert, NID_key_usage, "critical,keyCertSign");
	}
	if (as.name_constraints)
		add_extension(m.cert, NID_name_constraints, as.name_constraints);
	if (as.unknown_critical)
		add_unknown(m.cert);
	const struct made *by = as.issuer ? as.issuer : &m;
	int ok =
		X509_sign(m.cert, by->key, EVP_PKEY_is_a(by->key, "ED25519") ? NULL : EVP_sha256());
	assert(ok);
	(void)ok;
	write_pems(&m, as.issuer);
	return m;
}

int64_t made_now(void)
{
	return (int64_t)time(NULL);
}

void made_free(struct made *m)
{
	X509_free(m->cert);
	EVP_PKEY_free(m->key);
	mem_free(m->chain_pem);
	mem_free(m->key_pem);
	*m = (struct made){0};
}

struct credential *made_credential(const struct made *a, const struct made *b)
{
	struct credential *c = credential_new();
	struct err e = credential_add(c, slice_str(a->chain_pem), slice_str(a->key_pem));
	assert(!err_is(e));
	if (b) {
		e = credential_add(c, slice_str(b->chain_pem), slice_str(b->key_pem));
		assert(!err_is(e));
	}
	return c;
}
