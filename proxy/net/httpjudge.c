#include "net/httpjudge.h"

#include <string.h>

/* RFC 9110 4.2.2, 7.2; RFC 9112 3.2: a name and perhaps a port. The port may be any: what is before
 * us may listen on another than we do. */
static struct err judge_host(struct slice value, const struct domain *host)
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "-._~%!$&'()*+,;=[]";
	struct slice name = slice_sub(value, 0, slice_find(value, ':'));
	struct slice port = slice_sub(value, name.len + 1, value.len);
	bool valid = name.len > 0 && (name.len == value.len || port.len > 0);
	for (size_t i = 0; i < name.len; i++)
		valid &= name.ptr[i] && strchr(fine, name.ptr[i]);
	for (size_t i = 0; i < port.len; i++)
		valid &= port.ptr[i] >= '0' && port.ptr[i] <= '9';
	if (!valid)
		return err_make(ERR_HTTP_MALFORMED);
	return slice_ieq(name, domain_slice(host)) ? err_ok() : err_make(ERR_HTTP_HOST);
}

struct err httpjudge_head(const struct httphead *r, const struct domain *host)
{
	if (r->body)
		return err_make(ERR_HTTP_BODY);
	struct err e = judge_host(r->host, host);
	if (err_is(e))
		return e;
	bool is_read = slice_eq_str(r->method, "GET") || slice_eq_str(r->method, "HEAD");
	return is_read ? err_ok() : err_make(ERR_HTTP_METHOD);
}

enum http_status httpjudge_status(struct err e)
{
	switch (e.code) {
	case ERR_OK:
		return HTTP_OK;
	case ERR_HTTP_MALFORMED:
		return HTTP_BAD_REQUEST;
	case ERR_HTTP_VERSION:
		return HTTP_VERSION_NOT_SUPPORTED;
	case ERR_HTTP_HOST:
		return HTTP_MISDIRECTED_REQUEST;
	case ERR_HTTP_METHOD:
		return HTTP_METHOD_NOT_ALLOWED;
	case ERR_HTTP_BODY:
		return HTTP_CONTENT_TOO_LARGE;
	case ERR_HTTP_PATH:
		return HTTP_NOT_FOUND;
	case ERR_LIMIT:
		return HTTP_FIELDS_TOO_LARGE;
	default:
		return HTTP_SERVICE_UNAVAILABLE;
	}
}
