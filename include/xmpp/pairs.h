/* The proven pairs of one stream. A pair is (from-domain, to-domain), ordered; authorisation is
 * per pair and per stream (protocol sheet M-3, ADR-4, DB-4, EXT-4). */
#ifndef FEDGATE_XMPP_PAIRS_H
#define FEDGATE_XMPP_PAIRS_H

#include "base/domain.h"

enum { PAIRS_MAX = 100, PAIRS_PENDING_MAX = 16 };

enum pair_state {
	PAIR_ASSESSING, /* the certificate of this stream is being judged for it */
	PAIR_VERIFYING, /* dialback: the authoritative server is being asked */
	PAIR_VALID,
	PAIR_FAILED,
};

enum pair_proof { PROOF_NONE, PROOF_EXTERNAL, PROOF_CERTIFICATE, PROOF_DIALBACK, PROOF_BACKEND };
const char *pair_proof_name(enum pair_proof proof);

enum { PAIR_KEY_MAX = 255 };

struct pair {
	struct domain from, to;
	/* Canonical XMPP forms, for the comparison that nearly every stanza takes. */
	char *from_text, *to_text; /* owned */
	size_t from_len, to_len;
	enum pair_state state;
	enum pair_proof proof;
	bool reverify;              /* valid, and asked again (DB-4) */
	char key[PAIR_KEY_MAX + 1]; /* of the pending dialback request, opaque (DB-7) */
	void *user;                 /* the way of its stanzas; belongs to whoever set it */
};

struct pairs {
	struct pair **items; /* owned */
	size_t count;
};

void pairs_init(struct pairs *p);
void pairs_fini(struct pairs *p);
struct pair *pairs_find(const struct pairs *p, const struct domain *from, const struct domain *to);
/* The pair whose canonical texts are exactly these domainparts; the cheap way. */
struct pair *pairs_find_text(const struct pairs *p, struct slice from, struct slice to);
bool pairs_has_from(const struct pairs *p, const struct domain *from); /* a valid one */
/* A new pair in PAIR_ASSESSING; NULL when the stream has too many. */
struct pair *pairs_add(struct pairs *p, const struct domain *from, const struct domain *to);
size_t pairs_valid_count(const struct pairs *p);
bool pair_is_pending(const struct pair *pair); /* a question about it is open */
size_t pairs_pending_count(const struct pairs *p);

#endif
