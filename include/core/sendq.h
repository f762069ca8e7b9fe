/* The queue of stanzas towards one connection, with the book-keeping that "nothing is lost in
 * silence" needs: which stanzas the kernel has taken whole, which TCP has not yet had acknowledged,
 * which never left. No sockets here.
 *
 *   queued -> pulled (given to TLS; wire_end known) -> accepted (the kernel has the last byte)
 *          -> acknowledged
 *
 * A connection that dies: acknowledged ones are delivered; accepted ones are in flight, counted,
 * never sent again (never twice); the others never left whole and go to the next connection or
 * back to their sender. Wire positions are bytes since the connection began. */
#ifndef FEDGATE_CORE_SENDQ_H
#define FEDGATE_CORE_SENDQ_H

#include "base/buf.h"

#include <stdint.h>

struct sendq_item {
	size_t len;
	uint64_t wire_end; /* 0: not pulled */
	uint64_t since_ms; /* when it was queued */
};

struct sendq {
	struct buf bytes;         /* of all items that are not accepted */
	struct sendq_item *items; /* owned ring */
	size_t first, count, room;
	size_t pulled; /* of count, from the first on */
	size_t pulled_bytes;
	uint64_t *unacked; /* owned ring of wire_ends that were accepted */
	size_t unacked_first, unacked_count, unacked_room;
	size_t max_stanzas;
};

void sendq_init(struct sendq *q, size_t max_stanzas, size_t max_bytes);
void sendq_fini(struct sendq *q);
/* ERR_QUEUE_FULL when a limit is reached; nothing was taken then. */
struct err sendq_push(struct sendq *q, struct slice stanza, uint64_t now_ms);
/* The next stanzas that were not pulled: whole ones, together at most `max` bytes unless the first
 * alone is larger. Empty when there is none. */
struct slice sendq_pull(struct sendq *q, size_t max);
/* What the last pull gave stands at these places of the wire. In a record of TLS all of it arrives
 * or nothing; where the bytes went out as they are, each stanza ends where its own bytes end. */
void sendq_pulled(struct sendq *q, uint64_t wire_start, uint64_t wire_end);
/* The kernel has taken the wire up to here. */
void sendq_accepted(struct sendq *q, uint64_t wire_accepted);
/* The wire up to here is acknowledged: forget these. */
void sendq_acknowledged(struct sendq *q, uint64_t wire_acked);
/* The connection is gone: returns how many stanzas are in flight at the cut (accepted, not
 * acknowledged) and makes the ones that never left whole ready for the next connection. */
size_t sendq_cut(struct sendq *q, uint64_t wire_acked);
size_t sendq_count(const struct sendq *q);       /* not accepted */
size_t sendq_bytes(const struct sendq *q);       /* likewise */
size_t sendq_unacked(const struct sendq *q);     /* accepted, not known to be acknowledged */
uint64_t sendq_oldest_ms(const struct sendq *q); /* since_ms of the first; 0 when empty */
/* Takes the first stanza off (to bounce it); valid until the next call. Only when none is pulled.
 */
bool sendq_take(struct sendq *q, struct slice *stanza);

#endif
