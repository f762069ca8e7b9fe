/* One line = one event, as JSON or logfmt, on a file descriptor.
 *
 *	log_event(LOG_INFO, "stream-up", log_s("session", id), log_s("peer", name), log_end());
 *
 * Keys are fixed words. Values are cut at 256 bytes between characters and escaped: control and
 * direction characters as \u, bytes that are no UTF-8 as \ufffd. A line has at most 4096 bytes, so
 * that a pipe takes it whole; fields that do not fit are left out and counted ("left_out":N), never
 * reason, blame and why. No JIDs with localparts: callers give domains. All but our own faults is
 * limited to a rate per reason, or per event where there is no reason; what is held back is counted
 * in the next line of the same kind ("suppressed":N). Pure layers do not log. */
#ifndef FEDGATE_BASE_LOG_H
#define FEDGATE_BASE_LOG_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

enum log_level {
	LOG_ERROR, /* somebody must act */
	LOG_WARN,  /* something is degraded, nothing is lost yet */
	LOG_INFO,  /* what the gate did, one line per decision */
	LOG_DEBUG,
};

enum log_format { LOG_JSON, LOG_LOGFMT };

struct log_field {
	const char *key; /* NULL ends the list */
	struct slice text;
	int64_t number;
	bool is_number;
};

/* role and number name the process ("worker", 2). */
void log_setup(int fd, enum log_format format, enum log_level level, const char *role, int number);
void log_set_level(enum log_level level);
bool log_level_parse(struct slice text, enum log_level *out);
bool log_format_parse(struct slice text, enum log_format *out);

struct log_field log_s(const char *key, struct slice text);
struct log_field log_c(const char *key, const char *text); /* NULL: the field is left out */
struct log_field log_n(const char *key, int64_t number);
struct log_field log_end(void);

/* fields end with log_end(). */
void log_event(enum log_level level, const char *event, ...);
/* The same for a refusal: adds reason, id, blame and the sentence of e's row, and picks the
 * level by blame (peer: info; us, operator: error; tenant: warn). All but ours rate-limited. */
void log_reason(struct err e, const char *event, ...);

#endif
