/* Happy path: DNS gives places (dial_dns.c) -> attempts, staggered -> connected. Failure modes: DNS
 * says why there are none, an attempt fails (next candidate), the total time is over. Who frees: an
 * attempt's poll handle is freed in its close callback; the answers and the places in dial_stop. */
#include "core/dial_inside.h"

#include "base/mem.h"
#include "core/worker_inside.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	STAGGER_MS = 250,   /* RFC 8305 5 */
	ATTEMPT_MS = 10000, /* one candidate (BE-20) */
	TOTAL_MS = 60000,   /* all candidates together, negotiation included (BE-20) */
};

struct dial_attempt {
	uv_poll_t poll;
	struct dial *dial; /* NULL once it does not matter any more */
	int fd;
	size_t candidate;
	struct timer limit;
};

/* ---- attempts ---- */

static void on_attempt_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

/* Takes the socket out of the attempt and lets its handle go. */
static int attempt_end(struct dial *d, size_t slot)
{
	struct dial_attempt *a = d->attempts[slot];
	int fd = a->fd;
	d->attempts[slot] = NULL;
	timer_stop(d->worker->timers, &a->limit);
	a->dial = NULL;
	uv_poll_stop(&a->poll);
	uv_close((uv_handle_t *)&a->poll, on_attempt_closed);
	return fd;
}

static size_t slot_of(const struct dial *d, const struct dial_attempt *a)
{
	size_t i = 0;
	while (d->attempts[i] != a)
		i++;
	return i;
}

static void abandon_attempts(struct dial *d)
{
	for (size_t i = 0; i < DIAL_ATTEMPTS_MAX; i++) {
		if (!d->attempts[i])
			continue;
		d->places->candidates[d->attempts[i]->candidate].tried =
			false; /* it had no fair chance */
		close(attempt_end(d, i));
	}
}

static void attempt_failed(struct dial *d, size_t slot, struct err why)
{
	close(attempt_end(d, slot));
	timer_stop(d->worker->timers, &d->stagger); /* no reason to wait any more */
	d->last = why;
	dial_go_on(d);
}

static void on_attempt_limit(void *arg)
{
	struct dial_attempt *a = arg;
	if (a->dial)
		attempt_failed(a->dial, slot_of(a->dial, a), err_make(ERR_CONNECT_TIMEOUT));
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
	struct dial_attempt *a = poll->data;
	struct dial *d = a->dial;
	(void)events;
	if (!d)
		return;
	int error = 0;
	socklen_t len = sizeof error;
	/* libuv calls every error of the socket EBADF: the socket itself knows better. */
	(void)getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (!error && status < 0)
		error = -status;
	size_t slot = slot_of(d, a);
	if (error) {
		attempt_failed(d, slot, err_native(ERR_CONNECT, error));
		return;
	}
	size_t candidate = a->candidate;
	bool direct = d->places->candidates[candidate].direct_tls;
	int fd = attempt_end(d, slot);
	abandon_attempts(d);
	timer_stop(d->worker->timers, &d->stagger);
	d->handed = true;
	d->handed_candidate = candidate;
	d->events->connected(d->owner, fd, direct);
}

static socklen_t address_len(const struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static bool attempt_start(struct dial *d, size_t slot, size_t candidate)
{
	struct dial_candidate *c = &d->places->candidates[candidate];
	c->tried = true;
	d->last_family = c->addr.ss_family;
	int fd = socket(c->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		d->last = err_native(ERR_CONNECT, errno);
		return false;
	}
	int failed = connect(fd, (struct sockaddr *)&c->addr, address_len(&c->addr));
	if (failed && errno != EINPROGRESS) {
		d->last = err_native(ERR_CONNECT, errno);
		close(fd);
		return false;
	}
	struct dial_attempt *a = MEM_NEW(struct dial_attempt);
	*a = (struct dial_attempt){.dial = d, .fd = fd, .candidate = candidate};
	uv_poll_init(d->worker->loop, &a->poll, fd);
	a->poll.data = a;
	uv_poll_start(&a->poll, UV_WRITABLE, on_writable);
	timer_start(d->worker->timers, &a->limit, ATTEMPT_MS, on_attempt_limit, a);
	d->attempts[slot] = a;
	return true;
}

size_t dial_running(const struct dial *d)
{
	size_t n = 0;
	for (size_t i = 0; i < DIAL_ATTEMPTS_MAX; i++)
		n += d->attempts[i] != NULL;
	return n;
}

/* ---- going on ---- */

void dial_finish(struct dial *d, struct err why)
{
	void (*failed)(void *, struct err) = d->events->failed;
	void *owner = d->owner;
	dial_stop(d);
	failed(owner, why);
}

static void on_stagger(void *arg)
{
	dial_go_on(arg);
}

/* Starts what can be started: the next candidate, the next target's addresses, or the end. */
void dial_go_on_later(struct dial *d)
{
	timer_start(d->worker->timers, &d->stagger, 0, on_stagger, d);
}

void dial_go_on(struct dial *d)
{
	if (d->stagger.place)
		return; /* an attempt has its head start (RFC 8305 5) */
	while (d->active && !d->handed && !d->only_look) {
		size_t slot = 0;
		while (slot < DIAL_ATTEMPTS_MAX && d->attempts[slot])
			slot++;
		size_t next = dial_next_place(d);
		if (slot == DIAL_ATTEMPTS_MAX || next == d->candidate_count)
			break;
		if (!attempt_start(d, slot, next))
			continue;
		timer_start(d->worker->timers, &d->stagger, STAGGER_MS, on_stagger, d);
		return;
	}
	if (!d->active || d->handed || d->questions > 0)
		return;
	if (dial_ask_next_target(d) || dial_running(d) > 0)
		return;
	dial_finish(d, d->only_look && d->points_here ? err_ok() : d->last);
}

/* ---- what owners call ---- */

static void on_total(void *arg)
{
	dial_finish(arg, err_make(ERR_CONNECT_TIMEOUT));
}

static void begin(struct dial *d, struct worker *w, const struct dial_events *events, void *owner)
{
	dial_stop(d);
	memset(d, 0, sizeof *d);
	d->worker = w;
	d->events = events;
	d->owner = owner;
	d->active = true;
	d->places = MEM_NEW(struct dial_places);
	d->candidates_most = DIAL_CANDIDATES_MAX;
	d->last = err_make(ERR_DNS_NONE);
	timer_start(w->timers, &d->total, TOTAL_MS, on_total, d);
}

void dial_peer(struct dial *d, struct worker *w, const struct domain *domain, size_t most,
	const struct dial_events *events, void *owner)
{
	begin(d, w, events, owner);
	d->candidates_most = most;
	dial_ask_services(d, domain);
}

void dial_look(struct dial *d, struct worker *w, const struct domain *domain,
	const struct dial_events *events, void *owner)
{
	begin(d, w, events, owner);
	d->only_look = true;
	dial_ask_services(d, domain);
}

void dial_list(struct dial *d, struct worker *w, const struct address_list *list,
	const struct dial_events *events, void *owner)
{
	begin(d, w, events, owner);
	d->last = err_make(ERR_BACKEND_DOWN);
	for (size_t i = 0; i < list->count && i < DIAL_CANDIDATES_MAX; i++)
		d->places->candidates[d->candidate_count++] =
			(struct dial_candidate){.addr = list->items[i].sa};
	dial_go_on_later(d); /* a connection to loopback may fail at once */
}

void dial_next(struct dial *d, struct err why)
{
	if (!d->active)
		return;
	d->last = why;
	d->handed = false;
	dial_go_on(d);
}

void dial_stop(struct dial *d)
{
	if (!d->active)
		return;
	d->active = false;
	abandon_attempts(d);
	dial_forget_answers(d);
	timer_stop(d->worker->timers, &d->stagger);
	timer_stop(d->worker->timers, &d->total);
	if (d->has_ticket)
		worker_ticket_drop(d->worker, d->ticket);
	d->has_ticket = false;
	dial_forget_places(d);
}
