/* One tenant's file, read with knowledge of what was there before. */
#ifndef FEDGATE_TENANTS_TENANTFILE_H
#define FEDGATE_TENANTS_TENANTFILE_H

#include "tenants/certificate.h"
#include "tenants/load.h"

enum judge { JUDGE_NONE, JUDGE_CHANGED /* what `before` does not have */, JUDGE_ALL };

struct tenant_source {
	const char *file_name; /* for faults; its last part names the domain */
	const char *base_dir;
	bool check_files; /* false: the bundle */
	struct certificate_rules rules;
	enum judge certificates;
	const char *(*make)(const char *directory, const struct domain *const *names, size_t count,
		int64_t now); /* as in load_options */
	/* What DANE tenants share is judged once; NULL: for each of them. */
	struct shared_pair {
		bool judged, fine;
	} * shared;
	const struct tenant *before; /* borrowed, may be NULL */
	const struct gate *gate;     /* borrowed; NULL: it is not asked what is its own */
};

/* Where the tenant names its domains and its policy. */
struct tenant_lines {
	unsigned domain, further, inbound, outbound;
};

/* NULL when there are faults. `lines` is filled in either case. */
struct tenant *tenant_file_read(struct slice text, const struct tenant_source *src,
	struct tenant_lines *lines, struct faults *faults);
/* The domain that a file of this name is for; false when the name is not DOMAIN.ini. */
bool tenant_file_domain(const char *file_name, struct domain *out);

#endif
