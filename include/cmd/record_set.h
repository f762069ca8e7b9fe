/* Everything that makes a tenant's domains reachable and proven, and who must publish it. */
#ifndef FEDGATE_CMD_RECORD_SET_H
#define FEDGATE_CMD_RECORD_SET_H

#include "base/buf.h"
#include "tenants/tenant.h"

enum record_by { BY_CUSTOMER, BY_HOST };

struct record {
	enum record_by by;
	const char *type; /* "SRV", "TLSA", "CAA" */
	char *name;       /* owned; absolute, with the dot at the end */
	char *value;      /* owned; NULL: only the note is known */
	const char *note; /* what it is for; one sentence without a stop */
	bool optional;
};

/* A document on a web server of the customer's. */
struct record_page {
	const struct domain *domain; /* borrowed from the tenant */
	const char *service;         /* "xmpp-server" or "xmpp-client" */
	char *url;                   /* owned: where peers look */
	char *publisher;             /* owned: where the gate publishes it; NULL: it does not */
	bool optional;               /* other servers believe the domain without it */
};

struct record_set {
	const struct gate *gate;     /* borrowed */
	const struct tenant *tenant; /* borrowed */
	struct record *records;      /* owned */
	size_t record_count;
	struct record_page *pages; /* owned; none for a DANE tenant */
	size_t page_count;
	char *document; /* owned: of all pages; NULL when there are none */
};

struct record_wish {
	const char *clients; /* a host name; NULL: where clients connect is not known */
	const char *ca;      /* as CAA records name it; NULL: not known */
	int64_t now;
};

enum { RECORD_TTL_S = 3600 };

/* NULL, or a sentence about what is missing; then the set is empty. */
const char *record_set_make(struct record_set *set, const struct gate *gate,
	const struct tenant *tenant, const struct record_wish *wish);
void record_set_fini(struct record_set *set);

/* Where the SRV records lead. */
const struct domain *record_target(const struct record_set *set);
/* Appends https://HOST/posh/DOMAIN/SERVICE.json; false when the gate publishes nothing. */
bool record_publisher_url(
	const struct gate *gate, const struct domain *domain, const char *service, struct buf *out);

/* What a web server's configuration needs to serve the documents: "nginx", "apache", "caddy". */
extern const char *const web_servers[];
void web_lines(const struct record_set *set, const char *server, struct buf *out);

#endif
