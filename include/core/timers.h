/* Many deadlines, one libuv timer: a binary heap (R12). A timer is embedded in its owner and needs
 * no closing: stopping it is enough before the owner is freed. */
#ifndef FEDGATE_CORE_TIMERS_H
#define FEDGATE_CORE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct timers;

struct timer {
	void (*fire)(void *arg);
	void *arg;
	uint64_t due_ms; /* on the loop's clock */
	size_t place;    /* in the heap, 1-based; 0: not running */
};

struct timers *timers_new(uv_loop_t *loop);
void timers_close(struct timers *t); /* freed when libuv has closed the handle */
/* Starts or moves the timer. */
void timer_start(
	struct timers *t, struct timer *timer, uint64_t in_ms, void (*fire)(void *arg), void *arg);
void timer_stop(struct timers *t, struct timer *timer);

#endif
