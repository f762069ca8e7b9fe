/* Does this certificate name this domain? RFC 9525 with RFC 6120 13.7.1.2.1: DNS-ID with
 * wildcards, SRV-ID `_xmpp-server.DOMAIN` (RFC 4985), XmppAddr holding a bare domain. Never CN
 * (RFC 9525 2), never iPAddress, never URI. Pure. */
#ifndef FEDGATE_TRUST_IDENTITY_H
#define FEDGATE_TRUST_IDENTITY_H

#include "base/domain.h"
#include "trust/cert.h"

/* True when a name of the certificate matches `domain` for the s2s service. allow_other_names as
 * in cert_rules. *which (may be NULL) gets the index of the name that matched. */
bool identity_matches(const struct cert_facts *facts, const struct domain *domain,
	bool allow_other_names, size_t *which);
/* One DNS-ID pattern against one domain in A-labels: `*` only as the whole left-most label,
 * exactly one label, never against an A-label prefix trick (`f*`, `*.*`, `xn--*`). */
bool identity_dns_matches(struct slice pattern, const struct domain *domain);
/* The presented names for a log line: bounded (a long name is cut, "..." stands for those that do
 * not fit), sanitised, comma-separated, without localparts. */
void identity_describe(const struct cert_facts *facts, char *out, size_t size);

#endif
