#include "base/bucket.h"

#include "base/map.h"

/* A word is a key's tag and the time at which its allowance is full again, in milliseconds. */
enum { TIME_BITS = 40, TRIES = 16 };

#define TIME_MASK (((uint64_t)1 << TIME_BITS) - 1)

struct place {
	_Atomic uint64_t *set;
	uint64_t tag;
};

static struct place place_of(struct buckets *b, struct slice key)
{
	uint64_t hash = siphash(b->seed[0], b->seed[1], key);
	return (struct place){
		.set = &b->words[hash % BUCKET_SETS * BUCKET_WAYS], .tag = hash >> TIME_BITS};
}

/* The key's word, else the one to give up for it; *word: what stands there. */
static _Atomic uint64_t *find(const struct place *at, uint64_t *word)
{
	_Atomic uint64_t *oldest = NULL;
	for (int i = 0; i < BUCKET_WAYS; i++) {
		uint64_t here = atomic_load_explicit(&at->set[i], memory_order_relaxed);
		if (here && here >> TIME_BITS == at->tag) {
			*word = here;
			return &at->set[i];
		}
		if (!oldest || (here & TIME_MASK) < (*word & TIME_MASK)) {
			oldest = &at->set[i];
			*word = here;
		}
	}
	return oldest;
}

bool bucket_take(struct buckets *b, struct slice key, struct bucket_rate rate, uint64_t now_ms)
{
	struct place at = place_of(b, key);
	uint64_t room = (uint64_t)(rate.burst - 1) * rate.interval_ms;
	for (int i = 0; i < TRIES; i++) {
		uint64_t word;
		_Atomic uint64_t *place = find(&at, &word);
		uint64_t full = word && word >> TIME_BITS == at.tag ? word & TIME_MASK : 0;
		if (full < now_ms)
			full = now_ms;
		if (full - now_ms > room)
			return false;
		uint64_t next = at.tag << TIME_BITS | ((full + rate.interval_ms) & TIME_MASK);
		if (atomic_compare_exchange_strong(place, &word, next))
			return true;
	}
	return false; /* so many at once are a flood */
}

void bucket_give_back(struct buckets *b, struct slice key, struct bucket_rate rate)
{
	struct place at = place_of(b, key);
	for (int i = 0; i < TRIES; i++) {
		uint64_t word;
		_Atomic uint64_t *place = find(&at, &word);
		if (!word || word >> TIME_BITS != at.tag || (word & TIME_MASK) <= rate.interval_ms)
			return;
		if (atomic_compare_exchange_strong(place, &word, word - rate.interval_ms))
			return;
	}
}
