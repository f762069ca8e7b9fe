#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "admin_host.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BEAT_MS = 2 };

struct serving {
	struct admin_host *host;
	const struct registry *registry;
	struct admin *admin;
	uv_timer_t reload, beat;
	uint64_t last_beat;
};

static void on_reload_over(uv_timer_t *timer)
{
	struct serving *s = timer->data;
	admin_answer(s->admin, SLICE_LIT("{\"ok\":true,\"outcome\":\"fine\"}"));
}

static bool answer(void *arg, const struct admin_request *request, struct buf *out)
{
	struct serving *s = arg;
	const struct admin_rings rings = {s->host->rings, HOST_RINGS};
	switch (request->verb) {
	case ADMIN_EXPLAIN:
		admin_explain(&rings, s->registry, request, out);
		return true;
	case ADMIN_STATUS:
		(void)buf_append_str(out, "{\"ok\":true}");
		return true;
	case ADMIN_RELOAD:
		break;
	}
	uv_timer_start(&s->reload, on_reload_over, HOST_RELOAD_MS, 0);
	return false;
}

static void on_beat(uv_timer_t *timer)
{
	struct serving *s = timer->data;
	uint64_t now = uv_hrtime() / 1000000, turn = now - s->last_beat;
	if (s->last_beat && turn > atomic_load(s->host->longest_turn_ms))
		atomic_store(s->host->longest_turn_ms, turn);
	s->last_beat = now;
}

static void serve(struct admin_host *h, const struct registry *registry, uint64_t idle_ms)
{
	struct serving s = {.host = h, .registry = registry};
	const struct admin_rules rules = {
		.group = HOST_GROUP, .idle_ms = idle_ms, .answer = answer, .arg = &s};
	uv_loop_t *loop = uv_default_loop();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	uv_timer_init(loop, &s.reload);
	uv_timer_init(loop, &s.beat);
	s.reload.data = s.beat.data = &s;
	uv_timer_start(&s.beat, on_beat, 0, BEAT_MS);
	s.admin = admin_start(loop, &h->file, &rules);
	if (s.admin)
		uv_run(loop, UV_RUN_DEFAULT);
	_exit(1);
}

void admin_host_start(
	struct admin_host *h, const char *path, const struct registry *registry, uint64_t idle_ms)
{
	const char *why = NULL;
	gid_t group = geteuid() == 0 ? HOST_GROUP : getegid();
	*h = (struct admin_host){.pid = 0};
	snprintf(h->path, sizeof h->path, "%s", path);
	bool fine = admin_file_open(&h->file, path, group, &why);
	for (size_t i = 0; i < HOST_RINGS && fine; i++) {
		int fd;
		h->rings[i] = decisions_create(&fd);
		h->writer[i] = decisions_map(fd);
		close(fd);
		fine = h->rings[i] && h->writer[i];
	}
	void *shared = mmap(NULL, sizeof *h->longest_turn_ms, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	h->longest_turn_ms = shared;
	assert(fine && shared != MAP_FAILED);
	h->pid = fork();
	if (h->pid == 0)
		serve(h, registry, idle_ms);
	assert(h->pid > 0);
	close(h->file.fd);
}

void admin_host_stop(struct admin_host *h)
{
	kill(h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
	for (size_t i = 0; i < HOST_RINGS; i++) {
		decisions_unmap(h->rings[i]);
		decisions_unmap(h->writer[i]);
	}
	munmap(h->longest_turn_ms, sizeof *h->longest_turn_ms);
	admin_file_close(&h->file);
}

int admin_host_connect(const struct admin_host *h)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = 5};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(at.sun_path, h->path, sizeof at.sun_path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

size_t admin_host_ask(int fd, const void *bytes, size_t len, char *text, size_t size)
{
	size_t got = 0;
	(void)!send(fd, bytes, len, MSG_NOSIGNAL);
	while (got + 1 < size && (got == 0 || text[got - 1] != '\n')) {
		ssize_t n = recv(fd, text + got, size - 1 - got, 0);
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	text[got] = '\0';
	return got;
}

void admin_host_say(const struct admin_host *h, const char *question, char *text, size_t size)
{
	int fd = admin_host_connect(h);
	assert(fd >= 0);
	admin_host_ask(fd, question, strlen(question), text, size);
	close(fd);
}
