/* A finished start tag: its namespace declarations, its names resolved, its attributes unique by
 * expanded name (Namespaces in XML 1.0, 3 to 6.3). */
#include "base/map.h"
#include "base/mem.h"
#include "xmpp/ns.h"
#include "xmpp/scan_inside.h"

#include <string.h>

#define NS_XMLNS "http://www.w3.org/2000/xmlns/"

enum {
	FEW_ATTRS = 12, /* up to here pairwise comparison is cheaper than a table */
	ORDINARY = 16,  /* what arrays may hold while a stream is idle */
};

/* What a prefix is bound to. */
struct bound {
	bool found;
	struct slice uri;
};

static struct slice name_at(const char *base, uint32_t offset, uint32_t len)
{
	return slice_of(base + offset, len);
}

static struct slice local_of(const char *base, const struct scan_raw_attr *a)
{
	if (a->colon == a->name_len)
		return name_at(base, a->name, a->name_len);
	return name_at(base, a->name + a->colon + 1, a->name_len - a->colon - 1);
}

static struct slice prefix_of(const char *base, const struct scan_raw_attr *a)
{
	return name_at(base, a->name, a->colon == a->name_len ? 0 : a->colon);
}

static struct slice uri_of(const struct scan *s, const struct scan_binding *b)
{
	return slice_of(buf_peek(&s->uris).ptr + b->uri, b->uri_len);
}

static struct bound look_up(struct scan *s, const char *base, struct slice prefix)
{
	if (slice_eq_str(prefix, "xml"))
		return (struct bound){true, SLICE_LIT(NS_XML)};
	for (size_t i = s->binding_count; i > 0; i--) {
		const struct scan_binding *b = &s->bindings[i - 1];
		if (slice_eq(name_at(base, b->prefix, b->prefix_len), prefix))
			return (struct bound){true, uri_of(s, b)};
	}
	const char *header = buf_peek(&s->header).ptr;
	for (size_t i = 0; i < s->outer_count; i++) {
		struct scan_binding *b = &s->outer[i];
		if (slice_eq(slice_of(header + b->prefix, b->prefix_len), prefix)) {
			b->used = true;
			return (struct bound){true, slice_of(header + b->uri, b->uri_len)};
		}
	}
	/* Without any declaration the default namespace is none. */
	s->bare |= prefix.len == 0;
	return (struct bound){prefix.len == 0, SLICE_LIT("")};
}

/* ---- declarations ---- */

static bool is_declaration(const char *base, const struct scan_raw_attr *a)
{
	struct slice qname = name_at(base, a->name, a->name_len);
	return slice_eq_str(qname, "xmlns") || slice_eq_str(prefix_of(base, a), "xmlns");
}

/* Namespaces in XML 1.0, 3: reserved prefixes and names, and no undeclaring of prefixes. */
static bool binding_allowed(struct slice prefix, struct slice uri)
{
	bool is_xml = slice_eq_str(uri, NS_XML);
	if (slice_eq_str(prefix, "xml") || is_xml)
		return is_xml && slice_eq_str(prefix, "xml");
	if (slice_eq_str(prefix, "xmlns") || slice_eq_str(uri, NS_XMLNS))
		return false;
	return uri.len ? scan_is_uri(uri) : prefix.len == 0;
}

static struct err declare(
	struct scan *s, const char *base, const struct scan_raw_attr *a, size_t mark)
{
	struct scan_binding b = {0};
	if (a->colon != a->name_len) {
		b.prefix = a->name + a->colon + 1;
		b.prefix_len = a->name_len - a->colon - 1;
	}
	struct slice prefix = name_at(base, b.prefix, b.prefix_len);
	b.uri = (uint32_t)buf_len(&s->uris);
	(void)scan_decode(name_at(base, a->value, a->value_len), &s->uris);
	b.uri_len = (uint32_t)(buf_len(&s->uris) - b.uri);
	if (!binding_allowed(prefix, uri_of(s, &b)))
		return err_make(ERR_XML_NAMESPACE);
	if (s->binding_count - mark >= s->limits.max_ns ||
		s->binding_count >= (size_t)s->limits.max_ns * 4)
		return err_make(ERR_XML_ATTRS);
	for (size_t i = mark; i < s->binding_count; i++) {
		const struct scan_binding *other = &s->bindings[i];
		if (slice_eq(name_at(base, other->prefix, other->prefix_len), prefix))
			return err_make(ERR_XML_NAMESPACE);
	}
	if (s->binding_count == s->binding_room) {
		s->binding_room = s->binding_room ? s->binding_room * 2 : 8;
		s->bindings = mem_realloc(s->bindings, s->binding_room * sizeof *s->bindings);
	}
	s->bindings[s->binding_count++] = b;
	return err_ok();
}

static struct err take_declarations(struct scan *s, const char *base)
{
	size_t mark = s->binding_count, plain = 0;
	for (size_t i = 0; i < s->raw_count; i++) {
		struct scan_raw_attr *a = &s->raw[i];
		a->declaration = is_declaration(base, a);
		if (!a->declaration && ++plain > s->limits.max_attrs)
			return err_make(ERR_XML_ATTRS);
		struct err bad = a->declaration ? declare(s, base, a, mark) : err_ok();
		if (err_is(bad))
			return bad;
	}
	return err_ok();
}

/* ---- attributes ---- */

static struct err resolve_attrs(struct scan *s, const char *base)
{
	for (size_t i = 0; i < s->raw_count; i++) {
		struct scan_raw_attr *a = &s->raw[i];
		struct slice prefix = prefix_of(base, a);
		a->ns = SLICE_LIT("");
		if (a->declaration || !prefix.len)
			continue; /* an attribute without a prefix has no namespace */
		struct bound b = look_up(s, base, prefix);
		if (!b.found)
			return err_make(ERR_XML_NAMESPACE);
		a->ns = b.uri;
	}
	return err_ok();
}

static bool same_name(
	const char *base, const struct scan_raw_attr *a, const struct scan_raw_attr *b)
{
	return !a->declaration && !b->declaration &&
	       slice_eq(local_of(base, a), local_of(base, b)) && slice_eq(a->ns, b->ns);
}

static bool unique_pairwise(const struct scan *s, const char *base)
{
	for (size_t i = 1; i < s->raw_count; i++) {
		for (size_t k = 0; k < i; k++) {
			if (same_name(base, &s->raw[i], &s->raw[k]))
				return false;
		}
	}
	return true;
}

/* With many attributes a table keeps the cost linear; the count is capped, so colliding names
 * cannot make it worse than the cap squared. */
static bool unique_by_table(struct scan *s, const char *base)
{
	size_t room = 32;
	while (room < 2 * s->raw_count)
		room *= 2;
	if (room > s->seen_room) {
		s->seen = mem_realloc(s->seen, room * sizeof *s->seen);
		s->seen_room = room;
	}
	memset(s->seen, 0, room * sizeof *s->seen);
	for (size_t i = 0; i < s->raw_count; i++) {
		const struct scan_raw_attr *a = &s->raw[i];
		if (a->declaration)
			continue;
		size_t at = siphash(a->ns.len, 0, local_of(base, a)) & (room - 1);
		for (; s->seen[at]; at = (at + 1) & (room - 1)) {
			if (same_name(base, a, &s->raw[s->seen[at] - 1]))
				return false;
		}
		s->seen[at] = (uint32_t)i + 1;
	}
	return true;
}

/* ---- the tag ---- */

static void keep_top(struct scan *s, struct slice ns)
{
	struct scan_raw_attr *raw = s->raw;
	size_t room = s->raw_room;
	s->raw = s->top;
	s->raw_room = s->top_room;
	s->top = raw;
	s->top_room = room;
	s->top_count = s->raw_count;
	s->top_tag_len = s->offset + 1;
	s->top_name = s->name;
	s->top_name_len = s->name_len;
	s->top_colon = s->colon;
	/* `uris` may move while it grows: what lies in it is kept by its offset. */
	const char *uris = buf_peek(&s->uris).ptr;
	bool inside = ns.len && ns.ptr >= uris && ns.ptr < uris + buf_len(&s->uris);
	s->top_ns = inside ? (uint32_t)(ns.ptr - uris) : 0;
	s->top_ns_len = (uint32_t)ns.len;
	s->top_ns_outer = inside ? SLICE_NONE : ns;
}

/* The same for the attributes' namespaces: they are resolved again when the element is described.
 */
struct err scan_tag_done(struct scan *s, const char *base)
{
	struct err bad = take_declarations(s, base);
	if (err_is(bad))
		return bad;
	struct slice prefix = name_at(base, s->name, s->colon == s->name_len ? 0 : s->colon);
	struct bound b = look_up(s, base, prefix);
	if (!b.found)
		return err_make(ERR_XML_NAMESPACE);
	bad = resolve_attrs(s, base);
	if (err_is(bad))
		return bad;
	bool unique =
		s->raw_count <= FEW_ATTRS ? unique_pairwise(s, base) : unique_by_table(s, base);
	if (!unique)
		return err_make(ERR_XML_NAMESPACE);
	if (!s->has_root || s->depth == 1)
		keep_top(s, b.uri);
	return err_ok();
}

/* ---- describing ---- */

/* The top-level tag's own declarations come first in `bindings` and are never popped before the
 * element's end, so a prefix can be resolved again. */
static struct slice attr_ns(
	struct scan *s, const char *base, const struct scan_raw_attr *a, size_t own)
{
	struct slice prefix = prefix_of(base, a);
	if (!prefix.len)
		return SLICE_LIT("");
	if (slice_eq_str(prefix, "xml"))
		return SLICE_LIT(NS_XML);
	for (size_t i = own; i > 0; i--) {
		const struct scan_binding *b = &s->bindings[i - 1];
		if (slice_eq(name_at(base, b->prefix, b->prefix_len), prefix))
			return uri_of(s, b);
	}
	return a->ns; /* the header's, which does not move */
}

static void describe_attrs(struct scan *s, const char *base)
{
	struct scan_element *e = &s->element;
	size_t own = 0, n = 0;
	if (s->top_count > s->attr_room) {
		s->attr_room = s->top_count;
		s->attrs = mem_realloc(s->attrs, s->attr_room * sizeof *s->attrs);
	}
	for (size_t i = 0; i < s->top_count; i++)
		own += s->top[i].declaration;
	for (size_t i = 0; i < s->top_count; i++) {
		const struct scan_raw_attr *a = &s->top[i];
		struct slice qname = name_at(base, a->name, a->name_len);
		if (a->declaration) {
			e->declares_default |= slice_eq_str(qname, "xmlns");
			continue;
		}
		s->attrs[n++] = (struct scan_attr){
			.prefix = prefix_of(base, a),
			.local = local_of(base, a),
			.ns = attr_ns(s, base, a, own),
			.value = name_at(base, a->value, a->value_len),
			.whole = slice_of(base + a->name, a->value + a->value_len + 1 - a->name),
		};
	}
	e->attrs = s->attrs;
	e->attr_count = n;
}

static void add_need(struct scan *s, struct slice prefix, struct slice ns)
{
	if (s->element.need_count == s->need_room) {
		s->need_room = s->need_room ? s->need_room * 2 : 4;
		s->needs = mem_realloc(s->needs, s->need_room * sizeof *s->needs);
	}
	s->needs[s->element.need_count++] = (struct scan_need){prefix, ns};
}

static void describe_needs(struct scan *s, const char *base, bool header)
{
	const char *kept = buf_peek(&s->header).ptr;
	for (size_t i = 0; header && i < s->binding_count; i++) {
		const struct scan_binding *b = &s->bindings[i];
		struct slice prefix = name_at(base, b->prefix, b->prefix_len);
		if (!slice_eq_str(prefix, "xml"))
			add_need(s, prefix, uri_of(s, b));
	}
	for (size_t i = 0; !header && i < s->outer_count; i++) {
		const struct scan_binding *b = &s->outer[i];
		if (b->used)
			add_need(s, slice_of(kept + b->prefix, b->prefix_len),
				slice_of(kept + b->uri, b->uri_len));
	}
	if (!header && s->bare)
		add_need(s, SLICE_LIT(""), SLICE_LIT(""));
	s->element.needs = s->needs;
}

void scan_describe(struct scan *s, struct slice raw, bool header)
{
	const char *base = raw.ptr;
	uint32_t prefix_len = s->top_colon == s->top_name_len ? 0 : s->top_colon;
	uint32_t skip = prefix_len ? prefix_len + 1 : 0;
	struct slice in_uris = slice_of(buf_peek(&s->uris).ptr + s->top_ns, s->top_ns_len);
	s->element = (struct scan_element){
		.raw = raw,
		.start_tag = slice_sub(raw, 0, s->top_tag_len),
		.prefix = name_at(base, s->top_name, prefix_len),
		.local = name_at(base, s->top_name + skip, s->top_name_len - skip),
		.ns = s->top_ns_outer.ptr ? s->top_ns_outer : in_uris,
	};
	describe_attrs(s, base);
	describe_needs(s, base, header);
}

static uint32_t keep(struct scan *s, struct slice text)
{
	uint32_t at = (uint32_t)buf_len(&s->header);
	(void)buf_append(&s->header, text);
	return at;
}

void scan_keep_header(struct scan *s, const char *base)
{
	buf_clear(&s->header);
	s->root_name = keep(s, name_at(base, s->top_name, s->top_name_len));
	s->root_name_len = s->top_name_len;
	mem_free(s->outer);
	s->outer = mem_alloc(s->binding_count * sizeof *s->outer);
	s->outer_count = s->binding_count;
	for (size_t i = 0; i < s->binding_count; i++) {
		const struct scan_binding *b = &s->bindings[i];
		s->outer[i] = (struct scan_binding){
			.prefix = keep(s, name_at(base, b->prefix, b->prefix_len)),
			.prefix_len = b->prefix_len,
			.uri = keep(s, uri_of(s, b)),
			.uri_len = b->uri_len,
		};
	}
}

/* Arrays that grew for an element out of the ordinary are not kept for an idle stream. */
static void *trimmed(void *array, size_t *room)
{
	if (*room <= ORDINARY)
		return array;
	mem_free(array);
	*room = 0;
	return NULL;
}

void scan_tag_trim(struct scan *s)
{
	s->raw = trimmed(s->raw, &s->raw_room);
	s->top = trimmed(s->top, &s->top_room);
	s->seen = trimmed(s->seen, &s->seen_room);
	s->bindings = trimmed(s->bindings, &s->binding_room);
	s->attrs = trimmed(s->attrs, &s->attr_room);
	s->needs = trimmed(s->needs, &s->need_room);
}

void scan_tag_free(struct scan *s)
{
	mem_free(s->raw);
	mem_free(s->top);
	mem_free(s->seen);
	mem_free(s->bindings);
	mem_free(s->outer);
	mem_free(s->attrs);
	mem_free(s->needs);
}

/* ---- reading attributes ---- */

bool scan_attr_get(const struct scan_element *e, const char *local, struct slice *raw)
{
	for (size_t i = 0; i < e->attr_count; i++) {
		if (!e->attrs[i].prefix.len && slice_eq_str(e->attrs[i].local, local)) {
			*raw = e->attrs[i].value;
			return true;
		}
	}
	return false;
}

bool scan_attr_lang(const struct scan_element *e, struct slice *raw)
{
	for (size_t i = 0; i < e->attr_count; i++) {
		if (slice_eq_str(e->attrs[i].ns, NS_XML) &&
			slice_eq_str(e->attrs[i].local, "lang")) {
			*raw = e->attrs[i].value;
			return true;
		}
	}
	return false;
}
