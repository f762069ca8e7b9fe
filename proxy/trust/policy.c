/* Evidence + floor + now -> verdict. All of it is a function of its arguments: no order of arrival
 * and no history, so that the last word is the same however the proofs came in. */
#include "trust/policy.h"

static const char *const kind_names[] = {"dane", "pkix", "posh", "pin", "dialback"};

/* DNA-3, M-3: only these can take back what another proof gave. */
static bool can_forbid(enum proof_kind k)
{
	return k == PROOF_DANE || k == PROOF_PIN;
}

const char *proof_kind_name(enum proof_kind k)
{
	return k < PROOF_KINDS ? kind_names[k] : "none";
}

/* What a proof of this kind is worth here (M-3, DB-13). Without TLS no certificate was seen. */
static enum level worth(enum proof_kind k, bool tls)
{
	if (k == PROOF_ASKED)
		return tls ? LEVEL_SECURE : LEVEL_VERIFIED;
	return tls ? LEVEL_TRUSTED : LEVEL_NONE;
}

static bool is_over(const struct evidence *e, int64_t now)
{
	return e->not_after && now > e->not_after;
}

/* The evidence as it counts now. */
static struct policy_reason reading(const struct policy_case *c, enum proof_kind k, int64_t now)
{
	const struct evidence *e = &c->of[k];
	struct policy_reason r = {k, e->outcome, e->why};
	if (e->outcome != EVIDENCE_PROVES)
		return r;
	r.why = err_ok();
	if (is_over(e, now)) {
		r.outcome = EVIDENCE_FAILS;
		r.why = err_make(ERR_PROOF_OVER);
	}
	return r;
}

/* Once through all kinds. */
struct tally {
	enum level level;
	enum proof_kind best;    /* PROOF_KINDS: none */
	enum proof_kind forbids; /* the first; PROOF_KINDS: none */
	unsigned pending, vetoes_pending;
	struct policy_reason of[PROOF_KINDS];
};

static void count(struct tally *t, const struct policy_reason *r, bool tls)
{
	switch (r->outcome) {
	case EVIDENCE_PROVES:
		if (worth(r->kind, tls) > t->level) {
			t->level = worth(r->kind, tls);
			t->best = r->kind;
		}
		break;
	case EVIDENCE_PENDING:
		t->pending |= 1u << r->kind;
		if (can_forbid(r->kind))
			t->vetoes_pending |= 1u << r->kind;
		break;
	case EVIDENCE_FORBIDS:
		if (t->forbids == PROOF_KINDS)
			t->forbids = r->kind;
		break;
	case EVIDENCE_NONE:
	case EVIDENCE_FAILS:
		break;
	}
}

static struct tally tally_up(const struct policy_case *c, int64_t now)
{
	struct tally t = {.best = PROOF_KINDS, .forbids = PROOF_KINDS};
	for (unsigned k = 0; k < PROOF_KINDS; k++) {
		t.of[k] = reading(c, k, now);
		count(&t, &t.of[k], c->tls);
	}
	if (t.forbids != PROOF_KINDS) {
		t.level = LEVEL_NONE;
		t.best = PROOF_KINDS;
	}
	return t;
}

enum level policy_level(const struct policy_case *c, int64_t now)
{
	return tally_up(c, now).level;
}

/* ---- the reason to give ---- */

/* The more telling, the higher. What is wrong with a certificate of a known authority says most;
 * then a POSH document that is there but does not fit, for its owner means to use POSH; then that
 * the certificate is a stranger's; then what was in the way of looking; last what is just not
 * there, which is the common case. */
static int weight(enum err_code code)
{
	switch (code) {
	case ERR_OK:
		return 0;
	case ERR_CERT_EXPIRED:
	case ERR_CERT_NOT_YET:
	case ERR_CERT_PURPOSE:
	case ERR_CERT_WEAK:
	case ERR_CERT_CONSTRAINT:
	case ERR_CERT_CHAIN:
	case ERR_CERT_PARSE:
	case ERR_CERT_UNSUPPORTED:
		return 6;
	case ERR_POSH_MISMATCH:
	case ERR_POSH_EXPIRES:
	case ERR_POSH_REFERENCE:
	case ERR_POSH_WEAK:
		return 5;
	case ERR_CERT_NAME:
		return 4;
	case ERR_CERT_UNTRUSTED:
	case ERR_CERT_NONE:
		return 3;
	case ERR_POSH_NONE:
	case ERR_DANE_NONE:
	case ERR_DANE_INSECURE:
	case ERR_DANE_UNUSABLE:
		return 1;
	default:
		return 2;
	}
}

static int weight_of(const struct policy_reason *r, bool tls, enum level floor)
{
	bool could = worth(r->kind, tls) >= floor;
	if (r->outcome != EVIDENCE_FAILS && r->outcome != EVIDENCE_NONE)
		return 0;
	if (could && r->why.code == ERR_PROOF_OVER)
		return 8;
	/* Where dialback would have been enough it was asked last, and its answer decided. */
	if (could && r->kind == PROOF_ASKED && r->outcome == EVIDENCE_FAILS)
		return err_is(r->why) ? 7 : 0;
	return could ? weight(r->why.code) : 0;
}

static struct err refusal(const struct tally *t, bool tls, enum level floor)
{
	int most = 0;
	struct err why = err_make(ERR_POLICY);
	for (unsigned k = 0; k < PROOF_KINDS; k++) {
		int w = weight_of(&t->of[k], tls, floor);
		if (w > most)
			why = t->of[k].why;
		most = w > most ? w : most;
	}
	return why;
}

static struct err veto(const struct policy_reason *r)
{
	if (err_is(r->why))
		return r->why;
	if (!can_forbid(r->kind))
		return err_make(ERR_POLICY);
	return err_make(r->kind == PROOF_DANE ? ERR_DANE_MISMATCH : ERR_PIN_MISMATCH);
}

/* ---- the decision ---- */

/* Those of the pending that could bring the floor. */
static unsigned hopes(const struct tally *t, bool tls, enum level floor)
{
	unsigned mask = 0;
	for (unsigned k = 0; k < PROOF_KINDS; k++) {
		if (worth(k, tls) >= floor)
			mask |= t->pending & 1u << k;
	}
	return mask;
}

static void refuse(struct policy_verdict *out, struct err why)
{
	out->decision = POLICY_REFUSE;
	out->why = why;
}

static void wait_for(struct policy_verdict *out, unsigned kinds)
{
	out->decision = POLICY_WAIT;
	out->waits_for = kinds;
}

/* An acceptance rests on its proof and on those that could forbid not doing so (DANE-9): what they
 * said holds for its time only. */
static int64_t when_again(const struct policy_case *c, enum proof_kind by, int64_t now)
{
	int64_t first = 0;
	for (unsigned k = 0; k < PROOF_KINDS; k++) {
		const struct evidence *e = &c->of[k];
		if ((k != by && !can_forbid(k)) || !e->not_after || is_over(e, now))
			continue;
		if (!first || e->not_after < first)
			first = e->not_after;
	}
	return first;
}

static void accept(struct policy_verdict *out, const struct policy_case *c, int64_t now)
{
	out->decision = POLICY_ACCEPT;
	out->judge_again = when_again(c, out->by, now);
}

static void list_reasons(const struct tally *t, struct policy_verdict *out)
{
	for (unsigned k = 0; k < PROOF_KINDS; k++) {
		if (t->of[k].outcome != EVIDENCE_NONE || err_is(t->of[k].why))
			out->reasons[out->reason_count++] = t->of[k];
	}
}

void policy_decide(
	const struct policy_case *c, enum level floor, int64_t now, struct policy_verdict *out)
{
	struct tally t = tally_up(c, now);
	/* M-4: no floor lets in what nothing proves. */
	floor = floor > LEVEL_VERIFIED ? floor : LEVEL_VERIFIED;
	*out = (struct policy_verdict){.level = t.level, .by = t.best};
	list_reasons(&t, out);
	unsigned hope = hopes(&t, c->tls, floor);
	if (t.forbids != PROOF_KINDS) /* DANE-1, C27: nothing saves it */
		refuse(out, veto(&t.of[t.forbids]));
	else if (!c->tls && floor >= LEVEL_SECURE)
		refuse(out, err_make(ERR_TLS_REQUIRED));
	else if (t.level < floor && !hope)
		refuse(out, refusal(&t, c->tls, floor));
	else if (t.level < floor)
		wait_for(out, hope | t.vetoes_pending);
	else if (t.vetoes_pending)
		wait_for(out, t.vetoes_pending);
	else
		accept(out, c, now);
}

void policy_give_up_waiting(struct policy_case *c)
{
	for (unsigned k = 0; k < PROOF_KINDS; k++) {
		struct evidence *e = &c->of[k];
		if (k == PROOF_ASKED || e->outcome != EVIDENCE_PENDING)
			continue;
		/* RFC 7673 3.4: once DNSSEC vouched for the way to the TLSA records, silence about
		 * them must not do what their answer could not, or an attacker would just wait. */
		bool final = k == PROOF_DANE && e->secure;
		e->outcome = final ? EVIDENCE_FORBIDS : EVIDENCE_FAILS;
		e->why = err_make(final ? ERR_DANE_FAILED : ERR_PROOF_LATE);
	}
}
