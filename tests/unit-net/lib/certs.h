/* Certificates for tests, made when they are needed. */
#ifndef FEDGATE_TESTS_CERTS_H
#define FEDGATE_TESTS_CERTS_H

#include "base/slice.h"
#include "keys/credential.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdint.h>

enum made_key { MADE_P256, MADE_P521, MADE_RSA, MADE_RSA_1024, MADE_ED25519 };

struct made {
	X509 *cert;
	EVP_PKEY *key;
	char *chain_pem, *key_pem; /* owned; the chain is the certificate and its issuer, if any */
};

struct made_as {
	enum made_key key;
	const char *name;             /* subjectAltName, "DNS:..." without the prefix */
	const struct made *issuer;    /* NULL: self-signed */
	const char *name_constraints; /* value of the extension, or NULL */
	const char *unknown_critical; /* the same: an extension nobody knows, marked critical */
	bool ca;
	bool only_common_name; /* the name is the subject's, and there is no subjectAltName */
	int days;              /* of validity; negative: over already */
};

struct made make_certificate(struct made_as as);
int64_t made_now(void); /* certificates are made for the real time */
void made_free(struct made *m);
/* A credential of one or two of them. */
struct credential *made_credential(const struct made *a, const struct made *b);

#endif
