/* A scout of a few lines in place of core/ask.c: answers come from a table, after a delay. */
#ifndef FEDGATE_TESTS_FAKE_DNS_H
#define FEDGATE_TESTS_FAKE_DNS_H

#include "fake_worker.h"

enum fake_type { FAKE_SRV, FAKE_SRV_DIRECT, FAKE_A, FAKE_AAAA };

struct fake_record {
	const char *name;
	enum fake_type type;
	enum resolve_status status;
	/* SRV: "PRIORITY PORT TARGET"; addresses: text; several separated by ", ". A port that is 0
	 * means fake_port. */
	const char *data;
	uint64_t delay_ms;
};

/* The table is borrowed; names that are not in it do not exist. */
void fake_dns_use(struct fake_worker *f, const struct fake_record *records, size_t count);
unsigned fake_dns_asked(const char *name, enum fake_type type);
void fake_dns_end(void);       /* frees what was never answered */
extern unsigned fake_ports[4]; /* what "@0".."@3" stands for as a port */

#endif
