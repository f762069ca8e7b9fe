/* The publisher's process: the tenants' POSH documents over HTTPS under the host's name (POSH-11).
 *
 *   https://HOST_NAME/posh/DOMAIN/xmpp-server.json, .../xmpp-client.json
 *
 * for every domain, in A-labels, of tenants with `proof = posh` or `certificate`. HTTP from
 * strangers must not meet the tenants' keys: this process has none, and cannot ask for one. */
#ifndef FEDGATE_CORE_PUBLISHER_H
#define FEDGATE_CORE_PUBLISHER_H

#include "tenants/registry.h"

/* Caches between us and a verifier (RFC 9111) may keep a document for this long at most, and for no
 * more than a tenth of its `expires`: a verifier counts `expires` from when it got the document, so
 * this is how much longer than `expires` an old one can be believed. */
enum { PUBLISHER_MAX_AGE_S = 300 };

/* All of it is owned by the publisher from here on. */
struct publisher_boot {
	struct gate *gate;
	struct registry *registry;
	int channel_fd;
	const int *listen_fds; /* already listening */
	size_t listen_count;
};

/* Runs until stopped; the process's exit status. Called with privileges already dropped. */
int publisher_run(const struct publisher_boot *boot);

#endif
