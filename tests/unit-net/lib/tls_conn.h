/* Our TLS on one end, OpenSSL on the other, memory between them: bytes move in steps of a chosen
 * size until both ends are quiet. */
#ifndef FEDGATE_TESTS_TLS_CONN_H
#define FEDGATE_TESTS_TLS_CONN_H

#include "net/tls.h"

#include <openssl/ssl.h>

struct conn {
	struct tls *us;
	struct buf wire, plain; /* what we want to send; what we understood */
	SSL_CTX *ctx;
	SSL *peer;
	BIO *to_peer, *from_peer;
	struct buf peer_plain;
	size_t step; /* bytes moved at a time; 0: all */
	bool peer_up, peer_closed, peer_failed;
	int peer_alert;      /* of ours, as the peer saw it; -1: none */
	size_t wire_sent;    /* bytes from us so far */
	char secrets[3][97]; /* key log of the peer, as hex: see conn_secret */
};

enum { SECRET_CLIENT, SECRET_SERVER, SECRET_MASTER };

/* The peer's context; a test may restrict it before conn_open. role: ours. */
void conn_init(struct conn *c, enum tls_role role);
void conn_open(struct conn *c, const struct tls_params *params, const char *peer_sni);
/* Moves bytes until nothing moves any more. */
void conn_run(struct conn *c);
void conn_say(struct conn *c, const char *text);      /* we to the peer; moves nothing */
void conn_peer_say(struct conn *c, const char *text); /* likewise */
void conn_free(struct conn *c);
/* The traffic secrets of TLS 1.3 (32 bytes, SHA-256 suites) or the master secret (48 bytes). */
size_t conn_secret(const struct conn *c, int which, unsigned char out[48]);
/* Both ends are up and a line goes through each way. */
bool conn_works(struct conn *c);

#endif
