/* Judging the other side: what was shown in TLS and what the domain publishes become evidence,
 * which trust/policy.h weighs; and the tenants' own credentials, parsed on first use and kept while
 * the tenant's version stays.
 *
 * Levels (protocol sheet 1, M-3, DB-13): a certificate bound to the domain, by whatever proof,
 * gives trusted; TLS with dialback secure; dialback alone verified. */
#ifndef FEDGATE_CORE_ASSESS_H
#define FEDGATE_CORE_ASSESS_H

#include "core/channel.h"
#include "core/dial.h"
#include "core/proofs.h"
#include "core/renewal.h"
#include "keys/credential.h"
#include "net/tls.h"
#include "trust/identity.h"
#include "trust/policy.h"
#include "xmpp/pairs.h"

struct assessor;

struct assessor *assessor_new(uint64_t seed);
void assessor_free(struct assessor *a);
/* The configuration was reloaded: forget what belongs to tenants that are gone or to files that may
 * have changed. */
void assessor_forget(struct assessor *a, const struct registry *now);

/* The tenant's credential, or NULL with *e set. Borrowed; hold it to keep it. */
struct credential *assess_credential(
	struct assessor *a, struct channel *channel, const struct tenant *t, struct err *e);

/* In place of the chain of a DANE tenant's file: one that names the tenant, where the file holds
 * nothing that an authority stands behind. */
struct err assess_name_chain(const struct tenant *t, struct slice key_pem, struct buf *chain_pem);

/* Who is judged: by what was shown, and by what is known of the domain. */
struct assess_question {
	struct worker *worker;         /* NULL: outside of the daemon; then `cas` counts */
	const struct cert_set *cas[2]; /* borrowed: the tenant's, the gate's; NULL: none */
	const struct tenant *tenant;   /* whose authorities and pins count */
	const struct slice *chain;     /* DER, leaf first */
	size_t count;                  /* 0: no certificate was shown */
	bool tls;
	const struct domain *domain;
	/* We reached it here; NULL: it came to us, and its DANE records are those of `published`.
	 */
	const struct dial_endpoint *reached;
	struct proofs_view published;
	/* proofs_kind that are found out: what is not there of them is pending. The others do not
	 * count. */
	unsigned asked;
	enum evidence_outcome by_asking; /* PROOF_ASKED */
	/* PKIX costs signatures, the others nearly nothing: what was found out a moment ago about
	 * the same certificate, under the same authorities; NULL: it is found out. */
	const struct evidence *pkix;
};

/* The evidence of this moment. */
void assess_evidence(const struct assess_question *q, struct policy_case *out);

/* What an assessment came to: for the log and for later (DNA-4). */
struct assessment {
	enum level level;
	enum proof_kind by;         /* what gives the level; PROOF_KINDS: nothing */
	bool proven;                /* the domain is bound to what was shown in TLS */
	struct renewal_proof rests; /* on what, and for how long */
	struct err certificate;     /* PKIX's word */
	const char *dnssec; /* "secure", "insecure", "bogus", "failed"; NULL: nobody looked */
	char leaf[17];      /* SHA-256, its beginning */
	char dane[48];      /* "match 3 1 1", "none", ... (DANE-10) */
	char posh[120];     /* the document's URL */
	char names[120];    /* those presented, when they are of interest */
	char evidence[64];  /* what did not prove it: "pkix:FG-C05 posh:FG-P01" */
};
struct assessment assess_outcome(const struct assess_question *q, const struct policy_case *c,
	const struct policy_verdict *v);

/* No more is waited for, because of this: ERR_PROOF_LATE; ERR_BUDGET: whoever came may not make us
 * look; ERR_LIMIT: there was no room to, which is as if DNS and the web had failed. DANE that is
 * not known is looked at again before long. */
void assess_give_up(struct policy_case *c, enum err_code why);
/* What a question came to under a floor. */
struct weighed {
	struct policy_case c;
	struct policy_verdict v;
	struct assessment outcome;
	bool passes; /* refused for what may be otherwise in a moment */
};
/* All of it at once. rested_on: what it was believed by before; PROOF_KINDS the first time. late:
 * why no more is waited for (assess_give_up); ERR_OK: it is. */
void assess_weigh(const struct assess_question *q, enum level floor, enum proof_kind rested_on,
	enum err_code late, struct weighed *out);
/* Whether it was refused for what could not be found out just now, rather than for what is so. */
bool assess_passes(const struct assess_question *q, const struct policy_case *c,
	const struct policy_verdict *v, enum proof_kind rested_on);
/* Why a stream that rested on such a proof, and was refused for good, is closed. */
struct err assess_over(
	const struct policy_case *c, const struct policy_verdict *v, enum proof_kind rested_on);

enum level level_of_proof(enum pair_proof proof, bool tls);

#endif
