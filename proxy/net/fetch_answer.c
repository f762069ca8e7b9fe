/* What a web server may send: a stranger chose it (P07, P08, POSH-2). */
#include "net/fetch_inside.h"

#include <string.h>

enum { SWITCHING_PROTOCOLS = 101, OK = 200 };

void fetch_response_init(struct fetch_response *r, size_t max_bytes)
{
	buf_init(&r->body, max_bytes);
}

void fetch_response_fini(struct fetch_response *r)
{
	buf_fini(&r->body);
}

static bool refuse(struct fetch_response *r, enum err_code code)
{
	r->refused = err_make(code);
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trim(struct slice s)
{
	while (s.len && is_blank(s.ptr[0]))
		s = slice_sub(s, 1, s.len);
	while (s.len && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* "HTTP/1.1 200 OK". libcurl has checked the form. */
static bool take_status(struct fetch_response *r, struct slice line)
{
	struct slice code = slice_sub(line, slice_find(line, ' ') + 1, line.len);
	r->status = 0;
	for (size_t i = 0; i < 3 && i < code.len && code.ptr[i] >= '0' && code.ptr[i] <= '9'; i++)
		r->status = r->status * 10 + (code.ptr[i] - '0');
	if (r->status < OK && r->informational++ == FETCH_INFORMATIONAL)
		return refuse(r, ERR_POSH_SIZE);
	return true;
}

/* Only a 200 has a body of interest: of others nothing is read beyond the headers. Who switches
 * protocols was not asked to. */
static bool end_of_headers(struct fetch_response *r)
{
	bool final = r->status >= OK || r->status == SWITCHING_PROTOCOLS;
	r->headers_over = final;
	r->enough = final && r->status != OK;
	if (r->locations > 1)
		r->location[0] = '\0';
	return !r->enough;
}

static void keep(struct slice value, char *out, size_t size)
{
	size_t n = value.len < size ? value.len : size - 1;
	memcpy(out, value.ptr, n);
	out[n] = '\0';
}

/* libcurl would unpack what is sent packed, asked for or not (P07). */
static bool take_field(struct fetch_response *r, struct slice name, struct slice value)
{
	bool packed =
		(slice_ieq_str(name, "Content-Encoding") && !slice_ieq_str(value, "identity")) ||
		(slice_ieq_str(name, "Transfer-Encoding") && !slice_ieq_str(value, "chunked"));
	if (packed)
		return refuse(r, ERR_POSH_FETCH);
	if (slice_ieq_str(name, "Location")) {
		r->locations++;
		if (value.len <= FETCH_LOCATION_MAX && !memchr(value.ptr, '\0', value.len))
			keep(value, r->location, sizeof r->location);
	} else if (slice_ieq_str(name, "Content-Type")) {
		keep(value, r->type, sizeof r->type);
	}
	return true;
}

bool fetch_response_header(struct fetch_response *r, struct slice line)
{
	struct slice text = trim(line);
	size_t colon = slice_find(text, ':');
	bool status = slice_starts(line, "HTTP/") && !r->headers_over;
	r->header_bytes += line.len;
	r->header_lines += text.len && !status;
	if (r->header_bytes > FETCH_HEADER_BYTES || r->header_lines > FETCH_HEADER_LINES)
		return refuse(r, ERR_POSH_SIZE);
	if (r->headers_over)
		return true; /* a trailer means nothing */
	if (status)
		return take_status(r, text);
	if (text.len == 0)
		return end_of_headers(r);
	return take_field(
		r, trim(slice_sub(text, 0, colon)), trim(slice_sub(text, colon + 1, text.len)));
}

bool fetch_response_body(struct fetch_response *r, struct slice bytes)
{
	if (err_is(buf_append(&r->body, bytes)))
		return refuse(r, ERR_POSH_SIZE);
	return true;
}
