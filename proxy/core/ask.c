/* Happy path: ask_* keeps the question and sends it; the scout's answer finds it by its serial
 * number, and the owner is told. Failure modes: the socket is full (the rest is sent when it is
 * writable), the line is lost or the scout talks nonsense (the line is closed, all open questions
 * are asked on the next one), the deadline passes, too many are open (the next waits) or wait. Who
 * frees: a question when it was told; a line in its close callback; the timers when libuv has
 * closed them. */
#include "core/ask.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "core/scout_wire.h"
#include "core/timers.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWERS_PER_TURN = 64 };

struct question {
	struct question *next, **prev;
	struct asker *asker;
	struct ticket ticket;
	int tag;
	struct scout_question what;
	struct timer limit;
	bool counted; /* open at the scout, or to be */
	bool waiting; /* until others are answered; neither: it was one too many */
	bool sent;    /* on the line of now */
};

/* A connection to the scout. */
struct line {
	uv_poll_t poll;
	struct asker *asker; /* NULL: being closed */
	int fd;
};

struct asker {
	uv_loop_t *loop;
	struct timers *timers;
	ask_done done;
	void *arg;
	struct line *line; /* owned; NULL while there is none */
	struct question *questions, **last;
	struct map *by_serial; /* those that are counted */
	size_t waiting;
	uint32_t serial;
	struct buf out;
	struct answer answer; /* the one being told */
	char in[SCOUT_ANSWER_MAX];
};

static struct slice serial_key(const uint32_t *serial)
{
	return slice_of(serial, sizeof *serial);
}

/* ---- telling ---- */

static void admit_next(struct asker *a);

static void forget(struct question *q)
{
	struct asker *a = q->asker;
	timer_stop(a->timers, &q->limit);
	*q->prev = q->next;
	if (q->next)
		q->next->prev = q->prev;
	else
		a->last = q->prev;
	if (q->counted)
		(void)map_remove(a->by_serial, serial_key(&q->what.serial));
	a->waiting -= q->waiting;
	bool room = q->counted && a->waiting;
	mem_free(q);
	if (room)
		admit_next(a);
}

/* a->answer holds what is said. */
static void tell(struct question *q)
{
	struct asker *a = q->asker;
	a->answer.ticket = a->answer.dns.ticket = q->ticket;
	a->answer.tag = a->answer.dns.tag = q->tag;
	forget(q);
	a->done(a->arg, &a->answer);
}

static void tell_failure(struct question *q, enum resolve_status status, enum err_code posh)
{
	struct asker *a = q->asker;
	a->answer = (struct answer){.kind = q->what.kind, .dns = {.status = status}};
	if (q->what.kind == ASK_POSH)
		a->answer.posh.e = err_make(posh);
	tell(q);
}

static void on_limit(void *arg)
{
	struct question *q = arg;
	if (q->counted || q->waiting)
		tell_failure(q, RESOLVE_TIMEOUT, ERR_POSH_TIMEOUT);
	else
		tell_failure(q, RESOLVE_FAILED, ERR_POSH_BUSY);
}

/* ---- the line ---- */

static void on_line_closed(uv_handle_t *handle)
{
	struct line *line = handle->data;
	close(line->fd);
	mem_free(line);
}

static void drop_line(struct asker *a)
{
	struct line *line = a->line;
	if (!line)
		return;
	a->line = NULL;
	line->asker = NULL;
	uv_poll_stop(&line->poll);
	uv_close((uv_handle_t *)&line->poll, on_line_closed);
	for (struct question *q = a->questions; q; q = q->next)
		q->sent = false;
}

static void on_event(uv_poll_t *poll, int status, int events);

static void listen_for(struct line *line, int events)
{
	uv_poll_start(&line->poll, events, on_event);
}

/* False: not now, or never on this line. */
static bool send_question(struct asker *a, struct question *q)
{
	buf_clear(&a->out);
	scout_question_write(&q->what, &a->out);
	struct slice m = buf_peek(&a->out);
	ssize_t n;
	do
		n = send(a->line->fd, m.ptr, m.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	q->sent = n == (ssize_t)m.len;
	return q->sent;
}

/* In the order they were asked. What does not fit waits until the socket is writable; a line that
 * is broken shows when it is read. */
static void send_waiting(struct asker *a)
{
	bool fits = true;
	for (struct question *q = a->questions; a->line && fits && q; q = q->next) {
		if (q->counted && !q->sent)
			fits = send_question(a, q);
	}
	if (a->line)
		listen_for(a->line, fits ? UV_READABLE : UV_READABLE | UV_WRITABLE);
}

static bool suits(const struct question *q, const struct answer *answer)
{
	if (answer->kind != q->what.kind)
		return false;
	for (size_t i = 0; i < answer->dns.addr_count; i++) {
		int family = answer->dns.addr[i].ss_family;
		if (family != (q->what.which == 4 ? AF_INET : AF_INET6))
			return false;
	}
	return true;
}

/* False: this is not a scout to go on with. */
static bool take_answer(struct asker *a, struct slice message)
{
	uint32_t serial;
	if (!scout_answer_read(message, &serial, &a->answer))
		return false;
	struct question *q = map_get(a->by_serial, serial_key(&serial));
	if (!q)
		return true; /* its deadline was first */
	if (!suits(q, &a->answer))
		return false;
	tell(q);
	return true;
}

static void lose_line(struct asker *a, const char *why)
{
	log_reason(err_make(ERR_SCOUT_LOST), "scout-line", log_c("why_closed", why),
		log_n("open", (int64_t)map_count(a->by_serial)), log_end());
	drop_line(a);
}

static void read_answers(struct line *line)
{
	/* A callback may connect another line: then this one says no more. */
	for (int i = 0; i < ANSWERS_PER_TURN && line->asker; i++) {
		struct asker *a = line->asker;
		ssize_t n = recv(line->fd, a->in, sizeof a->in, MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			lose_line(a, "ended");
		else if ((size_t)n > sizeof a->in || !take_answer(a, slice_of(a->in, (size_t)n)))
			lose_line(a, "not understood");
	}
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct line *line = poll->data;
	if (line->asker && status < 0)
		lose_line(line->asker, "broken");
	if (line->asker && events & UV_READABLE)
		read_answers(line);
	if (line->asker && events & UV_WRITABLE)
		send_waiting(line->asker);
}

void asker_connect(struct asker *a, int fd)
{
	drop_line(a);
	struct line *line = MEM_NEW(struct line);
	*line = (struct line){.asker = a, .fd = fd};
	if (uv_poll_init(a->loop, &line->poll, fd) != 0) {
		close(fd);
		mem_free(line);
		return;
	}
	line->poll.data = line;
	a->line = line;
	send_waiting(a);
	uv_unref((uv_handle_t *)&line->poll);
}

bool asker_connected(const struct asker *a)
{
	return a->line != NULL;
}

/* ---- asking ---- */

/* From now on the scout's to answer. */
static void admit(struct asker *a, struct question *q)
{
	a->waiting -= q->waiting;
	q->waiting = false;
	q->counted = true;
	q->what.serial = ++a->serial;
	(void)map_put(a->by_serial, serial_key(&q->what.serial), q);
	if (a->line && !send_question(a, q))
		listen_for(a->line, UV_READABLE | UV_WRITABLE);
}

static void admit_next(struct asker *a)
{
	struct question *q = a->questions;
	while (q && !q->waiting)
		q = q->next;
	if (q)
		admit(a, q);
}

static void ask(struct asker *a, const struct scout_question *what, struct ticket t, int tag)
{
	struct question *q = MEM_NEW(struct question);
	uint64_t limit_ms = what->kind == ASK_POSH ? ASK_POSH_MS : ASK_DNS_MS;
	*q = (struct question){.prev = a->last, .asker = a, .ticket = t, .tag = tag, .what = *what};
	*a->last = q;
	a->last = &q->next;
	bool room = map_count(a->by_serial) < ASK_OPEN_MAX;
	q->waiting = !room && a->waiting < ASK_WAITING_MAX;
	a->waiting += q->waiting;
	/* One too many is told in a later turn. */
	timer_start(a->timers, &q->limit, room || q->waiting ? limit_ms : 0, on_limit, q);
	if (room)
		admit(a, q);
}

void ask_srv(
	struct asker *a, const char *service, const struct domain *name, struct ticket t, int tag)
{
	const struct scout_question q = {
		.kind = ASK_SRV, .which = scout_service_number(service), .name = *name};
	ask(a, &q, t, tag);
}

void ask_addr(struct asker *a, const struct domain *name, int family, struct ticket t, int tag)
{
	const struct scout_question q = {
		.kind = ASK_ADDR, .which = family == AF_INET ? 4 : 6, .name = *name};
	ask(a, &q, t, tag);
}

void ask_tlsa(struct asker *a, const struct domain *base, uint16_t port, struct ticket t, int tag)
{
	const struct scout_question q = {.kind = ASK_TLSA, .which = port, .name = *base};
	ask(a, &q, t, tag);
}

void ask_posh(struct asker *a, const struct domain *domain, struct ticket t, int tag)
{
	const struct scout_question q = {.kind = ASK_POSH, .name = *domain};
	ask(a, &q, t, tag);
}

/* ---- life ---- */

struct asker *asker_new(uv_loop_t *loop, ask_done done, void *arg)
{
	struct asker *a = MEM_NEW(struct asker);
	a->loop = loop;
	a->timers = timers_new(loop);
	a->done = done;
	a->arg = arg;
	a->last = &a->questions;
	a->by_serial = map_new(0); /* the keys are our own */
	buf_init(&a->out, SCOUT_QUESTION_MAX);
	return a;
}

void asker_free(struct asker *a)
{
	while (a->questions)
		forget(a->questions);
	drop_line(a);
	timers_close(a->timers);
	map_free(a->by_serial);
	buf_fini(&a->out);
	mem_free(a);
}
