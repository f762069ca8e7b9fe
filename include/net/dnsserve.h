/* The DNS responder that steers a backend to our egress listener (protocol sheet BE-S1). Not a
 * resolver: it answers from this small table, over UDP and TCP, message by message. ldns reads and
 * writes the messages.
 *
 *   SRV _xmpp-server._tcp.NAME    -> 0 0 egress_port egress_name.   for every NAME
 *   SRV _xmpps-server._tcp.NAME   -> NXDOMAIN
 *   A/AAAA egress_name            -> egress_addresses of that family, else NOERROR and empty
 *   anything else                 -> REFUSED, unless its name is in `extra` (A/AAAA there)
 *   queries from outside `allow`  -> dropped unanswered (never an open resolver)
 * Truncation by EDNS size; one answer per query, never larger than 1232 bytes over UDP. */
#ifndef FEDGATE_NET_DNSSERVE_H
#define FEDGATE_NET_DNSSERVE_H

#include "base/buf.h"
#include "base/domain.h"

#include <netinet/in.h>
#include <stdint.h>

struct dnsserve_host {
	struct domain name;
	struct sockaddr_storage addr;
};

struct dnsserve_config {
	struct domain egress_name;
	uint16_t egress_port;
	struct sockaddr_storage egress_addr[4];
	size_t egress_addr_count;
	const struct dnsserve_host *extra; /* borrowed; other names to answer */
	size_t extra_count;
	uint32_t ttl; /* seconds; 30 */
};

enum dnsserve_result {
	DNSSERVE_ANSWER, /* reply holds the message */
	DNSSERVE_DROP,	 /* not a query worth an answer */
	DNSSERVE_ASK,	 /* not ours: the caller may ask libunbound, else dnsserve_refuse() */
};

/* Pure: query bytes in, reply bytes out. max is what the transport carries (UDP: 1232 or the
 * client's EDNS size when smaller; TCP 65535). */
enum dnsserve_result dnsserve_answer(const struct dnsserve_config *config, struct slice query,
	size_t max, struct buf *reply);
/* A REFUSED reply to the same query. */
enum dnsserve_result dnsserve_refuse(struct slice query, struct buf *reply);

#endif
