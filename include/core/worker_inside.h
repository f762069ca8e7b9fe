/* What the parts of a worker share. One loop, one thread: no locks. */
#ifndef FEDGATE_CORE_WORKER_INSIDE_H
#define FEDGATE_CORE_WORKER_INSIDE_H

#include "base/map.h"
#include "core/ask.h"
#include "core/assess.h"
#include "core/channel.h"
#include "core/link.h"
#include "core/timers.h"
#include "core/worker.h"
#include "xmpp/stream.h"

enum { SESSION_ID_LEN = 16, READ_BUFFER = 64 * 1024 };

/* A place that asynchronous answers may find again: {slot, gen} with the object behind it. */
struct ticket_slot {
	uint32_t gen;
	uint32_t next_free;
	void *object;
	void (*answer)(void *object, const struct answer *answer);
};

/* A list of sessions of one kind, for reload and stop. */
struct session_node {
	struct session_node *next, **prev;
};

struct breakers; /* core/breaker.h */
struct grave;

struct worker {
	uv_loop_t *loop;
	unsigned number;
	struct gate *gate;         /* owned */
	struct registry *registry; /* owned */
	struct shared *shared;
	struct decisions *decisions; /* what was decided goes there (core/decision.h) */
	struct channel *channel;
	struct asker *asker;
	struct timers *timers;
	struct assessor *assessor;
	struct dbkey_secret secret, previous_secret;
	bool has_previous_secret, stopping;
	unsigned generation;  /* of the configuration: changes with every reload */
	bool proofs_switched; /* by the reload under way: [proofs] dane or posh */
	struct link *dirty_links;
	struct buf plain;       /* one shared buffer for decrypted bytes */
	struct actions actions; /* one shared step record */
	struct stanza_addresses *addresses;
	struct buf repaired; /* one shared buffer for a repaired stanza */
	struct ticket_slot *slots;
	uint32_t slot_count, free_slot;
	struct breakers *breakers;
	struct map *delegations; /* tenant domain -> struct delegation */
	struct map *proofs;      /* a domain -> what it publishes (core/proofs.h) */
	struct map *sources;     /* core/budget.h */
	struct grave *graves;
	struct session_node *peers_in, *egresses, *outgoings;
	struct session_node *peers_to_judge; /* after a reload: their tenant has changed */
	struct timer judge_timer;
	size_t connections, questions; /* of strangers */
	unsigned handshakes;           /* steps of TLS handshakes in this turn */
	uint64_t handshakes_at_ms;
	uint64_t queued_stanzas, queued_bytes, unacked_stanzas; /* of all outgoing streams */
	char read_buffer[READ_BUFFER];
};

void worker_forget_dirty(struct worker *w, struct link *l);
/* A fresh, unpredictable id: 128 bits as hex (ST-3). */
void worker_new_id(char out[33]);
uint32_t worker_random(void);
/* Whether a network interface of this machine has the address. */
bool worker_has_address(const struct worker *w, const struct sockaddr_storage *addr);
uint64_t worker_now_ms(const struct worker *w); /* the loop's clock */
int64_t worker_wall_s(void);                    /* seconds since 1970 UTC */

struct ticket worker_ticket(
	struct worker *w, void *object, void (*answer)(void *object, const struct answer *answer));
void worker_ticket_drop(struct worker *w, struct ticket t);
/* The scout's answer, to whoever still holds the ticket. */
void worker_on_answer(void *arg, const struct answer *answer);

/* Frees an object at the end of this turn, when no callback stands on it any more. */
void worker_bury(struct worker *w, void *object, void (*free_it)(void *object));

void session_link_in(struct session_node **list, struct session_node *node);
void session_unlink(struct session_node *node);

/* Dialback keys under the node's secrets (DB-6: current, then previous). */
bool worker_check_key(struct worker *w, enum dbkey_label label, const struct domain *to,
	const struct domain *from, const char *id, const char *key);

#endif
