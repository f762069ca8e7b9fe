/* From what was shown and what is known to evidence, kind by kind. Pure but for the authorities,
 * which are read when they are first needed. */
#include "core/assess_inside.h"

#include "base/b64.h"
#include "core/renewal.h"
#include "core/worker_inside.h"

#include <stdio.h>
#include <string.h>

static void say(struct evidence *e, const char *words)
{
	snprintf(e->detail, sizeof e->detail, "%.*s", EVIDENCE_DETAIL_MAX, words);
}

static void set(struct evidence *e, enum evidence_outcome outcome, struct err why)
{
	e->outcome = outcome;
	e->why = why;
}

static int64_t earlier(int64_t a, int64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

/* ---- PKIX ---- */

/* How the two sets of authorities are used: the tenant's own with milder rules; ID-7: the stricter
 * ones for public authorities; ID-9: SRV-ID from them by permission. */
struct sides {
	const struct cert_set *sets[2];
	struct cert_rules rules[2];
};

static struct sides sides_of(const struct assess_question *q)
{
	return (struct sides){
		.sets = {q->worker ? assess_tenant_cas(q->worker, q->tenant) : q->cas[0],
			q->worker ? assess_gate_cas(q->worker) : q->cas[1]},
		.rules = {{.require_eku = false, .allow_other_names = true},
			{.require_eku = true, .allow_other_names = q->tenant->other_names}},
	};
}

/* DANE-3, RFC 7673 4.1: with a secure SRV record its target is a second reference identifier. */
static const struct domain *second_name(const struct assess_question *q)
{
	return q->reached && domain_is_set(&q->reached->target) ? &q->reached->target : NULL;
}

/* One set's word on the chain and the name together. */
static struct err judge(const struct assess_question *q, const struct cert_set *set,
	const struct cert_rules *rules, struct evidence *out)
{
	struct cert_facts facts = {0};
	int64_t now = worker_wall_s(), not_after = 0;
	const struct domain *second = second_name(q);
	struct err e = cert_judge(q->chain, q->count, set, rules, now, &facts, &not_after);
	if (err_is(e))
		return e;
	if (identity_matches(&facts, q->domain, rules->allow_other_names, NULL)) {
		out->not_after = not_after;
	} else if (second && identity_matches(&facts, second, rules->allow_other_names, NULL)) {
		out->secure = true;
		out->not_after = earlier(not_after, renewal_of_dns(q->reached->ttl, now));
		say(out, second->name);
	} else {
		/* "Not even so much as an error message is logged" must never be true of us. */
		identity_describe(&facts, out->detail, sizeof out->detail);
		return err_make(ERR_CERT_NAME);
	}
	return err_ok();
}

static void pkix(const struct assess_question *q, struct evidence *out)
{
	struct err word = err_make(ERR_CERT_UNTRUSTED);
	struct sides s = sides_of(q);
	for (size_t i = 0; i < 2; i++) {
		if (!s.sets[i])
			continue;
		struct err e = judge(q, s.sets[i], &s.rules[i], out);
		if (word.code == ERR_CERT_UNTRUSTED || !err_is(e))
			word = e;
		if (!err_is(e))
			break;
	}
	set(out, err_is(word) ? EVIDENCE_FAILS : EVIDENCE_PROVES, word);
}

/* ---- DANE ---- */

static struct tlsa_question tlsa_question(
	const struct assess_question *q, const struct sides *s, const struct domain *base)
{
	struct tlsa_question t = {.chain = q->chain, .count = q->count, .now = worker_wall_s()};
	t.names[0] = *q->domain;
	t.names[1] = *base;
	for (size_t i = 0; i < 2; i++) {
		t.sets[i] = s->sets[i];
		t.rules[i] = s->rules[i];
	}
	return t;
}

static void dane_proves(struct evidence *out, const struct tlsa_match *m, uint32_t ttl)
{
	char record[40];
	set(out, EVIDENCE_PROVES, err_ok());
	tlsa_describe(&m->record, record, sizeof record);
	snprintf(out->detail, sizeof out->detail, "match %.5s", record);
	/* DANE-9: DANE-EE knows no expiry, so it is the records that run out. */
	out->not_after = earlier(m->not_after, renewal_of_dns(ttl, worker_wall_s()));
}

/* What is no DANE at all, and why (DANE-10). */
static void no_dane(struct evidence *out, struct err why)
{
	set(out, EVIDENCE_NONE, why);
	say(out, why.code == ERR_DANE_INSECURE   ? "insecure"
		 : why.code == ERR_DANE_UNUSABLE ? "unusable"
						 : "none");
}

/* Nobody can tell whether there are records: the other proofs count, for a while. */
static void dane_unknown(struct evidence *out, struct err why)
{
	set(out, EVIDENCE_FAILS, why);
	say(out, "failed");
	out->not_after = worker_wall_s() + RENEWAL_MOST_S;
}

/* RFC 7673 4: the endpoint that we reached. */
static void dane_reached(const struct assess_question *q, struct evidence *out)
{
	const struct dial_endpoint *r = q->reached;
	out->secure = domain_is_set(&r->target);
	if (err_is(r->dane)) {
		if (r->dane.code == ERR_DANE_FAILED || r->dane.code == ERR_DNS_BOGUS) {
			set(out, EVIDENCE_FORBIDS, r->dane);
			say(out, r->dane.code == ERR_DNS_BOGUS ? "bogus" : "failed");
		} else if (r->dane.code == ERR_DNS_FAILED || r->dane.code == ERR_DNS_TIMEOUT) {
			dane_unknown(out, r->dane);
		} else {
			no_dane(out, r->dane);
		}
		return;
	}
	struct sides s = sides_of(q);
	struct tlsa_question t = tlsa_question(q, &s, &r->base);
	struct tlsa_match m = tlsa_judge(r->tlsa, &t);
	if (!err_is(m.e)) {
		dane_proves(out, &m, r->ttl);
	} else if (m.e.code == ERR_DANE_UNUSABLE || m.e.code == ERR_DANE_NONE) {
		no_dane(out, m.e);
	} else { /* DANE-1, RFC 6698 4.1 */
		set(out, EVIDENCE_FORBIDS, err_make(ERR_DANE_MISMATCH));
		say(out, "mismatch");
	}
}

/* DANE-5: any of the targets' records may match; those of one that could not be had might. */
static void dane_of_targets(
	const struct assess_question *q, const struct proofs_dane *d, struct evidence *out)
{
	struct sides s = sides_of(q);
	bool mismatch = false, unknown = d->partial, unusable = false, bogus = false;
	for (size_t i = 0; i < d->count; i++) {
		const struct proofs_target *at = &d->targets[i];
		unknown |= at->e.code == ERR_DANE_FAILED;
		bogus |= at->bogus;
		unusable |= at->e.code == ERR_DANE_UNUSABLE;
		if (err_is(at->e))
			continue;
		struct tlsa_question t = tlsa_question(q, &s, &at->base);
		t.only_3_and_2 = true;
		struct tlsa_match m = tlsa_judge(at->tlsa, &t);
		if (!err_is(m.e)) {
			dane_proves(out, &m, d->ttl);
			return;
		}
		mismatch |= m.e.code == ERR_DANE_MISMATCH;
		unusable |= m.e.code == ERR_DANE_UNUSABLE;
	}
	if (unknown) { /* RFC 7673 3.4 */
		set(out, EVIDENCE_FORBIDS, err_make(bogus ? ERR_DNS_BOGUS : ERR_DANE_FAILED));
		say(out, bogus ? "bogus" : "failed");
	} else if (mismatch && !d->cut) {
		set(out, EVIDENCE_FORBIDS, err_make(ERR_DANE_MISMATCH));
		say(out, "mismatch");
	} else if (mismatch) {
		set(out, EVIDENCE_FAILS, err_make(ERR_LIMIT));
		say(out, "mismatch, but there are more targets");
	} else {
		no_dane(out, err_make(unusable ? ERR_DANE_UNUSABLE : ERR_DANE_NONE));
	}
}

static void dane_published(const struct assess_question *q, struct evidence *out)
{
	const struct proofs_dane *d = q->published.dane;
	if (!d) {
		out->outcome = EVIDENCE_PENDING;
		out->secure = q->published.dane_owed;
		return;
	}
	switch (d->e.code) {
	case ERR_OK:
		out->secure = true;
		dane_of_targets(q, d, out);
		break;
	case ERR_DNS_BOGUS:
		set(out, EVIDENCE_FORBIDS, d->e);
		say(out, "bogus");
		break;
	case ERR_DANE_FAILED:
		out->secure = true;
		set(out, EVIDENCE_FORBIDS, d->e);
		say(out, "failed");
		break;
	case ERR_DNS_FAILED:
	case ERR_DNS_TIMEOUT:
		dane_unknown(out, d->e);
		break;
	default:
		no_dane(out, d->e);
		break;
	}
}

/* ---- POSH ---- */

static void posh(const struct assess_question *q, struct evidence *out)
{
	const struct posh_found *f = q->published.posh;
	int64_t leaf_ends = 0;
	if (!f) {
		out->outcome = EVIDENCE_PENDING;
		return;
	}
	say(out, f->url);
	if (err_is(f->e)) {
		/* POSH-3: none, or what passes; neither is a mismatch. */
		set(out, f->e.code == ERR_POSH_NONE ? EVIDENCE_NONE : EVIDENCE_FAILS, f->e);
		return;
	}
	struct err e = posh_judge(&f->document, q->chain, q->count, worker_wall_s(), &leaf_ends);
	set(out, err_is(e) ? EVIDENCE_FAILS : EVIDENCE_PROVES, e); /* POSH-4 */
	out->not_after = err_is(e) ? 0 : earlier(f->not_after, leaf_ends);
}

/* ---- a key that the operator has written down ---- */

static void pin(const struct assess_question *q, struct evidence *out)
{
	struct cert_facts facts;
	const struct pin_list *pins = &q->tenant->pins;
	if (!pin_list_names(pins, q->domain))
		return;
	if (err_is(cert_read(q->chain[0], &facts)))
		memset(&facts, 0, sizeof facts);
	int64_t now = worker_wall_s();
	if (!pin_list_has(pins, q->domain, facts.spki_sha256)) {
		set(out, EVIDENCE_FORBIDS, err_make(ERR_PIN_MISMATCH));
	} else if (now > facts.not_after || now < facts.not_before) {
		set(out, EVIDENCE_FAILS, /* C27 */
			err_make(now > facts.not_after ? ERR_CERT_EXPIRED : ERR_CERT_NOT_YET));
	} else {
		set(out, EVIDENCE_PROVES, err_ok());
		out->not_after = facts.not_after;
	}
}

/* ---- all ---- */

void assess_evidence(const struct assess_question *q, struct policy_case *out)
{
	*out = (struct policy_case){.tls = q->tls};
	out->of[PROOF_ASKED].outcome = q->by_asking;
	if (!q->count) {
		if (q->tls)
			out->of[PROOF_PKIX].why = err_make(ERR_CERT_NONE);
		/* An endpoint with TLSA records must show a certificate (RFC 7673 4.2), as must
		 * one with a key that is written down. */
		if (q->reached && !err_is(q->reached->dane))
			set(&out->of[PROOF_DANE], EVIDENCE_FORBIDS, err_make(ERR_DANE_MISMATCH));
		if (q->reached && pin_list_names(&q->tenant->pins, q->domain))
			set(&out->of[PROOF_PIN], EVIDENCE_FORBIDS, err_make(ERR_PIN_MISMATCH));
		return;
	}
	if (q->pkix)
		out->of[PROOF_PKIX] = *q->pkix;
	else
		pkix(q, &out->of[PROOF_PKIX]);
	if (q->reached)
		dane_reached(q, &out->of[PROOF_DANE]);
	else if (q->asked & PROOFS_DANE)
		dane_published(q, &out->of[PROOF_DANE]);
	if (q->asked & PROOFS_POSH)
		posh(q, &out->of[PROOF_POSH]);
	pin(q, &out->of[PROOF_PIN]);
}

/* ---- what it came to ---- */

static const char *dnssec_word(const struct evidence *dane)
{
	if (dane->secure)
		return "secure";
	switch (dane->why.code) {
	case ERR_DNS_BOGUS:
		return "bogus";
	case ERR_DNS_FAILED:
	case ERR_DNS_TIMEOUT:
		return "failed";
	case ERR_DANE_INSECURE:
	case ERR_DANE_NONE:
		return "insecure";
	default:
		return NULL;
	}
}

static void list_what_does_not(const struct policy_verdict *v, char *out, size_t size)
{
	size_t len = 0;
	for (size_t i = 0; i < v->reason_count; i++) {
		const struct policy_reason *r = &v->reasons[i];
		if (r->outcome == EVIDENCE_PROVES || !err_is(r->why) || len >= size)
			continue;
		int n = snprintf(out + len, size - len, "%s%s:%s", len ? " " : "",
			proof_kind_name(r->kind), err_row(r->why.code)->id);
		len += n > 0 ? (size_t)n : 0;
	}
}

struct assessment assess_outcome(const struct assess_question *q, const struct policy_case *c,
	const struct policy_verdict *v)
{
	struct cert_facts facts;
	const struct evidence *word = &c->of[PROOF_PKIX];
	struct assessment out = {.level = v->level,
		.by = v->by,
		.proven = v->level == LEVEL_TRUSTED,
		.rests = {.by = v->by, .again = v->judge_again},
		.certificate = word->outcome == EVIDENCE_PROVES ? err_ok() : word->why,
		.dnssec = dnssec_word(&c->of[PROOF_DANE])};
	if (v->by < PROOF_KINDS)
		out.rests.until = c->of[v->by].not_after;
	if (q->count && !err_is(cert_read(q->chain[0], &facts)))
		hex_encode(facts.sha256, 8, out.leaf);
	snprintf(out.dane, sizeof out.dane, "%.47s", c->of[PROOF_DANE].detail);
	snprintf(out.posh, sizeof out.posh, "%s", c->of[PROOF_POSH].detail);
	if (word->why.code == ERR_CERT_NAME)
		snprintf(out.names, sizeof out.names, "%s", word->detail);
	list_what_does_not(v, out.evidence, sizeof out.evidence);
	return out;
}

static enum err_code given_up_for(enum proof_kind k, enum err_code why)
{
	if (why != ERR_LIMIT)
		return why;
	return k == PROOF_POSH ? ERR_POSH_BUSY : ERR_DNS_FAILED;
}

void assess_give_up(struct policy_case *c, enum err_code why)
{
	policy_give_up_waiting(c);
	for (unsigned k = 0; k < PROOF_KINDS; k++) {
		if (c->of[k].why.code != ERR_PROOF_LATE)
			continue;
		c->of[k].why = err_make(given_up_for((enum proof_kind)k, why));
		if (k == PROOF_DANE)
			c->of[k].not_after = worker_wall_s() + RENEWAL_MOST_S;
	}
}

/* Bogus is not among them: like a mismatch it says no, and not that nobody answered. */
static bool code_passes(enum err_code code)
{
	switch (code) {
	case ERR_DNS_FAILED:
	case ERR_DNS_TIMEOUT:
	case ERR_DANE_FAILED:
	case ERR_POSH_FETCH:
	case ERR_POSH_TIMEOUT:
	case ERR_POSH_TLS:
	case ERR_POSH_BUSY:
	case ERR_POSH_BLOCKED:
	case ERR_POSH_REDIRECT:
	case ERR_POSH_SIZE:
	case ERR_POSH_PARSE:
	case ERR_PROOF_LATE:
	case ERR_BUDGET:
	case ERR_SCOUT_LOST:
		return true;
	default:
		return false;
	}
}

/* RFC 7711 6, POSH-5: no web server that does not answer makes an expired certificate valid;
 * DANE-EE alone knows no dates. */
static bool is_expired(const struct assess_question *q)
{
	struct cert_facts facts;
	return !q->count || err_is(cert_read(q->chain[0], &facts)) ||
	       worker_wall_s() > facts.not_after;
}

bool assess_passes(const struct assess_question *q, const struct policy_case *c,
	const struct policy_verdict *v, enum proof_kind rested_on)
{
	if (rested_on >= PROOF_ASKED || (rested_on != PROOF_DANE && is_expired(q)))
		return false;
	for (unsigned k = 0; k < PROOF_ASKED; k++) {
		bool forbids = c->of[k].outcome == EVIDENCE_FORBIDS;
		if (forbids && !code_passes(c->of[k].why.code))
			return false;
	}
	/* The address of a web server is no evidence: bogus, it is one more way not to get there.
	 */
	bool posh = rested_on == PROOF_POSH && c->of[PROOF_POSH].why.code == ERR_DNS_BOGUS;
	return posh || code_passes(v->why.code) || code_passes(c->of[rested_on].why.code);
}

struct err assess_over(
	const struct policy_case *c, const struct policy_verdict *v, enum proof_kind rested_on)
{
	if (c->of[PROOF_DANE].outcome == EVIDENCE_FORBIDS ||
		c->of[PROOF_PIN].outcome == EVIDENCE_FORBIDS)
		return v->why;
	if (rested_on == PROOF_PKIX && c->of[PROOF_PKIX].why.code == ERR_CERT_EXPIRED)
		return err_make(ERR_CERT_RENEW);
	return rested_on == PROOF_DANE || rested_on == PROOF_POSH ? err_make(ERR_PROOF_OVER)
								  : v->why;
}

void assess_weigh(const struct assess_question *q, enum level floor, enum proof_kind rested_on,
	enum err_code late, struct weighed *out)
{
	assess_evidence(q, &out->c);
	if (late != ERR_OK)
		assess_give_up(&out->c, late);
	policy_decide(&out->c, floor, worker_wall_s(), &out->v);
	out->outcome = assess_outcome(q, &out->c, &out->v);
	out->passes = assess_passes(q, &out->c, &out->v, rested_on);
}
