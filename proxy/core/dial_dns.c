/* What DNS says about a dial's places. Happy path: both SRV questions -> ordered targets ->
 * addresses of the next target -> its TLSA records, where DNSSEC vouches for all before -> places.
 * Failure modes: DNS says no (final), DNS fails (temporary, DNS-3), a target's DNSSEC is broken
 * (next target). Who frees: the answers in dial_forget_answers; the places in dial_forget_places.
 */
#include "core/dial_inside.h"

#include "base/mem.h"
#include "core/proofs.h"
#include "core/worker_inside.h"

#include <arpa/inet.h>

enum {
	DEFAULT_PORT = 5269,     /* RFC 6120 3.2.2 */
	ADDRESSES_OF_FAMILY = 8, /* DNS-4 */
	TAG_SRV = 1,
	TAG_SRV_DIRECT = 2,
	TAG_A = 3,
	TAG_AAAA = 4,
	TAG_TLSA = 5,
	TAG_TLSA_ALIAS = 6, /* of the name at the end of a chain of CNAMEs */
};

/* ---- targets ---- */

static void on_answer(void *object, const struct answer *answer);

static struct ticket ticket_of(struct dial *d)
{
	if (!d->has_ticket)
		d->ticket = worker_ticket(d->worker, d, on_answer);
	d->has_ticket = true;
	return d->ticket;
}

/* RFC 2782: a lower priority is for when nothing of the higher one can be reached. */
static bool must_wait_for_group(const struct dial *d)
{
	size_t next = d->next_target;
	return dial_running(d) > 0 && next > 0 && next < d->places->srv.count &&
	       d->places->srv.records[next].priority != d->places->srv.records[next - 1].priority;
}

bool dial_ask_next_target(struct dial *d)
{
	if (d->next_target >= d->places->srv.count || d->next_target >= d->candidates_most ||
		d->candidate_count >= d->candidates_most || must_wait_for_group(d))
		return false;
	const struct domain *target = &d->places->srv.records[d->next_target].target;
	d->questions = 2;
	ask_addr(d->worker->asker, target, AF_INET6, ticket_of(d), TAG_AAAA);
	ask_addr(d->worker->asker, target, AF_INET, ticket_of(d), TAG_A);
	return true;
}

/* ---- answers ---- */

void dial_forget_answers(struct dial *d)
{
	for (size_t i = 0; i < 2; i++) {
		mem_free(d->answers[i]);
		d->answers[i] = NULL;
	}
}

static void take_records(struct srv_set *set, const struct resolve_answer *a, bool direct)
{
	if (a->status != RESOLVE_DATA)
		return;
	for (size_t i = 0; i < a->srv_count; i++) {
		const struct resolve_srv *r = &a->srv[i];
		struct srv_record record = {r->priority, r->weight, r->port, direct, r->target};
		if (r->no_service)
			record.target = (struct domain){0};
		srv_add(set, record);
	}
}

static uint32_t random_below(void *arg, uint32_t n)
{
	(void)arg;
	return n == UINT32_MAX ? worker_random() : worker_random() % (n + 1);
}

struct err dial_targets(const struct domain *domain, const struct resolve_answer *const answers[2],
	struct srv_set *out)
{
	struct err main_error = resolve_error(answers[0]->status);
	struct err direct_error = resolve_error(answers[1]->status);
	if (main_error.code == ERR_DNS_BOGUS || direct_error.code == ERR_DNS_BOGUS)
		return err_make(ERR_DNS_BOGUS);
	if (err_is(main_error))
		return main_error; /* DNS-3: temporary, never the fall-back to A */
	/* Room for both: the larger share goes to the name that everybody publishes. */
	take_records(out, answers[1], true);
	if (out->count > SRV_MAX / 2)
		out->count = SRV_MAX / 2;
	take_records(out, answers[0], false);
	switch (srv_judge(out)) {
	case SRV_NO_SERVICE:
		return err_make(ERR_DNS_NO_SERVICE);
	case SRV_USE:
		return err_ok();
	case SRV_FALLBACK:
		break;
	}
	if (err_is(direct_error))
		return direct_error;
	out->count = 1;
	out->records[0] = (struct srv_record){.port = DEFAULT_PORT, .target = *domain};
	return err_ok();
}

static struct err judge_targets(struct dial *d)
{
	const struct resolve_answer *const answers[] = {d->answers[0], d->answers[1]};
	struct err e = dial_targets(&d->domain, answers, &d->places->srv);
	if (!err_is(e) && d->places->srv.count > 1)
		srv_order(&d->places->srv, random_below, NULL);
	return e;
}

static void on_srv(struct dial *d, const struct answer *answer)
{
	size_t which = answer->tag == TAG_SRV ? 0 : 1;
	if (!d->answers[which])
		d->answers[which] = mem_dup(&answer->dns, sizeof answer->dns);
	if (--d->questions > 0)
		return;
	for (size_t i = 0; i < 2; i++) {
		d->secure[i] = d->answers[i]->status == RESOLVE_DATA && d->answers[i]->secure;
		d->ttl[i] = d->answers[i]->ttl;
	}
	struct err bad = judge_targets(d);
	dial_forget_answers(d);
	if (err_is(bad))
		dial_finish(d, bad);
	else
		dial_go_on(d);
}

static void set_port(struct sockaddr_storage *sa, uint16_t port)
{
	if (sa->ss_family == AF_INET)
		((struct sockaddr_in *)sa)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
}

/* ---- targets that DNSSEC vouches for (RFC 7673 3.2 to 3.4) ---- */

static void next_target(struct dial *d)
{
	d->next_target++;
	dial_go_on(d);
}

static struct dial_secured *secured_of(struct dial *d)
{
	return d->places->secured[d->next_target];
}

static bool is_secured(const struct dial *d)
{
	/* Without SRV records there is no DANE (DANE-4): then neither answer is secure. */
	return d->secure[d->places->srv.records[d->next_target].direct_tls] && !d->only_look;
}

static struct dial_secured *make_secured(struct dial *d)
{
	size_t i = d->next_target;
	const struct srv_record *record = &d->places->srv.records[i];
	if (!d->places->secured[i]) {
		d->places->secured[i] = MEM_NEW(struct dial_secured);
		d->places->secured[i]->base = record->target;
		d->places->secured[i]->dane = err_make(ERR_DANE_INSECURE);
		d->places->secured[i]->ttl = d->ttl[record->direct_tls];
	}
	return d->places->secured[i];
}

static void ask_for_tlsa(struct dial *d, int tag)
{
	d->questions = 1;
	ask_tlsa(d->worker->asker, &secured_of(d)->base,
		d->places->srv.records[d->next_target].port, ticket_of(d), tag);
}

/* All addresses of a target with secure SRV records are there. */
static void held_complete(struct dial *d)
{
	struct dial_places *p = d->places;
	struct dial_secured *s = make_secured(d);
	if (p->held_bogus) { /* RFC 7673 3.2: not even those of the other family */
		dial_drop_held(d);
		d->last = err_make(ERR_DNS_BOGUS);
		next_target(d);
	} else if (p->held_count && p->held_secure && d->worker->gate->proofs_dane) {
		ask_for_tlsa(d, domain_eq(&s->base, &p->srv.records[d->next_target].target)
					? TAG_TLSA
					: TAG_TLSA_ALIAS);
	} else {
		dial_take_held(d);
		next_target(d);
	}
}

static void hold(struct dial *d, const struct resolve_answer *a)
{
	struct dial_secured *s = make_secured(d);
	d->places->held_bogus |= a->status == RESOLVE_BOGUS;
	if (a->status != RESOLVE_DATA || !a->secure)
		return;
	d->places->held_secure = true;
	/* DANE-7, RFC 7671 7: the whole chain of CNAMEs is secure: the name at its end first. */
	if (a->aliased && domain_is_set(&a->canonical))
		s->base = a->canonical;
	if (a->ttl < s->ttl)
		s->ttl = a->ttl;
}

static void on_tlsa(struct dial *d, const struct answer *answer)
{
	struct dial_secured *s = secured_of(d);
	s->dane = proofs_of_tlsa(answer);
	if (s->dane.code == ERR_DANE_NONE && answer->tag == TAG_TLSA_ALIAS) {
		s->base = d->places->srv.records[d->next_target].target;
		ask_for_tlsa(d, TAG_TLSA);
		return;
	}
	d->questions = 0;
	if (answer->dns.ttl < s->ttl)
		s->ttl = answer->dns.ttl;
	if (s->dane.code == ERR_DANE_FAILED) { /* RFC 7673 3.4: MUST NOT connect */
		dial_drop_held(d);
		d->last = s->dane;
	} else {
		s->tlsa = answer->tlsa;
		dial_take_held(d);
	}
	next_target(d);
}

static void on_addresses(struct dial *d, const struct resolve_answer *answer)
{
	const struct srv_record *target = &d->places->srv.records[d->next_target];
	struct err bad = resolve_error(answer->status);
	bool secured = is_secured(d);
	if (err_is(bad))
		d->last = bad;
	if (secured)
		hold(d, answer);
	for (size_t i = 0;
		answer->status == RESOLVE_DATA && i < answer->addr_count && i < ADDRESSES_OF_FAMILY;
		i++) {
		struct sockaddr_storage addr = answer->addr[i];
		set_port(&addr, target->port);
		if (secured)
			dial_hold_place(d, &addr);
		else
			dial_add_place(d, &addr, target->direct_tls);
	}
	d->questions--;
	if (secured && d->questions == 0)
		held_complete(d);
	else if (d->questions == 0)
		next_target(d);
	else
		dial_go_on(d);
}

static void on_answer(void *object, const struct answer *answer)
{
	struct dial *d = object;
	if (answer->tag == TAG_SRV || answer->tag == TAG_SRV_DIRECT)
		on_srv(d, answer);
	else if (answer->tag == TAG_TLSA || answer->tag == TAG_TLSA_ALIAS)
		on_tlsa(d, answer);
	else
		on_addresses(d, &answer->dns);
}

void dial_ask_services(struct dial *d, const struct domain *domain)
{
	d->domain = *domain;
	if (!gate_looks_up(d->worker->gate, domain)) { /* B08 */
		d->last = err_make(ERR_DNS_SPECIAL);
		dial_go_on_later(d);
		return;
	}
	d->questions = 2;
	ask_srv(d->worker->asker, "_xmpps-server._tcp", domain, ticket_of(d), TAG_SRV_DIRECT);
	ask_srv(d->worker->asker, "_xmpp-server._tcp", domain, ticket_of(d), TAG_SRV);
}
