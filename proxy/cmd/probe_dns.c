/* What a peer asks DNS about a domain, and what of it would mislead a peer. */
#include "cmd/probe_inside.h"

#include "base/b64.h"
#include "tenants/value.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 300, DEFAULT_PORT = 5269 };

static const struct service {
	const char *name;
	bool direct_tls;
} services[] = {{"_xmpps-server._tcp", true}, {"_xmpp-server._tcp", false}};

static const char *security(const struct resolve_answer *a)
{
	return a->secure ? "signed" : "not signed";
}

static struct err reason_of(const struct resolve_answer *a)
{
	switch (a->status) {
	case RESOLVE_DATA:
		return err_ok();
	case RESOLVE_NONE:
		return err_make(ERR_DNS_NONE);
	case RESOLVE_BOGUS:
		return err_make(ERR_DNS_BOGUS);
	case RESOLVE_TIMEOUT:
		return err_make(ERR_DNS_TIMEOUT);
	case RESOLVE_FAILED:
		break;
	}
	return err_make(ERR_DNS_FAILED);
}

/* Says why there is no answer. */
static void say_status(
	struct probe *p, const char *name, const char *type, const struct resolve_answer *a)
{
	struct err why = reason_of(a);
	if (a->status == RESOLVE_NONE)
		probe_say(p->report, SAY_NONE, "dns", err_ok(), "%s has no %s record (%s)", name,
			type, security(a));
	else
		probe_say(p->report, SAY_BAD, "dns", why, "%s %s: %s", name, type,
			err_row(why.code)->sentence);
	if (a->status == RESOLVE_BOGUS)
		probe_find(p->report, FIND_DNSSEC_BROKEN, p->domain.name, name, NULL, NULL);
}

/* ---- what one of our own tenants should have ---- */

static uint16_t own_port(const struct probe *p)
{
	return p->gate->listen.count ? (uint16_t)address_port(&p->gate->listen.items[0].sa)
				     : DEFAULT_PORT;
}

static bool is_own_port(const struct probe *p, uint16_t port)
{
	for (size_t i = 0; i < p->gate->listen.count; i++) {
		if (address_port(&p->gate->listen.items[i].sa) == port)
			return true;
	}
	return false;
}

/* Only of a tenant of ours. */
static const struct domain *own_target(const struct probe *p)
{
	return gate_target(p->gate, p->own->proof);
}

static bool knows_host(const struct probe *p)
{
	return p->own && domain_is_set(own_target(p));
}

/* Many a web form adds the domain to what is entered, whatever it is. */
static bool is_doubled(struct probe *p, const char *service)
{
	struct domain twice;
	char text[2 * DOMAIN_MAX + 2], name[TEXT_MAX];
	snprintf(text, sizeof text, "%s.%s", p->domain.name, p->domain.name);
	if (err_is(domain_parse(slice_str(text), &twice)) ||
		lookup_srv(p->lookup, service, &twice)->status != RESOLVE_DATA)
		return false;
	snprintf(name, sizeof name, "%s.%s", service, twice.name);
	probe_find(p->report, FIND_SRV_DOUBLED, p->domain.name, name, service, NULL);
	return true;
}

static void find_missing(struct probe *p, const struct service *s, const char *name)
{
	char absolute[TEXT_MAX + 1];
	const char *value = "...";
	if (!p->own || is_doubled(p, s->name))
		return;
	snprintf(absolute, sizeof absolute, "%.*s.", TEXT_MAX - 1, name);
	for (size_t i = p->records.record_count; i-- > 0;) {
		const struct record *r = &p->records.records[i];
		if (strcmp(r->name, absolute) == 0 && r->value)
			value = r->value;
	}
	probe_find(p->report, FIND_SRV_MISSING, p->domain.name, name, value, NULL);
}

static bool leads_to_host(const struct probe *p, const struct resolve_answer *a)
{
	for (size_t i = 0; i < a->srv_count; i++) {
		if (domain_eq(&a->srv[i].target, own_target(p)))
			return true;
	}
	return false;
}

static void judge_own_srv(struct probe *p, const char *name, const struct resolve_answer *a)
{
	bool some = leads_to_host(p, a);
	for (size_t i = 0; i < a->srv_count; i++) {
		const struct resolve_srv *srv = &a->srv[i];
		char port[8], wanted[8];
		snprintf(port, sizeof port, "%u", srv->port);
		snprintf(wanted, sizeof wanted, "%u", own_port(p));
		if (!domain_eq(&srv->target, own_target(p)))
			probe_find(p->report, some ? FIND_SRV_DISAGREE : FIND_SRV_ELSEWHERE,
				p->domain.name, name, srv->no_service ? "." : srv->target.name,
				own_target(p)->name);
		else if (!is_own_port(p, srv->port))
			probe_find(p->report, FIND_SRV_PORT, p->domain.name, name, port, wanted);
	}
}

/* ---- SRV ---- */

static void add_target(struct probe *p, const struct domain *host, uint16_t port, bool direct_tls,
	bool by_srv, bool secure)
{
	if (p->target_count == PROBE_TARGETS_MAX)
		return;
	p->targets[p->target_count++] = (struct probe_target){.host = *host,
		.port = port,
		.direct_tls = direct_tls,
		.by_srv = by_srv,
		.secure = secure,
		.base = *host,
		.tlsa_status = RESOLVE_NONE};
}

/* Whether the answer leaves the question of a fall-back open. */
static bool ask_service(struct probe *p, const struct service *s)
{
	char name[TEXT_MAX];
	snprintf(name, sizeof name, "%s.%s", s->name, p->domain.name);
	const struct resolve_answer a = *lookup_srv(p->lookup, s->name, &p->domain);
	p->srv_secure &= a.secure;
	if (a.status != RESOLVE_DATA) {
		say_status(p, name, "SRV", &a);
		if (a.status == RESOLVE_NONE)
			find_missing(p, s, name);
		else
			p->dns = reason_of(&a);
		return a.status == RESOLVE_NONE;
	}
	for (size_t i = 0; i < a.srv_count; i++) {
		const struct resolve_srv *r = &a.srv[i];
		probe_say(p->report, r->no_service ? SAY_NONE : SAY_FINE, "dns", err_ok(),
			"%s SRV %u %u %u %s. (%s)", name, r->priority, r->weight, r->port,
			r->no_service ? "" : r->target.name, security(&a));
		if (!r->no_service)
			add_target(p, &r->target, r->port, s->direct_tls, true, a.secure);
	}
	if (knows_host(p))
		judge_own_srv(p, name, &a);
	return false;
}

/* ---- addresses ---- */

static void add_addresses(struct probe *p, struct probe_target *t, const struct resolve_answer *a)
{
	char text[64];
	for (size_t i = 0; i < a->addr_count && t->addr_count < PROBE_ADDRESSES_MAX; i++) {
		struct sockaddr_storage sa = a->addr[i];
		uv_ip_name((const struct sockaddr *)&sa, text, sizeof text);
		bool allowed = lookup_allowed(p->lookup, &sa);
		struct err blocked = allowed ? err_ok() : err_make(ERR_ADDRESS_BLOCKED);
		probe_say(p->report, allowed ? SAY_FINE : SAY_BAD, "dns", blocked, "%s %s %s (%s)",
			t->host.name, sa.ss_family == AF_INET ? "A" : "AAAA", text, security(a));
		if (!allowed) {
			probe_find(p->report, FIND_PRIVATE_ADDRESS, p->domain.name, t->host.name,
				text, NULL);
			continue;
		}
		if (sa.ss_family == AF_INET)
			((struct sockaddr_in *)&sa)->sin_port = htons(t->port);
		else
			((struct sockaddr_in6 *)&sa)->sin6_port = htons(t->port);
		t->addr[t->addr_count++] = sa;
	}
}

static void ask_addresses(struct probe *p, struct probe_target *t)
{
	static const int families[] = {AF_INET6, AF_INET};
	t->secure_addr = true;
	t->reachable_name = true;
	for (size_t i = 0; i < 2; i++) {
		const struct resolve_answer a = *lookup_addr(p->lookup, &t->host, families[i]);
		if (a.status == RESOLVE_DATA)
			add_addresses(p, t, &a);
		else if (a.status != RESOLVE_NONE)
			say_status(p, t->host.name, families[i] == AF_INET ? "A" : "AAAA", &a);
		t->reachable_name &= a.status != RESOLVE_BOGUS;
		t->secure_addr &= a.secure;
		if (a.aliased && a.secure)
			t->base = a.canonical; /* DANE-7: asked first */
		if (a.aliased)
			probe_find(p->report, FIND_TARGET_ALIAS, p->domain.name, t->host.name,
				a.canonical.name, NULL);
	}
	if (!t->addr_count)
		probe_say(p->report, SAY_BAD, "dns", err_make(ERR_DNS_NONE),
			"%s has no address that can be used", t->host.name);
	t->reachable_name &= t->addr_count > 0;
}

/* ---- TLSA ---- */

void probe_tlsa_name(const struct domain *base, uint16_t port, char *out, size_t size)
{
	snprintf(out, size, "_%u._tcp.%s", port, base->name);
}

bool probe_tlsa_text(struct slice leaf, char *out, size_t size)
{
	struct tlsa_record r;
	char hex[2 * TLSA_DATA_MAX + 1];
	if (!tlsa_of_leaf(leaf, &r))
		return false;
	hex_encode(r.data, r.len, hex);
	snprintf(out, size, "%u %u %u %s", r.usage, r.selector, r.mtype, hex);
	return true;
}

static bool announces(const struct tlsa_set *set, const struct probe_leaf *leaf)
{
	struct tlsa_record r;
	if (!leaf->known || !tlsa_of_leaf(buf_peek(&leaf->der), &r))
		return true; /* nothing to announce */
	for (size_t i = 0; i < set->count; i++) {
		if (memcmp(&set->records[i], &r, sizeof r) == 0)
			return true;
	}
	return false;
}

static void find_in_tlsa(struct probe *p, const struct probe_target *t, const char *name)
{
	char now[TEXT_MAX], next[TEXT_MAX];
	if (!p->own || p->own->proof != TENANT_DANE || !p->now.known)
		return;
	(void)probe_tlsa_text(buf_peek(&p->now.der), now, sizeof now);
	if (!t->tlsa.count)
		probe_find(p->report, FIND_TLSA_MISSING, p->domain.name, name, now, NULL);
	else if (!announces(&t->tlsa, &p->now))
		probe_find(p->report, FIND_TLSA_OTHER_KEY, p->domain.name, name, now, NULL);
	if (p->next.known && !announces(&t->tlsa, &p->next) &&
		probe_tlsa_text(buf_peek(&p->next.der), next, sizeof next))
		probe_find(p->report, FIND_TLSA_NEXT, p->domain.name, name, next, NULL);
}

static void say_tlsa(struct probe *p, const struct probe_target *t, const char *name)
{
	char text[64];
	for (size_t i = 0; i < t->tlsa.count; i++) {
		tlsa_describe(&t->tlsa.records[i], text, sizeof text);
		probe_say(p->report, SAY_FINE, "dane", err_ok(), "%s TLSA %s (signed)", name, text);
	}
	if (t->tlsa.unusable)
		probe_say(p->report, SAY_NONE, "dane", err_make(ERR_DANE_UNUSABLE),
			"%s: %zu records that cannot be used", name, t->tlsa.unusable);
}

/* RFC 7673 3.3, 3.4; DANE-7 */
static void ask_tlsa(struct probe *p, struct probe_target *t)
{
	char name[TEXT_MAX];
	struct resolve_answer a = *lookup_tlsa(p->lookup, &t->base, t->port, &t->tlsa);
	if (a.status == RESOLVE_NONE && !domain_eq(&t->base, &t->host)) {
		t->base = t->host;
		a = *lookup_tlsa(p->lookup, &t->base, t->port, &t->tlsa);
	}
	probe_tlsa_name(&t->base, t->port, name, sizeof name);
	t->tlsa_status = a.status;
	if (!a.secure)
		t->tlsa = (struct tlsa_set){0};
	if (a.status == RESOLVE_DATA && a.secure)
		say_tlsa(p, t, name);
	else
		say_status(p, name, a.status == RESOLVE_DATA ? "signed TLSA" : "TLSA", &a);
	find_in_tlsa(p, t, name);
}

static void look_for_tlsa(struct probe *p, struct probe_target *t)
{
	char name[TEXT_MAX];
	if (t->by_srv && t->secure && t->secure_addr) {
		ask_tlsa(p, t);
		return;
	}
	probe_tlsa_name(&t->base, t->port, name, sizeof name);
	probe_say(p->report, SAY_NONE, "dane", err_make(ERR_DANE_INSECURE),
		"%s is not asked for: %s", name,
		!t->by_srv  ? "there is no SRV record"
		: t->secure ? "the target's address is not signed"
			    : "the SRV record is not signed");
	/* Without an SRV record that is what is missing. */
	if (t->by_srv && p->own && p->own->proof == TENANT_DANE)
		probe_find(p->report, FIND_UNSIGNED, p->domain.name,
			t->secure ? t->host.name : p->domain.name, NULL, NULL);
}

static void look_for_caa(struct probe *p)
{
	bool there = lookup_has_caa(p->lookup, &p->domain);
	probe_say(p->report, there ? SAY_FINE : SAY_NONE, "dns", err_ok(),
		"%s%s CAA record says which authorities may issue certificates", p->domain.name,
		there ? ": a" : ": no");
	if (p->own && !there)
		probe_find(p->report, FIND_CAA_MISSING, p->domain.name, NULL, NULL, NULL);
}

void probe_dns(struct probe *p)
{
	bool fallback = true;
	p->srv_secure = true;
	for (size_t i = 0; i < sizeof services / sizeof *services; i++)
		fallback &= ask_service(p, &services[i]);
	if (fallback) { /* RFC 6120 3.2.2 */
		probe_say(p->report, SAY_INFO, "dns", err_ok(),
			"without SRV records, peers try %s itself at port %d", p->domain.name,
			DEFAULT_PORT);
		add_target(p, &p->domain, DEFAULT_PORT, false, false, false);
	}
	for (size_t i = 0; i < p->target_count; i++) {
		ask_addresses(p, &p->targets[i]);
		look_for_tlsa(p, &p->targets[i]);
	}
	look_for_caa(p);
}
