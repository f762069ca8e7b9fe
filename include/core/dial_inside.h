/* The inside of a dial: proxy/core/dial.c connects, dial_dns.c asks, dial_places.c keeps where to.
 */
#ifndef FEDGATE_CORE_DIAL_INSIDE_H
#define FEDGATE_CORE_DIAL_INSIDE_H

#include "core/dial.h"

/* Connecting (dial.c). */
void dial_go_on(struct dial *d); /* starts what can be started, or ends */
void dial_go_on_later(struct dial *d);
void dial_finish(struct dial *d, struct err why);
size_t dial_running(const struct dial *d);

/* DNS (dial_dns.c). */
void dial_ask_services(struct dial *d, const struct domain *domain);
bool dial_ask_next_target(struct dial *d); /* false: none is left, or not yet its turn */
void dial_forget_answers(struct dial *d);

/* Places (dial_places.c).
 * What may not be dialled is left out; the dial's `last` says why. */
void dial_add_place(struct dial *d, const struct sockaddr_storage *addr, bool direct_tls);
/* An address of the next target, for whose TLSA records we wait. */
void dial_hold_place(struct dial *d, const struct sockaddr_storage *addr);
/* They may be dialled now, or never. */
void dial_take_held(struct dial *d);
void dial_drop_held(struct dial *d);
void dial_forget_places(struct dial *d);
/* The first that was not tried, of the other address family than the last one if there is any (RFC
 * 8305 4): a broken family with many addresses must not hold up the other. */
size_t dial_next_place(const struct dial *d);

#endif
