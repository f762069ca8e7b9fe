/* DER to facts: what a certificate says. Together with cert_path.c and cert_constraints.c the one
 * place that knows mbedTLS's x509. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include "trust/cert_inside.h"

#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/sha256.h>

#include <string.h>

#define OID_XMPP_ADDR        "\x2b\x06\x01\x05\x05\x07\x08\x05" /* RFC 6120 13.7.1.4 */
#define OID_DNS_SRV          "\x2b\x06\x01\x05\x05\x07\x08\x07" /* RFC 4985 */
#define OID_NAME_CONSTRAINTS "\x55\x1d\x1e"

enum { SAN_OTHER = 0xa0, SAN_DNS = 0x82 };

/* For extensions the library does not know: ours pass, other critical ones do not. */
static int on_extension(void *arg, const mbedtls_x509_crt *crt, const mbedtls_x509_buf *oid,
	int critical, const unsigned char *p, const unsigned char *end)
{
	struct slice id = slice_of(oid->p, oid->len);
	(void)arg;
	(void)crt;
	(void)p;
	(void)end;
	if (!critical || slice_eq(id, SLICE_LIT(OID_NAME_CONSTRAINTS)))
		return 0;
	return MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE;
}

/* The library's high-level codes stand in steps of 0x80, the low-level ones between them. */
static bool is_unsupported(int code)
{
	switch (-(-code & ~0x7f)) {
	case MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG:
	case MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE:
	case MBEDTLS_ERR_PK_UNKNOWN_PK_ALG:
	case MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE:
		return true;
	default:
		return false;
	}
}

struct err cert_parse(mbedtls_x509_crt *crt, struct slice der, bool copy)
{
	int failed = mbedtls_x509_crt_parse_der_with_ext_cb(
		crt, (const unsigned char *)der.ptr, der.len, copy, on_extension, NULL);
	if (!failed)
		return err_ok();
	return err_native(is_unsupported(failed) ? ERR_CERT_UNSUPPORTED : ERR_CERT_PARSE, failed);
}

bool cert_extension(const mbedtls_x509_crt *crt, struct slice oid, struct slice *value)
{
	unsigned char *p = crt->v3_ext.p, *end = p ? p + crt->v3_ext.len : NULL;
	size_t len;
	if (!p || mbedtls_asn1_get_tag(
			  &p, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE))
		return false;
	while (p < end) {
		int critical = 0;
		if (mbedtls_asn1_get_tag(
			    &p, end, &len, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE))
			return false;
		unsigned char *next = p + len;
		if (mbedtls_asn1_get_tag(&p, next, &len, MBEDTLS_ASN1_OID))
			return false;
		struct slice found = slice_of(p, len);
		p += len;
		(void)mbedtls_asn1_get_bool(&p, next, &critical);
		if (mbedtls_asn1_get_tag(&p, next, &len, MBEDTLS_ASN1_OCTET_STRING))
			return false;
		*value = slice_of(p, len);
		if (slice_eq(found, oid))
			return true;
		p = next;
	}
	return false;
}

/* ---- names ---- */

static void add_name(struct cert_facts *f, enum cert_name_kind kind, struct slice value)
{
	if (f->name_count == CERT_NAMES_MAX) {
		f->names_cut = true;
		return;
	}
	f->names[f->name_count++] = (struct cert_name){kind, value};
}

/* OtherName ::= SEQUENCE { type-id OID, value [0] EXPLICIT ANY }; the wrong string type, or
 * lengths that do not fit, and it is no name (C11). */
static void add_other_name(struct cert_facts *f, const mbedtls_x509_buf *san)
{
	unsigned char *p = san->p, *end = p + san->len;
	size_t len;
	if (mbedtls_asn1_get_tag(&p, end, &len, MBEDTLS_ASN1_OID))
		return;
	struct slice oid = slice_of(p, len);
	bool xmpp = slice_eq(oid, SLICE_LIT(OID_XMPP_ADDR));
	bool srv = slice_eq(oid, SLICE_LIT(OID_DNS_SRV));
	p += len;
	if ((!xmpp && !srv) ||
		mbedtls_asn1_get_tag(
			&p, end, &len, MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED) ||
		p + len != end)
		return;
	int tag = xmpp ? MBEDTLS_ASN1_UTF8_STRING : MBEDTLS_ASN1_IA5_STRING;
	if (mbedtls_asn1_get_tag(&p, end, &len, tag) || p + len != end)
		return;
	add_name(f, xmpp ? CERT_NAME_XMPP : CERT_NAME_SRV, slice_of(p, len));
}

static void read_names(const mbedtls_x509_crt *crt, struct cert_facts *f)
{
	if (!mbedtls_x509_crt_has_ext_type(crt, MBEDTLS_X509_EXT_SUBJECT_ALT_NAME))
		return; /* ID-2: no SAN, no identity */
	for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s; s = s->next) {
		if (s->buf.tag == SAN_DNS)
			add_name(f, CERT_NAME_DNS, slice_of(s->buf.p, s->buf.len));
		else if (s->buf.tag == SAN_OTHER)
			add_other_name(f, &s->buf);
	}
}

/* ---- purposes, dates ---- */

static void read_purposes(const mbedtls_x509_crt *crt, struct cert_facts *f)
{
	f->is_ca = crt->ca_istrue;
	f->has_key_usage = mbedtls_x509_crt_has_ext_type(crt, MBEDTLS_X509_EXT_KEY_USAGE);
	f->ku_digital_signature =
		f->has_key_usage && (crt->key_usage & MBEDTLS_X509_KU_DIGITAL_SIGNATURE) != 0;
	f->has_eku = mbedtls_x509_crt_has_ext_type(crt, MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE);
	for (const mbedtls_x509_sequence *s = &crt->ext_key_usage; f->has_eku && s; s = s->next) {
		f->eku_server |= MBEDTLS_OID_CMP(MBEDTLS_OID_SERVER_AUTH, &s->buf) == 0;
		f->eku_client |= MBEDTLS_OID_CMP(MBEDTLS_OID_CLIENT_AUTH, &s->buf) == 0;
		f->eku_any |= MBEDTLS_OID_CMP(MBEDTLS_OID_ANY_EXTENDED_KEY_USAGE, &s->buf) == 0;
	}
}

/* Days since 1970-01-01 of a civil date (proleptic Gregorian). */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t seconds_of(const mbedtls_x509_time *t)
{
	return days_of(t->year, t->mon, t->day) * 86400 + t->hour * 3600 + t->min * 60 + t->sec;
}

/* Other kinds of keys that are weak cannot be read. */
static bool is_weak(const mbedtls_pk_context *key)
{
	return mbedtls_pk_get_type(key) == MBEDTLS_PK_RSA &&
	       mbedtls_pk_get_bitlen(key) < RSA_MIN_BITS;
}

void cert_facts_of(const mbedtls_x509_crt *crt, struct cert_facts *out)
{
	memset(out, 0, sizeof *out);
	out->not_before = seconds_of(&crt->valid_from);
	out->not_after = seconds_of(&crt->valid_to);
	read_names(crt, out);
	read_purposes(crt, out);
	out->weak_key = is_weak(&crt->pk);
	(void)mbedtls_sha256(crt->raw.p, crt->raw.len, out->sha256, 0);
	(void)mbedtls_sha256(crt->pk_raw.p, crt->pk_raw.len, out->spki_sha256, 0);
}

struct err cert_read(struct slice der, struct cert_facts *out)
{
	mbedtls_x509_crt crt;
	mbedtls_x509_crt_init(&crt);
	struct err e = cert_parse(&crt, der, false);
	if (err_is(e))
		memset(out, 0, sizeof *out);
	else
		cert_facts_of(&crt, out);
	mbedtls_x509_crt_free(&crt);
	return e;
}

bool cert_spki(struct slice der, struct slice *spki)
{
	mbedtls_x509_crt crt;
	mbedtls_x509_crt_init(&crt);
	bool fine = !err_is(cert_parse(&crt, der, false));
	if (fine)
		*spki = slice_of(crt.pk_raw.p, crt.pk_raw.len);
	mbedtls_x509_crt_free(&crt);
	return fine;
}
