/* The one place that knows mbedTLS's inside: what TLS 1.3's KeyUpdate needs and the library does
 * not offer. Everything here depends on the 3.6 series and says so at compile time. */
#ifndef FEDGATE_NET_TLS_INSIDE_H
#define FEDGATE_NET_TLS_INSIDE_H

#include <mbedtls/ssl.h>

#include <stdbool.h>
#include <stdint.h>

/* After mbedtls_ssl_read gave MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE: whether the message is a
 * well-formed KeyUpdate (RFC 8446 4.6.3), and whether the peer asks for ours in return. */
bool tls_inside_is_key_update(const mbedtls_ssl_context *ssl, bool *wants_answer);
/* The peer's next receiving keys; the message itself is consumed. */
int tls_inside_rekey_in(mbedtls_ssl_context *ssl);
/* Writes our KeyUpdate and takes our next sending keys. ask: the peer is to change its own too. */
int tls_inside_rekey_out(mbedtls_ssl_context *ssl, bool ask);
/* While a handshake is under way: the peer sent certificates, and the library passed over them all
 * because their signature algorithms are unknown to it. */
bool tls_inside_skipped_certificate(const mbedtls_ssl_context *ssl);
/* Records sent and received under the current keys. */
uint64_t tls_inside_records_in(const mbedtls_ssl_context *ssl);
uint64_t tls_inside_records_out(const mbedtls_ssl_context *ssl);

#endif
