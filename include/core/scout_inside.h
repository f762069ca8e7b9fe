/* What the two halves of the scout share: questions and answers (scout.c), and the sockets to the
 * workers (scout_line.c). One loop, one thread. */
#ifndef FEDGATE_CORE_SCOUT_INSIDE_H
#define FEDGATE_CORE_SCOUT_INSIDE_H

#include "core/scout_wire.h"
#include "core/timers.h"

enum {
	SCOUT_QUEUE_MAX = 8 << 20, /* bytes of answers that a worker has not read */
	SCOUT_UNREAD_MS = 3000,    /* for how long it may read nothing at all */
};

/* A worker's line: its questions are told as they come, answers are queued. It closes itself when
 * the worker ends it, talks nonsense or does not read; then it tells that it is gone, once, and
 * nobody else notices. */
struct scout_line;

struct scout_line_events {
	void (*asked)(void *arg, const struct scout_question *q);
	void (*gone)(void *arg); /* the line is not to be used any more */
};

/* fd is the line's from here on; NULL when it cannot be used. number names the worker in the log.
 */
struct scout_line *scout_line_new(uv_loop_t *loop, struct timers *timers, int fd, unsigned number,
	const struct scout_line_events *events, void *arg);
void scout_line_send(struct scout_line *l, uint32_t serial, const struct answer *answer);
void scout_line_close(struct scout_line *l); /* without telling */

#endif
