/* The checked configuration on its way to the children: one sealed memory file, which all of them
 * map and nobody can change. Text in the configuration's own format, so there is one parser. */
#ifndef FEDGATE_CORE_PARCEL_H
#define FEDGATE_CORE_PARCEL_H

#include "tenants/registry.h"

/* A descriptor of the sealed file, or -1 (errno). */
int parcel_pack(const struct gate *gate, const struct registry *registry);
/* Reads it; the descriptor stays the caller's. False when it is not whole: a bug of ours. The steer
 * process takes no tenants: registry may be NULL. */
bool parcel_unpack(int fd, struct gate **gate, struct registry **registry);

#endif
