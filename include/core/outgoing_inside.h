/* The inside of a stream that we dial: proxy/core/outgoing.c is its life and its queue,
 * outgoing_stream.c what is said on one connection, outgoing_proof.c who is at its other end. */
#ifndef FEDGATE_CORE_OUTGOING_INSIDE_H
#define FEDGATE_CORE_OUTGOING_INSIDE_H

#include "core/decision.h"
#include "core/outgoing.h"
#include "core/proofs.h"
#include "core/renewal.h"

struct outgoing {
	struct session_node node; /* first: in worker->outgoings */
	struct worker *worker;
	struct outgoing_config config;
	const struct outgoing_events *events;
	void *owner;
	enum outgoing_state state;
	struct dial dial;
	struct link link;
	struct stream_out stream;
	struct sendq queue;
	struct timer deadline, soon;
	struct timer patience; /* of the queue's first stanza, while there is no connection */
	struct credential *credential; /* held while the link uses it */
	char session[SESSION_ID_LEN + 1], lang[STREAM_LANG_MAX + 1];
	char verify_id[STREAM_ID_MAX + 1], verify_key[PAIR_KEY_MAX + 1];
	char server_name[DOMAIN_MAX + 1];
	bool direct_tls, was_ready, finishing, dead, closing_stream, have_failure, answered;
	bool carrying;       /* the link was ready: stanzas may be on its wire */
	bool next_candidate; /* the link that closes now was one of several candidates */
	struct err why;
	char condition[CONDITION_MAX + 1], text[121];
	struct assessment assessed;
	struct dial_endpoint *reached; /* owned; NULL: DNSSEC does not vouch for where we are */
	struct tlsa_set *tlsa;         /* owned; of `reached` */
	struct proofs_wait *wait;      /* what the peer publishes is being found out */
	unsigned wants;                /* of that, what can matter: proofs_kind */
	struct timer late;             /* for that */
	struct evidence *pkix;         /* owned; found out already, while waiting for the others */
	struct renewal renewal;
	bool judging_again;
	unsigned judged;           /* the worker's generation when the peer was assessed */
	struct decision *decision; /* of the negotiation under way; NULL: none */
	uint64_t began_ms;
};

/* Its life (outgoing.c). */
bool outgoing_is_question(const struct outgoing *o);
struct shared_held outgoing_held(const struct outgoing *o);
/* Keeps the worker's sums in step after the queue has changed. */
void outgoing_account(struct outgoing *o, struct shared_held before);
/* What the peer has proven to us on this connection (M-5). */
enum level outgoing_level(const struct outgoing *o);
void outgoing_fail(struct outgoing *o, struct err why);
void outgoing_connection_over(struct outgoing *o, struct err why);
void outgoing_on_closing(void *owner);
void outgoing_on_closed(void *owner);
void outgoing_close_stream(struct outgoing *o);

/* One connection (outgoing_stream.c). */
void outgoing_on_connected(void *owner, int fd, bool direct_tls);
void outgoing_run_actions(struct outgoing *o, struct actions *a);
void outgoing_on_late(void *arg); /* the deadline of a negotiation or of a close */

/* The other end (outgoing_proof.c). */
void outgoing_prepare_proof(struct outgoing *o); /* asks what is better known before it connects */
/* The socket is there: what DNS says about where it leads. */
void outgoing_note_endpoint(struct outgoing *o);
void outgoing_forget_endpoint(struct outgoing *o);
/* Judges the certificate, now or when more is known. */
void outgoing_prove(struct outgoing *o, struct actions *a);
void outgoing_stop_proving(struct outgoing *o);
/* M-3: whether what was proven suffices under the rules of now. */
bool outgoing_reaches_floor(struct outgoing *o);
/* ID-10, DANE-9, POSH-6: finds out anew what has run out, or what a reload may have changed. The
 * stream goes on meanwhile; it is closed when the proof is gone. */
void outgoing_judge_again(struct outgoing *o);
void outgoing_judge_soon(struct outgoing *o);
bool outgoing_proof_is_due(struct outgoing *o);
/* What the peer has to prove. */
enum level outgoing_floor(const struct outgoing *o);

/* What is said of it (outgoing_notes.c). */
void outgoing_log(struct outgoing *o, struct err why, const char *event);
void outgoing_log_up(struct outgoing *o);
/* For `fedgate explain`: an attempt begins. */
void outgoing_begin_decision(struct outgoing *o);
void outgoing_note(struct outgoing *o, const char *step, enum step_mark mark, struct err why,
	const char *detail);
void outgoing_note_connected(struct outgoing *o);
void outgoing_keep_decision(struct outgoing *o, struct err why);

#endif
