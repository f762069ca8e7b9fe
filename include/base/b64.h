/* Base64 (RFC 4648 4), strict: no white space, padding only where it belongs (EXT-3). */
#ifndef FEDGATE_BASE_B64_H
#define FEDGATE_BASE_B64_H

#include "base/buf.h"

/* False, and nothing is appended, when it would pass out's limit. */
bool b64_encode(struct slice in, struct buf *out);
/* False when `in` is not canonical base64 or out is full; out may then hold a part. */
bool b64_decode(struct slice in, struct buf *out);
void hex_encode(const unsigned char *in, size_t len, char *out); /* 2*len digits and a NUL */

#endif
