/* What was decided about a peer and why, step by step: the record that `fedgate explain` prints.
 * Kept in shared memory, a ring for each worker, so that a decision outlives the worker that made
 * it and the supervisor reads it without asking anybody. No JIDs with localparts, no secrets. */
#ifndef FEDGATE_CORE_DECISION_H
#define FEDGATE_CORE_DECISION_H

#include "base/domain.h"
#include "trust/policy.h"

enum { DECISION_STEPS_MAX = 24, DECISION_TEXT_MAX = 119, DECISIONS_KEPT = 512 };

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
	uint8_t level_asked;      /* reached if the question that is open were answered well */
	uint16_t code;            /* REFUSED: enum err_code */
	char session[17];
	char address[64];
	struct domain tenant, peer; /* tenant: the domain of ours */
	uint32_t step_count;
	struct decision_step steps[DECISION_STEPS_MAX];
};

/* ---- making one ---- */

/* Owned by whoever negotiates; freed with decision_free when it was kept. */
struct decision *decision_begin(bool inbound, const char *session, int64_t now_s, uint64_t now_ms);
/* The detail may be longer than there is room for and hold whatever a stranger sent: it is cut
 * between characters, control characters become '?', and "romeo@" before a domain becomes "*@".
 * An empty one stands for the sentence of `why`. Of more steps than there is room for the first
 * ones and the last stay. */
void decision_step(struct decision *d, uint64_t now_ms, const char *name, enum step_mark mark,
	struct err why, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* One step for each kind of evidence. What the record has of the same kind already is brought up
 * to date, so this may be called at every arrival. Level, and with a verdict that is none of WAIT
 * outcome, proof and code, are set. */
void decision_evidence(struct decision *d, uint64_t now_ms, const struct policy_case *c,
	const struct policy_verdict *v);
void decision_free(struct decision *d); /* NULL is fine */

/* ---- keeping it ---- */

struct decisions; /* a worker's ring: the last DECISIONS_KEPT, a page each, touched when used */

/* The supervisor's: a new ring on a memory file of fixed size, mapped to be read; *fd is what the
 * worker maps. NULL on error (errno). */
struct decisions *decisions_create(int *fd);
/* The worker's; NULL on error. What stands in it, from a worker of before, stays. */
struct decisions *decisions_map(int fd);
void decisions_unmap(struct decisions *ring); /* NULL is fine */

void decision_keep(struct decisions *ring, const struct decision *d); /* NULL ring: does nothing */

/* Decides by everything but the steps, which are not there yet. */
typedef bool (*decision_match)(void *arg, const struct decision *d);
/* The newest that match, newest first, at most max of them. Whoever writes the ring, what comes
 * out is in shape: texts are clean and end, numbers are in their bounds, domains are domains. One
 * that is just being written, or was when its writer died, is passed over. */
size_t decisions_find(const struct decisions *ring, decision_match match, void *arg,
	struct decision *out, size_t max);

#endif
