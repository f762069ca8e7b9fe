/* Happy path: timer_start puts the timer into the heap and points the one uv timer at the earliest;
 * it fires all that are due, then is pointed at the next. Failure modes: none, the heap grows by
 * mem_realloc. Frees: timers_close closes the uv timer, its close callback frees everything. */
#include "core/timers.h"

#include "base/mem.h"

struct timers {
	uv_loop_t *loop;
	uv_timer_t uv;
	struct timer **heap; /* 1-based */
	size_t count, room;
};

struct timers *timers_new(uv_loop_t *loop)
{
	struct timers *t = MEM_NEW(struct timers);
	t->loop = loop;
	uv_timer_init(loop, &t->uv);
	t->uv.data = t;
	uv_unref((uv_handle_t *)&t->uv);
	return t;
}

static void on_closed(uv_handle_t *handle)
{
	struct timers *t = handle->data;
	mem_free(t->heap);
	mem_free(t);
}

void timers_close(struct timers *t)
{
	uv_close((uv_handle_t *)&t->uv, on_closed);
}

static void set(struct timers *t, size_t place, struct timer *timer)
{
	t->heap[place] = timer;
	timer->place = place;
}

static void sift_up(struct timers *t, struct timer *timer, size_t at)
{
	for (; at > 1 && t->heap[at / 2]->due_ms > timer->due_ms; at /= 2)
		set(t, at, t->heap[at / 2]);
	set(t, at, timer);
}

static void sift_down(struct timers *t, struct timer *timer, size_t at)
{
	for (size_t child = 2 * at; child <= t->count; child = 2 * at) {
		if (child < t->count && t->heap[child + 1]->due_ms < t->heap[child]->due_ms)
			child++;
		if (t->heap[child]->due_ms >= timer->due_ms)
			break;
		set(t, at, t->heap[child]);
		at = child;
	}
	set(t, at, timer);
}

static void remove_at(struct timers *t, size_t place)
{
	struct timer *last = t->heap[t->count--];
	t->heap[place]->place = 0;
	if (place > t->count)
		return;
	if (place > 1 && t->heap[place / 2]->due_ms > last->due_ms)
		sift_up(t, last, place);
	else
		sift_down(t, last, place);
}

static void on_due(uv_timer_t *uv);

static void aim(struct timers *t)
{
	if (t->count == 0) {
		uv_timer_stop(&t->uv);
		return;
	}
	uint64_t now = uv_now(t->loop);
	uint64_t due = t->heap[1]->due_ms;
	uv_timer_start(&t->uv, on_due, due > now ? due - now : 0, 0);
}

static void on_due(uv_timer_t *uv)
{
	struct timers *t = uv->data;
	uint64_t now = uv_now(t->loop);
	while (t->count && t->heap[1]->due_ms <= now) {
		struct timer *timer = t->heap[1];
		remove_at(t, 1);
		timer->fire(timer->arg); /* may start and stop timers, also this one */
	}
	aim(t);
}

void timer_start(
	struct timers *t, struct timer *timer, uint64_t in_ms, void (*fire)(void *arg), void *arg)
{
	if (timer->place)
		remove_at(t, timer->place);
	timer->fire = fire;
	timer->arg = arg;
	/* One at least: a timer restarted from its own callback must not fire in the same turn. */
	timer->due_ms = uv_now(t->loop) + (in_ms ? in_ms : 1);
	if (t->count + 2 > t->room) {
		t->room = t->room ? t->room * 2 : 64;
		t->heap = mem_realloc(t->heap, t->room * sizeof *t->heap);
	}
	sift_up(t, timer, ++t->count);
	if (timer->place == 1)
		aim(t);
}

void timer_stop(struct timers *t, struct timer *timer)
{
	if (!timer->place)
		return;
	bool first = timer->place == 1;
	remove_at(t, timer->place);
	if (first)
		aim(t);
}
