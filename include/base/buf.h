/* A byte queue that owns its memory: append at the end, consume at the start. It grows up to
 * `max` bytes of content; beyond that an append is refused whole (ERR_LIMIT), never truncated. */
#ifndef FEDGATE_BASE_BUF_H
#define FEDGATE_BASE_BUF_H

#include "base/err.h"
#include "base/slice.h"

struct buf {
	char *data;   /* owned; NULL while empty and never used */
	size_t start; /* first unconsumed byte */
	size_t end;   /* one behind the last byte */
	size_t cap;
	size_t max;  /* content limit in bytes */
	bool secret; /* wiped before memory is given back */
};

#define BUF_UNLIMITED ((size_t)-1 / 4)

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);  /* frees; the buf may be used again as after buf_init */
void buf_clear(struct buf *b); /* drops the content, keeps the memory */
size_t buf_len(const struct buf *b);
struct slice buf_peek(const struct buf *b); /* all of it; valid until the next change */
void buf_consume(struct buf *b, size_t n);  /* n <= buf_len */
/* Room for n more bytes behind the end, or NULL when that passes `max`; buf_commit() takes it. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
struct err buf_append(struct buf *b, struct slice s);
struct err buf_append_str(struct buf *b, const char *text);
struct err buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The content as a C string (a NUL is put behind it, not counted). Never NULL. */
const char *buf_cstr(struct buf *b);

#endif
