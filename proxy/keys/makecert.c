#include "keys/makecert.h"

#include "base/b64.h"
#include "base/mem.h"
#include "keys/credential_inside.h"

#include <mbedtls/ecp.h>
#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>

#include <time.h>

enum {
	DAY = 86400,
	LIFE_DAYS = 3650,
	DER_MAX = 65536,
	KEY_DER_MAX = 256,
	SERIAL_LEN = 16,
	PEM_LINE = 48, /* bytes that make 64 characters */
};

#define SUBJECT "CN=fedgate"

static struct err failure(int code)
{
	return code ? err_native(ERR_INTERNAL, code) : err_ok();
}

/* RFC 7468 2. */
static struct err put_pem(struct slice der, const char *label, struct buf *out)
{
	struct err e = buf_printf(out, "-----BEGIN %s-----\n", label);
	for (size_t i = 0; i < der.len && !err_is(e); i += PEM_LINE) {
		size_t end = i + PEM_LINE < der.len ? i + PEM_LINE : der.len;
		if (!b64_encode(slice_sub(der, i, end), out))
			e = err_make(ERR_LIMIT);
		else
			e = buf_append_str(out, "\n");
	}
	return err_is(e) ? e : buf_printf(out, "-----END %s-----\n", label);
}

static int make_key(mbedtls_pk_context *key)
{
	int failed = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
	return failed ? failed
		      : mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key),
				credential_random, NULL);
}

static int set_dates(mbedtls_x509write_cert *c, int64_t clock)
{
	const int64_t now = clock < MAKECERT_EARLIEST ? MAKECERT_EARLIEST : clock;
	const time_t from = (time_t)(now - DAY), to = (time_t)(now + (int64_t)LIFE_DAYS * DAY);
	char first[16], last[16];
	struct tm a, b;
	if (!gmtime_r(&from, &a) || !gmtime_r(&to, &b) ||
		strftime(first, sizeof first, "%Y%m%d%H%M%S", &a) != 14 ||
		strftime(last, sizeof last, "%Y%m%d%H%M%S", &b) != 14)
		return MBEDTLS_ERR_X509_INVALID_DATE;
	return mbedtls_x509write_crt_set_validity(c, first, last);
}

/* RFC 5280 4.1.2.2: positive, and not longer than it looks. */
static int set_serial(mbedtls_x509write_cert *c)
{
	unsigned char serial[SERIAL_LEN];
	int failed = credential_random(NULL, serial, sizeof serial);
	serial[0] = (unsigned char)((serial[0] & 0x3f) | 0x40);
	return failed ? failed : mbedtls_x509write_crt_set_serial_raw(c, serial, sizeof serial);
}

static int set_names(mbedtls_x509write_cert *c, const struct makecert_wish *w)
{
	size_t count = w->count < MAKECERT_NAMES_MAX ? w->count : MAKECERT_NAMES_MAX;
	mbedtls_x509_san_list *items = mem_alloc((count + 1) * sizeof *items);
	for (size_t i = 0; i < count; i++) {
		struct slice name = domain_slice(w->names[i]);
		items[i].node.type = MBEDTLS_X509_SAN_DNS_NAME;
		/* The library only reads it, but its type has no const. */
		items[i].node.san.unstructured_name.p = (unsigned char *)(uintptr_t)name.ptr;
		items[i].node.san.unstructured_name.len = name.len;
		items[i].next = i + 1 < count ? &items[i + 1] : NULL;
	}
	int failed = count ? mbedtls_x509write_crt_set_subject_alternative_name(c, items) : 0;
	mem_free(items);
	return failed;
}

/* Both purposes: the tenant answers and dials with it (POSH-12; W-1: some peers look). */
static int set_purposes(mbedtls_x509write_cert *c)
{
	mbedtls_asn1_sequence client = {.buf = {.tag = MBEDTLS_ASN1_OID,
						.len = MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH),
						.p = (unsigned char *)MBEDTLS_OID_CLIENT_AUTH}};
	mbedtls_asn1_sequence server = {.buf = {.tag = MBEDTLS_ASN1_OID,
						.len = MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH),
						.p = (unsigned char *)MBEDTLS_OID_SERVER_AUTH},
		.next = &client};
	int failed = mbedtls_x509write_crt_set_ext_key_usage(c, &server);
	if (!failed)
		failed = mbedtls_x509write_crt_set_key_usage(c, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
	return failed ? failed : mbedtls_x509write_crt_set_basic_constraints(c, 0, -1);
}

static int describe(
	mbedtls_x509write_cert *c, mbedtls_pk_context *key, const struct makecert_wish *w)
{
	mbedtls_x509write_crt_set_version(c, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(c, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(c, key);
	mbedtls_x509write_crt_set_issuer_key(c, key);
	int failed = mbedtls_x509write_crt_set_subject_name(c, SUBJECT);
	failed = failed ? failed : mbedtls_x509write_crt_set_issuer_name(c, SUBJECT);
	failed = failed ? failed : set_serial(c);
	failed = failed ? failed : set_dates(c, w->now);
	failed = failed ? failed : set_purposes(c);
	return failed ? failed : set_names(c, w);
}

/* The library writes from the end of its buffer. Returns a length, or what failed. */
static struct err write_certificate(mbedtls_x509write_cert *c, struct buf *out)
{
	unsigned char *der = mem_alloc(DER_MAX);
	int n = mbedtls_x509write_crt_der(c, der, DER_MAX, credential_random, NULL);
	struct err e = n > 0 ? put_pem(slice_of(der + DER_MAX - n, (size_t)n), "CERTIFICATE", out)
			     : failure(n);
	mem_free(der);
	return e;
}

static struct err write_key(const mbedtls_pk_context *key, struct buf *out)
{
	unsigned char der[KEY_DER_MAX];
	int n = mbedtls_pk_write_key_der(key, der, sizeof der);
	struct err e = n > 0 ? put_pem(slice_of(der + sizeof der - (size_t)n, (size_t)n),
				       "EC PRIVATE KEY", out)
			     : failure(n);
	mem_wipe(der, sizeof der);
	return e;
}

struct err makecert(const struct makecert_wish *wish, struct buf *certificate, struct buf *key)
{
	mbedtls_pk_context pair;
	mbedtls_x509write_cert c;
	credential_crypto_ready();
	mbedtls_pk_init(&pair);
	mbedtls_x509write_crt_init(&c);
	int failed = make_key(&pair);
	struct err e = failure(failed ? failed : describe(&c, &pair, wish));
	if (!err_is(e))
		e = write_certificate(&c, certificate);
	if (!err_is(e))
		e = write_key(&pair, key);
	mbedtls_x509write_crt_free(&c);
	mbedtls_pk_free(&pair); /* wipes */
	return e;
}

struct err makecert_for(
	const struct makecert_wish *wish, struct slice key_pem, struct buf *certificate)
{
	mbedtls_pk_context key;
	mbedtls_x509write_cert c;
	credential_crypto_ready();
	mbedtls_pk_init(&key);
	mbedtls_x509write_crt_init(&c);
	int failed = credential_parse_key(&key, key_pem);
	struct err e =
		failed ? err_native(ERR_KEY_PARSE, failed) : failure(describe(&c, &key, wish));
	if (!err_is(e))
		e = write_certificate(&c, certificate);
	mbedtls_x509write_crt_free(&c);
	mbedtls_pk_free(&key);
	return e;
}
