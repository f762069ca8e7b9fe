/* What a probe says: step by step while it works, then what is wrong, then how far the domain is
 * proven. Text goes out line by line as it comes; JSON as one object at the end. */
#ifndef FEDGATE_CMD_PROBE_REPORT_H
#define FEDGATE_CMD_PROBE_REPORT_H

#include "base/domain.h"
#include "base/err.h"
#include "cmd/finding.h"
#include "trust/level.h"

enum say_mark { SAY_FINE, SAY_BAD, SAY_NONE, SAY_INFO };

struct probe_report;

struct probe_report *probe_report_new(bool json);
void probe_report_free(struct probe_report *r);
/* One step: topic is a fixed word ("dns", "tls", ...), code may be ERR_OK. */
void probe_say(struct probe_report *r, enum say_mark mark, const char *topic, struct err code,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
/* Said once, however often it is found with the same words. NULL words are "?". */
void probe_find(struct probe_report *r, enum finding_id id, const char *domain, const char *one,
	const char *two, const char *three);
size_t probe_report_problems(const struct probe_report *r); /* so far */
/* How far the domain is proven: to a peer that asks for this level. */
void probe_level(struct probe_report *r, enum level level, bool reached, const char *by);
/* The end; the exit status: 0, or 1 when a problem was found. */
int probe_report_close(struct probe_report *r, const struct domain *domain);

#endif
