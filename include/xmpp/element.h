/* Complete small elements as trees, read by libxml2: negotiation only (features, SASL, dialback,
 * stream errors). The bytes come from the scanner, cut, checked and capped; libxml2 never sees
 * anything else. Names are resolved; the tree owns all its text. */
#ifndef FEDGATE_XMPP_ELEMENT_H
#define FEDGATE_XMPP_ELEMENT_H

#include "xmpp/scan.h"

struct element_attr {
	const char *ns; /* "" when none */
	const char *name;
	const char *value;
};

struct element {
	const char *ns;
	const char *name;
	const char *text; /* character data of this element itself, joined; "" when none */
	struct element_attr *attrs;
	size_t attr_count;
	struct element *children; /* first child or NULL */
	struct element *next;     /* next sibling or NULL */
};

/* Parses the scanner's element, with the header's bindings for the prefixes it needs. NULL with
 * *e set when libxml2 refuses it or the tree is over 256 elements. The root owns the whole tree. */
struct element *element_parse(const struct scan_element *scanned, struct err *e);
void element_free(struct element *root);
bool element_is(const struct element *el, const char *ns, const char *name);
/* First child with that name, or NULL. ns NULL: any namespace. */
const struct element *element_child(const struct element *el, const char *ns, const char *name);
/* Attribute without a namespace; NULL when missing. */
const char *element_attr(const struct element *el, const char *name);

#endif
