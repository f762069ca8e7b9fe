/* Shared by the three files of the cert module, the only ones that know mbedTLS's x509. */
#ifndef FEDGATE_TRUST_CERT_INSIDE_H
#define FEDGATE_TRUST_CERT_INSIDE_H

#include "trust/cert.h"

#include <mbedtls/x509_crt.h>

enum { RSA_MIN_BITS = 2048 }; /* RFC 9325 4.5 */

struct cert_set {
	unsigned refs;
	size_t count;
	mbedtls_x509_crt anchors;
};

/* Parses one certificate into (or behind) crt. Without `copy` the DER must outlive it. Critical
 * extensions that neither the library nor we know make it fail; name constraints are ours to
 * judge. ERR_CERT_PARSE, ERR_CERT_UNSUPPORTED. */
struct err cert_parse(mbedtls_x509_crt *crt, struct slice der, bool copy);
void cert_facts_of(const mbedtls_x509_crt *crt, struct cert_facts *out);
/* The inner value of a certificate's extension by its OID; false when it is not there. */
bool cert_extension(const mbedtls_x509_crt *crt, struct slice oid, struct slice *value);
/* Whether the issuer's name constraints let all names of the subject pass (RFC 5280 4.2.1.10). */
bool cert_constraints_allow(const mbedtls_x509_crt *issuer, const mbedtls_x509_crt *subject);

#endif
