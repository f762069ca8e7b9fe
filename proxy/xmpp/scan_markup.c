/* Start and end tags, byte by byte. */
#include "base/mem.h"
#include "xmpp/scan_inside.h"

static bool push_level(struct scan *s)
{
	if (s->depth >= s->limits.max_depth)
		return scan_refuse(s, ERR_XML_DEPTH);
	if (s->depth == s->level_room) {
		s->level_room = s->level_room ? s->level_room * 2 : 8;
		s->levels = mem_realloc(s->levels, s->level_room * sizeof *s->levels);
	}
	s->levels[s->depth++] =
		(struct scan_level){s->name, s->name_len, (uint32_t)s->binding_count};
	return true;
}

static void pop_level(struct scan *s)
{
	s->binding_count = s->levels[--s->depth].ns_mark;
}

/* '>' of a start tag, or of "/>". */
static bool start_tag_ends(struct scan *s, const char *base, bool empty, enum scan_event *event)
{
	if (!s->has_root) {
		struct err bad = scan_tag_done(s, base);
		if (err_is(bad) || empty)
			return scan_refuse(s, err_is(bad) ? bad.code : ERR_STREAM_ROOT);
		s->has_root = true;
		*event = SCAN_HEADER;
		return true;
	}
	if (!push_level(s))
		return false;
	struct err bad = scan_tag_done(s, base);
	if (err_is(bad))
		return scan_refuse(s, bad.code);
	s->state = ST_TEXT;
	s->brackets = 0;
	if (!empty)
		return true;
	pop_level(s);
	if (s->depth == 0)
		*event = SCAN_ELEMENT;
	return true;
}

static bool on_tag(struct scan *s, char c)
{
	if (c == '/') {
		if (!s->has_root)
			return scan_refuse(s, ERR_XML);
		s->state = ST_END_NAME;
		s->match = 0;
		return true;
	}
	if (c == '!') {
		s->state = ST_BANG;
		s->match = 0;
		/* Only CDATA, and only inside an element; DTDs and comments never (RFC 6120 11.1).
		 */
		return s->depth > 0 || scan_refuse(s, ERR_XML_RESTRICTED);
	}
	if (c == '?')
		return scan_refuse(s, ERR_XML_RESTRICTED);
	if (!scan_is_name_start(c))
		return scan_refuse(s, ERR_XML);
	s->state = ST_NAME;
	s->name = (uint32_t)s->offset;
	s->colon = 0;
	s->raw_count = 0;
	return true;
}

static bool on_in_tag(struct scan *s, const char *base, char c, enum scan_event *event)
{
	if (scan_is_space(c)) {
		s->space_seen = true;
		return true;
	}
	if (c == '>')
		return start_tag_ends(s, base, false, event);
	if (c == '/') {
		s->state = ST_EMPTY;
		return true;
	}
	if (!s->space_seen || !scan_is_name_start(c))
		return scan_refuse(s, ERR_XML);
	if (s->raw_count >= (size_t)s->limits.max_attrs + s->limits.max_ns)
		return scan_refuse(s, ERR_XML_ATTRS);
	if (s->raw_count == s->raw_room) {
		s->raw_room = s->raw_room ? s->raw_room * 2 : 8;
		s->raw = mem_realloc(s->raw, s->raw_room * sizeof *s->raw);
	}
	s->raw[s->raw_count++] = (struct scan_raw_attr){.name = (uint32_t)s->offset};
	s->state = ST_ATTR;
	return true;
}

/* A name goes on: `len` bytes of it were taken. `colon` is where its prefix ends, 0 when it has
 * none so far. Letters are fine anywhere and may never get here (scan.c skips them). */
static bool name_char(struct scan *s, char c, uint32_t len, uint32_t *colon)
{
	if (c == ':') {
		bool second = *colon > 0;
		*colon = len;
		return !second || scan_refuse(s, ERR_XML_NAMESPACE);
	}
	if (*colon && *colon == len - 1 && !scan_is_name_start(c))
		return scan_refuse(s, ERR_XML_NAMESPACE); /* the local part is a name too */
	return scan_is_name_char(c) || scan_refuse(s, ERR_XML);
}

static bool name_ends(struct scan *s, uint32_t len, uint32_t *colon)
{
	if (*colon && *colon == len - 1)
		return scan_refuse(s, ERR_XML_NAMESPACE);
	if (!*colon)
		*colon = len;
	return true;
}

static bool on_name(struct scan *s, const char *base, char c, enum scan_event *event)
{
	s->name_len = (uint32_t)s->offset - s->name;
	if (!scan_is_space(c) && c != '>' && c != '/')
		return name_char(s, c, s->name_len, &s->colon);
	if (!name_ends(s, s->name_len, &s->colon))
		return false;
	s->state = ST_IN_TAG;
	s->space_seen = false;
	return on_in_tag(s, base, c, event);
}

static bool on_attr(struct scan *s, char c)
{
	struct scan_raw_attr *a = &s->raw[s->raw_count - 1];
	a->name_len = (uint32_t)s->offset - a->name;
	if (!scan_is_space(c) && c != '=')
		return name_char(s, c, a->name_len, &a->colon);
	if (!name_ends(s, a->name_len, &a->colon))
		return false;
	s->state = c == '=' ? ST_QUOTE : ST_EQ;
	return true;
}

static bool on_value(struct scan *s, char c)
{
	struct scan_raw_attr *a = &s->raw[s->raw_count - 1];
	if (c == s->quote && !s->utf8_need) {
		a->value_len = (uint32_t)(s->offset - a->value);
		s->state = ST_IN_TAG;
		s->space_seen = false;
		return true;
	}
	if (c == '&' && !s->utf8_need) {
		scan_ref_begin(s);
		return true;
	}
	if (c == '<')
		return scan_refuse(s, ERR_XML);
	return scan_char(s, c);
}

static bool on_quote(struct scan *s, char c)
{
	if (scan_is_space(c))
		return true;
	if (c != '\'' && c != '"')
		return scan_refuse(s, ERR_XML);
	s->quote = c;
	s->raw[s->raw_count - 1].value = (uint32_t)s->offset + 1;
	s->state = ST_VALUE;
	return true;
}

static bool end_tag_ends(struct scan *s, enum scan_event *event)
{
	if (s->depth == 0) {
		s->state = ST_DONE;
		*event = SCAN_END;
		return true;
	}
	pop_level(s);
	s->state = ST_TEXT;
	s->brackets = 0;
	if (s->depth == 0)
		*event = SCAN_ELEMENT;
	return true;
}

static bool on_end_name(struct scan *s, const char *base, char c, enum scan_event *event)
{
	const char *want = s->depth ? base + s->levels[s->depth - 1].name
				    : buf_peek(&s->header).ptr + s->root_name;
	uint32_t len = s->depth ? s->levels[s->depth - 1].name_len : s->root_name_len;
	if (s->match < len)
		return c == want[s->match++] || scan_refuse(s, ERR_XML);
	if (c == '>')
		return end_tag_ends(s, event);
	s->state = ST_END_SPACE;
	return scan_is_space(c) || scan_refuse(s, ERR_XML);
}

bool scan_markup(struct scan *s, const char *base, char c, enum scan_event *event)
{
	switch (s->state) {
	case ST_TAG:
		return on_tag(s, c);
	case ST_NAME:
		return on_name(s, base, c, event);
	case ST_IN_TAG:
		return on_in_tag(s, base, c, event);
	case ST_ATTR:
		return on_attr(s, c);
	case ST_EQ:
		if (c == '=')
			s->state = ST_QUOTE;
		return c == '=' || scan_is_space(c) || scan_refuse(s, ERR_XML);
	case ST_QUOTE:
		return on_quote(s, c);
	case ST_VALUE:
		return on_value(s, c);
	case ST_EMPTY:
		return c == '>' ? start_tag_ends(s, base, true, event) : scan_refuse(s, ERR_XML);
	case ST_END_NAME:
		return on_end_name(s, base, c, event);
	default: /* ST_END_SPACE */
		if (c == '>')
			return end_tag_ends(s, event);
		return scan_is_space(c) || scan_refuse(s, ERR_XML);
	}
}
