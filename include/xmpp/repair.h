/* A judged element goes on verbatim, after repair of its start tag (house rule 5; protocol sheet
 * ST-9, ST-12, ADR-5, M-2). The stream it goes out on declares exactly
 *	xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'
 *	xmlns:db='jabber:server:dialback'  (and xml:lang as told)
 * so every prefix whose binding comes from the incoming header and is not one of these, or is
 * bound otherwise there, is declared on the element's start tag, escaped; `from` and `to` are
 * replaced when their domains were not canonical; xml:lang is added when the incoming stream's
 * differs and the element has none. The output equals the input by expanded names. */
#ifndef FEDGATE_XMPP_REPAIR_H
#define FEDGATE_XMPP_REPAIR_H

#include "xmpp/scan.h"

struct repair {
	struct slice from; /* new value of `from`, not escaped; ptr NULL: as it is */
	struct slice to;   /* the same for `to` */
	struct slice lang; /* not escaped; put on the element when it has no xml:lang; NULL: none */
	size_t max_bytes;  /* of the repaired element (a repair must not pass the size limit) */
};

/* Whether the element can go on untouched: then send e->raw itself. */
bool repair_needless(const struct scan_element *e, const struct repair *r);
/* Appends the repaired element. ERR_STANZA_SIZE over max_bytes, ERR_LIMIT when out is full; out is
 * then as it was. */
struct err repair_append(const struct scan_element *e, const struct repair *r, struct buf *out);

#endif
