#include "core/peer_in.h"

#include "base/mem.h"
#include "core/breaker.h"
#include "core/budget.h"
#include "core/delegation.h"
#include "core/relay.h"
#include "core/route.h"
#include "xmpp/stream_in.h"

#include <stdio.h>
#include <string.h>

enum {
	GOODBYE_MS = 3000,
	CLOSE_MS = 6000,       /* ST-13: 5 to 10 s for the other side's end tag */
	RECORDS_MAX = 1 << 23, /* TLS-7 */
	IDLE_CHECK_MS = 30000,
	FIRST_WORDS_MS = 10000,  /* R01: to name a domain of ours, in a header or in TLS */
	UNREAD_MAX = 256 * 1024, /* answers that the peer asks for and does not take */
};

struct peer_in {
	struct session_node node; /* first: in worker->peers_in */
	struct worker *worker;
	struct link link;
	struct stream_in stream;
	struct tenant *tenant;	    /* held, of the stream's `to`; NULL before the header */
	struct tenant *sni_tenant;  /* held, whose certificate was shown */
	struct tls_params tls;	    /* choose_arg is this object */
	struct timer deadline;
	struct assessment assessed; /* of the header's `from` */
	int64_t proof_ends;	    /* the earliest notAfter that a pair rests on; 0: none does */
	unsigned judged;	    /* the worker's generation when the pairs were last judged */
	bool direct_tls, up, closing, dead;
	char session[SESSION_ID_LEN + 1];
	uint64_t began_ms;
	uint64_t stanzas;
	unsigned questions; /* db:verify that were answered */
};

/* What hangs on a pair: its way, or the question about its key. */
struct pair_in {
	struct peer_in *peer; /* NULL once the stream is gone */
	struct pair *pair;
	struct route *route;
	struct outgoing *question;
};

static void run_actions(struct peer_in *p, struct actions *a);
static struct err judge_again(struct peer_in *p);

/* ---- log ---- */

static void log_refused(struct peer_in *p, struct err why, const struct actions *a)
{
	char peer[DOMAIN_UNICODE_MAX + 1], ours[DOMAIN_UNICODE_MAX + 1], address[64] = "";
	uv_ip_name((struct sockaddr *)&p->link.remote_addr, address, sizeof address);
	/* What the header claimed, also where it was refused before it counted. */
	const struct domain *from = domain_is_set(&p->stream.peer) ? &p->stream.peer
								    : &p->stream.header.from;
	const struct domain *to = domain_is_set(&p->stream.ours) ? &p->stream.ours
								  : &p->stream.header.to;
	/* Nothing was refused where the peer went by itself: it only asked, or thought better. */
	if (!p->up && (why.code == ERR_PEER_CLOSED || why.code == ERR_LOST)) {
		log_event(LOG_DEBUG, "stream-down", log_c("session", p->session),
			log_c("leg", "W-IN"), log_s("from", domain_unicode(from, peer)),
			log_s("to", domain_unicode(to, ours)), log_c("address", address),
			log_n("questions", p->questions), log_end());
		return;
	}
	log_reason(why, p->up ? "stream-down" : "refused", log_c("session", p->session),
		log_c("leg", "W-IN"), log_s("from", domain_unicode(from, peer)),
		log_s("to", domain_unicode(to, ours)), log_c("address", address),
		log_c("condition", a && a->condition[0] ? a->condition : NULL),
		log_c("said", a && a->text[0] ? a->text : NULL),
		log_c("certificate",
			err_is(p->assessed.certificate) ? err_row(p->assessed.certificate.code)->id
							: NULL),
		log_c("names", p->assessed.names[0] ? p->assessed.names : NULL),
		log_n("stanzas", (int64_t)p->stanzas), log_end());
}

static void log_pair(struct peer_in *p, const struct pair *pair)
{
	struct tls_info tls = p->link.tls ? tls_info(p->link.tls) : (struct tls_info){0};
	log_event(LOG_INFO, "stream-up", log_c("session", p->session), log_c("leg", "W-IN"),
		log_c("dir", "in"), log_s("from", slice_of(pair->from_text, pair->from_len)),
		log_s("to", slice_of(pair->to_text, pair->to_len)),
		log_c("proof", pair_proof_name(pair->proof)),
		log_c("trust", level_name(level_of_proof(pair->proof, p->link.tls != NULL))),
		log_c("tls", tls.version), log_c("suite", tls.suite),
		log_c("start", !p->link.tls ? "plain" : p->direct_tls ? "direct" : "starttls"),
		log_c("certificate",
			err_is(p->assessed.certificate) ? err_row(p->assessed.certificate.code)->id
							: NULL),
		log_n("ms", (int64_t)(worker_now_ms(p->worker) - p->began_ms)), log_end());
}

/* ---- ending ---- */

static void question_end(struct pair_in *pi, bool proven)
{
	if (!pi->question)
		return;
	outgoing_drop(pi->question);
	pi->question = NULL;
	budget_asked(pi->peer->worker, &pi->peer->link.remote_addr, proven);
}

static void pair_in_end(struct pair_in *pi)
{
	question_end(pi, false);
	if (pi->route)
		route_close(pi->route);
	mem_free(pi);
}

static void end_pairs(struct peer_in *p)
{
	for (size_t i = 0; i < p->stream.pairs.count; i++) {
		struct pair *pair = p->stream.pairs.items[i];
		if (pair->user)
			pair_in_end(pair->user);
		pair->user = NULL;
	}
}

static void end_stream(struct peer_in *p, struct err why, const struct actions *a)
{
	if (p->dead)
		return;
	p->dead = true;
	log_refused(p, why, a);
	if (!p->up && why.code != ERR_PEER_CLOSED && why.code != ERR_LOST)
		shared_count(p->worker->shared, SHARED_REFUSED, 1);
	end_pairs(p);
	timer_stop(p->worker->timers, &p->deadline);
	link_finish(&p->link, GOODBYE_MS);
	if (p->link.phase == LINK_OPEN)
		link_close(&p->link);
}

static void fail_stream(struct peer_in *p, struct err why)
{
	struct actions a;
	actions_init(&a);
	stream_in_fail(&p->stream, why, NULL, NULL, &a);
	run_actions(p, &a);
	actions_fini(&a);
	end_stream(p, why, NULL); /* also when the machine had closed already */
}

static void free_peer(void *object)
{
	struct peer_in *p = object;
	session_unlink(&p->node);
	if (p->up)
		shared_count(p->worker->shared, SHARED_STREAMS_IN, -1);
	stream_in_fini(&p->stream);
	tenant_release(p->tenant);
	tenant_release(p->sni_tenant);
	budget_disconnected(p->worker, &p->link.remote_addr);
	mem_free(p);
}

static void on_closed(void *owner)
{
	struct peer_in *p = owner;
	worker_bury(p->worker, p, free_peer);
}

/* ID-10, M-3: proofs are looked at again when a certificate runs out and after a reload, each
 * stream in its own time. False: the stream was ended. */
static bool proofs_hold(struct peer_in *p)
{
	bool expired = p->proof_ends && worker_wall_s() > p->proof_ends;
	if (!expired && p->judged == p->worker->generation)
		return true;
	struct err why = judge_again(p);
	if (!err_is(why))
		return true;
	fail_stream(p, expired ? err_make(ERR_CERT_RENEW) : why);
	return false;
}

static uint64_t negotiation_ms(const struct peer_in *p)
{
	return (uint64_t)p->worker->gate->negotiation_seconds * 1000;
}

static void on_late(void *arg)
{
	struct peer_in *p = arg;
	struct link *l = &p->link;
	uint64_t age = worker_now_ms(p->worker) - p->began_ms;
	if (!p->up && (p->tenant || p->sni_tenant) && age < negotiation_ms(p)) {
		timer_start(p->worker->timers, &p->deadline, negotiation_ms(p) - age, on_late, p);
		return;
	}
	if (!p->up) {
		fail_stream(p, err_make(l->tls && tls_state(l->tls) == TLS_HANDSHAKE
						? ERR_TLS_TIMEOUT
						: ERR_HEADER_TIMEOUT));
		return;
	}
	if (p->closing) {
		end_stream(p, err_make(ERR_IDLE), NULL);
		return;
	}
	if (!proofs_hold(p))
		return;
	uint64_t idle = worker_now_ms(p->worker) - l->active_ms;
	bool spent = l->tls && tls_records(l->tls) > RECORDS_MAX;
	if (spent || idle > (uint64_t)p->worker->gate->idle_seconds * 1000) {
		/* XEP-0190, TLS-7: the end tag without an error; what the peer sends until it has
		 * closed too is still taken. */
		p->closing = true;
		link_write(l, SLICE_LIT("</stream:stream>"));
		timer_start(p->worker->timers, &p->deadline, CLOSE_MS, on_late, p);
		return;
	}
	timer_start(p->worker->timers, &p->deadline, IDLE_CHECK_MS, on_late, p);
}

/* ---- TLS ---- */

/* SNI-3: by SNI when it names a domain of ours; without one, by the stream's `to`; a name that is
 * not ours is refused, except the gate's own host name on STARTTLS. Never a default. */
static struct tls_choice choose(void *arg, struct slice sni)
{
	struct peer_in *p = arg;
	struct domain name;
	struct tenant *t = NULL;
	bool host = false;
	if (sni.ptr && sni.len) {
		if (err_is(domain_parse(sni, &name)))
			return (struct tls_choice){.refusal = err_make(ERR_TLS_SNI)};
		t = registry_find(p->worker->registry, &name);
		host = domain_is_set(&p->worker->gate->host_name) &&
		       domain_eq(&name, &p->worker->gate->host_name);
	} else if (p->direct_tls) {
		return (struct tls_choice){.refusal = err_make(ERR_TLS_NO_SNI)};
	}
	if (!t && !p->direct_tls && (host || !sni.len))
		t = p->tenant;
	if (!t)
		return (struct tls_choice){.refusal = err_make(ERR_TLS_SNI)};
	tenant_hold(t);
	tenant_release(p->sni_tenant);
	p->sni_tenant = t;
	struct err e;
	struct credential *c = assess_credential(p->worker->assessor, p->worker->channel, t, &e);
	return (struct tls_choice){.credential = c, .refusal = err_make(ERR_TLS_CREDENTIAL)};
}

static void assess_certificate(struct peer_in *p, const struct domain *domain,
	struct assessment *out)
{
	struct slice chain[CERT_CHAIN_MAX + 1];
	size_t n = p->link.tls ? tls_peer_chain(p->link.tls, chain, CERT_CHAIN_MAX + 1) : 0;
	*out = assess_chain(p->worker->assessor, p->worker->channel, p->worker->gate, p->tenant, chain,
		n, domain);
}

/* PROVE_R of the inbound flow (protocol sheet 14.3), for the header's `from`. */
static void assess_peer(struct peer_in *p, struct actions *a)
{
	assess_certificate(p, &p->stream.peer, &p->assessed);
	bool proven = !err_is(p->assessed.certificate);
	struct verdict v = {.decision = proven ? VERDICT_PROVEN : VERDICT_ASK,
		.proof = PROOF_CERTIFICATE,
		.why = p->assessed.certificate};
	if (!proven && p->tenant->floor_in >= LEVEL_TRUSTED)
		v.decision = VERDICT_REFUSED;
	stream_in_peer_verdict(&p->stream, v, a);
}

static void note_proof_end(struct peer_in *p, int64_t not_after)
{
	if (!p->proof_ends || not_after < p->proof_ends)
		p->proof_ends = not_after;
}

static bool by_certificate(const struct pair *pair)
{
	return pair->proof == PROOF_EXTERNAL || pair->proof == PROOF_CERTIFICATE;
}

/* What was proven, under the tenant's rules and authorities of now. */
static struct err judge_again(struct peer_in *p)
{
	p->judged = p->worker->generation;
	p->proof_ends = 0;
	for (size_t i = 0; i < p->stream.pairs.count; i++) {
		const struct pair *pair = p->stream.pairs.items[i];
		struct assessment found;
		if (pair->state != PAIR_VALID)
			continue;
		if (level_of_proof(pair->proof, p->link.tls != NULL) < p->tenant->floor_in)
			return err_make(ERR_POLICY);
		if (!by_certificate(pair))
			continue;
		assess_certificate(p, &pair->from, &found);
		if (err_is(found.certificate))
			return found.certificate;
		note_proof_end(p, found.not_after);
	}
	return err_ok();
}

/* ---- pairs ---- */

/* A domain that a tenant here truly has may not come from outside (M-4, ADR-8). A tenant that only
 * says so must not keep the real owner out: its public DNS decides. */
static bool is_ours(struct peer_in *p, const struct domain *d)
{
	struct tenant *t = registry_find(p->worker->registry, d);
	if (!t)
		return false;
	return t == p->tenant || delegation_known(p->worker, d) != DELEGATION_ELSEWHERE;
}

static struct verdict judge_pair(struct peer_in *p, const struct pair *pair)
{
	struct verdict refused = {.decision = VERDICT_REFUSED};
	struct tenant *t = registry_find(p->worker->registry, &pair->to);
	if (!t || t != p->tenant)
		refused.why = err_make(t ? ERR_PAIR_TO : ERR_HOST_UNKNOWN); /* DB-11 */
	else if (is_ours(p, &pair->from))
		refused.why = err_make(ERR_SPOOF_TENANT);
	else if (!p->link.tls && p->tenant->floor_in >= LEVEL_SECURE)
		refused.why = err_make(ERR_TLS_REQUIRED);
	if (err_is(refused.why))
		return refused;
	struct assessment found;
	assess_certificate(p, &pair->from, &found);
	if (!err_is(found.certificate)) { /* XEP-0344 2.4, DB-12 */
		note_proof_end(p, found.not_after);
		return (struct verdict){.decision = VERDICT_PROVEN, .proof = PROOF_CERTIFICATE};
	}
	if (p->tenant->floor_in >= LEVEL_TRUSTED) {
		refused.why = err_make(ERR_DB_REFUSED);
		return refused;
	}
	return (struct verdict){.decision = VERDICT_ASK, .why = found.certificate};
}

static struct pair_in *pair_in_of(struct peer_in *p, struct pair *pair)
{
	if (!pair->user) {
		struct pair_in *pi = MEM_NEW(struct pair_in);
		pi->peer = p;
		pi->pair = pair;
		pair->user = pi;
	}
	return pair->user;
}

static void tell_outcome(
	struct peer_in *p, struct pair *pair, enum db_outcome outcome, const char *condition)
{
	struct actions a;
	actions_init(&a);
	stream_in_verified(&p->stream, pair, outcome, condition, &a);
	run_actions(p, &a);
	actions_fini(&a);
}

static void finish_question(struct pair_in *pi, enum db_outcome outcome, const char *condition)
{
	question_end(pi, outcome == DB_VALID);
	tell_outcome(pi->peer, pi->pair, outcome, condition);
}

/* XEP-0220 2.5 */
static const char *question_condition(enum err_code code)
{
	switch (code) {
	case ERR_DNS_NONE:
	case ERR_DNS_NO_SERVICE:
	case ERR_DNS_SPECIAL:
		return "remote-server-not-found";
	case ERR_DB_TIMEOUT:
	case ERR_CONNECT_TIMEOUT:
		return "remote-server-timeout";
	case ERR_BUDGET:
		return "resource-constraint";
	default:
		return "remote-connection-failed";
	}
}

static void on_answered(void *owner, enum db_outcome outcome)
{
	/* An error as answer: XEP-0220 2.5 makes it remote-server-not-found. */
	finish_question(owner, outcome, "remote-server-not-found");
}

static void on_question_failed(void *owner, struct err why, const char *condition, const char *text)
{
	(void)condition;
	(void)text;
	finish_question(owner, DB_ERROR, question_condition(why.code));
}

static void on_question_event(void *owner)
{
	(void)owner;
}

static const struct outgoing_events question_events = {.dialing = on_question_event,
	.ready = on_question_event,
	.failed = on_question_failed,
	.answered = on_answered,
	.room = on_question_event};

static void log_not_asked(struct peer_in *p, const struct pair *pair, struct err why)
{
	char address[64] = "";
	uv_ip_name((struct sockaddr *)&p->link.remote_addr, address, sizeof address);
	log_reason(why, "not-asked", log_c("session", p->session), log_c("leg", "W-IN"),
		log_s("from", slice_of(pair->from_text, pair->from_len)),
		log_s("to", slice_of(pair->to_text, pair->to_len)), log_c("address", address),
		log_end());
}

/* DB-15: what failed for others a moment ago is answered from memory and costs nobody anything;
 * the rest is counted. */
static struct err may_ask(struct peer_in *p, const struct pair *pair)
{
	struct err why;
	struct worker *w = p->worker;
	if (!breaker_allows(w->breakers, BREAKER_FOR_STRANGER, &pair->to, &pair->from,
		    worker_now_ms(w), &why))
		return why;
	return budget_ask(w, &p->link.remote_addr);
}

/* Protocol sheet 8.2 step 4: on a connection of our own, never on the one that asked. */
static void ask(struct peer_in *p, struct pair *pair)
{
	struct err why = may_ask(p, pair);
	if (err_is(why)) {
		log_not_asked(p, pair, why);
		tell_outcome(p, pair, DB_ERROR, question_condition(why.code));
		return;
	}
	struct pair_in *pi = pair_in_of(p, pair);
	struct outgoing_config c = {
		.tenant = p->tenant,
		.local = pair->to,
		.remote = pair->from,
		.session = p->session,
		.leg = "W-VERIFY",
		.verify_id = p->stream.id,
		.verify_key = pair->key,
	};
	pi->question = outgoing_new(p->worker, &c, &question_events, pi);
	outgoing_start(pi->question);
}

static void on_route_room(void *owner)
{
	struct pair_in *pi = owner;
	link_resume(&pi->peer->link);
}

static void on_route_ready(void *owner)
{
	(void)owner;
}

static bool on_route_failed(void *owner, struct err why, const char *condition, const char *text)
{
	struct pair_in *pi = owner;
	(void)condition;
	(void)text;
	/* BE-6: a backend that refuses a proven peer is misconfigured; say so loudly. */
	if (why.code != ERR_CONNECT && why.code != ERR_CONNECT_TIMEOUT && why.code != ERR_LOST)
		log_reason(err_make(ERR_BACKEND_REFUSED), "backend",
			log_c("session", pi->peer->session),
			log_s("tenant", domain_slice(&pi->peer->tenant->domain)),
			log_s("peer", domain_slice(&pi->pair->from)), log_end());
	return false;
}

static const struct route_events route_events = {
	.room = on_route_room, .ready = on_route_ready, .failed = on_route_failed};

static struct route *route_of(struct peer_in *p, struct pair *pair)
{
	struct pair_in *pi = pair_in_of(p, pair);
	if (pi->route)
		return pi->route;
	struct route_config c = {
		.from = pair->from,
		.to = pair->to,
		.forward_tenant = p->tenant,
		.forward_backend = true,
		.back_tenant = p->tenant,
		.session = p->session,
		.lang = p->stream.header.lang,
	};
	pi->route = route_new(p->worker, &c, &route_events, pi);
	return pi->route;
}

/* ---- the stream's actions ---- */

static void pair_valid(struct peer_in *p, const struct pair *pair)
{
	if (!p->up) {
		struct scan_limits limits = scan_limits_proven;
		limits.max_element_bytes = p->worker->gate->stanza_bytes;
		scan_set_limits(p->link.scan, &limits);
		p->up = true;
		shared_count(p->worker->shared, SHARED_STREAMS_IN, 1);
		timer_start(p->worker->timers, &p->deadline, IDLE_CHECK_MS, on_late, p);
	}
	if (pair->proof == PROOF_EXTERNAL)
		note_proof_end(p, p->assessed.not_after);
	log_pair(p, pair);
}

static void check_key(struct peer_in *p, const struct db_query *q, struct actions *a)
{
	enum db_outcome outcome = DB_ERROR;
	if (!budget_answer(p->worker, &p->link.remote_addr))
		outcome = DB_BUSY; /* B13 */
	else if (registry_find(p->worker->registry, &q->to))
		outcome = worker_check_key(p->worker, DBKEY_OUT, &q->from, &q->to, q->id, q->key)
				  ? DB_VALID
				  : DB_INVALID;
	p->questions++;
	stream_in_key_checked(&p->stream, q, outcome, a);
}

static void assess_pair(struct peer_in *p, struct pair *pair, struct actions *a)
{
	if (budget_claim(p->worker, &p->link.remote_addr)) {
		stream_in_verdict(&p->stream, pair, judge_pair(p, pair), a);
		return;
	}
	log_not_asked(p, pair, err_make(ERR_BUDGET));
	stream_in_verified(&p->stream, pair, DB_ERROR, "resource-constraint", a);
}

static void start_tls(struct peer_in *p)
{
	p->direct_tls = false;
	if (!link_start_tls(&p->link, &p->tls)) /* TLS-1, CVE-2011-0411 */
		end_stream(p, err_make(ERR_STARTTLS_INJECTION), NULL);
}

static void on_action(struct peer_in *p, struct actions *a, const struct act *act)
{
	struct actions next;
	switch (act->kind) {
	case ACT_START_TLS:
		start_tls(p);
		return;
	case ACT_RESTART:
		link_restart(&p->link);
		return;
	case ACT_VERIFY:
		ask(p, act->pair);
		return;
	case ACT_PAIR_VALID:
		pair_valid(p, act->pair);
		return;
	case ACT_CLOSE:
		end_stream(p, act->why, a);
		return;
	case ACT_IGNORED:
		log_reason(act->why, "ignored", log_c("session", p->session), log_c("leg", "W-IN"),
			log_end());
		return;
	default:
		break;
	}
	actions_init(&next);
	if (act->kind == ACT_ASSESS_PEER)
		assess_peer(p, &next);
	else if (act->kind == ACT_ASSESS)
		assess_pair(p, act->pair, &next);
	else if (act->kind == ACT_CHECK_KEY)
		check_key(p, &a->query, &next);
	run_actions(p, &next);
	actions_fini(&next);
}

static void run_actions(struct peer_in *p, struct actions *a)
{
	link_write(&p->link, buf_peek(&a->out));
	for (size_t i = 0; i < a->count && !p->dead; i++)
		on_action(p, a, &a->list[i]);
}

/* ---- link events ---- */

static struct stream_local look_up(struct peer_in *p, const struct stream_header *h)
{
	struct stream_local local = {.offer_tls = true,
		.max_bytes = p->worker->gate->stanza_bytes,
		.idle_seconds = p->worker->gate->idle_seconds};
	struct tenant *t =
		domain_is_set(&h->to) ? registry_find(p->worker->registry, &h->to) : NULL;
	if (!t)
		return local;
	local.served = true;
	local.tls_required = t->floor_in >= LEVEL_SECURE;
	local.offer_tls = t->certificate && (local.tls_required || p->worker->gate->attempt_starttls);
	local.sni_conflict = p->link.tls && p->sni_tenant != t;
	tenant_hold(t);
	tenant_release(p->tenant);
	p->tenant = t;
	local.from_ours = domain_is_set(&h->from) && is_ours(p, &h->from);
	return local;
}

static void on_header(void *owner, const struct scan_element *e)
{
	struct peer_in *p = owner;
	struct stream_header h;
	struct actions a;
	char id[33];
	worker_new_id(id);
	actions_init(&a);
	struct err wrong = stream_header_read(e, &h);
	struct stream_local local = look_up(p, &h);
	stream_in_header(&p->stream, &h, wrong, &local, id, &a);
	run_actions(p, &a);
	actions_fini(&a);
}

static void on_stanza(struct peer_in *p, const struct scan_element *e)
{
	/* One backend stream per pair; they all carry the header's language (ST-12). */
	struct relay r = relay_judge(p->worker, &p->stream.pairs, e, p->stream.header.lang,
		p->stream.header.lang);
	if (err_is(r.wrong)) {
		fail_stream(p, r.wrong);
		return;
	}
	struct route *route = route_of(p, r.pair);
	p->stanzas++;
	route_push(route, r.bytes);
	if (route_is_full(route)) {
		route_note_full(route);
		link_pause(&p->link);
	}
}

static void on_element(void *owner, const struct scan_element *e)
{
	struct peer_in *p = owner;
	if (p->up && p->stream.state == SIN_OPEN && stanza_kind(e) != STANZA_NONE) {
		on_stanza(p, e);
		return;
	}
	struct err wrong;
	struct actions a;
	struct element *el = element_parse(e, &wrong);
	actions_init(&a);
	if (el)
		stream_in_element(&p->stream, el, &a);
	else
		stream_in_fail(&p->stream, wrong, NULL, NULL, &a);
	element_free(el);
	run_actions(p, &a);
	actions_fini(&a);
	if (!p->dead && link_backlog(&p->link) > UNREAD_MAX) {
		end_stream(p, err_make(ERR_LIMIT), NULL);
		link_close(&p->link); /* no room for a last word either */
	}
}

static void on_end(void *owner)
{
	struct peer_in *p = owner;
	struct actions a;
	actions_init(&a);
	if (p->closing)
		end_stream(p, err_make(ERR_IDLE), NULL); /* our end tag is out already */
	else
		stream_in_end(&p->stream, &a);
	run_actions(p, &a);
	actions_fini(&a);
}

static void on_tls_up(void *owner)
{
	struct peer_in *p = owner;
	end_pairs(p); /* TLS-2: nothing learnt in clear survives */
	stream_in_tls_up(&p->stream);
}

static bool is_xml_fault(enum err_code code)
{
	return code >= ERR_XML && code <= ERR_NOT_XMPP;
}

static void on_broken(void *owner, struct err why)
{
	struct peer_in *p = owner;
	if (is_xml_fault(why.code))
		fail_stream(p, why);
	else
		end_stream(p, why, NULL);
}

static void on_room(void *owner)
{
	(void)owner; /* little is ever written on W-IN */
}

static const struct link_events link_events = {
	.header = on_header,
	.element = on_element,
	.end = on_end,
	.tls_up = on_tls_up,
	.broken = on_broken,
	.room = on_room,
	.closed = on_closed,
};

void peer_in_accept(struct worker *w, int fd)
{
	struct peer_in *p = MEM_NEW(struct peer_in);
	p->worker = w;
	p->judged = w->generation;
	p->began_ms = worker_now_ms(w);
	char id[33];
	worker_new_id(id);
	memcpy(p->session, id, SESSION_ID_LEN);
	session_link_in(&w->peers_in, &p->node);
	worker_new_id(id);
	stream_in_init(&p->stream, false, false, &w->gate->host_name, id);
	p->tls = (struct tls_params){
		.role = TLS_SERVER, .alpn = "xmpp-server", .choose = choose, .choose_arg = p};
	struct err e = link_open(&p->link, w, fd, &scan_limits_stranger, &link_events, p);
	/* Direct until <starttls/> says otherwise: `choose` runs inside the handshake. */
	p->direct_tls = true;
	link_sniff(&p->link, &p->tls);
	timer_start(w->timers, &p->deadline, FIRST_WORDS_MS, on_late, p);
	budget_connected(w, &p->link.remote_addr);
	if (err_is(e))
		end_stream(p, e, NULL);
}

/* ---- reload and stop ---- */

static void rejudge(struct peer_in *p)
{
	if (p->dead || !p->tenant)
		return;
	struct tenant *t = registry_find(p->worker->registry, &p->tenant->domain);
	if (!t || !tenant_has_domain(t, &p->stream.ours)) {
		fail_stream(p, err_make(ERR_HOST_GONE)); /* RFC 6120 4.9.3.5 */
		return;
	}
	if (t == p->tenant)
		return;
	tenant_hold(t);
	tenant_release(p->tenant);
	p->tenant = t;
	for (size_t i = 0; i < p->stream.pairs.count; i++) {
		struct pair_in *pi = p->stream.pairs.items[i]->user;
		if (pi && pi->route)
			route_set_tenants(pi->route, t, t);
	}
	struct err why = judge_again(p);
	if (err_is(why))
		fail_stream(p, why);
}

void peers_in_reload(struct worker *w)
{
	for (struct session_node *n = w->peers_in, *next; n; n = next) {
		next = n->next;
		rejudge((struct peer_in *)n);
	}
}

void peers_in_stop(struct worker *w)
{
	for (struct session_node *n = w->peers_in, *next; n; n = next) {
		next = n->next;
		fail_stream((struct peer_in *)n, err_make(ERR_SHUTDOWN));
	}
}
