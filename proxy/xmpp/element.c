/* The only file that knows libxml2. It is given complete elements that the scanner has cut,
 * capped and checked, inside a root of ours that binds what the element needs; so neither entities
 * nor DTDs, encodings or dribbles ever reach it. */
#include "xmpp/element.h"

#include "base/mem.h"
#include "xmpp/ns.h"
#include "xmpp/xmlout.h"

#include <libxml/parser.h>
#include <libxml/tree.h>

#include <string.h>

enum { TREE_MAX = 256 };

static const char *copy(const xmlChar *text)
{
	return mem_strdup(text ? (const char *)text : "");
}

/* The character data that stands directly in the node, joined. */
static const char *own_text(const xmlNode *node)
{
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	for (const xmlNode *c = node->children; c; c = c->next) {
		if (c->type == XML_TEXT_NODE || c->type == XML_CDATA_SECTION_NODE)
			(void)buf_append_str(&text, (const char *)c->content);
	}
	const char *joined = mem_strdup(buf_cstr(&text));
	buf_fini(&text);
	return joined;
}

static void copy_attrs(struct element *el, const xmlNode *node)
{
	size_t n = 0;
	for (const xmlAttr *a = node->properties; a; a = a->next)
		n++;
	el->attrs = mem_alloc(n * sizeof *el->attrs);
	for (xmlAttr *a = node->properties; a; a = a->next) {
		xmlChar *value = xmlNodeListGetString(a->doc, a->children, 1);
		el->attrs[el->attr_count++] = (struct element_attr){
			.ns = copy(a->ns ? a->ns->href : NULL),
			.name = copy(a->name),
			.value = copy(value),
		};
		xmlFree(value);
	}
}

/* Depth is capped by the scanner, the count here: recursion is bounded by both. */
static struct element *convert(const xmlNode *node, unsigned *left)
{
	if (*left == 0)
		return NULL;
	(*left)--;
	struct element *el = MEM_NEW(struct element);
	el->ns = copy(node->ns ? node->ns->href : NULL);
	el->name = copy(node->name);
	el->text = own_text(node);
	copy_attrs(el, node);
	struct element **end = &el->children;
	for (const xmlNode *c = node->children; c; c = c->next) {
		if (c->type != XML_ELEMENT_NODE)
			continue;
		*end = convert(c, left);
		if (!*end)
			break;
		end = &(*end)->next;
	}
	return el;
}

static void wrap(const struct scan_element *scanned, struct buf *out)
{
	(void)buf_append_str(out, "<fedgate");
	for (size_t i = 0; i < scanned->need_count; i++) {
		const struct scan_need *need = &scanned->needs[i];
		(void)buf_append_str(out, need->prefix.len ? " xmlns:" : " xmlns");
		(void)buf_append(out, need->prefix);
		(void)buf_append_str(out, "='");
		xml_escape(out, need->ns);
		(void)buf_append_str(out, "'");
	}
	(void)buf_append_str(out, ">");
	(void)buf_append(out, scanned->raw);
	(void)buf_append_str(out, "</fedgate>");
}

static xmlDoc *read_tree(struct slice text)
{
	xmlParserCtxt *ctx = xmlNewParserCtxt();
	if (!ctx)
		return NULL;
	xmlDoc *doc = xmlCtxtReadMemory(ctx, text.ptr, (int)text.len, NULL, "UTF-8",
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
	/* Namespace faults are reported softly: rc is fine, only this flag tells. */
	if (doc && (!ctx->wellFormed || !ctx->nsWellFormed)) {
		xmlFreeDoc(doc);
		doc = NULL;
	}
	xmlFreeParserCtxt(ctx);
	return doc;
}

struct element *element_parse(const struct scan_element *scanned, struct err *e)
{
	struct buf text;
	struct element *root = NULL;
	unsigned left = TREE_MAX + 1;
	buf_init(&text, BUF_UNLIMITED);
	wrap(scanned, &text);
	xmlDoc *doc = read_tree(buf_peek(&text));
	const xmlNode *outer = doc ? xmlDocGetRootElement(doc) : NULL;
	const xmlNode *inner = outer ? outer->children : NULL;
	if (inner && inner->type == XML_ELEMENT_NODE && !inner->next)
		root = convert(inner, &left);
	xmlFreeDoc(doc);
	buf_fini(&text);
	*e = err_make(root ? ERR_OK : ERR_XML);
	if (root && left == 0) {
		element_free(root);
		root = NULL;
		*e = err_make(ERR_LIMIT);
	}
	return root;
}

void element_free(struct element *root)
{
	while (root) {
		struct element *next = root->next;
		element_free(root->children);
		for (size_t i = 0; i < root->attr_count; i++) {
			mem_free((void *)root->attrs[i].ns);
			mem_free((void *)root->attrs[i].name);
			mem_free((void *)root->attrs[i].value);
		}
		mem_free(root->attrs);
		mem_free((void *)root->ns);
		mem_free((void *)root->name);
		mem_free((void *)root->text);
		mem_free(root);
		root = next;
	}
}

bool element_is(const struct element *el, const char *ns, const char *name)
{
	return strcmp(el->ns, ns) == 0 && strcmp(el->name, name) == 0;
}

const struct element *element_child(const struct element *el, const char *ns, const char *name)
{
	for (const struct element *c = el->children; c; c = c->next) {
		if (strcmp(c->name, name) == 0 && (!ns || strcmp(c->ns, ns) == 0))
			return c;
	}
	return NULL;
}

const char *element_attr(const struct element *el, const char *name)
{
	for (size_t i = 0; i < el->attr_count; i++) {
		if (!*el->attrs[i].ns && strcmp(el->attrs[i].name, name) == 0)
			return el->attrs[i].value;
	}
	return NULL;
}
