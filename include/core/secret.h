/* The node's dialback secret (DB-6): 64 hex digits on a line, and perhaps the previous one on a
 * second line, which is still accepted. Made at first start, mode 0600, never a default
 * (CVE-2016-1232). */
#ifndef FEDGATE_CORE_SECRET_H
#define FEDGATE_CORE_SECRET_H

#include "trust/dbkey.h"

struct secrets {
	struct dbkey_secret now, previous;
	bool has_previous;
};

/* Reads the file, or makes it when there is none. False: *why is a sentence for the operator. */
bool secrets_load(const char *path, struct secrets *out, const char **why);

#endif
