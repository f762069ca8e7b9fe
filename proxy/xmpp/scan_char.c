/* Characters and references: checked while they arrive, decoded when a value is asked for. */
#include "xmpp/scan_inside.h"

#include <string.h>

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
bool scan_char(struct scan *s, char c)
{
	unsigned char u = (unsigned char)c;
	if (u >= 0x80 || s->utf8_need)
		return take_utf8(s, u) || scan_refuse(s, ERR_XML_UTF8);
	return is_xml_char(u) || scan_refuse(s, ERR_XML_UTF8);
}

/* ---- references: the five predefined ones and characters ---- */

static bool char_ref_ok(const char *digits, bool hex)
{
	uint32_t c = 0;
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
	return is_xml_char(c); /* no digits at all: NUL, which is none */
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

bool scan_ref(struct scan *s, char c)
{
	if (c != ';') {
		bool plain = scan_is_name_char(c) || (c == '#' && s->ref_len == 0);
		if (!plain || s->ref_len + 1 >= sizeof s->ref)
			return scan_refuse(s, ERR_XML);
		s->ref[s->ref_len++] = c;
		return true;
	}
	s->ref[s->ref_len] = '\0';
	if (!ref_ok(s->ref)) /* RFC 6120 11.1: no other entities */
		return scan_refuse(s, s->ref[0] == '#' ? ERR_XML_UTF8 : ERR_XML_RESTRICTED);
	s->state = s->after_ref;
	return true;
}

void scan_ref_begin(struct scan *s)
{
	s->after_ref = s->state;
	s->state = ST_REF;
	s->ref_len = 0;
	s->brackets = 0;
}

/* ---- decoding, of what was checked ---- */

static size_t put_utf8(uint32_t c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static uint32_t ref_value(struct slice ref)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"apos", '\''}, {"quot", '"'}};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (slice_eq_str(ref, known[i].name))
			return (uint32_t)known[i].c;
	}
	bool hex = ref.len > 1 && ref.ptr[1] == 'x';
	uint32_t c = 0;
	for (size_t i = hex ? 2 : 1; i < ref.len; i++) {
		char d = ref.ptr[i];
		uint32_t v = d <= '9' ? (uint32_t)(d - '0') : (uint32_t)((d | 0x20) - 'a') + 10;
		c = c * (hex ? 16 : 10) + v;
	}
	return c;
}

struct err scan_decode(struct slice raw, struct buf *out)
{
	struct err full = err_ok();
	for (size_t i = 0; i < raw.len && !err_is(full);) {
		size_t n = i;
		while (n < raw.len && raw.ptr[n] != '&' && (unsigned char)raw.ptr[n] >= 0x20)
			n++;
		if (n > i) {
			full = buf_append(out, slice_sub(raw, i, n));
			i = n;
			continue;
		}
		char utf8[4] = {' '}; /* XML 1.0 3.3.3: white space becomes a space */
		size_t len = 1;
		if (raw.ptr[i] == '&') {
			size_t end = i + slice_find(slice_sub(raw, i, raw.len), ';');
			len = put_utf8(ref_value(slice_sub(raw, i + 1, end)), utf8);
			i = end;
		} else if (raw.ptr[i] == '\r' && i + 1 < raw.len && raw.ptr[i + 1] == '\n') {
			i++; /* XML 1.0 2.11: CRLF is one line end */
		}
		full = buf_append(out, slice_of(utf8, len));
		i++;
	}
	return full;
}
