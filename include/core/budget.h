/* What strangers may make the gate do, so that it never becomes a weapon and nobody takes it from
 * the others (DB-15, P18, B13, T18). A source is an IPv4 address or an IPv6 /64.
 *
 *  connections   the node counts them per source and second; the worker how many are open
 *  questions     a `from` that must be asked for makes us look up names and dial: the node counts
 *                them per source and minute, the worker how many are open. What turns out to be
 *                true does not count: a host of many domains is not a flood
 *  look-ups      a `from` whose certificate proves nothing by itself makes us ask its DNS and its
 * web site what does: the node counts them per source and minute, three for a question claims,
 * answers  what only costs us time to compute, counted per source and second
 *
 * The node's counts lie in the table that the workers share (base/bucket.h); the worker's end with
 * its connections. Both are bounded. */
#ifndef FEDGATE_CORE_BUDGET_H
#define FEDGATE_CORE_BUDGET_H

#include "core/worker_inside.h"

/* Whether the source may have one more connection; else why not. */
struct err budget_connect(struct worker *w, const struct sockaddr_storage *from);
/* A public connection came or went. */
void budget_connected(struct worker *w, const struct sockaddr_storage *from);
void budget_disconnected(struct worker *w, const struct sockaddr_storage *from);
/* The source, which has a connection, causes one more question; else why not. */
struct err budget_ask(struct worker *w, const struct sockaddr_storage *from);
void budget_asked(struct worker *w, const struct sockaddr_storage *from, bool proven);
/* It makes us look up what one more domain publishes. False: not now. What turns out to be true is
 * given back. */
bool budget_look(struct worker *w, const struct sockaddr_storage *from);
void budget_looked_true(struct worker *w, const struct sockaddr_storage *from);
/* It claims one more pair; it asks us about one more key. False: not now. */
bool budget_claim(struct worker *w, const struct sockaddr_storage *from);
bool budget_answer(struct worker *w, const struct sockaddr_storage *from);
/* With the worker; all connections are gone. */
void budget_free(struct worker *w);

#endif
