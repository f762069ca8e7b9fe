/* One connection, on the peer's or on the backend's side: TCP, perhaps TLS, the scanner, and the
 * bytes that wait for the kernel. It knows bytes and XML events, not what they mean.
 *
 * Happy path: link_open() on a connected or accepted socket, events as bytes arrive, link_write()
 * for negotiation, link_pump() for stanzas; one send per event turn (worker_flush_links).
 * Failure: `broken` is called once with the reason; the owner may still link_write() a stream
 * error when the fault was XML, then link_finish().
 * Frees: link_close() or link_finish() end in `closed`, in a later turn of the loop; only then may
 * the owner's memory go. */
#ifndef FEDGATE_CORE_LINK_H
#define FEDGATE_CORE_LINK_H

#include "core/sendq.h"
#include "core/timers.h"
#include "net/tls.h"
#include "xmpp/scan.h"

#include <uv.h>

struct worker;
struct link;

struct link_events {
	void (*header)(void *owner, const struct scan_element *e);
	void (*element)(void *owner, const struct scan_element *e);
	void (*end)(void *owner); /* the root's end tag */
	void (*tls_up)(void *owner);
	void (*broken)(void *owner, struct err why);
	void (*room)(void *owner); /* the kernel took bytes: there is room for more stanzas */
	/* The socket is about to go: the last moment for link_cut(). NULL: of no interest. */
	void (*closing)(void *owner);
	void (*closed)(void *owner);
};

enum link_phase { LINK_NONE, LINK_OPEN, LINK_FINISHING, LINK_CLOSING };

struct link {
	struct worker *worker; /* borrowed: outlives all links */
	const struct link_events *events;
	void *owner; /* borrowed: embeds or owns this link */
	enum link_phase phase;
	uv_tcp_t tcp;
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct tls *tls;     /* owned or NULL */
	struct scan *scan;   /* owned */
	struct buf wire_out; /* ciphertext or plaintext for the kernel */
	struct buf held;     /* plaintext that came while paused */
	bool sniff_tls;      /* the first byte decides (XEP-0368 and RFC 6120 on one port) */
	const struct tls_params *sniff_params;
	bool paused, reading, feeding, broken, tls_reported, dirty, shutting, injected_check;
	bool input_over;       /* the kernel has no more for us */
	bool output_over;      /* TLS makes no more records; told at the turn's end */
	struct err after_held; /* how TLS ended behind what is held */
	bool waiting;          /* libuv holds waiting_byte until the kernel takes it */
	char waiting_byte;
	uint64_t wire_queued; /* bytes ever appended to wire_out */
	uint64_t wire_taken;  /* bytes the kernel has taken */
	uint64_t bytes_in;
	uint64_t drained;      /* bytes that came behind our goodbye */
	uint64_t active_ms;    /* last byte in or out, loop clock */
	struct timer deadline; /* of FINISHING */
	struct link *next_dirty;
	struct sockaddr_storage remote_addr;
};

/* Takes over the connected socket, also when it fails; link_close() ends both. */
struct err link_open(struct link *l, struct worker *w, int fd, const struct scan_limits *limits,
	const struct link_events *events, void *owner);
/* Both protocols on one port: a first byte of 0x16 starts TLS with these parameters (borrowed). */
void link_sniff(struct link *l, const struct tls_params *params);
/* TLS from the next byte on. False when bytes stood behind the element that asked for it (TLS-1).
 */
bool link_start_tls(struct link *l, const struct tls_params *params);
/* A new XML document comes next on the same connection. */
void link_restart(struct link *l);
void link_write(struct link *l, struct slice bytes);
/* Fresh sending keys (TLS-7); false where TLS has none to give: a fresh stream is needed. */
bool link_rekey(struct link *l);
/* Moves stanzas from the queue to the wire while there is room there. */
void link_pump(struct link *l, struct sendq *q);
/* Tells the queue what the kernel has taken and the far side acknowledged. */
void link_settle(struct link *l, struct sendq *q);
/* Asks the kernel what is acknowledged by now. */
void link_acknowledge(struct link *l, struct sendq *q);
/* The connection is over: settles the queue for good; how many stanzas were in flight. */
size_t link_cut(struct link *l, struct sendq *q);
void link_pause(struct link *l);
void link_resume(struct link *l);
/* Flush, say goodbye (close_notify, FIN), wait a little for the other side's, close. */
void link_finish(struct link *l, uint64_t within_ms);
void link_close(struct link *l);           /* now */
bool link_is_open(const struct link *l);   /* may be written to */
size_t link_backlog(const struct link *l); /* bytes not yet with the kernel */
void link_flush(struct link *l);           /* for the worker's end of turn */

#endif
