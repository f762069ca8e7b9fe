/* A stream header as read (RFC 6120 4.7), whoever sent it. */
#ifndef FEDGATE_XMPP_HEADER_H
#define FEDGATE_XMPP_HEADER_H

#include "base/domain.h"
#include "xmpp/scan.h"

enum { STREAM_ID_MAX = 255, STREAM_LANG_MAX = 35 };

struct stream_header {
	struct domain from, to; /* unset when missing */
	bool has_version;       /* false: a peer before XMPP 1.0 (ST-4) */
	unsigned major;
	char id[STREAM_ID_MAX + 1];     /* "" when missing */
	char lang[STREAM_LANG_MAX + 1]; /* "" when missing, unreadable or too long */
	bool has_dialback;              /* the dialback namespace is declared */
};

/* ERR_STREAM_ROOT, ERR_STREAM_NS, ERR_STREAM_PREFIX, ERR_ADDRESS, ERR_DOMAIN..., ERR_LIMIT; *out
 * holds what could be read all the same (never an address that failed). */
struct err stream_header_read(const struct scan_element *e, struct stream_header *out);

#endif
