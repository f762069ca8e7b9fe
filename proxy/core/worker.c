/* Happy path: worker_run sets up the loop and its parts, accepts, and turns until it is stopped.
 * Failure modes: descriptors run out (accepting pauses), the scout is lost (another is asked for).
 * Who frees: sessions free themselves through the graveyard; the rest goes in tear_down. */
#define _GNU_SOURCE /* accept4 */
#include "core/worker.h"

#include "base/b64.h"
#include "base/mem.h"
#include "core/breaker.h"
#include "core/budget.h"
#include "core/delegation.h"
#include "core/egress.h"
#include "core/outgoing.h"
#include "core/peer_in.h"
#include "core/proofs.h"
#include "core/worker_inside.h"
#include "xmpp/stanza.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	ACCEPT_BATCH = 32,     /* connections per event, so that accepting starves nobody */
	ACCEPT_PAUSE_MS = 200, /* after running out of descriptors (R02) */
	OWN_ADDRESSES_MAX = 64,
	ACKNOWLEDGE_MS = 1000,
	LOOK_FOR_SCOUT_MS = 1000,
};

struct grave {
	struct grave *next;
	void *object;
	void (*free_it)(void *object);
};

/* A socket that connections come from: our own, or one of a neighbour that died. */
struct listener {
	struct listener *next;
	struct worker *worker;
	uv_poll_t poll;
	int fd, owner; /* owner -1: our own */
	bool egress;
	struct timer pause;
};

/* What only this file needs. */
struct worker_run {
	struct worker w; /* first */
	uv_prepare_t prepare;
	struct listener *listeners;
	struct timer stop_timer, acknowledge, look_for_scout;
	struct sockaddr_storage own[OWN_ADDRESSES_MAX];
	size_t own_count;
};

/* ---- small services ---- */

void worker_new_id(char out[33])
{
	unsigned char bytes[16];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		abort(); /* no ids without randomness */
	hex_encode(bytes, sizeof bytes, out);
}

uint32_t worker_random(void)
{
	uint32_t n;
	if (getrandom(&n, sizeof n, 0) != sizeof n)
		abort();
	return n;
}

static uint64_t random_seed(void)
{
	return (uint64_t)worker_random() << 32 | worker_random();
}

uint64_t worker_now_ms(const struct worker *w)
{
	return uv_now(w->loop);
}

int64_t worker_wall_s(void)
{
	return (int64_t)time(NULL);
}

void session_link_in(struct session_node **list, struct session_node *node)
{
	node->next = *list;
	node->prev = list;
	if (*list)
		(*list)->prev = &node->next;
	*list = node;
}

void session_unlink(struct session_node *node)
{
	*node->prev = node->next;
	if (node->next)
		node->next->prev = node->prev;
}

void worker_bury(struct worker *w, void *object, void (*free_it)(void *object))
{
	struct grave *g = MEM_NEW(struct grave);
	*g = (struct grave){w->graves, object, free_it};
	w->graves = g;
}

void worker_forget_dirty(struct worker *w, struct link *l)
{
	for (struct link **at = &w->dirty_links; l->dirty && *at; at = &(*at)->next_dirty) {
		if (*at == l) {
			*at = l->next_dirty;
			l->dirty = false;
			return;
		}
	}
}

bool worker_check_key(struct worker *w, enum dbkey_label label, const struct domain *to,
	const struct domain *from, const char *id, const char *key)
{
	struct slice i = slice_str(id), k = slice_str(key);
	return dbkey_check(&w->secret, label, to, from, i, k) ||
	       (w->has_previous_secret && dbkey_check(&w->previous_secret, label, to, from, i, k));
}

/* ---- own addresses, limits ---- */

static size_t address_bytes(const struct sockaddr_storage *sa, unsigned char out[16])
{
	if (sa->ss_family == AF_INET) {
		memcpy(out, &((const struct sockaddr_in *)sa)->sin_addr, 4);
		return 4;
	}
	memcpy(out, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	return 16;
}

bool worker_has_address(const struct worker *w, const struct sockaddr_storage *addr)
{
	const struct worker_run *r = (const struct worker_run *)w;
	unsigned char a[16], b[16];
	size_t n = address_bytes(addr, a);
	for (size_t i = 0; i < r->own_count; i++) {
		if (address_bytes(&r->own[i], b) == n && memcmp(a, b, n) == 0)
			return true;
	}
	return false;
}

static void note_own_addresses(struct worker_run *r)
{
	uv_interface_address_t *list;
	int n = 0;
	if (uv_interface_addresses(&list, &n) != 0)
		return;
	for (int i = 0; i < n && r->own_count < OWN_ADDRESSES_MAX; i++)
		memcpy(&r->own[r->own_count++], &list[i].address, sizeof list[i].address);
	uv_free_interface_addresses(list, n);
}

/* ---- accepting ---- */

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_pause_over(void *arg)
{
	struct listener *l = arg;
	uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

static void pause_accepting(struct listener *l)
{
	uv_poll_stop(&l->poll);
	timer_start(l->worker->timers, &l->pause, ACCEPT_PAUSE_MS, on_pause_over, l);
}

/* R02: the last eighth of the descriptors is for what streams that are up still need: the ways to
 * backends, and out. */
static bool is_last_room(int fd)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	       (rlim_t)fd >= limit.rlim_cur - limit.rlim_cur / 8;
}

static void take(struct listener *l, int fd, const struct sockaddr_storage *from)
{
	struct worker *w = l->worker;
	if (l->egress) {
		egress_accept(w, fd);
		return;
	}
	struct err why = budget_connect(w, from);
	if (!err_is(why)) {
		peer_in_accept(w, fd);
		return;
	}
	char address[64] = "";
	uv_ip_name((const struct sockaddr *)from, address, sizeof address);
	log_reason(why, "refused", log_c("leg", "W-IN"), log_c("address", address), log_end());
	shared_count(w->shared, SHARED_REFUSED, 1);
	close(fd);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage from = {0};
		socklen_t len = sizeof from;
		if (!l->egress && l->worker->connections >= l->worker->gate->max_connections) {
			pause_accepting(l);
			return;
		}
		int fd = accept4(
			l->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0 && (l->egress || !is_last_room(fd))) {
			take(l, fd, &from);
			continue;
		}
		if (fd >= 0) {
			close(fd);
			errno = EMFILE;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_reason(err_native(ERR_TOO_MANY, errno), "accept", log_end());
			pause_accepting(l);
		}
		return;
	}
}

static void listen_on(struct worker_run *r, int fd, bool egress, int owner)
{
	struct listener *l = MEM_NEW(struct listener);
	l->worker = &r->w;
	l->fd = fd;
	l->egress = egress;
	l->owner = owner;
	l->next = r->listeners;
	r->listeners = l;
	uv_poll_init(r->w.loop, &l->poll, fd);
	l->poll.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct listener *l = handle->data;
	close(l->fd);
	mem_free(l);
}

/* owner -2: all of them. */
static void stop_listening(struct worker_run *r, int owner)
{
	for (struct listener **at = &r->listeners; *at;) {
		struct listener *l = *at;
		if (owner != -2 && l->owner != owner) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		timer_stop(r->w.timers, &l->pause);
		uv_poll_stop(&l->poll);
		uv_close((uv_handle_t *)&l->poll, on_listener_closed);
	}
}

/* ---- the turn's end ---- */

static void flush_links(struct worker *w)
{
	while (w->dirty_links) {
		struct link *l = w->dirty_links;
		w->dirty_links = l->next_dirty;
		link_flush(l);
	}
}

static void dig_graves(struct worker *w)
{
	while (w->graves) {
		struct grave *g = w->graves;
		w->graves = g->next;
		g->free_it(g->object);
		mem_free(g);
	}
}

static bool nothing_left(const struct worker *w)
{
	return !w->peers_in && !w->egresses && !w->outgoings;
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct worker *w = prepare->data;
	flush_links(w);
	dig_graves(w);
	/* Every turn, so that what a killed worker held is known (the supervisor logs it). */
	shared_held_set(w->shared, w->number,
		(struct shared_held){.stanzas = w->queued_stanzas,
			.bytes = w->queued_bytes,
			.unacked = w->unacked_stanzas});
	if (w->stopping && nothing_left(w))
		uv_stop(w->loop);
}

/* Few streams send so much that they ask the kernel by themselves. */
static void on_acknowledge(void *arg)
{
	struct worker_run *r = arg;
	outgoings_acknowledge(&r->w);
	timer_start(r->w.timers, &r->acknowledge, ACKNOWLEDGE_MS, on_acknowledge, r);
}

/* A scout that died is replaced, and its successor introduced, without our asking; but one that
 * closed our line alone is not. */
static void on_look_for_scout(void *arg)
{
	struct worker_run *r = arg;
	if (!asker_connected(r->w.asker))
		channel_want_scout(r->w.channel);
	timer_start(r->w.timers, &r->look_for_scout, LOOK_FOR_SCOUT_MS, on_look_for_scout, r);
}

/* ---- what the supervisor says ---- */

static void on_reload(void *arg, struct gate *gate, struct registry *registry)
{
	struct worker *w = arg;
	struct gate *old_gate = w->gate;
	struct registry *old = w->registry;
	w->gate = gate;
	w->registry = registry;
	w->generation++;
	w->proofs_switched = gate->proofs_dane != old_gate->proofs_dane ||
			     gate->proofs_posh != old_gate->proofs_posh;
	log_set_level(gate->log_level);
	assessor_forget(w->assessor, registry);
	proofs_reload(w);
	peers_in_reload(w);
	egresses_reload(w);
	w->proofs_switched = false;
	registry_free(old); /* sessions hold their tenants */
	gate_free(old_gate);
}

static void on_adopt(void *arg, int owner, const int *listen_fds, size_t listen_count,
	const int *egress_fds, size_t egress_count)
{
	struct worker_run *r = arg;
	for (size_t i = 0; i < listen_count; i++)
		listen_on(r, listen_fds[i], false, owner);
	for (size_t i = 0; i < egress_count; i++)
		listen_on(r, egress_fds[i], true, owner);
	log_event(LOG_INFO, "adopt", log_n("from", owner), log_end());
}

static void on_release(void *arg, int owner)
{
	stop_listening(arg, owner);
}

static void on_scout(void *arg, unsigned worker, int fd)
{
	struct worker_run *r = arg;
	(void)worker; /* it is this one */
	asker_connect(r->w.asker, fd);
}

static void on_stop_late(void *arg)
{
	struct worker *w = arg;
	uv_stop(w->loop);
}

static void on_stop(void *arg, uint64_t within_ms)
{
	struct worker_run *r = arg;
	if (r->w.stopping)
		return;
	r->w.stopping = true;
	stop_listening(r, -2);
	/* Egress first: its routes get the time to deliver or bounce what they hold. */
	egresses_stop(&r->w);
	peers_in_stop(&r->w);
	timer_start(r->w.timers, &r->stop_timer, within_ms, on_stop_late, &r->w);
}

static const struct channel_events channel_events = {.reload = on_reload,
	.adopt = on_adopt,
	.release = on_release,
	.scout = on_scout,
	.stop = on_stop};

/* ---- life ---- */

static void set_up(struct worker_run *r, const struct worker_boot *boot)
{
	struct worker *w = &r->w;
	w->number = boot->number;
	w->gate = boot->gate;
	w->registry = boot->registry;
	w->shared = boot->shared;
	w->decisions = boot->decisions;
	w->secret = boot->secret;
	w->previous_secret = boot->previous_secret;
	w->has_previous_secret = boot->has_previous_secret;
	w->loop = uv_default_loop();
	w->timers = timers_new(w->loop);
	w->assessor = assessor_new(random_seed());
	w->breakers = breakers_new(random_seed());
	w->delegations = map_new(random_seed());
	w->proofs = map_new(random_seed());
	w->sources = map_new(random_seed());
	buf_init(&w->plain, BUF_UNLIMITED);
	buf_init(&w->repaired, BUF_UNLIMITED);
	w->addresses = MEM_NEW(struct stanza_addresses);
	stanza_addresses_init(w->addresses);
	note_own_addresses(r);
	w->asker = asker_new(w->loop, worker_on_answer, w);
}

static void start_turning(struct worker_run *r, const struct worker_boot *boot)
{
	struct worker *w = &r->w;
	uv_prepare_init(w->loop, &r->prepare);
	r->prepare.data = w;
	uv_prepare_start(&r->prepare, on_prepare);
	uv_unref((uv_handle_t *)&r->prepare);
	w->channel = channel_open(w->loop, boot->channel_fd, &channel_events, r);
	for (size_t i = 0; i < boot->listen_count; i++)
		listen_on(r, boot->listen_fds[i], false, -1);
	for (size_t i = 0; i < boot->egress_count; i++)
		listen_on(r, boot->egress_fds[i], true, -1);
	timer_start(w->timers, &r->acknowledge, ACKNOWLEDGE_MS, on_acknowledge, r);
	timer_start(w->timers, &r->look_for_scout, LOOK_FOR_SCOUT_MS, on_look_for_scout, r);
	channel_ready(w->channel);
	log_event(LOG_INFO, "worker-up", log_n("tenants", (int64_t)registry_count(w->registry)),
		log_end());
}

static void tear_down(struct worker_run *r)
{
	struct worker *w = &r->w;
	flush_links(w);
	dig_graves(w);
	asker_free(w->asker);
	delegation_forget_all(w);
	proofs_forget_all(w);
	breakers_free(w->breakers);
	budget_free(w);
	assessor_free(w->assessor);
	registry_free(w->registry);
	gate_free(w->gate);
	mem_wipe(&w->secret, sizeof w->secret);
	mem_wipe(&w->previous_secret, sizeof w->previous_secret);
	log_event(LOG_INFO, "worker-down", log_n("left_stanzas", (int64_t)w->queued_stanzas),
		log_end());
}

int worker_run(const struct worker_boot *boot)
{
	struct worker_run *r = MEM_NEW(struct worker_run);
	set_up(r, boot);
	start_turning(r, boot);
	uv_run(r->w.loop, UV_RUN_DEFAULT);
	tear_down(r);
	return 0;
}
