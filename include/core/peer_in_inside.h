/* The inside of an inbound peer's stream: proxy/core/peer_in.c is the stream, peer_pairs.c its
 * pairs, peer_claims.c who the peer says it is and what proves that, peer_standing.c what of it is
 * still so. */
#ifndef FEDGATE_CORE_PEER_IN_INSIDE_H
#define FEDGATE_CORE_PEER_IN_INSIDE_H

#include "core/decision.h"
#include "core/delegation.h"
#include "core/outgoing.h"
#include "core/proofs.h"
#include "core/renewal.h"
#include "core/route.h"
#include "xmpp/stream_in.h"

struct claim;

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
	struct claim *claim;         /* the header's `from` is being judged */
	struct assessment *assessed; /* owned; what came of it; NULL: nothing yet */
	unsigned assessed_in;        /* the worker's generation then */
	struct decision *decision;   /* owned; of the negotiation under way; NULL: none */
	bool paid;                   /* the header's `from` was looked up at the source's expense */
	bool direct_tls, up, closing, dead;
	char session[SESSION_ID_LEN + 1];
	uint64_t began_ms;
	uint64_t stanzas;
	unsigned questions; /* db:verify that were answered */
	unsigned looks;     /* look-ups for names that its certificate proves */
};

/* What hangs on a pair: its way, the question about its key, what proves it. */
struct pair_in {
	struct peer_in *peer; /* NULL once the stream is gone */
	struct pair *pair;
	struct route *route;
	struct outgoing *question;
	struct claim *claim;         /* it is being judged */
	struct assessment *assessed; /* owned; until the pair is in the log */
	enum proof_kind by;          /* VALID: what proves it; ASKED: dialback */
	struct renewal renewal;
	unsigned judged; /* the worker's generation then */
	bool paid;
};

/* The stream (peer_in.c). */
void peer_in_run_actions(struct peer_in *p, struct actions *a);
void peer_in_fail(struct peer_in *p, struct err why);
void peer_in_leave_judging(struct peer_in *p);

/* What is said of it (peer_notes.c). a may be NULL. */
void peer_in_log_refused(struct peer_in *p, struct err why, const struct actions *a);
void peer_in_log_pair(struct peer_in *p, const struct pair *pair);
void peer_in_log_pair_refused(
	struct peer_in *p, const struct pair *pair, struct err why, const struct assessment *found);
/* For `fedgate explain`: a header has named a domain of ours. */
void peer_in_begin_decision(struct peer_in *p, const struct stream_header *h);
void peer_in_note(struct peer_in *p, const char *step, enum step_mark mark, struct err why,
	const char *detail);
void peer_in_note_pair(struct peer_in *p, const struct pair *pair, struct err why);
void peer_in_note_not_valid(struct peer_in *p, const struct pair *pair, struct err why);
void peer_in_keep_decision(struct peer_in *p, struct err why);

/* Who it says it is (peer_claims.c). */
void peer_in_judge_peer(struct peer_in *p); /* the header's `from` */
void peer_in_judge_pair(struct peer_in *p, struct pair *pair);
void claim_end(struct claim *claim); /* NULL is fine; nobody is told */
void peer_in_judge_pair_again(struct peer_in *p, struct pair *pair); /* one that is valid */
/* rested_on: PROOF_KINDS the first time; late: why no more is waited for; ERR_OK: it is. */
void peer_in_weigh(const struct peer_in *p, const struct domain *d, struct proofs_view known,
	enum proof_kind rested_on, const struct evidence *pkix, enum err_code late,
	struct weighed *out);
/* DB-15: what turns out to be true costs nothing. */
void peer_in_give_back(struct peer_in *p, bool *paid);
enum delegation_state peer_in_neighbour_points(const struct peer_in *p, const struct domain *d);
bool peer_in_is_ours(const struct peer_in *p, const struct domain *d, enum delegation_state points);

/* What of that still stands (peer_standing.c). */
/* The pair has become valid. ERR_OK, or why it must not be (a reload came between). */
struct err peer_in_note_valid(struct peer_in *p, struct pair *pair);
/* ID-10, M-3, DANE-9, POSH-6: judges again what has run out and what a reload may have changed;
 * all: everything. The stream goes on meanwhile. False: it was ended. */
bool peer_in_proofs_hold(struct peer_in *p, bool all);
/* How long until a proof runs out, at most `most`. */
uint64_t peer_in_next_ms(const struct peer_in *p, uint64_t most);
struct err peer_in_levels_hold(const struct peer_in *p);

/* Pairs and proofs (peer_pairs.c). */
void pair_in_end(struct pair_in *pi);
struct pair_in *pair_in_of(struct peer_in *p, struct pair *pair);
void peer_in_look_at_pair(struct peer_in *p, struct pair *pair, struct actions *a);
void peer_in_ask(struct peer_in *p, struct pair *pair);
void peer_in_log_not_asked(struct peer_in *p, const struct pair *pair, struct err why);
struct route *peer_in_route(struct peer_in *p, struct pair *pair);

#endif
