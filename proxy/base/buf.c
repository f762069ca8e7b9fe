#include "base/buf.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BUF_FIRST = 256 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
	if (b->secret)
		mem_wipe(b->data, b->cap);
	mem_free(b->data);
	*b = (struct buf){.max = b->max, .secret = b->secret};
}

void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}

size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

struct slice buf_peek(const struct buf *b)
{
	return b->data ? slice_of(b->data + b->start, buf_len(b)) : SLICE_LIT("");
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}

static void grow(struct buf *b, size_t want)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;
	while (cap < want)
		cap *= 2;
	char *data = mem_alloc(cap);
	if (b->data)
		memcpy(data, b->data + b->start, buf_len(b));
	if (b->secret)
		mem_wipe(b->data, b->cap);
	mem_free(b->data);
	b->data = data;
	b->end -= b->start;
	b->start = 0;
	b->cap = cap;
}

char *buf_reserve(struct buf *b, size_t n)
{
	size_t len = buf_len(b);
	if (n > b->max || len > b->max - n)
		return NULL;
	/* One spare byte for buf_cstr(). */
	if (b->end + n + 1 > b->cap) {
		if (len + n + 1 <= b->cap && b->start >= b->cap / 2) {
			memmove(b->data, b->data + b->start, len);
			b->start = 0;
			b->end = len;
		} else {
			grow(b, len + n + 1);
		}
	}
	return b->data + b->end;
}

void buf_commit(struct buf *b, size_t n)
{
	assert(b->end + n <= b->cap);
	b->end += n;
}

struct err buf_append(struct buf *b, struct slice s)
{
	char *room = buf_reserve(b, s.len);
	if (!room)
		return err_make(ERR_LIMIT);
	if (s.len)
		memcpy(room, s.ptr, s.len);
	buf_commit(b, s.len);
	return err_ok();
}

struct err buf_append_str(struct buf *b, const char *text)
{
	return buf_append(b, slice_str(text));
}

struct err buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	/* The spare byte that buf_reserve() keeps takes vsnprintf()'s NUL. */
	char *room = n < 0 ? NULL : buf_reserve(b, (size_t)n);
	if (room) {
		vsnprintf(room, (size_t)n + 1, fmt, again);
		buf_commit(b, (size_t)n);
	}
	va_end(again);
	return room ? err_ok() : err_make(ERR_LIMIT);
}

const char *buf_cstr(struct buf *b)
{
	if (!b->data)
		grow(b, 1);
	b->data[b->end] = '\0';
	return b->data + b->start;
}
