/* The publisher's HTTP answers: fixed texts, and JSON documents. Nothing of a request is ever
 * repeated in one (P25). */
#ifndef FEDGATE_NET_HTTPANSWER_H
#define FEDGATE_NET_HTTPANSWER_H

#include "base/buf.h"

#include <stdint.h>

enum http_status {
	HTTP_OK = 200,
	HTTP_BAD_REQUEST = 400,
	HTTP_NOT_FOUND = 404,
	HTTP_METHOD_NOT_ALLOWED = 405,
	HTTP_CONTENT_TOO_LARGE = 413,
	HTTP_MISDIRECTED_REQUEST = 421,
	HTTP_FIELDS_TOO_LARGE = 431,
	HTTP_SERVICE_UNAVAILABLE = 503,
	HTTP_VERSION_NOT_SUPPORTED = 505,
};

struct httpanswer {
	enum http_status status;
	struct slice json;  /* HTTP_OK: the body */
	unsigned max_age_s; /* HTTP_OK: how long caches may keep it; all else is not to be kept */
	bool head;          /* asked by HEAD: everything but the body */
	bool close;         /* no further request is read on this connection */
};

/* now: seconds since 1970 UTC. `out` has no limit. */
void httpanswer_write(const struct httpanswer *a, int64_t now, struct buf *out);

#endif
