/* What the parts of `fedgate rotate` share: the flow and its words (rotate.c, rotate_report.c), a
 * look at what is public (rotate_look.c), what is remembered between two calls (rotate_state.c). */
#ifndef FEDGATE_CMD_ROTATE_INSIDE_H
#define FEDGATE_CMD_ROTATE_INSIDE_H

#include "base/buf.h"
#include "tenants/published.h"
#include "tenants/rollover.h"
#include "tenants/tenant.h"

/* One line of certificates: a tenant's own, or the host's. */
struct rotation {
	const struct gate *gate; /* borrowed */
	struct tenant *tenant;   /* counted; with the paths, also of the host's line */
	const char *name;        /* of the tenant, or of the host: for people */
	char *directory;         /* owned: where its state is kept */
	bool made;               /* by the gate; else files are configured */
	struct rollover rollover;
	struct rollover_found found;
	struct buf next; /* DER of the next certificate, or empty */
	struct buf current;
};

/* How it stands in one public place. */
enum place_state {
	PLACE_SHOWS,   /* the certificate that is to follow, or has followed */
	PLACE_LACKS,   /* it is public, but without it */
	PLACE_EMPTY,   /* nothing is public there */
	PLACE_UNKNOWN, /* it could not be looked at */
};
struct place_seen {
	char *where; /* owned: a URL, or the name of a record */
	enum place_state state;
	struct err why;        /* of LACKS: what is there is no document; of UNKNOWN */
	uint32_t remembered_s; /* `expires` or TTL; 0: not known */
	bool lacks_current;    /* what is shown in TLS now is missing */
	bool needed;
};
struct places_seen {
	struct place_seen *items; /* owned */
	size_t count;
	enum rollover_sight sight; /* of them all */
	uint32_t longest_s;
};

/* Looks for `leaf`, the next certificate, or the current one once it is in use. *e says why nothing
 * could be looked at. */
struct err rotate_look(const struct rotation *r, struct slice leaf, struct places_seen *out);
void places_seen_fini(struct places_seen *p);

enum rotate_step { ROTATE_NONE_DONE, ROTATE_STAGED, ROTATE_SWITCHED, ROTATE_RETIRED };

/* What one call did and found. */
struct rotate_outcome {
	enum rotate_step step;
	bool is_due; /* configured files: it is the operator who exchanges them */
	int reload;  /* as rotate_reload(); 0 also when it was not wished */
	struct places_seen places;
	const char *why; /* what failed, or NULL */
};

/* DANE-8: the new record is published for two TTLs before its key is used. */
unsigned rotate_times(const struct rotation *r);
/* Prints it; returns the exit status. */
int rotate_report(const struct rotation *r, const struct rotate_outcome *o, bool json);

/* What is remembered, as text: JSON with a version. */
enum rotate_read { ROTATE_READ, ROTATE_UNREADABLE, ROTATE_NEWER };
/* What cannot be read is as nothing: then the wait begins anew. NEWER: a later fedgate wrote it. */
enum rotate_read rotate_state_parse(struct slice text, struct rollover *out);
void rotate_state_write(const struct rollover *r, struct buf *out);
enum rotate_read rotate_state_load(const char *directory, struct rollover *out);
const char *rotate_state_save(const char *directory, const struct rollover *r);

struct rollover_clock rotate_clock(void);
/* SIGHUP to the gate that serves these tenants. 1: it was sent, 0: none runs, -1: it cannot be. */
int rotate_reload(const struct gate *gate);

#endif
