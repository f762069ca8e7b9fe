/* Happy path: both SRV questions -> ordered targets -> addresses of the next target -> attempts,
 * staggered -> connected. Failure modes: DNS says no (final), DNS fails (temporary, DNS-3), an
 * attempt fails (next candidate), the total time is over. Who frees: an attempt's poll handle is
 * freed in its close callback; the answers in forget_answers; the places in dial_stop. */
#include "core/dial_inside.h"

#include "base/mem.h"
#include "core/worker_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	STAGGER_MS = 250,    /* RFC 8305 5 */
	ATTEMPT_MS = 10000,  /* one candidate (BE-20) */
	TOTAL_MS = 60000,    /* all candidates together, negotiation included (BE-20) */
	DEFAULT_PORT = 5269, /* RFC 6120 3.2.2 */
	TAG_SRV = 1,
	TAG_SRV_DIRECT = 2,
	TAG_A = 3,
	TAG_AAAA = 4,
};

struct dial_attempt {
	uv_poll_t poll;
	struct dial *dial; /* NULL once it does not matter any more */
	int fd;
	size_t candidate;
	struct timer limit;
};

static void go_on(struct dial *d);

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
	go_on(d);
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
	bool direct = d->places->candidates[a->candidate].direct_tls;
	int fd = attempt_end(d, slot);
	abandon_attempts(d);
	timer_stop(d->worker->timers, &d->stagger);
	d->handed = true;
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

static size_t running(const struct dial *d)
{
	size_t n = 0;
	for (size_t i = 0; i < DIAL_ATTEMPTS_MAX; i++)
		n += d->attempts[i] != NULL;
	return n;
}

/* ---- targets ---- */

static void on_answer(void *object, const struct answer *answer);

static struct ticket ticket_of(struct dial *d)
{
	if (!d->has_ticket)
		d->ticket = worker_ticket(d->worker, d, on_answer);
	d->has_ticket = true;
	return d->ticket;
}

/* RFC 2782: a lower priority is for when nothing of the higher one can be reached. */
static bool must_wait_for_group(const struct dial *d)
{
	size_t next = d->next_target;
	return running(d) > 0 && next > 0 && next < d->places->srv.count &&
	       d->places->srv.records[next].priority != d->places->srv.records[next - 1].priority;
}

static bool ask_next_target(struct dial *d)
{
	if (d->next_target >= d->places->srv.count || d->next_target >= d->candidates_most ||
		d->candidate_count >= d->candidates_most || must_wait_for_group(d))
		return false;
	const struct domain *target = &d->places->srv.records[d->next_target].target;
	d->questions = 2;
	ask_addr(d->worker->asker, target, AF_INET6, ticket_of(d), TAG_AAAA);
	ask_addr(d->worker->asker, target, AF_INET, ticket_of(d), TAG_A);
	return true;
}

static void finish(struct dial *d, struct err why)
{
	void (*failed)(void *, struct err) = d->events->failed;
	void *owner = d->owner;
	dial_stop(d);
	failed(owner, why);
}

static void on_stagger(void *arg)
{
	go_on(arg);
}

/* Starts what can be started: the next candidate, the next target's addresses, or the end. */
static void go_on(struct dial *d)
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
	if (ask_next_target(d) || running(d) > 0)
		return;
	finish(d, d->only_look && d->points_here ? err_ok() : d->last);
}

/* ---- answers ---- */

static void forget_answers(struct dial *d)
{
	for (size_t i = 0; i < 2; i++) {
		mem_free(d->answers[i]);
		d->answers[i] = NULL;
	}
}

static struct err status_error(enum resolve_status status)
{
	switch (status) {
	case RESOLVE_FAILED:
		return err_make(ERR_DNS_FAILED);
	case RESOLVE_TIMEOUT:
		return err_make(ERR_DNS_TIMEOUT);
	case RESOLVE_BOGUS:
		return err_make(ERR_DNS_BOGUS);
	case RESOLVE_DATA:
	case RESOLVE_NONE:
		break;
	}
	return err_ok();
}

static void take_records(struct srv_set *set, const struct resolve_answer *a, bool direct)
{
	if (a->status != RESOLVE_DATA)
		return;
	for (size_t i = 0; i < a->srv_count; i++) {
		const struct resolve_srv *r = &a->srv[i];
		struct srv_record record = {r->priority, r->weight, r->port, direct, r->target};
		if (r->no_service)
			record.target = (struct domain){0};
		srv_add(set, record);
	}
}

static uint32_t random_below(void *arg, uint32_t n)
{
	(void)arg;
	return n == UINT32_MAX ? worker_random() : worker_random() % (n + 1);
}

/* DNS-1..DNS-3: what both SRV answers together mean. */
static struct err judge_targets(struct dial *d)
{
	struct err main_error = status_error(d->answers[0]->status);
	struct err direct_error = status_error(d->answers[1]->status);
	if (main_error.code == ERR_DNS_BOGUS || direct_error.code == ERR_DNS_BOGUS)
		return err_make(ERR_DNS_BOGUS);
	if (err_is(main_error))
		return main_error; /* DNS-3: temporary, never the fall-back to A */
	/* Room for both: the larger share goes to the name that everybody publishes. */
	take_records(&d->places->srv, d->answers[1], true);
	if (d->places->srv.count > SRV_MAX / 2)
		d->places->srv.count = SRV_MAX / 2;
	take_records(&d->places->srv, d->answers[0], false);
	switch (srv_judge(&d->places->srv)) {
	case SRV_NO_SERVICE:
		return err_make(ERR_DNS_NO_SERVICE);
	case SRV_USE:
		srv_order(&d->places->srv, random_below, NULL);
		return err_ok();
	case SRV_FALLBACK:
		break;
	}
	if (err_is(direct_error))
		return direct_error;
	d->places->srv.count = 1;
	d->places->srv.records[0] = (struct srv_record){.port = DEFAULT_PORT, .target = d->domain};
	return err_ok();
}

static void on_srv(struct dial *d, const struct resolve_answer *answer)
{
	size_t which = answer->tag == TAG_SRV ? 0 : 1;
	if (!d->answers[which])
		d->answers[which] = mem_dup(answer, sizeof *answer);
	if (--d->questions > 0)
		return;
	struct err bad = judge_targets(d);
	forget_answers(d);
	if (err_is(bad))
		finish(d, bad);
	else
		go_on(d);
}

static void set_port(struct sockaddr_storage *sa, uint16_t port)
{
	if (sa->ss_family == AF_INET)
		((struct sockaddr_in *)sa)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
}

static void on_addresses(struct dial *d, const struct resolve_answer *answer)
{
	const struct srv_record *target = &d->places->srv.records[d->next_target];
	struct err bad = status_error(answer->status);
	if (err_is(bad))
		d->last = bad;
	for (size_t i = 0; answer->status == RESOLVE_DATA && i < answer->addr_count && i < 8; i++) {
		struct sockaddr_storage addr = answer->addr[i];
		set_port(&addr, target->port);
		dial_add_place(d, &addr, target->direct_tls);
	}
	if (--d->questions == 0)
		d->next_target++;
	go_on(d);
}

static void on_answer(void *object, const struct answer *answer)
{
	struct dial *d = object;
	if (answer->kind == ASK_SRV)
		on_srv(d, &answer->dns);
	else
		on_addresses(d, &answer->dns);
}

/* ---- what owners call ---- */

static void on_total(void *arg)
{
	finish(arg, err_make(ERR_CONNECT_TIMEOUT));
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

static void ask_services(struct dial *d, const struct domain *domain)
{
	d->domain = *domain;
	if (!gate_looks_up(d->worker->gate, domain)) { /* B08 */
		d->last = err_make(ERR_DNS_SPECIAL);
		timer_start(
			d->worker->timers, &d->stagger, 0, on_stagger, d); /* not in this call */
		return;
	}
	d->questions = 2;
	ask_srv(d->worker->asker, "_xmpps-server._tcp", domain, ticket_of(d), TAG_SRV_DIRECT);
	ask_srv(d->worker->asker, "_xmpp-server._tcp", domain, ticket_of(d), TAG_SRV);
}

void dial_peer(struct dial *d, struct worker *w, const struct domain *domain, size_t most,
	const struct dial_events *events, void *owner)
{
	begin(d, w, events, owner);
	d->candidates_most = most;
	ask_services(d, domain);
}

void dial_look(struct dial *d, struct worker *w, const struct domain *domain,
	const struct dial_events *events, void *owner)
{
	begin(d, w, events, owner);
	d->only_look = true;
	ask_services(d, domain);
}

void dial_list(struct dial *d, struct worker *w, const struct address_list *list,
	const struct dial_events *events, void *owner)
{
	begin(d, w, events, owner);
	d->last = err_make(ERR_BACKEND_DOWN);
	for (size_t i = 0; i < list->count && i < DIAL_CANDIDATES_MAX; i++)
		d->places->candidates[d->candidate_count++] =
			(struct dial_candidate){.addr = list->items[i].sa};
	/* Not from inside this call: a connection to loopback may fail at once. */
	timer_start(w->timers, &d->stagger, 0, on_stagger, d);
}

void dial_next(struct dial *d, struct err why)
{
	if (!d->active)
		return;
	d->last = why;
	d->handed = false;
	go_on(d);
}

void dial_stop(struct dial *d)
{
	if (!d->active)
		return;
	d->active = false;
	abandon_attempts(d);
	forget_answers(d);
	timer_stop(d->worker->timers, &d->stagger);
	timer_stop(d->worker->timers, &d->total);
	if (d->has_ticket)
		worker_ticket_drop(d->worker, d->ticket);
	d->has_ticket = false;
	mem_free(d->places);
	d->places = NULL;
}
