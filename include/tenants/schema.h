/* Every key of the configuration, once. This table makes the structs' defaults, the parser,
 * `fedgate check`, the generated tenants/reference.md and the test that every key stands in an
 * example.
 *
 * X(section, key, type, field, default, reload, sentence)
 *   type: how load.c reads it (see enum config_type); default: the text a missing key stands for,
 *   "" when the key is required or empty; reload: LIVE takes effect at SIGHUP, START needs a
 *   restart (a changed START key is reported at reload, the old value stays). */
#ifndef FEDGATE_TENANTS_SCHEMA_H
#define FEDGATE_TENANTS_SCHEMA_H

#define GATE_SCHEMA(X)                                                                             \
	X("gate", "listen", ADDRS, listen, "[::]:5269 0.0.0.0:5269", START,                        \
		"Addresses and ports for peers; STARTTLS and direct TLS on each.")                 \
	X("gate", "workers", COUNT, workers, "0", START,                                           \
		"Worker processes; 0 means one per core.")                                         \
	X("gate", "user", USER, user, "fedgate", START,                                            \
		"User the workers run as when fedgate is started by root.")                        \
	X("gate", "tenants", PATH, tenants_dir, "tenants.d", START,                                \
		"Directory with one file per tenant; relative to fedgate.ini.")                    \
	X("gate", "secret_file", PATH, secret_file, "dialback.secret", START,                      \
		"File with the node's dialback secret; made at first start, shared by a cluster.") \
	X("gate", "state_dir", PATH, state_dir, "state", START,                                    \
		"Directory of the certificates and keys that the gate makes, and of rollovers.")   \
	X("gate", "admin_socket", PATH, admin_socket, "/run/fedgate/admin.sock", START,            \
		"Socket for `fedgate explain` and the like; empty: none.")                         \
	X("gate", "ca_file", PATH, ca_file, "/etc/ssl/certs/ca-certificates.crt", LIVE,            \
		"PEM bundle of the public authorities that may prove a peer.")                     \
	X("gate", "host_name", DOMAIN, host_name, "", LIVE,                                        \
		"The host's own name, the target of the tenants' SRV records.")                    \
	X("gate", "max_connections", COUNT, max_connections, "20000", LIVE,                        \
		"Connections per worker; beyond it new ones wait.")                                \
	X("gate", "max_per_address", COUNT, max_per_address, "256", LIVE,                          \
		"Connections per worker from one peer address (IPv6: /64).")                       \
	X("log", "format", LOG_FORMAT, log_format, "json", LIVE, "json or logfmt.")                \
	X("log", "level", LOG_LEVEL, log_level, "info", LIVE, "error, warn, info or debug.")       \
	X("dns", "forward", FORWARD, dns_forward, "", START,                                       \
		"Resolver to ask, ADDRESS or ADDRESS@PORT; empty means resolv.conf.")              \
	X("dns", "trust_anchor", PATH, dns_trust_anchor, "/usr/share/dns/root.key", START,         \
		"File with DNSSEC trust anchors; empty means no validation, and so no DANE.")      \
	X("dns", "allow_private", NETS, allow_private, "", LIVE,                                   \
		"Private networks peers may live in (labs, VPNs); empty means public only.")       \
	X("proofs", "dane", BOOL, proofs_dane, "yes", LIVE,                                        \
		"Believe peers who are proven by DNSSEC and TLSA records (DANE).")                 \
	X("proofs", "posh", BOOL, proofs_posh, "yes", LIVE,                                        \
		"Believe peers who are proven by a document on their web server (POSH).")          \
	X("proofs", "web_ca_file", PATH, web_ca_file, "/etc/ssl/certs/ca-certificates.crt", START, \
		"PEM bundle of the authorities that may prove a web server.")                      \
	X("proofs", "posh_fetches", COUNT, posh_fetches, "32", START,                              \
		"POSH documents fetched at once, on the whole node.")                              \
	X("host", "name", DOMAIN, dane_name, "", LIVE,                                             \
		"Where the SRV records of tenants with `proof = dane` point to: a name of the "    \
		"host that no other tenants use; empty: `host_name`.")                             \
	X("host", "certificate", PATH, host_certificate, "", LIVE,                                 \
		"PEM chain that all tenants with `proof = dane` show; empty: made by the gate.")   \
	X("host", "key", PATH, host_key, "", LIVE,                                                 \
		"PEM key of `certificate`; empty: made by the gate.")                              \
	X("host", "next_certificate", PATH, host_next_certificate, "", LIVE,                       \
		"PEM chain that will follow: published before it is used (`fedgate rotate`).")     \
	X("host", "next_key", PATH, host_next_key, "", LIVE, "PEM key of `next_certificate`.")     \
	X("publish", "listen", ADDRS, publish_listen, "", START,                                   \
		"Addresses and ports of the HTTPS publisher of POSH documents; empty turns it "    \
		"off.")                                                                            \
	X("publish", "certificate", PATH, publish_certificate, "", LIVE,                           \
		"PEM chain of the publisher's web site: for `host_name`, from a public "           \
		"authority.")                                                                      \
	X("publish", "key", PATH, publish_key, "", LIVE, "PEM key of `certificate`.")              \
	X("publish", "expires", COUNT, publish_expires, "86400", LIVE,                             \
		"Seconds that a published POSH document may be kept for.")                         \
	X("egress", "listen", ADDRS, egress_listen, "127.0.0.1:5275", START,                       \
		"Addresses and ports where backends dial out to; never reachable from outside.")   \
	X("egress", "dns_listen", ADDRS, steer_listen, "127.0.0.1:5300", START,                    \
		"Addresses and ports of the DNS responder for backends; empty turns it off.")      \
	X("egress", "dns_allow", NETS, steer_allow, "127.0.0.0/8 ::1/128", LIVE,                   \
		"Networks whose DNS queries are answered.")                                        \
	X("egress", "name", DOMAIN, egress_name, "egress.fedgate.example", START,                  \
		"Name the DNS responder gives as the target of every SRV record.")                 \
	X("egress", "names", NAMES, steer_names, "", LIVE,                                         \
		"Other names to answer, as NAME=ADDRESS, separated by spaces.")                    \
	X("egress", "dns_resolve", BOOL, steer_resolve, "no", START,                               \
		"Look up the addresses of other names for backends too, instead of refusing.")     \
	X("limits", "stanza_bytes", COUNT, stanza_bytes, "524288", LIVE,                           \
		"Largest stanza taken from a proven peer or a backend; at least 10000.")           \
	X("limits", "queue_stanzas", COUNT, queue_stanzas, "1000", LIVE,                           \
		"Stanzas queued per pair while a connection is made.")                             \
	X("limits", "queue_bytes", COUNT, queue_bytes, "4194304", LIVE, "Bytes queued per pair.")  \
	X("limits", "queue_seconds", COUNT, queue_seconds, "60", LIVE,                             \
		"How long a stanza waits for a connection before it is bounced.")                  \
	X("limits", "negotiation_seconds", COUNT, negotiation_seconds, "30", LIVE,                 \
		"How long a peer may take from connecting to being proven.")                       \
	X("limits", "idle_seconds", COUNT, idle_seconds, "3600", LIVE,                             \
		"How long a proven stream may be silent before it is closed.")                     \
	X("limits", "connections_per_second", COUNT, connections_per_second, "50", LIVE,           \
		"New connections from one peer address (IPv6: /64); twice as many in a burst.")    \
	X("limits", "questions_per_minute", COUNT, questions_per_minute, "10", LIVE,               \
		"Dialback questions to other servers that one peer address may cause in vain; "    \
		"and three times as many look-ups of what a domain publishes.")                    \
	X("limits", "attempt_starttls", BOOL, attempt_starttls, "yes", LIVE,                       \
		"Try STARTTLS, and offer it, even where policy would do without.")

/* tenants.d/DOMAIN.ini; all of it reloads. */
#define TENANT_SCHEMA(X)                                                                           \
	X("tenant", "domain", DOMAIN, domain, "", LIVE,                                            \
		"The tenant's domain; the file is called after it.")                               \
	X("tenant", "domains", DOMAINS, further, "", LIVE,                                         \
		"Further domains of the same tenant, such as conference.DOMAIN.")                  \
	X("tenant", "backend", ADDRS, backends, "", LIVE,                                          \
		"Where the tenant's own server takes plaintext s2s; several: tried in order.")     \
	X("tenant", "egress_from", NETS, egress_from, "", LIVE,                                    \
		"Addresses the backend dials egress from; empty: the backends' own addresses.")    \
	X("tenant", "backend_check", BOOL, backend_check, "yes", LIVE,                             \
		"Ask the backend by dialback whether a caller on egress is really it.")            \
	X("tenant", "proof", PROOF, proof, "certificate", LIVE,                                    \
		"How the domain is proven: by a certificate of its own, by posh or by dane.")      \
	X("tls", "certificate", PATH, certificate, "", LIVE,                                       \
		"PEM chain shown for these domains, leaf first.")                                  \
	X("tls", "key", PATH, key, "", LIVE, "PEM key of `certificate`, not encrypted.")           \
	X("tls", "certificate_2", PATH, certificate2, "", LIVE,                                    \
		"A second chain of the other algorithm (RSA beside ECDSA).")                       \
	X("tls", "key_2", PATH, key2, "", LIVE, "PEM key of `certificate_2`.")                     \
	X("tls", "next_certificate", PATH, next_certificate, "", LIVE,                             \
		"PEM chain that will follow `certificate`: published before it is used.")          \
	X("tls", "next_key", PATH, next_key, "", LIVE, "PEM key of `next_certificate`.")           \
	X("policy", "inbound", LEVEL, floor_in, "secure", LIVE,                                    \
		"What a peer must prove to speak to us: verified, secure or trusted.")             \
	X("policy", "outbound", LEVEL, floor_out, "secure", LIVE,                                  \
		"What a peer must prove before we speak to it: verified, secure or trusted.")      \
	X("policy", "ca_file", PATH, ca_file, "", LIVE,                                            \
		"PEM bundle of the tenant's own authorities, beside the gate's.")                  \
	X("policy", "other_names", BOOL, other_names, "no", LIVE,                                  \
		"Accept SRV-ID and XmppAddr names from public authorities too.")                   \
	X("policy", "pins", PINS, pins, "", LIVE,                                                  \
		"Keys that peers must have, as DOMAIN=sha256/BASE64 of the public key (SPKI).")

/* X(section, key): what may be neither left out without a default nor empty. */
#define GATE_REQUIRED(X)                                                                           \
	X("gate", "listen")                                                                        \
	X("gate", "tenants")                                                                       \
	X("gate", "secret_file")                                                                   \
	X("gate", "state_dir")                                                                     \
	X("egress", "listen")                                                                      \
	X("egress", "name")
#define TENANT_REQUIRED(X)                                                                         \
	X("tenant", "domain")                                                                      \
	X("tenant", "backend")
/* Only with `proof = certificate`; the gate makes them otherwise. */
#define TENANT_REQUIRED_AS_PROOF(X)                                                                \
	X("tls", "certificate")                                                                    \
	X("tls", "key")

/* X(section, key, least, most): the bounds of every COUNT. */
#define GATE_BOUNDS(X)                                                                             \
	X("gate", "workers", 0, 256)                                                               \
	X("gate", "max_connections", 16, 1000000)                                                  \
	X("gate", "max_per_address", 1, 1000000)                                                   \
	X("proofs", "posh_fetches", 1, 1024)                                                       \
	X("publish", "expires", 300, 86400)                                                        \
	X("limits", "stanza_bytes", 10000, 16777216)                                               \
	X("limits", "queue_stanzas", 1, 1000000)                                                   \
	X("limits", "queue_bytes", 10000, 1073741824)                                              \
	X("limits", "queue_seconds", 1, 3600)                                                      \
	X("limits", "negotiation_seconds", 5, 600)                                                 \
	X("limits", "idle_seconds", 60, 86400)                                                     \
	X("limits", "connections_per_second", 1, 1000)                                             \
	X("limits", "questions_per_minute", 1, 60000)

#endif
