#include "trust/pem.h"

#include <mbedtls/base64.h>

static struct slice take_line(struct slice *rest)
{
	size_t end = slice_find(*rest, '\n');
	struct slice line = slice_sub(*rest, 0, end);
	*rest = slice_sub(*rest, end + 1, rest->len);
	while (line.len && (line.ptr[line.len - 1] == '\r' || line.ptr[line.len - 1] == ' '))
		line.len--;
	return line;
}

/* The LABEL of "-----BEGIN LABEL-----"; empty when the line is something else. */
static struct slice label_of(struct slice line, const char *start)
{
	struct slice head = slice_str(start);
	enum { DASHES = 5 };
	if (!slice_starts(line, start) || line.len < head.len + DASHES)
		return SLICE_NONE;
	struct slice tail = slice_sub(line, line.len - DASHES, line.len);
	return slice_eq_str(tail, "-----") ? slice_sub(line, head.len, line.len - DASHES)
					   : SLICE_NONE;
}

/* Everything between the two lines. A header (RFC 1421, as in encrypted keys) is no base64 and
 * makes the block a broken one. */
static bool decode(struct slice base64, struct buf *der)
{
	char *room = buf_reserve(der, base64.len);
	size_t len = 0;
	if (!room || mbedtls_base64_decode((unsigned char *)room, base64.len, &len,
			     (const unsigned char *)base64.ptr, base64.len) != 0)
		return false;
	buf_commit(der, len);
	return len > 0;
}

bool pem_next(struct slice *rest, struct slice *label, struct buf *der, struct err *e)
{
	*e = err_ok();
	buf_clear(der);
	*label = SLICE_NONE;
	while (rest->len && !label->len)
		*label = label_of(take_line(rest), "-----BEGIN ");
	if (!label->len)
		return false;
	struct slice body = slice_of(rest->ptr, 0);
	while (rest->len) {
		struct slice line = take_line(rest);
		struct slice end = label_of(line, "-----END ");
		if (end.len && slice_eq(end, *label) && decode(body, der))
			return true;
		if (end.len)
			break;
		body.len = (size_t)(rest->ptr - body.ptr);
	}
	*e = err_make(ERR_CERT_PARSE);
	return false;
}
