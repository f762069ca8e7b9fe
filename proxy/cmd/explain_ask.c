#include "cmd/explain.h"

#include "tenants/load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_MAX = 16 << 20, CHUNK = 65536, PATIENCE_S = 15 };

static json_t *failed(struct buf *why, const char *path, const char *what, const char *to_do)
{
	(void)buf_printf(why, "%s: %s; %s", path, what, to_do);
	return NULL;
}

static const char *to_do(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return "is the gate running? (systemctl status fedgate; the socket is [gate] "
		       "admin_socket in fedgate.ini)";
	case EACCES:
	case EPERM:
		return "run this as root, or as a member of the gate's group (fedgate)";
	default:
		return "try again";
	}
}

static bool say(int fd, const char *question)
{
	size_t len = strlen(question);
	while (len) {
		ssize_t n = send(fd, question, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		question += n;
		len -= (size_t)n;
	}
	return true;
}

/* A whole line; false: it ended before, or took too long. */
static bool hear(int fd, struct buf *line)
{
	for (;;) {
		char *room = buf_reserve(line, CHUNK);
		ssize_t n = room ? recv(fd, room, CHUNK, 0) : -1;
		if (n < 0 && room && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		buf_commit(line, (size_t)n);
		if (room[n - 1] == '\n')
			return true;
	}
}

static json_t *read_answer(int fd, const char *path, const char *question, struct buf *why)
{
	struct buf line;
	json_t *answer = NULL;
	buf_init(&line, ANSWER_MAX);
	/* It may have said why and closed before it heard us. */
	bool said = say(fd, question);
	if (hear(fd, &line))
		answer = json_loadb(buf_peek(&line).ptr, buf_len(&line), 0, NULL);
	buf_fini(&line);
	if (!answer)
		return failed(
			why, path, "no answer came", said ? "look at the gate's log" : "try again");
	if (json_is_true(json_object_get(answer, "ok")))
		return answer;
	const char *error = json_string_value(json_object_get(answer, "error"));
	const char *sentence = json_string_value(json_object_get(answer, "sentence"));
	bool denied = error && strcmp(error, "denied") == 0;
	(void)failed(why, path, sentence ? sentence : "an answer that is none",
		to_do(denied ? EACCES : 0));
	json_decref(answer);
	return NULL;
}

json_t *explain_ask(const char *path, const char *question, struct buf *why)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	if (strlen(path) >= sizeof at.sun_path)
		return failed(why, path, "too long for a socket", "correct [gate] admin_socket");
	memcpy(at.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
		connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		return failed(why, path, strerror(error), to_do(error));
	}
	json_t *answer = read_answer(fd, path, question, why);
	close(fd);
	return answer;
}

/* The file that names the socket. */
static struct gate *read_config(const char *verb, const char *config)
{
	struct faults faults;
	struct gate_places places;
	faults_init(&faults);
	/* Faults elsewhere in the file are the gate's business. */
	struct gate *g = load_gate_leniently(config, &places, &faults);
	if (!g)
		fprintf(stderr, "%sfedgate %s: --config FILE says where the file is.\n",
			buf_cstr(&faults.text), verb);
	else if (!g->admin_socket)
		fprintf(stderr,
			"fedgate %s: %s: [gate] admin_socket is empty, so the gate cannot be "
			"asked; set it and restart\n",
			verb, config);
	faults_fini(&faults);
	if (g && g->admin_socket)
		return g;
	gate_free(g);
	return NULL;
}

json_t *explain_ask_gate(const char *verb, const char *config, const char *question)
{
	struct gate *g = read_config(verb, config);
	struct buf why;
	json_t *answer = NULL;
	buf_init(&why, BUF_UNLIMITED);
	if (g)
		answer = explain_ask(g->admin_socket, question, &why);
	if (g && !answer)
		fprintf(stderr, "fedgate %s: %s\n", verb, buf_cstr(&why));
	buf_fini(&why);
	gate_free(g);
	return answer;
}
