#include "core/breaker.h"

#include "base/map.h"
#include "base/mem.h"

#include <string.h>

enum {
	FIRST_MS = 1000,
	MOST_MS = 60000,
	MEMORY_MS = 60000,  /* DB-15: for strangers */
	FORGET_MS = 600000, /* an older failure has no bearing on the next one */
	SETS = 2048,
	WAYS = 8,
};

struct breaker {
	uint64_t key; /* hash of the peer, or of tenant and peer; 0: free */
	uint64_t failed_ms, until_ms;
	uint32_t wait_ms;
	struct err why;
};

struct breakers {
	uint64_t seed;
	struct breaker table[SETS][WAYS];
};

struct breakers *breakers_new(uint64_t seed)
{
	struct breakers *b = MEM_NEW(struct breakers);
	b->seed = seed;
	return b;
}

void breakers_free(struct breakers *b)
{
	mem_free(b);
}

/* 64 bits under a secret stand for the names: nobody can choose two that meet. tenant NULL: the
 * peer as all see it. */
static uint64_t key_of(
	const struct breakers *b, const struct domain *tenant, const struct domain *peer)
{
	char text[2 * DOMAIN_MAX + 1];
	size_t len = tenant ? tenant->len : 0;
	if (tenant)
		memcpy(text, tenant->name, len);
	text[len++] = '>'; /* stands in no name */
	memcpy(text + len, peer->name, peer->len);
	uint64_t key = siphash(b->seed, 0x62726561, slice_of(text, len + peer->len));
	return key ? key : 1;
}

static const struct breaker *find(const struct breakers *b, uint64_t key)
{
	for (int i = 0; i < WAYS; i++) {
		const struct breaker *one = &b->table[key % SETS][i];
		if (one->key == key)
			return one;
	}
	return NULL;
}

/* The key's own place, else the one whose failure is the oldest. */
static struct breaker *place(struct breakers *b, uint64_t key, uint64_t now_ms)
{
	struct breaker *set = b->table[key % SETS], *oldest = set;
	for (int i = 0; i < WAYS; i++) {
		if (set[i].key == key && now_ms < set[i].until_ms + FORGET_MS)
			return &set[i];
		if (set[i].key == key ||
			(oldest->key != key && set[i].failed_ms < oldest->failed_ms))
			oldest = &set[i];
	}
	*oldest = (struct breaker){.key = key, .wait_ms = FIRST_MS / 2};
	return oldest;
}

static void forget(struct breakers *b, uint64_t key)
{
	struct breaker *set = b->table[key % SETS];
	for (int i = 0; i < WAYS; i++) {
		if (set[i].key == key)
			set[i] = (struct breaker){0};
	}
}

static bool is_about_reaching(enum err_code code)
{
	switch (code) {
	case ERR_DNS_NONE:
	case ERR_DNS_NO_SERVICE:
	case ERR_DNS_FAILED:
	case ERR_DNS_TIMEOUT:
	case ERR_DNS_BOGUS:
	case ERR_DNS_SPECIAL:
	case ERR_ADDRESS_BLOCKED:
	case ERR_DNS_LOOP:
	case ERR_CONNECT:
	case ERR_CONNECT_TIMEOUT:
		return true;
	default:
		return false;
	}
}

/* A lookup that failed for now says nothing about the domain. */
static bool is_worth_remembering(enum err_code code)
{
	return is_about_reaching(code) && code != ERR_DNS_FAILED && code != ERR_DNS_TIMEOUT;
}

static bool is_closed(const struct breaker *one, enum breaker_for who, uint64_t now_ms)
{
	if (!one)
		return false;
	if (now_ms < one->until_ms)
		return true;
	return who == BREAKER_FOR_STRANGER && is_worth_remembering(one->why.code) &&
	       now_ms < one->failed_ms + MEMORY_MS;
}

bool breaker_allows(const struct breakers *b, enum breaker_for who, const struct domain *tenant,
	const struct domain *peer, uint64_t now_ms, struct err *why)
{
	const struct breaker *one = find(b, key_of(b, NULL, peer));
	if (!is_closed(one, who, now_ms))
		one = find(b, key_of(b, tenant, peer));
	if (!is_closed(one, who, now_ms))
		return true;
	*why = one->why; /* the reason it failed for is more use than "not yet" */
	return false;
}

void breaker_failed(struct breakers *b, const struct domain *tenant, const struct domain *peer,
	struct err why, uint64_t now_ms, uint32_t chance)
{
	const struct domain *of = is_about_reaching(why.code) ? NULL : tenant;
	struct breaker *one = place(b, key_of(b, of, peer), now_ms);
	/* ST-17: truncated exponential back-off, with some chance in it. */
	one->wait_ms = one->wait_ms * 2 > MOST_MS ? MOST_MS : one->wait_ms * 2;
	one->until_ms = now_ms + one->wait_ms / 2 + chance % (one->wait_ms / 2 + 1);
	one->failed_ms = now_ms;
	one->why = why;
}

void breaker_worked(struct breakers *b, const struct domain *tenant, const struct domain *peer)
{
	forget(b, key_of(b, NULL, peer));
	forget(b, key_of(b, tenant, peer));
}
