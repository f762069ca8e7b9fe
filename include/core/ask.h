/* A worker's questions to the scout, which does all DNS and all outgoing HTTPS of the node. The
 * answers carry tickets (core/worker_inside.h) and come in a later turn, each question exactly one.
 *
 * A scout that died costs nothing but time: the supervisor starts another and gives both sides a
 * new socket pair; what was asked is asked again, until its own deadline. Then, and when too many
 * questions are open, the answer is RESOLVE_TIMEOUT or RESOLVE_FAILED (POSH: ERR_POSH_TIMEOUT,
 * ERR_POSH_BUSY). */
#ifndef FEDGATE_CORE_ASK_H
#define FEDGATE_CORE_ASK_H

#include "net/resolve.h"
#include "trust/posh.h"
#include "trust/tlsa.h"

struct asker;

enum ask_kind { ASK_SRV, ASK_ADDR, ASK_TLSA, ASK_POSH };

enum {
	ASK_OPEN_MAX = 1000,     /* questions of one worker at the scout; further ones wait */
	ASK_WAITING_MAX = 20000, /* then a question fails at once */
	/* A little longer than the scout takes itself, so that its word comes first. */
	ASK_DNS_MS = 5500,
	ASK_POSH_MS = 12000,
};

/* What is known about a domain's POSH document. */
struct posh_found {
	struct err e; /* ERR_OK: document is filled; ERR_POSH_NONE; else a failure that passes */
	struct posh_document document; /* always fingerprints: references are resolved */
	int64_t not_after; /* wall clock: for how long this answer, of any kind, holds */
	char url[256];     /* where it was found or looked for last, for people */
};

struct answer {
	struct ticket ticket;
	int tag;
	enum ask_kind kind;
	struct resolve_answer dns; /* SRV, ADDR; TLSA: status, secure and ttl */
	struct tlsa_set tlsa;      /* TLSA: empty unless dns.secure */
	struct posh_found posh;    /* POSH */
};

typedef void (*ask_done)(void *arg, const struct answer *answer);

struct asker *asker_new(uv_loop_t *loop, ask_done done, void *arg);
void asker_free(struct asker *a); /* no answers come any more */
/* A socket to the scout, now the asker's; the one before is closed. */
void asker_connect(struct asker *a, int fd);
bool asker_connected(const struct asker *a); /* as far as is known */

/* service: "_xmpp-server._tcp", "_xmpps-server._tcp" (core/scout_wire.h has all of them). */
void ask_srv(
	struct asker *a, const char *service, const struct domain *name, struct ticket t, int tag);
void ask_addr(struct asker *a, const struct domain *name, int family, struct ticket t, int tag);
/* `_port._tcp.base` (RFC 7671 3). */
void ask_tlsa(struct asker *a, const struct domain *base, uint16_t port, struct ticket t, int tag);
/* The document of `domain` for the service "xmpp-server"; one fetch for all who wait (POSH-6,
 * P17). */
void ask_posh(struct asker *a, const struct domain *domain, struct ticket t, int tag);

#endif
