/* The inside of judging: proxy/core/assess.c keeps credentials and authorities, assess_evidence.c
 * makes evidence. */
#ifndef FEDGATE_CORE_ASSESS_INSIDE_H
#define FEDGATE_CORE_ASSESS_INSIDE_H

#include "core/assess.h"

/* Borrowed, NULL when there are none. */
const struct cert_set *assess_gate_cas(struct worker *w);
const struct cert_set *assess_tenant_cas(struct worker *w, const struct tenant *t);

#endif
