/* The head of an HTTP/1.x request, read strictly (RFC 9112 2 to 6). Bytes in, one request out; no
 * sockets, no answers.
 *
 * Strict means: what another reader might understand otherwise is refused, because a proxy may
 * stand in front of us. So: CR LF alone ends a line; no blanks but the one between the parts of the
 * request line; no field line that is folded or has blanks before its colon; no control characters;
 * at most one Host and one Content-Length. One empty line before the request line is passed over
 * (2.2). A request with a body is recognised (`body`), the body itself is not read. */
#ifndef FEDGATE_BASE_HTTPHEAD_H
#define FEDGATE_BASE_HTTPHEAD_H

#include "base/slice.h"

enum { HTTPHEAD_MAX = 8192 /* bytes, all of it */, HTTPHEAD_FIELDS_MAX = 64 };

/* Slices are borrowed from the reader, until it is reset. */
struct httphead {
	struct slice method, target; /* as they were written */
	struct slice host;           /* the value of Host; SLICE_NONE: there was none */
	bool close;                  /* HTTP/1.0, or `Connection: close` */
	bool body;
};

enum httphead_step {
	HTTPHEAD_MORE,
	HTTPHEAD_WHOLE,
	HTTPHEAD_MALFORMED,
	HTTPHEAD_TOO_LARGE,
	HTTPHEAD_VERSION, /* neither HTTP/1.1 nor HTTP/1.0; the preface of HTTP/2 among them */
};

struct httphead_reader {
	struct httphead head; /* when HTTPHEAD_WHOLE */
	char bytes[HTTPHEAD_MAX];
	size_t len, line; /* line: where the one being read begins */
	unsigned fields;
	bool blank, has_request, has_length, has_coding;
};

void httphead_reset(struct httphead_reader *r);
bool httphead_is_empty(const struct httphead_reader *r); /* nothing of a request came yet */
/* Takes bytes from *in up to the end of the head; what is behind it stays. After anything but
 * HTTPHEAD_MORE the reader is to be reset. */
enum httphead_step httphead_read(struct httphead_reader *r, struct slice *in);

#endif
