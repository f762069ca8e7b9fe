#include "core/proofs_inside.h"

#include "base/mem.h"
#include "core/renewal.h"
#include "core/worker_inside.h"

#include <string.h>

enum {
	DOMAINS_MAX = 2000,
	POSH_LEAST_S = 5,
	POSH_MOST_S = 86400, /* POSH-6 */
	SWEEP = 2,
	TAG_POSH = 2, /* the others are of proofs_dane.c */
};

struct proofs_wait {
	struct proofs_wait *next;
	struct proofs *of;
	void (*news)(void *arg); /* NULL: it has left */
	void *arg;
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
	if (holds(p->dane_until, PROOFS_DNS_MOST_S))
		kinds |= PROOFS_DANE;
	if (p->posh && holds(p->posh_until, POSH_MOST_S))
		kinds |= PROOFS_POSH;
	return kinds;
}

static struct proofs *find(struct worker *w, const struct domain *d)
{
	return map_get(w->proofs, domain_slice(d));
}

static struct proofs_view view(const struct proofs *p, unsigned kinds)
{
	return (struct proofs_view){.dane = kinds & PROOFS_DANE ? &p->dane : NULL,
		.posh = kinds & PROOFS_POSH ? p->posh : NULL,
		.dane_owed = p->asking & PROOFS_DANE && proofs_zone_is_signed(p)};
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
	proofs_dane_free(p);
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

void proofs_arrived(struct proofs *p, enum proofs_kind kind)
{
	p->asking &= ~(unsigned)kind;
	p->stale &= ~(unsigned)kind;
	tell_all(p);
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
	proofs_arrived(p, PROOFS_POSH);
}

static void on_answer(void *object, const struct answer *answer)
{
	struct proofs *p = object;
	if (answer->tag == TAG_POSH)
		on_posh(p, answer);
	else
		proofs_dane_answer(p, answer);
}

/* ---- asking ---- */

static void start(struct proofs *p, unsigned kinds)
{
	struct asker *a = p->worker->asker;
	if (!p->has_ticket)
		p->ticket = worker_ticket(p->worker, p, on_answer);
	p->has_ticket = true;
	p->asking |= kinds;
	if (kinds & PROOFS_DANE)
		proofs_dane_start(p);
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
