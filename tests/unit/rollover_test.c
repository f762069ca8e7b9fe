/* The change of certificates: never early, whatever is seen, whenever it is looked, whatever the
 * clocks do; never back. The numbers are drawn from a fixed seed, so that a failure comes back. */
#include "tenants/rollover.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

enum { LIVES = 40000, LOOKS = 60, HOUR = 3600 };

#define WALL 1800000000

static const unsigned char OLD[ROLLOVER_PRINT] = {1}, NEW[ROLLOVER_PRINT] = {2},
			   OTHER[ROLLOVER_PRINT] = {3};

static struct rollover_found files(
	const unsigned char *current, const unsigned char *next, const unsigned char *previous)
{
	struct rollover_found f = {.has_next = next != NULL, .has_previous = previous != NULL};
	memcpy(f.current, current, ROLLOVER_PRINT);
	if (next)
		memcpy(f.next, next, ROLLOVER_PRINT);
	if (previous)
		memcpy(f.previous, previous, ROLLOVER_PRINT);
	return f;
}

static struct rollover_clock at(int64_t seconds)
{
	return (struct rollover_clock){
		.wall_s = WALL + seconds, .boot_s = 100 + seconds, .boot = 7};
}

static void meet(struct rollover *r, struct rollover_found f, int64_t seconds)
{
	struct rollover_clock now = at(seconds);
	rollover_meet(r, &f, &now);
}

static void look(
	struct rollover *r, enum rollover_sight sight, uint32_t remembered, int64_t seconds)
{
	struct rollover_clock now = at(seconds);
	rollover_look(r, sight, remembered, &now);
}

/* POSH-11, DANE-8 */
static void a_whole_life_goes_by_its_table(void **state)
{
	(void)state;
	struct rollover r = {.stage = ROLLOVER_IDLE};
	meet(&r, files(OLD, NULL, NULL), 0);
	assert_int_equal(r.stage, ROLLOVER_IDLE);
	assert_false(rollover_is_due(&r, SIGHT_SEEN, 1));
	meet(&r, files(OLD, NEW, NULL), 10);
	assert_int_equal(r.stage, ROLLOVER_STAGED);
	look(&r, SIGHT_MISSING, HOUR, 10);
	assert_false(rollover_is_due(&r, SIGHT_MISSING, 1));
	look(&r, SIGHT_SEEN, HOUR, 100);
	look(&r, SIGHT_UNKNOWN, 0, 200); /* nothing is lost by it */
	look(&r, SIGHT_SEEN, HOUR, 100 + HOUR);
	assert_false(rollover_is_due(&r, SIGHT_SEEN, 1)); /* longer than that, not as long */
	look(&r, SIGHT_SEEN, HOUR, 101 + HOUR);
	assert_true(rollover_is_due(&r, SIGHT_SEEN, 1));
	assert_false(rollover_is_due(&r, SIGHT_UNKNOWN, 1));
	assert_false(rollover_is_due(&r, SIGHT_SEEN, 2));
	meet(&r, files(NEW, NULL, OLD), 110 + HOUR);
	assert_int_equal(r.stage, ROLLOVER_SWITCHED);
	assert_false(r.told);
	look(&r, SIGHT_UNKNOWN, 0, 110 + 2 * HOUR);
	assert_false(rollover_is_due(&r, SIGHT_UNKNOWN, 1));
	look(&r, SIGHT_UNKNOWN, 0, 111 + 2 * HOUR);
	assert_true(rollover_is_due(&r, SIGHT_UNKNOWN, 1));
	meet(&r, files(NEW, NULL, NULL), 120 + 2 * HOUR);
	assert_int_equal(r.stage, ROLLOVER_IDLE);
	assert_int_equal(r.longest_s, HOUR);
}

/* `to` is what will be in use, or is; `from` the other one. */
static void check_prints(const struct rollover *r, const unsigned char *current,
	const unsigned char *next, const unsigned char *previous)
{
	bool staged = r->stage == ROLLOVER_STAGED;
	const unsigned char *other = staged ? next : previous ? previous : next;
	if (r->stage == ROLLOVER_IDLE)
		return;
	assert_memory_equal(staged ? r->from : r->to, current, ROLLOVER_PRINT);
	assert_memory_equal(staged ? r->to : r->from, other, ROLLOVER_PRINT);
}

static void what_is_remembered_meets_what_is_there(void **state)
{
	(void)state;
	static const struct {
		const char *title;
		enum rollover_stage stage;
		const unsigned char *current, *next, *previous;
		enum rollover_stage want;
		bool kept; /* what was counted */
	} rows[] = {
		{"nothing to do", ROLLOVER_IDLE, OLD, NULL, NULL, ROLLOVER_IDLE, false},
		{"the state was lost while staged", ROLLOVER_IDLE, OLD, NEW, NULL, ROLLOVER_STAGED,
			false},
		{"the state was lost while switched", ROLLOVER_IDLE, NEW, NULL, OLD,
			ROLLOVER_SWITCHED, false},
		{"it goes on", ROLLOVER_STAGED, OLD, NEW, NULL, ROLLOVER_STAGED, true},
		{"another is to follow", ROLLOVER_STAGED, OLD, OTHER, NULL, ROLLOVER_STAGED, false},
		{"another is in use", ROLLOVER_STAGED, OTHER, NEW, NULL, ROLLOVER_STAGED, false},
		{"the next was taken away", ROLLOVER_STAGED, OLD, NULL, NULL, ROLLOVER_IDLE, false},
		{"it died behind the exchange", ROLLOVER_STAGED, NEW, NULL, OLD, ROLLOVER_SWITCHED,
			false},
		{"the operator exchanged the files", ROLLOVER_STAGED, NEW, OLD, NULL,
			ROLLOVER_SWITCHED, false},
		{"he took the old ones away at once", ROLLOVER_STAGED, NEW, NULL, NULL,
			ROLLOVER_IDLE, false},
		{"it goes on behind the exchange", ROLLOVER_SWITCHED, NEW, NULL, OLD,
			ROLLOVER_SWITCHED, true},
		{"so it does with the operator's files", ROLLOVER_SWITCHED, NEW, OLD, NULL,
			ROLLOVER_SWITCHED, true},
		{"it died behind the end", ROLLOVER_SWITCHED, NEW, NULL, NULL, ROLLOVER_IDLE,
			false},
		{"the next but one is there", ROLLOVER_SWITCHED, NEW, OTHER, NULL, ROLLOVER_STAGED,
			false},
		/* Half of the exchange: `previous` leads to what still is in use. */
		{"it died within the exchange", ROLLOVER_STAGED, OLD, NEW, OLD, ROLLOVER_STAGED,
			true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rollover r = {.stage = rows[i].stage,
			.seen = true,
			.counted_s = 77,
			.longest_s = HOUR,
			.told = true,
			.last = at(0)};
		memcpy(r.from, OLD, ROLLOVER_PRINT);
		memcpy(r.to, NEW, ROLLOVER_PRINT);
		meet(&r, files(rows[i].current, rows[i].next, rows[i].previous), 5);
		if (r.stage != rows[i].want || (r.counted_s == 77) != rows[i].kept)
			fail_msg("%s: stage %d, counted %ld", rows[i].title, (int)r.stage,
				(long)r.counted_s);
		assert_int_equal(r.told, rows[i].kept);
		check_prints(&r, rows[i].current, rows[i].next, rows[i].previous);
		assert_int_equal(r.longest_s, HOUR);
	}
}

static void time_passes_by_the_clock_that_cannot_be_wrong(void **state)
{
	(void)state;
	static const struct {
		struct rollover_clock a, b;
		int64_t want;
	} rows[] = {
		{{1000, 50, 7}, {1100, 150, 7}, 100},
		{{1000, 50, 7}, {900000, 150, 7}, 100}, /* the wall clock leapt */
		{{1000, 50, 7}, {10, 150, 7}, 100},
		{{1000, 50, 7}, {2000, 30, 8}, 30},    /* a boot lies between */
		{{1000, 50, 7}, {1020, 90000, 8}, 20}, /* the state came from another machine */
		{{1000, 50, 7}, {900, 30, 8}, 0},
		{{1000, 50, 0}, {1100, 70, 0}, 100}, /* no boot is known */
		{{1000, 50, 0}, {1100, 70, 7}, 100},
		{{1000, 50, 7}, {1000, 40, 7}, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(rollover_elapsed_s(&rows[i].a, &rows[i].b), rows[i].want);
}

static void where_nobody_remembers_nothing_is_waited_for(void **state)
{
	(void)state;
	struct rollover r = {.longest_s = HOUR};
	meet(&r, files(OLD, NEW, NULL), 0);
	look(&r, SIGHT_NOBODY, 0, 0);
	assert_true(rollover_is_due(&r, SIGHT_NOBODY, 1));
	assert_false(rollover_is_due(&r, SIGHT_SEEN, 1));
	meet(&r, files(NEW, NULL, NULL), 0);
	assert_false(rollover_is_due(&r, SIGHT_NOBODY, 1));
}

/* --- a world --- */

static uint64_t seed = 0x7711;

static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* What is true, beside what the machine is told. */
struct world {
	int64_t now;               /* true seconds */
	int64_t wall_off, boot_at; /* the wall clock's error; when the machine was booted */
	uint64_t boot;
	bool shows_next;
	uint32_t expires_s;
	/* As it was observed: since when without a gap, and the longest of all observations. */
	bool observed;
	int64_t since;
	uint32_t told_longest_s;
};

static struct rollover_clock clock_of(const struct world *w)
{
	return (struct rollover_clock){.wall_s = WALL + w->now + w->wall_off,
		.boot_s = w->now - w->boot_at,
		.boot = w->boot};
}

static void change(struct world *w)
{
	if (draw(4) == 0)
		w->shows_next = !w->shows_next;
	if (draw(5) == 0)
		w->expires_s = (uint32_t)(60 + draw(3 * HOUR));
	if (draw(6) == 0)
		w->wall_off = (int64_t)draw(400 * 24 * HOUR) - 200 * 24 * HOUR;
	if (draw(8) == 0) {
		w->boot++;
		w->boot_at = w->now;
	}
}

static void observe(struct world *w, struct rollover *r, enum rollover_sight *sight)
{
	struct rollover_clock now = clock_of(w);
	*sight = draw(6) == 0 ? SIGHT_UNKNOWN : w->shows_next ? SIGHT_SEEN : SIGHT_MISSING;
	uint32_t remembered = *sight == SIGHT_UNKNOWN ? 0 : w->expires_s;
	if (remembered > w->told_longest_s)
		w->told_longest_s = remembered;
	if (*sight == SIGHT_MISSING)
		w->observed = false;
	if (*sight == SIGHT_SEEN && !w->observed) {
		w->observed = true;
		w->since = w->now;
	}
	rollover_look(r, *sight, remembered, &now);
}

/* A program that is killed before it has written what it saw has not looked; and states get lost.
 */
static void maybe_forget(struct rollover *r, struct world *w, const struct rollover *before,
	const struct world *world_before)
{
	if (draw(10) == 0) {
		*r = *before;
		w->observed = world_before->observed;
		w->since = world_before->since;
		w->told_longest_s = world_before->told_longest_s;
	} else if (draw(40) == 0) {
		*r = (struct rollover){.stage = ROLLOVER_IDLE};
		w->observed = false;
		w->told_longest_s = 0;
	}
}

/* POSH-11: for any sequence of observations. Clocks are set, machines boot, states get lost. */
static void it_never_switches_before_the_public_has_shown_it_for_long_enough(void **state)
{
	(void)state;
	size_t switched = 0;
	for (int life = 0; life < LIVES; life++) {
		struct rollover r = {.stage = ROLLOVER_IDLE};
		struct world w = {.boot = 1, .expires_s = HOUR, .boot_at = -50};
		unsigned times = 1 + (unsigned)draw(2);
		for (int i = 0; i < LOOKS; i++) {
			struct rollover before = r;
			struct rollover_found f = files(OLD, NEW, NULL);
			struct rollover_clock now;
			struct world world_before;
			enum rollover_sight sight;
			w.now += (int64_t)draw(HOUR);
			change(&w);
			world_before = w;
			now = clock_of(&w);
			rollover_meet(&r, &f, &now);
			observe(&w, &r, &sight);
			if (rollover_is_due(&r, sight, times)) {
				assert_true(w.observed && w.shows_next);
				assert_true(w.now - w.since > (int64_t)w.told_longest_s * times);
				switched++;
				break;
			}
			maybe_forget(&r, &w, &before, &world_before);
		}
	}
	assert_true(switched > LIVES / 20); /* and it does happen */
}

/* The same from the other side: where everybody behaves, nobody is left who has never seen it. */
static void when_it_switches_no_cached_copy_lacks_the_next_one(void **state)
{
	(void)state;
	for (int life = 0; life < LIVES; life++) {
		struct rollover r = {.stage = ROLLOVER_IDLE};
		struct world w = {.boot = 1, .expires_s = (uint32_t)(60 + draw(3 * HOUR))};
		int64_t published = (int64_t)draw(6 * HOUR);
		enum rollover_sight sight = SIGHT_UNKNOWN;
		while (!rollover_is_due(&r, sight, 1)) {
			struct rollover_found f = files(OLD, NEW, NULL);
			w.now += 1 + (int64_t)draw(HOUR);
			struct rollover_clock now = clock_of(&w);
			sight = w.now >= published ? SIGHT_SEEN : SIGHT_MISSING;
			rollover_meet(&r, &f, &now);
			rollover_look(&r, sight, w.expires_s, &now);
			assert_true(w.now < published + w.expires_s + 4 * HOUR);
		}
		/* Who fetched one second before it was published has asked anew since. */
		assert_true(published - 1 + (int64_t)w.expires_s < w.now);
	}
}

static void it_never_goes_back(void **state)
{
	(void)state;
	for (int life = 0; life < LIVES; life++) {
		struct rollover r = {.stage = ROLLOVER_IDLE};
		int64_t now = 0;
		bool retired = false;
		for (int i = 0; i < LOOKS; i++) {
			now += (int64_t)draw(2 * HOUR);
			meet(&r, files(NEW, NULL, retired ? NULL : OLD), now);
			assert_int_not_equal(r.stage, ROLLOVER_STAGED);
			enum rollover_sight sight = (enum rollover_sight)draw(3);
			look(&r, sight, (uint32_t)draw(HOUR), now);
			if (r.stage == ROLLOVER_SWITCHED && rollover_is_due(&r, sight, 2)) {
				assert_true(now > rollover_needed_s(&r, 2));
				retired = true;
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_life_goes_by_its_table),
		cmocka_unit_test(what_is_remembered_meets_what_is_there),
		cmocka_unit_test(time_passes_by_the_clock_that_cannot_be_wrong),
		cmocka_unit_test(where_nobody_remembers_nothing_is_waited_for),
		cmocka_unit_test(it_never_switches_before_the_public_has_shown_it_for_long_enough),
		cmocka_unit_test(when_it_switches_no_cached_copy_lacks_the_next_one),
		cmocka_unit_test(it_never_goes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
