#include "core/renewal.h"

/* What is told of the same document twice may differ by the rounding of a clock. */
enum { SAME_S = 2 };

static int64_t earlier(int64_t a, int64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

static bool is_same(const struct renewal *r, const struct renewal_proof *p)
{
	return r->by == p->by && p->until - r->until <= SAME_S && r->until - p->until <= SAME_S;
}

/* The last quarter, an hour at most. */
int64_t renewal_early(int64_t until, int64_t now)
{
	int64_t part = (until - now) / RENEWAL_EARLY_PART;
	return until - (part < RENEWAL_EARLY_MOST_S ? part : RENEWAL_EARLY_MOST_S);
}

static unsigned next_pause(struct renewal *r)
{
	unsigned pause = r->pause_s;
	r->pause_s = pause < RENEWAL_MOST_S / 2 ? 2 * pause : RENEWAL_MOST_S;
	return pause;
}

/* Looked early, and there was nothing new: again after a pause, and more often towards the end. */
static int64_t try_again(struct renewal *r, int64_t now)
{
	int64_t half = (r->until - now) / 2, pause = next_pause(r);
	return now + (half < 1 ? 1 : half < pause ? half : pause);
}

void renewal_proven(struct renewal *r, const struct renewal_proof *p, int64_t now)
{
	r->since = 0;
	if (!is_same(r, p)) {
		*r = (struct renewal){.by = p->by, .until = p->until, .pause_s = RENEWAL_FIRST_S};
		r->early = p->by == PROOF_POSH && p->until ? renewal_early(p->until, now) : 0;
	}
	r->due = p->again;
	if (r->early)
		r->due = earlier(r->due, now < r->early ? r->early : try_again(r, now));
}

bool renewal_is_due(const struct renewal *r, int64_t now)
{
	return r->due && now > r->due;
}

bool renewal_is_over(const struct renewal *r, int64_t now)
{
	return r->by != PROOF_DANE && r->until && now > r->until;
}

/* When what cannot be renewed is believed no more. */
static int64_t end_of(const struct renewal *r)
{
	int64_t end = r->since + RENEWAL_GRACE_S;
	if (r->by == PROOF_DANE || !r->until)
		return end;
	return r->by == PROOF_POSH || r->until < end ? r->until : end;
}

bool renewal_put_off(struct renewal *r, int64_t now)
{
	/* F04: a clock that leaps back starts the grace anew, once. */
	if (!r->since || now < r->since) {
		r->since = now;
		r->pause_s = RENEWAL_FIRST_S;
	}
	if (now >= end_of(r))
		return false;
	r->due = earlier(now + next_pause(r), end_of(r));
	return true;
}

int64_t renewal_left(const struct renewal *r, int64_t now)
{
	return end_of(r) - now;
}

int64_t renewal_of_dns(uint32_t ttl, int64_t now)
{
	return now + (ttl > RENEWAL_DNS_LEAST_S ? ttl : RENEWAL_DNS_LEAST_S);
}
