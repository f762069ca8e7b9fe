/* Happy path: a client connects, is one that may ask, sends a line, gets a line, and so on until it
 * goes. Failure modes: it may not, it asks nonsense, it is silent or does not read for too long,
 * there are too many: it is told and closed. Who frees: a client's handles in their close
 * callbacks, the client with the last of them. */
#define _GNU_SOURCE /* struct ucred, SO_PEERGROUPS */
#include "core/admin.h"

#include "base/mem.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GROUPS_MAX = 256 };

struct client {
	struct client *next, **prev;
	struct admin *admin;
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_write_t write;
	char line[ADMIN_LINE_MAX];
	size_t len;
	char *answer; /* owned, while it is being written */
	bool root;
	bool admitted; /* counts; the others are only told why not */
	bool waits;    /* for an answer that comes later */
	bool busy;     /* being answered, now or later */
	bool last;     /* to be closed behind the answer */
	bool reading;
	bool ended; /* the other side says nothing more */
	bool closing;
	int handles; /* not closed yet */
};

struct admin {
	uv_pipe_t listener;
	struct admin_rules rules;
	struct client *clients;
	size_t count;               /* handles are open */
	size_t admitted, strangers; /* of these, and of them those that are not root's */
	bool stopped, closed;       /* the listener */
};

/* ---- who it is ---- */

static bool is_member(int fd, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof groups;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
		return false;
	for (size_t i = 0; i < len / sizeof *groups; i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

/* O02: the file's mode keeps others out already; but a mode can be changed, and a descriptor be
 * handed on. */
static bool may_ask(int fd, gid_t group, bool *root)
{
	struct ucred who;
	socklen_t len = sizeof who;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
		return false;
	*root = who.uid == 0 || who.uid == geteuid();
	return *root || who.gid == group || is_member(fd, group);
}

/* ---- ending ---- */

static void free_if_done(struct admin *a)
{
	if (a->closed && !a->count)
		mem_free(a);
}

static void on_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;
	struct admin *a = c->admin;
	if (--c->handles)
		return;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	a->count--;
	a->admitted -= c->admitted;
	a->strangers -= c->admitted && !c->root;
	mem_free(c->answer);
	mem_free(c);
	free_if_done(a);
}

static void close_client(struct client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->pipe, on_closed);
	uv_close((uv_handle_t *)&c->timer, on_closed);
}

static void on_late(uv_timer_t *timer)
{
	close_client(timer->data);
}

/* ---- answering ---- */

static void take_lines(struct client *c);

static void begin(struct client *c)
{
	uv_timer_start(&c->timer, on_late, c->admin->rules.idle_ms, 0);
	take_lines(c);
}

static void on_written(uv_write_t *write, int status)
{
	struct client *c = write->data;
	mem_free(c->answer);
	c->answer = NULL;
	c->busy = false;
	if (status != 0 || c->last)
		close_client(c);
	else if (!c->closing)
		begin(c);
}

static void say(struct client *c, struct slice text)
{
	char *line = mem_alloc(text.len + 2);
	memcpy(line, text.ptr, text.len);
	line[text.len] = '\n';
	uv_buf_t out = uv_buf_init(line, (unsigned)text.len + 1);
	c->answer = line;
	c->busy = true;
	c->waits = false;
	uv_timer_start(&c->timer, on_late, c->admin->rules.idle_ms, 0);
	if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &out, 1, on_written) != 0)
		close_client(c);
}

/* word and sentence are ours: plain ASCII. */
static void refuse(struct client *c, const char *word, const char *sentence)
{
	struct buf out;
	buf_init(&out, BUF_UNLIMITED);
	(void)buf_printf(
		&out, "{\"ok\":false,\"error\":\"%s\",\"sentence\":\"%s\"}", word, sentence);
	c->last = true;
	say(c, buf_peek(&out));
	buf_fini(&out);
}

static void ask(struct client *c, const struct admin_request *request)
{
	struct admin *a = c->admin;
	struct buf out;
	if (request->verb == ADMIN_RELOAD && !c->root) {
		refuse(c, "denied", "only root may reload");
		return;
	}
	buf_init(&out, BUF_UNLIMITED);
	if (a->rules.answer(a->rules.arg, request, &out)) {
		say(c, buf_peek(&out));
	} else {
		c->waits = c->busy = true;
		uv_timer_stop(&c->timer); /* now it waits for us */
	}
	buf_fini(&out);
}

static void take_line(struct client *c, size_t len)
{
	struct admin_request request;
	const char *sentence, *wrong = admin_parse(slice_of(c->line, len), &request, &sentence);
	c->len -= len + 1;
	memmove(c->line, c->line + len + 1, c->len);
	if (wrong)
		refuse(c, wrong, sentence);
	else
		ask(c, &request);
}

static void on_room(uv_handle_t *handle, size_t hint, uv_buf_t *room)
{
	struct client *c = handle->data;
	(void)hint;
	*room = uv_buf_init(c->line + c->len, (unsigned)(sizeof c->line - c->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room);

static void read_on(struct client *c)
{
	if (!c->reading && uv_read_start((uv_stream_t *)&c->pipe, on_room, on_read) != 0)
		close_client(c);
	c->reading = true;
}

static void read_no_more(struct client *c)
{
	if (c->reading && !c->closing)
		uv_read_stop((uv_stream_t *)&c->pipe);
	c->reading = false;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
	struct client *c = stream->data;
	(void)room;
	if (n < 0)
		c->ended = true;
	else
		c->len += (size_t)n;
	take_lines(c);
}

/* One question at a time: while it is answered nothing is read. */
static void take_lines(struct client *c)
{
	while (!c->busy && !c->closing) {
		size_t len = slice_find(slice_of(c->line, c->len), '\n');
		if (len < c->len) {
			take_line(c, len);
		} else if (c->len == sizeof c->line) {
			refuse(c, "long", "the line is too long");
		} else if (c->ended && c->len) {
			refuse(c, "unfinished", "the line has no end");
		} else if (c->ended) {
			close_client(c);
		} else {
			read_on(c);
			return;
		}
	}
	read_no_more(c);
}

void admin_answer(struct admin *a, struct slice line)
{
	for (struct client *c = a ? a->clients : NULL; c; c = c->next) {
		if (c->waits && !c->closing)
			say(c, line);
	}
}

/* ---- connecting ---- */

static struct client *client_new(struct admin *a)
{
	struct client *c = MEM_NEW(struct client);
	c->admin = a;
	uv_pipe_init(a->listener.loop, &c->pipe, 0);
	uv_timer_init(a->listener.loop, &c->timer);
	c->pipe.data = c->timer.data = c->write.data = c;
	c->handles = 2;
	c->next = a->clients;
	c->prev = &a->clients;
	if (c->next)
		c->next->prev = &c->next;
	a->clients = c;
	a->count++;
	return c;
}

static bool admit(struct admin *a, struct client *c)
{
	if (a->admitted == ADMIN_CLIENTS_MAX || (!c->root && a->strangers == ADMIN_STRANGERS_MAX))
		return false;
	c->admitted = true;
	a->admitted++;
	a->strangers += !c->root;
	return true;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct admin *a = listener->data;
	uv_os_fd_t fd;
	if (status != 0)
		return;
	struct client *c = client_new(a);
	bool fine = uv_accept(listener, (uv_stream_t *)&c->pipe) == 0 &&
		    uv_fileno((uv_handle_t *)&c->pipe, &fd) == 0;
	if (!fine)
		close_client(c);
	else if (!may_ask(fd, a->rules.group, &c->root))
		refuse(c, "denied", "only root and the members of the gate's group may ask");
	else if (!admit(a, c))
		refuse(c, "busy", "too many are asking; try again");
	else
		begin(c);
}

struct admin *admin_start(uv_loop_t *loop, struct admin_file *f, const struct admin_rules *rules)
{
	struct admin *a = MEM_NEW(struct admin);
	a->rules = *rules;
	uv_pipe_init(loop, &a->listener, 0);
	a->listener.data = a;
	if (uv_pipe_open(&a->listener, f->fd) == 0 &&
		uv_listen((uv_stream_t *)&a->listener, ADMIN_CLIENTS_MAX, on_connection) == 0)
		return a;
	admin_stop(a);
	return NULL;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct admin *a = handle->data;
	a->closed = true;
	free_if_done(a);
}

void admin_stop(struct admin *a)
{
	if (!a || a->stopped)
		return;
	a->stopped = true;
	for (struct client *c = a->clients; c; c = c->next)
		close_client(c);
	uv_close((uv_handle_t *)&a->listener, on_listener_closed);
}
