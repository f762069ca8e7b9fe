/* The way to one domain's POSH document (RFC 7711 3; POSH-2, -3, -6; attack catalogue P03, P04,
 * P12): where to look first, and what an answer means. Pure: the caller fetches what `at` names and
 * gives the answer in. Whoever looks at a domain walks this way: the scout, `fedgate probe`,
 * `fedgate rotate`.
 *
 *   GO -> answer: 200 with fingerprints            -> FOUND
 *                 200 with a reference, once       -> GO, from there
 *                 301, 302, 303, 307, 308, 5 times -> GO, to there; never where we were before
 *                 404, 410                         -> END: there is none
 *                 anything else                    -> END: a failure that passes */
#ifndef FEDGATE_TRUST_POSH_WALK_H
#define FEDGATE_TRUST_POSH_WALK_H

#include "trust/posh.h"

enum { POSH_REDIRECTS_MAX = 5, POSH_HOPS_MAX = POSH_REDIRECTS_MAX + 2 };

enum posh_step { POSH_GO, POSH_FOUND, POSH_END };

struct posh_walk {
	struct posh_url at; /* GO: what to fetch next; FOUND: where it was found */
	unsigned redirects;
	bool referred;      /* a reference document was followed */
	uint32_t expires_s; /* the lowest of the documents so far (RFC 7711 6) */
	uint32_t longest_s; /* and the longest: who is on the way may come from any part of it */
	struct posh_document document; /* FOUND: fingerprints; expires_s is the lowest of the way */
	struct err e; /* END: ERR_POSH_NONE, _FETCH (native: the HTTP status, 0: none), _REDIRECT,
			 _REFERENCE, or what posh_parse() or the fetch said */
	uint64_t seen[POSH_HOPS_MAX]; /* places, hashed */
	size_t seen_count;
};

/* service: as for posh_url_of(). */
void posh_walk_begin(struct posh_walk *w, const struct domain *d, const char *service);
/* A complete answer of the place; location is of interest with a redirect, body with a 200. */
enum posh_step posh_walk_answer(
	struct posh_walk *w, long status, const char *location, struct slice body);
/* The place could not be fetched. ERR_DNS_NONE: no web server, no document. */
enum posh_step posh_walk_failed(struct posh_walk *w, struct err e);
/* GO, and the caller does not go there: a name that it never looks up (P16). */
enum posh_step posh_walk_refuse(struct posh_walk *w);

#endif
