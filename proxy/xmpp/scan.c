/* Bytes to events: the loop, the limits, and what stands between tags. Every byte is looked at
 * once, whatever the split; the state that survives a feed is in struct scan. */
#include "xmpp/scan.h"

#include "base/mem.h"
#include "xmpp/scan_inside.h"

#include <string.h>

const struct scan_limits scan_limits_proven = {512 * 1024, 8192, 16384, 64, 256, 64};
const struct scan_limits scan_limits_stranger = {16384, 8192, 8192, 16, 32, 16};

enum { SMALL = 1024 };

static void init(struct scan *s, const struct scan_limits *limits)
{
	*s = (struct scan){.limits = *limits, .declaration_allowed = true};
	buf_init(&s->held, BUF_UNLIMITED);
	buf_init(&s->uris, BUF_UNLIMITED);
	buf_init(&s->header, BUF_UNLIMITED);
}

static void fini(struct scan *s)
{
	scan_tag_free(s);
	buf_fini(&s->held);
	buf_fini(&s->uris);
	buf_fini(&s->header);
	mem_free(s->levels);
}

struct scan *scan_new(const struct scan_limits *limits)
{
	struct scan *s = MEM_NEW(struct scan);
	init(s, limits);
	return s;
}

void scan_free(struct scan *s)
{
	if (!s)
		return;
	fini(s);
	mem_free(s);
}

void scan_set_limits(struct scan *s, const struct scan_limits *limits)
{
	s->limits = *limits;
}

void scan_reset(struct scan *s)
{
	struct scan_limits limits = s->limits;
	fini(s);
	init(s, &limits);
}

const struct scan_element *scan_element(const struct scan *s)
{
	return &s->element;
}

struct err scan_error(const struct scan *s)
{
	return s->error;
}

size_t scan_idle_bytes(const struct scan *s)
{
	return s->idle;
}

bool scan_mid_element(const struct scan *s)
{
	return s->offset > 0;
}

bool scan_refuse(struct scan *s, enum err_code code)
{
	s->state = ST_ERROR;
	s->error = err_make(code);
	return false;
}

/* ---- character data ---- */

static bool on_text(struct scan *s, char c)
{
	if (s->utf8_need || (unsigned char)c >= 0x80) {
		s->brackets = 0;
		return scan_char(s, c);
	}
	if (c == '<') {
		s->state = ST_TAG;
		s->tag_start = s->offset;
		s->brackets = 0;
		return true;
	}
	if (c == '&') {
		scan_ref_begin(s);
		return true;
	}
	if (c == '>' && s->brackets >= 2)
		return scan_refuse(s, ERR_XML); /* XML 1.0 2.4: no "]]>" in text */
	s->brackets = c == ']' ? s->brackets + 1 : 0;
	return scan_char(s, c);
}

static bool on_cdata(struct scan *s, char c)
{
	if (c == '>' && s->brackets >= 2 && !s->utf8_need) {
		s->state = ST_TEXT;
		s->brackets = 0;
		return true;
	}
	s->brackets = c == ']' ? s->brackets + 1 : 0;
	return scan_char(s, c);
}

static bool on_bang(struct scan *s, char c)
{
	static const char cdata[] = "[CDATA[";
	if (c != cdata[s->match])
		return scan_refuse(s, ERR_XML_RESTRICTED);
	if (++s->match == sizeof cdata - 1) {
		s->state = ST_CDATA;
		s->brackets = 0;
	}
	return true;
}

static bool on_between(struct scan *s, char c)
{
	if (scan_is_space(c)) {
		s->idle++;
		return true;
	}
	if (c != '<')
		return scan_refuse(s, s->has_root ? ERR_XML : ERR_NOT_XMPP);
	s->state = ST_TAG;
	s->tag_start = 0;
	return true;
}

static bool on_start(struct scan *s, char c)
{
	unsigned char u = (unsigned char)c;
	if (u == 0xef || u == 0xfe || u == 0xff || u == 0)
		return scan_refuse(s, ERR_XML_ENCODING); /* BOMs, UTF-16, UCS-4 (X09) */
	s->state = ST_BETWEEN;
	if (c != '<')
		s->declaration_allowed = false;
	return on_between(s, c);
}

/* Behind '<': at a document's very start this may be its XML declaration. */
static bool on_first_tag(struct scan *s, const char *base, char c, enum scan_event *event)
{
	if (s->declaration_allowed) {
		s->declaration_allowed = false;
		if (c == '\0') /* UTF-16 or UCS-4 without a mark */
			return scan_refuse(s, ERR_XML_ENCODING);
		if (c == '?') {
			s->state = ST_DECL;
			return true;
		}
	}
	return scan_markup(s, base, c, event);
}

/* ---- the loop ---- */

static bool take_byte(struct scan *s, const char *base, char c, enum scan_event *event)
{
	switch (s->state) {
	case ST_START:
		return on_start(s, c);
	case ST_DECL:
		return scan_declaration(s, base, c);
	case ST_BETWEEN:
		return on_between(s, c);
	case ST_TAG:
		return on_first_tag(s, base, c, event);
	case ST_NAME:
	case ST_IN_TAG:
	case ST_ATTR:
	case ST_EQ:
	case ST_QUOTE:
	case ST_VALUE:
	case ST_EMPTY:
	case ST_END_NAME:
	case ST_END_SPACE:
		return scan_markup(s, base, c, event);
	case ST_TEXT:
		return on_text(s, c);
	case ST_REF:
		return scan_ref(s, c);
	case ST_BANG:
		return on_bang(s, c);
	case ST_CDATA:
		return on_cdata(s, c);
	case ST_DONE:
		return scan_is_space(c) || scan_refuse(s, ERR_XML);
	case ST_ERROR:
		break;
	}
	return false;
}

static bool in_start_tag(const struct scan *s)
{
	enum scan_state state = s->state == ST_REF ? s->after_ref : s->state;
	return state >= ST_NAME && state <= ST_EMPTY;
}

/* How many bytes more may be taken; what is wrong with the one behind them. */
static size_t room_left(const struct scan *s, enum err_code *over)
{
	size_t used = s->offset, limit = s->limits.max_element_bytes;
	*over = ERR_STANZA_SIZE;
	if (!s->has_root) {
		used += s->declared;
		limit = s->limits.max_header_bytes;
		*over = ERR_XML_TAG_SIZE;
	} else if (in_start_tag(s) && s->tag_start < limit &&
		   s->limits.max_tag_bytes < limit - s->tag_start) {
		used -= s->tag_start;
		limit = s->limits.max_tag_bytes;
		*over = ERR_XML_TAG_SIZE;
	}
	return used < limit ? limit - used : 0;
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '<' && c != '&';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Plain ASCII in text and values, and letters in names, need no look at the state. */
static const char *skip_plain(const struct scan *s, const char *p, const char *end)
{
	if (s->utf8_need || s->brackets)
		return p;
	if (s->state == ST_TEXT) {
		while (p < end && is_plain(*p) && *p != ']')
			p++;
	} else if (s->state == ST_VALUE) {
		while (p < end && is_plain(*p) && *p != s->quote)
			p++;
	} else if (s->state == ST_NAME || s->state == ST_ATTR) {
		while (p < end && is_letter(*p))
			p++;
	}
	return p;
}

static void element_begins_anew(struct scan *s)
{
	s->offset = 0;
	s->tag_start = 0;
	s->binding_count = 0;
	s->bare = false;
	buf_clear(&s->uris);
	for (size_t i = 0; i < s->outer_count; i++)
		s->outer[i].used = false;
}

/* Nothing is being read: the next byte is a first one. */
static bool is_idle(const struct scan *s)
{
	return s->state == ST_BETWEEN || s->state == ST_DONE;
}

/* Takes bytes up to `end` while the state is the same, plain ones together. Returns the first byte
 * not taken. */
static const char *take(
	struct scan *s, const char *base, const char *p, const char *end, enum scan_event *event)
{
	enum scan_state state = s->state;
	while (p < end && s->state == state && *event == SCAN_MORE) {
		const char *plain = skip_plain(s, p, end);
		s->offset += (size_t)(plain - p);
		p = plain;
		if (p == end)
			break;
		if (!take_byte(s, base, *p, event)) {
			*event = SCAN_ERROR;
			break;
		}
		s->offset++;
		p++;
		if (is_idle(s))
			break;
	}
	return p;
}

/* Reads bytes behind the s->offset ones that stand at `base`, the first byte of the element.
 * Returns how many were taken. The limits are looked at with every new state and hold while it
 * lasts: they are met while bytes arrive, and nothing over them is ever waited for. */
static size_t run(struct scan *s, const char *base, size_t available, enum scan_event *event)
{
	const char *begin = base + s->offset, *p = begin, *end = begin + available;
	while (p < end && *event == SCAN_MORE) {
		enum err_code over;
		size_t room = room_left(s, &over), left = (size_t)(end - p);
		if (room == 0) {
			(void)scan_refuse(s, over);
			*event = SCAN_ERROR;
			break;
		}
		p = take(s, base, p, left < room ? end : p + room, event);
		if (is_idle(s)) {
			s->offset = 0;
			if (*event == SCAN_MORE)
				base = p;
		}
	}
	return (size_t)(p - begin);
}

/* An idle stream holds no memory to speak of. */
static void trim(struct scan *s)
{
	buf_fini(&s->held);
	if (s->uris.cap > SMALL)
		buf_fini(&s->uris);
	scan_tag_trim(s);
}

enum scan_event scan_next(struct scan *s, struct slice *in)
{
	enum scan_event event = SCAN_MORE;
	if (s->state == ST_ERROR)
		return SCAN_ERROR;
	if (s->offset == 0)
		buf_clear(&s->held);
	bool spans = s->offset > 0;
	if (spans)
		(void)buf_append(&s->held, *in);
	const char *base = spans ? buf_peek(&s->held).ptr : in->len ? in->ptr : "";
	size_t start = s->offset;
	size_t taken = run(s, base, in->len, &event);
	struct slice rest = slice_sub(*in, taken, in->len);
	if (event == SCAN_HEADER || event == SCAN_ELEMENT) {
		/* The element ends where the read stopped; it began `offset` bytes before. */
		const char *first = base + start + taken - s->offset;
		scan_describe(s, slice_of(first, s->offset), event == SCAN_HEADER);
		if (event == SCAN_HEADER)
			scan_keep_header(s, first);
		element_begins_anew(s);
		s->state = ST_BETWEEN;
	} else if (event == SCAN_MORE && s->offset > 0 && !spans) {
		(void)buf_append(&s->held, slice_of(in->ptr + taken - s->offset, s->offset));
	} else if (event == SCAN_MORE && s->offset > 0) {
		/* What was held before this element began (the XML declaration) goes. */
		buf_consume(&s->held, buf_len(&s->held) - s->offset);
	} else if (event == SCAN_MORE) {
		trim(s);
	}
	*in = rest;
	return event;
}
