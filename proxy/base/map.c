/* Entries stand in one dense array; a table of slots, open addressing with linear probing, holds
 * their numbers. At most half of the slots are taken, so a probe is short and always ends. */
#include "base/map.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

enum { SLOTS_FIRST = 16 };

struct entry {
	char *key; /* owned */
	size_t len;
	uint64_t hash;
	void *value; /* the caller's */
};

struct map {
	uint64_t seed;
	struct entry *entries; /* owned */
	size_t count;
	uint32_t *slots; /* owned; 0 is free, else the number of an entry plus one */
	size_t mask;     /* slots minus one; their number is a power of two */
};

static uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_rounds(uint64_t v[4], int rounds)
{
	while (rounds--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static uint64_t little_endian(const char *p, size_t n)
{
	uint64_t word = 0;
	for (size_t i = 0; i < n; i++)
		word |= (uint64_t)(unsigned char)p[i] << (8 * i);
	return word;
}

static void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_rounds(v, 2);
	v[0] ^= word;
}

uint64_t siphash(uint64_t k0, uint64_t k1, struct slice s)
{
	/* "somepseudorandomlygeneratedbytes", the constants of the paper's section 2.1. */
	uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
		k1 ^ 0x7465646279746573};
	size_t at = 0;
	for (; s.len - at >= 8; at += 8)
		sip_word(v, little_endian(s.ptr + at, 8));
	uint64_t tail = s.len > at ? little_endian(s.ptr + at, s.len - at) : 0;
	sip_word(v, tail | (uint64_t)s.len << 56);
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *map_new(uint64_t seed)
{
	struct map *m = MEM_NEW(struct map);
	m->seed = seed;
	m->mask = SLOTS_FIRST - 1;
	m->slots = mem_alloc(SLOTS_FIRST * sizeof *m->slots);
	m->entries = mem_alloc(SLOTS_FIRST / 2 * sizeof *m->entries);
	return m;
}

void map_free(struct map *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->count; i++)
		mem_free(m->entries[i].key);
	mem_free(m->entries);
	mem_free(m->slots);
	mem_free(m);
}

size_t map_count(const struct map *m)
{
	return m->count;
}

/* 64 bits of secret are enough against guessing; the other half of the key is a constant. */
static uint64_t hash_of(const struct map *m, struct slice key)
{
	return siphash(m->seed, 0x9e3779b97f4a7c15, key);
}

/* The slot that holds the key, or the free one where it would go. */
static size_t find_slot(const struct map *m, struct slice key, uint64_t hash)
{
	size_t at = hash & m->mask;
	for (; m->slots[at]; at = (at + 1) & m->mask) {
		const struct entry *e = &m->entries[m->slots[at] - 1];
		if (e->hash == hash && slice_eq(slice_of(e->key, e->len), key))
			break;
	}
	return at;
}

/* The slot that holds entry number i. */
static size_t slot_of(const struct map *m, size_t i)
{
	size_t at = m->entries[i].hash & m->mask;
	while (m->slots[at] != i + 1)
		at = (at + 1) & m->mask;
	return at;
}

static void grow(struct map *m)
{
	size_t slots = (m->mask + 1) * 2;
	assert(slots <= UINT32_MAX);
	mem_free(m->slots);
	m->slots = mem_alloc(slots * sizeof *m->slots);
	m->mask = slots - 1;
	m->entries = mem_realloc(m->entries, slots / 2 * sizeof *m->entries);
	for (size_t i = 0; i < m->count; i++) {
		size_t at = m->entries[i].hash & m->mask;
		while (m->slots[at])
			at = (at + 1) & m->mask;
		m->slots[at] = (uint32_t)(i + 1);
	}
}

void *map_get(const struct map *m, struct slice key)
{
	uint32_t number = m->slots[find_slot(m, key, hash_of(m, key))];
	return number ? m->entries[number - 1].value : NULL;
}

void *map_put(struct map *m, struct slice key, void *value)
{
	assert(value);
	uint64_t hash = hash_of(m, key);
	size_t at = find_slot(m, key, hash);
	if (m->slots[at]) {
		struct entry *e = &m->entries[m->slots[at] - 1];
		void *before = e->value;
		e->value = value;
		return before;
	}
	if (m->count == (m->mask + 1) / 2) {
		grow(m);
		at = find_slot(m, key, hash);
	}
	m->entries[m->count++] = (struct entry){mem_dup(key.ptr, key.len), key.len, hash, value};
	m->slots[at] = (uint32_t)m->count;
	return NULL;
}

/* Frees a slot and moves back what stood behind it only because it was taken: no tombstones, so
 * tables that live for months stay as quick as new ones. */
static void free_slot(struct map *m, size_t gap)
{
	for (size_t at = (gap + 1) & m->mask; m->slots[at]; at = (at + 1) & m->mask) {
		size_t home = m->entries[m->slots[at] - 1].hash & m->mask;
		bool reaches = ((at - home) & m->mask) >= ((at - gap) & m->mask);
		if (reaches) {
			m->slots[gap] = m->slots[at];
			gap = at;
		}
	}
	m->slots[gap] = 0;
}

void *map_remove(struct map *m, struct slice key)
{
	size_t at = find_slot(m, key, hash_of(m, key));
	if (!m->slots[at])
		return NULL;
	size_t i = m->slots[at] - 1;
	size_t last = m->count - 1;
	void *value = m->entries[i].value;
	free_slot(m, at);
	mem_free(m->entries[i].key);
	if (i != last) {
		m->slots[slot_of(m, last)] = (uint32_t)(i + 1);
		m->entries[i] = m->entries[last];
	}
	m->count--;
	return value;
}

struct slice map_key_at(const struct map *m, size_t i)
{
	assert(i < m->count);
	return slice_of(m->entries[i].key, m->entries[i].len);
}

void *map_value_at(const struct map *m, size_t i)
{
	assert(i < m->count);
	return m->entries[i].value;
}
