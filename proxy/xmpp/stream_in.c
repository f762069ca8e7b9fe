#include "xmpp/stream_in.h"

#include "base/b64.h"
#include "base/mem.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/xmlout.h"

#include <stdio.h>
#include <string.h>

enum { SASL_FAILURES_MAX = 2, IGNORED_MAX = 1000 };

void stream_in_init(struct stream_in *s, bool egress, bool secured, const struct domain *gate_name)
{
	memset(s, 0, sizeof *s);
	s->egress = egress;
	s->secured = secured;
	s->gate_name = *gate_name;
	pairs_init(&s->pairs);
}

void stream_in_fini(struct stream_in *s)
{
	pairs_fini(&s->pairs);
}

static void put(struct actions *a, const char *text)
{
	(void)buf_append_str(&a->out, text);
}

/* ---- headers ---- */

static void send_header(struct stream_in *s, bool known, struct actions *a)
{
	struct xml_header h = {
		/* RFC 6120 4.7.1, 4.7.2; an unknown `to` is never echoed (4.9.1.3). */
		.from = known ? (s->egress ? &s->peer : &s->ours) : &s->gate_name,
		.to = s->egress ? &s->ours : &s->peer,
		.id = slice_str(s->id),
		.lang = slice_str(s->header.lang),
		.no_version = s->pre_xmpp1,
	};
	xml_stream_header(&a->out, &h);
}

static void close_stream(struct stream_in *s, struct err why, struct actions *a)
{
	s->state = SIN_CLOSED;
	actions_add(a, ACT_CLOSE, NULL, why);
}

void stream_in_fail(struct stream_in *s, struct err why, const char *condition, const char *detail,
	struct actions *a)
{
	if (s->state == SIN_CLOSED)
		return;
	/* RFC 6120 4.9.1.2: during set-up the header still goes first. */
	if (s->state == SIN_HEADER)
		send_header(s, false, a);
	if (s->state != SIN_TLS)
		xml_stream_error_as(&a->out, condition ? condition : err_row(why.code)->condition,
			why, detail);
	close_stream(s, why, a);
}

static void fail(struct stream_in *s, enum err_code code, struct actions *a)
{
	stream_in_fail(s, err_make(code), NULL, NULL, a);
}

static void send_features(struct stream_in *s, const char *inside, struct actions *a)
{
	if (s->pre_xmpp1)
		return; /* ST-4: no features for a peer before 1.0 */
	put(a, "<stream:features>");
	put(a, inside);
	put(a, "</stream:features>");
}

#define FEATURE_DIALBACK "<dialback xmlns='" NS_DB_FEATURE "'><errors/></dialback>"
#define FEATURE_EXTERNAL                                                                           \
	"<mechanisms xmlns='" NS_SASL "'><mechanism>EXTERNAL</mechanism></mechanisms>"
#define FEATURE_TLS	     "<starttls xmlns='" NS_TLS "'/>"
#define FEATURE_TLS_REQUIRED "<starttls xmlns='" NS_TLS "'><required/></starttls>"

/* What a header must fulfil whatever comes next; ERR_OK when it does. */
static struct err check_header(const struct stream_in *s, const struct stream_header *h,
	struct err wrong, const struct stream_local *local)
{
	const struct domain *ours = s->egress ? &h->from : &h->to;
	if (err_is(wrong))
		return wrong;
	if (!domain_is_set(ours))
		return err_make(s->egress ? ERR_ADDRESS : ERR_NO_TO);
	if (s->egress && !domain_is_set(&h->to))
		return err_make(ERR_ADDRESS);
	if (err_is(local->refusal))
		return local->refusal;
	if (!local->served)
		return err_make(local->gone ? ERR_HOST_GONE : ERR_HOST_UNKNOWN); /* ST-6 */
	if (domain_is_set(&s->first_ours) && !domain_eq(&s->first_ours, ours))
		return err_make(ERR_TO_CHANGED); /* SNI-4, SNI-5 */
	if (local->sni_conflict)
		return err_make(ERR_TO_CHANGED); /* SNI-4 */
	if (local->from_ours)
		return err_make(ERR_SPOOF_TENANT); /* M-4, ADR-8 */
	if (s->authenticated && !domain_eq(&s->peer, &h->from))
		return err_make(ERR_TO_CHANGED); /* SNI-5 */
	if (!h->has_version && local->tls_required && !s->egress)
		return err_make(ERR_STREAM_VERSION); /* ST-4, RFC 6120 4.9.3.25 */
	return err_ok();
}

/* Without TLS: STARTTLS, and dialback where the floor allows it in clear. */
static void open_plain(struct stream_in *s, struct actions *a)
{
	s->state = SIN_PLAIN;
	/* RFC 6120 5.3.1: when required, nothing else is advertised. */
	if (s->local.tls_required)
		send_features(s, FEATURE_TLS_REQUIRED, a);
	else
		send_features(s, s->local.offer_tls ? FEATURE_TLS FEATURE_DIALBACK : FEATURE_DIALBACK,
			a);
}

static void open_secured(struct stream_in *s, struct actions *a)
{
	if (!domain_is_set(&s->peer)) {
		/* ST-1: without `from` there is no EXTERNAL, only dialback. */
		s->state = SIN_NEGOTIATE;
		send_features(s, FEATURE_DIALBACK, a);
		return;
	}
	s->state = SIN_ASSESS; /* EXT-2: the header is out, the features wait */
	actions_add(a, ACT_ASSESS_PEER, NULL, err_ok());
}

/* After SASL success: the pair of the stream is proven (EXT-4: exactly this one). */
static void open_authenticated(struct stream_in *s, struct actions *a)
{
	send_features(s, FEATURE_DIALBACK, a);
	s->state = SIN_OPEN;
	struct pair *pair = pairs_find(&s->pairs, &s->peer, &s->ours);
	if (!pair)
		pair = pairs_add(&s->pairs, &s->peer, &s->ours);
	if (!pair) {
		fail(s, ERR_DB_LIMIT, a);
		return;
	}
	pair->state = PAIR_VALID;
	pair->proof = PROOF_EXTERNAL;
	actions_add(a, ACT_PAIR_VALID, pair, err_ok());
}

void stream_in_header(struct stream_in *s, const struct stream_header *h, struct err wrong,
	const struct stream_local *local, const char *new_id, struct actions *a)
{
	snprintf(s->id, sizeof s->id, "%s", new_id);
	s->header = *h;
	s->local = *local;
	s->pre_xmpp1 = !h->has_version;
	struct err bad = check_header(s, h, wrong, local);
	if (err_is(bad)) {
		s->pre_xmpp1 = false;
		stream_in_fail(s, bad, NULL, NULL, a);
		return;
	}
	s->ours = s->egress ? h->from : h->to;
	s->peer = s->egress ? h->to : h->from;
	s->first_ours = s->ours;
	send_header(s, true, a);
	if (s->egress) {
		s->state = SIN_OPEN;
		send_features(s, FEATURE_DIALBACK, a);
	} else if (s->authenticated) {
		open_authenticated(s, a);
	} else if (s->secured) {
		open_secured(s, a);
	} else {
		open_plain(s, a);
	}
}

void stream_in_tls_up(struct stream_in *s, struct actions *a)
{
	/* RFC 6120 5.4.3.3: nothing learnt before TLS survives, but `to` is compared (TLS-2). */
	s->secured = true;
	s->state = SIN_HEADER;
	s->peer = (struct domain){0};
	pairs_fini(&s->pairs);
	(void)a;
}

void stream_in_peer_verdict(struct stream_in *s, struct verdict v, struct actions *a)
{
	if (s->state != SIN_ASSESS)
		return;
	if (v.decision == VERDICT_REFUSED) {
		stream_in_fail(s, v.why, NULL, NULL, a);
		return;
	}
	s->state = SIN_NEGOTIATE;
	s->external_offered = v.decision == VERDICT_PROVEN && !s->pre_xmpp1;
	send_features(s, s->external_offered ? FEATURE_EXTERNAL FEATURE_DIALBACK : FEATURE_DIALBACK,
		a);
}

/* ---- SASL EXTERNAL (XEP-0178 3, RFC 6120 6) ---- */

static void sasl_failure(struct stream_in *s, const char *condition, struct actions *a)
{
	(void)buf_printf(&a->out, "<failure xmlns='" NS_SASL "'><%s/></failure>", condition);
	s->external_offered = false; /* one failure, then dialback only */
	if (++s->sasl_failures >= SASL_FAILURES_MAX)
		fail(s, ERR_SASL_RETRIES, a); /* RFC 6120 6.4.5 */
}

/* Empty, or base64 of exactly the stream's `from` (RFC 6120 6.3.8; EXT-3). */
static const char *check_authzid(const struct stream_in *s, const char *text)
{
	if (!*text || strcmp(text, "=") == 0)
		return NULL;
	struct buf name;
	struct domain d;
	buf_init(&name, DOMAIN_UNICODE_MAX);
	bool decoded = b64_decode(slice_str(text), &name);
	bool same = decoded && !err_is(jid_domain_only(buf_peek(&name), &d)) &&
		    domain_eq(&d, &s->peer);
	buf_fini(&name);
	if (!decoded)
		return "incorrect-encoding";
	return same ? NULL : "invalid-authzid";
}

static void on_auth(struct stream_in *s, const struct element *el, struct actions *a)
{
	const char *mechanism = element_attr(el, "mechanism");
	if (!mechanism || strcmp(mechanism, "EXTERNAL") != 0) {
		sasl_failure(s, "invalid-mechanism", a);
		return;
	}
	if (!s->secured || !s->external_offered || s->authenticated) {
		sasl_failure(s, "not-authorized", a); /* EXT-1, EXT-2 */
		return;
	}
	const char *refused = check_authzid(s, el->text);
	if (refused) {
		sasl_failure(s, refused, a);
		return;
	}
	put(a, "<success xmlns='" NS_SASL "'/>");
	s->authenticated = true;
	s->state = SIN_HEADER;
	actions_add(a, ACT_RESTART, NULL, err_ok());
}

static void on_sasl(struct stream_in *s, const struct element *el, struct actions *a)
{
	if (strcmp(el->name, "auth") == 0)
		on_auth(s, el, a);
	else if (strcmp(el->name, "abort") == 0)
		sasl_failure(s, "aborted", a);
	else
		fail(s, ERR_UNEXPECTED, a);
}

/* ---- dialback (XEP-0220) ---- */

static bool db_addresses(const struct element *el, struct domain *from, struct domain *to)
{
	const char *f = element_attr(el, "from");
	const char *t = element_attr(el, "to");
	return f && t && !err_is(jid_domain_only(slice_str(f), from)) &&
	       !err_is(jid_domain_only(slice_str(t), to));
}

static void ignore(struct stream_in *s, enum err_code why, struct actions *a)
{
	actions_add(a, ACT_IGNORED, NULL, err_make(why));
	if (++s->ignored > IGNORED_MAX)
		fail(s, ERR_LIMIT, a);
}

/* XEP-0220 2.2: a request to prove the pair. */
static void on_db_result(struct stream_in *s, const struct element *el, const struct domain *from,
	const struct domain *to, struct actions *a)
{
	size_t key_len = strlen(el->text);
	struct pair *pair = pairs_find(&s->pairs, from, to);
	if (pair && (pair->state == PAIR_ASSESSING || pair->state == PAIR_VERIFYING ||
			    pair->reverify)) {
		ignore(s, ERR_DB_LIMIT, a); /* DB-4: one question at a time */
		return;
	}
	if (!pair)
		pair = pairs_add(&s->pairs, from, to);
	if (!pair || key_len == 0 || key_len > PAIR_KEY_MAX) {
		xml_db_error(&a->out, "result", to, from, SLICE_NONE, "resource-constraint");
		return;
	}
	memcpy(pair->key, el->text, key_len + 1);
	pair->reverify = pair->state == PAIR_VALID;
	if (!pair->reverify)
		pair->state = PAIR_ASSESSING;
	actions_add(a, ACT_ASSESS, pair, err_ok());
}

/* XEP-0220 2.4: somebody asks whether a key is ours. */
static void on_db_verify(struct stream_in *s, const struct element *el, const struct domain *from,
	const struct domain *to, struct actions *a)
{
	const char *id = element_attr(el, "id");
	if (!id || strlen(id) > STREAM_ID_MAX || strlen(el->text) > PAIR_KEY_MAX) {
		ignore(s, ERR_ADDRESS, a);
		return;
	}
	a->query.from = *from;
	a->query.to = *to;
	memcpy(a->query.id, id, strlen(id) + 1);
	memcpy(a->query.key, el->text, strlen(el->text) + 1);
	actions_add(a, ACT_CHECK_KEY, NULL, err_ok());
}

static void on_dialback(struct stream_in *s, const struct element *el, struct actions *a)
{
	struct domain from, to;
	if (element_attr(el, "type")) {
		ignore(s, ERR_DB_UNSOLICITED, a); /* DB-1: an answer nobody asked for */
		return;
	}
	if (!db_addresses(el, &from, &to)) {
		fail(s, ERR_ADDRESS, a); /* DB-2 */
		return;
	}
	bool result = strcmp(el->name, "result") == 0;
	if (!result && strcmp(el->name, "verify") != 0) {
		fail(s, ERR_UNEXPECTED, a);
		return;
	}
	if (s->local.tls_required && !s->secured && !s->egress) {
		/* ST-7; XEP-0220 2.5 */
		const char *id = element_attr(el, "id");
		xml_db_error(&a->out, el->name, &to, &from, slice_str(result ? NULL : id),
			"policy-violation");
		return;
	}
	if (result)
		on_db_result(s, el, &from, &to, a);
	else
		on_db_verify(s, el, &from, &to, a);
}

static void pair_done(struct stream_in *s, struct pair *pair, enum pair_proof proof,
	struct actions *a)
{
	bool was_valid = pair->state == PAIR_VALID;
	pair->state = PAIR_VALID;
	pair->reverify = false;
	mem_wipe(pair->key, sizeof pair->key);
	xml_db_result(&a->out, &pair->to, &pair->from, "valid", SLICE_NONE);
	if (was_valid)
		return;
	pair->proof = proof;
	if (s->state == SIN_PLAIN || s->state == SIN_NEGOTIATE)
		s->state = SIN_OPEN;
	actions_add(a, ACT_PAIR_VALID, pair, err_ok());
}

static const char *refusal_condition(enum err_code code)
{
	switch (code) {
	case ERR_HOST_UNKNOWN:
	case ERR_PAIR_TO:
		return "item-not-found"; /* XEP-0220 2.2.1 */
	case ERR_SPOOF_TENANT:
		return "forbidden";
	case ERR_TLS_REQUIRED:
		return "policy-violation";
	case ERR_DB_LIMIT:
		return "resource-constraint";
	default:
		return "not-authorized";
	}
}

void stream_in_verdict(struct stream_in *s, struct pair *pair, struct verdict v, struct actions *a)
{
	if (s->state == SIN_CLOSED)
		return;
	switch (v.decision) {
	case VERDICT_PROVEN:
		pair_done(s, pair, v.proof, a);
		return;
	case VERDICT_ASK:
		if (pair->state != PAIR_VALID)
			pair->state = PAIR_VERIFYING;
		actions_add(a, ACT_VERIFY, pair, err_ok());
		return;
	case VERDICT_REFUSED:
		pair->reverify = false;
		if (pair->state != PAIR_VALID)
			pair->state = PAIR_FAILED;
		if (s->egress) /* BE-10: the text reaches the user */
			stream_in_fail(s, v.why, NULL, NULL, a);
		else
			xml_db_error(&a->out, "result", &pair->to, &pair->from, SLICE_NONE,
				refusal_condition(v.why.code));
		return;
	}
}

void stream_in_verified(struct stream_in *s, struct pair *pair, enum db_outcome outcome,
	const char *condition, struct actions *a)
{
	if (s->state == SIN_CLOSED)
		return;
	if (outcome == DB_VALID) {
		pair_done(s, pair, PROOF_DIALBACK, a);
		return;
	}
	pair->reverify = false;
	mem_wipe(pair->key, sizeof pair->key);
	/* A re-verification that failed for want of an answer leaves the proven pair alone. */
	if (outcome == DB_INVALID || pair->state != PAIR_VALID)
		pair->state = PAIR_FAILED;
	if (outcome == DB_ERROR) {
		xml_db_error(&a->out, "result", &pair->to, &pair->from, SLICE_NONE, condition);
		return;
	}
	xml_db_result(&a->out, &pair->to, &pair->from, "invalid", SLICE_NONE);
	if (pairs_valid_count(&s->pairs) == 0) {
		xml_stream_end(&a->out); /* XEP-0220 2.2.1: MUST close when no other pair is valid */
		close_stream(s, err_make(ERR_DB_INVALID), a);
	}
}

void stream_in_key_checked(struct stream_in *s, const struct db_query *q, enum db_outcome outcome,
	struct actions *a)
{
	if (s->state == SIN_CLOSED)
		return;
	struct slice id = slice_str(q->id);
	if (outcome == DB_ERROR) /* XEP-0220 2.2.2: `to` is not ours; MUST NOT close */
		xml_db_error(&a->out, "verify", &q->to, &q->from, id, "item-not-found");
	else
		xml_db_verify(&a->out, &q->to, &q->from, id,
			outcome == DB_VALID ? "valid" : "invalid", SLICE_NONE);
}

/* ---- elements ---- */

static void on_starttls(struct stream_in *s, struct actions *a)
{
	if (s->secured || s->egress || s->state != SIN_PLAIN || !s->local.offer_tls) {
		fail(s, ERR_UNEXPECTED, a); /* TLS-5 */
		return;
	}
	put(a, "<proceed xmlns='" NS_TLS "'/>");
	s->state = SIN_TLS;
	actions_add(a, ACT_START_TLS, NULL, err_ok());
}

static void on_stream_error(struct stream_in *s, const struct element *el, struct actions *a)
{
	actions_note_error(a, el);
	xml_stream_end(&a->out);
	close_stream(s, err_make(ERR_PEER_STREAM_ERROR), a);
}

void stream_in_element(struct stream_in *s, const struct element *el, struct actions *a)
{
	if (s->state == SIN_CLOSED)
		return;
	if (s->state == SIN_HEADER || s->state == SIN_TLS) {
		fail(s, ERR_NOT_AUTHORIZED, a);
	} else if (element_is(el, NS_STREAM, "error")) {
		on_stream_error(s, el, a);
	} else if (element_is(el, NS_TLS, "starttls")) {
		on_starttls(s, a);
	} else if (strcmp(el->ns, NS_DB) == 0 && s->state != SIN_ASSESS) {
		on_dialback(s, el, a);
	} else if (strcmp(el->ns, NS_SASL) == 0 && s->state == SIN_NEGOTIATE) {
		on_sasl(s, el, a);
	} else if (element_is(el, NS_COMPRESS, "compress")) {
		put(a, "<failure xmlns='" NS_COMPRESS "'><unsupported-method/></failure>"); /* CMP-1 */
	} else if (strcmp(el->ns, NS_SERVER) == 0) {
		fail(s, ERR_NOT_AUTHORIZED, a); /* ST-7, RFC 6120 4.9.3.12 */
	} else if (s->state == SIN_OPEN) {
		ignore(s, ERR_UNEXPECTED, a); /* ST-10 */
	} else {
		fail(s, ERR_UNEXPECTED, a);
	}
}

void stream_in_end(struct stream_in *s, struct actions *a)
{
	if (s->state == SIN_CLOSED)
		return;
	if (s->state == SIN_HEADER)
		send_header(s, false, a);
	xml_stream_end(&a->out); /* RFC 6120 4.4 */
	close_stream(s, err_make(ERR_PEER_CLOSED), a);
}
