/* The only writer of XML. Everything that is not a constant goes through xml_escape. All functions
 * append to a buf; callers give buffers with room (a full one drops the rest: the link closes). */
#ifndef FEDGATE_XMPP_XMLOUT_H
#define FEDGATE_XMPP_XMLOUT_H

#include "base/buf.h"
#include "base/domain.h"

/* Text or attribute value: & < > ' " and the white space that attributes would lose. */
void xml_escape(struct buf *out, struct slice text);
/* name='escaped value' with a space before it. */
void xml_attr(struct buf *out, const char *name, struct slice value);

struct xml_header {
	const struct domain *from; /* NULL: left out; unset: from='' */
	const struct domain *to;   /* NULL or unset: left out */
	struct slice id;           /* receivers make one; initiators must not (ST-3) */
	struct slice lang;         /* empty: "en" */
	bool no_version;           /* the answer to a peer before 1.0 (ST-4) */
};
/* XML declaration and start tag with the literal prefixes `stream:` and `db:`, which ejabberd
 * wants (backends.md 2), and nothing else declared (ST-9). */
void xml_stream_header(struct buf *out, const struct xml_header *h);
void xml_stream_end(struct buf *out);
/* <stream:error> with the condition of e's row, the sentence, detail (may be NULL) and the stable
 * id, then the end tag (RFC 6120 4.9.1.1). Nothing when the row has no condition. */
void xml_stream_error(struct buf *out, struct err e, const char *detail);
/* The same with another condition (BE-10's translation). */
void xml_stream_error_as(struct buf *out, const char *condition, struct err e, const char *detail);

/* XEP-0220. Domains are written as they were asked about (domain.ascii). type NULL: a request. key
 * empty: none. */
void xml_db_result(struct buf *out, const struct domain *from, const struct domain *to,
	const char *type, struct slice key);
void xml_db_verify(struct buf *out, const struct domain *from, const struct domain *to,
	struct slice id, const char *type, struct slice key);
/* name "result" or "verify"; condition from RFC 6120 8.3.3 (XEP-0220 2.5). */
void xml_db_error(struct buf *out, const char *name, const struct domain *from,
	const struct domain *to, struct slice id, const char *condition);

#endif
