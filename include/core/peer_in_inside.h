/* The inside of an inbound peer's stream: proxy/core/peer_in.c is the stream, peer_pairs.c its
 * pairs and what proves them. */
#ifndef FEDGATE_CORE_PEER_IN_INSIDE_H
#define FEDGATE_CORE_PEER_IN_INSIDE_H

#include "core/delegation.h"
#include "core/outgoing.h"
#include "core/route.h"
#include "xmpp/stream_in.h"

struct peer_in {
	struct session_node node;  /* first: in worker->peers_in */
	struct session_node judge; /* in worker->peers_to_judge while its `prev` is set */
	struct worker *worker;
	struct link link;
	struct stream_in stream;
	struct tenant *tenant;     /* held, of the stream's `to`; NULL before the header */
	struct tenant *sni_tenant; /* held, whose certificate was shown */
	struct tls_params tls;     /* choose_arg is this object */
	struct timer deadline;
	struct assessment assessed;   /* of the header's `from` */
	struct delegation_wait *look; /* whether the header's `from` is a neighbour */
	int64_t proof_ends;           /* the earliest notAfter that a pair rests on; 0: none does */
	unsigned judged;              /* the worker's generation when the pairs were last judged */
	unsigned assessed_in;         /* and when `assessed` was found out */
	bool direct_tls, up, closing, dead;
	char session[SESSION_ID_LEN + 1];
	uint64_t began_ms;
	uint64_t stanzas;
	unsigned questions; /* db:verify that were answered */
};

/* What hangs on a pair: its way, or the question about its key. */
struct pair_in {
	struct peer_in *peer; /* NULL once the stream is gone */
	struct pair *pair;
	struct route *route;
	struct outgoing *question;
	struct delegation_wait *look; /* before it is judged: is `from` a neighbour? */
};

/* The stream (peer_in.c). */
void peer_in_run_actions(struct peer_in *p, struct actions *a);
void peer_in_fail(struct peer_in *p, struct err why);
/* ID-10, M-3: looks at the proofs again when that is due. False: the stream was ended. */
bool peer_in_proofs_hold(struct peer_in *p);
void peer_in_leave_judging(struct peer_in *p);

/* Pairs and proofs (peer_pairs.c). */
void pair_in_end(struct pair_in *pi);
/* Judges the header's `from`, now or when it is known whether that is a neighbour. */
void peer_in_look(struct peer_in *p, struct actions *a);
void peer_in_look_at_pair(struct peer_in *p, struct pair *pair, struct actions *a);
void peer_in_ask(struct peer_in *p, struct pair *pair);
struct route *peer_in_route(struct peer_in *p, struct pair *pair);
/* ERR_OK: every proven pair would be proven now too. */
struct err peer_in_judge_again(struct peer_in *p);
void peer_in_note_proof_end(struct peer_in *p, int64_t not_after);
enum delegation_state peer_in_neighbour_points(const struct peer_in *p, const struct domain *d);
bool peer_in_is_ours(const struct peer_in *p, const struct domain *d, enum delegation_state points);

#endif
