/* The wire between supervisor and worker: one SOCK_SEQPACKET pair per worker, descriptors as
 * SCM_RIGHTS. Messages are small fixed structs with a type and a length, checked on both sides; a
 * worker is not trusted by the supervisor (it can only ask for files of tenants it was given).
 *
 * This header is the worker's side. */
#ifndef FEDGATE_CORE_CHANNEL_H
#define FEDGATE_CORE_CHANNEL_H

#include "base/buf.h"
#include "tenants/registry.h"

#include <uv.h>

struct channel;

struct channel_events {
	/* A new configuration: the callee owns both. gate_only: registry is NULL, because the
	 * callee has no use for tenants. */
	bool gate_only;
	void (*reload)(void *arg, struct gate *gate, struct registry *registry);
	/* Listen on these sockets too (a dead neighbour's), or stop doing so (fd from before). */
	void (*adopt)(void *arg, int owner, const int *listen_fds, size_t listen_count,
		const int *egress_fds, size_t egress_count);
	void (*release)(void *arg, int owner);
	/* A new line between this worker and the scout (scout: `worker` at its other end), in place
	 * of the one before; fd is the callee's. NULL: this process has none. */
	void (*scout)(void *arg, unsigned worker, int fd);
	/* Close streams properly and end within the time; the channel being gone means the same. */
	void (*stop)(void *arg, uint64_t within_ms);
};

struct channel *channel_open(
	uv_loop_t *loop, int fd, const struct channel_events *events, void *arg);
void channel_close(struct channel *c);
/* Tells the supervisor that this worker accepts connections. */
void channel_ready(struct channel *c);
/* Asks for a new line to the scout; it comes when there is a scout to talk to. */
void channel_want_scout(struct channel *c);

enum channel_file {
	CHANNEL_CERTIFICATE,
	CHANNEL_KEY,
	CHANNEL_CERTIFICATE_2,
	CHANNEL_KEY_2,
	CHANNEL_TENANT_CA,
	CHANNEL_NEXT_CERTIFICATE, /* this and the next for the publisher alone */
	CHANNEL_PREVIOUS_CERTIFICATE,
	/* Of the gate: tenant NULL. */
	CHANNEL_GATE_CA,
	CHANNEL_WEB_CA,          /* for the scout alone */
	CHANNEL_WEB_CERTIFICATE, /* this and the next for the publisher alone */
	CHANNEL_WEB_KEY,
};
/* Asks the supervisor to open a file of the tenant (children have no right to read keys; who may
 * have which is a table in core/crew_files.c) and reads it whole. Blocks: a local call with a
 * deadline of `deadline_ms`, failing closed (ERR_FILE). The file must still be the one that was
 * checked at load (its file_id), else ERR_FILE and the supervisor logs that a reload is wanted. */
struct err channel_read_file(struct channel *c, const struct tenant *t, enum channel_file which,
	uint64_t deadline_ms, struct buf *out);

#endif
