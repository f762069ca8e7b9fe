/* Between scout_posh.c (questions, cache) and scout_posh_search.c (the way to a document). */
#ifndef FEDGATE_CORE_SCOUT_POSH_INSIDE_H
#define FEDGATE_CORE_SCOUT_POSH_INSIDE_H

#include "core/scout_posh.h"
#include "net/fetch.h"

struct posh_search;

/* What a search needs of the world; lives as long as its searches. */
struct posh_search_world {
	uv_loop_t *loop;
	struct fetcher *fetcher;
	bool (*looks_up)(void *arg, const struct domain *name);
	void *arg;
};

/* e, document and url are filled; expires_s is the lowest of the way, not yet bounded (RFC 7711 6).
 * The search is gone. */
typedef void (*posh_search_done)(void *arg, const struct posh_found *found);

/* Looks for a document of the domain, for at most timeout_ms in all. done is never called from
 * inside, and not at all after posh_search_cancel. */
struct posh_search *posh_search_start(const struct posh_search_world *world,
	const struct domain *domain, uint64_t timeout_ms, posh_search_done done, void *arg);
void posh_search_cancel(struct posh_search *s);

#endif
