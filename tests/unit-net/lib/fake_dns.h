/* A scout of a few lines in place of core/ask.c: answers come from a table, after a delay. */
#ifndef FEDGATE_TESTS_FAKE_DNS_H
#define FEDGATE_TESTS_FAKE_DNS_H

#include "fake_worker.h"

enum fake_type { FAKE_SRV, FAKE_SRV_DIRECT, FAKE_A, FAKE_AAAA, FAKE_TLSA, FAKE_POSH };

struct fake_record {
	const char *name;
	enum fake_type type;
	enum resolve_status status;
	/* SRV: "PRIORITY PORT TARGET", where a port may be "@0"; addresses: text; TLSA, under the
	 * base domain whatever the port: "U S M HEX"; several separated by ", ". POSH: a document;
	 * RESOLVE_NONE: there is none, other statuses: it could not be had.
	 * Before it may stand "secure ", "ttl=SECONDS " (POSH: how long the answer holds) and
	 * "alias=NAME " (the name at the end of a chain of CNAMEs), in this order. */
	const char *data;
	uint64_t delay_ms;
};

/* The table is borrowed; names that are not in it do not exist. */
void fake_dns_use(struct fake_worker *f, const struct fake_record *records, size_t count);
unsigned fake_dns_asked(const char *name, enum fake_type type);
void fake_dns_end(void);       /* frees what was never answered */
extern unsigned fake_ports[4]; /* what "@0".."@3" stands for as a port */

#endif
