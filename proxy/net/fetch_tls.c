/* Whom a web server has to be: the certificate leads to one of the web's authorities and names the
 * host as a DNS-ID (RFC 9525 6.3, POSH-1). libcurl would read the authorities anew for every
 * connection, which takes longer than the handshake, and would take a common name for a host name;
 * so OpenSSL gets its store and its name from here. libcurl's own checks stay on. */
#include "net/fetch_inside.h"

#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

enum { DEPTH_MAX = 6 }; /* authorities between the leaf and the root */

struct fetch_trust {
	X509_STORE *store; /* counted by OpenSSL */
};

/* A certificate that OpenSSL cannot read costs itself, not the others. */
static size_t add_all(X509_STORE *store, BIO *pem)
{
	size_t count = 0;
	for (;;) {
		X509 *cert = PEM_read_bio_X509(pem, NULL, NULL, NULL);
		if (cert && X509_STORE_add_cert(store, cert) == 1)
			count++;
		X509_free(cert);
		unsigned long last = ERR_peek_last_error();
		ERR_clear_error();
		if (!cert && ERR_GET_LIB(last) == ERR_LIB_PEM &&
			ERR_GET_REASON(last) == PEM_R_NO_START_LINE)
			return count; /* the end */
	}
}

struct fetch_trust *fetch_trust_new(struct slice authorities_pem)
{
	BIO *pem = BIO_new_mem_buf(
		authorities_pem.len ? authorities_pem.ptr : "", (int)authorities_pem.len);
	struct fetch_trust *t = MEM_NEW(struct fetch_trust);
	t->store = X509_STORE_new();
	size_t count = pem && t->store ? add_all(t->store, pem) : 0;
	BIO_free(pem);
	if (count)
		return t;
	fetch_trust_free(t);
	return NULL;
}

void fetch_trust_free(struct fetch_trust *t)
{
	X509_STORE_free(t->store);
	mem_free(t);
}

/* Without elliptic curves a server could choose a group that takes us a second to compute in, with
 * all others waiting (P-2, O5). */
bool fetch_trust_apply(struct fetch_trust *t, void *ssl_ctx, const char *host)
{
	SSL_CTX *ctx = ssl_ctx;
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	if (SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
		SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") != 1)
		return false;
	SSL_CTX_set_security_level(ctx, 2);
	SSL_CTX_set1_cert_store(ctx, t->store);
	X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
	X509_VERIFY_PARAM_set_hostflags(
		param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}
