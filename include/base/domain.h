/* Domain names: one form for every use (configuration, SNI, `to`, SAN, DNS).
 *
 * A domain is kept as its A-labels in lower case without a trailing dot, which is what DNS, SNI
 * and certificates compare (RFC 9525 6.3; RFC 7622 3.2). `domain_parse` takes U-labels or A-labels
 * and applies IDNA2008 with UTS 46 non-transitional mapping. IP literals, names over 253 octets,
 * labels over 63, empty labels, fake A-labels and anything IDNA refuses give ERR_DOMAIN.
 * A name whose IDNA2003 (nameprep) reading is another domain gives ERR_DOMAIN_FOLD: Prosody and
 * ejabberd would take it for that other domain (protocol sheet ADR-5). */
#ifndef FEDGATE_BASE_DOMAIN_H
#define FEDGATE_BASE_DOMAIN_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

enum { DOMAIN_MAX = 253, DOMAIN_UNICODE_MAX = 1023 };

struct domain {
	uint8_t len;               /* 0: no domain */
	char name[DOMAIN_MAX + 1]; /* A-labels, lower case, NUL-terminated */
	/* It was written in A-labels. Whoever writes so compares so, and keeps a dialback key under
	 * that name: the answer is written alike. Means nothing to domain_eq(). */
	bool ascii;
};

struct err domain_parse(struct slice text, struct domain *out);
struct domain domain_canonical(const struct domain *d); /* the same, however it was written */
bool domain_eq(const struct domain *a, const struct domain *b);
struct slice domain_slice(const struct domain *d); /* borrowed from d */
bool domain_is_set(const struct domain *d);
/* The canonical form for XMPP (RFC 7622: U-labels, lower case). `out` is NUL-terminated. */
struct slice domain_unicode(const struct domain *d, char out[DOMAIN_UNICODE_MAX + 1]);
/* Where a server under this name can be looked up. */
enum domain_scope {
	DOMAIN_PUBLIC,  /* in the public DNS */
	DOMAIN_LOCAL,   /* in a private one: a single label, .local, .internal, .home.arpa, .test */
	DOMAIN_NOWHERE, /* in none: .localhost, .invalid, .onion, .alt (RFC 6761, 7686, 9476) */
};
enum domain_scope domain_scope(const struct domain *d);
/* Whether `text` already is the canonical XMPP form of d, byte for byte. */
bool domain_is_canonical(const struct domain *d, struct slice text);
uint64_t domain_hash(const struct domain *d); /* not keyed: for tables of our own making */

#endif
