#define MBEDTLS_ALLOW_PRIVATE_ACCESS
#include <mbedtls/build_info.h>

_Static_assert(MBEDTLS_VERSION_MAJOR == 3 && MBEDTLS_VERSION_MINOR == 6,
	"the inside of mbedTLS is known for the 3.6 series only: see packaging/deps/mbedtls.sh");

#include <mbedtls/platform.h>

#include "library/ssl_misc.h"
#include "library/ssl_tls13_keys.h"

#include "net/tls_inside.h"

#include <string.h>

enum { KEY_UPDATE = 24, KEY_UPDATE_LEN = 5, IV_LEN = 12 };

bool tls_inside_is_key_update(const mbedtls_ssl_context *ssl, bool *wants_answer)
{
	/* type 24, length 1, one byte that is 0 or 1, and nothing behind it: keys must not change
	 * inside a record (RFC 8446 5.1). */
	if (ssl->tls_version != MBEDTLS_SSL_VERSION_TLS1_3 ||
		ssl->in_msgtype != MBEDTLS_SSL_MSG_HANDSHAKE || ssl->in_hslen != KEY_UPDATE_LEN ||
		ssl->in_msglen != KEY_UPDATE_LEN || ssl->in_msg[0] != KEY_UPDATE ||
		ssl->in_msg[4] > 1)
		return false;
	*wants_answer = ssl->in_msg[4] == 1;
	return true;
}

bool tls_inside_skipped_certificate(const mbedtls_ssl_context *ssl)
{
	const mbedtls_ssl_session *s = ssl->session_negotiate;
	return s && s->peer_cert && !s->peer_cert->raw.p;
}

static psa_algorithm_t hash_of(int suite)
{
	return suite == MBEDTLS_TLS1_3_AES_256_GCM_SHA384 ? PSA_ALG_SHA_384 : PSA_ALG_SHA_256;
}

static size_t key_len_of(int suite)
{
	return suite == MBEDTLS_TLS1_3_AES_128_GCM_SHA256 ? 16 : 32;
}

/* application_traffic_secret_N+1 (RFC 8446 7.2), in place. */
static int next_secret(psa_algorithm_t hash, unsigned char *secret)
{
	unsigned char next[PSA_HASH_MAX_SIZE];
	size_t len = PSA_HASH_LENGTH(hash);
	int failed = mbedtls_ssl_tls13_hkdf_expand_label(hash, secret, len,
		MBEDTLS_SSL_TLS1_3_LBL_WITH_LEN(traffic_upd), NULL, 0, next, len);
	if (!failed)
		memcpy(secret, next, len);
	mbedtls_platform_zeroize(next, sizeof next);
	return failed;
}

/* One transform holds both directions: it is made anew from both secrets, one of them advanced. The
 * direction that did not change keeps its key and its counter. */
static int rebuild(mbedtls_ssl_context *ssl)
{
	int suite = ssl->session->ciphersuite;
	psa_algorithm_t hash = hash_of(suite);
	mbedtls_ssl_tls13_application_secrets *s = &ssl->session->app_secrets;
	mbedtls_ssl_key_set keys;
	mbedtls_ssl_transform *fresh = mbedtls_calloc(1, sizeof *fresh);
	if (!fresh)
		return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	mbedtls_ssl_transform_init(fresh);
	int failed = mbedtls_ssl_tls13_make_traffic_keys(hash,
		s->client_application_traffic_secret_N, s->server_application_traffic_secret_N,
		PSA_HASH_LENGTH(hash), key_len_of(suite), IV_LEN, &keys);
	if (!failed)
		failed = mbedtls_ssl_tls13_populate_transform(
			fresh, ssl->conf->endpoint, suite, &keys, ssl);
	mbedtls_platform_zeroize(&keys, sizeof keys);
	if (failed) {
		mbedtls_ssl_transform_free(fresh);
		mbedtls_free(fresh);
		return failed;
	}
	mbedtls_ssl_transform_free(ssl->transform_application);
	mbedtls_free(ssl->transform_application);
	ssl->transform_application = ssl->transform_in = ssl->transform_out = fresh;
	return 0;
}

static int advance(mbedtls_ssl_context *ssl, bool client_side)
{
	mbedtls_ssl_tls13_application_secrets *s = &ssl->session->app_secrets;
	unsigned char *secret = client_side ? s->client_application_traffic_secret_N
					    : s->server_application_traffic_secret_N;
	int failed = next_secret(hash_of(ssl->session->ciphersuite), secret);
	return failed ? failed : rebuild(ssl);
}

int tls_inside_rekey_in(mbedtls_ssl_context *ssl)
{
	int failed = advance(ssl, ssl->conf->endpoint == MBEDTLS_SSL_IS_SERVER);
	memset(ssl->in_ctr, 0, MBEDTLS_SSL_SEQUENCE_NUMBER_LEN);
	return failed;
}

int tls_inside_rekey_out(mbedtls_ssl_context *ssl, bool ask)
{
	ssl->out_msgtype = MBEDTLS_SSL_MSG_HANDSHAKE;
	ssl->out_msglen = KEY_UPDATE_LEN;
	memcpy(ssl->out_msg, ask ? "\x18\0\0\x01\x01" : "\x18\0\0\x01\0", KEY_UPDATE_LEN);
	int failed = mbedtls_ssl_write_record(ssl, 1);
	if (!failed)
		failed = advance(ssl, ssl->conf->endpoint == MBEDTLS_SSL_IS_CLIENT);
	memset(ssl->cur_out_ctr, 0, sizeof ssl->cur_out_ctr);
	return failed;
}

static uint64_t counter(const unsigned char *bytes)
{
	uint64_t n = 0;
	for (size_t i = 0; i < MBEDTLS_SSL_SEQUENCE_NUMBER_LEN; i++)
		n = n << 8 | bytes[i];
	return n;
}

uint64_t tls_inside_records_in(const mbedtls_ssl_context *ssl)
{
	return ssl->in_buf ? counter(ssl->in_ctr) : 0;
}

uint64_t tls_inside_records_out(const mbedtls_ssl_context *ssl)
{
	return counter(ssl->cur_out_ctr);
}
