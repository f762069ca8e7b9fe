#include "trust/digest.h"

#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>

#include <assert.h>

static const unsigned char *bytes(struct slice s)
{
	return (const unsigned char *)s.ptr;
}

void digest_256(struct slice in, unsigned char out[DIGEST_256])
{
	int failed = mbedtls_sha256(bytes(in), in.len, out, 0);
	assert(!failed);
}

void digest_384(struct slice in, unsigned char out[DIGEST_384])
{
	int failed = mbedtls_sha512(bytes(in), in.len, out, 1);
	assert(!failed);
}

void digest_512(struct slice in, unsigned char out[DIGEST_512])
{
	int failed = mbedtls_sha512(bytes(in), in.len, out, 0);
	assert(!failed);
}
