/* The stream scanner: strict, incremental, linear. It reads the XMPP profile of XML (RFC 6120 11)
 * and cuts a stream into its header (the root's start tag), complete top-level elements and the
 * root's end tag. Everything it accepts, libxml2 and expat accept too and see alike: same names,
 * same cut points; the fuzz target holds that.
 *
 * Refused: any encoding but UTF-8, BOM, DTD, comments, processing instructions, entities other
 * than the five predefined ones and character references, text outside white space between
 * top-level elements, names outside ASCII, unbound prefixes, namespace names that are no URI
 * reference, attributes equal by expanded name, everything over the limits. A limit is checked
 * while bytes arrive, never at an element's end. An optional plain XML declaration (version '1.0',
 * encoding UTF-8 or none, no standalone='no' nonsense) is accepted at the very start only.
 *
 * Cost is linear in the bytes fed, whatever the split. Memory: the element being read when it
 * spans feeds (at most max_element_bytes), plus small fixed state. No recursion. */
#ifndef FEDGATE_XMPP_SCAN_H
#define FEDGATE_XMPP_SCAN_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

struct scan_limits {
	size_t max_element_bytes; /* one top-level element, all of it */
	size_t max_header_bytes;  /* XML declaration and root start tag */
	size_t max_tag_bytes;     /* any other start tag */
	unsigned max_depth;       /* nesting below the root */
	unsigned max_attrs;       /* of one start tag, declarations not counted */
	unsigned max_ns;          /* declarations of one start tag; in scope: four times that */
};

/* 512 KiB elements, 8 KiB header, 16 KiB tags, depth 64, 256 attributes, 64 declarations. */
extern const struct scan_limits scan_limits_proven;
/* Before anything is proven: 16 KiB elements, 8 KiB header and tags, depth 16, 32, 16. */
extern const struct scan_limits scan_limits_stranger;

enum scan_event {
	SCAN_MORE,    /* all input is consumed; feed more */
	SCAN_HEADER,  /* the root's start tag: scan_element() describes it (raw: from '<' to '>') */
	SCAN_ELEMENT, /* a complete top-level element: scan_element() describes it */
	SCAN_END,     /* the root's end tag; nothing may follow */
	SCAN_ERROR,   /* scan_error(); the scanner stays in this state */
};

/* One attribute of the described start tag, namespace declarations left out. `value` is raw: as
 * written between the quotes, references not resolved (see scan_decode). */
struct scan_attr {
	struct slice prefix; /* empty when none */
	struct slice local;
	struct slice ns; /* decoded; empty when none */
	struct slice value;
	struct slice whole; /* from the name's first byte to the closing quote */
};

/* A prefix the element uses somewhere without declaring it there: its binding comes from the
 * stream header. Prefix "" is the default namespace; its ns is empty when the header has none.
 * "xml" is never listed. A header lists all that it declares. */
struct scan_need {
	struct slice prefix;
	struct slice ns; /* decoded */
};

/* The description of the start tag and what the whole element needs. Valid until the next
 * scan_next() or scan_fini(). */
struct scan_element {
	struct slice raw;       /* the bytes; for a header the start tag alone */
	struct slice start_tag; /* raw's start tag, '<' to '>' (or "/>") */
	struct slice prefix, local, ns;
	const struct scan_attr *attrs;
	size_t attr_count;
	const struct scan_need *needs;
	size_t need_count;
	bool declares_default; /* the start tag has its own xmlns='...' */
};

struct scan; /* opaque: small, owned by its stream */

struct scan *scan_new(const struct scan_limits *limits); /* the limits are copied */
void scan_free(struct scan *s);
/* Takes new limits from the next byte on (a stream that was proven). */
void scan_set_limits(struct scan *s, const struct scan_limits *limits);
/* Forget everything: a new XML document starts with the next byte (stream restart). */
void scan_reset(struct scan *s);

/* Reads from *in and advances it behind what was consumed. Returns at every event; call again
 * with the rest until SCAN_MORE. The element's bytes stand in *in's memory when the element came
 * in one piece, else in the scanner's own: either way until the next call.
 * White space between elements is consumed silently and counted (scan_idle_bytes). */
enum scan_event scan_next(struct scan *s, struct slice *in);
const struct scan_element *scan_element(const struct scan *s);
struct err scan_error(const struct scan *s);
size_t scan_idle_bytes(const struct scan *s); /* white space bytes between elements so far */
bool scan_mid_element(const struct scan *s);  /* an element or tag is only half read */

/* The value of the attribute without a namespace called `local`; false when there is none. */
bool scan_attr_get(const struct scan_element *e, const char *local, struct slice *raw);
/* The attribute {http://www.w3.org/XML/1998/namespace}lang. */
bool scan_attr_lang(const struct scan_element *e, struct slice *raw);
/* Appends the raw attribute value with references resolved and white space normalised (XML 1.0
 * 3.3.3, CDATA). ERR_LIMIT when out is full; raw came from a scanner, so nothing else can fail.*/
struct err scan_decode(struct slice raw, struct buf *out);

#endif
