#include "xmpp/repair.h"

#include "xmpp/ns.h"
#include "xmpp/xmlout.h"

#include <assert.h>

/* Whether the outgoing header binds the prefix as the incoming one did. */
static bool bound_alike(const struct scan_need *need)
{
	if (need->prefix.len == 0)
		return slice_eq_str(need->ns, NS_SERVER);
	if (slice_eq_str(need->prefix, "stream"))
		return slice_eq_str(need->ns, NS_STREAM);
	return slice_eq_str(need->prefix, "db") && slice_eq_str(need->ns, NS_DB);
}

static bool wants_lang(const struct scan_element *e, const struct repair *r)
{
	struct slice own;
	return r->lang.ptr && r->lang.len && !scan_attr_lang(e, &own);
}

bool repair_needless(const struct scan_element *e, const struct repair *r)
{
	if (r->from.ptr || r->to.ptr || wants_lang(e, r))
		return false;
	for (size_t i = 0; i < e->need_count; i++) {
		if (!bound_alike(&e->needs[i]))
			return false;
	}
	return true;
}

/* Copies the start tag up to `until`, with the addresses replaced. */
static void copy_tag(
	const struct scan_element *e, const struct repair *r, const char *until, struct buf *out)
{
	const char *at = e->start_tag.ptr;
	for (size_t i = 0; i < e->attr_count; i++) {
		const struct scan_attr *a = &e->attrs[i];
		struct slice value = SLICE_NONE;
		if (!a->prefix.len && slice_eq_str(a->local, "from"))
			value = r->from;
		else if (!a->prefix.len && slice_eq_str(a->local, "to"))
			value = r->to;
		if (!value.ptr)
			continue;
		/* The white space before the name is copied with what stands before it; the new
		 * attribute brings a space of its own. */
		(void)buf_append(out, slice_of(at, (size_t)(a->whole.ptr - at)));
		xml_attr(out, slice_eq_str(a->local, "from") ? "from" : "to", value);
		at = a->whole.ptr + a->whole.len;
	}
	(void)buf_append(out, slice_of(at, (size_t)(until - at)));
}

static void add_declarations(const struct scan_element *e, struct buf *out)
{
	for (size_t i = 0; i < e->need_count; i++) {
		const struct scan_need *need = &e->needs[i];
		if (bound_alike(need))
			continue;
		(void)buf_append_str(out, need->prefix.len ? " xmlns:" : " xmlns");
		(void)buf_append(out, need->prefix);
		(void)buf_append_str(out, "='");
		xml_escape(out, need->ns);
		(void)buf_append_str(out, "'");
	}
}

static void put_repaired(const struct scan_element *e, const struct repair *r, struct buf *out)
{
	struct slice tag = e->start_tag;
	assert(tag.len >= 3);
	bool empty = tag.ptr[tag.len - 2] == '/';
	const char *close = tag.ptr + tag.len - (empty ? 2 : 1);
	copy_tag(e, r, close, out);
	add_declarations(e, out);
	if (wants_lang(e, r))
		xml_attr(out, "xml:lang", r->lang);
	(void)buf_append(out, slice_of(close, (size_t)(e->raw.ptr + e->raw.len - close)));
}

struct err repair_append(const struct scan_element *e, const struct repair *r, struct buf *out)
{
	/* A full buffer refuses one append and may take the next, smaller one: an element with a
	 * hole. So it is written without a limit and judged whole. */
	size_t before = buf_len(out), max = out->max;
	out->max = BUF_UNLIMITED;
	put_repaired(e, r, out);
	out->max = max;
	size_t size = buf_len(out) - before;
	if (size <= r->max_bytes && buf_len(out) <= max)
		return err_ok();
	out->end -= size; /* as it was */
	return err_make(size > r->max_bytes ? ERR_STANZA_SIZE : ERR_LIMIT);
}
