/* W-IN: a peer's stream, accepted on a public port. It is judged, its pairs are proven, and its
 * stanzas go on pair by pair, each on a backend stream of its own (BE-2, BE-21).
 *
 * Happy path: peer_in_accept, header, STARTTLS or direct TLS, certificate or dialback, stanzas.
 * Failure: the stream error says why, one log line says the same. Frees itself when its link is
 * closed; routes live on until they are empty. */
#ifndef FEDGATE_CORE_PEER_IN_H
#define FEDGATE_CORE_PEER_IN_H

#include "core/worker_inside.h"

/* Takes over the accepted socket. */
void peer_in_accept(struct worker *w, int fd);
/* After a reload: every stream is judged again. */
void peers_in_reload(struct worker *w);
void peers_in_stop(struct worker *w);

#endif
