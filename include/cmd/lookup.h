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
/* Whether authorities are named that may issue for the domain, here or further up (RFC 8659 3). */
bool lookup_has_caa(struct lookup *l, const struct domain *name);

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
