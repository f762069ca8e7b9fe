#include "xmpp/srv.h"

void srv_add(struct srv_set *set, struct srv_record record)
{
	if (set->count == SRV_MAX)
		set->dropped++;
	else
		set->records[set->count++] = record;
}

static void drop_at(struct srv_set *set, size_t i)
{
	for (; i + 1 < set->count; i++)
		set->records[i] = set->records[i + 1];
	set->count--;
}

static size_t count_starttls(const struct srv_set *set)
{
	size_t n = 0;
	for (size_t i = 0; i < set->count; i++)
		n += !set->records[i].direct_tls;
	return n;
}

enum srv_outcome srv_judge(struct srv_set *set)
{
	bool any = set->count > 0, refused = false;
	for (size_t i = set->count; i-- > 0;) {
		if (domain_is_set(&set->records[i].target))
			continue;
		/* RFC 6120 3.2.1 rule 3: "." as the only _xmpp-server record ends it; XEP-0368 5:
		 * as _xmpps-server it only says that there is no direct TLS. */
		refused |= !set->records[i].direct_tls;
		drop_at(set, i);
	}
	if (refused && count_starttls(set) == 0)
		return SRV_NO_SERVICE;
	if (set->count)
		return SRV_USE;
	return any ? SRV_NO_SERVICE : SRV_FALLBACK;
}

static void swap(struct srv_set *set, size_t a, size_t b)
{
	struct srv_record r = set->records[a];
	set->records[a] = set->records[b];
	set->records[b] = r;
}

/* Moves record `from` down to place `to`, keeping the order of those between. */
static void move_down(struct srv_set *set, size_t from, size_t to)
{
	for (; from > to; from--)
		swap(set, from, from - 1);
}

/* RFC 2782: by priority; within one, records of weight 0 stand first before the choice. */
static bool stands_before(const struct srv_record *a, const struct srv_record *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority;
	return a->weight == 0 && b->weight != 0;
}

static void sort_groups(struct srv_set *set)
{
	for (size_t i = 1; i < set->count; i++) {
		size_t to = i;
		while (to > 0 && stands_before(&set->records[i], &set->records[to - 1]))
			to--;
		move_down(set, i, to);
	}
}

/* Chooses the next of records [at, end): the first whose running sum reaches the random number. */
static size_t choose(const struct srv_set *set, size_t at, size_t end,
	uint32_t (*random_below)(void *arg, uint32_t n), void *arg)
{
	uint32_t sum = 0, running = 0;
	for (size_t i = at; i < end; i++)
		sum += set->records[i].weight;
	uint32_t number = random_below(arg, sum);
	for (size_t i = at; i < end; i++) {
		running += set->records[i].weight;
		if (running >= number)
			return i;
	}
	return end - 1;
}

void srv_order(struct srv_set *set, uint32_t (*random_below)(void *arg, uint32_t n), void *arg)
{
	sort_groups(set);
	for (size_t at = 0; at < set->count;) {
		size_t end = at;
		while (end < set->count && set->records[end].priority == set->records[at].priority)
			end++;
		for (; at < end; at++)
			move_down(set, choose(set, at, end, random_below, arg), at);
	}
}
