#include "fake_worker.h"

#include "base/mem.h"
#include "core/breaker.h"
#include "xmpp/stanza.h"

#include <assert.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void flush_links(struct worker *w)
{
	while (w->dirty_links) {
		struct link *l = w->dirty_links;
		w->dirty_links = l->next_dirty;
		link_flush(l);
	}
}

struct grave {
	struct grave *next;
	void *object;
	void (*free_it)(void *object);
};

static void on_prepare(uv_prepare_t *prepare)
{
	struct worker *w = prepare->data;
	flush_links(w);
	while (w->graves) {
		struct grave *g = w->graves;
		w->graves = g->next;
		g->free_it(g->object);
		mem_free(g);
	}
}

struct fake_worker *fake_worker_new(void)
{
	struct fake_worker *f = MEM_NEW(struct fake_worker);
	struct worker *w = &f->w;
	signal(SIGPIPE, SIG_IGN); /* as every process of the gate does */
	uv_loop_init(&f->loop);
	w->loop = &f->loop;
	w->gate = &f->gate;
	w->timers = timers_new(w->loop);
	w->delegations = map_new(1);
	w->proofs = map_new(1);
	w->breakers = breakers_new(1);
	buf_init(&w->plain, BUF_UNLIMITED);
	buf_init(&w->repaired, BUF_UNLIMITED);
	w->addresses = MEM_NEW(struct stanza_addresses);
	stanza_addresses_init(w->addresses);
	f->gate.proofs_dane = f->gate.proofs_posh = true;
	f->gate.stanza_bytes = 262144;
	f->gate.queue_stanzas = 1000;
	f->gate.queue_bytes = 4000000;
	f->gate.queue_seconds = 30;
	uv_prepare_init(w->loop, &f->prepare);
	f->prepare.data = w;
	uv_prepare_start(&f->prepare, on_prepare);
	uv_unref((uv_handle_t *)&f->prepare);
	uv_timer_init(w->loop, &f->guard);
	return f;
}

void fake_worker_free(struct fake_worker *f)
{
	uv_close((uv_handle_t *)&f->prepare, NULL);
	uv_close((uv_handle_t *)&f->guard, NULL);
	timers_close(f->w.timers);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	int left = uv_loop_close(&f->loop);
	assert(left == 0);
	(void)left;
	map_free(f->w.delegations);
	map_free(f->w.proofs);
	breakers_free(f->w.breakers);
	buf_fini(&f->w.plain);
	buf_fini(&f->w.repaired);
	stanza_addresses_fini(f->w.addresses);
	mem_free(f->w.addresses);
	mem_free(f->w.slots);
	mem_free(f);
}

static void on_guard(uv_timer_t *timer)
{
	(void)timer; /* only wakes the loop */
}

bool fake_worker_run(struct fake_worker *f, bool (*until)(void *arg), void *arg, uint64_t max_ms)
{
	uv_update_time(&f->loop);
	uint64_t end = uv_now(&f->loop) + max_ms;
	uv_timer_start(&f->guard, on_guard, 1, 5);
	while (!until || !until(arg)) {
		uv_run(&f->loop, UV_RUN_ONCE);
		uv_update_time(&f->loop);
		if (uv_now(&f->loop) >= end)
			break;
	}
	uv_timer_stop(&f->guard);
	return until && until(arg);
}

void fake_tcp_pair(int *near, int *far, int sndbuf)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int ok = bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 1) == 0 &&
		 getsockname(listener, (struct sockaddr *)&at, &len) == 0;
	*near = socket(AF_INET, SOCK_STREAM, 0);
	if (sndbuf)
		setsockopt(*near, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof sndbuf);
	if (sndbuf)
		setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &sndbuf, sizeof sndbuf);
	ok = ok && connect(*near, (struct sockaddr *)&at, len) == 0;
	*far = accept(listener, NULL, NULL);
	assert(ok && *far >= 0);
	(void)ok;
	close(listener);
	fcntl(*near, F_SETFL, O_NONBLOCK);
	fcntl(*far, F_SETFL, O_NONBLOCK);
}

/* ---- what proxy/core/worker.c gives ---- */

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

void worker_new_id(char out[33])
{
	memset(out, 'f', 32);
	out[32] = '\0';
}

uint32_t worker_random(void)
{
	static uint32_t n = 1;
	n = n * 1664525 + 1013904223;
	return n >> 4;
}

uint64_t worker_now_ms(const struct worker *w)
{
	return uv_now(w->loop);
}

int64_t fake_wall_s = 1800000000;

int64_t worker_wall_s(void)
{
	return fake_wall_s;
}

bool worker_has_address(const struct worker *w, const struct sockaddr_storage *addr)
{
	const struct fake_worker *f = (const struct fake_worker *)w;
	const struct sockaddr_in *a = (const struct sockaddr_in *)addr;
	for (size_t i = 0; i < f->own_count; i++) {
		const struct sockaddr_in *own = (const struct sockaddr_in *)&f->own[i];
		if (a->sin_family == AF_INET && own->sin_addr.s_addr == a->sin_addr.s_addr)
			return true;
	}
	return false;
}

struct ticket worker_ticket(
	struct worker *w, void *object, void (*answer)(void *object, const struct answer *answer))
{
	/* A slot is never used again here: a stale ticket cannot be mistaken. */
	w->slots = mem_realloc(w->slots, (w->slot_count + 1) * sizeof *w->slots);
	w->slots[w->slot_count] =
		(struct ticket_slot){.gen = 7, .object = object, .answer = answer};
	return (struct ticket){w->slot_count++, 7};
}

void worker_ticket_drop(struct worker *w, struct ticket t)
{
	w->slots[t.slot].object = NULL;
}

void fake_worker_answer(struct fake_worker *f, const struct answer *answer)
{
	struct ticket_slot *s = &f->w.slots[answer->ticket.slot];
	if (s->object)
		s->answer(s->object, answer);
}

void worker_bury(struct worker *w, void *object, void (*free_it)(void *object))
{
	struct grave *g = MEM_NEW(struct grave);
	*g = (struct grave){w->graves, object, free_it};
	w->graves = g;
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
