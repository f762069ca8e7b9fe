/* DNS and HTTPS for a command that does one thing after the other: the gate's own resolver and
 * fetcher, each call waiting for its answer. */
#ifndef FEDGATE_CMD_LOOKUP_H
#define FEDGATE_CMD_LOOKUP_H

#include "net/fetch.h"
#include "tenants/tenant.h"
#include "trust/posh.h"
#include "trust/tlsa.h"

struct lookup;

/* With the gate's resolver, trust anchor, web authorities and private networks. NULL with *e set.
 */
struct lookup *lookup_new(const struct gate *gate, struct err *e);
/* One that asks this server alone, and validates nothing: a name server of a zone knows no more.
 * Pages cannot be had from it. NULL when it cannot be asked. */
struct lookup *lookup_at(const struct gate *gate, const struct sockaddr_storage *server);
void lookup_free(struct lookup *l);

/* The answers are valid until the next call. */
const struct resolve_answer *lookup_srv(
	struct lookup *l, const char *service, const struct domain *name);
const struct resolve_answer *lookup_addr(struct lookup *l, const struct domain *name, int family);
/* The records go to `out`, also when they are not secure. */
const struct resolve_answer *lookup_tlsa(
	struct lookup *l, const struct domain *base, uint16_t port, struct tlsa_set *out);

/* Whether the root can be validated: else nothing can (RESOLVE_BOGUS). */
const struct resolve_answer *lookup_root(struct lookup *l);

/* The closest zone that holds the name, and its servers. False: nobody says. */
enum { LOOKUP_SERVERS_MAX = 8 };
struct lookup_zone {
	struct domain apex;
	size_t count;
	struct domain servers[LOOKUP_SERVERS_MAX];
};
bool lookup_zone(struct lookup *l, const struct domain *name, struct lookup_zone *out);

/* Which authorities may issue for the domain, as said here or further up (RFC 8659 3, 4). */
struct lookup_caa {
	enum resolve_status status;
	struct domain at;
	bool limits; /* there are `issue` properties, or something critical that nobody knows */
	size_t count;
	char issuers[8][DOMAIN_MAX + 1]; /* in lower case */
};
void lookup_caa(struct lookup *l, const struct domain *name, struct lookup_caa *out);

struct lookup_page {
	struct err e;
	long status;
	struct slice body; /* valid until the next call */
	char location[FETCH_LOCATION_MAX + 1], type[80], address[64];
};
const struct lookup_page *lookup_page(struct lookup *l, const struct posh_url *url);
/* Whether the gate would connect there for a stranger. */
bool lookup_allowed(const struct lookup *l, const struct sockaddr_storage *addr);

#endif
