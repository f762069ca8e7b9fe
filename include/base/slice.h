/* Borrowed bytes. A slice never owns what it points to: it is valid until the next call on the
 * object that returned it, unless that object's header says more. */
#ifndef FEDGATE_BASE_SLICE_H
#define FEDGATE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>

struct slice {
	const char *ptr;
	size_t len;
};

/* A slice of a string literal (its terminating NUL is not part of it). */
#define SLICE_LIT(s) ((struct slice){"" s, sizeof(s) - 1})
#define SLICE_NONE   ((struct slice){NULL, 0})
/* For printf's "%.*s". */
#define SLICE_ARG(s) (int)(s).len, (s).ptr

struct slice slice_of(const void *ptr, size_t len);
struct slice slice_str(const char *text); /* NULL gives SLICE_NONE */
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_str(struct slice a, const char *text);
bool slice_ieq(struct slice a, struct slice b); /* ASCII case folded, in every locale */
bool slice_ieq_str(struct slice a, const char *text);
bool slice_starts(struct slice a, const char *prefix);
/* Where `c` stands first, or `a.len` when it does not. */
size_t slice_find(struct slice a, char c);
/* Bytes [from, to); both are cut to the slice. */
struct slice slice_sub(struct slice a, size_t from, size_t to);
/* Without the blanks and tabs around it. */
struct slice slice_trim(struct slice a);
/* Equal without telling by time where they differ; the lengths are not secret. */
bool slice_eq_secret(struct slice a, struct slice b);

#endif
