/* Certificates that the gate makes itself, for tenants that are proven by POSH or DANE: there the
 * certificate or its key is what is proven, so no authority is needed (POSH-12, RFC 7671 5.1).
 *
 * P-256, self-signed, ten years from yesterday, a random serial number, serverAuth and clientAuth,
 * the same subject for everybody; the key is from the kernel's generator. */
#ifndef FEDGATE_KEYS_MAKECERT_H
#define FEDGATE_KEYS_MAKECERT_H

#include "base/buf.h"
#include "base/domain.h"

#include <stdint.h>

/* Further names are left out: nobody looks at them (POSH-5). */
enum { MAKECERT_NAMES_MAX = 100 };
/* The first second of 2026, the year this was written in: it cannot be earlier, so a clock that
 * says so is wrong, and what is made by it would be over before it is used. A constant, and not the
 * day of the build, for builds must not differ; it may be raised with a release. */
#define MAKECERT_EARLIEST INT64_C(1767225600)

struct makecert_wish {
	const struct domain *const *names;
	size_t count;
	int64_t now; /* wall clock */
};

/* Both as PEM; key is to be `secret`. ERR_INTERNAL with the library's number. */
struct err makecert(const struct makecert_wish *wish, struct buf *certificate, struct buf *key);
/* The same for a key that is there. ERR_KEY_PARSE. */
struct err makecert_for(
	const struct makecert_wish *wish, struct slice key_pem, struct buf *certificate);

#endif
