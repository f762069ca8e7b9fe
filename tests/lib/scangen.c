#include "scangen.h"

#include "scanplay.h"

enum { PREFIXES = 5, DEFAULT = 0, DEPTH = 4 };

static const char *const prefixes[PREFIXES] = {"", "stream", "db", "x", "y"};
static const char *const spaces[] = {"jabber:server", "http://etherx.jabber.org/streams",
	"jabber:server:dialback", "urn:x", "urn:y&amp;&#x7a;&apos;", "vcard-temp"};
static const char *const texts[] = {"", "a", "]]", "&lt;&amp;&#x20AC;", "\xc3\xa9\xf0\x9f\x98\x80",
	"<![CDATA[<b>]]]]>", " \r\n\t", "&gt;", "<![CDATA[]]>", "it's \"x\""};
static const char *const values[] = {"", "a.example", "&lt;&apos;&quot;&amp;",
	" \t\r\n&#9;&#10;&#13;", "&#x1F600;\xe2\x82\xac", ">", "r@b.example/\xc3\xa9"};

static unsigned below(struct scangen *g, unsigned n)
{
	return (unsigned)(scanplay_random(&g->seed) >> 33) % n;
}

#define PICK(g, table) (table)[below(g, sizeof(table) / sizeof *(table))]

static void put(struct buf *out, const char *text)
{
	(void)buf_append_str(out, text);
}

static void put_name(struct buf *out, unsigned prefix, const char *local)
{
	put(out, prefixes[prefix]);
	put(out, prefix == DEFAULT ? "" : ":");
	put(out, local);
}

static void declare(struct scangen *g, struct buf *out, unsigned prefix)
{
	put(out, prefix == DEFAULT ? " xmlns" : " xmlns:");
	put(out, prefixes[prefix]);
	put(out, "='");
	if (prefix != DEFAULT || below(g, 4))
		put(out, PICK(g, spaces));
	put(out, "'");
	g->bound |= 1u << prefix;
}

static unsigned bound_prefix(struct scangen *g)
{
	unsigned prefix = below(g, PREFIXES);
	return g->bound & 1u << prefix ? prefix : DEFAULT;
}

static void put_attrs(struct scangen *g, struct buf *out)
{
	static const char *const names[] = {"from", "to", "id", "xml:lang", "a"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (below(g, 3))
			continue;
		const char *quote = below(g, 2) ? "\"" : "'";
		put(out, below(g, 2) ? " " : "\r\n\t");
		put(out, names[i]);
		put(out, below(g, 4) ? "=" : " =\n");
		put(out, quote);
		put(out, PICK(g, values));
		put(out, quote);
	}
	unsigned prefix = bound_prefix(g);
	if (prefix == DEFAULT)
		return;
	put(out, " ");
	put_name(out, prefix, "p='1'");
}

/* A start tag without its end; returns the prefix of its name. */
static unsigned put_tag(struct scangen *g, struct buf *out, unsigned odds)
{
	struct buf attrs;
	buf_init(&attrs, BUF_UNLIMITED);
	for (unsigned i = 0; i < PREFIXES; i++) {
		if (below(g, odds) == 0)
			declare(g, &attrs, i);
	}
	put_attrs(g, &attrs);
	unsigned prefix = bound_prefix(g);
	put(out, "<");
	put_name(out, prefix, "m");
	(void)buf_append(out, buf_peek(&attrs));
	buf_fini(&attrs);
	return prefix;
}

void scangen_header(struct scangen *g, struct buf *out)
{
	static const char *const langs[] = {
		"", " xml:lang='en'", " xml:lang=\"de\"", " xml:lang='fr-CA'"};
	g->bound = 1u << DEFAULT;
	put(out, "<s");
	for (unsigned i = 0; i < PREFIXES; i++) {
		if (below(g, 3))
			declare(g, out, i);
	}
	put(out, PICK(g, langs));
	put(out, ">");
}

static void put_element(struct scangen *g, struct buf *out, unsigned depth)
{
	unsigned outside = g->bound, prefix = put_tag(g, out, depth == DEPTH ? 8 : 4);
	unsigned children = depth ? below(g, 4) : 0;
	if (!children && below(g, 2)) {
		put(out, below(g, 2) ? "/>" : " />");
	} else {
		put(out, ">");
		for (unsigned i = 0; i < children; i++) {
			put(out, PICK(g, texts));
			put_element(g, out, depth - 1);
		}
		put(out, PICK(g, texts));
		put(out, "</");
		put_name(out, prefix, below(g, 4) ? "m>" : "m >");
	}
	g->bound = outside;
}

void scangen_element(struct scangen *g, struct buf *out)
{
	put_element(g, out, DEPTH);
}

void scangen_end(struct buf *out)
{
	put(out, "</s>");
}
