/* TLS over memory: bytes in, bytes out, no sockets. mbedTLS 3.6 underneath.
 *
 * Policy (protocol sheet P-1..P-4; RFC 9325): TLS 1.2 and 1.3, ECDHE with AEAD, groups X25519,
 * P-256, P-384; no renegotiation, no tickets, no cache, no 0-RTT, empty CA list in the
 * certificate request. The peer's certificate never fails a handshake: it is recorded and judged
 * later against the stream's `from` (TLS-3).
 *
 * A peer's KeyUpdate (RFC 8446 4.6.3) is obeyed; mbedTLS itself does not know it, so this module
 * rotates the traffic keys through the library's inside, guarded by a static assertion on the
 * 3.6 series. Records are counted per direction for the cipher's limit (RFC 8446 5.5). */
#ifndef FEDGATE_NET_TLS_H
#define FEDGATE_NET_TLS_H

#include "base/buf.h"
#include "base/domain.h"
#include "keys/credential.h"

#include <stdint.h>

enum tls_role { TLS_SERVER, TLS_CLIENT };

/* The answer to a ClientHello's server name. */
struct tls_choice {
	struct credential *credential; /* borrowed for the length of the call; NULL: refuse */
	struct err refusal; /* when NULL: ERR_TLS_NO_SNI, ERR_TLS_SNI, ERR_TLS_CREDENTIAL */
};

/* Called once per server handshake with the server name (SLICE_NONE when there was none). */
typedef struct tls_choice (*tls_choose)(void *arg, struct slice sni);

struct tls_params {
	enum tls_role role;
	const char *alpn;  /* the one protocol we speak; NULL: the extension is ignored */
	tls_choose choose; /* server */
	void *choose_arg;
	bool no_client_certificate;    /* server: none is asked for */
	const char *server_name;       /* client: SNI, A-labels */
	struct credential *credential; /* client: own certificate or NULL; held until tls_free */
};

enum tls_state { TLS_HANDSHAKE, TLS_UP, TLS_CLOSED /* close_notify came */, TLS_FAILED };

struct tls_info {
	const char *version; /* "TLSv1.3"; static */
	const char *suite;   /* static */
	const char *alpn;    /* negotiated or NULL */
	struct slice sni;    /* what the client asked for; empty when nothing */
};

struct tls;

struct tls *tls_new(const struct tls_params *params);
void tls_free(struct tls *t);
/* Starts a client's handshake (writes the ClientHello). */
void tls_start(struct tls *t, struct buf *wire_out);
/* Takes ciphertext that arrived, appends decrypted bytes to plain_out and what must be sent
 * (handshake, alerts) to wire_out, also when it fails: output is sent even then. */
enum tls_state tls_input(
	struct tls *t, struct slice wire_in, struct buf *plain_out, struct buf *wire_out);
/* Encrypts all of plain; in TLS_UP, or in TLS_CLOSED: the peer has only said that it will send no
 * more (RFC 8446 6.1). */
struct err tls_output(struct tls *t, struct slice plain, struct buf *wire_out);
void tls_close_notify(struct tls *t, struct buf *wire_out);
enum tls_state tls_state(const struct tls *t);
struct err tls_error(const struct tls *t); /* why TLS_FAILED */
struct tls_info tls_info(const struct tls *t);
/* The peer's chain as DER, leaf first; 0 when none was sent. Borrowed from t. */
size_t tls_peer_chain(const struct tls *t, struct slice *ders, size_t max);
/* The larger of both directions' record counts under the current keys; the peer's direction is left
 * out while our request for its new keys is unanswered. */
uint64_t tls_records(const struct tls *t);
/* TLS 1.3: new sending keys now, and the peer is asked for its own (KeyUpdate). False in TLS 1.2:
 * open a new stream instead. */
bool tls_rekey(struct tls *t, struct buf *wire_out);

#endif
