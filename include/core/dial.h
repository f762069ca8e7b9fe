/* Finding a connected socket: for a peer by SRV, addresses and Happy Eyeballs (protocol sheet 11;
 * RFC 6120 3.2, RFC 2782, XEP-0368, XEP-0495, RFC 8305), for a backend from a list.
 *
 * Where DNSSEC vouches for a target and its addresses, its TLSA records are asked for before
 * anybody connects (DANE-1; RFC 7673 3), and dial_endpoint() has them; where they should be there
 * and cannot be had, nobody connects.
 *
 * Happy path: dial_peer/dial_list, then `connected` with a socket the callee owns. When TLS, stream
 * or proof fail on it, dial_next goes on with the next candidate. Failure: `failed` once, when
 * no candidate is left or the total time is over. Frees: dial_stop may be called at any time, also
 * from a callback; attempts' handles free themselves. */
#ifndef FEDGATE_CORE_DIAL_H
#define FEDGATE_CORE_DIAL_H

#include "core/ask.h"
#include "core/timers.h"
#include "tenants/tenant.h"
#include "xmpp/srv.h"

struct worker;

struct dial_events {
	void (*connected)(void *owner, int fd, bool direct_tls);
	void (*failed)(void *owner, struct err why);
};

struct dial_candidate {
	struct sockaddr_storage addr;
	bool direct_tls;
	bool tried;
	uint8_t target; /* which of the SRV records */
};

/* What DNS says about the place that was reached. */
struct dial_endpoint {
	struct domain target; /* unset: there are no SRV records, or nobody vouches for them */
	struct domain base;   /* the TLSA base domain (DANE-7); unset as above */
	uint16_t port;
	bool direct_tls;
	/* ERR_OK: `tlsa` must match; ERR_DANE_INSECURE, _NONE, _UNUSABLE: there is no DANE. */
	struct err dane;
	const struct tlsa_set *tlsa; /* of the dial, until dial_next or dial_stop */
	uint32_t ttl;                /* the lowest of what it rests on; 0: nothing secure */
};

enum { DIAL_CANDIDATES_MAX = 64, DIAL_STRANGER_MAX = 8, DIAL_ATTEMPTS_MAX = 3 };

struct dial_attempt; /* one socket on its way */

/* A target that DNSSEC vouches for. */
struct dial_secured {
	struct err dane;
	struct domain base;
	struct tlsa_set tlsa;
	uint32_t ttl;
};

/* Large, and of no use once a stream stands. */
struct dial_places {
	struct srv_set srv;
	struct dial_candidate candidates[DIAL_CANDIDATES_MAX];
	struct dial_secured *secured[SRV_MAX]; /* owned; NULL: no SRV, or not secure */
	/* The addresses of the next target, until its TLSA records are known. */
	struct sockaddr_storage held[2 * RESOLVE_ADDR_MAX];
	size_t held_count;
	bool held_secure, held_bogus;
};

struct dial {
	struct worker *worker;
	const struct dial_events *events;
	void *owner;
	bool active;
	struct domain domain; /* peers: the service domain */
	struct ticket ticket; /* of the questions under way */
	bool has_ticket;
	int questions;                     /* answers still to come */
	struct resolve_answer *answers[2]; /* owned, the two SRV answers */
	bool secure[2];                    /* whether DNSSEC vouches for them */
	uint32_t ttl[2];
	size_t next_target;
	struct dial_places *places; /* owned, while active: where to try */
	size_t candidate_count, candidates_most;
	struct dial_attempt *attempts[DIAL_ATTEMPTS_MAX];
	sa_family_t last_family; /* of the last candidate that was tried */
	bool handed;             /* the owner has a socket: nothing goes on until dial_next */
	size_t handed_candidate; /* which */
	struct err last;         /* the reason to give when nothing is left */
	struct timer stagger, total;
	/* Only where DNS points, nothing is connected (delegation): */
	bool only_look;
	bool points_here;
};

/* DNS-1..DNS-3: what the answers for _xmpp-server and _xmpps-server mean together: the targets, not
 * yet in order, or why there are none; without SRV records it is the domain itself. */
struct err dial_targets(const struct domain *domain, const struct resolve_answer *const answers[2],
	struct srv_set *out);

/* most: how many addresses are tried, and targets looked up. DIAL_STRANGER_MAX where a stranger
 * claims the domain: whoever writes its zone must not send us to many places (DB-15). */
void dial_peer(struct dial *d, struct worker *w, const struct domain *domain, size_t most,
	const struct dial_events *events, void *owner);
void dial_list(struct dial *d, struct worker *w, const struct address_list *list,
	const struct dial_events *events, void *owner);
/* Resolves all the way and ends in `failed`: ERR_OK and points_here tell whether one of the
 * domain's endpoints is a listener of this gate. */
void dial_look(struct dial *d, struct worker *w, const struct domain *domain,
	const struct dial_events *events, void *owner);
void dial_next(struct dial *d, struct err why);
/* No other address of the target that was handed out is tried (DANE-1); dial_next goes on. */
void dial_skip_target(struct dial *d);
/* Between `connected` and dial_next or dial_stop. */
struct dial_endpoint dial_endpoint(const struct dial *d);
void dial_stop(struct dial *d);

#endif
