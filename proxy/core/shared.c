#define _GNU_SOURCE /* memfd_create, F_ADD_SEALS */
#include "core/shared.h"

#include "base/map.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum {
	SLOTS = 1 << 14,
	NEIGHBOURHOOD = 16, /* slots a pair may stand in */
	WORKERS_MAX = 256,
	COUNT_BITS = 16,
};

/* One pair: the upper 48 bits of its hash, and how many B-INs of it are pending. Beside it, when
 * that ends at the latest (CLOCK_MONOTONIC, milliseconds), should a worker die meanwhile. */
struct slot {
	_Atomic uint64_t pair_and_count;
	_Atomic uint64_t until_ms;
};

struct held {
	_Atomic uint64_t stanzas, bytes, unacked;
};

struct shared {
	uint64_t key[2]; /* written once, before any child maps it */
	struct slot slots[SLOTS];
	struct buckets buckets;
	_Atomic int64_t counters[SHARED_COUNTERS];
	struct held held[WORKERS_MAX];
};

static struct shared *map_it(int fd)
{
	void *s = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return s == MAP_FAILED ? NULL : s;
}

struct shared *shared_create(int *fd)
{
	*fd = memfd_create("fedgate-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return NULL;
	/* Whoever has it could else take the memory away under the others. */
	bool fixed = ftruncate(*fd, sizeof(struct shared)) == 0 &&
		     fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
	struct shared *s = fixed ? map_it(*fd) : NULL;
	if (s && getrandom(s->key, sizeof s->key, 0) == sizeof s->key &&
		getrandom(s->buckets.seed, sizeof s->buckets.seed, 0) == sizeof s->buckets.seed)
		return s;
	shared_unmap(s);
	close(*fd);
	return NULL;
}

struct shared *shared_map(int fd)
{
	return map_it(fd);
}

void shared_unmap(struct shared *s)
{
	if (s)
		munmap(s, sizeof *s);
}

/* ---- pending pairs ---- */

static uint64_t pair_hash(
	const struct shared *s, const struct domain *peer, const struct domain *tenant)
{
	char both[2 * (DOMAIN_MAX + 1)];
	size_t n = 0;
	memcpy(both, peer->name, peer->len);
	n = peer->len;
	both[n++] = ' '; /* in no domain name */
	memcpy(both + n, tenant->name, tenant->len);
	n += tenant->len;
	uint64_t hash = siphash(s->key[0], s->key[1], slice_of(both, n));
	return hash >> COUNT_BITS ? hash : hash | (uint64_t)1 << COUNT_BITS;
}

static uint64_t pair_of(uint64_t value)
{
	return value >> COUNT_BITS;
}

static uint64_t count_of(uint64_t value)
{
	return value & (((uint64_t)1 << COUNT_BITS) - 1);
}

static struct slot *slot_at(struct shared *s, uint64_t hash, unsigned i)
{
	return &s->slots[(hash + i) % SLOTS];
}

/* A slot whose pending ones have all ended or expired may be taken by another pair. */
static bool is_free(uint64_t value, uint64_t until_ms, uint64_t now_ms)
{
	return count_of(value) == 0 || until_ms < now_ms;
}

static bool try_add(struct slot *slot, uint64_t hash, uint64_t now_ms, bool only_own)
{
	uint64_t value = atomic_load(&slot->pair_and_count);
	uint64_t until = atomic_load(&slot->until_ms);
	bool own = pair_of(value) == pair_of(hash);
	bool expired = is_free(value, until, now_ms);
	if (only_own ? !own : !expired)
		return false;
	uint64_t count = own && !expired ? count_of(value) + 1 : 1;
	uint64_t wanted = pair_of(hash) << COUNT_BITS | count;
	return atomic_compare_exchange_strong(&slot->pair_and_count, &value, wanted);
}

void shared_pending_add(struct shared *s, const struct domain *peer, const struct domain *tenant,
	uint64_t now_ms, uint32_t ttl_ms)
{
	uint64_t hash = pair_hash(s, peer, tenant);
	for (int only_own = 1; only_own >= 0; only_own--) {
		for (unsigned i = 0; i < NEIGHBOURHOOD; i++) {
			struct slot *slot = slot_at(s, hash, i);
			if (!try_add(slot, hash, now_ms, only_own))
				continue;
			atomic_store(&slot->until_ms, now_ms + ttl_ms);
			return;
		}
	}
	/* No room: the hint is dropped; whoever needs it waits a moment longer. */
}

void shared_pending_drop(struct shared *s, const struct domain *peer, const struct domain *tenant)
{
	uint64_t hash = pair_hash(s, peer, tenant);
	for (unsigned i = 0; i < NEIGHBOURHOOD; i++) {
		struct slot *slot = slot_at(s, hash, i);
		uint64_t value = atomic_load(&slot->pair_and_count);
		while (pair_of(value) == pair_of(hash) && count_of(value)) {
			if (atomic_compare_exchange_weak(&slot->pair_and_count, &value, value - 1))
				return;
		}
	}
}

bool shared_pending_has(
	struct shared *s, const struct domain *peer, const struct domain *tenant, uint64_t now_ms)
{
	uint64_t hash = pair_hash(s, peer, tenant);
	for (unsigned i = 0; i < NEIGHBOURHOOD; i++) {
		struct slot *slot = slot_at(s, hash, i);
		uint64_t value = atomic_load(&slot->pair_and_count);
		if (pair_of(value) == pair_of(hash) &&
			!is_free(value, atomic_load(&slot->until_ms), now_ms))
			return true;
	}
	return false;
}

struct buckets *shared_buckets(struct shared *s)
{
	return &s->buckets;
}

/* ---- counters ---- */

void shared_count(struct shared *s, enum shared_counter c, int64_t by)
{
	atomic_fetch_add_explicit(&s->counters[c], by, memory_order_relaxed);
}

int64_t shared_counter(const struct shared *s, enum shared_counter c)
{
	return atomic_load_explicit(&s->counters[c], memory_order_relaxed);
}

void shared_held_set(struct shared *s, unsigned worker, struct shared_held held)
{
	struct held *h = &s->held[worker % WORKERS_MAX];
	atomic_store_explicit(&h->stanzas, held.stanzas, memory_order_relaxed);
	atomic_store_explicit(&h->bytes, held.bytes, memory_order_relaxed);
	atomic_store_explicit(&h->unacked, held.unacked, memory_order_relaxed);
}

struct shared_held shared_held_get(const struct shared *s, unsigned worker)
{
	const struct held *h = &s->held[worker % WORKERS_MAX];
	return (struct shared_held){
		.stanzas = atomic_load_explicit(&h->stanzas, memory_order_relaxed),
		.bytes = atomic_load_explicit(&h->bytes, memory_order_relaxed),
		.unacked = atomic_load_explicit(&h->unacked, memory_order_relaxed)};
}
