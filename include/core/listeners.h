/* Binding: one SO_REUSEPORT socket per worker and address, so that the kernel spreads connections
 * and workers share nothing. */
#ifndef FEDGATE_CORE_LISTENERS_H
#define FEDGATE_CORE_LISTENERS_H

#include "tenants/tenant.h"

/* A socket that listens (SOCK_STREAM) or is bound (SOCK_DGRAM), non-blocking, close-on-exec, or -1
 * (errno). */
int listener_open(const struct address *a, int type);
/* Whether no other program has the address yet, one that shares it (SO_REUSEPORT) included. True
 * also when it cannot be opened for another reason: listener_open() will say that. */
bool listener_is_free(const struct address *a, int type);
/* Why it failed, with what to do, as a sentence. */
const char *listener_why(int error);

#endif
