/* What was decided about a peer and why, step by step: the record that `fedgate explain` prints.
 * Kept in shared memory, a ring for each worker, so that a decision outlives the worker that made
 * it and the supervisor reads it without asking anybody. No JIDs with localparts, no secrets. */
#ifndef FEDGATE_CORE_DECISION_H
#define FEDGATE_CORE_DECISION_H

#include "base/domain.h"
#include "trust/policy.h"

enum { DECISION_STEPS_MAX = 24, DECISION_TEXT_MAX = 119 };

enum step_mark { STEP_FINE, STEP_BAD, STEP_SKIPPED, STEP_OPEN };

/* The names of the steps are fixed words: "tcp", "header", "tls", "certificate", "posh", "dane",
 * "pin", "dialback", "external", "dns", "policy", ... */
struct decision_step {
	char name[16];
	uint8_t mark;   /* enum step_mark */
	uint16_t code;  /* enum err_code; 0: none */
	uint32_t at_ms; /* since the beginning */
	char detail[DECISION_TEXT_MAX + 1];
};

enum decision_outcome { DECISION_OPEN, DECISION_ACCEPTED, DECISION_REFUSED };

struct decision {
	int64_t began_s; /* wall clock */
	uint64_t began_ms;
	bool inbound;
	uint8_t outcome;          /* enum decision_outcome */
	uint8_t floor, level, by; /* enum level, enum level, enum proof_kind */
	uint16_t code;            /* REFUSED: enum err_code */
	char session[17];
	char address[64];
	struct domain tenant, peer; /* tenant: the domain of ours */
	uint32_t step_count;
	struct decision_step steps[DECISION_STEPS_MAX];
};

struct decisions; /* a worker's ring in shared memory */

/* Owned by whoever negotiates; freed with decision_free when it was kept. */
struct decision *decision_begin(bool inbound, const char *session, int64_t now_s, uint64_t now_ms);
void decision_step(struct decision *d, uint64_t now_ms, const char *name, enum step_mark mark,
	struct err why, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* One step for each kind of evidence, with the verdict's reasons. */
void decision_evidence(struct decision *d, uint64_t now_ms, const struct policy_case *c,
	const struct policy_verdict *v);
void decision_keep(struct decisions *ring, const struct decision *d);
void decision_free(struct decision *d); /* NULL is fine */

#endif
