/* The messages between the supervisor and its children: one SOCK_SEQPACKET pair per child, so a
 * message is whole or not there; descriptors travel as SCM_RIGHTS. Small fixed structs; both sides
 * check type, length and the number of descriptors, and close the ones they did not ask for.
 *
 *   supervisor -> child   BOOT once, then RELOAD, ADOPT, RELEASE, SCOUT, STOP; OPENED answers OPEN
 *   child -> supervisor   READY once, OPEN, SCOUT (a worker whose line to the scout is lost) */
#ifndef FEDGATE_CORE_WIRE_H
#define FEDGATE_CORE_WIRE_H

#include "base/err.h"
#include "trust/dbkey.h"

#include <stddef.h>
#include <stdint.h>

enum { WIRE_FDS_MAX = 128, WIRE_CHANNEL_FD = 3 /* where a child finds its end */ };

enum wire_type {
	WIRE_BOOT = 1, /* descriptors: parcel, shared table, (worker: its decisions,) public
			  sockets, egress sockets */
	WIRE_RELOAD,   /* descriptor: parcel */
	WIRE_ADOPT,    /* descriptors: public sockets, egress sockets of `owner` */
	WIRE_RELEASE,
	WIRE_STOP,
	WIRE_READY,
	WIRE_OPEN,
	WIRE_OPENED, /* descriptor: the file, when `error` is 0 */
	WIRE_SCOUT,  /* descriptor: one end of a new line between a worker and the scout */
};

struct wire {
	uint32_t type;
	/* BOOT: of the worker (scout: how many there are); ADOPT, RELEASE: owner; OPEN: tenant, 0:
	 * the gate; SCOUT: the line's worker */
	uint32_t number;
	uint32_t file;   /* OPEN: enum channel_file */
	uint32_t serial; /* OPEN, OPENED */
	int32_t error;   /* OPENED: errno */
	uint32_t
		listens; /* BOOT, ADOPT: how many of the descriptors are public (steer: UDP) ones */
	uint64_t within_ms; /* STOP */
	uint8_t has_previous_secret;
	struct dbkey_secret secret, previous_secret; /* BOOT */
};

struct wire_fds {
	int fds[WIRE_FDS_MAX];
	size_t count;
};

enum wire_result { WIRE_OK, WIRE_NOTHING, WIRE_GONE };

/* Sends at once or fails (a child that does not read is broken); fds stay the caller's. */
struct err wire_send(int fd, const struct wire *message, const struct wire_fds *fds);
/* Takes one message if there is one. The received descriptors are the caller's, close-on-exec. */
enum wire_result wire_receive(int fd, struct wire *message, struct wire_fds *fds);
void wire_close_fds(struct wire_fds *fds);

#endif
