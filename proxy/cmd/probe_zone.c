/* A zone's own name servers, each asked by itself: what they say is what is published; what the
 * resolver says is what peers believe for a while. */
#include "cmd/probe_inside.h"

#include "base/mem.h"
#include "tenants/value.h"

#include <string.h>
#include <time.h>

struct server {
	struct domain name;
	struct lookup *at; /* owned; NULL: it does not answer us */
};

struct probe_zone {
	size_t count;
	struct server servers[LOOKUP_SERVERS_MAX];
};

/* ---- who they are ---- */

/* One address is enough, for a server is one machine, or says to be. */
static struct lookup *reach(struct probe *p, const struct domain *name)
{
	static const int families[] = {AF_INET, AF_INET6};
	for (size_t i = 0; i < 2; i++) {
		const struct resolve_answer a = *lookup_addr(p->lookup, name, families[i]);
		for (size_t k = 0; a.status == RESOLVE_DATA && k < a.addr_count; k++) {
			if (lookup_allowed(p->lookup, &a.addr[k]))
				return lookup_at(p->gate, &a.addr[k]);
		}
	}
	return NULL;
}

static struct probe_zone *open_zone(struct probe *p, const struct domain *name)
{
	struct lookup_zone found;
	struct probe_zone *z = MEM_NEW(struct probe_zone);
	if (!lookup_zone(p->lookup, name, &found))
		return z;
	for (size_t i = 0; i < found.count; i++) {
		struct server *s = &z->servers[z->count++];
		*s = (struct server){.name = found.servers[i], .at = reach(p, &found.servers[i])};
		probe_say(p->report, s->at ? SAY_INFO : SAY_NONE, "dns", err_ok(),
			"%s is a name server of %s%s", s->name.name, found.apex.name,
			s->at ? "" : "; it has no address that could be asked");
	}
	return z;
}

void probe_zone_free(struct probe_zone *z)
{
	for (size_t i = 0; z && i < z->count; i++) {
		if (z->servers[i].at)
			lookup_free(z->servers[i].at);
	}
	mem_free(z);
}

/* ---- what they say ---- */

static bool ask(struct server *s, const struct probe_question *q, struct probe_view *out)
{
	out->tlsa = (struct tlsa_set){0};
	if (q->service)
		out->dns = *lookup_srv(s->at, q->service, &q->name);
	else
		out->dns = *lookup_tlsa(s->at, &q->name, q->port, &out->tlsa);
	return out->dns.status == RESOLVE_DATA || out->dns.status == RESOLVE_NONE;
}

/* The servers' words, of those that say something; the others are not asked again. */
static size_t ask_all(struct probe *p, struct probe_zone *z, const struct probe_question *q,
	struct probe_view *views, struct server **who)
{
	size_t n = 0;
	for (size_t i = 0; i < z->count; i++) {
		struct server *s = &z->servers[i];
		if (!s->at)
			continue;
		if (ask(s, q, &views[n])) {
			who[n++] = s;
			continue;
		}
		probe_say(p->report, SAY_NONE, "dns", probe_dns_error(&views[n].dns),
			"%s does not answer when asked from here", s->name.name);
		lookup_free(s->at);
		s->at = NULL;
	}
	return n;
}

static bool has_srv(const struct resolve_answer *a, const struct resolve_srv *r)
{
	for (size_t i = 0; i < a->srv_count; i++) {
		const struct resolve_srv *o = &a->srv[i];
		if (o->priority == r->priority && o->weight == r->weight && o->port == r->port &&
			o->no_service == r->no_service &&
			(o->no_service || domain_eq(&o->target, &r->target)))
			return true;
	}
	return false;
}

static bool has_tlsa(const struct tlsa_set *set, const struct tlsa_record *r)
{
	for (size_t i = 0; i < set->count; i++) {
		if (memcmp(&set->records[i], r, sizeof *r) == 0)
			return true;
	}
	return false;
}

/* The same records, in whatever order. */
static bool same(const struct probe_view *a, const struct probe_view *b)
{
	bool same = a->dns.status == b->dns.status && a->dns.srv_count == b->dns.srv_count &&
		    a->tlsa.count == b->tlsa.count;
	for (size_t i = 0; same && i < a->dns.srv_count; i++)
		same = has_srv(&b->dns, &a->dns.srv[i]);
	for (size_t i = 0; same && i < a->tlsa.count; i++)
		same = has_tlsa(&b->tlsa, &a->tlsa.records[i]);
	return same;
}

/* ---- what follows ---- */

static void name_of(const struct probe_question *q, char *out, size_t size)
{
	if (q->service)
		snprintf(out, size, "%s.%s", q->service, q->name.name);
	else
		probe_tlsa_name(&q->name, q->port, out, size);
}

static void find_old(struct probe *p, const struct probe_question *q, const struct probe_view *seen)
{
	char name[PROBE_TEXT_MAX], until[32], left[32];
	unsigned minutes = seen->dns.ttl / 60 + 1;
	time_t end = time(NULL) + (time_t)seen->dns.ttl;
	struct tm tm;
	name_of(q, name, sizeof name);
	(void)strftime(until, sizeof until, "%H:%M %Z", localtime_r(&end, &tm));
	snprintf(left, sizeof left, "%u minute%s", minutes, minutes == 1 ? "" : "s");
	probe_find(p->report, FIND_OLD_ANSWER, p->domain.name, name, until, left);
}

/* Which of the views is right, or `count`. */
static size_t find_right(struct probe *p, const struct probe_question *q,
	const struct probe_view *views, size_t count, probe_judge is_right)
{
	size_t i = 0;
	while (i < count && !is_right(p, q, &views[i]))
		i++;
	return i;
}

/* False: one of those that do not agree says what is right. */
static bool find_difference(struct probe *p, const struct probe_question *q,
	const struct probe_view *views, struct server *const *who, size_t count,
	probe_judge is_right)
{
	char name[PROBE_TEXT_MAX];
	size_t right = find_right(p, q, views, count, is_right), other = 0;
	size_t one = right < count ? right : 0;
	while (other < count && same(&views[other], &views[one]))
		other++;
	if (other == count)
		return true;
	name_of(q, name, sizeof name);
	probe_find(p->report, FIND_SERVERS_DIFFER, p->domain.name, name, who[one]->name.name,
		who[other]->name.name);
	return right == count;
}

bool probe_zone_view(struct probe *p, struct probe_zone **zone, const struct probe_question *q,
	const struct probe_view *seen, probe_judge is_right, struct probe_view *out)
{
	struct server *who[LOOKUP_SERVERS_MAX];
	struct probe_view *views = mem_alloc(LOOKUP_SERVERS_MAX * sizeof *views);
	if (!*zone)
		*zone = open_zone(p, &q->name);
	size_t count = ask_all(p, *zone, q, views, who);
	*out = count ? views[0] : *seen;
	bool more = find_difference(p, q, views, who, count, is_right);
	bool known = seen->dns.status == RESOLVE_DATA || seen->dns.status == RESOLVE_NONE;
	if (more && count && known && !same(&views[0], seen))
		find_old(p, q, seen);
	mem_free(views);
	return more;
}
