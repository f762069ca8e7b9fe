/* Dialback keys (XEP-0185; protocol sheet DB-5..DB-8): HMAC-SHA256 over length-prefixed fields
 * with a label, so that a key made for the world can never pass for one made for a backend, and
 * no two field splits give the same input (CVE-2016-0756). Stateless: any worker can answer. */
#ifndef FEDGATE_TRUST_DBKEY_H
#define FEDGATE_TRUST_DBKEY_H

#include "base/domain.h"

enum { DBKEY_SECRET_LEN = 32, DBKEY_TEXT_LEN = 64 };

enum dbkey_label { DBKEY_OUT, /* shown to the world */ DBKEY_IN /* played towards backends */ };

struct dbkey_secret {
	unsigned char bytes[DBKEY_SECRET_LEN];
};

/* `to` receives the stream, `from` originates it, id is the one the receiver made for it. Writes
 * 64 lower-case hex digits and a NUL. */
void dbkey_make(const struct dbkey_secret *secret, enum dbkey_label label, const struct domain *to,
	const struct domain *from, struct slice id, char out[DBKEY_TEXT_LEN + 1]);
/* Recomputes and compares in constant time (DB-7, CVE-2021-32921). */
bool dbkey_check(const struct dbkey_secret *secret, enum dbkey_label label, const struct domain *to,
	const struct domain *from, struct slice id, struct slice key);
/* XEP-0185's own recipe, kept for its published vectors and for tests with other software. */
void dbkey_xep0185(struct slice secret, struct slice to, struct slice from, struct slice id,
	char out[DBKEY_TEXT_LEN + 1]);

#endif
