/* The conversations with a domain's servers, and what they prove: the same evidence and the same
 * policy as in the daemon (trust/policy.h). */
#include "cmd/probe_inside.h"

#include "cmd/call.h"
#include "tenants/value.h"
#include "trust/identity.h"
#include "trust/policy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CALL_MS = 15000, PLACE_MAX = 400, LEVELS = LEVEL_TRUSTED + 1 };

/* What is known of all servers together: a peer may come to any of them. */
struct outcome {
	size_t reached;             /* servers that answered */
	size_t proven[LEVELS];      /* how many of them reach the level */
	enum proof_kind by[LEVELS]; /* of the last */
	struct err why;             /* the last that did not reach trusted */
};

static void place_of(const struct probe_target *t, const struct sockaddr_storage *addr, char *out)
{
	char ip[64];
	uv_ip_name((const struct sockaddr *)addr, ip, sizeof ip);
	snprintf(out, PLACE_MAX, "%s [%s]:%u %s", t->host.name, ip, t->port,
		t->direct_tls ? "direct TLS" : "STARTTLS");
}

/* ---- evidence ---- */

static struct evidence pkix(const struct probe *p, const struct probe_target *t,
	const struct slice *chain, size_t count)
{
	const struct cert_rules rules = {.require_eku = true};
	struct cert_facts facts = {0};
	struct evidence e = {.outcome = EVIDENCE_FAILS};
	e.why = p->authorities ? cert_judge(chain, count, p->authorities, &rules,
					 (int64_t)time(NULL), &facts, &e.not_after)
			       : err_make(ERR_CERT_UNTRUSTED);
	/* DANE-3: a signed SRV record makes its target a second name. */
	bool named = identity_matches(&facts, &p->domain, false, NULL) ||
		     (t->secure && !p->inbound && identity_matches(&facts, &t->host, false, NULL));
	if (!err_is(e.why) && !named)
		e.why = err_make(ERR_CERT_NAME);
	identity_describe(&facts, e.detail, sizeof e.detail);
	if (!err_is(e.why))
		e.outcome = EVIDENCE_PROVES;
	return e;
}

/* What the domain's servers say together, for the way in (DANE-5). */
static struct tlsa_set all_records(const struct probe *p)
{
	struct tlsa_set all = {0};
	for (size_t i = 0; i < p->target_count; i++)
		tlsa_merge(&all, &p->targets[i].tlsa);
	return all;
}

static struct evidence dane(const struct probe *p, const struct probe_target *t,
	const struct slice *chain, size_t count)
{
	struct tlsa_set set = p->inbound ? all_records(p) : t->tlsa;
	const struct tlsa_question q = {.chain = chain,
		.count = count,
		.names = {p->domain, t->base},
		.sets = {p->authorities},
		.rules = {{.require_eku = true}},
		.only_3_and_2 = p->inbound,
		.now = (int64_t)time(NULL)};
	struct evidence e = {.outcome = EVIDENCE_NONE};
	if (t->tlsa_status != RESOLVE_DATA && t->tlsa_status != RESOLVE_NONE) {
		e.outcome = EVIDENCE_FORBIDS;
		e.why = err_make(ERR_DANE_FAILED);
		return e;
	}
	struct tlsa_match m = tlsa_judge(&set, &q);
	e.secure = set.count > 0;
	e.why = m.e;
	if (m.e.code == ERR_DANE_MISMATCH)
		e.outcome = EVIDENCE_FORBIDS;
	if (err_is(m.e))
		return e;
	e.outcome = EVIDENCE_PROVES;
	e.not_after = m.not_after;
	tlsa_describe(&m.record, e.detail, sizeof e.detail);
	return e;
}

static struct evidence posh(const struct probe *p, const struct slice *chain, size_t count)
{
	struct evidence e = {.outcome = EVIDENCE_NONE, .why = p->posh.e};
	if (err_is(p->posh.e))
		return e;
	e.why = posh_judge(&p->posh.document, chain, count, (int64_t)time(NULL), &e.not_after);
	e.outcome = err_is(e.why) ? EVIDENCE_FAILS : EVIDENCE_PROVES;
	return e;
}

static void say_evidence(struct probe *p, const struct policy_case *c)
{
	static const enum say_mark marks[] = {
		[EVIDENCE_NONE] = SAY_NONE,
		[EVIDENCE_PENDING] = SAY_NONE,
		[EVIDENCE_PROVES] = SAY_FINE,
		[EVIDENCE_FAILS] = SAY_BAD,
		[EVIDENCE_FORBIDS] = SAY_BAD,
	};
	for (int k = 0; k <= PROOF_POSH; k++) {
		const struct evidence *e = &c->of[k];
		bool proves = e->outcome == EVIDENCE_PROVES;
		probe_say(p->report, marks[e->outcome], "proof", e->why, "%s: %s%s%s",
			proof_kind_name((enum proof_kind)k),
			proves ? "proves the domain" : err_row(e->why.code)->sentence,
			*e->detail ? ", " : "", e->detail);
	}
}

static void judge(
	struct probe *p, struct probe_target *t, const struct call_result *r, struct outcome *o)
{
	struct slice chain[CERT_CHAIN_MAX];
	char tlsa[300], name[300];
	size_t n = r->tls ? tls_peer_chain(r->tls, chain, CERT_CHAIN_MAX) : 0;
	struct policy_case c = {.tls = r->secured};
	struct policy_verdict v;
	c.of[PROOF_PKIX] = pkix(p, t, chain, n);
	c.of[PROOF_DANE] = dane(p, t, chain, n);
	c.of[PROOF_POSH] = posh(p, chain, n);
	c.of[PROOF_ASKED].outcome = r->features ? EVIDENCE_PROVES : EVIDENCE_NONE;
	say_evidence(p, &c);
	for (int level = LEVEL_VERIFIED; level < LEVELS; level++) {
		policy_decide(&c, (enum level)level, (int64_t)time(NULL), &v);
		o->proven[level] += v.decision == POLICY_ACCEPT;
		o->by[level] = v.by;
	}
	if (v.decision == POLICY_ACCEPT)
		return;
	o->why = v.why;
	if (c.of[PROOF_DANE].why.code == ERR_DANE_MISMATCH && n &&
		probe_tlsa_text(chain[0], tlsa, sizeof tlsa)) {
		probe_tlsa_name(&t->base, t->port, name, sizeof name);
		probe_find(p->report, FIND_TLSA_OTHER_KEY, p->domain.name, name, tlsa, NULL);
	} else if (!p->own || p->own->proof == TENANT_CERTIFICATE) {
		/* Else what is missing was named, and no authority was to vouch for it. */
		snprintf(name, sizeof name, "%s:%u", t->host.name, t->port);
		probe_find(p->report, FIND_CERTIFICATE, p->domain.name, name,
			err_row(c.of[PROOF_PKIX].why.code)->sentence, NULL);
	}
}

/* ---- conversations ---- */

static void say_call(struct probe *p, const struct call_result *r, const char *place)
{
	if (!r->connected) {
		probe_say(p->report, SAY_BAD, "tcp", r->e, "%s: %s", place,
			err_row(r->e.code)->sentence);
		return;
	}
	probe_say(
		p->report, SAY_FINE, "tcp", err_ok(), "%s, %u ms", place, (unsigned)r->connect_ms);
	if (r->secured) {
		struct tls_info tls = tls_info(r->tls);
		probe_say(p->report, SAY_FINE, "tls", err_ok(), "%s %s, %u ms", tls.version,
			tls.suite, (unsigned)r->tls_ms);
	} else {
		probe_say(p->report, SAY_BAD, "tls",
			err_is(r->e) ? r->e : err_make(ERR_TLS_REQUIRED), "there is no TLS%s%s",
			*r->condition ? ": " : "", r->condition);
	}
	if (r->features)
		probe_say(p->report, SAY_FINE, "stream", err_ok(),
			"the server takes the stream; it offers %s, %s",
			r->offers_external ? "EXTERNAL" : "no EXTERNAL",
			r->offers_dialback ? "dialback" : "no dialback");
}

static void say_login(struct probe *p, const struct call_result *r)
{
	if (!p->as || !r->secured)
		return;
	if (r->ready)
		probe_say(p->report, SAY_FINE, "as", err_ok(), "%s is believed, by %s",
			p->from.name, pair_proof_name(r->proof));
	else
		probe_say(p->report, SAY_BAD, "as", r->e, "%s is not believed: %s%s%s",
			p->from.name, err_row(r->e.code)->sentence, *r->text ? ", " : "", r->text);
}

static void find_in_call(struct probe *p, const struct probe_target *t, const struct call_result *r,
	const char *place)
{
	char port[8];
	snprintf(port, sizeof port, "%u", t->port);
	const char *said = *r->condition ? r->condition : err_row(r->e.code)->sentence;
	if (!r->connected)
		probe_find(p->report, FIND_UNREACHABLE, p->domain.name, place,
			err_row(r->e.code)->sentence, port);
	else if (!r->secured && !t->direct_tls && r->features && !r->offers_starttls)
		probe_find(p->report, FIND_NO_TLS, p->domain.name, place, NULL, NULL);
	else if (err_is(r->e))
		probe_find(p->report, FIND_STREAM, p->domain.name, place, said, NULL);
}

static void call_target(struct probe *p, struct probe_target *t, struct outcome *o)
{
	char place[PLACE_MAX];
	for (size_t i = 0; i < t->addr_count; i++) {
		struct call_result r;
		const struct call_wish wish = {.from = p->from,
			.to = p->domain,
			.addr = t->addr[i],
			.direct_tls = t->direct_tls,
			.credential = p->credential,
			.secret = p->has_secret ? &p->secret : NULL,
			.timeout_ms = CALL_MS};
		place_of(t, &t->addr[i], place);
		call_make(&wish, &r);
		say_call(p, &r, place);
		say_login(p, &r);
		find_in_call(p, t, &r, place);
		if (r.secured || r.features) {
			o->reached++;
			judge(p, t, &r, o);
		}
		call_free(&r);
	}
}

void probe_peers(struct probe *p)
{
	struct outcome o = {.why = p->dns};
	for (size_t i = 0; i < p->target_count; i++) {
		struct probe_target *t = &p->targets[i];
		if (t->reachable_name)
			call_target(p, t, &o);
		else if (!p->own)
			probe_find(p->report, FIND_UNREACHABLE, p->domain.name, t->host.name,
				"it has no address", "5269");
	}
	for (int level = LEVEL_VERIFIED; level < LEVELS; level++) {
		bool reached = o.reached && o.proven[level] == o.reached;
		const char *why = err_is(o.why) ? err_row(o.why.code)->sentence
						: "no server could be talked to";
		probe_level(p->report, (enum level)level, reached,
			reached ? proof_kind_name(o.by[level]) : why);
	}
	if (o.reached && o.proven[LEVEL_TRUSTED] == o.reached)
		probe_find(p->report, FIND_FINE, p->domain.name,
			proof_kind_name(o.by[LEVEL_TRUSTED]), NULL, NULL);
}

/* ---- our own tenant's server ---- */

static void call_backend(struct probe *p, const struct address *backend)
{
	char text[ADDRESS_TEXT_MAX];
	struct call_result r;
	const struct call_wish wish = {.from = p->from,
		.to = p->domain,
		.addr = backend->sa,
		.backend = true,
		.timeout_ms = CALL_MS};
	address_write(backend, text);
	call_make(&wish, &r);
	bool unknown = strcmp(r.condition, "host-unknown") == 0;
	struct err e = unknown ? err_make(ERR_HOST_UNKNOWN) : r.e;
	probe_say(p->report, r.features ? SAY_FINE : SAY_BAD, "backend", e, "%s %s", text,
		r.features ? "takes streams for the domain" : err_row(e.code)->sentence);
	if (unknown)
		probe_find(p->report, FIND_BACKEND_UNKNOWN, p->domain.name, text, NULL, NULL);
	else if (!r.features)
		probe_find(p->report, FIND_BACKEND_SILENT, p->domain.name, text, NULL, NULL);
	call_free(&r);
}

void probe_backend(struct probe *p)
{
	for (size_t i = 0; p->own && i < p->own->backends.count; i++)
		call_backend(p, &p->own->backends.items[i]);
}
