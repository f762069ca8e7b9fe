#include "tenants/tenant.h"

#include "base/mem.h"
#include "tenants/config.h"
#include "tenants/value.h"

#include <assert.h>
#include <string.h>

struct tenant *tenant_hold(struct tenant *t)
{
	t->refs++;
	return t;
}

void tenant_release(struct tenant *t)
{
	if (!t)
		return;
	assert(t->refs > 0);
	if (--t->refs)
		return;
	config_fini(&tenant_config, t);
	mem_free(t->previous_certificate);
	mem_free(t);
}

bool pin_list_names(const struct pin_list *list, const struct domain *peer)
{
	for (size_t i = 0; i < list->count; i++) {
		if (domain_eq(&list->items[i].domain, peer))
			return true;
	}
	return false;
}

bool pin_list_has(
	const struct pin_list *list, const struct domain *peer, const unsigned char spki[32])
{
	for (size_t i = 0; i < list->count; i++) {
		const struct pin *p = &list->items[i];
		if (domain_eq(&p->domain, peer) &&
			memcmp(p->spki_sha256, spki, sizeof p->spki_sha256) == 0)
			return true;
	}
	return false;
}

bool tenant_has_domain(const struct tenant *t, const struct domain *d)
{
	if (domain_eq(&t->domain, d))
		return true;
	for (size_t i = 0; i < t->further.count; i++) {
		if (domain_eq(&t->further.items[i], d))
			return true;
	}
	return false;
}

bool tenant_has_backend(const struct tenant *t, const struct sockaddr_storage *addr)
{
	for (size_t i = 0; i < t->backends.count; i++) {
		const struct sockaddr_storage *own = &t->backends.items[i].sa;
		if (address_same_host(own, addr) && address_port(own) == address_port(addr))
			return true;
	}
	return false;
}

bool tenant_egress_allows(const struct tenant *t, const struct sockaddr_storage *addr)
{
	if (t->egress_from.count)
		return network_list_has(&t->egress_from, addr);
	for (size_t i = 0; i < t->backends.count; i++) {
		if (address_same_host(&t->backends.items[i].sa, addr))
			return true;
	}
	return false;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	config_fini(&gate_config, g);
	mem_free(g);
}

bool gate_looks_up(const struct gate *g, const struct domain *name)
{
	enum domain_scope scope = domain_scope(name);
	return scope == DOMAIN_PUBLIC || (scope == DOMAIN_LOCAL && g->allow_private.count > 0);
}

const struct domain *gate_target(const struct gate *g, enum tenant_proof proof)
{
	return proof == TENANT_DANE && domain_is_set(&g->dane_name) ? &g->dane_name : &g->host_name;
}

size_t gate_ports(const struct gate *g, unsigned ports[GATE_PORTS_MAX])
{
	size_t count = 0;
	for (size_t i = 0; i < g->listen.count && count < GATE_PORTS_MAX; i++) {
		unsigned port = address_port(&g->listen.items[i].sa);
		bool known = false;
		for (size_t j = 0; j < count; j++)
			known = known || ports[j] == port;
		if (!known)
			ports[count++] = port;
	}
	return count;
}
