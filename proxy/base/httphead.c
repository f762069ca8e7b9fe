#include "base/httphead.h"

#include <string.h>

void httphead_reset(struct httphead_reader *r)
{
	r->head = (struct httphead){0};
	r->len = r->line = 0;
	r->fields = 0;
	r->blank = r->has_request = r->has_length = r->has_coding = false;
}

bool httphead_is_empty(const struct httphead_reader *r)
{
	return r->len == 0;
}

/* ---- characters ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 9110 5.6.2 */
static bool is_token_char(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_token_char(s.ptr[i]))
			return false;
	}
	return s.len > 0;
}

static bool is_visible(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] <= ' ' || s.ptr[i] > '~')
			return false;
	}
	return s.len > 0;
}

/* RFC 9110 5.5: visible ones, blanks, tabs, and bytes from 0x80 on. */
static bool is_value(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* What stands before `c`; *rest goes behind it. */
static struct slice cut(struct slice *rest, char c)
{
	size_t at = slice_find(*rest, c);
	struct slice part = slice_sub(*rest, 0, at);
	*rest = slice_sub(*rest, at + 1, rest->len);
	return part;
}

/* ---- lines ---- */

/* RFC 9112 2.3: the name in capitals, one digit on each side of the point. */
static enum httphead_step read_version(struct httphead *h, struct slice version)
{
	h->close = slice_eq_str(version, "HTTP/1.0");
	if (h->close || slice_eq_str(version, "HTTP/1.1"))
		return HTTPHEAD_MORE;
	bool other = version.len == 8 && slice_starts(version, "HTTP/") &&
		     is_digit(version.ptr[5]) && version.ptr[6] == '.' && is_digit(version.ptr[7]);
	return other ? HTTPHEAD_VERSION : HTTPHEAD_MALFORMED;
}

/* RFC 9112 3; without a version it is HTTP/0.9's. */
static enum httphead_step read_request_line(struct httphead_reader *r, struct slice line)
{
	r->has_request = true;
	r->head.method = cut(&line, ' ');
	r->head.target = cut(&line, ' ');
	if (!is_token(r->head.method) || !is_visible(r->head.target))
		return HTTPHEAD_MALFORMED;
	return read_version(&r->head, line);
}

/* RFC 9112 6.2, 6.3: a number; a second one, or one beside a coding, is a smuggler's. */
static bool read_length(struct httphead_reader *r, struct slice value)
{
	bool again = r->has_length;
	r->has_length = true;
	for (size_t i = 0; i < value.len; i++) {
		if (!is_digit(value.ptr[i]))
			return false;
		r->head.body |= value.ptr[i] != '0';
	}
	return value.len > 0 && !again && !r->has_coding;
}

static bool read_coding(struct httphead_reader *r)
{
	r->has_coding = r->head.body = true;
	return !r->has_length;
}

/* RFC 9112 3.2: more than one is refused; that there is one is the caller's to ask. */
static bool read_host(struct httphead *h, struct slice value)
{
	bool again = h->host.ptr != NULL;
	h->host = value;
	return !again;
}

/* RFC 9112 9.3 */
static bool read_connection(struct httphead *h, struct slice value)
{
	while (value.len)
		h->close |= slice_ieq_str(slice_trim(cut(&value, ',')), "close");
	return true;
}

/* RFC 9112 5.1: no blanks before the colon; 5.2: a line that begins with one is a folded one. */
static enum httphead_step read_field(struct httphead_reader *r, struct slice line)
{
	if (++r->fields > HTTPHEAD_FIELDS_MAX)
		return HTTPHEAD_TOO_LARGE;
	bool fine = slice_find(line, ':') < line.len;
	struct slice name = cut(&line, ':'), value = slice_trim(line);
	fine = fine && is_token(name) && is_value(value);
	if (fine && slice_ieq_str(name, "host"))
		fine = read_host(&r->head, value);
	else if (fine && slice_ieq_str(name, "content-length"))
		fine = read_length(r, value);
	else if (fine && slice_ieq_str(name, "transfer-encoding"))
		fine = read_coding(r);
	else if (fine && slice_ieq_str(name, "connection"))
		fine = read_connection(&r->head, value);
	return fine ? HTTPHEAD_MORE : HTTPHEAD_MALFORMED;
}

/* A line without its CR LF. RFC 9112 2.2: one empty line before the request is passed over. */
static enum httphead_step read_line(struct httphead_reader *r, struct slice line)
{
	if (line.len == 0 && !r->has_request) {
		bool again = r->blank;
		r->blank = true;
		return again ? HTTPHEAD_MALFORMED : HTTPHEAD_MORE;
	}
	if (line.len == 0)
		return HTTPHEAD_WHOLE;
	return r->has_request ? read_field(r, line) : read_request_line(r, line);
}

/* The byte that was just put at the end. RFC 9112 2.2: a CR alone has no meaning; a LF alone could
 * end a line for others. */
static enum httphead_step read_byte(struct httphead_reader *r)
{
	bool after_cr = r->len - r->line > 1 && r->bytes[r->len - 2] == '\r';
	bool is_lf = r->bytes[r->len - 1] == '\n';
	if (after_cr != is_lf)
		return HTTPHEAD_MALFORMED;
	if (!is_lf)
		return r->len == HTTPHEAD_MAX ? HTTPHEAD_TOO_LARGE : HTTPHEAD_MORE;
	struct slice line = slice_of(r->bytes + r->line, r->len - r->line - 2);
	r->line = r->len;
	enum httphead_step step = read_line(r, line);
	return step == HTTPHEAD_MORE && r->len == HTTPHEAD_MAX ? HTTPHEAD_TOO_LARGE : step;
}

enum httphead_step httphead_read(struct httphead_reader *r, struct slice *in)
{
	enum httphead_step step = HTTPHEAD_MORE;
	while (in->len && step == HTTPHEAD_MORE) {
		r->bytes[r->len++] = in->ptr[0];
		*in = slice_sub(*in, 1, in->len);
		step = read_byte(r);
	}
	return step;
}
