/* What tenants show that have no certificate of their own, and where it lies (DANE-6, POSH-12):
 *
 *   STATE/tenants/DOMAIN/  a POSH tenant's, made by the gate for it alone
 *   STATE/host/            what all DANE tenants show, unless [host] names files
 *
 * In each: current.pem and current.key; while a rollover is under way next.pem and next.key, or
 * previous.pem. */
#ifndef FEDGATE_TENANTS_PROVIDED_H
#define FEDGATE_TENANTS_PROVIDED_H

#include "tenants/tenant.h"

/* STATE/tenants/DOMAIN, or STATE/host (domain NULL). Owned by the caller. */
char *provided_directory(const struct gate *g, const struct domain *domain);
/* Whether the gate makes what this tenant shows; *domain is for provided_directory(). */
bool provided_is_made(const struct gate *g, const struct tenant *t, const struct domain **domain);
/* Fills in the paths of what a POSH or a DANE tenant shows; those of next and previous only when
 * their files are there. NULL, or why that cannot be. */
const char *provided_fill(const struct gate *g, struct tenant *t);
/* As long as nothing was made. */
void provided_none(struct tenant *t);

#endif
