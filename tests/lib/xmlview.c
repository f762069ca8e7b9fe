#include "xmlview.h"

#include "base/mem.h"
#include "xmpp/ns.h"

#include <expat.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Marks that no XML 1.0 document can hold. */
enum { M_START = 1, M_NAME, M_ATTR, M_VALUE, M_CONTENT, M_END };

static void put(struct buf *out, struct slice s)
{
	(void)buf_append(out, s);
}

static void mark(struct buf *out, char which)
{
	put(out, slice_of(&which, 1));
}

static int order(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int differ = n ? memcmp(a.ptr, b.ptr, n) : 0;
	return differ ? differ : (a.len > b.len) - (a.len < b.len);
}

static int order_attrs(const void *left, const void *right)
{
	const struct xmlview_attr *a = left, *b = right;
	int differ = order(a->local, b->local);
	return differ ? differ : order(a->ns, b->ns);
}

void xmlview_start(struct buf *out, struct slice ns, struct slice local, struct xmlview_attr *attrs,
	size_t count)
{
	if (count)
		qsort(attrs, count, sizeof *attrs, order_attrs);
	mark(out, M_START);
	put(out, ns);
	mark(out, M_NAME);
	put(out, local);
	for (size_t i = 0; i < count; i++) {
		mark(out, M_ATTR);
		put(out, attrs[i].ns);
		mark(out, M_NAME);
		put(out, attrs[i].local);
		mark(out, M_VALUE);
		put(out, attrs[i].value);
	}
	mark(out, M_CONTENT);
}

/* ---- what both have in common ---- */

struct viewer {
	struct xmlview *view;
	const struct xmlview_edit *edit; /* or NULL */
	struct buf root_lang;
	unsigned depth;
	struct xmlview_attr *attrs; /* owned */
	size_t room;
	void *parser;
};

static void viewer_init(struct viewer *v, const struct xmlview_edit *edit, struct xmlview *out)
{
	*out = (struct xmlview){0};
	buf_init(&out->all, BUF_UNLIMITED);
	buf_init(&out->tops, BUF_UNLIMITED);
	buf_init(&out->cuts, BUF_UNLIMITED);
	buf_init(&out->lang, BUF_UNLIMITED);
	*v = (struct viewer){.view = out, .edit = edit};
	buf_init(&v->root_lang, BUF_UNLIMITED);
}

static void viewer_fini(struct viewer *v)
{
	mem_free(v->attrs);
	buf_fini(&v->root_lang);
}

/* Room for the attributes and for one more. */
static struct xmlview_attr *attrs_for(struct viewer *v, size_t count)
{
	if (count + 1 > v->room) {
		v->attrs = mem_realloc(v->attrs, (count + 1) * sizeof *v->attrs);
		v->room = count + 1;
	}
	return v->attrs;
}

static const struct xmlview_attr *find_lang(const struct viewer *v, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_eq_str(v->attrs[i].ns, NS_XML) && slice_eq_str(v->attrs[i].local, "lang"))
			return &v->attrs[i];
	}
	return NULL;
}

static void edit_attrs(struct viewer *v, size_t *count)
{
	for (size_t i = 0; i < *count; i++) {
		struct xmlview_attr *a = &v->attrs[i];
		if (!a->ns.len && slice_eq_str(a->local, "from") && v->edit->from.ptr)
			a->value = v->edit->from;
		if (!a->ns.len && slice_eq_str(a->local, "to") && v->edit->to.ptr)
			a->value = v->edit->to;
	}
	if (v->edit->lang.ptr && !find_lang(v, *count))
		v->attrs[(*count)++] =
			(struct xmlview_attr){SLICE_LIT(NS_XML), SLICE_LIT("lang"), v->edit->lang};
}

static void note_lang(struct viewer *v, size_t count)
{
	const struct xmlview_attr *lang = find_lang(v, count);
	struct buf *out = v->depth ? &v->view->lang : &v->root_lang;
	if (v->depth > 1)
		return;
	buf_clear(out);
	put(out, lang ? lang->value : buf_peek(&v->root_lang));
}

static void starts(struct viewer *v, struct slice ns, struct slice local, size_t count)
{
	note_lang(v, count);
	if (v->depth == 1 && v->edit)
		edit_attrs(v, &count);
	xmlview_start(&v->view->all, ns, local, v->attrs, count);
	if (v->depth < 2)
		xmlview_start(&v->view->tops, ns, local, v->attrs, count);
	v->depth++;
}

static void ends(struct viewer *v, long at)
{
	mark(&v->view->all, M_END);
	v->depth--;
	if (v->depth == 1)
		(void)buf_printf(&v->view->cuts, "%ld ", at);
}

void xmlview_fini(struct xmlview *v)
{
	buf_fini(&v->all);
	buf_fini(&v->tops);
	buf_fini(&v->cuts);
	buf_fini(&v->lang);
}

struct slice xmlview_inside(const struct xmlview *v)
{
	struct slice all = buf_peek(&v->all);
	return slice_sub(all, slice_find(all, M_CONTENT), all.len);
}

void xmlview_print(const char *title, const struct buf *view)
{
	static const char marks[] = " <}@=>/";
	struct slice s = buf_peek(view);
	fprintf(stderr, "%s: ", title);
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		fputc(c > 0 && c <= M_END ? marks[(int)c] : c, stderr);
	}
	fputc('\n', stderr);
}

/* ---- expat ---- */

/* The separator ejabberd uses: expat then refuses names that hold it. */
enum { SEPARATOR = '\n' };

static void split_name(const char *joined, struct slice *ns, struct slice *local)
{
	const char *at = strrchr(joined, SEPARATOR);
	*ns = at ? slice_of(joined, (size_t)(at - joined)) : SLICE_LIT("");
	*local = slice_str(at ? at + 1 : joined);
}

static void expat_start(void *data, const char *name, const char **raw)
{
	struct viewer *v = data;
	struct slice ns, local;
	size_t count = 0;
	while (raw[2 * count])
		count++;
	struct xmlview_attr *attrs = attrs_for(v, count);
	for (size_t i = 0; i < count; i++) {
		split_name(raw[2 * i], &attrs[i].ns, &attrs[i].local);
		attrs[i].value = slice_str(raw[2 * i + 1]);
	}
	split_name(name, &ns, &local);
	starts(v, ns, local, count);
}

static void expat_end(void *data, const char *name)
{
	struct viewer *v = data;
	(void)name;
	ends(v, (long)XML_GetCurrentByteIndex(v->parser) + XML_GetCurrentByteCount(v->parser));
}

static void expat_text(void *data, const char *text, int len)
{
	struct viewer *v = data;
	put(&v->view->all, slice_of(text, (size_t)len));
}

void xmlview_expat(struct slice doc, const struct xmlview_edit *edit, struct xmlview *out)
{
	struct viewer v;
	viewer_init(&v, edit, out);
	XML_Parser parser = XML_ParserCreateNS("UTF-8", SEPARATOR);
	v.parser = parser;
	XML_SetUserData(parser, &v);
	XML_SetElementHandler(parser, expat_start, expat_end);
	XML_SetCharacterDataHandler(parser, expat_text);
	out->ok = XML_Parse(parser, doc.ptr, (int)doc.len, 1) == XML_STATUS_OK;
	out->code = (int)XML_GetErrorCode(parser);
	XML_ParserFree(parser);
	viewer_fini(&v);
}

/* ---- libxml2 ---- */

static struct slice text_of(const xmlChar *text)
{
	return text ? slice_str((const char *)text) : SLICE_LIT("");
}

static void libxml2_start(void *data, const xmlChar *local, const xmlChar *prefix,
	const xmlChar *uri, int ns_count, const xmlChar **ns, int count, int defaulted,
	const xmlChar **raw)
{
	struct viewer *v = data;
	(void)prefix, (void)ns_count, (void)ns, (void)defaulted;
	struct xmlview_attr *attrs = attrs_for(v, (size_t)count);
	for (int i = 0; i < count; i++) {
		const xmlChar **a = raw + 5 * i; /* local, prefix, URI, value, its end */
		attrs[i] = (struct xmlview_attr){
			text_of(a[2]), text_of(a[0]), slice_of(a[3], (size_t)(a[4] - a[3]))};
	}
	starts(v, text_of(uri), text_of(local), (size_t)count);
}

static void libxml2_end(void *data, const xmlChar *local, const xmlChar *prefix, const xmlChar *uri)
{
	struct viewer *v = data;
	(void)local, (void)prefix, (void)uri;
	ends(v, xmlByteConsumed(v->parser));
}

static void libxml2_text(void *data, const xmlChar *text, int len)
{
	struct viewer *v = data;
	put(&v->view->all, slice_of(text, (size_t)len));
}

static void libxml2_error(void *data, xmlErrorPtr error)
{
	(void)data, (void)error; /* the flags of the parser tell */
}

void xmlview_libxml2(struct slice doc, const struct xmlview_edit *edit, struct xmlview *out)
{
	struct viewer v;
	viewer_init(&v, edit, out);
	xmlSAXHandler sax = {
		.initialized = XML_SAX2_MAGIC,
		.startElementNs = libxml2_start,
		.endElementNs = libxml2_end,
		.characters = libxml2_text,
		.ignorableWhitespace = libxml2_text,
		.cdataBlock = libxml2_text,
		.serror = libxml2_error,
	};
	/* The pull parser: the push parser leaves carriage returns in CDATA sections as they are.
	 */
	xmlParserCtxt *ctx = xmlCreateMemoryParserCtxt(doc.ptr, (int)doc.len);
	v.parser = ctx;
	*ctx->sax = sax;
	ctx->userData = &v;
	/* Without this it guesses UTF-16 and UCS-4; without NOENT it leaves `&#38;` in values. */
	xmlSwitchEncoding(ctx, XML_CHAR_ENCODING_UTF8);
	xmlCtxtUseOptions(ctx, XML_PARSE_NONET | XML_PARSE_NOENT);
	xmlParseDocument(ctx);
	/* Namespace faults are reported softly: only the second flag tells. */
	out->ok = ctx->wellFormed && ctx->nsWellFormed && !ctx->disableSAX;
	out->code = ctx->errNo;
	xmlFreeParserCtxt(ctx);
	viewer_fini(&v);
}
