#include "core/peer_in.h"

#include "base/mem.h"
#include "core/delegation.h"
#include "core/relay.h"
#include "core/route.h"
#include "xmpp/stream_in.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
	GOODBYE_MS = 3000,
	CLOSE_MS = 6000,       /* ST-13: 5 to 10 s for the other side's end tag */
	RECORDS_MAX = 1 << 23, /* TLS-7 */
	IDLE_CHECK_MS = 30000,
	JUDGE_EVERY_MS = 5,
};

struct peer_in {
	struct session_node node;  /* first: in worker->peers_in */
	struct session_node judge; /* in worker->peers_to_judge while its `prev` is set */
	struct worker *worker;
	struct link link;
	struct stream_in stream;
	struct tenant *tenant;     /* held, of the stream's `to`; NULL before the header */
	struct tenant *sni_tenant; /* held, whose certificate was shown */
	struct tls_params tls;     /* choose_arg is this object */
	struct timer deadline;
	struct assessment assessed;   /* of the header's `from` */
	struct delegation_wait *look; /* whether the header's `from` is a neighbour */
	int64_t proof_ends;           /* the earliest notAfter that a pair rests on; 0: none does */
	unsigned judged;              /* the worker's generation when the pairs were last judged */
	unsigned assessed_in;         /* and when `assessed` was found out */
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
	struct delegation_wait *look; /* before it is judged: is `from` a neighbour? */
};

static void run_actions(struct peer_in *p, struct actions *a);
static struct err judge_again(struct peer_in *p);

/* ---- log ---- */

static void log_refused(struct peer_in *p, struct err why, const struct actions *a)
{
	char peer[DOMAIN_UNICODE_MAX + 1], ours[DOMAIN_UNICODE_MAX + 1], address[64] = "";
	uv_ip_name((struct sockaddr *)&p->link.remote_addr, address, sizeof address);
	/* What the header claimed, also where it was refused before it counted. */
	const struct domain *from =
		domain_is_set(&p->stream.peer) ? &p->stream.peer : &p->stream.header.from;
	const struct domain *to =
		domain_is_set(&p->stream.ours) ? &p->stream.ours : &p->stream.header.to;
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
		log_c("certificate", err_is(p->assessed.certificate)
					     ? err_row(p->assessed.certificate.code)->id
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
		log_c("start", !p->link.tls    ? "plain"
			       : p->direct_tls ? "direct"
					       : "starttls"),
		log_c("certificate", err_is(p->assessed.certificate)
					     ? err_row(p->assessed.certificate.code)->id
					     : NULL),
		log_n("ms", (int64_t)(worker_now_ms(p->worker) - p->began_ms)), log_end());
}

/* ---- ending ---- */

static void pair_in_end(struct pair_in *pi)
{
	if (pi->question)
		outgoing_drop(pi->question);
	if (pi->look)
		delegation_cancel(pi->look);
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
	if (p->look)
		delegation_cancel(p->look);
	p->look = NULL;
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

static void leave_judging(struct peer_in *p)
{
	if (p->judge.prev)
		session_unlink(&p->judge);
	p->judge.prev = NULL;
}

static void free_peer(void *object)
{
	struct peer_in *p = object;
	session_unlink(&p->node);
	leave_judging(p);
	if (p->up)
		shared_count(p->worker->shared, SHARED_STREAMS_IN, -1);
	stream_in_fini(&p->stream);
	tenant_release(p->tenant);
	tenant_release(p->sni_tenant);
	worker_connection_gone(p->worker, &p->link.remote_addr);
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

static void on_late(void *arg)
{
	struct peer_in *p = arg;
	struct link *l = &p->link;
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

static void assess_certificate(
	struct peer_in *p, const struct domain *domain, struct assessment *out)
{
	struct slice chain[CERT_CHAIN_MAX + 1];
	size_t n = p->link.tls ? tls_peer_chain(p->link.tls, chain, CERT_CHAIN_MAX + 1) : 0;
	*out = assess_chain(p->worker->assessor, p->worker->channel, p->worker->gate, p->tenant,
		chain, n, domain);
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

/* ---- our own domains (M-4, ADR-8) ---- */

/* A domain that a tenant here truly has may not come from outside. A tenant that only says so must
 * not keep the real owner out: its public DNS decides, and a verdict waits for it. */
static bool is_neighbours(const struct peer_in *p, const struct domain *d)
{
	const struct tenant *t = registry_find(p->worker->registry, d);
	return t && t != p->tenant;
}

static bool is_ours(const struct peer_in *p, const struct domain *d, enum delegation_state points)
{
	const struct tenant *t = registry_find(p->worker->registry, d);
	return t && (t == p->tenant || points == DELEGATION_HERE);
}

/* Where a neighbour's DNS points, as far as that is known now. */
static enum delegation_state neighbour_points(const struct peer_in *p, const struct domain *d)
{
	return is_neighbours(p, d) ? delegation_known(p->worker, d) : DELEGATION_ELSEWHERE;
}

/* PROVE_R of the inbound flow (protocol sheet 14.3), for the header's `from`. */
static void assess_peer(struct peer_in *p, enum delegation_state points, struct actions *a)
{
	assess_certificate(p, &p->stream.peer, &p->assessed);
	p->assessed_in = p->worker->generation;
	bool proven = !err_is(p->assessed.certificate);
	struct verdict v = {.decision = proven ? VERDICT_PROVEN : VERDICT_ASK,
		.proof = PROOF_CERTIFICATE,
		.why = p->assessed.certificate};
	if (is_ours(p, &p->stream.peer, points))
		v = (struct verdict){
			.decision = VERDICT_REFUSED, .why = err_make(ERR_SPOOF_TENANT)};
	else if (!proven && p->tenant->floor_in >= LEVEL_TRUSTED)
		v.decision = VERDICT_REFUSED;
	stream_in_peer_verdict(&p->stream, v, a);
}

static void on_peer_looked(void *arg, enum delegation_state points)
{
	struct peer_in *p = arg;
	struct actions a;
	p->look = NULL;
	actions_init(&a);
	assess_peer(p, points, &a);
	run_actions(p, &a);
	actions_fini(&a);
}

static void look_at_peer(struct peer_in *p, struct actions *a)
{
	if (is_neighbours(p, &p->stream.peer))
		p->look = delegation_ask(p->worker, &p->stream.peer, on_peer_looked, p);
	else
		assess_peer(p, DELEGATION_ELSEWHERE, a);
}

/* M-3: whether every proof still reaches the tenant's floor. */
static struct err levels_hold(const struct peer_in *p)
{
	for (size_t i = 0; i < p->stream.pairs.count; i++) {
		const struct pair *pair = p->stream.pairs.items[i];
		if (pair->state == PAIR_VALID &&
			level_of_proof(pair->proof, p->link.tls != NULL) < p->tenant->floor_in)
			return err_make(ERR_POLICY);
	}
	return err_ok();
}

/* The proof of one pair, under the rules, authorities and delegations of now. */
static struct err judge_proof(struct peer_in *p, const struct pair *pair, bool *known)
{
	struct assessment found;
	enum delegation_state points = neighbour_points(p, &pair->from);
	*known &= points != DELEGATION_UNKNOWN;
	if (is_ours(p, &pair->from, points))
		return err_make(ERR_SPOOF_TENANT);
	if (!by_certificate(pair))
		return err_ok();
	assess_certificate(p, &pair->from, &found);
	if (!err_is(found.certificate))
		note_proof_end(p, found.not_after);
	return found.certificate;
}

/* What was proven, under the tenant's rules and authorities of now. */
static struct err judge_again(struct peer_in *p)
{
	bool known = true;
	struct err e = levels_hold(p);
	p->proof_ends = 0;
	for (size_t i = 0; i < p->stream.pairs.count && !err_is(e); i++) {
		const struct pair *pair = p->stream.pairs.items[i];
		if (pair->state == PAIR_VALID)
			e = judge_proof(p, pair, &known);
	}
	if (known)
		p->judged = p->worker->generation; /* else we come back */
	return e;
}

/* ---- pairs ---- */

static struct verdict judge_pair(
	struct peer_in *p, const struct pair *pair, enum delegation_state points)
{
	struct verdict refused = {.decision = VERDICT_REFUSED};
	struct tenant *t = registry_find(p->worker->registry, &pair->to);
	if (!t || t != p->tenant)
		refused.why = err_make(t ? ERR_PAIR_TO : ERR_HOST_UNKNOWN); /* DB-11 */
	else if (is_ours(p, &pair->from, points))
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

static void on_sender_looked(void *arg, enum delegation_state points)
{
	struct pair_in *pi = arg;
	struct peer_in *p = pi->peer;
	struct actions a;
	pi->look = NULL;
	actions_init(&a);
	stream_in_verdict(&p->stream, pi->pair, judge_pair(p, pi->pair, points), &a);
	run_actions(p, &a);
	actions_fini(&a);
}

static void look_at_sender(struct peer_in *p, struct pair *pair, struct actions *a)
{
	if (is_neighbours(p, &pair->from)) {
		struct pair_in *pi = pair_in_of(p, pair);
		pi->look = delegation_ask(p->worker, &pair->from, on_sender_looked, pi);
		return;
	}
	struct verdict v = judge_pair(p, pair, DELEGATION_ELSEWHERE);
	stream_in_verdict(&p->stream, pair, v, a);
}

static void finish_question(struct pair_in *pi, enum db_outcome outcome, const char *condition)
{
	struct peer_in *p = pi->peer;
	struct actions a;
	outgoing_drop(pi->question);
	pi->question = NULL;
	actions_init(&a);
	/* M-3: the floor may have risen since the question was asked. */
	if (level_of_proof(PROOF_DIALBACK, p->link.tls != NULL) < p->tenant->floor_in)
		stream_in_verdict(&p->stream, pi->pair,
			(struct verdict){
				.decision = VERDICT_REFUSED, .why = err_make(ERR_DB_REFUSED)},
			&a);
	else
		stream_in_verified(&p->stream, pi->pair, outcome, condition, &a);
	run_actions(p, &a);
	actions_fini(&a);
}

static void on_answered(void *owner, enum db_outcome outcome)
{
	/* An error as answer: XEP-0220 2.5 makes it remote-server-not-found. */
	finish_question(owner, outcome, "remote-server-not-found");
}

static void on_question_failed(void *owner, struct err why, const char *condition, const char *text)
{
	const char *db = "remote-connection-failed";
	(void)condition;
	(void)text;
	if (why.code == ERR_DNS_NONE || why.code == ERR_DNS_NO_SERVICE)
		db = "remote-server-not-found";
	else if (why.code == ERR_DB_TIMEOUT || why.code == ERR_CONNECT_TIMEOUT)
		db = "remote-server-timeout";
	finish_question(owner, DB_ERROR, db);
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

/* Protocol sheet 8.2 step 4: on a connection of our own, never on the one that asked. */
static void ask(struct peer_in *p, struct pair *pair)
{
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
	/* What made us offer EXTERNAL may have been true before a reload only. */
	struct err why = pair->proof == PROOF_EXTERNAL && p->assessed_in != p->worker->generation
				 ? judge_again(p)
				 : err_ok();
	if (err_is(why))
		fail_stream(p, why);
}

static void check_key(struct peer_in *p, const struct db_query *q, struct actions *a)
{
	enum db_outcome outcome = DB_ERROR;
	if (registry_find(p->worker->registry, &q->to))
		outcome = worker_check_key(p->worker, DBKEY_OUT, &q->from, &q->to, q->id, q->key)
				  ? DB_VALID
				  : DB_INVALID;
	p->questions++;
	stream_in_key_checked(&p->stream, q, outcome, a);
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
		look_at_peer(p, &next);
	else if (act->kind == ACT_ASSESS)
		look_at_sender(p, act->pair, &next);
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
	local.offer_tls =
		t->certificate && (local.tls_required || p->worker->gate->attempt_starttls);
	/* By name: a reload between the two looks up another version of the same tenant. */
	local.sni_conflict =
		p->link.tls && !(p->sni_tenant && domain_eq(&p->sni_tenant->domain, &t->domain));
	tenant_hold(t);
	tenant_release(p->tenant);
	p->tenant = t;
	local.from_ours =
		domain_is_set(&h->from) && is_ours(p, &h->from, neighbour_points(p, &h->from));
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
	struct relay r = relay_judge(
		p->worker, &p->stream.pairs, e, p->stream.header.lang, p->stream.header.lang);
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

/* What the scanner says; of the stream's own faults it knows the first, a root without content. */
static bool is_xml_fault(enum err_code code)
{
	return code >= ERR_XML && code <= ERR_STREAM_ROOT;
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
	timer_start(
		w->timers, &p->deadline, (uint64_t)w->gate->negotiation_seconds * 1000, on_late, p);
	worker_connection_new(w, &p->link.remote_addr);
	if (err_is(e))
		end_stream(p, e, NULL);
}

/* ---- reload and stop ---- */

/* A tenant may have lost one of its domains, or another tenant got it: also while the question
 * about a pair is open. */
static bool targets_stay(const struct peer_in *p, const struct tenant *t)
{
	for (size_t i = 0; i < p->stream.pairs.count; i++) {
		const struct pair *pair = p->stream.pairs.items[i];
		if (pair->state != PAIR_FAILED && !tenant_has_domain(t, &pair->to))
			return false;
	}
	return true;
}

/* The new version of the tenant; true when something in it has changed. */
static bool take_tenant(struct peer_in *p, struct tenant *t)
{
	bool changed = t->version != p->tenant->version;
	tenant_hold(t);
	tenant_release(p->tenant);
	p->tenant = t;
	for (size_t i = 0; i < p->stream.pairs.count; i++) {
		struct pair_in *pi = p->stream.pairs.items[i]->user;
		if (pi && pi->route)
			route_set_tenants(pi->route, t, t);
	}
	return changed;
}

/* Looking at a certificate takes a signature or two: the streams of changed tenants take turns, or
 * all of the worker's would stand still together. */
static void judge_next(void *arg)
{
	struct worker *w = arg;
	if (!w->peers_to_judge)
		return;
	struct peer_in *p =
		(struct peer_in *)((char *)w->peers_to_judge - offsetof(struct peer_in, judge));
	leave_judging(p);
	if (p->up && !p->closing && !p->dead)
		(void)proofs_hold(p);
	timer_start(w->timers, &w->judge_timer, JUDGE_EVERY_MS, judge_next, w);
}

/* Those whose tenant has not changed are judged in their own time. */
static void rejudge(struct peer_in *p)
{
	if (p->dead || !p->tenant)
		return;
	struct tenant *t = registry_find(p->worker->registry, &p->stream.ours);
	if (!t || !targets_stay(p, t)) {
		fail_stream(p, err_make(ERR_HOST_GONE)); /* RFC 6120 4.9.3.5 */
		return;
	}
	if (!take_tenant(p, t))
		return;
	struct err why = levels_hold(p);
	if (err_is(why))
		fail_stream(p, why);
	else if (!p->judge.prev)
		session_link_in(&p->worker->peers_to_judge, &p->judge);
}

void peers_in_reload(struct worker *w)
{
	for (struct session_node *n = w->peers_in, *next; n; n = next) {
		next = n->next;
		rejudge((struct peer_in *)n);
	}
	timer_start(w->timers, &w->judge_timer, JUDGE_EVERY_MS, judge_next, w);
}

void peers_in_stop(struct worker *w)
{
	for (struct session_node *n = w->peers_in, *next; n; n = next) {
		next = n->next;
		fail_stream((struct peer_in *)n, err_make(ERR_SHUTDOWN));
	}
}
