#include "tenants/rollover.h"

#include <string.h>

static bool same(const unsigned char a[ROLLOVER_PRINT], const unsigned char b[ROLLOVER_PRINT])
{
	return memcmp(a, b, ROLLOVER_PRINT) == 0;
}

int64_t rollover_elapsed_s(const struct rollover_clock *a, const struct rollover_clock *b)
{
	int64_t seconds = b->wall_s - a->wall_s;
	if (a->boot && a->boot == b->boot)
		seconds = b->boot_s - a->boot_s;
	else if (a->boot && b->boot && b->boot_s < seconds)
		seconds = b->boot_s;
	return seconds > 0 ? seconds : 0;
}

/* from and to may be the rollover's own. */
static void begin(struct rollover *r, enum rollover_stage stage,
	const unsigned char from[ROLLOVER_PRINT], const unsigned char to[ROLLOVER_PRINT],
	const struct rollover_clock *now)
{
	struct rollover fresh = {.stage = stage, .last = *now, .longest_s = r->longest_s};
	memcpy(fresh.from, from, ROLLOVER_PRINT);
	memcpy(fresh.to, to, ROLLOVER_PRINT);
	*r = fresh;
}

static void rest(struct rollover *r)
{
	*r = (struct rollover){.stage = ROLLOVER_IDLE, .longest_s = r->longest_s};
}

/* The files were exchanged, by us or by the operator, whatever we know of it. Where he names the
 * files, what was before now stands where the next one stood. */
static bool was_switched(const struct rollover *r, const struct rollover_found *f)
{
	if (r->stage == ROLLOVER_IDLE || !same(r->to, f->current))
		return false;
	return !f->has_next || same(f->next, r->from);
}

void rollover_meet(
	struct rollover *r, const struct rollover_found *f, const struct rollover_clock *now)
{
	bool before_is_there = f->has_previous || f->has_next;
	if (was_switched(r, f) && before_is_there) {
		if (r->stage == ROLLOVER_STAGED)
			begin(r, ROLLOVER_SWITCHED, r->from, r->to, now);
	} else if (f->has_next) {
		bool goes_on = r->stage == ROLLOVER_STAGED && same(r->to, f->next) &&
			       same(r->from, f->current);
		if (!goes_on)
			begin(r, ROLLOVER_STAGED, f->current, f->next, now);
	} else if (f->has_previous) {
		begin(r, ROLLOVER_SWITCHED, f->previous, f->current, now);
	} else {
		rest(r);
	}
}

static void see(struct rollover *r, const struct rollover_clock *now)
{
	r->counted_s = r->seen ? r->counted_s + rollover_elapsed_s(&r->last, now) : 0;
	r->seen = true;
	r->last = *now;
}

void rollover_look(struct rollover *r, enum rollover_sight sight, uint32_t remembered_s,
	const struct rollover_clock *now)
{
	if (remembered_s > r->longest_s)
		r->longest_s = remembered_s;
	if (r->stage == ROLLOVER_SWITCHED) {
		r->counted_s += rollover_elapsed_s(&r->last, now);
		r->last = *now;
	} else if (r->stage == ROLLOVER_STAGED && sight == SIGHT_SEEN) {
		see(r, now);
	} else if (r->stage == ROLLOVER_STAGED && sight != SIGHT_UNKNOWN) {
		r->seen = false;
		r->counted_s = 0;
	}
}

int64_t rollover_needed_s(const struct rollover *r, unsigned times)
{
	return (int64_t)r->longest_s * times;
}

bool rollover_is_due(const struct rollover *r, enum rollover_sight sight, unsigned times)
{
	bool over = r->counted_s > rollover_needed_s(r, times);
	if (r->stage == ROLLOVER_IDLE || sight == SIGHT_NOBODY)
		return r->stage != ROLLOVER_IDLE;
	return over && (r->stage == ROLLOVER_SWITCHED || (sight == SIGHT_SEEN && r->seen));
}
