/* Which addresses a stranger may send us to, and who a stranger is. */
#ifndef FEDGATE_NET_ADDRESS_H
#define FEDGATE_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Whether an address may be dialled for a stranger (DNS-10, P01): false for loopback, private,
 * link-local, CGNAT, ULA, multicast, unspecified, mapped and tunnel forms of these. */
bool address_is_public(const struct sockaddr_storage *addr);

/* Whose share an address is counted against: IPv4 whole, IPv6 by its /64. */
struct address_source {
	unsigned char bytes[8];
	size_t len;
};
struct address_source address_source(const struct sockaddr_storage *addr);

#endif
