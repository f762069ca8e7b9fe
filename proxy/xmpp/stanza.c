#include "xmpp/stanza.h"

#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/xmlout.h"

#include <stdio.h>
#include <string.h>

enum { ADDRESS_MAX = 3 * 1023 + 2 };

enum stanza_kind stanza_kind(const struct scan_element *e)
{
	if (!slice_eq_str(e->ns, NS_SERVER))
		return STANZA_NONE;
	if (slice_eq_str(e->local, "message"))
		return STANZA_MESSAGE;
	if (slice_eq_str(e->local, "presence"))
		return STANZA_PRESENCE;
	return slice_eq_str(e->local, "iq") ? STANZA_IQ : STANZA_NONE;
}

void stanza_addresses_init(struct stanza_addresses *a)
{
	*a = (struct stanza_addresses){0};
	buf_init(&a->from_text, ADDRESS_MAX);
	buf_init(&a->to_text, ADDRESS_MAX);
}

void stanza_addresses_fini(struct stanza_addresses *a)
{
	buf_fini(&a->from_text);
	buf_fini(&a->to_text);
}

/* Reads one address; `text` ends up holding the rewritten address, or nothing when it may stay. */
static struct err read_address(
	const struct scan_element *e, const char *name, struct domain *out, struct buf *text)
{
	struct slice raw, part;
	buf_clear(text);
	if (!scan_attr_get(e, name, &raw) || err_is(scan_decode(raw, text)))
		return err_make(ERR_ADDRESS);
	struct slice jid = buf_peek(text);
	if (!jid_domainpart(jid, &part))
		return err_make(ERR_ADDRESS);
	struct err wrong = domain_parse(part, out);
	if (err_is(wrong) || domain_is_canonical(out, part)) {
		buf_clear(text);
		return wrong;
	}
	char unicode[DOMAIN_UNICODE_MAX + 1];
	struct slice canonical = domain_unicode(out, unicode);
	struct slice head = slice_of(jid.ptr, (size_t)(part.ptr - jid.ptr));
	struct slice tail = slice_sub(jid, head.len + part.len, jid.len);
	struct buf rewritten;
	buf_init(&rewritten, ADDRESS_MAX);
	bool full = err_is(buf_append(&rewritten, head)) ||
		    err_is(buf_append(&rewritten, canonical)) ||
		    err_is(buf_append(&rewritten, tail));
	buf_fini(text);
	*text = rewritten;
	return full ? err_make(ERR_ADDRESS) : err_ok();
}

struct err stanza_addresses_read(const struct scan_element *e, struct stanza_addresses *a)
{
	struct err wrong = read_address(e, "from", &a->from, &a->from_text);
	if (err_is(wrong))
		return wrong;
	return read_address(e, "to", &a->to, &a->to_text);
}

/* The way nearly every stanza takes: both domainparts are, byte for byte, a pair's. */
static struct pair *find_as_written(const struct scan_element *e, const struct pairs *pairs)
{
	struct slice from, to, from_part, to_part;
	if (!scan_attr_get(e, "from", &from) || !scan_attr_get(e, "to", &to))
		return NULL;
	if (slice_find(from, '&') < from.len || slice_find(to, '&') < to.len)
		return NULL; /* references: the slow way decodes them */
	if (!jid_domainpart(from, &from_part) || !jid_domainpart(to, &to_part))
		return NULL;
	struct pair *pair = pairs_find_text(pairs, from_part, to_part);
	return pair && pair->state == PAIR_VALID ? pair : NULL;
}

struct err stanza_find_pair(const struct scan_element *e, const struct pairs *pairs,
	struct stanza_addresses *a, struct pair **pair)
{
	buf_clear(&a->from_text);
	buf_clear(&a->to_text);
	*pair = NULL;
	if (e->prefix.len)
		return err_make(ERR_STREAM_PREFIX); /* ST-9; RFC 6120 4.8.5 */
	*pair = find_as_written(e, pairs);
	if (*pair)
		return err_ok();
	struct err wrong = stanza_addresses_read(e, a);
	if (err_is(wrong))
		return wrong; /* ADR-1 */
	struct pair *found = pairs_find(pairs, &a->from, &a->to);
	if (found && found->state == PAIR_VALID) {
		*pair = found;
		return err_ok();
	}
	/* ADR-2, ADR-3, ADR-4: the check is on the pair. */
	return err_make(pairs_has_from(pairs, &a->from) ? ERR_PAIR_TO : ERR_INVALID_FROM);
}

/* Whether RFC 6120 8.3.1 and ADR-9 want an answer to this stanza. */
static bool wants_answer(enum stanza_kind kind, const char *type)
{
	static const char *const subscription[] = {
		"subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"};
	if (strcmp(type, "error") == 0)
		return false;
	if (kind == STANZA_IQ)
		return strcmp(type, "get") == 0 || strcmp(type, "set") == 0;
	for (size_t i = 0; kind == STANZA_PRESENCE && i < 5; i++) {
		if (strcmp(type, subscription[i]) == 0)
			return true;
	}
	return kind == STANZA_MESSAGE;
}

/* Decoded, for an error may be spelt with references; cut where no type we know is that long. */
static void read_type(const struct scan_element *e, char *out, size_t size)
{
	struct slice raw;
	struct buf text;
	*out = '\0';
	buf_init(&text, ADDRESS_MAX);
	if (scan_attr_get(e, "type", &raw) && !err_is(scan_decode(raw, &text)))
		snprintf(out, size, "%s", buf_cstr(&text));
	buf_fini(&text);
}

static void copy_attr(
	const struct scan_element *e, const char *from, const char *to, struct buf *out)
{
	struct slice raw;
	struct buf text;
	buf_init(&text, ADDRESS_MAX);
	if (scan_attr_get(e, from, &raw) && !err_is(scan_decode(raw, &text)))
		xml_attr(out, to, buf_peek(&text));
	buf_fini(&text);
}

static bool write_bounce(
	const struct scan_element *e, const char *condition, const char *text, struct buf *out)
{
	static const char *const names[] = {"", "message", "presence", "iq"};
	enum stanza_kind kind = stanza_kind(e);
	char type[16];
	read_type(e, type, sizeof type);
	if (!wants_answer(kind, type))
		return false;
	(void)buf_printf(out, "<%s", names[kind]);
	copy_attr(e, "to", "from", out); /* RFC 6120 8.3.1: addresses swapped, same id */
	copy_attr(e, "from", "to", out);
	copy_attr(e, "id", "id", out);
	(void)buf_printf(out,
		" type='error'><error type='%s'><%s xmlns='" NS_STANZA_ERRORS "'/>"
		"<text xmlns='" NS_STANZA_ERRORS "' xml:lang='en'>",
		strcmp(condition, "remote-server-timeout") == 0 ? "wait" : "cancel", condition);
	xml_escape(out, slice_str(text));
	(void)buf_printf(out, "</text></error></%s>", names[kind]);
	return true;
}

bool stanza_bounce(struct slice stanza, const char *condition, const char *text, struct buf *out)
{
	/* The bytes went through repair: they stand on a stream with this very header. */
	struct slice header = SLICE_LIT("<stream:stream xmlns='" NS_SERVER
					"' xmlns:stream='" NS_STREAM "' xmlns:db='" NS_DB "'>");
	struct scan_limits limits = scan_limits_proven;
	limits.max_element_bytes = stanza.len + 1;
	limits.max_tag_bytes = stanza.len + 1;
	struct scan *scan = scan_new(&limits);
	bool answered = scan_next(scan, &header) == SCAN_HEADER &&
			scan_next(scan, &stanza) == SCAN_ELEMENT &&
			write_bounce(scan_element(scan), condition, text, out);
	scan_free(scan);
	return answered;
}

const char *stanza_condition(enum err_code code)
{
	switch (code) {
	case ERR_DNS_NONE:
	case ERR_DNS_NO_SERVICE:
		return "remote-server-not-found"; /* RFC 6120 10.4.3 */
	case ERR_STANZA_SIZE:
	case ERR_POLICY:
	case ERR_ROUTE_PAIR:
		return "policy-violation";
	case ERR_QUEUE_FULL:
		return "resource-constraint";
	default:
		return "remote-server-timeout";
	}
}
