/* Decisions as JSON, for `explain` on the admin socket. The object is documented in
 * tenants/README.md for whoever reads it by program. */
#ifndef FEDGATE_CORE_ADMIN_EXPLAIN_H
#define FEDGATE_CORE_ADMIN_EXPLAIN_H

#include "core/admin.h"
#include "core/decision.h"
#include "tenants/registry.h"

/* Everybody's rings; those that are NULL are passed over. */
struct admin_rings {
	struct decisions *const *rings;
	size_t count;
};

/* The newest of all workers about the pair, newest first. A tenant's main domain stands for all of
 * its domains. `out` has room for request->last; who made them goes to `workers`. */
size_t admin_explain_find(const struct admin_rings *rings, const struct registry *registry,
	const struct admin_request *request, struct decision *out, unsigned *workers);
/* The whole answer, one line without its end. */
void admin_explain(const struct admin_rings *rings, const struct registry *registry,
	const struct admin_request *request, struct buf *out);

#endif
