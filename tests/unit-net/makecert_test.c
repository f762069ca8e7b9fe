/* Certificates that the gate makes, read back by OpenSSL and by our own reader. */
#include "base/mem.h"
#include "keys/credential.h"
#include "keys/makecert.h"
#include "trust/cert.h"
#include "trust/keymatch.h"
#include "trust/pem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { DAY = 86400, MANY = MAKECERT_NAMES_MAX + 50 };

#define NOW 1800000000 /* 2027-01-15 */

struct pair {
	struct buf certificate, key, der;
};

static struct domain domain_of(const char *text)
{
	struct domain d;
	assert_false(err_is(domain_parse(slice_str(text), &d)));
	return d;
}

static void make(struct pair *p, const struct domain *const *names, size_t count)
{
	const struct makecert_wish wish = {.names = names, .count = count, .now = NOW};
	struct slice rest, label;
	struct err e;
	buf_init(&p->certificate, BUF_UNLIMITED);
	buf_init(&p->key, BUF_UNLIMITED);
	buf_init(&p->der, BUF_UNLIMITED);
	assert_false(err_is(makecert(&wish, &p->certificate, &p->key)));
	rest = buf_peek(&p->certificate);
	assert_true(pem_next(&rest, &label, &p->der, &e));
	assert_true(slice_eq_str(label, "CERTIFICATE"));
	assert_int_equal(rest.len, 0);
}

static void make_one(struct pair *p, const char *name)
{
	struct domain d = domain_of(name);
	const struct domain *names[] = {&d};
	make(p, names, 1);
}

static void pair_fini(struct pair *p)
{
	buf_fini(&p->certificate);
	buf_fini(&p->key);
	buf_fini(&p->der);
}

static X509 *openssl_certificate(const struct pair *p)
{
	BIO *bio = BIO_new_mem_buf(buf_peek(&p->certificate).ptr, (int)buf_len(&p->certificate));
	X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_non_null(x);
	BIO_free(bio);
	return x;
}

static EVP_PKEY *openssl_key(const struct pair *p)
{
	BIO *bio = BIO_new_mem_buf(buf_peek(&p->key).ptr, (int)buf_len(&p->key));
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	assert_non_null(key);
	BIO_free(bio);
	return key;
}

/* POSH-12 */
static void openssl_reads_it_and_finds_key_names_dates_and_purposes(void **state)
{
	(void)state;
	struct pair p;
	struct domain a = domain_of("shire.example"), b = domain_of("b\xc3\xbc"
								    "cher.example");
	const struct domain *names[] = {&a, &b};
	make(&p, names, 2);
	X509 *x = openssl_certificate(&p);
	EVP_PKEY *key = openssl_key(&p);
	assert_int_equal(X509_get_version(x), 2); /* v3 */
	assert_int_equal(X509_check_private_key(x, key), 1);
	assert_int_equal(X509_verify(x, key), 1);
	assert_int_equal(EVP_PKEY_get_base_id(key), EVP_PKEY_EC);
	assert_int_equal(EVP_PKEY_get_bits(key), 256);
	assert_int_equal(X509_get_signature_nid(x), NID_ecdsa_with_SHA256);
	assert_int_equal(X509_check_host(x, "shire.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(x, "xn--bcher-kva.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(x, "bree.example", 0, 0, NULL), 0);
	assert_int_equal(X509_check_purpose(x, X509_PURPOSE_SSL_SERVER, 0), 1);
	assert_int_equal(X509_check_purpose(x, X509_PURPOSE_SSL_CLIENT, 0), 1);
	assert_int_equal(X509_check_ca(x), 0);
	time_t before = NOW - DAY, after = NOW + (time_t)3650 * DAY;
	assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(x), before), 0);
	assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), after), 0);
	assert_int_equal(X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)), 0);
	X509_free(x);
	EVP_PKEY_free(key);
	pair_fini(&p);
}

static void our_own_reader_agrees(void **state)
{
	(void)state;
	struct pair p;
	struct cert_facts facts;
	make_one(&p, "shire.example");
	assert_false(err_is(cert_read(buf_peek(&p.der), &facts)));
	assert_int_equal(facts.name_count, 1);
	assert_true(slice_eq_str(facts.names[0].value, "shire.example"));
	assert_true(facts.eku_server && facts.eku_client && !facts.is_ca);
	assert_true(facts.has_key_usage && facts.ku_digital_signature);
	assert_int_equal(facts.not_before, NOW - DAY);
	assert_int_equal(facts.not_after, NOW + (int64_t)3650 * DAY);
	assert_false(err_is(key_matches(buf_peek(&p.key), facts.spki_sha256, true)));
	struct credential *c = credential_new();
	assert_false(err_is(credential_add(c, buf_peek(&p.certificate), buf_peek(&p.key))));
	credential_release(c);
	pair_fini(&p);
}

/* POSH-12: one key for each. */
static void no_two_are_alike_but_for_the_subject(void **state)
{
	(void)state;
	struct pair p[2];
	X509 *x[2];
	for (int i = 0; i < 2; i++) {
		make_one(&p[i], "shire.example");
		x[i] = openssl_certificate(&p[i]);
		BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x[i]), NULL);
		assert_int_equal(BN_num_bits(serial), 127); /* positive, always as long */
		BN_free(serial);
	}
	assert_int_not_equal(
		ASN1_INTEGER_cmp(X509_get0_serialNumber(x[0]), X509_get0_serialNumber(x[1])), 0);
	assert_int_not_equal(EVP_PKEY_eq(X509_get0_pubkey(x[0]), X509_get0_pubkey(x[1])), 1);
	assert_int_equal(
		X509_NAME_cmp(X509_get_subject_name(x[0]), X509_get_subject_name(x[1])), 0);
	for (int i = 0; i < 2; i++) {
		X509_free(x[i]);
		pair_fini(&p[i]);
	}
}

static void names_without_end_are_cut_and_none_is_fine_too(void **state)
{
	(void)state;
	static struct domain domains[MANY];
	static const struct domain *names[MANY];
	static const struct {
		size_t count, want;
	} rows[] = {{0, 0}, {1, 1}, {MAKECERT_NAMES_MAX, MAKECERT_NAMES_MAX},
		{MANY, MAKECERT_NAMES_MAX}};
	for (size_t i = 0; i < MANY; i++) {
		char text[300]; /* long ones: all of them must have room */
		snprintf(text, sizeof text, "n%zu.%060d.%060d.%060d.example", i, 0, 0, 0);
		domains[i] = domain_of(text);
		names[i] = &domains[i];
	}
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct pair p;
		struct cert_facts facts;
		make(&p, names, rows[i].count);
		assert_false(err_is(cert_read(buf_peek(&p.der), &facts)));
		assert_int_equal(facts.name_count, rows[i].want);
		pair_fini(&p);
	}
}

static void a_clock_that_x509_cannot_write_makes_no_certificate(void **state)
{
	(void)state;
	const struct makecert_wish wish = {.now = 253402300800 /* year 10000 */};
	struct buf certificate, key;
	buf_init(&certificate, BUF_UNLIMITED);
	buf_init(&key, BUF_UNLIMITED);
	assert_int_equal(makecert(&wish, &certificate, &key).code, ERR_INTERNAL);
	assert_int_equal(buf_len(&certificate) + buf_len(&key), 0);
	buf_fini(&certificate);
	buf_fini(&key);
}

/* RFC 7671 5.1: a TLSA record `3 1 1` goes on matching. */
static void another_certificate_for_the_same_key_names_somebody_else(void **state)
{
	(void)state;
	struct pair first, second = {0};
	struct domain d = domain_of("shire.example");
	const struct domain *names[] = {&d};
	const struct makecert_wish wish = {.names = names, .count = 1, .now = NOW};
	make_one(&first, "gate.example");
	buf_init(&second.certificate, BUF_UNLIMITED);
	assert_false(err_is(makecert_for(&wish, buf_peek(&first.key), &second.certificate)));
	X509 *x = openssl_certificate(&second);
	EVP_PKEY *key = openssl_key(&first);
	assert_int_equal(X509_check_host(x, "shire.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(x, "gate.example", 0, 0, NULL), 0);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(x), key), 1);
	assert_int_equal(X509_verify(x, key), 1);
	EVP_PKEY_free(key);
	X509_free(x);
	buf_clear(&second.certificate);
	struct err e = makecert_for(&wish, SLICE_LIT("no key"), &second.certificate);
	assert_int_equal(e.code, ERR_KEY_PARSE);
	assert_int_equal(buf_len(&second.certificate), 0);
	pair_fini(&first);
	buf_fini(&second.certificate);
}

/* Made for the time that a process runs, when the clock may be set only later. */
static void a_clock_that_was_not_set_makes_a_certificate_for_now_all_the_same(void **state)
{
	(void)state;
	struct pair p, later = {0};
	const struct makecert_wish wish = {.now = 0};
	make_one(&p, "gate.example");
	buf_init(&later.certificate, BUF_UNLIMITED);
	assert_false(err_is(makecert_for(&wish, buf_peek(&p.key), &later.certificate)));
	X509 *x = openssl_certificate(&later);
	time_t first = 1767225600 - DAY, last = 1767225600 + (time_t)3650 * DAY;
	assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notBefore(x), first), 0);
	assert_int_equal(ASN1_TIME_cmp_time_t(X509_get0_notAfter(x), last), 0);
	X509_free(x);
	pair_fini(&p);
	buf_fini(&later.certificate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openssl_reads_it_and_finds_key_names_dates_and_purposes),
		cmocka_unit_test(our_own_reader_agrees),
		cmocka_unit_test(no_two_are_alike_but_for_the_subject),
		cmocka_unit_test(names_without_end_are_cut_and_none_is_fine_too),
		cmocka_unit_test(another_certificate_for_the_same_key_names_somebody_else),
		cmocka_unit_test(a_clock_that_was_not_set_makes_a_certificate_for_now_all_the_same),
		cmocka_unit_test(a_clock_that_x509_cannot_write_makes_no_certificate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
