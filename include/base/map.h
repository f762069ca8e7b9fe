/* A hash map from byte strings to pointers, for keys that strangers choose: SipHash-2-4 (Aumasson
 * and Bernstein, 2012) under a seed of the caller's, so nobody who does not know the seed can make
 * keys that collide. The values are the caller's: the map never frees them.
 *
 * Entries have indices 0..count-1 for walking; map_remove() moves the last entry into the gap, so
 * a walk that removes goes downwards: for (size_t i = map_count(m); i-- > 0;). */
#ifndef FEDGATE_BASE_MAP_H
#define FEDGATE_BASE_MAP_H

#include "base/slice.h"

#include <stdint.h>

struct map;

struct map *map_new(uint64_t seed); /* random where the keys come from outside */
void map_free(struct map *m);       /* NULL is fine */
size_t map_count(const struct map *m);
void *map_get(const struct map *m, struct slice key); /* NULL: not there */
/* Copies the key. `value` is not NULL. Returns the value that stood there before, or NULL. */
void *map_put(struct map *m, struct slice key, void *value);
void *map_remove(struct map *m, struct slice key);      /* the value that stood there, or NULL */
struct slice map_key_at(const struct map *m, size_t i); /* borrowed until that key is removed */
void *map_value_at(const struct map *m, size_t i);

uint64_t siphash(uint64_t k0, uint64_t k1, struct slice s);

#endif
