/* The scout: the process that does all DNS (libunbound, validating) and all outgoing HTTPS of the
 * node, with one cache. Hostile zones and web servers meet nothing here but it: it runs
 * unprivileged, has no keys, no tenants and no sockets of its own to listen on. Workers ask it by
 * messages (core/scout_wire.h), each over a socket of its own that the supervisor made. */
#ifndef FEDGATE_CORE_SCOUT_H
#define FEDGATE_CORE_SCOUT_H

#include "tenants/tenant.h"

struct scout_boot {
	struct gate *gate; /* the scout's from here on */
	int channel_fd;
	unsigned workers; /* how many there are: they get equal shares */
};

/* Runs until stopped; the process's exit status. */
int scout_run(const struct scout_boot *boot);

#endif
