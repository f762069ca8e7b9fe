/* BE-S3: when steering fails, a backend looks for its peers itself; A and AAAA lookups then lead
 * straight out. So what its user opens is refused unless it is on a list, whatever the port: SRV
 * records may name any. */
#include "cmd/backend_lines.h"

#include "tenants/value.h"

#include <arpa/inet.h>
#include <string.h>

enum { PORTS_MAX = 64 };

struct ports {
	unsigned items[PORTS_MAX];
	size_t count;
};

unsigned backend_ip(const struct sockaddr_storage *sa, char out[64])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	bool is_v4 = sa->ss_family == AF_INET;
	inet_ntop(sa->ss_family, is_v4 ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr,
		out, 64);
	return ntohs(is_v4 ? v4->sin_port : v6->sin6_port);
}

struct sockaddr_storage backend_resolver(const struct address *listen)
{
	struct sockaddr_storage sa = listen->sa, any = {.ss_family = sa.ss_family};
	if (!address_same_host(&sa, &any))
		return sa;
	if (sa.ss_family == AF_INET)
		((struct sockaddr_in *)&sa)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&sa)->sin6_addr = in6addr_loopback;
	return sa;
}

bool backend_serves(const struct backend_plan *plan, const struct tenant *t)
{
	for (size_t i = 0; i < t->backends.count; i++) {
		if (address_eq(&t->backends.items[i], &plan->listener))
			return true;
	}
	return false;
}

static void add_port(struct ports *p, unsigned port)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->items[i] == port)
			return;
	}
	if (p->count < PORTS_MAX)
		p->items[p->count++] = port;
}

static void add_ports(struct ports *p, const struct address_list *list)
{
	char ip[64];
	for (size_t i = 0; i < list->count; i++)
		add_port(p, backend_ip(&list->items[i].sa, ip));
}

/* The s2s ports of this machine: the gate's public ones, every backend's, and the usual two. */
static struct ports s2s_ports(const struct backend_plan *plan)
{
	struct ports p = {.items = {5269, 5270}, .count = 2};
	char ip[64];
	add_ports(&p, &plan->gate->listen);
	add_port(&p, backend_ip(&plan->listener.sa, ip));
	for (size_t i = 0; i < registry_count(plan->tenants); i++)
		add_ports(&p, &registry_at(plan->tenants, i)->backends);
	return p;
}

static void allow(struct buf *out, const struct sockaddr_storage *sa, const char *protocol,
	unsigned port, const char *counted)
{
	char ip[64];
	backend_ip(sa, ip);
	const char *family = sa->ss_family == AF_INET ? "ip" : "ip6";
	if (protocol)
		(void)buf_printf(out, "\t\t%s daddr %s %s dport %u%s accept\n", family, ip,
			protocol, port, counted);
	else
		(void)buf_printf(out, "\t\t%s daddr %s accept\n", family, ip);
}

static void allow_gate(const struct backend_plan *plan, struct buf *out)
{
	const struct dnsserve_config *dns = &plan->table.dns;
	char ip[64];
	(void)buf_append_str(out, "\t\t# The gate, and its DNS responder.\n");
	for (size_t i = 0; i < dns->egress_addr_count; i++)
		allow(out, &dns->egress_addr[i], "tcp", dns->egress_port, " counter name to_gate");
	for (size_t i = 0; i < plan->gate->steer_listen.count; i++) {
		struct sockaddr_storage sa = backend_resolver(&plan->gate->steer_listen.items[i]);
		unsigned port = backend_ip(&sa, ip);
		allow(out, &sa, "udp", port, "");
		allow(out, &sa, "tcp", port, "");
	}
}

static void allow_names(const struct backend_plan *plan, struct buf *out)
{
	const struct dnsserve_config *dns = &plan->table.dns;
	if (dns->extra_count)
		(void)buf_append_str(out, "\t\t# The hosts of `names` in [egress].\n");
	for (size_t i = 0; i < dns->extra_count; i++)
		allow(out, &dns->extra[i].addr, NULL, 0, "");
}

static void refuse_loopback_s2s(const struct backend_plan *plan, struct buf *out)
{
	struct ports p = s2s_ports(plan);
	(void)buf_append_str(out,
		"\t\t# This machine, also by its public addresses: databases, epmd, a resolver.\n"
		"\t\t# But no s2s port: neither another backend's nor the gate's public ones.\n"
		"\t\toifname \"lo\" tcp dport { ");
	for (size_t i = 0; i < p.count; i++)
		(void)buf_printf(out, "%s%u", i ? ", " : "", p.items[i]);
	(void)buf_append_str(out, " } counter name past_gate reject with tcp reset\n"
				  "\t\toifname \"lo\" accept\n");
}

void backend_firewall(const struct backend_plan *plan, const char *user, struct buf *out)
{
	(void)buf_printf(out,
		"#!/usr/sbin/nft -f\n"
		"# What user %s opens goes to the gate, or nowhere. Loading this again replaces "
		"it.\n"
		"# nft list counters table inet fedgate_%s shows how often it mattered.\n"
		"table inet fedgate_%s\n"
		"delete table inet fedgate_%s\n"
		"table inet fedgate_%s {\n"
		"\tcounter to_gate {\n\t}\n"
		"\tcounter past_gate {\n\t}\n"
		"\tchain output {\n"
		"\t\ttype filter hook output priority filter; policy accept;\n"
		"\t\tmeta skuid \"%s\" jump backend\n"
		"\t}\n"
		"\tchain backend {\n"
		"\t\t# Answers on what others opened: clients, the gate.\n"
		"\t\tct direction reply accept\n",
		user, user, user, user, user, user);
	allow_gate(plan, out);
	refuse_loopback_s2s(plan, out);
	allow_names(plan, out);
	(void)buf_append_str(out,
		"\t\t# What else the backend needs, such as a database, goes here, as:\n"
		"\t\t# ip daddr 192.0.2.10 tcp dport 5432 accept\n"
		"\t\tmeta l4proto tcp counter name past_gate reject with tcp reset\n"
		"\t\tcounter name past_gate reject with icmpx admin-prohibited\n"
		"\t}\n"
		"}\n");
}
