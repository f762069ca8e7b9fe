/* The receiving side of a server-to-server stream: a peer's (W-IN) or a backend's on egress
 * (B-OUT).
 *
 *  peer:   HEADER -> PLAIN -> TLS -> HEADER -> ASSESS -> NEGOTIATE -> (SASL) HEADER -> OPEN
 *  direct TLS starts at the second HEADER; egress goes HEADER -> OPEN, in plaintext.
 *
 * Once a pair is proven, stanzas do not come here: stanza_find_pair() says whose they are. */
#ifndef FEDGATE_XMPP_STREAM_IN_H
#define FEDGATE_XMPP_STREAM_IN_H

#include "xmpp/stream.h"

enum stream_in_state {
	SIN_HEADER,    /* waiting for a stream header */
	SIN_PLAIN,     /* features sent without TLS */
	SIN_TLS,       /* <proceed/> sent */
	SIN_ASSESS,    /* post-TLS features held back until the certificate is judged (EXT-2) */
	SIN_NEGOTIATE, /* features sent: EXTERNAL, dialback */
	SIN_OPEN,      /* negotiated; further pairs may be asked for */
	SIN_CLOSED,
};

/* What the gate knows about a header's domains; the caller looks it up. */
struct stream_local {
	bool served, gone; /* the header's `to` (egress: `from`) */
	bool tls_required; /* the floor is at least secure */
	bool offer_tls;
	bool sni_conflict;     /* the TLS server name is another tenant's (SNI-4) */
	bool from_ours;        /* a stranger claims one of our domains (M-4, ADR-8) */
	size_t max_bytes;      /* of a stanza, told the peer (XEP-0478); 0: not told */
	unsigned idle_seconds; /* after which we close, told the peer; 0: not told */
	struct err refusal;    /* egress: why this caller may not speak for `from` */
};

struct stream_in {
	enum stream_in_state state;
	bool egress, secured, authenticated, external_offered, pre_xmpp1;
	unsigned sasl_failures;
	unsigned ignored;          /* elements that were legal to ignore */
	struct stream_local local; /* of the last header */
	struct domain ours, peer;  /* header's `to` and `from` (egress: the other way round) */
	struct domain first_ours;  /* pre-TLS `to`, kept for comparison only (TLS-2) */
	struct domain gate_name;   /* the `from` of error headers; may be unset (ST-2) */
	struct stream_header header;
	char id[65];       /* of our last response header */
	char error_id[65]; /* for a header that only carries an error (ST-3) */
	struct pairs pairs;
};

/* error_id: as new_id below, kept for the case that the stream ends before its header is read. */
void stream_in_init(struct stream_in *s, bool egress, bool secured, const struct domain *gate_name,
	const char *error_id);
void stream_in_fini(struct stream_in *s);
/* A header came: h and wrong as stream_header_read() gave them; new_id is fresh, unpredictable and
 * never used before (ST-3). */
void stream_in_header(struct stream_in *s, const struct stream_header *h, struct err wrong,
	const struct stream_local *local, const char *new_id, struct actions *a);
/* A top-level element that is not a stanza of a proven pair. */
void stream_in_element(struct stream_in *s, const struct element *el, struct actions *a);
void stream_in_tls_up(struct stream_in *s); /* the pairs are gone: the caller let go of them */
void stream_in_peer_verdict(struct stream_in *s, struct verdict v, struct actions *a);
void stream_in_verdict(struct stream_in *s, struct pair *pair, struct verdict v, struct actions *a);
/* condition: for DB_ERROR, one of XEP-0220 2.5's. */
void stream_in_verified(struct stream_in *s, struct pair *pair, enum db_outcome outcome,
	const char *condition, struct actions *a);
void stream_in_key_checked(
	struct stream_in *s, const struct db_query *q, enum db_outcome outcome, struct actions *a);
void stream_in_end(struct stream_in *s, struct actions *a); /* the root's end tag came */
/* Ends the stream for a reason; detail may be NULL. condition NULL: the one of the reason. */
void stream_in_fail(struct stream_in *s, struct err why, const char *condition, const char *detail,
	struct actions *a);

#endif
