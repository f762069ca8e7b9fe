/* What proves a domain on the web: its POSH document, found, followed to its end, kept for a while
 * (POSH-1, -2, -3, -6, -9; attack catalogue P01..P19). Runs in the scout, for all workers of the
 * node: one search for a domain, however many ask (P17).
 *
 * A search starts at https://DOMAIN/.well-known/posh/xmpp-server.json and follows at most five
 * redirects and one reference, each hop checked like the first; all of it has one deadline. A
 * domain that cannot be in public DNS is never looked for (P16).
 *
 * A document that is asked for in the last quarter of its life, at most an hour before its end, is
 * the answer, and starts the search for the next one; no failure of that replaces it (P15). */
#ifndef FEDGATE_CORE_SCOUT_POSH_H
#define FEDGATE_CORE_SCOUT_POSH_H

#include "core/ask.h"

#include <uv.h>

struct scout_posh_config {
	struct slice authorities_pem; /* [proofs] web_ca_file; copied */
	unsigned max_running;         /* [proofs] posh_fetches */
	unsigned max_domains;         /* kept; the ones not asked for longest go first; 0: 4096 */
	uint64_t timeout_ms;          /* of a search, waiting for a place included; 0: 10 s */
	uint64_t patience_ms;         /* see net/fetch.h; 0: 2 s */

	/* Whether DNS may be asked about a name: gate_looks_up(). */
	bool (*looks_up)(void *arg, const struct domain *name);
	/* Whether an address may be connected to: address_is_public(), or [dns] allow_private. */
	bool (*allowed)(void *arg, const struct sockaddr_storage *addr);
	/* Starts a look-up of AF_INET or AF_INET6; scout_posh_resolved() gives the answer, later,
	 * with the same tag. */
	void (*resolve)(void *arg, const struct domain *name, int family, int tag);
	int64_t (*now)(void *arg); /* wall clock, in seconds */
	/* Once for each question, never from inside scout_posh_ask; found is borrowed. */
	void (*done)(void *arg, uint64_t cookie, const struct posh_found *found);
	void *arg;
};

struct scout_posh;

/* NULL with *e set: the authorities cannot be read (ERR_FILE), or libcurl cannot be used. */
struct scout_posh *scout_posh_new(
	uv_loop_t *loop, const struct scout_posh_config *config, struct err *e);
/* No answers come any more; the loop has to turn until the handles are closed. */
void scout_posh_free(struct scout_posh *p); /* NULL is fine */

/* cookie: what the caller knows the question by. */
void scout_posh_ask(struct scout_posh *p, const struct domain *domain, uint64_t cookie);
/* Tags that are not known (any more) are fine. */
void scout_posh_resolved(struct scout_posh *p, int tag, const struct resolve_answer *answer);

/* For the log and for tests. */
struct scout_posh_counts {
	size_t domains;          /* in the cache, those being looked for included */
	size_t waiting;          /* questions not yet answered */
	size_t running;          /* fetches under way */
	uint64_t searches, hits; /* started; answered from the cache */
};
struct scout_posh_counts scout_posh_counts(const struct scout_posh *p);

#endif
