/* The certificates that a tenant publishes: what follows, what is shown, what was shown before, in
 * this order, for RFC 7711 3.1 wants the newest first (POSH-11). */
#ifndef FEDGATE_TENANTS_PUBLISHED_H
#define FEDGATE_TENANTS_PUBLISHED_H

#include "base/buf.h"
#include "tenants/tenant.h"

enum published_file {
	PUBLISHED_NEXT,
	PUBLISHED_CURRENT,
	PUBLISHED_CURRENT_2,
	PUBLISHED_PREVIOUS,
	PUBLISHED_MAX,
};

struct published {
	struct buf der; /* of all of them */
	size_t count;
	struct slice leafs[PUBLISHED_MAX]; /* in `der`; each once */
	struct err why[PUBLISHED_MAX];     /* of those that could not be read */
};

/* The first certificate of a PEM file, appended to `der`. ERR_FILE or ERR_CERT_PARSE. */
struct err leaf_read(const char *path, struct buf *der);
/* Reads those that are there. When one of them cannot be read, *bad is its path (borrowed from the
 * tenant); what could be read is there all the same. */
struct err published_read(const struct tenant *t, struct published *out, const char **bad);
/* The same for who cannot open the files by himself; `get` is called for those that are there. */
typedef struct err (*published_get)(
	void *arg, const struct tenant *t, enum published_file file, struct buf *pem);
void published_read_by(const struct tenant *t, published_get get, void *arg, struct published *out);
const char *published_path(const struct tenant *t, enum published_file file); /* or NULL */
/* For how long a document with them may be kept, at most [publish] expires: while a certificate is
 * followed by another, no longer than half of the time that both are good for (POSH-11). */
uint32_t published_expires(const struct gate *g, const struct published *p, int64_t now);
void published_fini(struct published *p);

#endif
