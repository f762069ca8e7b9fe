/* What only the bundle holds, in a section of its own: which files were checked, and the tenant's
 * number. */
#ifndef FEDGATE_TENANTS_BUNDLE_H
#define FEDGATE_TENANTS_BUNDLE_H

#include "tenants/config.h"

#define BUNDLE_SECTION "bundle"

/* Reads that section; what it does not understand is a fault. */
void bundle_read(const struct settings *settings, struct config_file *f, struct tenant *t);
/* Settings and files as one number: equal means unchanged. */
uint64_t bundle_version(const struct tenant *t);

#endif
