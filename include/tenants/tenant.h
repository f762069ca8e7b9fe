/* A tenant: a set of domains we front, with identity, policy and backends. Immutable after load,
 * counted. The gate's own settings stand beside it. */
#ifndef FEDGATE_TENANTS_TENANT_H
#define FEDGATE_TENANTS_TENANT_H

#include "base/domain.h"
#include "base/log.h"
#include "trust/level.h"

#include <stdint.h>
#include <sys/socket.h>

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};
struct network {
	int family;
	unsigned char prefix[16];
	unsigned bits;
};
struct address_list {
	struct address *items; /* owned */
	size_t count;
};
struct network_list {
	struct network *items; /* owned */
	size_t count;
};
struct domain_list {
	struct domain *items; /* owned */
	size_t count;
};
/* A peer's key as configured; a domain with several pins may have any of the keys. */
struct pin {
	struct domain domain;
	unsigned char spki_sha256[32];
};
struct pin_list {
	struct pin *items; /* owned */
	size_t count;
};
bool pin_list_names(const struct pin_list *list, const struct domain *peer);
bool pin_list_has(
	const struct pin_list *list, const struct domain *peer, const unsigned char spki[32]);
/* An IPv4 address written as IPv6 (::ffff:192.0.2.1) is the IPv4 address. */
bool network_list_has(const struct network_list *list, const struct sockaddr_storage *addr);

/* A file as it was when the configuration was checked, so that a later read can tell whether it
 * still is the same one. */
struct file_id {
	uint64_t dev, ino, size;
	int64_t mtime_ns, ctime_ns;
};

/* How the tenant's domain is proven to others. CERTIFICATE: by one that names it. POSH: by a
 * document on the domain's web server; the certificate is made by the gate, for this tenant alone.
 * DANE: by TLSA records at the host's name; the certificate is the host's, for all such tenants. */
enum tenant_proof { TENANT_CERTIFICATE, TENANT_POSH, TENANT_DANE };

struct tenant {
	unsigned refs;
	uint32_t number; /* stable within one registry: names the tenant to the supervisor */
	struct domain domain;
	struct domain_list further;
	struct address_list backends;
	struct network_list egress_from; /* empty: the backends' addresses */
	bool backend_check;
	enum tenant_proof proof;
	/* Absolute paths or NULL. The loader fills in what a POSH or a DANE tenant shows; where
	 * nothing may be made, NULL says that it is not there yet. */
	char *certificate, *key, *certificate2, *key2;
	struct file_id certificate_id, key_id, certificate2_id, key2_id;
	/* Not shown in TLS, but published: what will follow, and what was shown before and may
	 * still be remembered. A POSH document names next, current and previous, in this order;
	 * those of them that are there (POSH-11). */
	char *next_certificate, *next_key, *previous_certificate;
	struct file_id next_certificate_id, next_key_id, previous_certificate_id;
	enum level floor_in, floor_out;
	char *ca_file; /* absolute path or NULL */
	struct file_id ca_id;
	bool other_names;
	struct pin_list pins;
	uint64_t version; /* hash of the settings and the files' identities: equal = unchanged */
};

struct tenant *tenant_hold(struct tenant *t);
void tenant_release(struct tenant *t); /* NULL is fine */
bool tenant_has_domain(const struct tenant *t, const struct domain *d);
bool tenant_has_backend(const struct tenant *t, const struct sockaddr_storage *addr);
/* Whether a caller with this address may be the tenant's backend. */
bool tenant_egress_allows(const struct tenant *t, const struct sockaddr_storage *addr);

struct gate {
	struct address_list listen;
	unsigned workers;
	char *user, *tenants_dir, *secret_file, *ca_file;
	char *state_dir;
	char *admin_socket;      /* NULL when empty */
	struct domain host_name; /* may be unset */
	struct domain dane_name; /* [host] name; may be unset */
	unsigned max_connections, max_per_address;
	enum log_format log_format;
	enum log_level log_level;
	char *dns_forward, *dns_trust_anchor; /* NULL when empty */
	struct network_list allow_private;
	bool proofs_dane, proofs_posh;
	char *web_ca_file;
	unsigned posh_fetches;
	char *host_certificate, *host_key, *host_next_certificate, *host_next_key; /* or NULL */
	struct address_list publish_listen;
	char *publish_certificate, *publish_key; /* or NULL */
	unsigned publish_expires;
	struct address_list egress_listen, steer_listen;
	struct network_list steer_allow;
	struct domain egress_name;
	char *steer_names; /* NULL when empty */
	bool steer_resolve;
	unsigned stanza_bytes, queue_stanzas, queue_bytes, queue_seconds, negotiation_seconds,
		idle_seconds, connections_per_second, questions_per_minute;
	bool attempt_starttls;
};

void gate_free(struct gate *g); /* NULL is fine */

/* The ports that peers come to, each once; how many. */
enum { GATE_PORTS_MAX = 16 };
size_t gate_ports(const struct gate *g, unsigned ports[GATE_PORTS_MAX]);
/* Where the tenant's SRV records should point to; unset when the configuration does not say. TLSA
 * records belong to a target, so DANE tenants may have one of their own (DANE-6). */
const struct domain *gate_target(const struct gate *g, enum tenant_proof proof);

/* Whether DNS may be asked about the name: what only a private DNS can know (a single label,
 * .local, ...) is asked for where peers may live in private networks (allow_private); what is in no
 * DNS (.localhost, .onion, ...) never is. */
bool gate_looks_up(const struct gate *g, const struct domain *name);

#endif
