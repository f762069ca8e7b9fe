/* Happy path: a question for a domain that is known is answered in the next turn; one for another
 * starts a search or joins the one under way, whose end answers all of them and is kept. Failure
 * modes: what is no domain of the public DNS, too many questions, a cache full of searches:
 * answered in the next turn, nothing is kept. Who frees: entries live in one of three rings, by
 * what may happen to them: busy ones (searching, or somebody is to be told) stay; of the others
 * those without a document give way first, so that a flood of useless names drives out no document;
 * then the one not asked for longest. Everything is freed when the one handle has closed, so a
 * callback may free the whole.
 *
 * A document in the last part of its life is looked for ahead: whoever asks is answered with it,
 * and the search goes on behind. What it finds takes the document's place; what it does not find
 * takes nothing, and is tried again while the document lasts (P15).
 *
 * Two clocks (F04): a document ends by the wall clock or by the loop's, whichever comes first, so a
 * clock that is set back lengthens nothing. */
#include "core/scout_posh_inside.h"

#include "base/map.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	MAX_DOMAINS = 4096,
	MAX_QUESTIONS = 16384,
	WAITING_PER_PLACE = 32, /* searches without a place, for each place */
	TIMEOUT_MS = 10000,     /* POSH-2 */
	PATIENCE_MS = 2000,
	DRIP_S = 5,
	KEEP_FAILED_S = 300, /* POSH-3; what is not there is looked for as often */
	KEEP_DNS_S = 60,
	KEEP_BUSY_S = 5,
	AHEAD_PART = 4, /* of a document's life: the last quarter */
	AHEAD_MOST_S = 3600,
};

struct question {
	struct question *next;
	uint64_t cookie;
	enum err_code code; /* of a refused one */
};

struct entry {
	struct entry *next, *prev; /* in one of the rings */
	struct scout_posh *posh;
	struct domain domain;
	struct posh_search *search; /* owned; NULL: something is known */
	struct question *questions; /* owned */
	/* What is known. */
	struct err e;
	uint32_t expires_s;
	size_t count, weak;
	struct posh_print *prints; /* owned */
	int64_t not_after;         /* wall clock, seconds */
	uint64_t until_ms;         /* the loop's clock */
	int64_t ahead_s;           /* with so much left of it, or less, it is looked for ahead */
	char url[256];
};

struct scout_posh {
	struct scout_posh_config config;
	uv_loop_t *loop;
	struct posh_search_world world;
	struct map *entries;
	struct entry busy, ready, failed, found; /* heads of rings, the oldest in it first */
	struct question *refused;
	size_t questions;
	uint64_t searches, hits;
	uv_timer_t turn; /* answers that need no search */
	bool closing;
};

/* ---- rings ---- */

static void ring_init(struct entry *head)
{
	head->next = head->prev = head;
}

static void ring_move(struct entry *head, struct entry *e)
{
	if (e->next) {
		e->prev->next = e->next;
		e->next->prev = e->prev;
	}
	e->next = head;
	e->prev = head->prev;
	e->prev->next = head->prev = e;
}

/* ---- entries ---- */

static void forget_known(struct entry *e)
{
	mem_free(e->prints);
	e->prints = NULL;
	e->count = e->weak = 0;
}

static void free_questions(struct question *list)
{
	while (list) {
		struct question *q = list;
		list = q->next;
		mem_free(q);
	}
}

static void remove_entry(struct entry *e)
{
	map_remove(e->posh->entries, domain_slice(&e->domain));
	e->prev->next = e->next;
	e->next->prev = e->prev;
	if (e->search)
		posh_search_cancel(e->search);
	free_questions(e->questions);
	forget_known(e);
	mem_free(e);
}

/* NULL: all that are there are busy. */
static struct entry *add_entry(struct scout_posh *p, const struct domain *domain)
{
	if (map_count(p->entries) >= p->config.max_domains) {
		if (p->failed.next != &p->failed)
			remove_entry(p->failed.next);
		else if (p->found.next != &p->found)
			remove_entry(p->found.next);
		else
			return NULL;
	}
	struct entry *e = MEM_NEW(struct entry);
	e->posh = p;
	e->domain = domain_canonical(domain);
	map_put(p->entries, domain_slice(&e->domain), e);
	ring_move(&p->busy, e);
	return e;
}

/* Seconds, rounded up. */
static int64_t left_by_loop(const struct entry *e)
{
	uint64_t now_ms = uv_now(e->posh->loop);
	return e->until_ms > now_ms ? (int64_t)((e->until_ms - now_ms + 999) / 1000) : 0;
}

/* How long what is known holds; 0: not any more. */
static int64_t left_s(const struct entry *e)
{
	int64_t wall = e->not_after - e->posh->config.now(e->posh->config.arg);
	int64_t left = wall < left_by_loop(e) ? wall : left_by_loop(e);
	return left > 0 ? left : 0;
}

static bool is_fresh(const struct entry *e)
{
	return left_s(e) > 0;
}

static bool is_good(const struct entry *e)
{
	return e->count && is_fresh(e);
}

static int64_t keep_s(const struct posh_found *f)
{
	switch (f->e.code) {
	case ERR_OK:
		return posh_lifetime(f->document.expires_s); /* POSH-6 */
	case ERR_POSH_BUSY:
		return KEEP_BUSY_S; /* not the domain's fault */
	case ERR_DNS_FAILED:
	case ERR_DNS_TIMEOUT:
	case ERR_DNS_BOGUS:
		return KEEP_DNS_S;
	default:
		return KEEP_FAILED_S;
	}
}

static void learn(struct entry *e, const struct posh_found *f)
{
	struct scout_posh *p = e->posh;
	int64_t seconds = keep_s(f);
	forget_known(e);
	e->e = f->e;
	e->expires_s = f->document.expires_s;
	e->count = f->document.count;
	e->weak = f->document.weak;
	if (e->count)
		e->prints = mem_dup(f->document.prints, e->count * sizeof *e->prints);
	e->not_after = p->config.now(p->config.arg) + seconds;
	e->until_ms = uv_now(p->loop) + (uint64_t)seconds * 1000;
	e->ahead_s = seconds / AHEAD_PART < AHEAD_MOST_S ? seconds / AHEAD_PART : AHEAD_MOST_S;
	memcpy(e->url, f->url, sizeof e->url);
}

/* ---- answers ---- */

static struct posh_found *found_of(const struct entry *e)
{
	const struct scout_posh *p = e->posh;
	struct posh_found *f = MEM_NEW(struct posh_found);
	int64_t by_loop = p->config.now(p->config.arg) + left_by_loop(e);
	f->e = e->e;
	f->document.expires_s = e->expires_s;
	f->document.count = e->count;
	f->document.weak = e->weak;
	if (e->count)
		memcpy(f->document.prints, e->prints, e->count * sizeof *e->prints);
	f->not_after = by_loop < e->not_after ? by_loop : e->not_after;
	memcpy(f->url, e->url, sizeof f->url);
	return f;
}

static void answer(struct scout_posh *p, struct question *q, const struct posh_found *f)
{
	uint64_t cookie = q->cookie;
	mem_free(q);
	p->questions--;
	p->config.done(p->config.arg, cookie, f);
}

/* Whoever is told may ask again, which may remove the entry, or free the whole. */
static void tell_all(struct entry *e)
{
	struct scout_posh *p = e->posh;
	struct posh_found *f = found_of(e);
	struct question *list = e->questions;
	e->questions = NULL;
	ring_move(err_is(f->e) ? &p->failed : &p->found, e);
	while (list && !p->closing) {
		struct question *q = list;
		list = q->next;
		answer(p, q, f);
	}
	free_questions(list);
	mem_free(f);
}

static void tell_refused(struct scout_posh *p)
{
	struct posh_found *f = MEM_NEW(struct posh_found);
	struct question *list = p->refused;
	p->refused = NULL;
	while (list && !p->closing) {
		struct question *q = list;
		list = q->next;
		f->e = err_make(q->code);
		f->not_after = p->config.now(p->config.arg) + keep_s(f);
		answer(p, q, f);
	}
	free_questions(list);
	mem_free(f);
}

static void on_turn(uv_timer_t *timer)
{
	struct scout_posh *p = timer->data;
	tell_refused(p);
	while (!p->closing && p->ready.next != &p->ready)
		tell_all(p->ready.next);
}

static void on_search_done(void *arg, const struct posh_found *f)
{
	struct entry *e = arg;
	bool ahead = is_good(e);
	e->search = NULL;
	if (!ahead || !err_is(f->e))
		learn(e, f);
	else
		e->ahead_s = left_s(e) - keep_s(f); /* what is left of it then */
	if (!ahead || e->questions)
		tell_all(e);
}

/* ---- questions ---- */

static void refuse(struct scout_posh *p, struct question *q, enum err_code code)
{
	q->code = code;
	q->next = p->refused;
	p->refused = q;
	uv_timer_start(&p->turn, on_turn, 0, 0);
}

static void search(struct entry *e)
{
	struct scout_posh *p = e->posh;
	p->searches++;
	e->search =
		posh_search_start(&p->world, &e->domain, p->config.timeout_ms, on_search_done, e);
}

/* P16: what is no name, or none of a DNS that may be asked, gets no URL. */
static enum err_code refusal(const struct scout_posh *p, const struct domain *domain)
{
	struct domain again;
	if (err_is(domain_parse(domain_slice(domain), &again)) || !domain_eq(&again, domain))
		return ERR_DOMAIN;
	if (!p->config.looks_up(p->config.arg, domain))
		return ERR_DNS_SPECIAL;
	return p->questions > MAX_QUESTIONS ? ERR_POSH_BUSY : ERR_OK;
}

/* What is known serves; of a document that will not for long, the next is looked for already. */
static void answer_soon(struct entry *e)
{
	struct scout_posh *p = e->posh;
	p->hits++;
	ring_move(&p->ready, e);
	uv_timer_start(&p->turn, on_turn, 0, 0);
	if (!e->search && is_good(e) && left_s(e) <= e->ahead_s)
		search(e);
}

static void wait_for_search(struct entry *e)
{
	ring_move(&e->posh->busy, e);
	if (!e->search)
		search(e);
}

void scout_posh_ask(struct scout_posh *p, const struct domain *domain, uint64_t cookie)
{
	struct question *q = MEM_NEW(struct question);
	q->cookie = cookie;
	p->questions++;
	enum err_code code = refusal(p, domain);
	struct entry *e = code == ERR_OK ? map_get(p->entries, domain_slice(domain)) : NULL;
	bool new = code == ERR_OK && !e;
	if (new)
		e = add_entry(p, domain);
	if (!e) {
		refuse(p, q, new ? ERR_POSH_BUSY : code);
		return;
	}
	bool waited_for = e->questions != NULL;
	q->next = e->questions;
	e->questions = q;
	if (is_fresh(e) || (waited_for && !e->search))
		answer_soon(e);
	else
		wait_for_search(e);
}

void scout_posh_resolved(struct scout_posh *p, int tag, const struct resolve_answer *answer)
{
	fetcher_resolved(p->world.fetcher, tag, answer);
}

struct scout_posh_counts scout_posh_counts(const struct scout_posh *p)
{
	return (struct scout_posh_counts){.domains = map_count(p->entries),
		.waiting = p->questions,
		.running = fetcher_running(p->world.fetcher),
		.searches = p->searches,
		.hits = p->hits};
}

/* ---- life ---- */

static struct fetcher *make_fetcher(
	uv_loop_t *loop, const struct scout_posh_config *c, struct err *e)
{
	struct fetch_config config = {.authorities_pem = c->authorities_pem,
		.timeout_ms = c->timeout_ms,
		.patience_ms = c->patience_ms,
		.drip_s = DRIP_S,
		.max_bytes = POSH_DOCUMENT_MAX,
		.max_running = c->max_running,
		.max_waiting = c->max_running * WAITING_PER_PLACE,
		.allowed = c->allowed,
		.resolve = c->resolve,
		.arg = c->arg};
	return fetcher_new(loop, &config, e);
}

static uint64_t random_seed(void)
{
	uint64_t seed;
	if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
		abort(); /* without randomness strangers choose where keys collide */
	return seed;
}

struct scout_posh *scout_posh_new(
	uv_loop_t *loop, const struct scout_posh_config *config, struct err *e)
{
	struct scout_posh *p = MEM_NEW(struct scout_posh);
	p->config = *config;
	p->config.authorities_pem = SLICE_NONE;
	p->config.max_domains = config->max_domains ? config->max_domains : MAX_DOMAINS;
	p->config.timeout_ms = config->timeout_ms ? config->timeout_ms : TIMEOUT_MS;
	p->config.patience_ms = config->patience_ms ? config->patience_ms : PATIENCE_MS;
	p->loop = loop;
	struct scout_posh_config filled = p->config;
	filled.authorities_pem = config->authorities_pem;
	p->world = (struct posh_search_world){.loop = loop,
		.fetcher = make_fetcher(loop, &filled, e),
		.looks_up = config->looks_up,
		.arg = config->arg};
	if (!p->world.fetcher) {
		mem_free(p);
		return NULL;
	}
	p->entries = map_new(random_seed());
	ring_init(&p->busy);
	ring_init(&p->ready);
	ring_init(&p->failed);
	ring_init(&p->found);
	uv_timer_init(loop, &p->turn);
	p->turn.data = p;
	return p;
}

static void on_closed(uv_handle_t *handle)
{
	struct scout_posh *p = handle->data;
	map_free(p->entries);
	mem_free(p);
}

void scout_posh_free(struct scout_posh *p)
{
	if (!p)
		return;
	p->closing = true;
	for (size_t i = map_count(p->entries); i-- > 0;)
		remove_entry(map_value_at(p->entries, i));
	free_questions(p->refused);
	p->refused = NULL;
	fetcher_free(p->world.fetcher);
	uv_close((uv_handle_t *)&p->turn, on_closed);
}
