/* The inside of a dial: proxy/core/dial.c asks and connects, dial_places.c keeps where to. */
#ifndef FEDGATE_CORE_DIAL_INSIDE_H
#define FEDGATE_CORE_DIAL_INSIDE_H

#include "core/dial.h"

/* What may not be dialled is left out; the dial's `last` says why. */
void dial_add_place(struct dial *d, const struct sockaddr_storage *addr, bool direct_tls);
/* The first that was not tried, of the other address family than the last one if there is any (RFC
 * 8305 4): a broken family with many addresses must not hold up the other. */
size_t dial_next_place(const struct dial *d);

#endif
