/* What DNS and certificates should say of a tenant of ours, and do not. */
#include "cmd/probe_inside.h"

#include "base/b64.h"
#include "tenants/value.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ZONE_DOMAIN = 0, ZONE_HOST = 1, DAY_S = 86400, SOON_DAYS = 30 };

static const struct domain *own_target(const struct probe *p)
{
	return gate_target(p->gate, p->own->proof);
}

static unsigned port_of(const struct probe *p, size_t i)
{
	return address_port(&p->gate->listen.items[i].sa);
}

static bool is_own_port(const struct probe *p, unsigned port)
{
	for (size_t i = 0; i < p->gate->listen.count; i++) {
		if (port_of(p, i) == port)
			return true;
	}
	return false;
}

/* ---- SRV ---- */

static bool leads_to(const struct probe *p, const struct resolve_answer *a, unsigned port)
{
	for (size_t i = 0; i < a->srv_count; i++) {
		const struct resolve_srv *r = &a->srv[i];
		if (!r->no_service && domain_eq(&r->target, own_target(p)) &&
			(!port || r->port == port))
			return true;
	}
	return false;
}

static bool is_wrong(const struct probe *p, const struct resolve_srv *r)
{
	return r->no_service || !domain_eq(&r->target, own_target(p)) || !is_own_port(p, r->port);
}

bool probe_is_astray(const struct probe *p, const struct probe_target *t)
{
	const struct resolve_srv r = {.target = t->host, .port = t->port};
	return p->own && t->by_srv && domain_is_set(own_target(p)) && is_wrong(p, &r);
}

/* 0: there is a record for every port. */
static unsigned missing_port(const struct probe *p, const struct resolve_answer *a)
{
	for (size_t i = 0; i < p->gate->listen.count; i++) {
		if (!leads_to(p, a, port_of(p, i)))
			return port_of(p, i);
	}
	return 0;
}

static bool srv_is_right(
	struct probe *p, const struct probe_question *q, const struct probe_view *v)
{
	(void)q;
	bool right = v->dns.status == RESOLVE_DATA && !missing_port(p, &v->dns);
	for (size_t i = 0; i < v->dns.srv_count; i++)
		right &= !is_wrong(p, &v->dns.srv[i]);
	return right;
}

static void find_missing(struct probe *p, const char *name, unsigned port)
{
	char absolute[PROBE_TEXT_MAX + 1], end[PROBE_TEXT_MAX];
	const char *value = "...";
	snprintf(absolute, sizeof absolute, "%s.", name);
	snprintf(end, sizeof end, " %u %s.", port, own_target(p)->name);
	for (size_t i = 0; i < p->records.record_count; i++) {
		const struct record *r = &p->records.records[i];
		if (strcmp(r->name, absolute) == 0 && r->value && strstr(r->value, end))
			value = r->value;
	}
	probe_find(p->report, FIND_SRV_MISSING, p->domain.name, name, value, NULL);
}

/* Many a web form adds the domain to what is entered, whatever it is. */
static bool is_doubled(struct probe *p, const char *service)
{
	struct domain twice;
	char text[2 * DOMAIN_MAX + 2], name[PROBE_TEXT_MAX];
	snprintf(text, sizeof text, "%s.%s", p->domain.name, p->domain.name);
	if (err_is(domain_parse(slice_str(text), &twice)) ||
		lookup_srv(p->lookup, service, &twice)->status != RESOLVE_DATA)
		return false;
	snprintf(name, sizeof name, "%s.%s", service, twice.name);
	probe_find(p->report, FIND_SRV_DOUBLED, p->domain.name, name, service, NULL);
	return true;
}

static void find_wrong(struct probe *p, const struct resolve_answer *a, const char *name)
{
	bool some = leads_to(p, a, 0);
	for (size_t i = 0; i < a->srv_count; i++) {
		const struct resolve_srv *r = &a->srv[i];
		char port[8], wanted[8];
		snprintf(port, sizeof port, "%u", r->port);
		snprintf(wanted, sizeof wanted, "%u", port_of(p, 0));
		if (!is_wrong(p, r))
			continue;
		if (r->no_service || !domain_eq(&r->target, own_target(p)))
			probe_find(p->report, some ? FIND_SRV_DISAGREE : FIND_SRV_ELSEWHERE,
				p->domain.name, name,
				r->no_service ? "nowhere (a dot alone)" : r->target.name,
				own_target(p)->name);
		else
			probe_find(p->report, FIND_SRV_PORT, p->domain.name, name, port, wanted);
	}
}

static void judge_srv(struct probe *p, const char *service, const struct resolve_answer *a)
{
	char name[PROBE_TEXT_MAX];
	snprintf(name, sizeof name, "%s.%s", service, p->domain.name);
	bool right = true;
	for (size_t i = 0; i < a->srv_count; i++)
		right &= !is_wrong(p, &a->srv[i]);
	if (!right)
		find_wrong(p, a, name);
	else if (missing_port(p, a) && !(a->status == RESOLVE_NONE && is_doubled(p, service)))
		find_missing(p, name, missing_port(p, a));
}

void probe_own_srv(struct probe *p)
{
	if (!domain_is_set(own_target(p)) || !p->gate->listen.count)
		return;
	for (size_t i = 0; i < PROBE_SERVICES; i++) {
		const struct probe_question q = {.service = probe_services[i], .name = p->domain};
		const struct probe_view seen = {.dns = p->srv[i]};
		struct probe_view v;
		if (seen.dns.status != RESOLVE_BOGUS &&
			probe_zone_view(p, &p->zones[ZONE_DOMAIN], &q, &seen, srv_is_right, &v) &&
			(v.dns.status == RESOLVE_DATA || v.dns.status == RESOLVE_NONE))
			judge_srv(p, q.service, &v.dns);
	}
}

/* ---- TLSA ---- */

static bool announces(const struct tlsa_set *set, const struct probe_leaf *leaf)
{
	struct tlsa_record r;
	if (!leaf->known || !tlsa_of_leaf(buf_peek(&leaf->der), &r))
		return true; /* nothing to announce */
	return tlsa_set_has(set, &r);
}

static bool tlsa_is_right(
	struct probe *p, const struct probe_question *q, const struct probe_view *v)
{
	(void)q;
	bool right = true;
	for (size_t i = 0; i < PUBLISHED_MAX; i++)
		right &= announces(&v->tlsa, &p->leafs[i]);
	return right;
}

static void judge_tlsa(struct probe *p, const struct tlsa_set *set, const char *name)
{
	static const struct {
		enum published_file file;
		enum finding_id id;
	} rows[] = {{PUBLISHED_NEXT, FIND_TLSA_NEXT}, {PUBLISHED_PREVIOUS, FIND_PREVIOUS_GONE}};
	char text[TLSA_TEXT_MAX] = "...";
	const struct probe_leaf *now = &p->leafs[PUBLISHED_CURRENT];
	if (now->known)
		(void)probe_tlsa_text(buf_peek(&now->der), text);
	if (!announces(set, now))
		probe_find(p->report, set->count ? FIND_TLSA_OTHER_KEY : FIND_TLSA_MISSING,
			p->domain.name, name, text, NULL);
	for (size_t i = 0; set->count && i < sizeof rows / sizeof *rows; i++) {
		const struct probe_leaf *leaf = &p->leafs[rows[i].file];
		if (announces(set, leaf))
			continue;
		(void)probe_tlsa_text(buf_peek(&leaf->der), text);
		probe_find(p->report, rows[i].id, p->domain.name, name, text, NULL);
	}
}

void probe_own_tlsa(struct probe *p, const struct probe_target *t)
{
	char name[PROBE_TEXT_MAX];
	struct probe_view v;
	if (p->own->proof != TENANT_DANE || !t->by_srv)
		return;
	if (!t->secure || !t->vouched) {
		if (!err_is(t->e)) /* else that is the reason, and was said */
			probe_find(p->report, FIND_UNSIGNED, p->domain.name,
				t->secure ? t->host.name : p->domain.name, NULL, NULL);
		return;
	}
	const struct probe_question q = {.name = t->base, .port = t->port};
	const struct probe_view seen = {
		.dns = {.status = t->status, .ttl = t->tlsa_ttl}, .tlsa = t->tlsa};
	if ((t->status != RESOLVE_DATA && t->status != RESOLVE_NONE) ||
		!probe_zone_view(p, &p->zones[ZONE_HOST], &q, &seen, tlsa_is_right, &v))
		return;
	probe_tlsa_name(&t->base, t->port, name, sizeof name);
	judge_tlsa(p, &v.tlsa, name);
}

/* ---- CAA ---- */

/* The names that CAA records use stand in no certificate: these are those that can be told. */
static const struct {
	const char *organisation, *name;
} authorities[] = {{"Let's Encrypt", "letsencrypt.org"}, {"Google Trust Services", "pki.goog"}};

static bool holds(struct slice in, const char *what)
{
	size_t len = strlen(what);
	for (size_t i = 0; i + len <= in.len; i++) {
		if (memcmp(in.ptr + i, what, len) == 0)
			return true;
	}
	return false;
}

static const char *authority_of(const struct probe_leaf *leaf)
{
	for (size_t i = 0; leaf->known && i < sizeof authorities / sizeof *authorities; i++) {
		if (holds(buf_peek(&leaf->der), authorities[i].organisation))
			return authorities[i].name;
	}
	return NULL;
}

static bool allows(const struct lookup_caa *caa, const char *issuer)
{
	for (size_t i = 0; i < caa->count; i++) {
		if (strcmp(caa->issuers[i], issuer) == 0)
			return true;
	}
	return false;
}

/* Who is proven by certificate needs an authority for it; with POSH the web site does; with DANE
 * nobody. */
void probe_own_caa(struct probe *p, const struct lookup_caa *caa)
{
	const char *issuer = p->own->proof == TENANT_CERTIFICATE
				     ? authority_of(&p->leafs[PUBLISHED_CURRENT])
				     : NULL;
	if (caa->status == RESOLVE_NONE)
		probe_find(p->report, FIND_CAA_MISSING, p->domain.name, NULL, NULL, NULL);
	if (caa->status != RESOLVE_DATA || !caa->limits || p->own->proof == TENANT_DANE)
		return;
	if (!caa->count)
		probe_find(p->report, FIND_CAA_FORBIDS, p->domain.name, caa->at.name,
			"every authority", NULL);
	else if (issuer && !allows(caa, issuer))
		probe_find(p->report, FIND_CAA_FORBIDS, p->domain.name, caa->at.name, issuer, NULL);
}

/* ---- the rest ---- */

static void look_for_clients(struct probe *p)
{
	static const char *const services[] = {"_xmpps-client._tcp", "_xmpp-client._tcp"};
	char name[PROBE_TEXT_MAX];
	if (!domain_eq(&p->domain, &p->own->domain)) /* chat rooms have no clients of their own */
		return;
	for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
		const struct resolve_answer *a = lookup_srv(p->lookup, services[i], &p->domain);
		snprintf(name, sizeof name, "%s.%s", services[i], p->domain.name);
		if (a->status == RESOLVE_NONE)
			probe_find(
				p->report, FIND_CLIENTS_MISSING, p->domain.name, name, NULL, NULL);
	}
}

/* DANE knows no expiry (RFC 7671 5.1). */
static void look_at_days(struct probe *p, const struct probe_leaf *leaf)
{
	struct cert_facts facts;
	char days[24], until[16];
	struct tm tm;
	if (!leaf->known || p->own->proof == TENANT_DANE ||
		err_is(cert_read(buf_peek(&leaf->der), &facts)))
		return;
	time_t end = (time_t)facts.not_after;
	int64_t left = (facts.not_after - (int64_t)time(NULL)) / DAY_S;
	if (left < 0 || left >= SOON_DAYS)
		return;
	snprintf(days, sizeof days, "%d more day%s", (int)left, left == 1 ? "" : "s");
	(void)strftime(until, sizeof until, "%Y-%m-%d", gmtime_r(&end, &tm));
	probe_find(p->report, FIND_EXPIRES_SOON, p->domain.name, days, until, NULL);
}

void probe_own_rest(struct probe *p)
{
	look_for_clients(p);
	look_at_days(p, &p->leafs[PUBLISHED_CURRENT]);
	look_at_days(p, &p->leafs[PUBLISHED_CURRENT_2]);
}
