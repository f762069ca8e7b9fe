#include "core/proofs.h"

#include "base/mem.h"
#include "core/renewal.h"
#include "core/worker_inside.h"

#include <string.h>

enum {
	DOMAINS_MAX = 2000,
	DNS_LEAST_S = 30, /* DNS-7 */
	DNS_MOST_S = 3600,
	DNS_FAILED_S = 30, /* what passes is asked for again soon */
	POSH_LEAST_S = 5,
	POSH_MOST_S = 86400, /* POSH-6 */
	SWEEP = 2,
	TAG_SRV = 0,
	TAG_SRV_DIRECT = 1,
	TAG_POSH = 2,
	TAG_TLSA = 16, /* and the target's number */
};

struct proofs_wait {
	struct proofs_wait *next;
	struct proofs *of;
	void (*news)(void *arg); /* NULL: it has left */
	void *arg;
};

/* One domain. */
struct proofs {
	struct worker *worker;
	struct domain domain;
	struct ticket ticket;
	bool has_ticket, telling;
	unsigned asking;                 /* kinds under way */
	unsigned stale;                  /* kinds that are known from before a reload */
	int questions;                   /* of DANE, answers still to come */
	struct resolve_answer *srv[2];   /* owned, while asking: _xmpp-server, _xmpps-server */
	struct proofs_dane dane, coming; /* what is known, and what is being found out */
	struct posh_found *posh;         /* owned; NULL: not known */
	int64_t dane_until, posh_until;  /* wall clock; 0: not known */
	int64_t posh_early;              /* from then on it is looked for ahead */
	struct timer tell;
	struct proofs_wait *waiting;
};

static void on_answer(void *object, const struct answer *answer);

/* ---- what is known ---- */

/* F04: a clock that leaps back must not make anything known for longer than it can be. */
static bool holds(int64_t until, int64_t most)
{
	int64_t now = worker_wall_s();
	return until > now && until <= now + most;
}

static unsigned known_kinds(const struct proofs *p)
{
	unsigned kinds = 0;
	if (holds(p->dane_until, DNS_MOST_S))
		kinds |= PROOFS_DANE;
	if (p->posh && holds(p->posh_until, POSH_MOST_S))
		kinds |= PROOFS_POSH;
	return kinds;
}

static bool is_failure(const struct resolve_answer *a)
{
	return a->status == RESOLVE_FAILED || a->status == RESOLVE_TIMEOUT;
}

/* As far as the answers are there. */
static bool zone_is_signed(const struct proofs *p)
{
	for (size_t i = 0; i < 2; i++) {
		if (p->srv[i] && p->srv[i]->secure && !is_failure(p->srv[i]))
			return true;
	}
	return false;
}

static struct proofs *find(struct worker *w, const struct domain *d)
{
	return map_get(w->proofs, domain_slice(d));
}

static struct proofs_view view(const struct proofs *p, unsigned kinds)
{
	return (struct proofs_view){.dane = kinds & PROOFS_DANE ? &p->dane : NULL,
		.posh = kinds & PROOFS_POSH ? p->posh : NULL,
		.dane_owed = p->asking & PROOFS_DANE && zone_is_signed(p)};
}

struct proofs_view proofs_known(struct worker *w, const struct domain *d)
{
	const struct proofs *p = find(w, d);
	return p ? view(p, known_kinds(p) & ~p->stale) : (struct proofs_view){0};
}

struct proofs_view proofs_last_known(struct worker *w, const struct domain *d)
{
	const struct proofs *p = find(w, d);
	return p ? view(p, known_kinds(p)) : (struct proofs_view){0};
}

unsigned proofs_askable(const struct worker *w, const struct domain *d)
{
	const struct gate *g = w->gate;
	if (!domain_is_set(d) || !gate_looks_up(g, d)) /* B08 */
		return 0;
	return (g->proofs_dane ? PROOFS_DANE : 0u) | (g->proofs_posh ? PROOFS_POSH : 0u);
}

unsigned proofs_missing(struct worker *w, const struct domain *d, unsigned kinds)
{
	const struct proofs *p = find(w, d);
	return kinds & proofs_askable(w, d) & ~(p ? known_kinds(p) & ~p->stale : 0u);
}

bool proofs_cost(struct worker *w, const struct domain *d, unsigned kinds)
{
	const struct proofs *p = find(w, d);
	return (proofs_missing(w, d, kinds) & ~(p ? p->asking : 0u)) != 0;
}

/* ---- forgetting ---- */

static void dane_clear(struct proofs_dane *d)
{
	for (size_t i = 0; i < d->count; i++)
		mem_free(d->targets[i].tlsa);
	mem_free(d->targets);
	*d = (struct proofs_dane){0};
}

static void forget_srv(struct proofs *p)
{
	for (size_t i = 0; i < 2; i++) {
		mem_free(p->srv[i]);
		p->srv[i] = NULL;
	}
}

static void proofs_free(struct proofs *p)
{
	if (p->has_ticket)
		worker_ticket_drop(p->worker, p->ticket);
	timer_stop(p->worker->timers, &p->tell);
	while (p->waiting) {
		struct proofs_wait *wait = p->waiting;
		p->waiting = wait->next;
		mem_free(wait);
	}
	forget_srv(p);
	dane_clear(&p->dane);
	dane_clear(&p->coming);
	mem_free(p->posh);
	mem_free(p);
}

static bool is_idle(const struct proofs *p)
{
	return !p->asking && !p->waiting && !p->telling;
}

static void forget(struct worker *w, struct proofs *p)
{
	map_remove(w->proofs, domain_slice(&p->domain));
	proofs_free(p);
}

/* With every domain that comes, a few are looked at that may go; and when all places are taken, one
 * that nobody waits for has to. */
static bool make_room(struct worker *w)
{
	for (size_t i = 0; i < SWEEP && map_count(w->proofs); i++) {
		struct proofs *p = map_value_at(w->proofs, worker_random() % map_count(w->proofs));
		if (is_idle(p) && !known_kinds(p))
			forget(w, p);
	}
	size_t count = map_count(w->proofs), first = count ? worker_random() % count : 0;
	for (size_t i = 0; i < count && map_count(w->proofs) >= DOMAINS_MAX; i++) {
		struct proofs *p = map_value_at(w->proofs, (first + i) % count);
		if (is_idle(p)) {
			forget(w, p);
			return true;
		}
	}
	return map_count(w->proofs) < DOMAINS_MAX;
}

static struct proofs *entry(struct worker *w, const struct domain *d)
{
	struct proofs *p = find(w, d);
	if (p || !make_room(w))
		return p;
	p = MEM_NEW(struct proofs);
	p->worker = w;
	p->domain = domain_canonical(d);
	map_put(w->proofs, domain_slice(d), p);
	return p;
}

/* ---- telling ---- */

static void sweep_waits(struct proofs *p)
{
	for (struct proofs_wait **at = &p->waiting; *at;) {
		struct proofs_wait *wait = *at;
		if (wait->news) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		mem_free(wait);
	}
}

static void tell_all(void *arg)
{
	struct proofs *p = arg;
	p->telling = true;
	for (struct proofs_wait *wait = p->waiting; wait; wait = wait->next) {
		if (wait->news)
			wait->news(wait->arg);
	}
	p->telling = false;
	sweep_waits(p);
}

static void arrived(struct proofs *p, enum proofs_kind kind)
{
	p->asking &= ~(unsigned)kind;
	p->stale &= ~(unsigned)kind;
	tell_all(p);
}

/* ---- DANE, as DANE-5 has it: SRV of both services, TLSA of all targets ---- */

static struct err temporary(enum resolve_status status)
{
	return err_make(status == RESOLVE_TIMEOUT ? ERR_DNS_TIMEOUT : ERR_DNS_FAILED);
}

static void dane_done(struct proofs *p)
{
	struct proofs_dane *d = &p->coming;
	uint32_t ttl = d->ttl < DNS_LEAST_S  ? DNS_LEAST_S
		       : d->ttl > DNS_MOST_S ? DNS_MOST_S
					     : d->ttl;
	bool passes = d->partial || d->e.code == ERR_DNS_BOGUS || d->e.code == ERR_DNS_FAILED ||
		      d->e.code == ERR_DNS_TIMEOUT || d->e.code == ERR_DANE_FAILED;
	for (size_t i = 0; i < d->count; i++)
		passes |= d->targets[i].e.code == ERR_DANE_FAILED;
	p->dane_until = worker_wall_s() + (passes ? DNS_FAILED_S : ttl);
	dane_clear(&p->dane);
	p->dane = *d;
	*d = (struct proofs_dane){0};
	forget_srv(p);
	arrived(p, PROOFS_DANE);
}

/* What both answers mean together, before any TLSA record is asked for (RFC 7673 3.1). */
static struct err judge_srv(struct proofs *p)
{
	const struct resolve_answer *a = p->srv[0], *b = p->srv[1];
	if (a->status == RESOLVE_BOGUS || b->status == RESOLVE_BOGUS)
		return err_make(ERR_DNS_BOGUS);
	for (size_t i = 0; i < 2; i++) {
		if (p->srv[i]->status == RESOLVE_DATA && !p->srv[i]->secure)
			return err_make(ERR_DANE_INSECURE);
	}
	bool data = a->status == RESOLVE_DATA || b->status == RESOLVE_DATA;
	/* Where one answer shows that the zone is signed, whoever keeps the other away must not
	 * take DANE away with it (RFC 7673 3.4). Where nothing does, a resolver that is down
	 * takes nothing from the other proofs (F11). */
	if (!data && (is_failure(a) || is_failure(b)))
		return zone_is_signed(p) ? err_make(ERR_DANE_FAILED)
					 : temporary(is_failure(a) ? a->status : b->status);
	p->coming.partial = is_failure(a) || is_failure(b);
	return data ? err_ok() : err_make(ERR_DANE_NONE);
}

static bool has_target(const struct proofs_dane *d, const struct resolve_srv *r)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->targets[i].port == r->port && domain_eq(&d->targets[i].name, &r->target))
			return true;
	}
	return false;
}

static void take_targets(struct proofs *p, bool direct)
{
	struct proofs_dane *d = &p->coming;
	const struct resolve_answer *a = p->srv[direct];
	for (size_t i = 0; a->status == RESOLVE_DATA && i < a->srv_count; i++) {
		const struct resolve_srv *r = &a->srv[i];
		if (r->no_service || has_target(d, r))
			continue;
		if (d->count == PROOFS_TARGETS_MAX) {
			d->cut = true;
			return;
		}
		d->targets[d->count++] = (struct proofs_target){.name = r->target,
			.port = r->port,
			.direct_tls = direct,
			.e = err_make(ERR_DANE_NONE)};
	}
}

static void ask_targets(struct proofs *p)
{
	struct proofs_dane *d = &p->coming;
	d->targets = mem_alloc(PROOFS_TARGETS_MAX * sizeof *d->targets);
	take_targets(p, false);
	take_targets(p, true);
	p->questions = (int)d->count;
	for (size_t i = 0; i < d->count; i++)
		ask_tlsa(p->worker->asker, &d->targets[i].name, d->targets[i].port, p->ticket,
			TAG_TLSA + (int)i);
	if (!d->count)
		dane_done(p);
}

static void note_ttl(struct proofs *p, const struct resolve_answer *a)
{
	if (!p->coming.ttl || a->ttl < p->coming.ttl)
		p->coming.ttl = a->ttl;
}

static void on_srv(struct proofs *p, const struct answer *answer)
{
	size_t which = answer->tag == TAG_SRV ? 0 : 1;
	note_ttl(p, &answer->dns);
	mem_free(p->srv[which]);
	p->srv[which] = mem_dup(&answer->dns, sizeof answer->dns);
	if (--p->questions > 0)
		return;
	p->coming.e = judge_srv(p);
	if (err_is(p->coming.e))
		dane_done(p);
	else
		ask_targets(p);
}

static void on_tlsa(struct proofs *p, const struct answer *answer)
{
	size_t i = (size_t)(answer->tag - TAG_TLSA);
	const struct resolve_answer *dns = &answer->dns;
	if (i < p->coming.count) {
		struct proofs_target *t = &p->coming.targets[i];
		t->e = proofs_of_tlsa(answer);
		t->bogus = dns->status == RESOLVE_BOGUS;
		if (!err_is(t->e))
			t->tlsa = mem_dup(&answer->tlsa, sizeof answer->tlsa);
		note_ttl(p, dns);
	}
	if (--p->questions == 0)
		dane_done(p);
}

struct err proofs_of_tlsa(const struct answer *answer)
{
	switch (answer->dns.status) {
	case RESOLVE_DATA:
		break;
	case RESOLVE_NONE:
		return err_make(ERR_DANE_NONE);
	case RESOLVE_FAILED:
	case RESOLVE_TIMEOUT:
	case RESOLVE_BOGUS:
		return err_make(ERR_DANE_FAILED); /* RFC 7673 3.4 */
	}
	if (!answer->dns.secure)
		return err_make(ERR_DANE_NONE); /* RFC 7673 3.4: as if there were none */
	return answer->tlsa.count ? err_ok() : err_make(ERR_DANE_UNUSABLE);
}

/* ---- POSH ---- */

static bool has_good_document(const struct proofs *p)
{
	return known_kinds(p) & ~p->stale & PROOFS_POSH && !err_is(p->posh->e);
}

static void on_posh(struct proofs *p, const struct answer *answer)
{
	int64_t now = worker_wall_s(), until = answer->posh.not_after;
	/* P15: a document that is good is not given up for a failure to get the next. */
	if (!err_is(answer->posh.e) || !has_good_document(p)) {
		mem_free(p->posh);
		p->posh = mem_dup(&answer->posh, sizeof answer->posh);
		if (until < now + POSH_LEAST_S)
			until = now + POSH_LEAST_S;
		p->posh_until = until > now + POSH_MOST_S ? now + POSH_MOST_S : until;
		p->posh_early = renewal_early(p->posh_until, now);
	}
	arrived(p, PROOFS_POSH);
}

static void on_answer(void *object, const struct answer *answer)
{
	struct proofs *p = object;
	if (answer->tag == TAG_POSH)
		on_posh(p, answer);
	else if (answer->tag < TAG_TLSA)
		on_srv(p, answer);
	else
		on_tlsa(p, answer);
}

/* ---- asking ---- */

static void start(struct proofs *p, unsigned kinds)
{
	struct asker *a = p->worker->asker;
	if (!p->has_ticket)
		p->ticket = worker_ticket(p->worker, p, on_answer);
	p->has_ticket = true;
	p->asking |= kinds;
	if (kinds & PROOFS_DANE) {
		p->questions = 2;
		dane_clear(&p->coming);
		ask_srv(a, "_xmpp-server._tcp", &p->domain, p->ticket, TAG_SRV);
		ask_srv(a, "_xmpps-server._tcp", &p->domain, p->ticket, TAG_SRV_DIRECT);
	}
	if (kinds & PROOFS_POSH)
		ask_posh(a, &p->domain, p->ticket, TAG_POSH);
}

void proofs_look_ahead(struct worker *w, const struct domain *d)
{
	struct proofs *p = find(w, d);
	if (!p || p->asking & PROOFS_POSH || !(proofs_askable(w, d) & PROOFS_POSH))
		return;
	if (has_good_document(p) && worker_wall_s() >= p->posh_early)
		start(p, PROOFS_POSH);
}

struct proofs_wait *proofs_ask(struct worker *w, const struct domain *d, unsigned kinds,
	void (*news)(void *arg), void *arg)
{
	struct proofs *p = entry(w, d);
	if (!p) {
		log_reason(err_make(ERR_LIMIT), "not-looked-up", log_s("peer", domain_slice(d)),
			log_end());
		return NULL;
	}
	struct proofs_wait *wait = MEM_NEW(struct proofs_wait);
	*wait = (struct proofs_wait){.next = p->waiting, .of = p, .news = news, .arg = arg};
	p->waiting = wait;
	unsigned missing = proofs_missing(w, d, kinds);
	if (missing & ~p->asking)
		start(p, missing & ~p->asking);
	if (!missing)
		timer_start(w->timers, &p->tell, 0, tell_all, p);
	return wait;
}

void proofs_leave(struct proofs_wait *wait)
{
	struct proofs *p = wait->of;
	wait->news = NULL;
	if (!p->telling)
		sweep_waits(p);
}

void proofs_reload(struct worker *w)
{
	for (size_t i = 0; i < map_count(w->proofs); i++) {
		struct proofs *p = map_value_at(w->proofs, i);
		p->stale = PROOFS_DANE | PROOFS_POSH;
	}
}

void proofs_forget_all(struct worker *w)
{
	for (size_t i = 0; i < map_count(w->proofs); i++)
		proofs_free(map_value_at(w->proofs, i));
	map_free(w->proofs);
}
