/* The DNS responder that steers a backend to our egress listener (protocol sheet BE-S1). Not a
 * resolver: it answers from this small table, over UDP and TCP, message by message. ldns reads and
 * writes the messages.
 *
 *   SRV _xmpp-server._tcp.NAME    -> 0 0 egress_port egress_name.   for every NAME
 *   any _xmpps-server._tcp.NAME   -> NXDOMAIN
 *   TLSA of any name              -> NXDOMAIN
 *   A/AAAA egress_name            -> egress_addresses of that family, else NOERROR and empty
 *   A/AAAA of a name in `extra`   -> its addresses of that family, else NOERROR and empty
 *   other types of these names    -> NOERROR and empty
 *   anything else                 -> DNSSERVE_ASK: REFUSED, unless the caller may look it up
 *
 * What is no question for us: responses and less than a header are dropped; another opcode gets
 * NOTIMP; what cannot be read, or holds more or less than one question, FORMERR (RFC 9619); another
 * class, a zone transfer, ANY: REFUSED; another EDNS version: BADVERS (RFC 6891 6.1.3).
 * The question comes back in its own letters, upper and lower case as it was asked. Empty and
 * negative answers carry the SOA of a root zone of ours, so that they are kept as briefly as the
 * others (RFC 2308 5). Whom to answer at all is the caller's to judge. */
#ifndef FEDGATE_NET_DNSSERVE_H
#define FEDGATE_NET_DNSSERVE_H

#include "base/buf.h"
#include "base/domain.h"

#include <netinet/in.h>
#include <stdint.h>

enum { DNSSERVE_UDP_MAX = 1232, DNSSERVE_TCP_MAX = 65535, DNSSERVE_EGRESS_MAX = 4 };

struct dnsserve_host {
	struct domain name;
	struct sockaddr_storage addr;
};

struct dnsserve_config {
	struct domain egress_name;
	uint16_t egress_port;
	struct sockaddr_storage egress_addr[DNSSERVE_EGRESS_MAX];
	size_t egress_addr_count;
	const struct dnsserve_host *extra; /* borrowed; other names to answer */
	size_t extra_count;
	uint32_t ttl; /* seconds; 30 */
};

enum dnsserve_result {
	DNSSERVE_ANSWER, /* reply holds the message, and nothing else */
	DNSSERVE_DROP,   /* not a query worth an answer */
	DNSSERVE_ASK, /* not ours: dnsserve_looked_up() when the caller can, or dnsserve_refuse() */
};

/* Pure: query bytes in, reply bytes out. max is what the transport carries: DNSSERVE_UDP_MAX, where
 * the query's own limit counts as well (its EDNS size, 512 without), or DNSSERVE_TCP_MAX. What does
 * not fit is left out whole and TC set. */
enum dnsserve_result dnsserve_answer(
	const struct dnsserve_config *config, struct slice query, size_t max, struct buf *reply);
/* A REFUSED reply to the same query. */
enum dnsserve_result dnsserve_refuse(struct slice query, struct buf *reply);

/* Whether the query asks for the addresses of a host: which, and of which family. */
bool dnsserve_asks_address(struct slice query, struct domain *name, int *family);

/* What a lookup of that came to. */
struct dnsserve_found {
	enum { DNSSERVE_FOUND, DNSSERVE_NO_DATA, DNSSERVE_NO_NAME, DNSSERVE_FAILED } status;
	const struct sockaddr_storage *addr; /* of the family asked for */
	size_t count;
	uint32_t ttl;
};
/* The reply to the same query from that; never with AD (BE-S1: nothing here is authentic). */
enum dnsserve_result dnsserve_looked_up(
	struct slice query, const struct dnsserve_found *found, size_t max, struct buf *reply);

#endif
