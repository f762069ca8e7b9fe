/* The conversations with a domain's servers, and what they prove: the daemon's own evidence
 * (core/assess.h) and policy (trust/policy.h). */
#include "cmd/probe_inside.h"

#include "cmd/call.h"
#include "core/assess.h"
#include "tenants/value.h"
#include "trust/policy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	CONNECT_MS = 5000,
	CALL_MS = 15000,
	ALL_S = 60, /* after it nothing new is begun, whoever made the zone */
	PLACE_MAX = 400,
	LEVELS = LEVEL_TRUSTED + 1
};

/* What is known of all servers together: a peer may come to any of them. */
struct outcome {
	size_t reached;             /* servers that answered */
	size_t proven[LEVELS];      /* how many of them reach the level */
	enum proof_kind by[LEVELS]; /* of the last */
	struct err why;             /* the last that did not reach trusted */
	time_t deadline;
};

static void place_of(const struct probe_target *t, const struct sockaddr_storage *addr, char *out)
{
	char ip[64];
	uv_ip_name((const struct sockaddr *)addr, ip, sizeof ip);
	snprintf(out, PLACE_MAX, "%s [%s]:%u %s", t->host.name, ip, t->port,
		t->direct_tls ? "direct TLS" : "STARTTLS");
}

/* ---- evidence ---- */

/* The same question as the daemon's: of one that we reached, or of one that came to us. */
static void gather(const struct probe *p, const struct probe_target *t, const struct slice *chain,
	size_t count, const struct call_result *r, struct policy_case *out)
{
	static const struct tenant nobody;
	const struct dial_endpoint at = {.target = t->secure ? t->host : (struct domain){0},
		.base = t->secure ? t->base : (struct domain){0},
		.port = t->port,
		.direct_tls = t->direct_tls,
		.dane = t->dane,
		.tlsa = &t->tlsa,
		.ttl = t->ttl};
	const struct assess_question q = {.cas = {p->authorities[0], p->authorities[1]},
		.tenant = p->as ? p->as : &nobody,
		.chain = chain,
		.count = count,
		.tls = r->secured,
		.domain = &p->domain,
		.reached = p->inbound ? NULL : &at,
		.published = {.dane = &p->published, .posh = &p->posh},
		.asked = (p->gate->proofs_dane ? PROOFS_DANE : 0u) |
			 (p->gate->proofs_posh ? PROOFS_POSH : 0u),
		.by_asking = r->features ? EVIDENCE_PROVES : EVIDENCE_NONE};
	assess_evidence(&q, out);
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
	for (int k = 0; k <= PROOF_PIN; k++) {
		const struct evidence *e = &c->of[k];
		if (k == PROOF_PIN && e->outcome == EVIDENCE_NONE)
			continue;
		bool proves = e->outcome == EVIDENCE_PROVES;
		probe_say(p->report, marks[e->outcome], "proof", e->why, "%s: %s%s%s",
			proof_kind_name((enum proof_kind)k),
			proves ? "proves the domain" : err_row(e->why.code)->sentence,
			*e->detail ? ", " : "", e->detail);
	}
}

static void find_unproven(struct probe *p, const struct probe_target *t,
	const struct policy_case *c, const struct slice *chain, size_t n)
{
	char tlsa[PROBE_TEXT_MAX], name[PROBE_TEXT_MAX];
	/* Of our DANE tenants the records were looked at, and what peers remember of them. */
	bool looked_at = p->own && p->own->proof == TENANT_DANE;
	if (c->of[PROOF_DANE].why.code == ERR_DANE_MISMATCH && n && !looked_at &&
		probe_tlsa_text(chain[0], tlsa)) {
		probe_tlsa_name(&t->base, t->port, name, sizeof name);
		probe_find(p->report, FIND_TLSA_OTHER_KEY, p->domain.name, name, tlsa, NULL);
	} else if (c->of[PROOF_PIN].outcome == EVIDENCE_FORBIDS) {
		probe_find(p->report, FIND_CERTIFICATE, p->domain.name, t->host.name,
			err_row(c->of[PROOF_PIN].why.code)->sentence, NULL);
	} else if (!p->own || p->own->proof == TENANT_CERTIFICATE) {
		/* Else what is missing was named, and no authority was to vouch for it. */
		snprintf(name, sizeof name, "%s:%u", t->host.name, t->port);
		probe_find(p->report, FIND_CERTIFICATE, p->domain.name, name,
			err_row(c->of[PROOF_PKIX].why.code)->sentence, NULL);
	}
}

static void judge(struct probe *p, const struct probe_target *t, const struct call_result *r,
	struct outcome *o)
{
	struct slice chain[CERT_CHAIN_MAX];
	size_t n = r->tls ? tls_peer_chain(r->tls, chain, CERT_CHAIN_MAX) : 0;
	struct policy_case c;
	struct policy_verdict v;
	gather(p, t, chain, n, r, &c);
	say_evidence(p, &c);
	for (int level = LEVEL_VERIFIED; level < LEVELS; level++) {
		policy_decide(&c, (enum level)level, (int64_t)time(NULL), &v);
		o->proven[level] += v.decision == POLICY_ACCEPT;
		o->by[level] = v.by;
	}
	if (v.decision == POLICY_ACCEPT)
		return;
	o->why = v.why;
	if (r->secured && !probe_is_astray(p, t)) /* else that is the reason, and is found */
		find_unproven(p, t, &c, chain, n);
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

static void find_in_call(struct probe *p, const struct probe_target *t, const struct call_result *r)
{
	char place[PLACE_MAX];
	snprintf(place, sizeof place, "%s:%u%s", t->host.name, t->port,
		t->direct_tls ? " (direct TLS)" : "");
	const char *said = *r->condition ? r->condition : err_row(r->e.code)->sentence;
	if (!r->secured && !t->direct_tls && r->features && !r->offers_starttls)
		probe_find(p->report, FIND_NO_TLS, p->domain.name, place, NULL, NULL);
	else if (err_is(r->e))
		probe_find(p->report, FIND_STREAM, p->domain.name, place, said, NULL);
}

/* False: nothing answers there. */
static bool call_address(struct probe *p, const struct probe_target *t,
	const struct sockaddr_storage *addr, struct outcome *o, struct err *why)
{
	char place[PLACE_MAX];
	struct call_result r;
	const struct call_wish wish = {.from = p->from,
		.to = p->domain,
		.addr = *addr,
		.direct_tls = t->direct_tls,
		.credential = p->credential,
		.secret = p->has_secret ? &p->secret : NULL,
		.connect_ms = CONNECT_MS,
		.timeout_ms = CALL_MS};
	place_of(t, addr, place);
	call_make(&wish, &r);
	say_call(p, &r, place);
	say_login(p, &r);
	*why = r.e;
	bool connected = r.connected;
	if (connected && !probe_is_astray(p, t))
		find_in_call(p, t, &r);
	if (r.secured || r.features) {
		o->reached++;
		judge(p, t, &r, o);
	}
	call_free(&r);
	return connected;
}

/* A peer goes on with the next address: only when none answers, somebody has to act. */
static void call_target(struct probe *p, const struct probe_target *t, struct outcome *o)
{
	char place[PLACE_MAX], port[8];
	struct err why = err_ok();
	size_t tried = 0, connected = 0;
	for (size_t i = 0; i < t->addr_count && time(NULL) < o->deadline; i++) {
		tried++;
		connected += call_address(p, t, &t->addr[i], o, &why);
	}
	if (tried < t->addr_count)
		probe_say(p->report, SAY_NONE, "tcp", err_make(ERR_LIMIT),
			"%s: %zu addresses are not tried, for it has taken too long", t->host.name,
			t->addr_count - tried);
	if (!tried || connected || probe_is_astray(p, t))
		return;
	snprintf(place, sizeof place, "%s:%u", t->host.name, t->port);
	snprintf(port, sizeof port, "%u", t->port);
	probe_find(p->report, FIND_UNREACHABLE, p->domain.name, place, err_row(why.code)->sentence,
		port);
}

/* Everything else that keeps a target from being called was found where it was seen. */
static void find_no_address(struct probe *p, const struct probe_target *t)
{
	char port[8];
	snprintf(port, sizeof port, "%u", t->port);
	if (t->e.code == ERR_DNS_NONE && (t->by_srv || !p->own) && !probe_is_astray(p, t))
		probe_find(p->report, FIND_UNREACHABLE, p->domain.name, t->host.name,
			"it has no address", port);
}

static void tell_levels(struct probe *p, const struct outcome *o)
{
	for (int level = LEVEL_VERIFIED; level < LEVELS; level++) {
		bool reached = o->reached && o->proven[level] == o->reached;
		const char *why = err_is(o->why) ? err_row(o->why.code)->sentence
						 : "no server could be talked to";
		probe_level(p->report, (enum level)level, reached,
			reached ? proof_kind_name(o->by[level]) : why);
	}
}

void probe_peers(struct probe *p)
{
	struct outcome o = {.why = p->dns, .deadline = time(NULL) + ALL_S};
	for (size_t i = 0; i < p->target_count; i++) {
		const struct probe_target *t = &p->targets[i];
		/* Who is called does not care why the caller cannot be reached. */
		if (!err_is(t->e) || (p->inbound && t->addr_count))
			call_target(p, t, &o);
		else
			find_no_address(p, t);
		if (err_is(t->e) && !err_is(o.why))
			o.why = t->e;
	}
	tell_levels(p, &o);
	bool problems = probe_report_problems(p->report) > 0;
	if (o.reached && o.proven[LEVEL_TRUSTED] == o.reached) {
		if (!problems)
			probe_find(p->report, FIND_FINE, p->domain.name,
				proof_kind_name(o.by[LEVEL_TRUSTED]), NULL, NULL);
	} else if (!problems) { /* the rest of the reasons: nobody reads "no" and no why */
		probe_find(p->report, FIND_UNPROVEN, p->domain.name,
			err_is(o.why) ? err_row(o.why.code)->sentence
				      : "no server could be talked to",
			NULL, NULL);
	}
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
		.connect_ms = CONNECT_MS,
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
