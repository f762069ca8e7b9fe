/* Stanzas at the gate: what they are, whose they are, and the error that answers one. */
#ifndef FEDGATE_XMPP_STANZA_H
#define FEDGATE_XMPP_STANZA_H

#include "base/buf.h"
#include "base/domain.h"
#include "xmpp/pairs.h"
#include "xmpp/scan.h"

enum stanza_kind { STANZA_NONE, STANZA_MESSAGE, STANZA_PRESENCE, STANZA_IQ };

/* STANZA_NONE for every element that is not {jabber:server}message, presence or iq. */
enum stanza_kind stanza_kind(const struct scan_element *e);

/* The addresses of one stanza, judged (RFC 6120 8.1; ADR-1, ADR-5). from_text and to_text hold a
 * rewritten address when the domainpart was not in canonical form, else they are empty. */
struct stanza_addresses {
	struct domain from, to;
	struct buf from_text, to_text;
};
void stanza_addresses_init(struct stanza_addresses *a);
void stanza_addresses_fini(struct stanza_addresses *a);
/* ERR_ADDRESS when one is missing or not a JID, ERR_DOMAIN, ERR_DOMAIN_FOLD. Reusable. */
struct err stanza_addresses_read(const struct scan_element *e, struct stanza_addresses *a);
/* The proven pair whose stanza it is: *pair, or NULL and the reason that ends the stream (ADR-1..4,
 * ST-9: ERR_STREAM_PREFIX, ERR_ADDRESS, ERR_DOMAIN..., ERR_INVALID_FROM, ERR_PAIR_TO). `a` is
 * scratch; its texts then hold the addresses that must be rewritten (ADR-5). */
struct err stanza_find_pair(const struct scan_element *e, const struct pairs *pairs,
	struct stanza_addresses *a, struct pair **pair);

/* The error that answers `stanza` (bytes as they were queued: complete, repaired), addressed back
 * to its sender (ADR-9; RFC 6120 8.3). condition as in 8.3.3, text for a person, both plain.
 * False when the stanza must not be answered: errors, iq results, presence other than
 * subscription and probe. */
bool stanza_bounce(struct slice stanza, const char *condition, const char *text, struct buf *out);
/* The stanza error condition that fits a reason (RFC 6120 10.4.3). */
const char *stanza_condition(enum err_code code);

#endif
