#include "core/steer_table.h"

#include "base/mem.h"
#include "tenants/value.h"

#include <arpa/inet.h>
#include <string.h>

enum { ANSWER_TTL = 30 }; /* seconds: a backend that moved away is not steered for long */

static uint16_t port_of(const struct sockaddr_storage *sa)
{
	return ntohs(sa->ss_family == AF_INET ? ((const struct sockaddr_in *)sa)->sin_port
					      : ((const struct sockaddr_in6 *)sa)->sin6_port);
}

static bool is_unspecified(const struct sockaddr_storage *sa)
{
	static const struct sockaddr_storage any4 = {.ss_family = AF_INET};
	static const struct sockaddr_storage any6 = {.ss_family = AF_INET6};
	return address_same_host(sa, &any4) || address_same_host(sa, &any6);
}

/* The first address of the list that can be dialled, or NULL. */
static const struct sockaddr_storage *dialable(const struct address_list *list, int family)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct sockaddr_storage *sa = &list->items[i].sa;
		if (sa->ss_family == family && !is_unspecified(sa))
			return sa;
	}
	return NULL;
}

static void add_egress(struct dnsserve_config *dns, const struct sockaddr_storage *sa)
{
	for (size_t i = 0; i < dns->egress_addr_count; i++) {
		if (address_same_host(&dns->egress_addr[i], sa))
			return;
	}
	if (dns->egress_addr_count < DNSSERVE_EGRESS_MAX)
		dns->egress_addr[dns->egress_addr_count++] = *sa;
}

static void set_egress(struct dnsserve_config *dns, const struct gate *gate)
{
	const struct address_list *list = &gate->egress_listen;
	dns->egress_port = list->count ? port_of(&list->items[0].sa) : 0;
	for (size_t i = 0; i < list->count; i++) {
		const struct sockaddr_storage *sa = &list->items[i].sa;
		if (port_of(sa) != dns->egress_port)
			continue;
		if (is_unspecified(sa))
			sa = dialable(&gate->steer_listen, sa->ss_family);
		if (sa)
			add_egress(dns, sa);
	}
}

/* A word NAME=ADDRESS; the reader of the configuration has checked it. */
static bool read_host(struct slice word, struct dnsserve_host *out)
{
	size_t equals = slice_find(word, '=');
	char why[VALUE_WHY_MAX];
	struct network ip;
	*out = (struct dnsserve_host){0};
	if (err_is(domain_parse(slice_sub(word, 0, equals), &out->name)) ||
		!network_parse(slice_sub(word, equals + 1, word.len), &ip, why))
		return false;
	out->addr.ss_family = (sa_family_t)ip.family;
	if (ip.family == AF_INET)
		memcpy(&((struct sockaddr_in *)&out->addr)->sin_addr, ip.prefix, 4);
	else
		memcpy(&((struct sockaddr_in6 *)&out->addr)->sin6_addr, ip.prefix, 16);
	return true;
}

static void set_hosts(struct steer_table *t, const char *names)
{
	struct slice rest = slice_str(names);
	size_t count = 0;
	for (struct slice w = value_next_word(&rest); w.len; w = value_next_word(&rest)) {
		t->hosts = mem_realloc(t->hosts, (count + 1) * sizeof *t->hosts);
		if (read_host(w, &t->hosts[count]))
			count++;
	}
	t->dns.extra = t->hosts;
	t->dns.extra_count = count;
}

void steer_table_init(struct steer_table *t, const struct gate *gate)
{
	*t = (struct steer_table){.dns = {.egress_name = gate->egress_name, .ttl = ANSWER_TTL}};
	set_egress(&t->dns, gate);
	set_hosts(t, gate->steer_names);
}

void steer_table_fini(struct steer_table *t)
{
	mem_free(t->hosts);
	*t = (struct steer_table){0};
}
