/* The lines that put an unmodified server behind the gate, as text (protocol sheet 20.1, BE-S1 to
 * BE-S3). Each part is a whole file, or the lines to add to one. */
#ifndef FEDGATE_CMD_BACKEND_LINES_H
#define FEDGATE_CMD_BACKEND_LINES_H

#include "base/buf.h"
#include "core/steer_table.h"
#include "tenants/registry.h"

#define BACKEND_DEFAULT_LISTENER "127.0.0.1:15269"

struct backend_plan {
	const char *config_path;
	const struct gate *gate;
	const struct registry *tenants;
	struct steer_table table;
	struct address listener; /* where the gate dials in */
	bool is_configured;      /* some tenant names that listener */
};

struct backend_part {
	const char *name; /* for --part */
	const char *file; /* where it goes */
	const char *how; /* what to do with it, one sentence or more in lines of at most 90 bytes */
	void (*write)(const struct backend_plan *plan, struct buf *out);
};

struct backend_kind {
	const char *name;    /* also the user it runs as on Debian */
	const char *comment; /* what begins a comment in the first part's file, as "-- " */
	const struct backend_part *parts; /* ends with name NULL; the first is the main one */
};

extern const struct backend_kind backend_prosody, backend_ejabberd;

/* The ruleset that keeps the user's processes from dialling past the gate. */
void backend_firewall(const struct backend_plan *plan, const char *user, struct buf *out);
/* "127.0.0.1" and the port apart. */
unsigned backend_ip(const struct sockaddr_storage *sa, char out[64]);
/* An address of the responder as the backend's resolver is told it: loopback for "everywhere". */
struct sockaddr_storage backend_resolver(const struct address *listen);
/* Whether the tenant is served by the plan's listener. */
bool backend_serves(const struct backend_plan *plan, const struct tenant *t);

#endif
