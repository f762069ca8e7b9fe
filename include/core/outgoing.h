/* A stream that we dial: towards a peer (W-OUT) or a tenant's backend (B-IN), to carry the stanzas
 * of one pair, or to ask one dialback question.
 *
 *  IDLE --push--> DIALING -> NEGOTIATING -> READY --idle, lost--> IDLE
 *                    |            |
 *                    +--failed----+--> IDLE, events->failed: the owner takes the queue back
 *
 * A stream that was READY and is lost keeps what never left it and dials again at once when there
 * is something to send; what was in flight is counted and logged, and never sent twice.
 *
 * Happy path: outgoing_new, outgoing_push, events->ready, ... , outgoing_finish. Failure modes:
 * `failed` (never from inside a call of the owner). Who frees: the object frees itself after
 * outgoing_finish or outgoing_drop, when its link is closed; no events come after these. */
#ifndef FEDGATE_CORE_OUTGOING_H
#define FEDGATE_CORE_OUTGOING_H

#include "core/dial.h"
#include "core/link.h"
#include "core/worker_inside.h"
#include "xmpp/stream_out.h"

struct outgoing_events {
	/* A connection is about to be made; may be called from inside push and start. */
	void (*dialing)(void *owner);
	void (*ready)(void *owner);
	/* condition and text are the other side's words, "" when it said nothing. */
	void (*failed)(void *owner, struct err why, const char *condition, const char *text);
	void (*answered)(void *owner, enum db_outcome outcome); /* questions */
	void (*room)(void *owner);                              /* the queue shrank */
};

struct outgoing_config {
	struct tenant *tenant;              /* whose policy, certificate or backend; held */
	bool backend;                       /* dial the tenant's backend, else the peer `remote` */
	struct domain local, remote;        /* of our stream header */
	const char *session;                /* id for the log; copied */
	const char *leg;                    /* "W-OUT", "B-IN", "W-VERIFY", "B-VERIFY"; static */
	const char *lang;                   /* stream xml:lang; copied; "" = en */
	const char *verify_id, *verify_key; /* a question; NULL: stanzas */
	size_t queue_factor;                /* times the configuration's queue limits; 0: once */
};

enum outgoing_state { OUTGOING_IDLE, OUTGOING_DIALING, OUTGOING_NEGOTIATING, OUTGOING_READY };

struct outgoing;

struct outgoing *outgoing_new(struct worker *w, const struct outgoing_config *config,
	const struct outgoing_events *events, void *owner);
/* Dials when idle. Nothing else does: whoever pushes says when. */
void outgoing_start(struct outgoing *o);
/* ERR_QUEUE_FULL when the limits of the configuration are reached. */
struct err outgoing_push(struct outgoing *o, struct slice stanza);
enum outgoing_state outgoing_state(const struct outgoing *o);
size_t outgoing_queued(const struct outgoing *o); /* stanzas */
size_t outgoing_queued_bytes(const struct outgoing *o);
uint64_t outgoing_oldest_ms(const struct outgoing *o);
/* XEP-0478: what the other side takes at most; 0: it did not say. */
size_t outgoing_peer_limit(const struct outgoing *o);
/* After `failed`: takes the first queued stanza off; valid until the next call. */
bool outgoing_take(struct outgoing *o, struct slice *stanza);
/* No more stanzas will come: send what is queued, close properly, free. */
void outgoing_finish(struct outgoing *o);
/* Free now; what is queued is lost (the owner has taken it, or counts it). */
void outgoing_drop(struct outgoing *o);
/* Asks the kernel what all ready streams have been acknowledged. */
void outgoings_acknowledge(struct worker *w);
void outgoing_set_tenant(struct outgoing *o, struct tenant *t); /* after a reload */

#endif
