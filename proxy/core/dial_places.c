/* The places that a dial may try. Happy path: an address that DNS gave is added, and handed out in
 * its turn. Failure modes: it leads to ourselves or into a private network: it is left out, and the
 * dial knows why; there are more than it may try: the rest is left out; its target's TLSA records
 * are not to be had: it waits for them in vain. Who frees: dial_stop. */
#include "core/dial_inside.h"

#include "base/mem.h"
#include "core/worker_inside.h"
#include "net/address.h"
#include "tenants/value.h"

#include <arpa/inet.h>
#include <string.h>

static bool address_allowed(const struct dial *d, const struct sockaddr_storage *addr)
{
	/* DNS-10, DB-15: checked after resolution, and it is this address that is dialled. */
	return address_is_public(addr) || network_list_has(&d->worker->gate->allow_private, addr);
}

static uint16_t port_of(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)sa)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)sa)->sin6_port);
}

static bool is_wildcard(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET)
		return ((const struct sockaddr_in *)sa)->sin_addr.s_addr == htonl(INADDR_ANY);
	return memcmp(&((const struct sockaddr_in6 *)sa)->sin6_addr, &in6addr_any, 16) == 0;
}

/* Whether the endpoint is one of our own listeners for peers (DNS-8, ADR-8). */
static bool is_ours(const struct worker *w, const struct sockaddr_storage *addr)
{
	for (size_t i = 0; i < w->gate->listen.count; i++) {
		const struct sockaddr_storage *own = &w->gate->listen.items[i].sa;
		if (port_of(own) != port_of(addr))
			continue;
		if (is_wildcard(own) ? worker_has_address(w, addr) : address_same_host(own, addr))
			return true;
	}
	return false;
}

void dial_add_place(struct dial *d, const struct sockaddr_storage *addr, bool direct_tls)
{
	if (is_ours(d->worker, addr)) {
		d->points_here = true;
		d->last = err_make(ERR_DNS_LOOP);
		return;
	}
	if (!address_allowed(d, addr)) {
		d->last = err_make(ERR_ADDRESS_BLOCKED);
		return;
	}
	if (d->candidate_count < d->candidates_most)
		d->places->candidates[d->candidate_count++] = (struct dial_candidate){
			.addr = *addr, .direct_tls = direct_tls, .target = (uint8_t)d->next_target};
}

void dial_hold_place(struct dial *d, const struct sockaddr_storage *addr)
{
	struct dial_places *p = d->places;
	if (p->held_count < sizeof p->held / sizeof *p->held)
		p->held[p->held_count++] = *addr;
}

void dial_drop_held(struct dial *d)
{
	d->places->held_count = 0;
	d->places->held_secure = d->places->held_bogus = false;
}

void dial_take_held(struct dial *d)
{
	struct dial_places *p = d->places;
	for (size_t i = 0; i < p->held_count; i++)
		dial_add_place(d, &p->held[i], p->srv.records[d->next_target].direct_tls);
	dial_drop_held(d);
}

void dial_skip_target(struct dial *d)
{
	if (!d->active || !d->handed)
		return;
	size_t target = d->places->candidates[d->handed_candidate].target;
	for (size_t i = 0; i < d->candidate_count; i++) {
		if (d->places->candidates[i].target == target)
			d->places->candidates[i].tried = true;
	}
}

struct dial_endpoint dial_endpoint(const struct dial *d)
{
	struct dial_endpoint out = {.dane = err_make(ERR_DANE_INSECURE)};
	if (!d->active || !d->handed)
		return out;
	const struct dial_candidate *c = &d->places->candidates[d->handed_candidate];
	const struct dial_secured *s = d->places->secured[c->target];
	out.direct_tls = c->direct_tls;
	out.port = port_of(&c->addr);
	if (!s)
		return out;
	out.target = d->places->srv.records[c->target].target;
	out.base = s->base;
	out.dane = s->dane;
	out.tlsa = err_is(s->dane) ? NULL : &s->tlsa;
	out.ttl = s->ttl;
	return out;
}

void dial_forget_places(struct dial *d)
{
	for (size_t i = 0; d->places && i < SRV_MAX; i++)
		mem_free(d->places->secured[i]);
	mem_free(d->places);
	d->places = NULL;
}

size_t dial_next_place(const struct dial *d)
{
	size_t first = d->candidate_count;
	for (size_t i = d->candidate_count; i-- > 0;) {
		if (!d->places->candidates[i].tried)
			first = i;
	}
	for (size_t i = first; i < d->candidate_count; i++) {
		const struct dial_candidate *c = &d->places->candidates[i];
		if (!c->tried && c->addr.ss_family != d->last_family)
			return i;
	}
	return first;
}
