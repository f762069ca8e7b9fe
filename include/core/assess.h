/* Judging the other side: certificate evidence against the tenant's policy, and the tenants' own
 * credentials, parsed on first use and kept while the tenant's version stays.
 *
 * Levels (protocol sheet 1, M-3, DB-13): a certificate bound to the domain gives trusted; TLS with
 * dialback secure; dialback alone verified. */
#ifndef FEDGATE_CORE_ASSESS_H
#define FEDGATE_CORE_ASSESS_H

#include "core/channel.h"
#include "keys/credential.h"
#include "net/tls.h"
#include "trust/identity.h"
#include "xmpp/pairs.h"

struct assessor;

struct assessor *assessor_new(uint64_t seed);
void assessor_free(struct assessor *a);
/* The configuration was reloaded: forgets what belongs to files that may have changed, and the
 * tenants that are gone. */
void assessor_forget(struct assessor *a, const struct registry *registry);

/* The tenant's credential, or NULL with *e set. Borrowed; hold it to keep it. */
struct credential *assess_credential(struct assessor *a, struct channel *channel,
	const struct tenant *t, struct err *e);

struct assessment {
	struct err certificate; /* ERR_OK: the certificate is bound to the domain */
	int64_t not_after;	/* of the verified path; 0 when not proven */
	char names[200];	/* the names presented, for the log; "" when not of interest */
};

/* Does this chain prove `domain` under the tenant's authorities and the gate's? */
struct assessment assess_chain(struct assessor *a, struct channel *channel, const struct gate *gate,
	const struct tenant *t, const struct slice *chain, size_t count,
	const struct domain *domain);

enum level level_of_proof(enum pair_proof proof, bool tls);

#endif
