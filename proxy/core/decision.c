#include "core/decision.h"

#include "base/mem.h"
#include "core/decision_inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { RAW_MAX = 1024 };

/* ---- texts ---- */

/* Control characters do not: a name may hold them to hide its beginning. */
static bool ends_word(uint32_t c)
{
	return c && c < 0x80 && strchr(" \"'(),:;<>[]=|", (int)c);
}

/* Drops the localpart that ends at *n: texts speak of domains. */
static void mask_localpart(char *out, size_t *n, size_t word)
{
	if (*n > word && *n > 0) {
		out[word] = '*';
		*n = word + 1;
	}
}

void decision_text_clean(char *out, size_t size, struct slice raw)
{
	size_t n = 0, word = 0;
	while (raw.len) {
		uint32_t c;
		size_t len = utf8_take(raw, &c);
		bool unsafe = utf8_is_unsafe(c);
		if (c == '@')
			mask_localpart(out, &n, word);
		if (n + (unsafe ? 1 : len) >= size)
			break;
		if (unsafe)
			out[n] = '?';
		else
			memcpy(out + n, raw.ptr, len);
		n += unsafe ? 1 : len;
		if (ends_word(c))
			word = n;
		raw = slice_sub(raw, len, raw.len);
	}
	out[n] = '\0';
}

/* ---- steps ---- */

static void set_name(struct decision_step *s, const char *name)
{
	snprintf(s->name, sizeof s->name, "%s", name);
}

/* When all places are taken the last but one says so, and the last is the newest. */
static struct decision_step *next_step(struct decision *d)
{
	if (d->step_count < DECISION_STEPS_MAX)
		return &d->steps[d->step_count++];
	struct decision_step *gap = &d->steps[DECISION_STEPS_MAX - 2];
	*gap = (struct decision_step){.mark = STEP_SKIPPED,
		.at_ms = gap->at_ms,
		.name = "...",
		.detail = "steps between are left out: there were too many"};
	return &d->steps[DECISION_STEPS_MAX - 1];
}

static uint32_t since(const struct decision *d, uint64_t now_ms)
{
	uint64_t ms = now_ms > d->began_ms ? now_ms - d->began_ms : 0;
	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static void fill(struct decision_step *s, const char *name, enum step_mark mark, struct err why,
	const char *detail)
{
	*s = (struct decision_step){
		.at_ms = s->at_ms, .mark = (uint8_t)mark, .code = (uint16_t)why.code};
	set_name(s, name);
	if (!*detail && err_is(why))
		detail = err_row(why.code)->sentence;
	decision_text_clean(s->detail, sizeof s->detail, slice_str(detail));
}

struct decision *decision_begin(bool inbound, const char *session, int64_t now_s, uint64_t now_ms)
{
	struct decision *d = MEM_NEW(struct decision);
	d->inbound = inbound;
	d->began_s = now_s;
	d->began_ms = now_ms;
	d->by = PROOF_KINDS;
	snprintf(d->session, sizeof d->session, "%s", session);
	return d;
}

void decision_free(struct decision *d)
{
	mem_free(d);
}

void decision_step(struct decision *d, uint64_t now_ms, const char *name, enum step_mark mark,
	struct err why, const char *format, ...)
{
	char raw[RAW_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(raw, sizeof raw, format, args);
	va_end(args);
	struct decision_step *s = next_step(d);
	s->at_ms = since(d, now_ms);
	fill(s, name, mark, why, raw);
}

/* ---- evidence ---- */

/* By proof_kind. */
static const char *const evidence_names[PROOF_KINDS] = {
	"dane", "certificate", "posh", "pin", "dialback"};

static enum step_mark mark_of(enum evidence_outcome o)
{
	switch (o) {
	case EVIDENCE_PROVES:
		return STEP_FINE;
	case EVIDENCE_FAILS:
	case EVIDENCE_FORBIDS:
		return STEP_BAD;
	case EVIDENCE_PENDING:
		return STEP_OPEN;
	case EVIDENCE_NONE:
		break;
	}
	return STEP_SKIPPED;
}

static struct decision_step *latest(struct decision *d, const char *name)
{
	for (uint32_t i = d->step_count; i > 0; i--) {
		if (strcmp(d->steps[i - 1].name, name) == 0)
			return &d->steps[i - 1];
	}
	return NULL;
}

static bool same(const struct decision_step *a, const struct decision_step *b)
{
	return a->mark == b->mark && a->code == b->code && strcmp(a->detail, b->detail) == 0;
}

/* By proof_kind: said of a proof that says nothing itself. Who is dialled need not be asked (M-5).
 */
static const char *const proven_words[PROOF_KINDS] = {"the certificate matches a TLSA record",
	"it names the domain and leads to a trusted authority",
	"the document lists the certificate", "the key is the configured one",
	"the domain's own server confirmed it"};

static const char *words_of(const struct decision *d, size_t kind, const struct evidence *e)
{
	if (*e->detail || e->outcome != EVIDENCE_PROVES)
		return e->detail;
	return kind == PROOF_ASKED && !d->inbound ? "reached where DNS points" : proven_words[kind];
}

/* What is still open when all is decided is not waited for. */
static struct decision_step step_of(
	const struct decision *d, size_t kind, const struct evidence *e, bool decided)
{
	const char *name = evidence_names[kind];
	struct decision_step s = {0};
	bool open = e->outcome == EVIDENCE_PENDING;
	struct err why = open || e->outcome == EVIDENCE_PROVES ? err_ok() : e->why;
	if (open && decided)
		fill(&s, name, STEP_SKIPPED, why, "decided without it");
	else
		fill(&s, name, mark_of(e->outcome), why, words_of(d, kind, e));
	return s;
}

static void note_evidence(struct decision *d, uint32_t at_ms, struct decision_step now)
{
	const char *name = now.name;
	now.at_ms = at_ms;
	struct decision_step *known = latest(d, name);
	if (known && same(known, &now))
		return;
	if (!known || known->mark != STEP_OPEN)
		known = next_step(d);
	*known = now;
}

void decision_evidence(struct decision *d, uint64_t now_ms, const struct policy_case *c,
	const struct policy_verdict *v)
{
	for (size_t i = 0; i < PROOF_KINDS; i++) {
		/* What does not apply and gives no reason was not looked at. */
		const struct evidence *e = &c->of[i];
		if (e->outcome == EVIDENCE_NONE && !err_is(e->why) && !*e->detail)
			continue;
		note_evidence(d, since(d, now_ms), step_of(d, i, e, v->decision != POLICY_WAIT));
	}
	struct policy_case asked = *c;
	if (asked.of[PROOF_ASKED].outcome == EVIDENCE_PENDING)
		asked.of[PROOF_ASKED] = (struct evidence){.outcome = EVIDENCE_PROVES};
	int64_t now_s = d->began_s + since(d, now_ms) / 1000;
	d->level = (uint8_t)v->level;
	d->level_asked = (uint8_t)policy_level(&asked, now_s);
	if (v->decision == POLICY_WAIT)
		return;
	bool accepted = v->decision == POLICY_ACCEPT;
	d->outcome = accepted ? DECISION_ACCEPTED : DECISION_REFUSED;
	d->by = (uint8_t)(accepted ? v->by : PROOF_KINDS);
	d->code = (uint16_t)(accepted ? ERR_OK : v->why.code);
}
