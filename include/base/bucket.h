/* How often one source may do something: an allowance per key that fills up again with time (the
 * generic cell rate algorithm of ITU-T I.371). The table has a fixed size, whatever strangers do,
 * and may lie in memory that several processes share: it is lock-free, and a process that dies
 * leaves nothing behind but what it took.
 *
 * All zeroes but for the seed is an empty table. Where too many keys meet in one set the one that
 * is nearest to its full allowance is forgotten. */
#ifndef FEDGATE_BASE_BUCKET_H
#define FEDGATE_BASE_BUCKET_H

#include "base/slice.h"

#include <stdatomic.h>
#include <stdint.h>

enum { BUCKET_SETS = 8192, BUCKET_WAYS = 8 };

struct buckets {
	uint64_t seed[2]; /* secret, so that nobody can choose keys that meet */
	_Atomic uint64_t words[BUCKET_SETS * BUCKET_WAYS];
};

struct bucket_rate {
	uint32_t interval_ms; /* after which one more is allowed */
	uint32_t burst;       /* how many at once, at least 1 */
};

/* Takes one; false when the allowance is used up. now_ms never goes back. */
bool bucket_take(struct buckets *b, struct slice key, struct bucket_rate rate, uint64_t now_ms);
/* One that was taken did no harm and does not count. */
void bucket_give_back(struct buckets *b, struct slice key, struct bucket_rate rate);

#endif
