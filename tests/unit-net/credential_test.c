#include "keys/credential.h"
#include "lib/certs.h"

#include "keys/credential_inside.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct made ec, rsa, other, issuer, issued;

static int set_up(void **state)
{
	(void)state;
	ec = make_certificate((struct made_as){.key = MADE_P256, .name = "shire.example"});
	rsa = make_certificate((struct made_as){.key = MADE_RSA, .name = "shire.example"});
	other = make_certificate((struct made_as){.key = MADE_P256, .name = "bree.example"});
	issuer = make_certificate((struct made_as){.key = MADE_P256, .name = "ca.example"});
	issued = make_certificate(
		(struct made_as){.key = MADE_P256, .name = "shire.example", .issuer = &issuer});
	return 0;
}

static int tear_down(void **state)
{
	struct made *all[] = {&ec, &rsa, &other, &issuer, &issued};
	(void)state;
	for (size_t i = 0; i < 5; i++)
		made_free(all[i]);
	return 0;
}

static void a_bad_pair_is_refused_and_leaves_nothing_behind(void **state)
{
	(void)state;
	char half[400];
	snprintf(half, sizeof half, "%.300s", ec.chain_pem);
	const struct {
		const char *title, *chain, *key;
		enum err_code code;
	} rows[] = {
		{"no certificate", "", ec.key_pem, ERR_CERT_PARSE},
		{"half a certificate", half, ec.key_pem, ERR_CERT_PARSE},
		{"a key in its place", ec.key_pem, ec.key_pem, ERR_CERT_PARSE},
		{"no key", ec.chain_pem, "", ERR_KEY_PARSE},
		{"a certificate as key", ec.chain_pem, ec.chain_pem, ERR_KEY_PARSE},
		{"another's key", ec.chain_pem, other.key_pem, ERR_KEY_MISMATCH},
		{"a key of another kind", ec.chain_pem, rsa.key_pem, ERR_KEY_MISMATCH},
		{"the issuer's key", issued.chain_pem, issuer.key_pem, ERR_KEY_MISMATCH},
	};
	struct credential *c = credential_new();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = credential_add(c, slice_str(rows[i].chain), slice_str(rows[i].key));
		if (e.code != rows[i].code)
			fail_msg("%s: %s", rows[i].title, err_row(e.code)->symbol);
		assert_int_equal(credential_count(c), 0);
	}
	assert_false(err_is(credential_add(c, slice_str(ec.chain_pem), slice_str(ec.key_pem))));
	assert_int_equal(credential_count(c), 1);
	credential_release(c);
}

static void two_pairs_stand_side_by_side_and_no_more(void **state)
{
	(void)state;
	struct credential *c = made_credential(&ec, &rsa);
	struct slice chain[3];
	assert_int_equal(credential_count(c), 2);
	assert_int_equal(
		credential_add(c, slice_str(other.chain_pem), slice_str(other.key_pem)).code,
		ERR_LIMIT);
	assert_int_equal(credential_chain(c, 0, chain, 3), 1);
	assert_int_equal(credential_chain(c, 1, chain, 3), 1);
	credential_release(c);
}

static void the_chain_is_given_leaf_first_byte_for_byte(void **state)
{
	(void)state;
	struct credential *c = made_credential(&issued, NULL);
	struct slice chain[3];
	unsigned char *leaf = NULL;
	int len = i2d_X509(issued.cert, &leaf);
	assert_int_equal(credential_chain(c, 0, chain, 3), 2);
	assert_true(slice_eq(chain[0], slice_of(leaf, (size_t)len)));
	assert_int_equal(credential_chain(c, 0, chain, 1), 1);
	OPENSSL_free(leaf);
	credential_release(c);
}

static void the_last_reference_frees(void **state)
{
	(void)state;
	struct credential *c = made_credential(&ec, NULL);
	assert_ptr_equal(credential_hold(c), c);
	credential_release(c);
	assert_int_equal(credential_count(c), 1);
	credential_release(c); /* the leak check says the rest */
	credential_release(NULL);
}

static void random_bytes_fill_all_that_is_asked_for(void **state)
{
	(void)state;
	enum { LONG = 100000 };
	static unsigned char bytes[LONG + 1];
	unsigned seen[256] = {0};
	assert_int_equal(credential_random(NULL, bytes, LONG), 0);
	for (size_t i = 0; i < LONG; i++)
		seen[bytes[i]]++;
	for (size_t i = 0; i < 256; i++)
		assert_in_range(seen[i], 250, 550); /* 391 on average, 20 the deviation */
	assert_int_equal(bytes[LONG], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bad_pair_is_refused_and_leaves_nothing_behind),
		cmocka_unit_test(two_pairs_stand_side_by_side_and_no_more),
		cmocka_unit_test(the_chain_is_given_leaf_first_byte_for_byte),
		cmocka_unit_test(the_last_reference_frees),
		cmocka_unit_test(random_bytes_fill_all_that_is_asked_for),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
