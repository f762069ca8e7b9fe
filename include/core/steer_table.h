/* What the DNS responder answers from, as the gate's configuration has it. */
#ifndef FEDGATE_CORE_STEER_TABLE_H
#define FEDGATE_CORE_STEER_TABLE_H

#include "net/dnsserve.h"
#include "tenants/tenant.h"

struct steer_table {
	struct dnsserve_config dns;
	struct dnsserve_host *hosts; /* owned; dns.extra */
};

/* The egress name stands for the addresses of [egress] listen that have the first one's port: one
 * SRV record has one port. An unspecified address (0.0.0.0, ::) is nowhere to dial: the address of
 * the responder's own listener of that family stands for it, where the backend got through as well;
 * without one it is left out. dns.egress_addr_count may come out as 0. */
void steer_table_init(struct steer_table *t, const struct gate *gate);
void steer_table_fini(struct steer_table *t);

#endif
