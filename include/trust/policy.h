/* The heart: evidence, floor and now in, verdict out. Pure, and the only place where proofs are
 * weighed against each other (protocol sheet 14, DNA-1..4; M-3; DANE-1; POSH-4).
 *
 * Proofs are found out side by side; policy_decide() is asked at every arrival and says WAIT until
 * the decision cannot change any more. A negative DANE result and a pin that does not match are
 * final; all others can be saved by another proof. So DANE and PIN are waited for also when the
 * floor is reached, the others are not. */
#ifndef FEDGATE_TRUST_POLICY_H
#define FEDGATE_TRUST_POLICY_H

#include "base/err.h"
#include "trust/level.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order in which the one that proves is named; all but ASKED need TLS. */
enum proof_kind { PROOF_DANE, PROOF_PKIX, PROOF_POSH, PROOF_PIN, PROOF_ASKED, PROOF_KINDS };
/* PROOF_ASKED: dialback; outbound: the peer was reached where DNS points (M-5). */
const char *proof_kind_name(
	enum proof_kind k); /* "dane", "pkix", "posh", "pin", "dialback"; "none" */

enum evidence_outcome {
	EVIDENCE_NONE,    /* does not apply, or nothing is published; `why` says which */
	EVIDENCE_PENDING, /* being found out; ASKED: may still be asked for */
	EVIDENCE_PROVES,
	EVIDENCE_FAILS,   /* proves nothing */
	EVIDENCE_FORBIDS, /* says no for good: DANE mismatch or bogus, pin mismatch; DANE or PIN */
};

enum { EVIDENCE_DETAIL_MAX = 119 };

struct evidence {
	enum evidence_outcome outcome;
	/* DNSSEC vouches for what it rests on. DANE, PENDING: for the way to the TLSA records, so
	 * that these are owed. */
	bool secure;
	struct err why;    /* NONE, FAILS, FORBIDS */
	int64_t not_after; /* PROVES, and others that may change: judged again after it; 0: never */
	char detail[EVIDENCE_DETAIL_MAX + 1]; /* "3 1 1", names, a URL: for people */
};

struct policy_case {
	struct evidence of[PROOF_KINDS];
	bool tls;
};

enum policy_decision { POLICY_WAIT, POLICY_ACCEPT, POLICY_REFUSE };

struct policy_reason {
	enum proof_kind kind;
	enum evidence_outcome outcome;
	struct err why;
};

struct policy_verdict {
	enum policy_decision decision;
	enum level level;    /* reached so far, NONE with a FORBIDS; ACCEPT: at least the floor */
	enum proof_kind by;  /* what gives the level; PROOF_KINDS: nothing */
	unsigned waits_for;  /* WAIT: 1u << kind of each; only ASKED left: dialback decides */
	int64_t judge_again; /* ACCEPT: the earliest not_after of `by`, DANE and PIN; 0: none */
	struct err why;      /* REFUSE: the most telling reason */
	size_t reason_count; /* everything that was looked at, in the order of the kinds; a proof
				that has run out is FAILS, ERR_PROOF_OVER */
	struct policy_reason reasons[PROOF_KINDS];
};

/* Evidence whose not_after has passed proves nothing (ERR_PROOF_OVER); a FORBIDS stays one. A floor
 * of NONE is taken for VERIFIED (M-4). */
void policy_decide(
	const struct policy_case *c, enum level floor, int64_t now, struct policy_verdict *out);
/* The deadline has come: what is still pending (but for ASKED) becomes FAILS, ERR_PROOF_LATE; DANE
 * that is pending and `secure` becomes FORBIDS, ERR_DANE_FAILED (RFC 7673 3.4). */
void policy_give_up_waiting(struct policy_case *c);
/* The level that the evidence alone reaches, whatever the floor; NONE with a FORBIDS. */
enum level policy_level(const struct policy_case *c, int64_t now);

#endif
