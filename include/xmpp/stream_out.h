/* The initiating side: towards a peer (W-OUT, to send stanzas or to ask a dialback question) and
 * towards a backend (B-IN, or to ask whether a caller on egress is the backend).
 *
 *  peer:    HEADER -> FEATURES -> PROCEED -> TLS -> ASSESS -> HEADER -> FEATURES
 *           -> AUTH -> HEADER -> FEATURES -> OPEN        (EXTERNAL)
 *           -> RESULT -> OPEN                            (dialback)
 *           -> VERIFY -> done                            (a question)
 *  backend: HEADER -> FEATURES -> RESULT or VERIFY, in plaintext, nothing else used.
 *
 * local speaks to remote: for B-IN, local is the proven peer and remote the tenant. */
#ifndef FEDGATE_XMPP_STREAM_OUT_H
#define FEDGATE_XMPP_STREAM_OUT_H

#include "xmpp/stream.h"

enum stream_out_state {
	SOUT_HEADER,
	SOUT_FEATURES,
	SOUT_PROCEED,
	SOUT_TLS,
	SOUT_ASSESS,
	SOUT_AUTH,
	SOUT_RESULT, /* our db:result is out */
	SOUT_VERIFY, /* our db:verify is out */
	SOUT_OPEN,
	SOUT_CLOSED,
};

struct stream_out_config {
	struct domain local, remote;
	bool backend;      /* plaintext dialback, nothing else */
	bool direct_tls;   /* TLS is up before the first header */
	bool attempt_tls;  /* STARTTLS also when policy would do without (RFC 7590 3.1) */
	bool tls_required; /* the floor is at least secure */
	bool may_external; /* we hold a certificate to show */
	bool may_dialback; /* fall back to it (always so for backends) */
	bool verify;       /* only ask: */
	char verify_id[STREAM_ID_MAX + 1];
	char verify_key[PAIR_KEY_MAX + 1];
	char lang[STREAM_LANG_MAX + 1]; /* of our headers; "" = en */
};

struct stream_out {
	struct stream_out_config config; /* verify_key is wiped once it is sent */
	enum stream_out_state state;
	bool secured, authenticated, pre_xmpp1;
	bool offers_dialback, has_dialback_ns;
	bool key_sent;              /* our db:result is out: an answer may come */
	enum pair_proof proof;      /* how the peer came to believe us */
	size_t peer_max_bytes;      /* XEP-0478; 0: not said */
	unsigned peer_idle_seconds; /* XEP-0478; 0: not said */
	char id[STREAM_ID_MAX + 1]; /* of the peer's last response header (DB-8) */
	unsigned ignored;
};

void stream_out_init(struct stream_out *s, const struct stream_out_config *config);
void stream_out_fini(struct stream_out *s);
void stream_out_start(struct stream_out *s, struct actions *a); /* TCP (or direct TLS) is up */
void stream_out_header(
	struct stream_out *s, const struct stream_header *h, struct err wrong, struct actions *a);
void stream_out_element(struct stream_out *s, const struct element *el, struct actions *a);
void stream_out_tls_up(struct stream_out *s, struct actions *a);
/* The certificate was judged: REFUSED ends the attempt, else negotiation goes on. */
void stream_out_peer_verdict(struct stream_out *s, struct verdict v, struct actions *a);
/* The answer to ACT_DIALBACK. */
void stream_out_send_key(struct stream_out *s, struct slice key, struct actions *a);
void stream_out_end(struct stream_out *s, struct actions *a);
void stream_out_fail(struct stream_out *s, struct err why, const char *detail, struct actions *a);
/* We are done: the end tag, no error (RFC 6120 4.4). */
void stream_out_finish(struct stream_out *s, struct err why, struct actions *a);

#endif
