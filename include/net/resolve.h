/* Asynchronous DNS through libunbound, on the caller's libuv loop. An answer carries a ticket,
 * never a pointer: whoever asked may be gone by then. Caching by TTL is libunbound's, capped to
 * [30 s, 1 h], negative 5 min (DNS-7). The four kinds of failure stay apart (DNS-3, D07):
 * NXDOMAIN and NODATA mean "none"; SERVFAIL, timeout and bogus never do. */
#ifndef FEDGATE_NET_RESOLVE_H
#define FEDGATE_NET_RESOLVE_H

#include "base/domain.h"
#include "base/err.h"

#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

/* Names whoever asked. A slot may have been given to somebody else: then gen differs. */
struct ticket {
	uint32_t slot, gen;
};

enum { RESOLVE_SRV_MAX = 64, RESOLVE_ADDR_MAX = 16, RESOLVE_RAW_MAX = 32 };

enum resolve_status {
	RESOLVE_DATA,
	RESOLVE_NONE,   /* the name or the type does not exist */
	RESOLVE_FAILED, /* SERVFAIL, REFUSED, malformed */
	RESOLVE_TIMEOUT,
	RESOLVE_BOGUS,
};

struct resolve_srv {
	uint16_t priority, weight, port;
	bool no_service; /* target "." */
	struct domain target;
};

struct resolve_answer {
	struct ticket ticket;
	int tag; /* what the caller gave with the question */
	enum resolve_status status;
	bool secure;      /* DNSSEC validated */
	bool nxdomain;    /* RESOLVE_NONE: the whole name does not exist */
	size_t srv_count; /* SRV questions; records that cannot be read are left out */
	struct resolve_srv srv[RESOLVE_SRV_MAX];
	size_t srv_dropped;                             /* records over the maximum */
	size_t addr_count;                              /* address questions */
	struct sockaddr_storage addr[RESOLVE_ADDR_MAX]; /* port 0 */
	/* Address questions: the name at the end of a chain of CNAMEs (RFC 7671 7); the whole chain
	 * is secure when the answer is. */
	bool aliased;
	struct domain canonical;
	const struct resolve_raw
		*raw; /* TLSA, CAA questions: RDATA; borrowed, for the call alone */
	uint32_t ttl;
};

/* Records as they came, those over the maxima left out and counted. */
struct resolve_raw {
	size_t count, dropped;
	struct slice rdata[RESOLVE_RAW_MAX];
};

/* Why there is no answer: ERR_DNS_FAILED, _TIMEOUT, _BOGUS; ERR_OK for data and for none. */
struct err resolve_error(enum resolve_status status);

typedef void (*resolve_done)(void *arg, const struct resolve_answer *answer);

struct resolve_config {
	const char *forward;      /* "ADDR[@PORT]" of a resolver, or NULL: resolv.conf */
	const char *trust_anchor; /* file with DS or DNSKEY, or NULL: no validation */
	uint64_t timeout_ms;      /* per question; 5000 */
	unsigned max_pending;     /* questions under way; beyond it RESOLVE_FAILED at once */
	bool whole_ttl; /* a TTL is told as it is, up to a week, instead of capped (DNS-7) */
};

struct resolver;

/* NULL with *e set when libunbound cannot start. done is called for every question once, never
 * from inside resolve_srv/resolve_addr. */
struct resolver *resolver_new(uv_loop_t *loop, const struct resolve_config *config,
	resolve_done done, void *arg, struct err *e);
/* No answers come any more. */
void resolver_free(struct resolver *r);
/* service: "_xmpp-server._tcp" or "_xmpps-server._tcp". */
void resolve_srv(struct resolver *r, const char *service, const struct domain *name,
	struct ticket ticket, int tag);
/* family AF_INET or AF_INET6; CNAMEs are followed by libunbound. */
void resolve_addr(
	struct resolver *r, const struct domain *name, int family, struct ticket ticket, int tag);
/* `_port._tcp.base`. */
void resolve_tlsa(struct resolver *r, const struct domain *base, uint16_t port,
	struct ticket ticket, int tag);
/* RFC 8659; of this very name: climbing to the parents is the caller's business. */
void resolve_caa(struct resolver *r, const struct domain *name, struct ticket ticket, int tag);
/* The servers of the zone that begins at this very name: `srv` holds them as targets. */
void resolve_ns(struct resolver *r, const struct domain *name, struct ticket ticket, int tag);
/* The keys of the root: the answer holds no records, only how they are. BOGUS: whatever is asked
 * for will be, because the resolver strips DNSSEC or the anchor is another root's. */
void resolve_root(struct resolver *r, struct ticket ticket, int tag);
/* What the resolver answers by itself, so that an answer which does not come says that it is
 * busy. */
void resolve_pulse(struct resolver *r, struct ticket ticket, int tag);

#endif
