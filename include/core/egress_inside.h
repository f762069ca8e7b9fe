/* The inside of a backend's stream: proxy/core/egress.c is the stream, egress_pair.c the way of a
 * pair from the backend's db:result to `valid`, egress_neighbour.c the tenants among themselves. */
#ifndef FEDGATE_CORE_EGRESS_INSIDE_H
#define FEDGATE_CORE_EGRESS_INSIDE_H

#include "core/delegation.h"
#include "core/outgoing.h"
#include "core/proofs.h"
#include "core/renewal.h"
#include "core/route.h"
#include "xmpp/stream_in.h"

struct egress {
	struct session_node node; /* first: in worker->egresses */
	struct worker *worker;
	struct link link;
	struct stream_in stream;
	struct tenant *tenant; /* held, of the stream's `from`; NULL before the header */
	struct timer deadline;
	bool dead, up;
	char session[SESSION_ID_LEN + 1];
	uint64_t stanzas, questions;
};

/* A pair on egress, from the backend's db:result to `valid`:
 *
 *   CHECKING (is it the backend?) -> LOOKING (is the remote a proven neighbour?)
 *     -> HOLDING (until the way is ready, a B-IN is pending, or HOLD_MS) -> VALID */
enum pair_out_state { PAIR_OUT_CHECKING, PAIR_OUT_LOOKING, PAIR_OUT_HOLDING, PAIR_OUT_VALID };

struct pair_out {
	struct egress *egress;
	struct pair *pair;
	enum pair_out_state state;
	struct outgoing *check; /* the question to the backend */
	struct delegation_wait *look;
	struct proofs_wait *waits[2]; /* what sender and target publish is being found out */
	struct tenant *neighbour;  /* held; the remote is a tenant here and proven so; else NULL */
	struct renewal renewal[2]; /* of what sender and target have proven to each other */
	struct timer again;
	bool judging_again;
	enum delegation_state points; /* where the sender's DNS pointed when that was judged */
	struct route *route;
	struct timer hold;
	uint64_t held_since_ms;
};

/* The stream (egress.c). */
void egress_run_actions(struct egress *g, struct actions *a);
void egress_close(struct egress *g); /* properly, without an error */
/* Ends it with this stream error condition and text (BE-10). */
void egress_fail_as(struct egress *g, struct err why, const char *condition, const char *detail);

/* The pair (egress_pair.c). */
void pair_out_start(struct pair_out *po);
void pair_out_end(struct pair_out *po);
void pair_out_verdict(struct pair_out *po, struct verdict v);
void pair_out_refuse(struct pair_out *po, struct err why);
void pair_out_hold(struct pair_out *po);

/* Neighbours (egress_neighbour.c). */
void pair_out_look(struct pair_out *po); /* is the remote one? then pair_out_hold or _refuse */
void pair_out_stop_looking(struct pair_out *po);
/* Whether the tenants of the pair may speak to each other, under the rules of both; *sender is what
 * the sender has proven (ADR-8). */
struct err pair_out_judge_inside(struct pair_out *po, struct tenant *neighbour, enum level *sender);

#endif
