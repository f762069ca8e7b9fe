/* What a domain publishes about itself, as far as this worker knows: its DANE records, in the view
 * of whoever is dialled by it (DANE-5), and its POSH document. One question for all streams that
 * want to know, an answer kept for as long as it says, bounded in all (P17).
 *
 * Happy path: proofs_known() has it. Else proofs_ask(), `news` at every arrival until nothing is
 * missing, proofs_leave(). Failure modes are answers like others: DNS or the web say no, fail, take
 * too long. Who frees: proofs_leave() the wait; a domain is forgotten when its place is needed. */
#ifndef FEDGATE_CORE_PROOFS_H
#define FEDGATE_CORE_PROOFS_H

#include "core/ask.h"

struct worker;

enum proofs_kind { PROOFS_DANE = 1, PROOFS_POSH = 2 };

/* A place that the domain names as its server. */
struct proofs_target {
	struct domain name;
	struct domain base; /* where its TLSA records were looked for (DANE-7) */
	uint16_t port;
	bool direct_tls;
	/* ERR_OK: `tlsa` holds usable records; ERR_DANE_NONE (also: not signed), _UNUSABLE;
	 * _FAILED: bogus, or not to be had. */
	struct err e;
	bool bogus;
	bool lost;             /* its addresses were not to be had, so it may be an alias */
	struct tlsa_set *tlsa; /* owned, NULL unless ERR_OK */
};

enum { PROOFS_TARGETS_MAX = 8 };

/* The same of one answer. */
struct err proofs_of_tlsa(const struct answer *answer);

struct proofs_dane {
	/* ERR_OK: the SRV records are secure, the targets say more. ERR_DANE_INSECURE,
	 * ERR_DANE_NONE (no SRV records): there is no DANE. ERR_DNS_BOGUS. ERR_DANE_FAILED: the
	 * zone is signed, and not all could be had. ERR_DNS_FAILED, ERR_DNS_TIMEOUT: not known. */
	struct err e;
	/* One of the two services' SRV records could not be had, the other's are secure. */
	bool partial;
	bool cut; /* there are more targets than are looked up */
	size_t count;
	struct proofs_target *targets; /* owned */
	uint32_t ttl;                  /* the lowest of all that it rests on */
};

/* What the answers for _xmpp-server and _xmpps-server mean together, before any TLSA record is
 * asked for (RFC 7673 3.1): proofs_dane's `e` and `partial`. */
struct err proofs_of_srv(const struct resolve_answer *const srv[2], bool *partial);
/* Once: the targets that the two name. */
void proofs_take_targets(struct proofs_dane *d, const struct resolve_answer *const srv[2]);
void proofs_dane_clear(struct proofs_dane *d);

/* NULL: not known, or not any more. */
struct proofs_view {
	const struct proofs_dane *dane;
	const struct posh_found *posh;
	/* DANE is being found out, and the zone is signed: the answers are owed. */
	bool dane_owed;
};
/* Borrowed until the loop turns. */
struct proofs_view proofs_known(struct worker *w, const struct domain *d);
/* The same, but what was known before a reload counts until there is an answer of now. */
struct proofs_view proofs_last_known(struct worker *w, const struct domain *d);
/* The kinds that can be asked for at all, by configuration and for a name like this. */
unsigned proofs_askable(const struct worker *w, const struct domain *d);
/* Of these kinds, those that can be asked for and are not known. */
unsigned proofs_missing(struct worker *w, const struct domain *d, unsigned kinds);
/* Whether asking for them starts a look-up that nobody has started. */
bool proofs_cost(struct worker *w, const struct domain *d, unsigned kinds);

/* A document that is known and will end soon is asked for again, in the background: what is known
 * stays until there is better. For who means to rest on it for longer. */
void proofs_look_ahead(struct worker *w, const struct domain *d);

struct proofs_wait;
/* news: in a later turn, at every arrival, until proofs_leave(). NULL when there is no room for one
 * more domain. */
struct proofs_wait *proofs_ask(struct worker *w, const struct domain *d, unsigned kinds,
	void (*news)(void *arg), void *arg);
void proofs_leave(struct proofs_wait *wait);
/* After a reload: everything is asked for again when it is needed. */
void proofs_reload(struct worker *w);
/* Worker's end. */
void proofs_forget_all(struct worker *w);

#endif
