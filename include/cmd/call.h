/* One conversation with a server, as a peer would have it: TCP, TLS, stream, and as far as proving
 * ourselves when we have something to prove it with. Waits for each answer; nothing of it needs the
 * daemon. */
#ifndef FEDGATE_CMD_CALL_H
#define FEDGATE_CMD_CALL_H

#include "keys/credential.h"
#include "net/tls.h"
#include "trust/dbkey.h"
#include "xmpp/stream_out.h"

#include <sys/socket.h>

struct call_wish {
	struct domain from, to;
	struct sockaddr_storage addr; /* with its port */
	bool direct_tls;
	bool backend;                      /* plaintext, up to the features */
	struct credential *credential;     /* borrowed; NULL: nothing is proven, we only look */
	const struct dbkey_secret *secret; /* borrowed; NULL: no dialback */
	uint64_t connect_ms, timeout_ms;   /* for TCP alone, and for all of it */
};

/* How far it came, and what was seen. */
struct call_result {
	struct err e; /* ERR_OK: as far as was wished */
	bool connected, secured, features, offers_starttls, offers_external, offers_dialback, ready;
	enum pair_proof proof; /* READY: by what the server believes us */
	uint64_t connect_ms, tls_ms, all_ms;
	struct tls *tls;                              /* owned; NULL without TLS */
	char condition[CONDITION_MAX + 1], text[121]; /* of the server's error */
};

void call_make(const struct call_wish *wish, struct call_result *out);
void call_free(struct call_result *result);

#endif
