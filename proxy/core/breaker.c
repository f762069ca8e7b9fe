#include "core/breaker.h"

#include "base/mem.h"

#include <string.h>

enum { FIRST_MS = 1000, MOST_MS = 60000, BREAKERS_MAX = 100000 };

struct breaker {
	uint64_t until_ms;
	uint64_t wait_ms;
	struct err why;
};

/* Room for two names with a byte between that stands in no name. */
struct pair_key {
	char text[2 * DOMAIN_MAX + 1];
	size_t len;
};

static struct slice pair_key(
	const struct domain *tenant, const struct domain *peer, struct pair_key *key)
{
	key->len = 0;
	memcpy(key->text, tenant->name, tenant->len);
	key->len += tenant->len;
	key->text[key->len++] = '>';
	memcpy(key->text + key->len, peer->name, peer->len);
	key->len += peer->len;
	return slice_of(key->text, key->len);
}

static bool is_about_reaching(enum err_code code)
{
	switch (code) {
	case ERR_DNS_NONE:
	case ERR_DNS_NO_SERVICE:
	case ERR_DNS_FAILED:
	case ERR_DNS_TIMEOUT:
	case ERR_DNS_BOGUS:
	case ERR_ADDRESS_BLOCKED:
	case ERR_DNS_LOOP:
	case ERR_CONNECT:
	case ERR_CONNECT_TIMEOUT:
		return true;
	default:
		return false;
	}
}

static const struct breaker *closed_by(struct worker *w, struct slice key)
{
	const struct breaker *b = map_get(w->breakers, key);
	return b && worker_now_ms(w) < b->until_ms ? b : NULL;
}

bool breaker_allows(
	struct worker *w, const struct domain *tenant, const struct domain *peer, struct err *why)
{
	struct pair_key room;
	const struct breaker *b = closed_by(w, domain_slice(peer));
	if (!b)
		b = closed_by(w, pair_key(tenant, peer, &room));
	if (!b)
		return true;
	*why = b->why; /* the reason it failed for is more use than "not yet" */
	return false;
}

void breaker_failed(
	struct worker *w, const struct domain *tenant, const struct domain *peer, struct err why)
{
	struct pair_key room;
	struct slice key =
		is_about_reaching(why.code) ? domain_slice(peer) : pair_key(tenant, peer, &room);
	struct breaker *b = map_get(w->breakers, key);
	if (!b) {
		if (map_count(w->breakers) > BREAKERS_MAX)
			return;
		b = MEM_NEW(struct breaker);
		b->wait_ms = FIRST_MS / 2;
		map_put(w->breakers, key, b);
	}
	/* ST-17: truncated exponential back-off, with some chance in it. */
	b->wait_ms = b->wait_ms * 2 > MOST_MS ? MOST_MS : b->wait_ms * 2;
	b->until_ms = worker_now_ms(w) + b->wait_ms / 2 + worker_random() % (b->wait_ms / 2 + 1);
	b->why = why;
}

void breaker_worked(struct worker *w, const struct domain *tenant, const struct domain *peer)
{
	struct pair_key room;
	mem_free(map_remove(w->breakers, domain_slice(peer)));
	mem_free(map_remove(w->breakers, pair_key(tenant, peer, &room)));
}
