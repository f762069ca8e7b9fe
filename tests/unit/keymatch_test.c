#include "trust/keymatch.h"

#include "base/b64.h"
#include "base/buf.h"
#include "trust/cert.h"
#include "trust/pem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define DIRECTORY "tests/unit/config/"

static void read_file(const char *name, struct buf *text)
{
	char path[200];
	snprintf(path, sizeof path, DIRECTORY "%s", name);
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s cannot be read: run this from the top of the tree", path);
	buf_init(text, KEY_MAX_BYTES);
	size_t n = fread(buf_reserve(text, 20000), 1, 20000, f);
	buf_commit(text, n);
	fclose(f);
}

static void spki_of(const char *name, unsigned char out[32])
{
	struct buf text, der;
	struct slice label;
	struct err e;
	struct cert_facts facts;
	read_file(name, &text);
	buf_init(&der, KEY_MAX_BYTES);
	struct slice rest = buf_peek(&text);
	assert_true(pem_next(&rest, &label, &der, &e));
	assert_false(err_is(cert_read(buf_peek(&der), &facts)));
	memcpy(out, facts.spki_sha256, 32);
	buf_fini(&text);
	buf_fini(&der);
}

struct row {
	const char *key, *certificate;
	enum err_code want;
	bool encrypted;
};

/* The forms of RFC 5958, 5915, 8017; duty 16: none that wants a passphrase */
static void a_key_fits_its_certificate_in_every_form_but_the_encrypted_ones(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"shire.key", "shire.pem", ERR_OK, false},
		{"shire-pkcs8.key", "shire.pem", ERR_OK, false},
		{"shire-parameters.key", "shire.pem", ERR_OK, false},
		{"shire-nopublic.key", "shire.pem", ERR_OK, false},
		{"shire-rsa.key", "shire-rsa.pem", ERR_OK, false},
		{"shire-rsa-pkcs1.key", "shire-rsa.pem", ERR_OK, false},
		{"moria.key", "shire.pem", ERR_KEY_MISMATCH, false},
		{"shire.key", "moria.pem", ERR_KEY_MISMATCH, false},
		{"shire.key", "shire-rsa.pem", ERR_KEY_MISMATCH, false},
		{"shire-rsa.key", "shire.pem", ERR_KEY_MISMATCH, false},
		{"shire-nopublic.key", "moria.pem", ERR_KEY_MISMATCH, false},
		{"shire-encrypted.key", "shire.pem", ERR_KEY_PARSE, true},
		{"shire-encrypted-old.key", "shire.pem", ERR_KEY_PARSE, true},
		{"shire.pem", "shire.pem", ERR_KEY_PARSE, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf key;
		unsigned char spki[32];
		read_file(rows[i].key, &key);
		spki_of(rows[i].certificate, spki);
		for (int prove = 0; prove < 2; prove++) {
			struct err e = key_matches(buf_peek(&key), spki, prove);
			if (e.code != rows[i].want)
				print_error("%s, %s: %s\n", rows[i].key, rows[i].certificate,
					err_row(e.code)->symbol);
			assert_int_equal(e.code, rows[i].want);
		}
		assert_int_equal(key_is_encrypted(buf_peek(&key)), rows[i].encrypted);
		buf_fini(&key);
	}
}

/* The file's DER with one byte changed, as PEM again. */
static void changed_key(const char *name, const char *label, size_t at, struct buf *out)
{
	struct buf text, der;
	struct slice found;
	struct err e;
	read_file(name, &text);
	buf_init(&der, KEY_MAX_BYTES);
	struct slice rest = buf_peek(&text);
	assert_true(pem_next(&rest, &found, &der, &e));
	der.data[der.start + at] ^= 1;
	buf_init(out, KEY_MAX_BYTES);
	assert_false(err_is(buf_printf(out, "-----BEGIN %s-----\n", label)));
	assert_true(b64_encode(buf_peek(&der), out));
	assert_false(err_is(buf_printf(out, "\n-----END %s-----\n", label)));
	buf_fini(&text);
	buf_fini(&der);
}

/* Why `check --deep` exists: the public half in the file is only what the file says. */
static void a_file_that_states_a_public_half_it_does_not_have_is_found_by_proving(void **state)
{
	(void)state;
	enum { IN_THE_PRIVATE_NUMBER = 20 };
	struct buf key;
	unsigned char spki[32];
	changed_key("shire.key", "EC PRIVATE KEY", IN_THE_PRIVATE_NUMBER, &key);
	spki_of("shire.pem", spki);
	assert_int_equal(key_matches(buf_peek(&key), spki, false).code, ERR_OK);
	assert_true(err_is(key_matches(buf_peek(&key), spki, true)));
	buf_fini(&key);
}

static void a_key_cut_short_or_changed_anywhere_is_refused_or_does_not_match(void **state)
{
	(void)state;
	static const char *const names[][2] = {{"moria.key", "EC PRIVATE KEY"},
		{"shire-pkcs8.key", "PRIVATE KEY"}, {"shire-rsa-pkcs1.key", "RSA PRIVATE KEY"}};
	unsigned char nobody[32] = {0};
	for (size_t i = 0; i < 3; i++) {
		for (size_t at = 0; at < 100; at++) {
			struct buf key;
			changed_key(names[i][0], names[i][1], at, &key);
			assert_true(err_is(key_matches(buf_peek(&key), nobody, at % 2)));
			struct slice cut = slice_sub(buf_peek(&key), 0, at * 2);
			assert_int_equal(key_matches(cut, nobody, at % 2).code, ERR_KEY_PARSE);
			buf_fini(&key);
		}
	}
}

static void what_is_no_key_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "x", "-----BEGIN PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
		"-----BEGIN PRIVATE KEY-----\nMIP///8=\n-----END PRIVATE KEY-----\n",
		"-----BEGIN EC PRIVATE KEY-----\nMAMCAQE=\n-----END EC PRIVATE KEY-----\n",
		"-----BEGIN RSA PRIVATE KEY-----\nMAMCAQA=\n-----END RSA PRIVATE KEY-----\n",
		"-----BEGIN OPENSSH PRIVATE KEY-----\nMAA=\n-----END OPENSSH PRIVATE KEY-----\n"};
	unsigned char nobody[32] = {0};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		for (int prove = 0; prove < 2; prove++)
			assert_int_equal(key_matches(slice_str(texts[i]), nobody, prove).code,
				ERR_KEY_PARSE);
		assert_false(key_is_encrypted(slice_str(texts[i])));
	}
}

static size_t chain_of(const char *name, struct buf ders[3])
{
	struct buf text;
	struct slice label;
	struct err e;
	size_t n = 0;
	read_file(name, &text);
	struct slice rest = buf_peek(&text);
	for (; n < 3; n++) {
		buf_init(&ders[n], KEY_MAX_BYTES);
		if (!pem_next(&rest, &label, &ders[n], &e))
			break;
	}
	buf_fini(&text);
	return n;
}

static void certificates_follow_when_the_issuer_is_the_next_subject(void **state)
{
	(void)state;
	static const struct {
		const char *file;
		bool follows;
	} rows[] = {{"shire.pem", true}, {"shire-backwards.pem", false}, {"shire-gap.pem", false}};
	for (size_t i = 0; i < 3; i++) {
		struct buf ders[3];
		size_t n = chain_of(rows[i].file, ders);
		assert_int_equal(n, 2);
		struct slice child = buf_peek(&ders[0]), parent = buf_peek(&ders[1]);
		assert_int_equal(chain_follows(child, parent), rows[i].follows);
		for (size_t cut = 0; cut < 60; cut++)
			assert_false(chain_follows(slice_sub(child, 0, cut), parent));
		for (size_t k = 0; k < n; k++)
			buf_fini(&ders[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_fits_its_certificate_in_every_form_but_the_encrypted_ones),
		cmocka_unit_test(
			a_file_that_states_a_public_half_it_does_not_have_is_found_by_proving),
		cmocka_unit_test(a_key_cut_short_or_changed_anywhere_is_refused_or_does_not_match),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(certificates_follow_when_the_issuer_is_the_next_subject),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
