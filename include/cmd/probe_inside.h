/* What the parts of the probe share: the whole (probe.c), what DNS says (probe_dns.c), what it
 * should say of a tenant of ours (probe_own.c) by the zone's own servers (probe_zone.c), the
 * document on the web (probe_posh.c), the conversations and the verdict (probe_peer.c). */
#ifndef FEDGATE_CMD_PROBE_INSIDE_H
#define FEDGATE_CMD_PROBE_INSIDE_H

#include "cmd/lookup.h"
#include "cmd/probe_report.h"
#include "cmd/record_set.h"
#include "core/ask.h"
#include "core/proofs.h"
#include "keys/credential.h"
#include "tenants/published.h"
#include "tenants/registry.h"
#include "trust/cert.h"
#include "trust/dbkey.h"
#include "xmpp/srv.h"

enum {
	PROBE_ADDRESSES_MAX = 2 * RESOLVE_ADDR_MAX,
	PROBE_TEXT_MAX = 300,
	PROBE_STARTTLS = 0,
	PROBE_DIRECT = 1,
	PROBE_SERVICES = 2,
};

/* "_xmpp-server._tcp", "_xmpps-server._tcp" */
extern const char *const probe_services[PROBE_SERVICES];

/* One place that DNS sends peers to. */
struct probe_target {
	struct domain host;
	uint16_t port;
	bool direct_tls;
	bool by_srv, secure;        /* an SRV record, and whether DNSSEC vouches for it */
	struct err e;               /* ERR_OK: there are addresses to be tried; else why not */
	bool vouched;               /* DNSSEC vouches for the addresses */
	struct domain base;         /* of the TLSA records (DANE-7) */
	struct err dane;            /* as in core/dial.h */
	struct tlsa_set tlsa;       /* as found, secure or not */
	enum resolve_status status; /* of the question for them; NONE also: not asked */
	uint32_t ttl, tlsa_ttl;
	struct sockaddr_storage addr[PROBE_ADDRESSES_MAX]; /* with the port */
	size_t addr_count;
};

/* A certificate that we expect, of a tenant of ours. */
struct probe_leaf {
	bool known;
	struct buf der;
};

struct probe_zone;

struct probe {
	struct domain domain, from;
	bool inbound;
	struct probe_report *report;   /* owned */
	struct lookup *lookup;         /* owned */
	struct gate *gate;             /* owned */
	struct registry *tenants;      /* owned */
	const struct tenant *own;      /* borrowed: the domain is a tenant of ours */
	const struct tenant *as;       /* borrowed: who we are while probing; or NULL */
	struct credential *credential; /* owned: as's */
	struct dbkey_secret secret;
	bool has_secret;
	struct cert_set *authorities[2];        /* owned or NULL: as's, the gate's */
	struct probe_leaf leafs[PUBLISHED_MAX]; /* of `own`; not all of them are there */
	struct record_set records;              /* what should be published for `own`; or empty */
	struct resolve_answer srv[PROBE_SERVICES];
	struct probe_target targets[SRV_MAX];
	size_t target_count;
	struct err dns;               /* why there is no target */
	struct proofs_dane published; /* owned: for the way in (DANE-5) */
	struct posh_found posh;
	struct probe_zone *zones[2]; /* owned: of the domain, of the host; NULL: not asked for */
};

/* Fills the targets. */
void probe_dns(struct probe *p);
/* Fills p->posh. */
void probe_web(struct probe *p);
/* Talks to every target, judges, and tells the levels. */
void probe_peers(struct probe *p);
/* `own`'s server, behind the gate. */
void probe_backend(struct probe *p);

/* ---- what is said in DNS ---- */

struct err probe_dns_error(const struct resolve_answer *a);
/* Says why there is no answer, and finds what is to be found in that. `of`: whose DNS it is. */
void probe_say_status(struct probe *p, const struct domain *of, const char *name, const char *type,
	const struct resolve_answer *a);
/* "_5269._tcp.host.example" */
void probe_tlsa_name(const struct domain *base, uint16_t port, char *out, size_t size);
/* "3 1 1 HEX" of a leaf, as in a zone file. */
bool probe_tlsa_text(struct slice leaf, char out[TLSA_TEXT_MAX]);

/* ---- what a tenant of ours should have; each is called for one alone ---- */

/* By p->srv. */
void probe_own_srv(struct probe *p);
/* Whether DNS sends peers to the wrong place: that was found, and what is there matters no more. */
bool probe_is_astray(const struct probe *p, const struct probe_target *t);
/* By a target's TLSA records. */
void probe_own_tlsa(struct probe *p, const struct probe_target *t);
void probe_own_caa(struct probe *p, const struct lookup_caa *caa);
/* What does not matter to servers: records for clients, days that certificates have left. */
void probe_own_rest(struct probe *p);

/* ---- what the zone's own servers say ---- */

/* service NULL: the TLSA records of (name, port). */
struct probe_question {
	const char *service;
	struct domain name;
	uint16_t port;
};
struct probe_view {
	struct resolve_answer dns;
	struct tlsa_set tlsa;
};
typedef bool (*probe_judge)(
	struct probe *p, const struct probe_question *q, const struct probe_view *v);
/* What counts for whoever has to change it: the word of the zone's own servers, where it can be
 * had, else the resolver's (`seen`). When they do not agree with each other or with the resolver,
 * that is found here (ON-05, ON-07). False: nothing more is to be said, for some server says what
 * is right. */
bool probe_zone_view(struct probe *p, struct probe_zone **zone, const struct probe_question *q,
	const struct probe_view *seen, probe_judge is_right, struct probe_view *out);
void probe_zone_free(struct probe_zone *z); /* NULL is fine */

#endif
