#include "core/peer_in.h"

#include "base/mem.h"
#include "core/budget.h"
#include "core/peer_in_inside.h"
#include "core/relay.h"

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

static uint64_t age_ms(const struct peer_in *p)
{
	return worker_now_ms(p->worker) - p->began_ms;
}

/* ---- ending ---- */

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
	peer_in_log_refused(p, why, a);
	if (!p->up && why.code != ERR_PEER_CLOSED && why.code != ERR_LOST)
		shared_count(p->worker->shared, SHARED_REFUSED, 1);
	end_pairs(p);
	claim_end(p->claim);
	peer_in_keep_decision(p, why);
	timer_stop(p->worker->timers, &p->deadline);
	link_finish(&p->link, GOODBYE_MS);
	if (p->link.phase == LINK_OPEN)
		link_close(&p->link);
}

void peer_in_fail(struct peer_in *p, struct err why)
{
	struct actions a;
	actions_init(&a);
	stream_in_fail(&p->stream, why, NULL, NULL, &a);
	peer_in_run_actions(p, &a);
	actions_fini(&a);
	end_stream(p, why, NULL); /* also when the machine had closed already */
}

void peer_in_leave_judging(struct peer_in *p)
{
	if (p->judge.prev)
		session_unlink(&p->judge);
	p->judge.prev = NULL;
}

static void free_peer(void *object)
{
	struct peer_in *p = object;
	session_unlink(&p->node);
	peer_in_leave_judging(p);
	if (p->up)
		shared_count(p->worker->shared, SHARED_STREAMS_IN, -1);
	stream_in_fini(&p->stream);
	mem_free(p->assessed);
	decision_free(p->decision);
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

static uint64_t negotiation_ms(const struct peer_in *p)
{
	return (uint64_t)p->worker->gate->negotiation_seconds * 1000;
}

static uint64_t first_words_ms(const struct peer_in *p)
{
	return negotiation_ms(p) < FIRST_WORDS_MS ? negotiation_ms(p) : FIRST_WORDS_MS;
}

static void on_late(void *arg)
{
	struct peer_in *p = arg;
	struct link *l = &p->link;
	uint64_t age = age_ms(p);
	if (!p->up && (p->tenant || p->sni_tenant) && age < negotiation_ms(p)) {
		timer_start(p->worker->timers, &p->deadline, negotiation_ms(p) - age, on_late, p);
		return;
	}
	if (!p->up) {
		peer_in_fail(p, err_make(l->tls && tls_state(l->tls) == TLS_HANDSHAKE
						 ? ERR_TLS_TIMEOUT
						 : ERR_HEADER_TIMEOUT));
		return;
	}
	if (p->closing) {
		end_stream(p, err_make(ERR_IDLE), NULL);
		return;
	}
	if (!peer_in_proofs_hold(p, false))
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
	timer_start(p->worker->timers, &p->deadline, peer_in_next_ms(p, IDLE_CHECK_MS), on_late, p);
}

/* ---- TLS ---- */

/* RFC 7673 6 has DANE clients ask for the host they dial. */
static bool is_host(const struct gate *g, const struct domain *name)
{
	return (domain_is_set(&g->host_name) && domain_eq(name, &g->host_name)) ||
	       (domain_is_set(&g->dane_name) && domain_eq(name, &g->dane_name));
}

/* SNI-3: by SNI when it names a domain of ours; without one, by the stream's `to`; a name that is
 * not ours is refused, except the gate's own host names on STARTTLS. Never a default. */
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
		host = is_host(p->worker->gate, &name);
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

/* ---- the stream's actions ---- */

static void pair_valid(struct peer_in *p, struct pair *pair)
{
	if (!p->up) {
		struct scan_limits limits = scan_limits_proven;
		limits.max_element_bytes = p->worker->gate->stanza_bytes;
		scan_set_limits(p->link.scan, &limits);
		p->up = true;
		shared_count(p->worker->shared, SHARED_STREAMS_IN, 1);
	}
	struct err why = peer_in_note_valid(p, pair);
	timer_start(p->worker->timers, &p->deadline, peer_in_next_ms(p, IDLE_CHECK_MS), on_late, p);
	peer_in_log_pair(p, pair);
	peer_in_note_pair(p, pair, why);
	if (err_is(why))
		peer_in_fail(p, why);
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
		peer_in_ask(p, act->pair);
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
	if (act->kind == ACT_ASSESS_PEER) {
		peer_in_judge_peer(p);
		return;
	}
	actions_init(&next);
	if (act->kind == ACT_ASSESS)
		peer_in_look_at_pair(p, act->pair, &next);
	else if (act->kind == ACT_CHECK_KEY)
		check_key(p, &a->query, &next);
	peer_in_run_actions(p, &next);
	actions_fini(&next);
}

void peer_in_run_actions(struct peer_in *p, struct actions *a)
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
	peer_in_begin_decision(p, h);
	local.from_ours = domain_is_set(&h->from) &&
			  peer_in_is_ours(p, &h->from, peer_in_neighbour_points(p, &h->from));
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
	peer_in_run_actions(p, &a);
	actions_fini(&a);
}

static void on_stanza(struct peer_in *p, const struct scan_element *e)
{
	/* One backend stream per pair; they all carry the header's language (ST-12). */
	struct relay r = relay_judge(
		p->worker, &p->stream.pairs, e, p->stream.header.lang, p->stream.header.lang);
	if (err_is(r.wrong)) {
		peer_in_fail(p, r.wrong);
		return;
	}
	struct route *route = peer_in_route(p, r.pair);
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
	peer_in_run_actions(p, &a);
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
	peer_in_run_actions(p, &a);
	actions_fini(&a);
}

static void on_tls_up(void *owner)
{
	struct peer_in *p = owner;
	end_pairs(p); /* TLS-2: nothing learnt in clear survives */
	peer_in_note(p, "tls", STEP_FINE, err_ok(), tls_info(p->link.tls).version);
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
		peer_in_fail(p, why);
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
	timer_start(w->timers, &p->deadline, first_words_ms(p), on_late, p);
	budget_connected(w, &p->link.remote_addr);
	if (err_is(e))
		end_stream(p, e, NULL);
}

/* ---- stop ---- */

void peers_in_stop(struct worker *w)
{
	for (struct session_node *n = w->peers_in, *next; n; n = next) {
		next = n->next;
		peer_in_fail((struct peer_in *)n, err_make(ERR_SHUTDOWN));
	}
}
