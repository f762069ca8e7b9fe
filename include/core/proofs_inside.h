/* The inside of what domains publish: proxy/core/proofs.c keeps it and asks, proofs_dane.c is the
 * way to the DANE records. */
#ifndef FEDGATE_CORE_PROOFS_INSIDE_H
#define FEDGATE_CORE_PROOFS_INSIDE_H

#include "core/proofs.h"
#include "core/timers.h"

enum { PROOFS_DNS_MOST_S = 3600 }; /* DNS-7 */

/* One domain. */
struct proofs {
	struct worker *worker;
	struct domain domain;
	struct ticket ticket;
	bool has_ticket, telling;
	unsigned asking;                 /* kinds under way */
	unsigned stale;                  /* kinds that are known from before a reload */
	int questions;                   /* of DANE, answers still to come */
	struct resolve_answer *srv[2];   /* owned, while asking: _xmpp-server, _xmpps-server */
	struct proofs_dane dane, coming; /* what is known, and what is being found out */
	struct posh_found *posh;         /* owned; NULL: not known */
	int64_t dane_until, posh_until;  /* wall clock; 0: not known */
	int64_t posh_early;              /* from then on it is looked for ahead */
	struct timer tell;
	struct proofs_wait *waiting;
};

/* What is known of this kind has changed. */
void proofs_arrived(struct proofs *p, enum proofs_kind kind);

/* Asks; the answers come to proofs_dane_answer. */
void proofs_dane_start(struct proofs *p);
void proofs_dane_answer(struct proofs *p, const struct answer *answer);
/* While asking: as far as the answers are there. */
bool proofs_zone_is_signed(const struct proofs *p);
void proofs_dane_free(struct proofs *p);

#endif
