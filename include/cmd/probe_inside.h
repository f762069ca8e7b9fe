/* What the parts of the probe share: the whole (probe.c), DNS (probe_dns.c), the document on the
 * web (probe_posh.c), the conversations and the verdict (probe_peer.c). */
#ifndef FEDGATE_CMD_PROBE_INSIDE_H
#define FEDGATE_CMD_PROBE_INSIDE_H

#include "cmd/lookup.h"
#include "cmd/probe_report.h"
#include "cmd/record_set.h"
#include "keys/credential.h"
#include "tenants/registry.h"
#include "trust/cert.h"
#include "trust/dbkey.h"

enum { PROBE_TARGETS_MAX = 16, PROBE_ADDRESSES_MAX = 8, PROBE_LEAF_MAX = 16 * 1024 };

/* One place that DNS sends peers to. */
struct probe_target {
	struct domain host;
	uint16_t port;
	bool direct_tls;
	bool by_srv, secure; /* an SRV record, and whether DNSSEC vouches for it */
	bool reachable_name; /* addresses were found, and none of the answers is bogus */
	bool secure_addr;
	struct sockaddr_storage addr[PROBE_ADDRESSES_MAX]; /* with the port */
	size_t addr_count;
	struct domain base;              /* where the TLSA records were found, or looked for last */
	enum resolve_status tlsa_status; /* NONE also when there was nothing to ask for */
	struct tlsa_set tlsa;            /* only secure ones */
};

/* The document on the web. */
struct probe_posh {
	struct err e; /* ERR_OK: `document` holds fingerprints */
	struct posh_document document;
	char url[POSH_URL_MAX + 300]; /* where the domain's document is looked for first */
};

/* The certificate that we expect, of a tenant of ours. */
struct probe_leaf {
	bool known;
	struct buf der;
};

struct probe {
	struct domain domain, from;
	bool inbound;
	struct probe_report *report;   /* owned */
	struct lookup *lookup;         /* owned */
	struct gate *gate;             /* owned */
	struct registry *tenants;      /* owned */
	const struct tenant *own;      /* borrowed: the domain is a tenant of ours */
	const struct tenant *as;       /* borrowed: who we are while probing */
	struct credential *credential; /* owned: as's */
	struct dbkey_secret secret;
	bool has_secret;
	struct cert_set *authorities; /* owned or NULL */
	struct probe_leaf now, next;  /* of `own` */
	struct record_set records;    /* what should be published for `own`; may be empty */
	struct probe_target targets[PROBE_TARGETS_MAX];
	size_t target_count;
	bool srv_secure; /* all SRV answers were */
	struct err dns;  /* why there is no target */
	struct probe_posh posh;
};

/* Fills the targets. */
void probe_dns(struct probe *p);
/* Fills p->posh. */
void probe_web(struct probe *p);
/* Talks to every target, judges, and tells the levels. */
void probe_peers(struct probe *p);
/* `own`'s server, behind the gate. */
void probe_backend(struct probe *p);

/* "_5269._tcp.host.example" */
void probe_tlsa_name(const struct domain *base, uint16_t port, char *out, size_t size);
/* "3 1 1 HEX" of a leaf, as in a zone file. */
bool probe_tlsa_text(struct slice leaf, char *out, size_t size);

#endif
