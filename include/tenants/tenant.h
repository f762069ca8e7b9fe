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
/* An IPv4 address written as IPv6 (::ffff:192.0.2.1) is the IPv4 address. */
bool network_list_has(const struct network_list *list, const struct sockaddr_storage *addr);

/* A file as it was when the configuration was checked, so that a later read can tell whether it
 * still is the same one. */
struct file_id {
	uint64_t dev, ino, size;
	int64_t mtime_ns, ctime_ns;
};

struct tenant {
	unsigned refs;
	uint32_t number; /* stable within one registry: names the tenant to the supervisor */
	struct domain domain;
	struct domain_list further;
	struct address_list backends;
	struct network_list egress_from; /* empty: the backends' addresses */
	bool backend_check;
	char *certificate, *key, *certificate2, *key2; /* absolute paths or NULL */
	struct file_id certificate_id, key_id, certificate2_id, key2_id;
	enum level floor_in, floor_out;
	char *ca_file; /* absolute path or NULL */
	struct file_id ca_id;
	bool other_names;
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
	char *admin_socket; /* NULL when empty */
	struct domain host_name; /* may be unset */
	unsigned max_connections, max_per_address;
	enum log_format log_format;
	enum log_level log_level;
	char *dns_forward, *dns_trust_anchor; /* NULL when empty */
	struct network_list allow_private;
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

/* Whether DNS may be asked about the name: what only a private DNS can know (a single label,
 * .local, ...) is asked for where peers may live in private networks (allow_private); what is in no
 * DNS (.localhost, .onion, ...) never is. */
bool gate_looks_up(const struct gate *g, const struct domain *name);

#endif
