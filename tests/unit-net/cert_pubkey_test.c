/* Certificates read as a handshake reads them: by mbedTLS, in a program linked as fedgate is. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lab/certs/corpus.h"

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

static int parse_leaf(const char *name)
{
	struct chain chain;
	mbedtls_x509_crt crt;
	read_chain(name, &chain);
	mbedtls_x509_crt_init(&crt);
	int failed = mbedtls_x509_crt_parse_der(
		&crt, (const unsigned char *)chain.slices[0].ptr, chain.slices[0].len);
	mbedtls_x509_crt_free(&crt);
	free_chain(&chain);
	return failed;
}

/* C20: the check of one signature with it would take up to 290 ms */
static void a_handshake_reads_no_rsa_key_with_a_long_exponent(void **state)
{
	(void)state;
	assert_int_equal(parse_leaf("key-rsa-e-huge"), MBEDTLS_ERR_PK_INVALID_PUBKEY);
	assert_int_equal(parse_leaf("key-rsa-e-3"), 0);
	assert_int_equal(parse_leaf("key-rsa-2048"), 0);
	assert_int_equal(parse_leaf("key-p384"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handshake_reads_no_rsa_key_with_a_long_exponent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
