/* Addresses: only their domainparts concern us. Localparts and resources are never changed. */
#ifndef FEDGATE_XMPP_JID_H
#define FEDGATE_XMPP_JID_H

#include "base/domain.h"

/* The domainpart of a JID (RFC 7622 3.2): what stands before the first '/', behind the first '@'.
 * False when a part is empty or over 1023 octets. */
bool jid_domainpart(struct slice jid, struct slice *domainpart);
/* A stream header's or dialback element's `from`/`to`: a bare domain, nothing else. */
struct err jid_domain_only(struct slice text, struct domain *out);

#endif
