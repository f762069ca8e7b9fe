/* Happy path: the first question for a domain starts one look (dial_look), all who ask meanwhile
 * wait for it, its answer is kept for a while. Failure modes: DNS fails: everybody hears ELSEWHERE,
 * kept for a shorter while. Who frees: entries live until the worker ends; waits free themselves
 * when told or cancelled. */
#include "core/delegation.h"

#include "base/mem.h"
#include "core/dial.h"

enum { KEEP_MS = 60000, KEEP_FAILED_MS = 5000 };

struct delegation_wait {
	struct delegation_wait *next;
	void (*done)(void *arg, enum delegation_state state); /* NULL: cancelled */
	void *arg;
};

struct delegation {
	struct worker *worker;
	struct domain domain;
	enum delegation_state state;
	uint64_t until_ms;
	bool asking;
	struct dial dial;
	struct timer tell;
	struct delegation_wait *waiting;
};

static void tell_all(void *arg)
{
	struct delegation *d = arg;
	if (d->asking)
		return; /* what was known has become too old meanwhile: when the answer is there */
	struct delegation_wait *list = d->waiting;
	d->waiting = NULL;
	while (list) {
		struct delegation_wait *wait = list;
		list = wait->next;
		if (wait->done)
			wait->done(wait->arg, d->state);
		mem_free(wait);
	}
}

static void on_looked(void *owner, struct err why)
{
	struct delegation *d = owner;
	bool temporary = why.code == ERR_DNS_FAILED || why.code == ERR_DNS_TIMEOUT ||
			 why.code == ERR_CONNECT_TIMEOUT;
	d->asking = false;
	d->state = err_is(why) ? DELEGATION_ELSEWHERE : DELEGATION_HERE;
	d->until_ms = worker_now_ms(d->worker) + (temporary ? KEEP_FAILED_MS : KEEP_MS);
	log_event(LOG_DEBUG, "delegation", log_s("domain", domain_slice(&d->domain)),
		log_c("points", err_is(why) ? "elsewhere" : "here"), log_end());
	tell_all(d);
}

static void never_connected(void *owner, int fd, bool direct_tls)
{
	(void)owner;
	(void)fd;
	(void)direct_tls;
}

static const struct dial_events events = {.connected = never_connected, .failed = on_looked};

static struct delegation *entry(struct worker *w, const struct domain *domain)
{
	struct delegation *d = map_get(w->delegations, domain_slice(domain));
	if (!d) {
		d = MEM_NEW(struct delegation);
		d->worker = w;
		d->domain = *domain;
		map_put(w->delegations, domain_slice(domain), d);
	}
	bool fresh = d->state != DELEGATION_UNKNOWN && worker_now_ms(w) < d->until_ms;
	if (!fresh && !d->asking) {
		d->state = DELEGATION_UNKNOWN;
		d->asking = true;
		dial_look(&d->dial, w, &d->domain, &events, d);
	}
	return d;
}

enum delegation_state delegation_known(struct worker *w, const struct domain *domain)
{
	return entry(w, domain)->state;
}

struct delegation_wait *delegation_ask(struct worker *w, const struct domain *domain,
	void (*done)(void *arg, enum delegation_state state), void *arg)
{
	struct delegation *d = entry(w, domain);
	struct delegation_wait *wait = MEM_NEW(struct delegation_wait);
	*wait = (struct delegation_wait){.next = d->waiting, .done = done, .arg = arg};
	d->waiting = wait;
	if (!d->asking)
		timer_start(w->timers, &d->tell, 0, tell_all, d);
	return wait;
}

void delegation_cancel(struct delegation_wait *wait)
{
	wait->done = NULL;
}

void delegation_forget_all(struct worker *w)
{
	for (size_t i = 0; i < map_count(w->delegations); i++) {
		struct delegation *d = map_value_at(w->delegations, i);
		dial_stop(&d->dial);
		timer_stop(w->timers, &d->tell);
		while (d->waiting) {
			struct delegation_wait *wait = d->waiting;
			d->waiting = wait->next;
			mem_free(wait);
		}
		mem_free(d);
	}
	map_free(w->delegations);
}
