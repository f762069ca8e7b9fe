/* B-OUT: a backend's stream, accepted on egress, where backends believe the whole world to be. The
 * caller is proven to be the tenant's backend by its address and by its dialback key (BE-11), its
 * db:verify questions about our own keys are answered for life, its stanzas go on pair by pair.
 *
 * Happy path: egress_accept, header, db:result -> backend check -> route -> `valid` -> stanzas.
 * Before `valid` a failure is a stream error with text (BE-10), after it error stanzas (BE-5).
 * Frees itself when its link is closed. */
#ifndef FEDGATE_CORE_EGRESS_H
#define FEDGATE_CORE_EGRESS_H

#include "core/worker_inside.h"

void egress_accept(struct worker *w, int fd);
void egresses_reload(struct worker *w);
void egresses_stop(struct worker *w);

#endif
