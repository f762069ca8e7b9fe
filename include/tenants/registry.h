/* All tenants of one configuration, found by any of their domains. Immutable once built; a worker
 * swaps one pointer between two events. 100 000 tenants: look-up is one hash. */
#ifndef FEDGATE_TENANTS_REGISTRY_H
#define FEDGATE_TENANTS_REGISTRY_H

#include "tenants/tenant.h"

struct registry;

struct registry *registry_new(void);
/* New numbers go on behind those of `before`, so that a number names one tenant for as long as the
 * supervisor lives. NULL is fine. */
struct registry *registry_new_after(const struct registry *before);
void registry_free(struct registry *r); /* releases its tenants; NULL is fine */
/* Takes its own reference. False when one of the domains is taken already: *taken_by gets the
 * tenant that has it, and nothing was added. Sets t->number when it was 0. */
bool registry_add(struct registry *r, struct tenant *t, struct tenant **taken_by);
struct tenant *registry_find(const struct registry *r, const struct domain *d); /* borrowed */
struct tenant *registry_at(const struct registry *r, size_t i); /* borrowed, 0..count-1 */
size_t registry_count(const struct registry *r);

/* Where a tenant's policy was written down, for people. */
struct tenant_origin {
	char *file;                 /* owned by the registry; NULL: not known */
	unsigned inbound, outbound; /* lines; 0: not there, so the default holds */
};
/* For a tenant that was added; copied. */
void registry_note_origin(
	struct registry *r, const struct tenant *t, const struct tenant_origin *origin);
/* Borrowed; all of it 0 when nothing was noted. */
struct tenant_origin registry_origin(const struct registry *r, const struct tenant *t);

#endif
