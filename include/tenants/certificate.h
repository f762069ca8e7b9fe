/* Judging a tenant's certificate files before they are used: does the key belong, does the chain
 * name the tenant's domains, until when? */
#ifndef FEDGATE_TENANTS_CERTIFICATE_H
#define FEDGATE_TENANTS_CERTIFICATE_H

#include "tenants/fault.h"
#include "tenants/tenant.h"
#include "trust/cert.h"

struct certificate_rules {
	bool deep;
	int64_t now;
	const struct cert_set *authorities; /* borrowed; NULL: the way to one is not judged */
};

/* One chain with its key: what and where in the tenant's file. */
struct certificate_pair {
	const char *chain_path, *key_path;
	struct place chain_at, key_at;
	struct file_id *chain_id, *key_id; /* get what was really read */
};

/* Reads both files and reports what is wrong with them; the key is wiped after. */
void certificate_judge(const struct certificate_pair *p, const struct tenant *t,
	const struct certificate_rules *rules, struct faults *faults);
/* Reads a bundle of authorities; NULL, with a fault, when it holds none. */
struct cert_set *certificate_authorities(
	const char *path, struct place at, struct file_id *id, struct faults *faults);

#endif
