#include "net/httpanswer.h"

#include <assert.h>
#include <time.h>

enum { DATE_MAX = 40, RETRY_AFTER_S = 5 };

struct text {
	enum http_status status;
	const char *phrase, *body;
};

static const struct text texts[] = {
	{HTTP_OK, "OK", ""},
	{HTTP_BAD_REQUEST, "Bad Request", "This is not an HTTP request as RFC 9112 has it.\n"},
	{HTTP_NOT_FOUND, "Not Found", "There is no such document here.\n"},
	{HTTP_METHOD_NOT_ALLOWED, "Method Not Allowed", "Documents are only read here.\n"},
	{HTTP_CONTENT_TOO_LARGE, "Content Too Large", "Requests have no content here.\n"},
	{HTTP_MISDIRECTED_REQUEST, "Misdirected Request",
		"This host does not speak for that one.\n"},
	{HTTP_FIELDS_TOO_LARGE, "Request Header Fields Too Large", "The request is too long.\n"},
	{HTTP_SERVICE_UNAVAILABLE, "Service Unavailable", "Ask again in a moment.\n"},
	{HTTP_VERSION_NOT_SUPPORTED, "HTTP Version Not Supported", "HTTP/1.1 is spoken here.\n"},
};

static const struct text *text_of(enum http_status status)
{
	size_t i = 0;
	while (i < sizeof texts / sizeof *texts && texts[i].status != status)
		i++;
	assert(i < sizeof texts / sizeof *texts);
	return &texts[i];
}

/* RFC 9110 6.6.1; no locale is ever set, so these are the words of C. */
static void write_date(int64_t now, struct buf *out)
{
	char text[DATE_MAX];
	time_t t = (time_t)now;
	struct tm tm;
	if (gmtime_r(&t, &tm) && strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		(void)buf_printf(out, "Date: %s\r\n", text);
}

static void write_fields(const struct httpanswer *a, size_t length, struct buf *out)
{
	bool fine = a->status == HTTP_OK;
	(void)buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n",
		fine ? "application/json" : "text/plain; charset=utf-8", length);
	/* Else a cache could hold on to a 404 by its own mind (RFC 9111 4.2.2) when the tenant
	 * comes, or to a document when it has gone. */
	if (fine)
		(void)buf_printf(out, "Cache-Control: max-age=%u\r\n", a->max_age_s);
	else
		(void)buf_append_str(out, "Cache-Control: no-store\r\n");
	(void)buf_append_str(out, "X-Content-Type-Options: nosniff\r\n"
				  "Content-Security-Policy: default-src 'none'\r\n");
	if (a->status == HTTP_METHOD_NOT_ALLOWED) /* RFC 9110 15.5.6 */
		(void)buf_append_str(out, "Allow: GET, HEAD\r\n");
	if (a->status == HTTP_SERVICE_UNAVAILABLE)
		(void)buf_printf(out, "Retry-After: %d\r\n", RETRY_AFTER_S);
	if (a->close)
		(void)buf_append_str(out, "Connection: close\r\n");
}

void httpanswer_write(const struct httpanswer *a, int64_t now, struct buf *out)
{
	const struct text *t = text_of(a->status);
	struct slice body = a->status == HTTP_OK ? a->json : slice_str(t->body);
	(void)buf_printf(out, "HTTP/1.1 %d %s\r\n", (int)a->status, t->phrase);
	write_date(now, out);
	write_fields(a, body.len, out);
	(void)buf_append_str(out, "\r\n");
	if (!a->head)
		(void)buf_append(out, body);
}
