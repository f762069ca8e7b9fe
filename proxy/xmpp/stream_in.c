#include "base/b64.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/stream_in_inside.h"
#include "xmpp/xmlout.h"

#include <stdio.h>
#include <string.h>

enum { SASL_FAILURES_MAX = 2, IGNORED_MAX = 1000 };

void stream_in_init(struct stream_in *s, bool egress, bool secured, const struct domain *gate_name,
	const char *error_id)
{
	memset(s, 0, sizeof *s);
	s->egress = egress;
	s->secured = secured;
	s->gate_name = *gate_name;
	snprintf(s->error_id, sizeof s->error_id, "%s", error_id);
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

/* known: the header's domains were found good. */
static void send_header(struct stream_in *s, bool known, struct actions *a)
{
	const struct domain *served = s->egress ? &s->peer : &s->ours;
	struct xml_header h = {
		/* RFC 6120 4.7.1; an unknown `to` is never echoed (4.9.1.3). */
		.from = known ? served : &s->gate_name,
		.to = &s->header.from, /* RFC 6120 4.7.2 */
		.id = slice_str(s->id),
		.lang = slice_str(s->header.lang),
		.no_version = s->pre_xmpp1,
	};
	xml_stream_header(&a->out, &h);
}

void stream_in_close(struct stream_in *s, struct err why, struct actions *a)
{
	s->state = SIN_CLOSED;
	actions_add(a, ACT_CLOSE, NULL, why);
}

/* RFC 6120 4.9.1.2: what ends a stream during its set-up still stands behind a header of ours,
 * with an id that no other header had (ST-3). */
static void send_error_header(struct stream_in *s, struct actions *a)
{
	memcpy(s->id, s->error_id, sizeof s->id);
	s->pre_xmpp1 = false;
	send_header(s, false, a);
}

void stream_in_fail(struct stream_in *s, struct err why, const char *condition, const char *detail,
	struct actions *a)
{
	if (s->state == SIN_CLOSED)
		return;
	if (s->state == SIN_HEADER)
		send_error_header(s, a);
	if (s->state != SIN_TLS)
		xml_stream_error_as(
			&a->out, condition ? condition : err_row(why.code)->condition, why, detail);
	stream_in_close(s, why, a);
}

void stream_in_fail_code(struct stream_in *s, enum err_code code, struct actions *a)
{
	stream_in_fail(s, err_make(code), NULL, NULL, a);
}

void stream_in_ignore(struct stream_in *s, enum err_code why, struct actions *a)
{
	actions_add(a, ACT_IGNORED, NULL, err_make(why));
	if (++s->ignored > IGNORED_MAX)
		stream_in_fail_code(s, ERR_LIMIT, a);
}

/* LIM-2: our own limits, not a backend's word passed on. */
static void send_limits(const struct stream_local *local, struct actions *a)
{
	put(a, "<limits xmlns='" NS_LIMITS "'>");
	if (local->max_bytes)
		(void)buf_printf(&a->out, "<max-bytes>%zu</max-bytes>", local->max_bytes);
	if (local->idle_seconds)
		(void)buf_printf(&a->out, "<idle-seconds>%u</idle-seconds>", local->idle_seconds);
	put(a, "</limits>");
}

static void send_features(struct stream_in *s, const char *inside, struct actions *a)
{
	if (s->pre_xmpp1)
		return; /* ST-4: no features for a peer before 1.0 */
	put(a, "<stream:features>");
	put(a, inside);
	/* RFC 6120 5.3.1: where TLS is required, nothing else is advertised before it. */
	bool tls_first = s->state == SIN_PLAIN && s->local.tls_required;
	if (!tls_first && (s->local.max_bytes || s->local.idle_seconds))
		send_limits(&s->local, a);
	put(a, "</stream:features>");
}

#define FEATURE_DIALBACK "<dialback xmlns='" NS_DB_FEATURE "'><errors/></dialback>"
#define FEATURE_EXTERNAL                                                                           \
	"<mechanisms xmlns='" NS_SASL "'><mechanism>EXTERNAL</mechanism></mechanisms>"
#define FEATURE_TLS          "<starttls xmlns='" NS_TLS "'/>"
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
	if (s->local.tls_required && !s->local.offer_tls)
		stream_in_fail_code(s, ERR_TLS_CREDENTIAL, a); /* the tenant has nothing to show */
	else if (s->local.tls_required)
		send_features(s, FEATURE_TLS_REQUIRED, a);
	else if (s->local.offer_tls)
		send_features(s, FEATURE_TLS FEATURE_DIALBACK, a);
	else
		send_features(s, FEATURE_DIALBACK, a);
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
		stream_in_fail_code(s, ERR_DB_LIMIT, a);
		return;
	}
	pair->state = PAIR_VALID;
	pair->proof = PROOF_EXTERNAL;
	actions_add(a, ACT_PAIR_VALID, pair, err_ok());
}

void stream_in_header(struct stream_in *s, const struct stream_header *h, struct err wrong,
	const struct stream_local *local, const char *new_id, struct actions *a)
{
	if (s->state != SIN_HEADER) {
		stream_in_fail_code(s, ERR_UNEXPECTED, a); /* S19 */
		return;
	}
	snprintf(s->id, sizeof s->id, "%s", new_id);
	s->header = *h;
	s->local = *local;
	s->pre_xmpp1 = !h->has_version;
	struct err bad = check_header(s, h, wrong, local);
	if (err_is(bad)) {
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

void stream_in_tls_up(struct stream_in *s)
{
	if (s->state != SIN_TLS && s->state != SIN_HEADER)
		return;
	/* RFC 6120 5.4.3.3: nothing learnt before TLS survives, but `to` is compared (TLS-2). */
	s->secured = true;
	s->state = SIN_HEADER;
	s->peer = (struct domain){0};
	s->header = (struct stream_header){0};
	s->local = (struct stream_local){0};
	pairs_fini(&s->pairs);
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
	send_features(
		s, s->external_offered ? FEATURE_EXTERNAL FEATURE_DIALBACK : FEATURE_DIALBACK, a);
}

/* ---- SASL EXTERNAL (XEP-0178 3, RFC 6120 6) ---- */

static void sasl_failure(struct stream_in *s, const char *condition, struct actions *a)
{
	(void)buf_printf(&a->out, "<failure xmlns='" NS_SASL "'><%s/></failure>", condition);
	s->external_offered = false; /* one failure, then dialback only */
	if (++s->sasl_failures >= SASL_FAILURES_MAX)
		stream_in_fail_code(s, ERR_SASL_RETRIES, a); /* RFC 6120 6.4.5 */
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
	bool same =
		decoded && !err_is(jid_domain_only(buf_peek(&name), &d)) && domain_eq(&d, &s->peer);
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
	/* Nor while a dialback question is open: its answer belongs to the stream before the
	 * restart. */
	if (!s->secured || !s->external_offered || pairs_pending_count(&s->pairs)) {
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
		stream_in_fail_code(s, ERR_UNEXPECTED, a);
}

/* ---- elements ---- */

static void on_starttls(struct stream_in *s, struct actions *a)
{
	/* SIN_PLAIN: in clear, and not to a backend. Not in the middle of a dialback either: TLS
	 * would make us forget the question (TLS-2). */
	if (s->state != SIN_PLAIN || !s->local.offer_tls || pairs_pending_count(&s->pairs)) {
		stream_in_fail_code(s, ERR_UNEXPECTED, a); /* TLS-5 */
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
	stream_in_close(s, err_make(ERR_PEER_STREAM_ERROR), a);
}

static bool is_stanza(const struct element *el)
{
	return element_is(el, NS_SERVER, "message") || element_is(el, NS_SERVER, "presence") ||
	       element_is(el, NS_SERVER, "iq");
}

void stream_in_element(struct stream_in *s, const struct element *el, struct actions *a)
{
	if (s->state == SIN_CLOSED)
		return;
	if (s->state == SIN_HEADER || s->state == SIN_TLS) {
		stream_in_fail_code(s, ERR_NOT_AUTHORIZED, a);
	} else if (element_is(el, NS_STREAM, "error")) {
		on_stream_error(s, el, a);
	} else if (element_is(el, NS_TLS, "starttls")) {
		on_starttls(s, a);
	} else if (strcmp(el->ns, NS_DB) == 0 && s->state != SIN_ASSESS) {
		stream_in_dialback(s, el, a);
	} else if (strcmp(el->ns, NS_SASL) == 0 && s->state == SIN_NEGOTIATE) {
		on_sasl(s, el, a);
	} else if (element_is(el, NS_COMPRESS, "compress")) {
		put(a, "<failure xmlns='" NS_COMPRESS
		       "'><unsupported-method/></failure>"); /* CMP-1 */
	} else if (is_stanza(el)) {
		stream_in_fail_code(s, ERR_NOT_AUTHORIZED, a); /* ST-7, RFC 6120 4.9.3.12 */
	} else if (s->state == SIN_OPEN && strcmp(el->ns, NS_SERVER) != 0) {
		stream_in_ignore(s, ERR_UNEXPECTED, a); /* ST-10 */
	} else {
		stream_in_fail_code(s, ERR_UNEXPECTED, a);
	}
}

void stream_in_end(struct stream_in *s, struct actions *a)
{
	if (s->state == SIN_CLOSED)
		return;
	if (s->state == SIN_HEADER)
		send_error_header(s, a);
	if (s->state != SIN_TLS)
		xml_stream_end(&a->out); /* RFC 6120 4.4 */
	stream_in_close(s, err_make(ERR_PEER_CLOSED), a);
}
