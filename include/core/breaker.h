/* The circuit breaker: what failed a moment ago is not tried again at once (RFC 6120 3.3, ST-17).
 * That a domain cannot be reached is true for every tenant; that it and one tenant did not come to
 * terms is true for these two alone (M-1: a tenant that a peer refuses must not cost its neighbours
 * theirs). The peer is a pair's second domain.
 *
 * It is also the memory that strangers are answered from: a domain that is not there, or where
 * nobody answers, is not looked up again for a minute because somebody claims to be it (DB-15).
 *
 * The table has a fixed size: who makes many domains fail displaces the oldest failures, no more.
 * Time is an argument: milliseconds that never go back. */
#ifndef FEDGATE_CORE_BREAKER_H
#define FEDGATE_CORE_BREAKER_H

#include "base/domain.h"
#include "base/err.h"

struct breakers;

/* Who wants to reach the peer: a tenant with something to say, or a stranger who claims its name.
 */
enum breaker_for { BREAKER_FOR_TENANT, BREAKER_FOR_STRANGER };

struct breakers *breakers_new(uint64_t seed);
void breakers_free(struct breakers *b);
/* false while it is not to be tried again; *why: what it failed for. */
bool breaker_allows(const struct breakers *b, enum breaker_for who, const struct domain *tenant,
	const struct domain *peer, uint64_t now_ms, struct err *why);
/* chance: any random number. */
void breaker_failed(struct breakers *b, const struct domain *tenant, const struct domain *peer,
	struct err why, uint64_t now_ms, uint32_t chance);
void breaker_worked(struct breakers *b, const struct domain *tenant, const struct domain *peer);

#endif
