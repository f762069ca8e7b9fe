/* The only state that workers share: one fixed table in shared memory, lock-free (house rules 1).
 * It says "a B-IN for this pair is pending somewhere on the node", which Prosody needs (BE-4), and
 * counts for the node. A hint can be missed, so nothing may be wrong without it, only slower.
 *
 * Slots are keyed by a 64-bit keyed hash of the pair; each holds the hash and a count with an
 * expiry, changed by compare-and-swap. A full neighbourhood drops the hint. Written by processes
 * that may die at any instruction: every value expires. */
#ifndef FEDGATE_CORE_SHARED_H
#define FEDGATE_CORE_SHARED_H

#include "base/bucket.h"
#include "base/domain.h"

#include <stdint.h>

struct shared;

/* A new table on an anonymous memory file; *fd is what children map. NULL on error (errno). */
struct shared *shared_create(int *fd);
struct shared *shared_map(int fd);
void shared_unmap(struct shared *s);

/* A B-IN for (peer -> tenant) starts or stops waiting for its answer. ttl_ms bounds a lost stop.*/
void shared_pending_add(struct shared *s, const struct domain *peer, const struct domain *tenant,
	uint64_t now_ms, uint32_t ttl_ms);
void shared_pending_drop(struct shared *s, const struct domain *peer, const struct domain *tenant);
bool shared_pending_has(
	struct shared *s, const struct domain *peer, const struct domain *tenant, uint64_t now_ms);

/* How often each source may do what, on the whole node (core/budget.h). */
struct buckets *shared_buckets(struct shared *s);

/* Node-wide counters, for the status line and tests. */
enum shared_counter {
	SHARED_STREAMS_IN,
	SHARED_STREAMS_OUT,
	SHARED_STANZAS_IN,
	SHARED_STANZAS_OUT,
	SHARED_BOUNCED,
	SHARED_IN_FLIGHT_LOST,
	SHARED_REFUSED,
	SHARED_OVER_BUDGET, /* connections, questions, claims and answers refused for it */
	SHARED_COUNTERS
};
void shared_count(struct shared *s, enum shared_counter c, int64_t by);
int64_t shared_counter(const struct shared *s, enum shared_counter c);
/* What worker n holds right now: the supervisor logs it when the worker dies. */
struct shared_held {
	uint64_t stanzas, bytes; /* in its queues */
	uint64_t unacked;        /* stanzas with the kernel, not known to have arrived */
};
void shared_held_set(struct shared *s, unsigned worker, struct shared_held held);
struct shared_held shared_held_get(const struct shared *s, unsigned worker);

#endif
