/* Bytes to events: the lexer. Every byte is looked at once, whatever the split; the state that
 * survives a feed is in struct scan. */
#include "xmpp/scan.h"

#include "base/mem.h"
#include "xmpp/scan_inside.h"

#include <string.h>

const struct scan_limits scan_limits_proven = {512 * 1024, 8192, 16384, 64, 256, 64};
const struct scan_limits scan_limits_stranger = {16384, 8192, 8192, 16, 32, 16};

enum { DECL_MAX = 120 };

struct scan *scan_new(const struct scan_limits *limits)
{
	struct scan *s = MEM_NEW(struct scan);
	s->limits = *limits;
	buf_init(&s->held, BUF_UNLIMITED);
	buf_init(&s->uris, BUF_UNLIMITED);
	buf_init(&s->header, BUF_UNLIMITED);
	s->declaration_allowed = true;
	return s;
}

void scan_free(struct scan *s)
{
	if (!s)
		return;
	scan_tag_free(s);
	buf_fini(&s->held);
	buf_fini(&s->uris);
	buf_fini(&s->header);
	mem_free(s->levels);
	mem_free(s);
}

void scan_set_limits(struct scan *s, const struct scan_limits *limits)
{
	s->limits = *limits;
}

void scan_reset(struct scan *s)
{
	struct scan_limits limits = s->limits;
	scan_tag_free(s);
	buf_fini(&s->held);
	buf_fini(&s->uris);
	buf_fini(&s->header);
	mem_free(s->levels);
	memset(s, 0, sizeof *s);
	s->limits = limits;
	buf_init(&s->held, BUF_UNLIMITED);
	buf_init(&s->uris, BUF_UNLIMITED);
	buf_init(&s->header, BUF_UNLIMITED);
	s->declaration_allowed = true;
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

static bool refuse(struct scan *s, enum err_code code)
{
	s->state = ST_ERROR;
	s->error = err_make(code);
	return false;
}

/* ---- characters ---- */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Names are ASCII: every XMPP specification's are, and on the rest of Unicode the two parsers
 * that stand behind us disagree (expat has the tables of XML 1.0's 4th edition, libxml2 the 5th's).*/
static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_char(char c)
{
	return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* XML 1.0 2.2 Char. */
static bool is_xml_char(uint32_t c)
{
	if (c < 0x20)
		return c == '\t' || c == '\n' || c == '\r';
	return c <= 0xd7ff || (c >= 0xe000 && c <= 0xfffd) || (c >= 0x10000 && c <= 0x10ffff);
}

/* A byte from 0x80 up: lead or continuation. False when it cannot be UTF-8 (RFC 3629). */
static bool take_utf8(struct scan *s, unsigned char c)
{
	if (s->utf8_need) {
		if ((c & 0xc0) != 0x80)
			return false;
		s->utf8_char = s->utf8_char << 6 | (c & 0x3f);
		if (--s->utf8_need)
			return true;
		return s->utf8_char >= s->utf8_min && is_xml_char(s->utf8_char);
	}
	if (c >= 0xc2 && c <= 0xdf) {
		s->utf8_need = 1;
		s->utf8_min = 0x80;
		s->utf8_char = c & 0x1f;
	} else if (c >= 0xe0 && c <= 0xef) {
		s->utf8_need = 2;
		s->utf8_min = 0x800;
		s->utf8_char = c & 0x0f;
	} else if (c >= 0xf0 && c <= 0xf4) {
		s->utf8_need = 3;
		s->utf8_min = 0x10000;
		s->utf8_char = c & 0x07;
	} else {
		return false;
	}
	return true;
}

/* One byte of character data or of a value. */
static bool check_char(struct scan *s, char c)
{
	unsigned char u = (unsigned char)c;
	if (u >= 0x80 || s->utf8_need)
		return take_utf8(s, u) || refuse(s, ERR_XML_UTF8);
	return is_xml_char(u) || refuse(s, ERR_XML_UTF8);
}

/* ---- references: the five predefined ones and characters ---- */

static bool char_ref_ok(const char *digits, bool hex)
{
	uint32_t c = 0;
	if (!*digits)
		return false;
	for (; *digits; digits++) {
		uint32_t d;
		if (*digits >= '0' && *digits <= '9')
			d = (uint32_t)(*digits - '0');
		else if (hex && *digits >= 'a' && *digits <= 'f')
			d = (uint32_t)(*digits - 'a') + 10;
		else if (hex && *digits >= 'A' && *digits <= 'F')
			d = (uint32_t)(*digits - 'A') + 10;
		else
			return false;
		c = c * (hex ? 16 : 10) + d;
		if (c > 0x10ffff)
			return false;
	}
	return is_xml_char(c);
}

static bool ref_ok(const char *ref)
{
	static const char *const known[] = {"lt", "gt", "amp", "apos", "quot"};
	if (ref[0] == '#')
		return ref[1] == 'x' ? char_ref_ok(ref + 2, true) : char_ref_ok(ref + 1, false);
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(ref, known[i]) == 0)
			return true;
	}
	return false;
}

static bool on_ref(struct scan *s, char c)
{
	if (c != ';') {
		bool plain = is_name_char(c) || (c == '#' && s->ref_len == 0);
		if (!plain || s->ref_len + 1 >= sizeof s->ref)
			return refuse(s, ERR_XML);
		s->ref[s->ref_len++] = c;
		return true;
	}
	s->ref[s->ref_len] = '\0';
	if (!ref_ok(s->ref)) /* RFC 6120 11.1: no other entities */
		return refuse(s, s->ref[0] == '#' ? ERR_XML_UTF8 : ERR_XML_RESTRICTED);
	s->state = s->after_ref;
	return true;
}

static void begin_ref(struct scan *s)
{
	s->after_ref = s->state;
	s->state = ST_REF;
	s->ref_len = 0;
	s->brackets = 0;
}

/* ---- the XML declaration ---- */

/* `<?xml version='1.0'?>` with an encoding that is UTF-8 or none, and standalone='yes' at most:
 * both parsers behind us take these, and nothing else is worth taking (X07, X08, X35). */
static bool skip_word(struct slice *s, const char *word)
{
	if (!slice_starts(*s, word))
		return false;
	*s = slice_sub(*s, strlen(word), s->len);
	return true;
}

static bool skip_space(struct slice *s)
{
	size_t n = 0;
	while (n < s->len && is_space(s->ptr[n]))
		n++;
	*s = slice_sub(*s, n, s->len);
	return n > 0;
}

static bool skip_value(struct slice *s, const char *name, struct slice *value)
{
	if (!skip_word(s, name))
		return false;
	skip_space(s);
	if (!skip_word(s, "="))
		return false;
	skip_space(s);
	if (!s->len || (s->ptr[0] != '\'' && s->ptr[0] != '"'))
		return false;
	char quote = s->ptr[0];
	*s = slice_sub(*s, 1, s->len);
	size_t end = slice_find(*s, quote);
	if (end == s->len)
		return false;
	*value = slice_sub(*s, 0, end);
	*s = slice_sub(*s, end + 1, s->len);
	return true;
}

static enum err_code check_declaration(struct slice d)
{
	struct slice value;
	if (!skip_word(&d, "<?xml") || !skip_space(&d) || !skip_value(&d, "version", &value))
		return ERR_XML_RESTRICTED;
	if (!slice_eq_str(value, "1.0"))
		return ERR_XML;
	bool space = skip_space(&d);
	if (space && skip_value(&d, "encoding", &value)) {
		if (!slice_ieq_str(value, "utf-8"))
			return ERR_XML_ENCODING; /* RFC 6120 11.6 */
		space = skip_space(&d);
	}
	if (space && skip_value(&d, "standalone", &value)) {
		if (!slice_eq_str(value, "yes"))
			return ERR_XML_RESTRICTED;
		skip_space(&d);
	}
	return slice_eq_str(d, "?>") ? ERR_OK : ERR_XML;
}

static bool on_declaration(struct scan *s, const char *base, char c)
{
	if ((unsigned char)c >= 0x80 || s->offset > DECL_MAX)
		return refuse(s, ERR_XML_RESTRICTED);
	/* As soon as it cannot be `<?xml ` any more it is a processing instruction. */
	static const char start[] = "<?xml";
	if (s->offset < sizeof start - 1 && c != start[s->offset])
		return refuse(s, ERR_XML_RESTRICTED);
	if (s->offset == sizeof start - 1 && !is_space(c))
		return refuse(s, ERR_XML_RESTRICTED);
	if (c != '>' || s->offset < 6)
		return true;
	enum err_code bad = check_declaration(slice_of(base, s->offset + 1));
	if (bad != ERR_OK)
		return refuse(s, bad);
	s->declaration_allowed = false;
	s->state = ST_BETWEEN;
	return true;
}

/* ---- tags ---- */

static bool push_level(struct scan *s)
{
	if (s->depth >= s->limits.max_depth)
		return refuse(s, ERR_XML_DEPTH);
	if (s->depth == s->level_room) {
		s->level_room = s->level_room ? s->level_room * 2 : 8;
		s->levels = mem_realloc(s->levels, s->level_room * sizeof *s->levels);
	}
	s->levels[s->depth++] = (struct scan_level){
		s->name, s->name_len, (uint32_t)s->binding_count};
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
			return refuse(s, err_is(bad) ? bad.code : ERR_STREAM_ROOT);
		s->has_root = true;
		*event = SCAN_HEADER;
		return true;
	}
	if (!push_level(s))
		return false;
	struct err bad = scan_tag_done(s, base);
	if (err_is(bad))
		return refuse(s, bad.code);
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
			return refuse(s, ERR_XML);
		s->state = ST_END_NAME;
		s->match = 0;
		return true;
	}
	if (c == '!') {
		s->state = ST_BANG;
		s->match = 0;
		/* Only CDATA, and only inside an element; DTDs and comments never (RFC 6120 11.1). */
		return s->depth > 0 || refuse(s, ERR_XML_RESTRICTED);
	}
	if (c == '?')
		return refuse(s, ERR_XML_RESTRICTED);
	if (!is_name_start(c))
		return refuse(s, ERR_XML);
	s->state = ST_NAME;
	s->name = (uint32_t)s->offset;
	s->name_len = 1;
	s->colon = 0;
	s->raw_count = 0;
	return true;
}

static bool on_in_tag(struct scan *s, const char *base, char c, enum scan_event *event)
{
	if (is_space(c)) {
		s->space_seen = true;
		return true;
	}
	if (c == '>')
		return start_tag_ends(s, base, false, event);
	if (c == '/') {
		s->state = ST_EMPTY;
		return true;
	}
	if (!s->space_seen || !is_name_start(c))
		return refuse(s, ERR_XML);
	if (s->raw_count >= (size_t)s->limits.max_attrs + s->limits.max_ns)
		return refuse(s, ERR_XML_ATTRS);
	if (s->raw_count == s->raw_room) {
		s->raw_room = s->raw_room ? s->raw_room * 2 : 8;
		s->raw = mem_realloc(s->raw, s->raw_room * sizeof *s->raw);
	}
	s->raw[s->raw_count++] = (struct scan_raw_attr){.name = (uint32_t)s->offset, .name_len = 1};
	s->state = ST_ATTR;
	return true;
}

/* A name goes on, or ends: `colon` is where the prefix ends, 0 when there was none. */
static bool name_char(struct scan *s, char c, uint32_t *len, uint32_t *colon)
{
	if (c == ':') {
		if (*colon)
			return refuse(s, ERR_XML_NAMESPACE);
		*colon = *len;
	} else if (*colon && *colon == *len - 1 && !is_name_start(c)) {
		return refuse(s, ERR_XML_NAMESPACE); /* the local part is a name too */
	} else if (!is_name_char(c)) {
		return refuse(s, ERR_XML);
	}
	(*len)++;
	return true;
}

static bool name_ends(struct scan *s, uint32_t len, uint32_t *colon)
{
	if (*colon && *colon == len - 1)
		return refuse(s, ERR_XML_NAMESPACE);
	if (!*colon)
		*colon = len;
	return true;
}

static bool on_name(struct scan *s, const char *base, char c, enum scan_event *event)
{
	if (!is_space(c) && c != '>' && c != '/')
		return name_char(s, c, &s->name_len, &s->colon);
	if (!name_ends(s, s->name_len, &s->colon))
		return false;
	s->state = ST_IN_TAG;
	s->space_seen = false;
	return on_in_tag(s, base, c, event);
}

static bool on_attr(struct scan *s, char c)
{
	struct scan_raw_attr *a = &s->raw[s->raw_count - 1];
	if (!is_space(c) && c != '=')
		return name_char(s, c, &a->name_len, &a->colon);
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
		begin_ref(s);
		return true;
	}
	if (c == '<')
		return refuse(s, ERR_XML);
	return check_char(s, c);
}

static bool on_quote(struct scan *s, char c)
{
	if (is_space(c))
		return true;
	if (c != '\'' && c != '"')
		return refuse(s, ERR_XML);
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
		return c == want[s->match++] || refuse(s, ERR_XML);
	if (c == '>')
		return end_tag_ends(s, event);
	s->state = ST_END_SPACE;
	return is_space(c) || refuse(s, ERR_XML);
}

/* ---- character data ---- */

static bool on_text(struct scan *s, char c)
{
	if (s->utf8_need || (unsigned char)c >= 0x80) {
		s->brackets = 0;
		return check_char(s, c);
	}
	if (c == '<') {
		s->state = ST_TAG;
		s->tag_start = s->offset;
		return true;
	}
	if (c == '&') {
		begin_ref(s);
		return true;
	}
	if (c == '>' && s->brackets >= 2)
		return refuse(s, ERR_XML); /* XML 1.0 2.4: no "]]>" in text */
	s->brackets = c == ']' ? s->brackets + 1 : 0;
	return check_char(s, c);
}

static bool on_cdata(struct scan *s, char c)
{
	if (c == '>' && s->brackets >= 2 && !s->utf8_need) {
		s->state = ST_TEXT;
		s->brackets = 0;
		return true;
	}
	s->brackets = c == ']' ? s->brackets + 1 : 0;
	return check_char(s, c);
}

static bool on_bang(struct scan *s, char c)
{
	static const char cdata[] = "[CDATA[";
	if (c != cdata[s->match])
		return refuse(s, ERR_XML_RESTRICTED);
	if (++s->match == sizeof cdata - 1) {
		s->state = ST_CDATA;
		s->brackets = 0;
	}
	return true;
}

static bool on_between(struct scan *s, char c)
{
	if (is_space(c)) {
		s->idle++;
		return true;
	}
	if (c != '<')
		return refuse(s, s->has_root ? ERR_XML : ERR_NOT_XMPP);
	s->state = ST_TAG;
	s->tag_start = 0;
	return true;
}

static bool on_start(struct scan *s, char c)
{
	unsigned char u = (unsigned char)c;
	if (u == 0xef || u == 0xfe || u == 0xff || u == 0)
		return refuse(s, ERR_XML_ENCODING); /* BOMs, UTF-16, UCS-4 (X09) */
	s->state = ST_BETWEEN;
	if (c != '<')
		s->declaration_allowed = false;
	return on_between(s, c);
}

/* ---- the loop ---- */

static bool take_byte(struct scan *s, const char *base, char c, enum scan_event *event)
{
	switch (s->state) {
	case ST_START:
		return on_start(s, c);
	case ST_DECL:
		return on_declaration(s, base, c);
	case ST_BETWEEN:
		return on_between(s, c);
	case ST_TAG:
		if (c == '?' && s->declaration_allowed && s->offset == 1) {
			s->state = ST_DECL;
			return true;
		}
		s->declaration_allowed = false;
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
		return c == '=' || is_space(c) || refuse(s, ERR_XML);
	case ST_QUOTE:
		return on_quote(s, c);
	case ST_VALUE:
		return on_value(s, c);
	case ST_EMPTY:
		return c == '>' ? start_tag_ends(s, base, true, event) : refuse(s, ERR_XML);
	case ST_END_NAME:
		return on_end_name(s, base, c, event);
	case ST_END_SPACE:
		return c == '>' ? end_tag_ends(s, event) : is_space(c) || refuse(s, ERR_XML);
	case ST_TEXT:
		return on_text(s, c);
	case ST_REF:
		return on_ref(s, c);
	case ST_BANG:
		return on_bang(s, c);
	case ST_CDATA:
		return on_cdata(s, c);
	case ST_DONE:
		return is_space(c) || refuse(s, ERR_XML);
	case ST_ERROR:
		break;
	}
	return false;
}

static bool in_start_tag(const struct scan *s)
{
	return s->state >= ST_NAME && s->state <= ST_EMPTY;
}

/* Checked while bytes arrive: nothing over a limit is ever waited for. */
static bool check_size(struct scan *s)
{
	if (!s->has_root)
		return s->offset < s->limits.max_header_bytes || refuse(s, ERR_XML_TAG_SIZE);
	if (in_start_tag(s) && s->offset - s->tag_start >= s->limits.max_tag_bytes)
		return refuse(s, ERR_XML_TAG_SIZE);
	return s->offset < s->limits.max_element_bytes || refuse(s, ERR_STANZA_SIZE);
}

/* Plain ASCII in text and values needs no look at the state. */
static const char *skip_plain(const struct scan *s, const char *p, const char *end)
{
	if (s->utf8_need || s->brackets)
		return p;
	if (s->state == ST_TEXT) {
		while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f &&
			*p != '<' && *p != '&' && *p != ']')
			p++;
	} else if (s->state == ST_VALUE) {
		while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f &&
			*p != '<' && *p != '&' && *p != s->quote)
			p++;
	}
	return p;
}

/* The most that may be skipped before a size limit has to be looked at. */
static const char *skip_end(const struct scan *s, const char *p, const char *end)
{
	size_t room = s->limits.max_element_bytes - s->offset;
	if (!s->has_root)
		room = s->limits.max_header_bytes - s->offset;
	else if (in_start_tag(s) && s->limits.max_tag_bytes - (s->offset - s->tag_start) < room)
		room = s->limits.max_tag_bytes - (s->offset - s->tag_start);
	return (size_t)(end - p) < room ? end : p + room;
}

static void element_begins_anew(struct scan *s)
{
	s->offset = 0;
	s->tag_start = 0;
	s->binding_count = 0;
	buf_clear(&s->uris);
	for (size_t i = 0; i < s->outer_count; i++)
		s->outer[i].used = false;
}

/* Reads bytes from p on; `base` is the first byte of the element (p - offset). Returns how many
 * bytes were taken. */
static size_t run(struct scan *s, const char *base, size_t available, enum scan_event *event)
{
	const char *begin = base + s->offset, *p = begin, *end = begin + available;
	while (p < end && *event == SCAN_MORE) {
		const char *skipped = skip_plain(s, p, skip_end(s, p, end));
		s->offset += (size_t)(skipped - p);
		p = skipped;
		if (p == end)
			break;
		if (!check_size(s) || !take_byte(s, base, *p, event)) {
			*event = SCAN_ERROR;
			break;
		}
		p++;
		s->offset++;
		if (s->state == ST_BETWEEN || s->state == ST_DONE) {
			/* Nothing is being read: the next byte is a first one. */
			s->offset = 0;
			if (*event == SCAN_MORE)
				base = p;
		}
	}
	return (size_t)(p - begin);
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
	const char *base = spans ? buf_peek(&s->held).ptr : in->ptr;
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
	} else if (event == SCAN_MORE && s->offset == 0 && buf_len(&s->held)) {
		buf_fini(&s->held); /* an idle stream holds no memory */
	}
	*in = rest;
	return event;
}
