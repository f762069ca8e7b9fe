/* What a peer asks DNS about a domain. The same rules as when the gate dials (core/dial_dns.c) or
 * is dialled (core/proofs.c). */
#include "cmd/probe_inside.h"

#include "base/b64.h"
#include "base/mem.h"
#include "core/dial.h"
#include "tenants/value.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

const char *const probe_services[PROBE_SERVICES] = {"_xmpp-server._tcp", "_xmpps-server._tcp"};

static const char *security(const struct resolve_answer *a)
{
	return a->secure ? "signed" : "not signed";
}

struct err probe_dns_error(const struct resolve_answer *a)
{
	return a->status == RESOLVE_NONE ? err_make(ERR_DNS_NONE) : resolve_error(a->status);
}

void probe_say_status(struct probe *p, const struct domain *of, const char *name, const char *type,
	const struct resolve_answer *a)
{
	struct err why = probe_dns_error(a);
	if (a->status == RESOLVE_NONE || a->status == RESOLVE_DATA) {
		probe_say(p->report, SAY_NONE, "dns", err_ok(), "%s has no %s record (%s)", name,
			type, security(a));
		return;
	}
	probe_say(p->report, SAY_BAD, "dns", why, "%s %s: %s", name, type,
		err_row(why.code)->sentence);
	if (a->status == RESOLVE_BOGUS)
		probe_find(p->report, FIND_DNSSEC_BROKEN, of->name, NULL, NULL, NULL);
	else
		probe_find(p->report, FIND_DNS_SILENT, p->domain.name, of->name,
			err_row(why.code)->sentence, NULL);
}

/* ---- SRV ---- */

static void ask_service(struct probe *p, size_t service)
{
	char name[PROBE_TEXT_MAX];
	struct resolve_answer *a = &p->srv[service];
	snprintf(name, sizeof name, "%s.%s", probe_services[service], p->domain.name);
	*a = *lookup_srv(p->lookup, probe_services[service], &p->domain);
	if (a->status != RESOLVE_DATA)
		probe_say_status(p, &p->domain, name, "SRV", a);
	for (size_t i = 0; i < a->srv_count; i++) {
		const struct resolve_srv *r = &a->srv[i];
		probe_say(p->report, r->no_service ? SAY_NONE : SAY_FINE, "dns", err_ok(),
			"%s SRV %u %u %u %s. (%s)", name, r->priority, r->weight, r->port,
			r->no_service ? "" : r->target.name, security(a));
	}
}

static void add_target(struct probe *p, const struct srv_record *r)
{
	const struct resolve_answer *a = &p->srv[r->direct_tls ? PROBE_DIRECT : PROBE_STARTTLS];
	bool by_srv = a->status == RESOLVE_DATA;
	p->targets[p->target_count++] = (struct probe_target){.host = r->target,
		.port = r->port,
		.direct_tls = r->direct_tls,
		.by_srv = by_srv,
		.secure = by_srv && a->secure,
		.base = r->target,
		.dane = err_make(ERR_DANE_INSECURE),
		.status = RESOLVE_NONE,
		.ttl = a->ttl};
}

/* Of equals, the heavier first: everywhere the same order is as good as a fair one. */
static uint32_t no_dice(void *arg, uint32_t n)
{
	(void)arg;
	(void)n;
	return 0;
}

static void take_targets(struct probe *p)
{
	const struct resolve_answer *const answers[] = {
		&p->srv[PROBE_STARTTLS], &p->srv[PROBE_DIRECT]};
	struct srv_set set = {.count = 0};
	p->dns = dial_targets(&p->domain, answers, &set);
	if (p->dns.code == ERR_DNS_NO_SERVICE && !p->own)
		probe_find(
			p->report, FIND_NO_SERVICE, p->domain.name, probe_services[0], NULL, NULL);
	if (err_is(p->dns))
		return;
	srv_order(&set, no_dice, NULL);
	for (size_t i = 0; i < set.count; i++)
		add_target(p, &set.records[i]);
	if (set.dropped)
		probe_say(p->report, SAY_NONE, "dns", err_make(ERR_LIMIT),
			"there are more SRV records than anybody tries; %zu are left out",
			set.dropped);
	if (!p->targets[0].by_srv) /* RFC 6120 3.2.2 */
		probe_say(p->report, SAY_INFO, "dns", err_ok(),
			"without SRV records, peers try %s itself at port %u", p->domain.name,
			p->targets[0].port);
}

/* ---- addresses ---- */

static void set_port(struct sockaddr_storage *sa, uint16_t port)
{
	if (sa->ss_family == AF_INET)
		((struct sockaddr_in *)sa)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
}

static void add_addresses(struct probe *p, struct probe_target *t, const struct resolve_answer *a,
	char private[ADDRESS_TEXT_MAX])
{
	char text[ADDRESS_TEXT_MAX];
	for (size_t i = 0; i < a->addr_count && t->addr_count < PROBE_ADDRESSES_MAX; i++) {
		struct sockaddr_storage sa = a->addr[i];
		uv_ip_name((const struct sockaddr *)&sa, text, sizeof text);
		bool allowed = lookup_allowed(p->lookup, &sa);
		probe_say(p->report, allowed ? SAY_FINE : SAY_BAD, "dns",
			err_make(allowed ? ERR_OK : ERR_ADDRESS_BLOCKED), "%s %s %s (%s)",
			t->host.name, sa.ss_family == AF_INET ? "A" : "AAAA", text, security(a));
		set_port(&sa, t->port);
		if (allowed)
			t->addr[t->addr_count++] = sa;
		else
			memcpy(private, text, sizeof text);
	}
}

/* RFC 7673 3.2; DANE-7: the name at the end of a chain of CNAMEs is asked first. */
static void note_answer(struct probe *p, struct probe_target *t, const struct resolve_answer *a)
{
	if (a->aliased)
		probe_find(p->report, FIND_TARGET_ALIAS, p->domain.name, t->host.name,
			domain_is_set(&a->canonical) ? a->canonical.name : "another name", NULL);
	if (a->status != RESOLVE_DATA || !a->secure)
		return;
	t->vouched = true;
	if (a->aliased && domain_is_set(&a->canonical))
		t->base = a->canonical;
	if (a->ttl < t->ttl)
		t->ttl = a->ttl;
}

static void judge_addresses(
	struct probe *p, struct probe_target *t, const char *private, bool bogus)
{
	if (t->secure && bogus) { /* not even those of the other family */
		t->addr_count = 0;
		t->e = err_make(ERR_DNS_BOGUS);
	}
	if (t->addr_count) {
		t->e = err_ok();
		return;
	}
	if (*private) {
		t->e = err_make(ERR_ADDRESS_BLOCKED);
		probe_find(p->report, FIND_PRIVATE_ADDRESS, p->domain.name, t->host.name, private,
			NULL);
	} else if (!err_is(t->e)) {
		t->e = err_make(ERR_DNS_NONE);
	}
	probe_say(p->report, SAY_BAD, "dns", t->e, "%s has no address that can be used",
		t->host.name);
}

static void ask_addresses(struct probe *p, struct probe_target *t)
{
	static const int families[] = {AF_INET6, AF_INET};
	char private[ADDRESS_TEXT_MAX] = "";
	bool bogus = false;
	for (size_t i = 0; i < 2; i++) {
		const struct resolve_answer a = *lookup_addr(p->lookup, &t->host, families[i]);
		if (a.status == RESOLVE_DATA) {
			add_addresses(p, t, &a, private);
		} else if (a.status != RESOLVE_NONE) {
			probe_say_status(p, &t->host, t->host.name,
				families[i] == AF_INET ? "A" : "AAAA", &a);
			t->e = probe_dns_error(&a);
		}
		bogus |= a.status == RESOLVE_BOGUS;
		note_answer(p, t, &a);
	}
	judge_addresses(p, t, private, bogus);
}

/* ---- TLSA ---- */

void probe_tlsa_name(const struct domain *base, uint16_t port, char *out, size_t size)
{
	snprintf(out, size, "_%u._tcp.%s", port, base->name);
}

bool probe_tlsa_text(struct slice leaf, char out[TLSA_TEXT_MAX])
{
	struct tlsa_record r;
	if (!tlsa_of_leaf(leaf, &r))
		return false;
	tlsa_write(&r, out);
	return true;
}

static void say_tlsa(struct probe *p, const struct tlsa_set *set, const char *name)
{
	char text[64];
	for (size_t i = 0; i < set->count; i++) {
		tlsa_describe(&set->records[i], text, sizeof text);
		probe_say(p->report, SAY_FINE, "dane", err_ok(), "%s TLSA %s (signed)", name, text);
	}
	if (set->unusable)
		probe_say(p->report, SAY_NONE, "dane", err_make(ERR_DANE_UNUSABLE),
			"%s: %zu records that cannot be used", name, set->unusable);
}

/* RFC 7673 3.4; *e as in core/proofs.h. */
static struct resolve_answer take_tlsa(struct probe *p, const struct domain *base, uint16_t port,
	struct tlsa_set *set, struct err *e)
{
	struct answer answer = {.kind = ASK_TLSA};
	answer.dns = *lookup_tlsa(p->lookup, base, port, set);
	answer.tlsa = *set;
	*e = proofs_of_tlsa(&answer);
	return answer.dns;
}

static void ask_targets_tlsa(struct probe *p, struct probe_target *t)
{
	char name[PROBE_TEXT_MAX];
	struct resolve_answer a = take_tlsa(p, &t->base, t->port, &t->tlsa, &t->dane);
	if (t->dane.code == ERR_DANE_NONE && !domain_eq(&t->base, &t->host)) {
		t->base = t->host;
		a = take_tlsa(p, &t->base, t->port, &t->tlsa, &t->dane);
	}
	t->status = a.status;
	t->tlsa_ttl = a.ttl;
	if (a.ttl < t->ttl)
		t->ttl = a.ttl;
	probe_tlsa_name(&t->base, t->port, name, sizeof name);
	if (a.status == RESOLVE_DATA && a.secure)
		say_tlsa(p, &t->tlsa, name);
	else
		probe_say_status(
			p, &t->base, name, a.status == RESOLVE_DATA ? "signed TLSA" : "TLSA", &a);
	if (t->dane.code == ERR_DANE_FAILED) /* MUST NOT connect */
		t->e = t->dane;
}

static void look_for_tlsa(struct probe *p, struct probe_target *t)
{
	char name[PROBE_TEXT_MAX];
	if (t->secure && t->vouched && !err_is(t->e) && p->gate->proofs_dane) {
		ask_targets_tlsa(p, t);
		return;
	}
	probe_tlsa_name(&t->base, t->port, name, sizeof name);
	probe_say(p->report, SAY_NONE, "dane", t->dane, "%s is not asked for: %s", name,
		!t->by_srv              ? "there is no SRV record"
		: !t->secure            ? "the SRV record is not signed"
		: err_is(t->e)          ? "the target has no address"
		: !p->gate->proofs_dane ? "DANE is turned off in [proofs]"
					: "the target's address is not signed");
}

/* ---- the whole ---- */

static const struct probe_target *earlier_of_same_place(
	const struct probe *p, const struct probe_target *t)
{
	for (const struct probe_target *o = p->targets; o < t; o++) {
		if (o->port == t->port && o->secure == t->secure && domain_eq(&o->host, &t->host))
			return o;
	}
	return NULL;
}

/* Most name one place twice, once for each service. */
static void look_at(struct probe *p, struct probe_target *t)
{
	const struct probe_target *twin = earlier_of_same_place(p, t);
	if (twin) {
		bool direct_tls = t->direct_tls;
		*t = *twin;
		t->direct_tls = direct_tls;
		return;
	}
	ask_addresses(p, t);
	look_for_tlsa(p, t);
	if (p->own)
		probe_own_tlsa(p, t);
}

/* As core/proofs_dane does it: DANE-7 for those who come. */
static void take_published(struct probe *p, struct proofs_target *t)
{
	struct tlsa_set set;
	const struct resolve_answer a = *lookup_addr(p->lookup, &t->name, AF_INET);
	t->lost = a.status != RESOLVE_DATA && a.status != RESOLVE_NONE;
	if (a.secure && a.aliased && domain_is_set(&a.canonical))
		t->base = a.canonical;
	(void)take_tlsa(p, &t->base, t->port, &set, &t->e);
	if (t->e.code == ERR_DANE_NONE && !domain_eq(&t->base, &t->name)) {
		t->base = t->name;
		(void)take_tlsa(p, &t->base, t->port, &set, &t->e);
	}
	if (t->e.code == ERR_DANE_NONE && t->lost)
		t->e = err_make(ERR_DANE_FAILED);
	if (!err_is(t->e))
		t->tlsa = mem_dup(&set, sizeof set);
}

/* DANE-5: who is called looks at the records of all targets. */
static void ask_published(struct probe *p)
{
	struct proofs_dane *d = &p->published;
	const struct resolve_answer *const srv[] = {&p->srv[PROBE_STARTTLS], &p->srv[PROBE_DIRECT]};
	d->e = proofs_of_srv(srv, &d->partial);
	if (err_is(d->e))
		return;
	proofs_take_targets(d, srv);
	for (size_t i = 0; i < d->count; i++)
		take_published(p, &d->targets[i]);
}

static void look_for_caa(struct probe *p)
{
	struct lookup_caa caa;
	lookup_caa(p->lookup, &p->domain, &caa);
	if (caa.status == RESOLVE_DATA)
		probe_say(p->report, SAY_FINE, "dns", err_ok(),
			"%s: a CAA record says which authorities may issue certificates",
			caa.at.name);
	else
		probe_say(p->report, SAY_NONE, "dns", err_ok(),
			"%s: no CAA record says which authorities may issue certificates",
			p->domain.name);
	if (p->own)
		probe_own_caa(p, &caa);
}

void probe_dns(struct probe *p)
{
	if (!gate_looks_up(p->gate, &p->domain)) { /* B08 */
		p->dns = err_make(ERR_DNS_SPECIAL);
		probe_say(p->report, SAY_BAD, "dns", p->dns, "%s is not asked for", p->domain.name);
		probe_find(p->report, FIND_DNS_SILENT, p->domain.name, p->domain.name,
			err_row(p->dns.code)->sentence, NULL);
		return;
	}
	ask_service(p, PROBE_DIRECT);
	ask_service(p, PROBE_STARTTLS);
	if (p->own)
		probe_own_srv(p);
	take_targets(p);
	for (size_t i = 0; i < p->target_count; i++)
		look_at(p, &p->targets[i]);
	if (p->inbound && p->gate->proofs_dane)
		ask_published(p);
	look_for_caa(p);
	if (p->own)
		probe_own_rest(p);
}
