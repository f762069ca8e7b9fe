/* The inside of a credential, for proxy/net/tls.c alone. */
#ifndef FEDGATE_KEYS_CREDENTIAL_INSIDE_H
#define FEDGATE_KEYS_CREDENTIAL_INSIDE_H

#include "base/slice.h"

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

enum { CREDENTIAL_MAX = 2 };

struct credential_identity {
	mbedtls_x509_crt chain;
	mbedtls_pk_context key;
};

struct credential {
	unsigned refs;
	struct credential_identity items[CREDENTIAL_MAX];
	size_t count;
};

/* Makes the library ready; again is a no-op. Its memory comes from base/mem.c from here on. */
void credential_crypto_ready(void);

/* A key's PEM, not encrypted; the copy that mbedTLS wants is wiped. mbedTLS's status. */
int credential_parse_key(mbedtls_pk_context *key, struct slice pem);

/* mbedTLS's f_rng over the kernel's generator: nothing to seed, nothing to share after a fork. */
int credential_random(void *arg, unsigned char *out, size_t len);

#endif
