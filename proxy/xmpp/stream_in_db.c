/* The receiving side of dialback (XEP-0220), and the answers of the authoritative server. */
#include "base/mem.h"
#include "xmpp/jid.h"
#include "xmpp/stream_in_inside.h"
#include "xmpp/xmlout.h"

#include <string.h>

static bool db_addresses(const struct element *el, struct domain *from, struct domain *to)
{
	const char *f = element_attr(el, "from");
	const char *t = element_attr(el, "to");
	return f && t && !err_is(jid_domain_only(slice_str(f), from)) &&
	       !err_is(jid_domain_only(slice_str(t), to));
}

/* XEP-0220 2.2: a request to prove the pair. */
static void on_request(struct stream_in *s, const char *key, const struct domain *from,
	const struct domain *to, struct actions *a)
{
	size_t key_len = strlen(key);
	struct pair *pair = pairs_find(&s->pairs, from, to);
	if (pair && pair_is_pending(pair)) {
		stream_in_ignore(s, ERR_DB_LIMIT, a); /* DB-4: one question at a time */
		return;
	}
	if (key_len == 0 || key_len > PAIR_KEY_MAX) { /* DB-7 */
		xml_db_error(&a->out, "result", to, from, SLICE_NONE, "not-acceptable");
		return;
	}
	bool room = pairs_pending_count(&s->pairs) < PAIRS_PENDING_MAX;
	if (room && !pair)
		pair = pairs_add(&s->pairs, from, to);
	if (!room || !pair) { /* DB-4 */
		xml_db_error(&a->out, "result", to, from, SLICE_NONE, "resource-constraint");
		return;
	}
	memcpy(pair->key, key, key_len + 1);
	pair->reverify = pair->state == PAIR_VALID;
	if (!pair->reverify)
		pair->state = PAIR_ASSESSING;
	actions_add(a, ACT_ASSESS, pair, err_ok());
}

/* XEP-0220 2.4: somebody asks whether a key is ours. */
static void on_question(struct stream_in *s, const struct element *el, const struct domain *from,
	const struct domain *to, struct actions *a)
{
	const char *id = element_attr(el, "id");
	if (!id || strlen(id) > STREAM_ID_MAX) {
		stream_in_ignore(s, ERR_ADDRESS, a);
		return;
	}
	if (strlen(el->text) > PAIR_KEY_MAX) { /* DB-7: no key of ours is that long */
		xml_db_verify(&a->out, to, from, slice_str(id), "invalid", SLICE_NONE);
		return;
	}
	a->query.from = *from;
	a->query.to = *to;
	memcpy(a->query.id, id, strlen(id) + 1);
	memcpy(a->query.key, el->text, strlen(el->text) + 1);
	actions_add(a, ACT_CHECK_KEY, NULL, err_ok());
}

void stream_in_dialback(struct stream_in *s, const struct element *el, struct actions *a)
{
	struct domain from, to;
	if (element_attr(el, "type")) {
		stream_in_ignore(s, ERR_DB_UNSOLICITED, a); /* DB-1, DB-3: nobody asked */
		return;
	}
	if (!db_addresses(el, &from, &to)) {
		stream_in_fail_code(s, ERR_ADDRESS, a); /* DB-2 */
		return;
	}
	bool result = strcmp(el->name, "result") == 0;
	if (!result && strcmp(el->name, "verify") != 0) {
		stream_in_fail_code(s, ERR_UNEXPECTED, a);
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
		on_request(s, el->text, &from, &to, a);
	else
		on_question(s, el, &from, &to, a);
}

static void pair_done(
	struct stream_in *s, struct pair *pair, enum pair_proof proof, struct actions *a)
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

static void pair_failed(
	struct stream_in *s, struct pair *pair, const char *condition, struct actions *a)
{
	pair->state = PAIR_FAILED;
	pair->reverify = false;
	mem_wipe(pair->key, sizeof pair->key);
	if (condition)
		xml_db_error(&a->out, "result", &pair->to, &pair->from, SLICE_NONE, condition);
	else
		xml_db_result(&a->out, &pair->to, &pair->from, "invalid", SLICE_NONE);
	if (!condition && pairs_valid_count(&s->pairs) == 0) {
		xml_stream_end(
			&a->out); /* XEP-0220 2.2.1: MUST close when no other pair is valid */
		stream_in_close(s, err_make(ERR_DB_INVALID), a);
	}
}

/* DB-4: a proven pair that was asked about again in vain, for want of an answer, stays proven. */
static void pair_kept(struct pair *pair, const char *condition, struct actions *a)
{
	pair->reverify = false;
	mem_wipe(pair->key, sizeof pair->key);
	xml_db_error(&a->out, "result", &pair->to, &pair->from, SLICE_NONE, condition);
}

void stream_in_verdict(struct stream_in *s, struct pair *pair, struct verdict v, struct actions *a)
{
	if (s->state == SIN_CLOSED || !pair_is_pending(pair))
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
		if (s->egress) /* BE-10: the text reaches the user */
			stream_in_fail(s, v.why, NULL, NULL, a);
		else
			pair_failed(s, pair, refusal_condition(v.why.code), a);
		return;
	}
}

void stream_in_verified(struct stream_in *s, struct pair *pair, enum db_outcome outcome,
	const char *condition, struct actions *a)
{
	if (s->state == SIN_CLOSED || !pair_is_pending(pair))
		return;
	if (outcome == DB_VALID)
		pair_done(s, pair, PROOF_DIALBACK, a);
	else if (outcome == DB_ERROR && pair->state == PAIR_VALID)
		pair_kept(pair, condition, a);
	else
		pair_failed(s, pair, outcome == DB_ERROR ? condition : NULL, a);
}

void stream_in_key_checked(
	struct stream_in *s, const struct db_query *q, enum db_outcome outcome, struct actions *a)
{
	/* Who restarts the stream over its question does not get an answer on the next one. */
	if (s->state == SIN_CLOSED || s->state == SIN_TLS || s->state == SIN_HEADER)
		return;
	struct slice id = slice_str(q->id);
	if (outcome == DB_ERROR) /* XEP-0220 2.2.2: `to` is not ours; MUST NOT close */
		xml_db_error(&a->out, "verify", &q->to, &q->from, id, "item-not-found");
	else if (outcome == DB_BUSY)
		xml_db_error(&a->out, "verify", &q->to, &q->from, id, "resource-constraint");
	else
		xml_db_verify(&a->out, &q->to, &q->from, id,
			outcome == DB_VALID ? "valid" : "invalid", SLICE_NONE);
}
