#include "xmpp/stream_out.h"

#include "base/b64.h"
#include "base/mem.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/xmlout.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { IGNORED_MAX = 1000 };

void stream_out_init(struct stream_out *s, const struct stream_out_config *config)
{
	memset(s, 0, sizeof *s);
	s->config = *config;
	s->secured = config->direct_tls;
}

void stream_out_fini(struct stream_out *s)
{
	mem_wipe(s->config.verify_key, sizeof s->config.verify_key);
}

static void send_header(struct stream_out *s, struct actions *a)
{
	/* ST-1: both addresses, always; ST-3: never an id. */
	struct xml_header h = {.from = &s->config.local,
		.to = &s->config.remote,
		.lang = slice_str(s->config.lang)};
	xml_stream_header(&a->out, &h);
	s->state = SOUT_HEADER;
}

static void close_stream(struct stream_out *s, struct err why, struct actions *a)
{
	s->state = SOUT_CLOSED;
	actions_add(a, ACT_CLOSE, NULL, why);
}

void stream_out_fail(struct stream_out *s, struct err why, const char *detail, struct actions *a)
{
	if (s->state == SOUT_CLOSED)
		return;
	/* RFC 6120 5.4.3.2: nothing is said in XML while TLS is under way or has failed. */
	if (s->state != SOUT_TLS && s->state != SOUT_ASSESS)
		xml_stream_error(&a->out, why, detail);
	close_stream(s, why, a);
}

static void fail(struct stream_out *s, enum err_code code, struct actions *a)
{
	stream_out_fail(s, err_make(code), NULL, a);
}

void stream_out_finish(struct stream_out *s, struct err why, struct actions *a)
{
	if (s->state == SOUT_CLOSED)
		return;
	if (s->state != SOUT_TLS && s->state != SOUT_ASSESS)
		xml_stream_end(&a->out);
	close_stream(s, why, a);
}

void stream_out_start(struct stream_out *s, struct actions *a)
{
	if (s->config.direct_tls) {
		/* The certificate was seen already: it is judged before a byte of XML. */
		s->state = SOUT_ASSESS;
		actions_add(a, ACT_ASSESS_PEER, NULL, err_ok());
		return;
	}
	send_header(s, a);
}

/* ---- proving ourselves ---- */

static void start_dialback(struct stream_out *s, struct actions *a)
{
	s->state = SOUT_RESULT;
	actions_add(a, ACT_DIALBACK, NULL, err_ok());
}

static void ask_question(struct stream_out *s, struct actions *a)
{
	xml_db_verify(&a->out, &s->config.local, &s->config.remote, slice_str(s->config.verify_id),
		NULL, slice_str(s->config.verify_key));
	mem_wipe(s->config.verify_key, sizeof s->config.verify_key);
	s->state = SOUT_VERIFY;
}

void stream_out_send_key(struct stream_out *s, struct slice key, struct actions *a)
{
	if (s->state != SOUT_RESULT || s->key_sent)
		return;
	xml_db_result(&a->out, &s->config.local, &s->config.remote, NULL, key);
	s->key_sent = true;
}

static void open_stream(struct stream_out *s, enum pair_proof proof, struct actions *a)
{
	s->state = SOUT_OPEN;
	s->proof = proof;
	actions_add(a, ACT_READY, NULL, err_ok());
}

static bool dialback_possible(const struct stream_out *s)
{
	/* A key for a stream without an id could be shown again on any other (DB-6, BE-13). */
	return s->config.may_dialback && *s->id &&
	       (s->offers_dialback || s->has_dialback_ns || s->config.backend || s->pre_xmpp1);
}

static void send_auth(struct stream_out *s, struct actions *a)
{
	char name[DOMAIN_UNICODE_MAX + 1];
	/* XEP-0178 3: the authzid is included for older servers. */
	(void)buf_append_str(&a->out, "<auth xmlns='" NS_SASL "' mechanism='EXTERNAL'>");
	b64_encode(domain_unicode(&s->config.local, name), &a->out);
	(void)buf_append_str(&a->out, "</auth>");
	s->state = SOUT_AUTH;
}

/* Negotiation on the stream that will carry stanzas or the question. */
static void negotiate(struct stream_out *s, bool external, struct actions *a)
{
	if (s->config.verify)
		ask_question(s, a); /* protocol sheet 8.4: without waiting for our own proof */
	else if (s->authenticated)
		open_stream(s, PROOF_EXTERNAL, a);
	else if (external && s->secured && s->config.may_external && !s->config.backend)
		send_auth(s, a); /* EXT-1 */
	else if (dialback_possible(s))
		start_dialback(s, a);
	else
		fail(s, ERR_NO_OFFER, a);
}

/* ---- headers and features ---- */

static struct err check_header(
	const struct stream_out *s, const struct stream_header *h, struct err wrong)
{
	if (err_is(wrong))
		return wrong;
	/* ST-2; before TLS a missing `from` is tolerated, another one never is. */
	bool named = domain_is_set(&h->from);
	if (named && !domain_eq(&h->from, &s->config.remote))
		return err_make(ERR_REPLY_FROM);
	if (!named && s->secured && h->has_version)
		return err_make(ERR_REPLY_FROM);
	/* RFC 6120 4.7.2; peers of RFC 3920 leave `to` out. */
	if (domain_is_set(&h->to) && !domain_eq(&h->to, &s->config.local))
		return err_make(ERR_REPLY_FROM);
	if (!h->has_version && s->config.tls_required && !s->secured)
		return err_make(ERR_STREAM_VERSION);
	return err_ok();
}

void stream_out_header(
	struct stream_out *s, const struct stream_header *h, struct err wrong, struct actions *a)
{
	if (s->state != SOUT_HEADER) {
		fail(s, ERR_UNEXPECTED, a);
		return;
	}
	struct err bad = check_header(s, h, wrong);
	if (err_is(bad)) {
		stream_out_fail(s, bad, NULL, a);
		return;
	}
	memcpy(s->id, h->id, sizeof s->id);
	s->has_dialback_ns = h->has_dialback;
	s->pre_xmpp1 = !h->has_version;
	s->state = SOUT_FEATURES;
	if (s->pre_xmpp1)
		negotiate(s, false, a); /* ST-4: no features will come */
}

static bool wants_tls(const struct stream_out *s, const struct element *starttls)
{
	if (s->secured || s->config.backend)
		return false;
	/* RFC 7590 3.1: also when it is not advertised, where policy wants TLS; RFC 6120 5.3.1: and
	 * where the peer does, which would take nothing else. */
	return s->config.tls_required ||
	       (starttls && (s->config.attempt_tls || element_child(starttls, NS_TLS, "required")));
}

/* 0 when it is missing or no plain number; what is too large to matter is cut. */
static unsigned long read_limit(const struct element *limits, const char *name)
{
	const struct element *el = limits ? element_child(limits, NS_LIMITS, name) : NULL;
	if (!el || !*el->text || el->text[strspn(el->text, "0123456789")])
		return 0;
	unsigned long value = strtoul(el->text, NULL, 10);
	return value < UINT_MAX ? value : UINT_MAX;
}

/* XEP-0478 4: whatever the newest features say holds. */
static void note_limits(struct stream_out *s, const struct element *features)
{
	const struct element *limits = element_child(features, NS_LIMITS, "limits");
	s->peer_max_bytes = read_limit(limits, "max-bytes");
	s->peer_idle_seconds = (unsigned)read_limit(limits, "idle-seconds");
}

static bool offers_external(const struct element *features)
{
	const struct element *list = element_child(features, NS_SASL, "mechanisms");
	for (const struct element *m = list ? list->children : NULL; m; m = m->next) {
		if (element_is(m, NS_SASL, "mechanism") && strcmp(m->text, "EXTERNAL") == 0)
			return true;
	}
	return false;
}

static void on_features(struct stream_out *s, const struct element *el, struct actions *a)
{
	if (s->state != SOUT_FEATURES) {
		fail(s, ERR_UNEXPECTED, a); /* S17: nobody asked */
		return;
	}
	note_limits(s, el);
	s->offers_dialback = element_child(el, NS_DB_FEATURE, "dialback") != NULL;
	if (wants_tls(s, element_child(el, NS_TLS, "starttls"))) {
		(void)buf_append_str(&a->out, "<starttls xmlns='" NS_TLS "'/>");
		s->state = SOUT_PROCEED;
		return;
	}
	negotiate(s, offers_external(el), a);
}

/* ---- TLS ---- */

static void on_tls_element(struct stream_out *s, const struct element *el, struct actions *a)
{
	if (s->state != SOUT_PROCEED) {
		fail(s, ERR_UNEXPECTED, a);
	} else if (strcmp(el->name, "proceed") == 0) {
		s->state = SOUT_TLS;
		actions_add(a, ACT_START_TLS, NULL, err_ok());
	} else {
		/* Never on in clear on this connection (RFC 6120 5.4.2.2 closes it anyway). */
		fail(s, ERR_STARTTLS_REFUSED, a);
	}
}

void stream_out_tls_up(struct stream_out *s, struct actions *a)
{
	if (s->state != SOUT_TLS)
		return;
	s->secured = true;
	s->offers_dialback = s->has_dialback_ns = false; /* TLS-2 */
	s->peer_max_bytes = 0;
	s->peer_idle_seconds = 0;
	s->id[0] = '\0';
	s->state = SOUT_ASSESS;
	actions_add(a, ACT_ASSESS_PEER, NULL, err_ok());
}

void stream_out_peer_verdict(struct stream_out *s, struct verdict v, struct actions *a)
{
	if (s->state != SOUT_ASSESS)
		return;
	if (v.decision == VERDICT_REFUSED)
		close_stream(s, v.why, a);
	else
		send_header(s, a);
}

/* ---- answers ---- */

static void on_sasl(struct stream_out *s, const struct element *el, struct actions *a)
{
	if (s->state != SOUT_AUTH) {
		fail(s, ERR_UNEXPECTED, a); /* S17: unsolicited <success/> */
	} else if (strcmp(el->name, "success") == 0) {
		s->authenticated = true;
		actions_add(a, ACT_RESTART, NULL, err_ok());
		send_header(s, a);
	} else if (strcmp(el->name, "failure") == 0 && dialback_possible(s)) {
		start_dialback(s, a); /* protocol sheet 7: fall back on the same stream */
	} else {
		actions_note_error(a, el);
		fail(s, ERR_SASL, a);
	}
}

/* The answer must be to what this very stream asked (DB-1, XEP-0220 2.1.1, 3.1). */
static bool answers_us(const struct stream_out *s, const struct element *el)
{
	const char *from = element_attr(el, "from");
	const char *to = element_attr(el, "to");
	struct domain f, t;
	return from && to && !err_is(jid_domain_only(slice_str(from), &f)) &&
	       !err_is(jid_domain_only(slice_str(to), &t)) && domain_eq(&f, &s->config.remote) &&
	       domain_eq(&t, &s->config.local);
}

static void ignore(struct stream_out *s, enum err_code why, struct actions *a)
{
	actions_add(a, ACT_IGNORED, NULL, err_make(why));
	if (++s->ignored > IGNORED_MAX)
		fail(s, ERR_LIMIT, a);
}

static void note_db_error(const struct element *el, struct actions *a)
{
	const struct element *error = element_child(el, NULL, "error");
	if (error)
		actions_note_error(a, error);
}

static void on_result_answer(
	struct stream_out *s, const struct element *el, const char *type, struct actions *a)
{
	if (strcmp(type, "valid") == 0) {
		open_stream(s, PROOF_DIALBACK, a);
		return;
	}
	note_db_error(el, a);
	fail(s, ERR_DB_REJECTED, a);
}

static void on_verify_answer(
	struct stream_out *s, const struct element *el, const char *type, struct actions *a)
{
	note_db_error(el, a);
	a->outcome = strcmp(type, "valid") == 0     ? DB_VALID
		     : strcmp(type, "invalid") == 0 ? DB_INVALID
						    : DB_ERROR;
	actions_add(a, ACT_VERIFIED, NULL, err_ok());
	stream_out_finish(s, err_ok(), a);
}

static void on_dialback(struct stream_out *s, const struct element *el, struct actions *a)
{
	const char *type = element_attr(el, "type");
	const char *id = element_attr(el, "id");
	bool ours = type && answers_us(s, el);
	if (ours && s->state == SOUT_RESULT && s->key_sent && strcmp(el->name, "result") == 0)
		on_result_answer(s, el, type, a);
	else if (ours && s->state == SOUT_VERIFY && strcmp(el->name, "verify") == 0 && id &&
		 strcmp(id, s->config.verify_id) == 0)
		on_verify_answer(s, el, type, a);
	else
		ignore(s, ERR_DB_UNSOLICITED, a); /* DB-1 */
}

static void on_stream_error(struct stream_out *s, const struct element *el, struct actions *a)
{
	actions_note_error(a, el);
	xml_stream_end(&a->out);
	close_stream(s, err_make(ERR_PEER_STREAM_ERROR), a);
}

void stream_out_element(struct stream_out *s, const struct element *el, struct actions *a)
{
	if (s->state == SOUT_CLOSED)
		return;
	if (s->state == SOUT_TLS || s->state == SOUT_ASSESS || s->state == SOUT_HEADER)
		fail(s, ERR_UNEXPECTED, a);
	else if (element_is(el, NS_STREAM, "error"))
		on_stream_error(s, el, a);
	else if (element_is(el, NS_STREAM, "features"))
		on_features(s, el, a);
	else if (strcmp(el->ns, NS_TLS) == 0)
		on_tls_element(s, el, a);
	else if (strcmp(el->ns, NS_SASL) == 0)
		on_sasl(s, el, a);
	else if (strcmp(el->ns, NS_DB) == 0)
		on_dialback(s, el, a);
	else if (s->state == SOUT_OPEN || s->state == SOUT_RESULT || s->state == SOUT_VERIFY)
		ignore(s, ERR_UNEXPECTED, a); /* a stanza here has no proven pair (DB-1) */
	else
		fail(s, ERR_UNEXPECTED, a);
}

void stream_out_end(struct stream_out *s, struct actions *a)
{
	stream_out_finish(s, err_make(ERR_PEER_CLOSED), a);
}
