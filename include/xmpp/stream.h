/* What both stream machines share: pure RFC 6120 negotiation, events in, actions out. No sockets,
 * no clock, no randomness: ids and verdicts come as arguments.
 *
 * Every step appends bytes to actions.out and records to actions.list. The caller sends the bytes
 * first, also when the step failed, then carries out the list in order. */
#ifndef FEDGATE_XMPP_STREAM_H
#define FEDGATE_XMPP_STREAM_H

#include "xmpp/element.h"
#include "xmpp/header.h"
#include "xmpp/pairs.h"

enum act_kind {
	ACT_START_TLS,   /* nothing behind the element just read may reach the parser (TLS-1) */
	ACT_RESTART,     /* a new stream header comes next on the same connection */
	ACT_ASSESS,      /* judge `pair`, then stream_in_verdict() */
	ACT_ASSESS_PEER, /* judge the peer's certificate, then stream_*_peer_verdict() */
	ACT_VERIFY,      /* ask pair->from's authoritative server, then stream_in_verified() */
	ACT_CHECK_KEY,   /* check actions.query, then stream_in_key_checked() */
	ACT_PAIR_VALID,  /* stanzas of `pair` may pass from now on */
	ACT_DIALBACK,    /* make the key for s->id, then stream_out_send_key() */
	ACT_READY,       /* an initiating stream may carry stanzas */
	ACT_VERIFIED,    /* the answer to our db:verify is in actions.outcome */
	ACT_IGNORED,     /* something legal to ignore came (counted; why says what) */
	ACT_CLOSE,       /* the stream is over: flush, then close; why tells the reason */
};

/* DB_BUSY: a question to us, for which there is no time. */
enum db_outcome { DB_VALID, DB_INVALID, DB_ERROR, DB_BUSY };

struct act {
	enum act_kind kind;
	struct pair *pair;
	struct err why;
};

/* A db:verify request, copied out of its element. */
struct db_query {
	struct domain from, to;
	char id[STREAM_ID_MAX + 1];
	char key[PAIR_KEY_MAX + 1];
};

enum { ACTIONS_MAX = 8, CONDITION_MAX = 40 };

struct actions {
	struct buf out;
	struct act list[ACTIONS_MAX];
	size_t count;
	struct db_query query;
	enum db_outcome outcome;
	char condition[CONDITION_MAX + 1]; /* the other side's error condition, "" when none */
	char text[121];                    /* the other side's error text, cut, printable only */
};

void actions_init(struct actions *a);
void actions_fini(struct actions *a);
void actions_clear(struct actions *a); /* for the next step */
void actions_add(struct actions *a, enum act_kind kind, struct pair *pair, struct err why);

/* Copies the first child's name (the condition) and the text of a stream or dialback error. */
void actions_note_error(struct actions *a, const struct element *error);

/* What the caller found out about a domain's proof. */
struct verdict {
	enum verdict_decision { VERDICT_PROVEN, VERDICT_ASK, VERDICT_REFUSED } decision;
	enum pair_proof proof; /* PROVEN: by what */
	struct err why;        /* REFUSED: the reason; else what kept a better proof away */
};

#endif
