/* Which addresses a stranger may send us to. */
#ifndef FEDGATE_NET_ADDRESS_H
#define FEDGATE_NET_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Whether an address may be dialled for a stranger (DNS-10, P01): false for loopback, private,
 * link-local, CGNAT, ULA, multicast, unspecified, mapped and tunnel forms of these. */
bool address_is_public(const struct sockaddr_storage *addr);

#endif
