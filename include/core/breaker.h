/* The circuit breaker: what failed a moment ago is not tried again at once (RFC 6120 3.3, ST-17).
 * That a domain cannot be reached is true for every tenant; that it and one tenant did not come to
 * terms is true for these two alone (M-1: a tenant that a peer refuses must not cost its neighbours
 * theirs). The peer is a pair's second domain. */
#ifndef FEDGATE_CORE_BREAKER_H
#define FEDGATE_CORE_BREAKER_H

#include "core/worker_inside.h"

/* false while it is not to be tried again; *why: what it failed for. */
bool breaker_allows(
	struct worker *w, const struct domain *tenant, const struct domain *peer, struct err *why);
void breaker_failed(
	struct worker *w, const struct domain *tenant, const struct domain *peer, struct err why);
void breaker_worked(struct worker *w, const struct domain *tenant, const struct domain *peer);

#endif
