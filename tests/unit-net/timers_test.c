#include "core/timers.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

static uv_loop_t loop;
static struct timers *timers;

static int set_up(void **state)
{
	(void)state;
	uv_loop_init(&loop);
	timers = timers_new(&loop);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	timers_close(timers);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

/* The one uv timer does not keep a loop alive: something else must. */
static void on_guard(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void run_for(uint64_t ms)
{
	uv_timer_t guard;
	uv_timer_init(&loop, &guard);
	uv_timer_start(&guard, on_guard, ms, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&guard, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

/* On a busy machine time may pass in leaps: what must happen is waited for. */
static void run_while_waiting(const unsigned *counter, unsigned want)
{
	for (int i = 0; i < 500 && *counter < want; i++)
		run_for(10);
}

struct thing {
	struct timer timer;
	uint64_t due, fired_at;
	unsigned fired;
	struct thing *other;
};

static uint64_t last_due;
static unsigned out_of_order;

static void note(void *arg)
{
	struct thing *t = arg;
	t->fired++;
	t->fired_at = uv_now(&loop);
	out_of_order += t->due < last_due;
	last_due = t->due;
}

static void start(struct thing *t, uint64_t in_ms)
{
	uv_update_time(&loop);
	t->due = uv_now(&loop) + in_ms;
	timer_start(timers, &t->timer, in_ms, note, t);
}

static void a_timer_fires_once_and_not_before_its_time(void **state)
{
	(void)state;
	struct thing a = {0}, b = {0}, never = {0};
	start(&a, 20);
	start(&b, 5);
	start(&never, 60000);
	last_due = out_of_order = 0;
	run_while_waiting(&a.fired, 1);
	assert_int_equal(a.fired, 1);
	assert_int_equal(b.fired, 1);
	assert_true(a.fired_at >= a.due && b.fired_at >= b.due);
	assert_int_equal(out_of_order, 0);
	assert_int_equal(never.fired, 0);
	assert_int_equal(a.timer.place, 0);
	timer_stop(timers, &never.timer);
	timer_stop(timers, &never.timer); /* again is fine */
}

static void a_started_timer_may_be_moved_and_stopped(void **state)
{
	(void)state;
	struct thing a = {0}, b = {0};
	start(&a, 5);
	start(&a, 60000);
	start(&b, 60000);
	start(&b, 5);
	run_while_waiting(&b.fired, 1);
	assert_int_equal(a.fired, 0);
	assert_int_equal(b.fired, 1);
	start(&b, 5);
	timer_stop(timers, &b.timer);
	timer_stop(timers, &a.timer);
	run_for(20);
	assert_int_equal(a.fired, 0);
	assert_int_equal(b.fired, 1);
}

static void stop_other(void *arg)
{
	struct thing *t = arg;
	t->fired++;
	timer_stop(timers, &t->other->timer);
}

static void restart(void *arg)
{
	struct thing *t = arg;
	if (++t->fired < 5)
		timer_start(timers, &t->timer, 0, restart, t);
}

static unsigned turns;

static void on_check(uv_check_t *check)
{
	(void)check;
	turns++;
}

static void a_callback_may_stop_its_neighbour_and_start_itself(void **state)
{
	(void)state;
	struct thing a = {0}, b = {0}, c = {0};
	uv_check_t check;
	a.other = &b;
	b.other = &a;
	uv_update_time(&loop);
	timer_start(timers, &a.timer, 5, stop_other, &a);
	timer_start(timers, &b.timer, 5, stop_other, &b);
	timer_start(timers, &c.timer, 0, restart, &c);
	uv_check_init(&loop, &check);
	uv_check_start(&check, on_check);
	turns = 0;
	run_while_waiting(&c.fired, 5);
	run_for(30);
	uv_close((uv_handle_t *)&check, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(a.fired + b.fired, 1);
	assert_int_equal(c.fired, 5);
	assert_true(turns >= 5); /* a turn of the loop between two of them: nobody starves */
}

static uint64_t seed = 1;

static size_t dice(size_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % n;
}

/* R12 */
static void a_hundred_thousand_deadlines_do_not_stall(void **state)
{
	(void)state;
	enum { MANY = 100000 };
	struct thing *t = calloc(MANY, sizeof *t);
	uint64_t began = uv_hrtime();
	unsigned fired = 0, stopped = 0, long_ones = 0;
	for (size_t i = 0; i < MANY; i++)
		start(&t[i], 1 + dice(200));
	for (size_t i = 0; i < MANY; i += 3) /* moved, some far away */
		start(&t[i], i % 2 ? 1 + dice(200) : 600000);
	for (size_t i = 0; i < MANY; i += 5) {
		stopped += t[i].timer.place != 0;
		timer_stop(timers, &t[i].timer);
	}
	last_due = out_of_order = 0;
	run_for(400);
	for (size_t i = 0; i < MANY; i++) {
		fired += t[i].fired;
		long_ones += t[i].timer.place != 0;
		assert_true(!t[i].fired || t[i].fired_at >= t[i].due);
		timer_stop(timers, &t[i].timer);
	}
	assert_int_equal(fired + stopped + long_ones, MANY);
	assert_true(long_ones > MANY / 10);
	assert_int_equal(out_of_order, 0);
	/* 100,000 in a list would take minutes. */
	assert_true(uv_hrtime() - began < 10000000000u);
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_timer_fires_once_and_not_before_its_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_started_timer_may_be_moved_and_stopped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_callback_may_stop_its_neighbour_and_start_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_hundred_thousand_deadlines_do_not_stall, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
