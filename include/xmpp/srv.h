/* Ordering of targets: RFC 2782, with _xmpps-server and _xmpp-server merged (XEP-0368 3). Pure:
 * random numbers come from the caller. */
#ifndef FEDGATE_XMPP_SRV_H
#define FEDGATE_XMPP_SRV_H

#include "base/domain.h"

#include <stdint.h>

enum { SRV_MAX = 32 }; /* records kept of both sets together (DNS-4) */

struct srv_record {
	uint16_t priority, weight, port;
	bool direct_tls;      /* came from _xmpps-server */
	struct domain target; /* not set: the target was "." */
};

struct srv_set {
	struct srv_record records[SRV_MAX];
	size_t count;
	size_t dropped; /* records over SRV_MAX */
};

enum srv_outcome {
	SRV_USE,        /* the set is ordered: try its records in turn */
	SRV_NO_SERVICE, /* _xmpp-server is ".": stop (RFC 6120 3.2.1 rule 3) */
	SRV_FALLBACK,   /* no records: A/AAAA of the domain itself, STARTTLS, port 5269 */
};

/* Takes one more record; over SRV_MAX it is only counted (DNS-4). */
void srv_add(struct srv_set *set, struct srv_record record);
/* What DNS said about the two names together; records with target "." are removed from the set.
 * Only `_xmpps-server` being "." means no direct TLS, and no fall-back to A/AAAA (XEP-0368 5). */
enum srv_outcome srv_judge(struct srv_set *set);
/* Sorts by priority and, within one, by RFC 2782's weighted choice. random_below(arg, n) gives a
 * number in 0..n inclusive. Sums are 32 bit: 32 x 65535 cannot overflow. */
void srv_order(struct srv_set *set, uint32_t (*random_below)(void *arg, uint32_t n), void *arg);

#endif
