/* Happy path: a question is read, told, and answered; the answer goes out at once. Failure modes:
 * the socket is full (answers are queued, and sent when it is writable), the queue grows too long
 * or stands still too long, a message is none of ours, the worker is gone: the line ends. Who
 * frees: the line in its close callback, with all that it holds. */
#include "core/scout_inside.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { QUESTIONS_PER_TURN = 64 }; /* a worker that never stops must not keep us from the others */

struct waiting {
	struct waiting *next;
	size_t len;
	char bytes[];
};

struct scout_line {
	uv_poll_t poll;
	struct timers *timers;
	struct timer unread;
	int fd;
	unsigned number;
	const struct scout_line_events *events; /* NULL: being closed */
	void *arg;
	struct waiting *first, **last;
	size_t queued; /* bytes */
	bool over;     /* too many: it ends in the next turn */
	struct buf out;
};

static void on_closed(uv_handle_t *handle)
{
	struct scout_line *l = handle->data;
	while (l->first) {
		struct waiting *w = l->first;
		l->first = w->next;
		mem_free(w);
	}
	close(l->fd);
	buf_fini(&l->out);
	mem_free(l);
}

void scout_line_close(struct scout_line *l)
{
	if (!l->events)
		return;
	l->events = NULL;
	timer_stop(l->timers, &l->unread);
	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, on_closed);
}

static void end(struct scout_line *l, const char *why)
{
	const struct scout_line_events *events = l->events;
	if (!events)
		return;
	log_event(LOG_INFO, "scout-line", log_n("worker", l->number), log_c("why_closed", why),
		log_n("queued_bytes", (int64_t)l->queued), log_end());
	scout_line_close(l);
	events->gone(l->arg);
}

/* ---- answers ---- */

static void on_unread(void *arg)
{
	end(arg, "the worker does not read its answers");
}

/* False: not now. A line that is broken shows when it is read. */
static bool send_now(struct scout_line *l, struct slice message)
{
	ssize_t n;
	do
		n = send(l->fd, message.ptr, message.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)message.len;
}

static void on_event(uv_poll_t *poll, int status, int events);

static void listen_for(struct scout_line *l, bool writable)
{
	uv_poll_start(&l->poll, writable ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_event);
}

static void send_waiting(struct scout_line *l)
{
	while (l->first && !l->over && send_now(l, slice_of(l->first->bytes, l->first->len))) {
		struct waiting *w = l->first;
		l->first = w->next;
		l->queued -= w->len;
		mem_free(w);
		timer_start(l->timers, &l->unread, SCOUT_UNREAD_MS, on_unread, l);
	}
	if (l->first)
		return;
	l->last = &l->first;
	timer_stop(l->timers, &l->unread);
	listen_for(l, false);
}

static void queue(struct scout_line *l, struct slice message)
{
	struct waiting *w = mem_alloc(sizeof *w + message.len);
	w->len = message.len;
	memcpy(w->bytes, message.ptr, message.len);
	if (!l->first) {
		timer_start(l->timers, &l->unread, SCOUT_UNREAD_MS, on_unread, l);
		listen_for(l, true);
	}
	*l->last = w;
	l->last = &w->next;
	l->queued += message.len;
	l->over = l->queued > SCOUT_QUEUE_MAX;
	if (l->over) /* not from inside the call: whoever answers may hold on to the line */
		timer_start(l->timers, &l->unread, 0, on_unread, l);
}

void scout_line_send(struct scout_line *l, uint32_t serial, const struct answer *answer)
{
	if (!l->events || l->over)
		return;
	buf_clear(&l->out);
	scout_answer_write(serial, answer, &l->out);
	if (l->first || !send_now(l, buf_peek(&l->out)))
		queue(l, buf_peek(&l->out));
}

/* ---- questions ---- */

static void read_questions(struct scout_line *l)
{
	for (int i = 0; i < QUESTIONS_PER_TURN && l->events; i++) {
		char in[SCOUT_QUESTION_MAX];
		struct scout_question q;
		ssize_t n = recv(l->fd, in, sizeof in, MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			end(l, "ended");
		else if ((size_t)n > sizeof in || !scout_question_read(slice_of(in, (size_t)n), &q))
			end(l, "not understood");
		else
			l->events->asked(l->arg, &q);
	}
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct scout_line *l = poll->data;
	if (status < 0)
		end(l, "broken");
	if (l->events && events & UV_WRITABLE)
		send_waiting(l);
	if (l->events && events & UV_READABLE)
		read_questions(l);
}

struct scout_line *scout_line_new(uv_loop_t *loop, struct timers *timers, int fd, unsigned number,
	const struct scout_line_events *events, void *arg)
{
	struct scout_line *l = MEM_NEW(struct scout_line);
	*l = (struct scout_line){
		.timers = timers, .fd = fd, .number = number, .events = events, .arg = arg};
	l->last = &l->first;
	if (uv_poll_init(loop, &l->poll, fd) != 0) {
		close(fd);
		mem_free(l);
		return NULL;
	}
	l->poll.data = l;
	buf_init(&l->out, SCOUT_ANSWER_MAX);
	listen_for(l, false);
	return l;
}
