#include "xmpp/header.h"

#include "xmpp/jid.h"
#include "xmpp/ns.h"

#include <string.h>

enum { ATTR_MAX = 4096 };

/* An empty address counts as none: Prosody sends id='', others to=''. */
static struct err read_domain(const struct scan_element *e, const char *name, struct domain *out)
{
	struct slice raw;
	struct buf text;
	struct err result = err_ok();
	if (!scan_attr_get(e, name, &raw) || !raw.len)
		return result;
	buf_init(&text, ATTR_MAX);
	if (err_is(scan_decode(raw, &text)))
		result = err_make(ERR_ADDRESS);
	else
		result = jid_domain_only(buf_peek(&text), out);
	buf_fini(&text);
	if (err_is(result))
		*out = (struct domain){0};
	return result;
}

static void read_text(const struct scan_element *e, const char *name, char *out, size_t size)
{
	struct slice raw;
	struct buf text;
	*out = '\0';
	buf_init(&text, size - 1);
	if (scan_attr_get(e, name, &raw) && !err_is(scan_decode(raw, &text)))
		memcpy(out, buf_cstr(&text), buf_len(&text) + 1);
	buf_fini(&text);
}

static void read_lang(const struct scan_element *e, char *out, size_t size)
{
	struct slice raw;
	*out = '\0';
	if (!scan_attr_lang(e, &raw) || raw.len == 0 || raw.len >= size)
		return;
	for (size_t i = 0; i < raw.len; i++) {
		char c = raw.ptr[i];
		bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-';
		if (!fine)
			return;
	}
	memcpy(out, raw.ptr, raw.len);
	out[raw.len] = '\0';
}

/* "1.0" and friends (RFC 6120 4.7.5): the major number counts. */
static void read_version(const struct scan_element *e, struct stream_header *out)
{
	struct slice raw;
	if (!scan_attr_get(e, "version", &raw))
		return;
	unsigned major = 0;
	size_t i = 0;
	for (; i < raw.len && i < 4 && raw.ptr[i] >= '0' && raw.ptr[i] <= '9'; i++)
		major = major * 10 + (unsigned)(raw.ptr[i] - '0');
	out->has_version = i > 0 && i < raw.len && raw.ptr[i] == '.' && major >= 1;
	out->major = out->has_version ? major : 0;
}

static bool declares(const struct scan_element *e, const char *prefix, const char *ns)
{
	for (size_t i = 0; i < e->need_count; i++) {
		if (slice_eq_str(e->needs[i].prefix, prefix))
			return slice_eq_str(e->needs[i].ns, ns);
	}
	return false;
}

static struct err check_root(const struct scan_element *e)
{
	bool is_stream = slice_eq_str(e->local, "stream");
	if (!is_stream)
		return err_make(ERR_STREAM_ROOT);
	if (!slice_eq_str(e->ns, NS_STREAM))
		return err_make(ERR_STREAM_NS); /* RFC 6120 4.8.1 */
	if (!slice_eq_str(e->prefix, "stream"))
		return err_make(ERR_STREAM_PREFIX); /* RFC 6120 4.8.5 */
	if (!declares(e, "", NS_SERVER))
		return err_make(ERR_STREAM_NS); /* RFC 6120 4.8.3 */
	return err_ok();
}

static bool has_dialback_ns(const struct scan_element *e)
{
	for (size_t i = 0; i < e->need_count; i++) {
		if (slice_eq_str(e->needs[i].ns, NS_DB))
			return true;
	}
	return false;
}

struct err stream_header_read(const struct scan_element *e, struct stream_header *out)
{
	*out = (struct stream_header){0};
	struct err root = check_root(e);
	struct err to = read_domain(e, "to", &out->to);
	struct err from = read_domain(e, "from", &out->from);
	read_version(e, out);
	read_text(e, "id", out->id, sizeof out->id);
	read_lang(e, out->lang, sizeof out->lang);
	out->has_dialback = has_dialback_ns(e);
	if (err_is(root))
		return root;
	return err_is(to) ? to : from;
}
