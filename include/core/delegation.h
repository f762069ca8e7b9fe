/* Does a tenant's own public DNS point to this gate, as a stranger sees it? Being a tenant proves
 * nothing to the other tenants (ADR-8): this and the certificate do. Answers are cached. */
#ifndef FEDGATE_CORE_DELEGATION_H
#define FEDGATE_CORE_DELEGATION_H

#include "core/worker_inside.h"

enum delegation_state { DELEGATION_UNKNOWN, DELEGATION_HERE, DELEGATION_ELSEWHERE };

/* What is known now; UNKNOWN starts asking, so that a later call knows. */
enum delegation_state delegation_known(struct worker *w, const struct domain *d);

/* Asks; done is called later, exactly once, unless delegation_cancel comes first. */
struct delegation_wait;
struct delegation_wait *delegation_ask(struct worker *w, const struct domain *d,
	void (*done)(void *arg, enum delegation_state state), void *arg);
void delegation_cancel(struct delegation_wait *wait);
/* Worker's end. */
void delegation_forget_all(struct worker *w);

#endif
