#include "core/renewal.h"

void renewal_proven(struct renewal *r, int64_t until)
{
	*r = (struct renewal){.due = until};
}

bool renewal_is_due(const struct renewal *r, int64_t now)
{
	return r->due && now > r->due;
}

bool renewal_put_off(struct renewal *r, int64_t now)
{
	/* F04: a clock that leaps back starts the grace anew, once. */
	if (!r->since || now < r->since)
		*r = (struct renewal){.since = now, .pause_s = RENEWAL_FIRST_S};
	if (now - r->since >= RENEWAL_GRACE_S)
		return false;
	int64_t end = r->since + RENEWAL_GRACE_S;
	r->due = now + r->pause_s < end ? now + r->pause_s : end;
	r->pause_s = r->pause_s < RENEWAL_MOST_S / 2 ? 2 * r->pause_s : RENEWAL_MOST_S;
	return true;
}

int64_t renewal_of_dns(uint32_t ttl, int64_t now)
{
	return now + (ttl > RENEWAL_DNS_LEAST_S ? ttl : RENEWAL_DNS_LEAST_S);
}
