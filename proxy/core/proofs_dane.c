/* A domain's DANE records, as DANE-5 has it: SRV of both services, TLSA of all targets, behind
 * their aliases where there are any. Happy path: both SRV answers -> each target's address, which
 * tells an alias -> its TLSA records -> what is known changes at once. Failure modes are answers
 * like others. Who frees: proofs_dane_free(). */
#include "core/proofs_inside.h"

#include "base/mem.h"
#include "core/worker_inside.h"

enum {
	DNS_LEAST_S = 30,  /* DNS-7 */
	DNS_FAILED_S = 30, /* what passes is asked for again soon */
	TAG_SRV = 0,
	TAG_SRV_DIRECT = 1,
	TAG_ADDRESS = 16, /* and the target's number */
	TAG_TLSA = 32,
	TAG_TLSA_ALIAS = 48, /* of the name at the end of a chain of CNAMEs */
};

static bool is_failure(const struct resolve_answer *a)
{
	return a->status == RESOLVE_FAILED || a->status == RESOLVE_TIMEOUT;
}

/* As far as the answers are there. */
static bool shows_signed_zone(const struct resolve_answer *const srv[2])
{
	for (size_t i = 0; i < 2; i++) {
		if (srv[i] && srv[i]->secure && !is_failure(srv[i]))
			return true;
	}
	return false;
}

bool proofs_zone_is_signed(const struct proofs *p)
{
	const struct resolve_answer *const srv[] = {p->srv[0], p->srv[1]};
	return shows_signed_zone(srv);
}

void proofs_dane_clear(struct proofs_dane *d)
{
	for (size_t i = 0; i < d->count; i++)
		mem_free(d->targets[i].tlsa);
	mem_free(d->targets);
	*d = (struct proofs_dane){0};
}

static void forget_srv(struct proofs *p)
{
	for (size_t i = 0; i < 2; i++) {
		mem_free(p->srv[i]);
		p->srv[i] = NULL;
	}
}

void proofs_dane_free(struct proofs *p)
{
	forget_srv(p);
	proofs_dane_clear(&p->dane);
	proofs_dane_clear(&p->coming);
}

static struct err temporary(enum resolve_status status)
{
	return err_make(status == RESOLVE_TIMEOUT ? ERR_DNS_TIMEOUT : ERR_DNS_FAILED);
}

static void dane_done(struct proofs *p)
{
	struct proofs_dane *d = &p->coming;
	uint32_t ttl = d->ttl < DNS_LEAST_S         ? DNS_LEAST_S
		       : d->ttl > PROOFS_DNS_MOST_S ? PROOFS_DNS_MOST_S
						    : d->ttl;
	bool passes = d->partial || d->e.code == ERR_DNS_BOGUS || d->e.code == ERR_DNS_FAILED ||
		      d->e.code == ERR_DNS_TIMEOUT || d->e.code == ERR_DANE_FAILED;
	for (size_t i = 0; i < d->count; i++)
		passes |= d->targets[i].e.code == ERR_DANE_FAILED;
	p->dane_until = worker_wall_s() + (passes ? DNS_FAILED_S : ttl);
	proofs_dane_clear(&p->dane);
	p->dane = *d;
	*d = (struct proofs_dane){0};
	forget_srv(p);
	proofs_arrived(p, PROOFS_DANE);
}

struct err proofs_of_srv(const struct resolve_answer *const srv[2], bool *partial)
{
	const struct resolve_answer *a = srv[0], *b = srv[1];
	if (a->status == RESOLVE_BOGUS || b->status == RESOLVE_BOGUS)
		return err_make(ERR_DNS_BOGUS);
	for (size_t i = 0; i < 2; i++) {
		if (srv[i]->status == RESOLVE_DATA && !srv[i]->secure)
			return err_make(ERR_DANE_INSECURE);
	}
	bool data = a->status == RESOLVE_DATA || b->status == RESOLVE_DATA;
	/* Where one answer shows that the zone is signed, whoever keeps the other away must not
	 * take DANE away with it (RFC 7673 3.4). Where nothing does, a resolver that is down
	 * takes nothing from the other proofs (F11). */
	if (!data && (is_failure(a) || is_failure(b)))
		return shows_signed_zone(srv) ? err_make(ERR_DANE_FAILED)
					      : temporary(is_failure(a) ? a->status : b->status);
	*partial = is_failure(a) || is_failure(b);
	return data ? err_ok() : err_make(ERR_DANE_NONE);
}

static bool has_target(const struct proofs_dane *d, const struct resolve_srv *r)
{
	for (size_t i = 0; i < d->count; i++) {
		if (d->targets[i].port == r->port && domain_eq(&d->targets[i].name, &r->target))
			return true;
	}
	return false;
}

static void take_targets(struct proofs_dane *d, const struct resolve_answer *a, bool direct)
{
	for (size_t i = 0; a->status == RESOLVE_DATA && i < a->srv_count; i++) {
		const struct resolve_srv *r = &a->srv[i];
		if (r->no_service || has_target(d, r))
			continue;
		if (d->count == PROOFS_TARGETS_MAX) {
			d->cut = true;
			return;
		}
		d->targets[d->count++] = (struct proofs_target){.name = r->target,
			.base = r->target,
			.port = r->port,
			.direct_tls = direct,
			.e = err_make(ERR_DANE_NONE)};
	}
}

void proofs_take_targets(struct proofs_dane *d, const struct resolve_answer *const srv[2])
{
	d->targets = mem_alloc(PROOFS_TARGETS_MAX * sizeof *d->targets);
	take_targets(d, srv[0], false);
	take_targets(d, srv[1], true);
}

static void ask_targets(struct proofs *p)
{
	struct proofs_dane *d = &p->coming;
	const struct resolve_answer *const srv[] = {p->srv[0], p->srv[1]};
	proofs_take_targets(d, srv);
	p->questions = (int)d->count;
	for (size_t i = 0; i < d->count; i++)
		ask_addr(p->worker->asker, &d->targets[i].name, AF_INET, p->ticket,
			TAG_ADDRESS + (int)i);
	if (!d->count)
		dane_done(p);
}

static void note_ttl(struct proofs *p, const struct resolve_answer *a)
{
	if (!p->coming.ttl || a->ttl < p->coming.ttl)
		p->coming.ttl = a->ttl;
}

static void on_srv(struct proofs *p, const struct answer *answer)
{
	size_t which = answer->tag == TAG_SRV ? 0 : 1;
	note_ttl(p, &answer->dns);
	mem_free(p->srv[which]);
	p->srv[which] = mem_dup(&answer->dns, sizeof answer->dns);
	if (--p->questions > 0)
		return;
	const struct resolve_answer *const both[] = {p->srv[0], p->srv[1]};
	p->coming.e = proofs_of_srv(both, &p->coming.partial);
	if (err_is(p->coming.e))
		dane_done(p);
	else
		ask_targets(p);
}

static void ask_records(struct proofs *p, size_t i, int tag)
{
	const struct proofs_target *t = &p->coming.targets[i];
	ask_tlsa(p->worker->asker, &t->base, t->port, p->ticket, tag + (int)i);
}

/* DANE-7, RFC 7671 7: the name behind a chain of CNAMEs that is all secure comes first. Either
 * family's question tells the chain. */
static void on_address(struct proofs *p, const struct answer *answer)
{
	size_t i = (size_t)(answer->tag - TAG_ADDRESS);
	const struct resolve_answer *dns = &answer->dns;
	if (i >= p->coming.count)
		return;
	struct proofs_target *t = &p->coming.targets[i];
	bool alias = dns->secure && dns->aliased && domain_is_set(&dns->canonical);
	t->lost = is_failure(dns) || dns->status == RESOLVE_BOGUS;
	if (alias) {
		t->base = dns->canonical;
		note_ttl(p, dns);
	}
	ask_records(p, i, alias ? TAG_TLSA_ALIAS : TAG_TLSA);
}

static void on_tlsa(struct proofs *p, const struct answer *answer)
{
	bool alias = answer->tag >= TAG_TLSA_ALIAS;
	size_t i = (size_t)(answer->tag - (alias ? TAG_TLSA_ALIAS : TAG_TLSA));
	const struct resolve_answer *dns = &answer->dns;
	if (i < p->coming.count) {
		struct proofs_target *t = &p->coming.targets[i];
		t->e = proofs_of_tlsa(answer);
		if (alias && t->e.code == ERR_DANE_NONE) {
			t->base = t->name;
			ask_records(p, i, TAG_TLSA);
			return;
		}
		if (t->lost && t->e.code == ERR_DANE_NONE)
			t->e = err_make(ERR_DANE_FAILED); /* they may be behind an alias */
		t->bogus = dns->status == RESOLVE_BOGUS;
		if (!err_is(t->e))
			t->tlsa = mem_dup(&answer->tlsa, sizeof answer->tlsa);
		note_ttl(p, dns);
	}
	if (--p->questions == 0)
		dane_done(p);
}

struct err proofs_of_tlsa(const struct answer *answer)
{
	switch (answer->dns.status) {
	case RESOLVE_DATA:
		break;
	case RESOLVE_NONE:
		return err_make(ERR_DANE_NONE);
	case RESOLVE_FAILED:
	case RESOLVE_TIMEOUT:
	case RESOLVE_BOGUS:
		return err_make(ERR_DANE_FAILED); /* RFC 7673 3.4 */
	}
	if (!answer->dns.secure)
		return err_make(ERR_DANE_NONE); /* RFC 7673 3.4: as if there were none */
	return answer->tlsa.count ? err_ok() : err_make(ERR_DANE_UNUSABLE);
}

void proofs_dane_answer(struct proofs *p, const struct answer *answer)
{
	if (answer->tag < TAG_ADDRESS)
		on_srv(p, answer);
	else if (answer->tag < TAG_TLSA)
		on_address(p, answer);
	else
		on_tlsa(p, answer);
}

void proofs_dane_start(struct proofs *p)
{
	struct asker *a = p->worker->asker;
	p->questions = 2;
	proofs_dane_clear(&p->coming);
	ask_srv(a, "_xmpp-server._tcp", &p->domain, p->ticket, TAG_SRV);
	ask_srv(a, "_xmpps-server._tcp", &p->domain, p->ticket, TAG_SRV_DIRECT);
}
