/* The way of one proven pair's stanzas: forward to where they go, and back for the errors that
 * answer what could not be delivered. Three kinds:
 *
 *   peer -> backend    forward B-IN,  back W-OUT
 *   backend -> peer    forward W-OUT, back B-IN
 *   tenant -> tenant   forward B-IN of the one, back B-IN of the other (ADR-8)
 *
 * Both streams are made when they are first needed (BE-7). A backend that is down is tried again
 * until a stanza has waited `queue_seconds`; then everything queued is bounced. After route_close
 * the route lives on until its queue is delivered or bounced, and frees itself. */
#ifndef FEDGATE_CORE_ROUTE_H
#define FEDGATE_CORE_ROUTE_H

#include "core/outgoing.h"

struct route_events {
	void (*room)(void *owner); /* a full route has room again */
	/* The forward stream came up. */
	void (*ready)(void *owner);
	/* It failed. True: the owner has dealt with it (nothing was sent yet), do not bounce. */
	bool (*failed)(void *owner, struct err why, const char *condition, const char *text);
};

struct route_config {
	struct domain from, to;
	struct tenant *forward_tenant, *back_tenant; /* whose stream each way is; held */
	bool forward_backend, back_backend;          /* it ends at that tenant's backend */
	const char *session, *lang;                  /* copied */
};

struct route;

struct route *route_new(struct worker *w, const struct route_config *config,
	const struct route_events *events, void *owner);
/* Starts the forward stream without a stanza. */
void route_start(struct route *r);
/* Takes the stanza: it will be delivered, bounced, or counted as in flight. */
void route_push(struct route *r, struct slice stanza);
/* Answers a stanza that was not taken. */
void route_bounce(struct route *r, struct slice stanza, struct err why, const char *detail);
/* Whether the source should stop reading for a while. */
bool route_is_full(const struct route *r);
/* The source has stopped reading because the route is full: tell it when there is room. */
void route_note_full(struct route *r);
bool route_is_ready(const struct route *r);
size_t route_peer_limit(const struct route *r);
void route_set_tenants(struct route *r, struct tenant *forward, struct tenant *back);
void route_close(struct route *r);

#endif
