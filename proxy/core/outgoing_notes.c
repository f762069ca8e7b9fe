/* What is said of a stream that we dial: in the log, and in the record for `fedgate explain`. */
#include "core/outgoing_inside.h"

#include <stdio.h>

/* ---- log ---- */

static const char *words(const char *text)
{
	return *text ? text : NULL;
}

/* By what the peer is known; M-5: by the place where it was reached, if by nothing better. */
static const char *known_by(const struct outgoing *o)
{
	return o->assessed.proven ? proof_kind_name(o->assessed.by) : "dns";
}

void outgoing_log(struct outgoing *o, struct err why, const char *event)
{
	char local[DOMAIN_UNICODE_MAX + 1], remote[DOMAIN_UNICODE_MAX + 1];
	struct slice l = domain_unicode(&o->config.local, local);
	struct slice r = domain_unicode(&o->config.remote, remote);
	if (err_is(why))
		log_reason(why, event, log_c("session", o->session), log_c("leg", o->config.leg),
			log_s("from", l), log_s("to", r),
			log_c("condition", o->condition[0] ? o->condition : NULL),
			log_c("said", o->text[0] ? o->text : NULL),
			log_c("dane", words(o->assessed.dane)),
			log_c("posh", words(o->assessed.posh)),
			log_c("evidence", words(o->assessed.evidence)),
			log_c("names", words(o->assessed.names)), log_end());
	else
		log_event(LOG_DEBUG, event, log_c("session", o->session),
			log_c("leg", o->config.leg), log_s("from", l), log_s("to", r), log_end());
}

void outgoing_log_up(struct outgoing *o)
{
	char local[DOMAIN_UNICODE_MAX + 1], remote[DOMAIN_UNICODE_MAX + 1];
	struct tls_info tls = o->link.tls ? tls_info(o->link.tls) : (struct tls_info){0};
	bool peer = !o->config.backend;
	log_event(peer ? LOG_INFO : LOG_DEBUG, "stream-up", log_c("session", o->session),
		log_c("leg", o->config.leg), log_c("dir", "out"),
		log_s("from", domain_unicode(&o->config.local, local)),
		log_s("to", domain_unicode(&o->config.remote, remote)),
		log_c("proof", pair_proof_name(o->stream.proof)),
		log_c("trust", peer ? level_name(outgoing_level(o)) : NULL),
		log_c("by", peer ? known_by(o) : NULL),
		log_c("dnssec", o->reached ? "secure" : o->assessed.dnssec),
		log_c("dane", words(o->assessed.dane)), log_c("posh", words(o->assessed.posh)),
		log_c("evidence", words(o->assessed.evidence)),
		log_c("leaf", words(o->assessed.leaf)), log_c("tls", tls.version),
		log_c("suite", tls.suite),
		log_c("start", !o->link.tls    ? "plain"
			       : o->direct_tls ? "direct"
					       : "starttls"),
		log_n("ms", (int64_t)(worker_now_ms(o->worker) - o->began_ms)), log_end());
}

/* ---- for `fedgate explain` ---- */

/* Questions are a step of the decision that they are asked for. */
void outgoing_begin_decision(struct outgoing *o)
{
	decision_free(o->decision);
	o->decision = NULL;
	if (o->config.backend || outgoing_is_question(o))
		return;
	o->decision = decision_begin(false, o->session, worker_wall_s(), o->began_ms);
	o->decision->tenant = o->config.local;
	o->decision->peer = o->config.remote;
}

void outgoing_note(struct outgoing *o, const char *step, enum step_mark mark, struct err why,
	const char *detail)
{
	if (o->decision)
		decision_step(o->decision, worker_now_ms(o->worker), step, mark, why, "%s", detail);
}

void outgoing_keep_decision(struct outgoing *o, struct err why)
{
	struct decision *d = o->decision;
	if (!d)
		return;
	d->floor = (uint8_t)outgoing_floor(o);
	d->level = (uint8_t)outgoing_level(o);
	d->by = (uint8_t)o->assessed.by;
	d->outcome = err_is(why) ? DECISION_REFUSED : DECISION_ACCEPTED;
	d->code = (uint16_t)why.code;
	decision_keep(o->worker->decisions, d);
	decision_free(d);
	o->decision = NULL;
}

void outgoing_note_connected(struct outgoing *o)
{
	char text[200], address[64] = "";
	if (!o->decision)
		return;
	uv_ip_name((struct sockaddr *)&o->link.remote_addr, address, sizeof address);
	snprintf(o->decision->address, sizeof o->decision->address, "%s", address);
	snprintf(text, sizeof text, "%s, %s%.100s", address,
		o->direct_tls ? "direct TLS" : "STARTTLS", o->reached ? ", signed SRV record" : "");
	outgoing_note(o, "tcp", STEP_FINE, err_ok(), text);
}
