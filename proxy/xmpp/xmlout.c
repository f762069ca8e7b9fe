#include "xmpp/xmlout.h"

#include "xmpp/ns.h"

static void put(struct buf *out, const char *text)
{
	(void)buf_append_str(out, text);
}

void xml_escape(struct buf *out, struct slice text)
{
	size_t from = 0;
	for (size_t i = 0; i < text.len; i++) {
		const char *ref = NULL;
		switch (text.ptr[i]) {
		case '&':
			ref = "&amp;";
			break;
		case '<':
			ref = "&lt;";
			break;
		case '>':
			ref = "&gt;";
			break;
		case '\'':
			ref = "&apos;";
			break;
		case '"':
			ref = "&quot;";
			break;
		case '\t':
			ref = "&#9;";
			break;
		case '\n':
			ref = "&#10;";
			break;
		case '\r':
			ref = "&#13;";
			break;
		default:
			continue;
		}
		(void)buf_append(out, slice_sub(text, from, i));
		put(out, ref);
		from = i + 1;
	}
	(void)buf_append(out, slice_sub(text, from, text.len));
}

void xml_attr(struct buf *out, const char *name, struct slice value)
{
	put(out, " ");
	put(out, name);
	put(out, "='");
	xml_escape(out, value);
	put(out, "'");
}

static void domain_attr(struct buf *out, const char *name, const struct domain *d)
{
	if (!d || !domain_is_set(d))
		return;
	char text[DOMAIN_UNICODE_MAX + 1];
	xml_attr(out, name, domain_unicode(d, text));
}

void xml_stream_header(struct buf *out, const struct xml_header *h)
{
	put(out, "<?xml version='1.0'?><stream:stream xmlns='" NS_SERVER
		 "' xmlns:stream='" NS_STREAM "' xmlns:db='" NS_DB "'");
	if (h->from && !domain_is_set(h->from))
		put(out, " from=''"); /* RFC 6120 4.9.1.3: never the attacker's own `to` */
	domain_attr(out, "from", h->from);
	domain_attr(out, "to", h->to);
	if (h->id.len)
		xml_attr(out, "id", h->id);
	if (!h->no_version)
		put(out, " version='1.0'");
	xml_attr(out, "xml:lang", h->lang.len ? h->lang : SLICE_LIT("en"));
	put(out, ">");
}

void xml_stream_end(struct buf *out)
{
	put(out, "</stream:stream>");
}

void xml_stream_error(struct buf *out, struct err e, const char *detail)
{
	xml_stream_error_as(out, err_row(e.code)->condition, e, detail);
}

void xml_stream_error_as(struct buf *out, const char *condition, struct err e, const char *detail)
{
	const struct err_row *row = err_row(e.code);
	if (*condition) {
		(void)buf_printf(out,
			"<stream:error><%s xmlns='" NS_STREAM_ERRORS "'/>"
			"<text xmlns='" NS_STREAM_ERRORS "' xml:lang='en'>",
			condition);
		xml_escape(out, slice_str(row->sentence));
		if (detail && *detail) {
			put(out, ": ");
			xml_escape(out, slice_str(detail));
		}
		(void)buf_printf(out, " [%s]</text></stream:error>", row->id);
	}
	xml_stream_end(out);
}

/* In the letters of whoever asked: it is looked up, and its key made, under these. */
static void db_domain(struct buf *out, const char *name, const struct domain *d)
{
	if (d->ascii)
		xml_attr(out, name, domain_slice(d));
	else
		domain_attr(out, name, d);
}

static void db_open(struct buf *out, const char *name, const struct domain *from,
	const struct domain *to, struct slice id, const char *type)
{
	put(out, "<db:");
	put(out, name);
	db_domain(out, "from", from);
	db_domain(out, "to", to);
	if (id.len)
		xml_attr(out, "id", id);
	if (type)
		xml_attr(out, "type", slice_str(type));
}

static void db_close(struct buf *out, const char *name, struct slice key)
{
	if (!key.len) {
		put(out, "/>");
		return;
	}
	put(out, ">");
	xml_escape(out, key);
	put(out, "</db:");
	put(out, name);
	put(out, ">");
}

void xml_db_result(struct buf *out, const struct domain *from, const struct domain *to,
	const char *type, struct slice key)
{
	db_open(out, "result", from, to, SLICE_NONE, type);
	db_close(out, "result", key);
}

void xml_db_verify(struct buf *out, const struct domain *from, const struct domain *to,
	struct slice id, const char *type, struct slice key)
{
	db_open(out, "verify", from, to, id, type);
	db_close(out, "verify", key);
}

void xml_db_error(struct buf *out, const char *name, const struct domain *from,
	const struct domain *to, struct slice id, const char *condition)
{
	db_open(out, name, from, to, id, "error");
	(void)buf_printf(out,
		"><error type='cancel'><%s xmlns='" NS_STANZA_ERRORS "'/></error></db:%s>",
		condition, name);
}
