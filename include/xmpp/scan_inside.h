/* The scanner's inside, shared by its files: scan.c holds the loop, the limits and character data,
 * scan_markup.c reads tags, scan_char.c characters and references, scan_decl.c the XML declaration;
 * scan_tag.c makes sense of a finished start tag (attributes, namespaces). Offsets count from the
 * first byte of the element being read, so they hold wherever its bytes are kept. */
#ifndef FEDGATE_XMPP_SCAN_INSIDE_H
#define FEDGATE_XMPP_SCAN_INSIDE_H

#include "xmpp/scan.h"

#include <stdint.h>

enum scan_state {
	ST_START,     /* nothing read yet: XML declaration, white space or the root */
	ST_DECL,      /* inside the XML declaration */
	ST_BETWEEN,   /* between top-level elements (or before the root) */
	ST_TAG,       /* behind '<' */
	ST_NAME,      /* a start tag's name */
	ST_IN_TAG,    /* behind a name or value: white space, attribute, '/', '>' */
	ST_ATTR,      /* an attribute's name */
	ST_EQ,        /* behind it: white space and '=' */
	ST_QUOTE,     /* white space and the quote */
	ST_VALUE,     /* inside the quotes */
	ST_EMPTY,     /* behind "/" of "/>" */
	ST_END_NAME,  /* the name of an end tag, byte by byte against the start tag's */
	ST_END_SPACE, /* white space behind it */
	ST_TEXT,      /* character data */
	ST_REF,       /* behind '&' */
	ST_BANG,      /* behind "<!": only "[CDATA[" may come */
	ST_CDATA,
	ST_DONE, /* the root is closed */
	ST_ERROR,
};

struct scan_level {    /* an open element */
	uint32_t name; /* offset of its qualified name */
	uint32_t name_len;
	uint32_t ns_mark; /* bindings in scope before it */
};

struct scan_binding {
	uint32_t prefix, prefix_len; /* offset into the element; the header's: into `header` */
	uint32_t uri, uri_len;       /* decoded; offset into `uris`; the header's: into `header` */
	bool used;                   /* the header's: the element being read needs it */
};

struct scan_raw_attr {
	uint32_t name, name_len, colon; /* colon: offset within the name; name_len when none */
	uint32_t value, value_len;
	struct slice ns; /* resolved by scan_tag_done */
	bool declaration;
};

struct scan {
	struct scan_limits limits;
	enum scan_state state, after_ref;
	struct err error;
	bool has_root, declaration_allowed;
	/* the place */
	size_t offset;    /* of the next byte, from the element's start */
	size_t tag_start; /* offset of the tag's '<' */
	struct buf held;  /* the element's bytes, when it spans feeds */
	size_t idle;
	size_t declared; /* bytes of the XML declaration: they count for the header's limit */
	/* small automatons */
	unsigned utf8_need;
	uint32_t utf8_char, utf8_min;
	unsigned brackets; /* ']' seen in a row */
	unsigned match;    /* bytes of "[CDATA[" or of the end tag's name matched */
	char quote;
	char ref[12];
	unsigned ref_len;
	bool space_seen;
	/* the tag being read */
	uint32_t name, name_len, colon; /* as in scan_raw_attr */
	struct scan_raw_attr *raw;      /* owned */
	size_t raw_count, raw_room;
	uint32_t *seen; /* owned: hash table for attribute uniqueness */
	size_t seen_room;
	/* open elements */
	struct scan_level *levels; /* owned */
	size_t depth, level_room;  /* depth 1: inside a top-level element */
	/* namespaces */
	struct scan_binding *bindings; /* owned; of the element being read */
	size_t binding_count, binding_room;
	struct buf uris;            /* decoded URIs of those */
	struct scan_binding *outer; /* owned; the header's */
	size_t outer_count;
	bool bare;         /* a name without a prefix stands under no default namespace at all */
	struct buf header; /* the header's prefixes, URIs and root name */
	uint32_t root_name, root_name_len;
	/* the top-level start tag, kept while its content is read */
	struct scan_raw_attr *top; /* owned */
	size_t top_count, top_room;
	size_t top_tag_len;
	uint32_t top_name, top_name_len, top_colon;
	uint32_t top_ns, top_ns_len; /* offset into uris, or */
	struct slice top_ns_outer;   /* the header's or a constant when ptr is set */
	bool top_default;
	/* what is described */
	struct scan_element element;
	struct scan_attr *attrs; /* owned */
	size_t attr_room;
	struct scan_need *needs; /* owned */
	size_t need_room;
};

static inline bool scan_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Names are ASCII: every XMPP specification's are, and on the rest of Unicode the two parsers
 * that stand behind us disagree (expat has the tables of XML 1.0's 4th edition, libxml2 the
 * 5th's).*/
static inline bool scan_is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static inline bool scan_is_name_char(char c)
{
	return scan_is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* The scanner stands still from here on. Always false, for `return`. */
bool scan_refuse(struct scan *s, enum err_code code);
/* One byte of character data or of a value. */
bool scan_char(struct scan *s, char c);
/* '&' was read in the present state; the bytes behind it. */
void scan_ref_begin(struct scan *s);
bool scan_ref(struct scan *s, char c);
bool scan_declaration(struct scan *s, const char *base, char c);
/* A byte in one of the states from ST_TAG to ST_END_SPACE. */
bool scan_markup(struct scan *s, const char *base, char c, enum scan_event *event);

/* Whether a namespace name is a URI reference (RFC 3986 4.1). */
bool scan_is_uri(struct slice name);

/* A start tag is complete (base: the element's first byte). Checks attributes and namespaces. */
struct err scan_tag_done(struct scan *s, const char *base);
/* Describes the top-level element, or the header, whose bytes are `raw`. */
void scan_describe(struct scan *s, struct slice raw, bool header);
/* The header is complete: its declarations become the outer ones. */
void scan_keep_header(struct scan *s, const char *base);
/* Gives back what a large element made grow. */
void scan_tag_trim(struct scan *s);
void scan_tag_free(struct scan *s);

#endif
