/* Happy path: member_start -> WIRE_BOOT -> WIRE_READY; file requests are answered for as long as it
 * lives. Failure modes: it dies (a neighbour takes its sockets, it is started again after a while,
 * longer each time it dies young). Who frees: the poll handle in its close callback. */
#include "core/supervisor_inside.h"

#include "base/mem.h"
#include "core/channel.h"
#include "core/listeners.h"
#include "tenants/value.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FIRST_WAIT_MS = 100,
	MAX_WAIT_MS = 30000,
	MAX_WAIT_SCOUT_MS = 1000, /* all questions wait for it, for a few seconds */
	LINE_AGAIN_MS = 900, /* a worker gets no more than one line to the scout in that time */
	ANSWERS_PER_TURN = 64,
	OLD_ENOUGH_MS = 10000, /* who lived this long starts again at once */
};

static const char *role_name(const struct member *m)
{
	static const char *const names[] = {[MEMBER_WORKER] = "worker",
		[MEMBER_SCOUT] = "scout",
		[MEMBER_STEER] = "steer",
		[MEMBER_PUBLISHER] = "publisher"};
	return names[m->role];
}

/* ---- sockets ---- */

static bool open_one(struct member *m, const struct address *a, int type)
{
	m->sockets[m->socket_count] = listener_open(a, type);
	if (m->sockets[m->socket_count] >= 0) {
		m->socket_count++;
		return true;
	}
	char text[ADDRESS_TEXT_MAX];
	int error = errno;
	address_write(a, text);
	if (error == EAFNOSUPPORT && a->sa.ss_family == AF_INET6) {
		if (m->number == 0)
			fprintf(stderr, "fedgate: warning: %s: %s\n", text, listener_why(error));
		return true;
	}
	fprintf(stderr, "fedgate: %s: %s\n", text, listener_why(error));
	return false;
}

static bool open_all(struct member *m, const struct address_list *first, int first_type,
	const struct address_list *second)
{
	m->sockets = mem_alloc((first->count + second->count + 1) * sizeof *m->sockets);
	for (size_t i = 0; i < first->count; i++) {
		if (!open_one(m, &first->items[i], first_type))
			return false;
	}
	m->public_count = m->socket_count;
	for (size_t i = 0; i < second->count; i++) {
		if (!open_one(m, &second->items[i], SOCK_STREAM))
			return false;
	}
	return true;
}

/* SO_REUSEPORT would let two gates share a port and split its connections in silence. */
static bool nobody_has(const struct address_list *list, int type)
{
	for (size_t i = 0; i < list->count; i++) {
		char text[ADDRESS_TEXT_MAX];
		if (listener_is_free(&list->items[i], type))
			continue;
		address_write(&list->items[i], text);
		fprintf(stderr, "fedgate: %s: %s\n", text, listener_why(EADDRINUSE));
		return false;
	}
	return true;
}

bool crew_bind(struct supervisor *s)
{
	static const struct address_list none;
	const struct gate *g = s->gate;
	if (g->listen.count + g->egress_listen.count > WIRE_FDS_MAX - 3 ||
		2 * g->steer_listen.count > WIRE_FDS_MAX - 2 ||
		g->publish_listen.count > WIRE_FDS_MAX - 2) {
		fprintf(stderr, "fedgate: too many addresses to listen on\n");
		return false;
	}
	if (!nobody_has(&g->listen, SOCK_STREAM) || !nobody_has(&g->egress_listen, SOCK_STREAM) ||
		!nobody_has(&g->steer_listen, SOCK_DGRAM) ||
		!nobody_has(&g->publish_listen, SOCK_STREAM))
		return false;
	for (size_t i = 0; i < s->crew_count; i++) {
		struct member *m = &s->crew[i];
		bool fine = true;
		if (m->role == MEMBER_WORKER)
			fine = open_all(m, &g->listen, SOCK_STREAM, &g->egress_listen);
		else if (m->role == MEMBER_STEER)
			fine = open_all(m, &g->steer_listen, SOCK_DGRAM, &g->steer_listen);
		else if (m->role == MEMBER_PUBLISHER)
			fine = open_all(m, &g->publish_listen, SOCK_STREAM, &none);
		if (!fine)
			return false;
	}
	return true;
}

/* ---- covering for the dead ---- */

static struct member *live_neighbour(struct supervisor *s, const struct member *of)
{
	for (size_t i = 1; i < s->worker_count; i++) {
		struct member *m = &s->crew[(of->number + i) % s->worker_count];
		if (m->state == MEMBER_UP)
			return m;
	}
	return NULL;
}

static void put_sockets(const struct member *m, struct wire_fds *fds)
{
	for (size_t i = 0; i < m->socket_count; i++)
		fds->fds[fds->count++] = m->sockets[i];
}

static void cover(struct supervisor *s)
{
	for (size_t i = 0; i < s->worker_count && !s->stopping; i++) {
		struct member *m = &s->crew[i];
		if (m->state == MEMBER_UP || m->adopter || !m->was_up)
			continue;
		struct member *neighbour = live_neighbour(s, m);
		struct wire_fds fds = {.count = 0};
		struct wire adopt = {.type = WIRE_ADOPT,
			.number = m->number,
			.listens = (uint32_t)m->public_count};
		put_sockets(m, &fds);
		if (neighbour && !err_is(wire_send(neighbour->channel, &adopt, &fds)))
			m->adopter = neighbour;
	}
}

static void uncover(struct member *m)
{
	const struct wire release = {.type = WIRE_RELEASE, .number = m->number};
	if (m->adopter)
		(void)wire_send(m->adopter->channel, &release, NULL);
	m->adopter = NULL;
}

/* ---- lines to the scout ---- */

static bool give_line(const struct member *to, unsigned worker, int fd)
{
	const struct wire line = {.type = WIRE_SCOUT, .number = worker};
	const struct wire_fds fds = {.fds = {fd}, .count = 1};
	return !err_is(wire_send(to->channel, &line, &fds));
}

/* Whoever cannot be told is not reading: the other side finds its line closed and asks again. */
static void connect_line(struct member *worker)
{
	struct supervisor *s = worker->supervisor;
	const struct member *scout = &s->crew[s->worker_count];
	int pair[2];
	if (scout->state != MEMBER_UP || worker->state != MEMBER_UP ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return;
	worker->line_ms = uv_now(s->loop);
	if (give_line(scout, worker->number, pair[0]))
		(void)give_line(worker, worker->number, pair[1]);
	close(pair[0]);
	close(pair[1]);
}

static void connect_lines(struct member *m)
{
	struct supervisor *s = m->supervisor;
	if (m->role == MEMBER_WORKER)
		connect_line(m);
	for (size_t i = 0; i < s->worker_count && m->role == MEMBER_SCOUT; i++)
		connect_line(&s->crew[i]);
}

/* A worker that asks again and again must not keep us and the scout busy. */
static void connect_again(struct member *m)
{
	if (m->role == MEMBER_WORKER && uv_now(m->supervisor->loop) - m->line_ms >= LINE_AGAIN_MS)
		connect_line(m);
}

/* ---- what a child says ---- */

static void on_up(struct member *m)
{
	struct supervisor *s = m->supervisor;
	m->state = MEMBER_UP;
	m->was_up = true;
	uncover(m);
	cover(s);
	connect_lines(m);
	for (size_t i = 0; i < s->crew_count; i++) {
		if (s->crew[i].state != MEMBER_UP)
			return;
	}
	if (!s->all_up)
		supervisor_all_up(s);
	s->all_up = true;
}

static void stop_polling(struct member *m)
{
	if (m->poll)
		uv_poll_stop(m->poll);
}

/* SIGCHLD does the rest. */
static void end_member(struct member *m)
{
	stop_polling(m);
	kill(m->pid, SIGKILL);
}

static void on_said(uv_poll_t *poll, int status, int events)
{
	struct member *m = poll->data;
	struct wire said;
	struct wire_fds fds;
	enum wire_result r = status == 0 ? WIRE_OK : WIRE_GONE;
	(void)events;
	/* A few at a time: a child that never stops asking must not keep us from the others. */
	for (int i = 0; r == WIRE_OK && i < ANSWERS_PER_TURN; i++) {
		r = wire_receive(m->channel, &said, &fds);
		if (r != WIRE_OK)
			break;
		wire_close_fds(&fds); /* a child has none to give */
		if (said.type == WIRE_READY && m->state == MEMBER_STARTING)
			on_up(m);
		else if (said.type == WIRE_OPEN)
			crew_answer_open(m, &said);
		else if (said.type == WIRE_SCOUT)
			connect_again(m);
	}
	if (r == WIRE_GONE)
		end_member(m); /* dead already, or not to be talked to: it would live on deaf */
}

/* ---- starting ---- */

static struct err send_boot(struct member *m)
{
	struct supervisor *s = m->supervisor;
	struct wire_fds fds = {.count = 0};
	struct wire boot = {
		.type = WIRE_BOOT, .number = m->number, .listens = (uint32_t)m->public_count};
	if (m->role == MEMBER_WORKER) {
		boot.secret = s->secrets.now;
		boot.previous_secret = s->secrets.previous;
		boot.has_previous_secret = s->secrets.has_previous;
	} else if (m->role == MEMBER_SCOUT) {
		boot.number = (uint32_t)s->worker_count;
	}
	fds.fds[fds.count++] = s->parcel_fd;
	fds.fds[fds.count++] = s->shared_fd;
	if (m->role == MEMBER_WORKER)
		fds.fds[fds.count++] = m->decisions_fd;
	put_sockets(m, &fds);
	struct err e = wire_send(m->channel, &boot, &fds);
	mem_wipe(&boot, sizeof boot);
	return e;
}

static void on_restart(uv_timer_t *timer);

static void start_later(struct member *m)
{
	uint64_t most = m->role == MEMBER_SCOUT ? MAX_WAIT_SCOUT_MS : MAX_WAIT_MS;
	m->state = MEMBER_WAITING;
	uv_timer_start(&m->restart, on_restart, m->wait_ms, 0);
	m->wait_ms = m->wait_ms * 2 > most ? most : m->wait_ms * 2;
}

static void member_start(struct member *m)
{
	struct supervisor *s = m->supervisor;
	struct err e = child_start(&s->user, role_name(m), m->number, &m->pid, &m->channel);
	if (err_is(e)) {
		m->pid = 0;
		log_reason(e, "child-start", log_c("child", role_name(m)),
			log_n("number", m->number), log_end());
		start_later(m);
		return;
	}
	m->state = MEMBER_STARTING;
	m->started_ms = uv_now(s->loop);
	m->poll = MEM_NEW(uv_poll_t);
	uv_poll_init(s->loop, m->poll, m->channel);
	m->poll->data = m;
	uv_poll_start(m->poll, UV_READABLE, on_said);
	e = send_boot(m);
	if (err_is(e))
		end_member(m);
}

static void on_restart(uv_timer_t *timer)
{
	struct member *m = timer->data;
	if (!m->supervisor->stopping)
		member_start(m);
}

void crew_start(struct supervisor *s)
{
	for (size_t i = 0; i < s->crew_count; i++) {
		struct member *m = &s->crew[i];
		m->wait_ms = FIRST_WAIT_MS;
		uv_timer_init(s->loop, &m->restart);
		m->restart.data = m;
		member_start(m);
	}
}

void crew_send(struct supervisor *s, const struct wire *message, const struct wire_fds *fds)
{
	for (size_t i = 0; i < s->crew_count; i++) {
		struct member *m = &s->crew[i];
		if (m->channel < 0 || !err_is(wire_send(m->channel, message, fds)))
			continue;
		/* It has stopped listening to us: without this message it would serve what is no
		 * longer true. */
		log_reason(err_make(ERR_WORKER_LOST), "child-deaf", log_c("child", role_name(m)),
			log_n("number", m->number), log_end());
		kill(m->pid, SIGKILL);
	}
}

/* ---- the dead ---- */

static void on_poll_closed(uv_handle_t *handle)
{
	mem_free(handle);
}

static void log_lost(const struct member *m, int status)
{
	struct shared_held held = {0};
	if (m->role == MEMBER_WORKER)
		held = shared_held_get(m->supervisor->shared, m->number);
	enum err_code why = m->role == MEMBER_SCOUT ? ERR_SCOUT_LOST : ERR_WORKER_LOST;
	log_reason(err_make(why), "child-lost", log_c("child", role_name(m)),
		log_n("number", m->number), log_n("pid", m->pid),
		WIFSIGNALED(status) ? log_n("signal", WTERMSIG(status))
				    : log_n("status", WEXITSTATUS(status)),
		log_n("queued_stanzas", (int64_t)held.stanzas),
		log_n("queued_bytes", (int64_t)held.bytes),
		log_n("unacked_stanzas", (int64_t)held.unacked),
		log_n("again_in_ms", (int64_t)m->wait_ms), log_end());
}

static void bury(struct member *m, int status)
{
	struct supervisor *s = m->supervisor;
	if (uv_now(s->loop) - m->started_ms > OLD_ENOUGH_MS)
		m->wait_ms = FIRST_WAIT_MS;
	if (!s->stopping)
		log_lost(m, status);
	if (m->role == MEMBER_WORKER)
		shared_held_set(s->shared, m->number, (struct shared_held){0});
	stop_polling(m);
	uv_close((uv_handle_t *)m->poll, on_poll_closed);
	close(m->channel);
	m->poll = NULL;
	m->channel = -1;
	m->pid = 0;
	m->state = MEMBER_WAITING;
	for (size_t i = 0; i < s->worker_count; i++) {
		if (s->crew[i].adopter == m)
			s->crew[i].adopter = NULL;
	}
	if (s->stopping)
		return;
	start_later(m);
	cover(s);
}

void crew_reap(struct supervisor *s)
{
	uv_update_time(s->loop);
	for (size_t i = 0; i < s->crew_count; i++) {
		struct member *m = &s->crew[i];
		int status;
		if (m->pid && waitpid(m->pid, &status, WNOHANG) == m->pid)
			bury(m, status);
	}
}

size_t crew_running(const struct supervisor *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->crew_count; i++)
		n += s->crew[i].pid != 0;
	return n;
}

void crew_kill(struct supervisor *s)
{
	for (size_t i = 0; i < s->crew_count; i++) {
		if (s->crew[i].pid)
			kill(s->crew[i].pid, SIGKILL);
	}
}
