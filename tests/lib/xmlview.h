/* What a parser sees in a complete XML document, written down so that two views can be compared
 * byte by byte: expanded names, attributes in order of their names, text, nesting; and where the
 * top-level elements end. Two parsers that the world uses behind XMPP: expat (Prosody, ejabberd)
 * and libxml2 (SAX2). For tests only. */
#ifndef FEDGATE_TESTS_XMLVIEW_H
#define FEDGATE_TESTS_XMLVIEW_H

#include "base/buf.h"

struct xmlview {
	bool ok;         /* well-formed and namespace-well-formed to the last byte */
	struct buf all;  /* everything */
	struct buf tops; /* the start tags of the root and of its children alone */
	struct buf cuts; /* the children's ends, as offsets in decimal, a space behind each */
	struct buf lang; /* the xml:lang in force at the last child of the root */
	int code;        /* the parser's own error code, for a person to read */
};

struct xmlview_attr {
	struct slice ns, local, value;
};

/* What is to be seen other than it stands there, in the start tags of the root's children. */
struct xmlview_edit {
	struct slice from, to; /* the value of such an attribute, where there is one; or ptr NULL */
	struct slice lang;     /* an xml:lang where there is none; or ptr NULL */
};

void xmlview_expat(struct slice doc, const struct xmlview_edit *edit, struct xmlview *out);
void xmlview_libxml2(struct slice doc, const struct xmlview_edit *edit, struct xmlview *out);
/* The view without the root's start tag. */
struct slice xmlview_inside(const struct xmlview *v);
void xmlview_fini(struct xmlview *v);

/* Writes one start tag; sorts the attributes. */
void xmlview_start(struct buf *out, struct slice ns, struct slice local, struct xmlview_attr *attrs,
	size_t count);
/* A view with its marks made readable, for a failing test. */
void xmlview_print(const char *title, const struct buf *view);

#endif
