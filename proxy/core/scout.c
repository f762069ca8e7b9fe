/* Happy path: the supervisor hands a socket for each worker (on_line); a question gets a slot, goes
 * to the resolver or to the web (core/scout_posh.h, which asks the resolver in turn), and its
 * answer goes back by that worker's line. Failure modes: more questions than a worker's share
 * (answered at once), a line that is lost (what it asked is found out and told to nobody), DNS that
 * cannot start (fatal: the supervisor tries again), a resolver that a zone keeps computing (the
 * same), no authorities for the web (no document is believed). Who frees: lines free themselves,
 * slots are used again; the rest goes in tear_down. The parent's stop, and the loss of the parent,
 * end the loop. */
#include "core/scout.h"

#include "base/log.h"
#include "base/mem.h"
#include "core/channel.h"
#include "core/scout_inside.h"
#include "core/scout_posh.h"
#include "net/address.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	WORKERS_MAX = 256,
	ASKED_MAX = 32768, /* open at once, of all workers */
	DNS_MS = 5000,     /* D12 */
	ROOT_AGAIN_MS = 60000,
	PULSE_MS = 1000,
	PULSES_MISSED = 3,          /* less than a question's deadline */
	STUCK = 4,                  /* exit status */
	READ_MS = 3000,             /* the web's authorities */
	AUTHORITIES_MAX = 16 << 20, /* bytes */
};
/* Tags of the resolver's questions. */
enum { FOR_WORKER, FOR_ROOT, FOR_WEB, FOR_PULSE };

/* An open question. */
struct asked {
	uint32_t gen, next_free; /* next_free: of those that are not busy */
	bool busy;
	unsigned worker;
	uint32_t line_gen; /* the line it came by */
	uint32_t serial;
	enum ask_kind kind;
};

/* A worker, whether it is there or not: its share is counted across its lives. */
struct seat {
	struct scout *scout;
	struct scout_line *line; /* NULL: none */
	uint32_t line_gen;
	unsigned open;
};

struct scout {
	uv_loop_t *loop;
	struct gate *gate; /* owned */
	struct channel *channel;
	struct timers *timers;
	struct resolver *resolver;
	struct scout_posh *posh; /* NULL: there are no authorities to judge web servers by */
	struct seat seats[WORKERS_MAX];
	struct asked asked[ASKED_MAX]; /* slot 0 stays unused */
	uint32_t free_slot;
	unsigned share; /* open questions of one worker */
	struct timer root_again, stop_timer, pulse;
	unsigned pulses_missed;
	unsigned lines;
	bool stopping;
	enum resolve_status root; /* as it was last */
	bool root_known;
	struct answer answer; /* the one being told */
};

/* ---- answers ---- */

static struct asked *asked_by(struct scout *s, struct ticket t)
{
	struct asked *a = t.slot < ASKED_MAX ? &s->asked[t.slot] : NULL;
	return a && a->busy && a->gen == t.gen ? a : NULL;
}

/* s->answer holds what is said. */
static void answer(struct scout *s, struct asked *a)
{
	struct seat *seat = &s->seats[a->worker];
	s->answer.kind = a->kind;
	if (seat->line && seat->line_gen == a->line_gen)
		scout_line_send(seat->line, a->serial, &s->answer);
	seat->open--;
	a->busy = false;
	a->next_free = s->free_slot;
	s->free_slot = (uint32_t)(a - s->asked);
}

/* Records without DNSSEC's word say nothing (RFC 6698 4.1) and do not travel. */
static void read_tlsa(const struct resolve_answer *from, struct tlsa_set *set)
{
	if (!from->secure || !from->raw)
		return;
	for (size_t i = 0; i < from->raw->count; i++)
		tlsa_add(set, from->raw->rdata[i]);
	tlsa_settle(set);
	set->unusable += from->raw->dropped;
}

static void on_resolved_root(struct scout *s, const struct resolve_answer *found);

static void on_resolved(void *arg, const struct resolve_answer *found)
{
	struct scout *s = arg;
	if (found->tag == FOR_ROOT) {
		on_resolved_root(s, found);
		return;
	}
	if (found->tag == FOR_PULSE) {
		s->pulses_missed = 0;
		return;
	}
	if (found->tag == FOR_WEB) {
		scout_posh_resolved(s->posh, (int)found->ticket.slot, found);
		return;
	}
	struct asked *a = asked_by(s, found->ticket);
	if (!a)
		return;
	s->answer = (struct answer){.dns = *found};
	if (a->kind == ASK_TLSA)
		read_tlsa(found, &s->answer.tlsa);
	answer(s, a);
}

/* ---- the web ---- */

static bool may_look_up(void *arg, const struct domain *name)
{
	const struct scout *s = arg;
	return gate_looks_up(s->gate, name);
}

/* DNS-10, P01 */
static bool may_connect(void *arg, const struct sockaddr_storage *addr)
{
	const struct scout *s = arg;
	return address_is_public(addr) || network_list_has(&s->gate->allow_private, addr);
}

static void look_up(void *arg, const struct domain *name, int family, int tag)
{
	struct scout *s = arg;
	resolve_addr(s->resolver, name, family, (struct ticket){.slot = (uint32_t)tag}, FOR_WEB);
}

static int64_t wall_clock(void *arg)
{
	(void)arg;
	return (int64_t)time(NULL);
}

static void on_found(void *arg, uint64_t cookie, const struct posh_found *found)
{
	struct scout *s = arg;
	struct asked *a = asked_by(s, (struct ticket){(uint32_t)cookie, (uint32_t)(cookie >> 32)});
	if (!a)
		return;
	s->answer = (struct answer){.posh = *found};
	answer(s, a);
}

static void ask_web(struct scout *s, const struct domain *name, struct ticket t)
{
	if (s->posh) {
		scout_posh_ask(s->posh, name, (uint64_t)t.gen << 32 | t.slot);
		return;
	}
	s->answer = (struct answer){.posh.e = err_make(ERR_POSH_TLS)};
	answer(s, asked_by(s, t));
}

/* After the channel is open: the supervisor reads what we may not. */
static void open_web(struct scout *s)
{
	struct buf pem;
	buf_init(&pem, AUTHORITIES_MAX);
	struct err e = channel_read_file(s->channel, NULL, CHANNEL_WEB_CA, READ_MS, &pem);
	const struct scout_posh_config config = {.authorities_pem = buf_peek(&pem),
		.max_running = s->gate->posh_fetches,
		.looks_up = may_look_up,
		.allowed = may_connect,
		.resolve = look_up,
		.now = wall_clock,
		.done = on_found,
		.arg = s};
	if (!err_is(e))
		s->posh = scout_posh_new(s->loop, &config, &e);
	if (err_is(e))
		log_reason(e, "web-authorities", log_c("file", s->gate->web_ca_file), log_end());
	buf_fini(&pem);
}

/* ---- questions ---- */

static struct asked *take_slot(struct scout *s, const struct seat *seat)
{
	uint32_t slot = s->free_slot;
	if (!slot || seat->open >= s->share)
		return NULL;
	s->free_slot = s->asked[slot].next_free;
	return &s->asked[slot];
}

static void refuse(struct scout *s, struct seat *seat, const struct scout_question *q)
{
	s->answer = (struct answer){.kind = q->kind, .dns = {.status = RESOLVE_FAILED}};
	if (q->kind == ASK_POSH)
		s->answer.posh.e = err_make(ERR_POSH_BUSY);
	scout_line_send(seat->line, q->serial, &s->answer);
}

static void ask(struct scout *s, const struct scout_question *q, struct ticket t)
{
	switch (q->kind) {
	case ASK_SRV:
		resolve_srv(s->resolver, scout_service(q->which), &q->name, t, FOR_WORKER);
		break;
	case ASK_ADDR:
		resolve_addr(
			s->resolver, &q->name, q->which == 4 ? AF_INET : AF_INET6, t, FOR_WORKER);
		break;
	case ASK_TLSA:
		resolve_tlsa(s->resolver, &q->name, q->which, t, FOR_WORKER);
		break;
	case ASK_POSH:
		ask_web(s, &q->name, t);
		break;
	}
}

static void on_asked(void *arg, const struct scout_question *q)
{
	struct seat *seat = arg;
	struct scout *s = seat->scout;
	struct asked *a = take_slot(s, seat);
	if (!a) {
		refuse(s, seat, q);
		return;
	}
	*a = (struct asked){.gen = a->gen + 1,
		.busy = true,
		.worker = (unsigned)(seat - s->seats),
		.line_gen = seat->line_gen,
		.serial = q->serial,
		.kind = q->kind};
	seat->open++;
	ask(s, q, (struct ticket){(uint32_t)(a - s->asked), a->gen});
}

static void end_if_alone(struct scout *s)
{
	if (s->stopping && !s->lines)
		uv_stop(s->loop);
}

static void on_gone(void *arg)
{
	struct seat *seat = arg;
	seat->line = NULL;
	seat->scout->lines--;
	end_if_alone(seat->scout);
}

static const struct scout_line_events line_events = {.asked = on_asked, .gone = on_gone};

/* ---- the root ---- */

static void ask_root(void *arg)
{
	struct scout *s = arg;
	resolve_root(s->resolver, (struct ticket){0, 0}, FOR_ROOT);
}

static enum err_code root_reason(enum resolve_status status)
{
	switch (status) {
	case RESOLVE_BOGUS:
		return ERR_DNS_ROOT;
	case RESOLVE_TIMEOUT:
		return ERR_DNS_TIMEOUT;
	case RESOLVE_FAILED:
		return ERR_DNS_FAILED;
	case RESOLVE_DATA:
	case RESOLVE_NONE:
		break;
	}
	return ERR_OK;
}

/* Said when it changes, not every minute. */
static void on_resolved_root(struct scout *s, const struct resolve_answer *found)
{
	enum err_code why = root_reason(found->status);
	bool changed = !s->root_known || s->root != found->status;
	const char *advice =
		why == ERR_DNS_ROOT
			? "name a resolver that passes DNSSEC on ([dns] forward), or the "
			  "anchor of the root that it knows ([dns] trust_anchor; empty: no "
			  "validation)"
			: NULL;
	if (changed && why != ERR_OK)
		log_reason(err_make(why), "dns-root", log_c("forward", s->gate->dns_forward),
			log_c("trust_anchor", s->gate->dns_trust_anchor), log_c("advice", advice),
			log_end());
	else if (changed)
		log_event(LOG_INFO, "dns-root", log_c("outcome", "fine"),
			log_n("secure", found->secure), log_end());
	s->root_known = true;
	s->root = found->status;
	if (why != ERR_OK)
		timer_start(s->timers, &s->root_again, ROOT_AGAIN_MS, ask_root, s);
}

/* ---- the pulse ---- */

/* D08: signatures and proofs can be made so that checking them takes minutes. That blocks all other
 * questions, and ends with this process: nothing else ends a thread of libunbound's. Beats are
 * counted, not seconds: to have been stopped ourselves is no fault of the resolver's. */
static void on_pulse(void *arg)
{
	struct scout *s = arg;
	if (s->pulses_missed >= PULSES_MISSED) {
		log_reason(err_make(ERR_SCOUT_STUCK), "scout-stuck", log_end());
		_exit(STUCK);
	}
	if (!s->pulses_missed++)
		resolve_pulse(s->resolver, (struct ticket){0, 0}, FOR_PULSE);
	timer_start(s->timers, &s->pulse, PULSE_MS, on_pulse, s);
}

/* ---- what the supervisor says ---- */

static void on_line(void *arg, unsigned worker, int fd)
{
	struct scout *s = arg;
	if (worker >= WORKERS_MAX) {
		close(fd);
		return;
	}
	struct seat *seat = &s->seats[worker];
	if (seat->line) {
		scout_line_close(seat->line);
		s->lines--;
	}
	seat->line_gen++;
	seat->line = scout_line_new(s->loop, s->timers, fd, worker, &line_events, seat);
	s->lines += seat->line != NULL;
}

static void on_reload(void *arg, struct gate *gate, struct registry *registry)
{
	struct scout *s = arg;
	(void)registry; /* tenants are not this process's matter */
	gate_free(s->gate);
	s->gate = gate;
	log_set_level(gate->log_level);
}

static void on_stop_late(void *arg)
{
	struct scout *s = arg;
	uv_stop(s->loop);
}

/* Workers deliver what they hold until their end, and may have to find out where to. */
static void on_stop(void *arg, uint64_t within_ms)
{
	struct scout *s = arg;
	if (s->stopping)
		return;
	s->stopping = true;
	timer_start(s->timers, &s->stop_timer, within_ms, on_stop_late, s);
	end_if_alone(s);
}

static const struct channel_events channel_events = {
	.gate_only = true, .reload = on_reload, .scout = on_line, .stop = on_stop};

/* ---- life ---- */

static struct err set_up(struct scout *s, const struct scout_boot *boot)
{
	struct err e = err_ok();
	s->gate = boot->gate;
	s->loop = uv_default_loop();
	s->timers = timers_new(s->loop);
	s->share = ASKED_MAX / (boot->workers ? boot->workers : 1);
	if (s->share > ASK_OPEN_MAX)
		s->share = ASK_OPEN_MAX;
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		s->seats[i].scout = s;
	for (uint32_t i = ASKED_MAX - 1; i > 0; i--) {
		s->asked[i].next_free = s->free_slot;
		s->free_slot = i;
	}
	struct resolve_config dns = {.forward = s->gate->dns_forward,
		.trust_anchor = s->gate->dns_trust_anchor,
		.timeout_ms = DNS_MS,
		.max_pending = s->share * (boot->workers ? boot->workers : 1) + 2 +
			       2 * s->gate->posh_fetches};
	s->resolver = resolver_new(s->loop, &dns, on_resolved, s, &e);
	return e;
}

static void tear_down(struct scout *s)
{
	for (unsigned i = 0; i < WORKERS_MAX; i++) {
		if (s->seats[i].line)
			scout_line_close(s->seats[i].line);
	}
	timer_stop(s->timers, &s->root_again);
	timer_stop(s->timers, &s->stop_timer);
	timer_stop(s->timers, &s->pulse);
	scout_posh_free(s->posh);
	if (s->resolver)
		resolver_free(s->resolver);
	if (s->channel)
		channel_close(s->channel);
	timers_close(s->timers);
	uv_run(s->loop, UV_RUN_DEFAULT); /* until all have said closed */
	gate_free(s->gate);
	mem_free(s);
}

int scout_run(const struct scout_boot *boot)
{
	struct scout *s = MEM_NEW(struct scout);
	struct err e = set_up(s, boot);
	if (err_is(e)) {
		log_reason(e, "scout-start", log_end());
		tear_down(s);
		return 3;
	}
	s->channel = channel_open(s->loop, boot->channel_fd, &channel_events, s);
	open_web(s);
	channel_ready(s->channel);
	on_pulse(s);
	if (s->gate->dns_trust_anchor)
		ask_root(s);
	log_event(LOG_INFO, "scout-up",
		log_c("validation", s->gate->dns_trust_anchor ? "on" : "off"), log_end());
	uv_run(s->loop, UV_RUN_DEFAULT);
	log_event(LOG_INFO, "scout-down", log_end());
	tear_down(s);
	return 0;
}
