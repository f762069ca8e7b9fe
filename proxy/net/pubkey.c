/* What stands between a stranger's certificate and mbedTLS's arithmetic. The library checks the
 * signatures of a chain as soon as it came, long before anybody asks whose it is, and with an RSA
 * exponent as long as the modulus one check takes 290 ms (8192 bits): 15 kB sent would stop a
 * worker for more than a second (C20). No authority makes such keys. The linker puts this function
 * in front of the library's own (--wrap in the Makefile); the handshake then fails as with any
 * certificate that cannot be read. */
#include <mbedtls/pk.h>

enum { RSA_MAX_EXPONENT_BITS = 32 };

int __real_mbedtls_pk_parse_subpubkey(
	unsigned char **p, const unsigned char *end, mbedtls_pk_context *pk);
int __wrap_mbedtls_pk_parse_subpubkey(
	unsigned char **p, const unsigned char *end, mbedtls_pk_context *pk);

int __wrap_mbedtls_pk_parse_subpubkey(
	unsigned char **p, const unsigned char *end, mbedtls_pk_context *pk)
{
	mbedtls_mpi exponent;
	int failed = __real_mbedtls_pk_parse_subpubkey(p, end, pk);
	if (failed || mbedtls_pk_get_type(pk) != MBEDTLS_PK_RSA)
		return failed;
	mbedtls_mpi_init(&exponent);
	failed = mbedtls_rsa_export(mbedtls_pk_rsa(*pk), NULL, NULL, NULL, NULL, &exponent);
	if (!failed && mbedtls_mpi_bitlen(&exponent) > RSA_MAX_EXPONENT_BITS)
		failed = MBEDTLS_ERR_PK_INVALID_PUBKEY; /* the caller frees pk */
	mbedtls_mpi_free(&exponent);
	return failed;
}
