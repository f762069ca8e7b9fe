/* O02: the admin socket, used and abused. */
#define _GNU_SOURCE /* setgroups, mkdtemp */
#include "lib/admin_host.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_MS = 400, TEXT = 1 << 20 };

#define STATUS "{\"ok\":true}\n"

static struct admin_host host;
static struct registry *registry;
static char dir[32], path[100], text[TEXT];

static int make_place(void **state)
{
	(void)state;
	snprintf(dir, sizeof dir, "/tmp/fedgate-XXXXXX");
	registry = registry_new();
	if (!mkdtemp(dir) || chmod(dir, 0755) != 0)
		return -1;
	snprintf(path, sizeof path, "%s/admin.sock", dir);
	return 0;
}

static int take_place(void **state)
{
	(void)state;
	registry_free(registry);
	(void)unlink(path);
	return rmdir(dir);
}

static int start(void **state)
{
	int r = make_place(state);
	if (r == 0)
		admin_host_start(&host, path, registry, IDLE_MS);
	return r;
}

static int stop(void **state)
{
	admin_host_stop(&host);
	return take_place(state);
}

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void wait_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};
	nanosleep(&t, NULL);
}

/* ---- questions ---- */

#define ROW(bytes, error)                                                                          \
	{                                                                                          \
		bytes, sizeof(bytes) - 1, error                                                    \
	}

static void what_is_no_question_is_refused_with_a_reason_and_closed(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		const char *error;
	} rows[] = {
		ROW("\n", "garbage"),
		ROW(" status\n", "garbage"),
		ROW("status \n", "garbage"),
		ROW("explain  a.example b.example\n", "garbage"),
		ROW("explain\ta.example b.example\n", "garbage"),
		ROW("status\r\n", "garbage"),
		ROW("sta\0tus\n", "garbage"),
		ROW("status\x7f\n", "garbage"),
		ROW("GET / HTTP/1.1\r\n\r\n", "garbage"),
		ROW("\xff\xfe\xfd\n", "verb"),
		ROW("STATUS\n", "verb"),
		ROW("stat\n", "verb"),
		ROW("statuss\n", "verb"),
		ROW("{\"verb\":\"status\"}\n", "verb"),
		ROW("status now\n", "words"),
		ROW("reload now\n", "words"),
		ROW("explain\n", "words"),
		ROW("explain a.example\n", "words"),
		ROW("explain a.example b.example 1 2\n", "words"),
		ROW("explain a.example b.example 1 2 3 4 5 6 7 8 9\n", "words"),
		ROW("explain a..example b.example\n", "domain"),
		ROW("explain a.example romeo@b.example\n", "domain"),
		ROW("explain a.example \xff\xff\n", "domain"),
		ROW("explain a.example b.example 0\n", "number"),
		ROW("explain a.example b.example 51\n", "number"),
		ROW("explain a.example b.example 99999999999999999999\n", "number"),
		ROW("explain a.example b.example -1\n", "number"),
		ROW("explain a.example b.example 1x\n", "number"),
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char want[80];
		int fd = admin_host_connect(&host);
		assert_true(fd >= 0);
		admin_host_ask(fd, rows[i].bytes, rows[i].len, text, TEXT);
		snprintf(want, sizeof want, "{\"ok\":false,\"error\":\"%s\",\"sentence\":\"",
			rows[i].error);
		if (strncmp(text, want, strlen(want)) != 0)
			fail_msg("%s: %s", rows[i].bytes, text);
		assert_int_equal(recv(fd, text, 1, 0), 0); /* closed */
		close(fd);
	}
	admin_host_say(&host, "status\n", text, TEXT);
	assert_string_equal(text, STATUS);
}

static void a_line_is_bounded_and_has_an_end(void **state)
{
	(void)state;
	static char long_line[3 * ADMIN_LINE_MAX];
	memset(long_line, 'a', sizeof long_line);
	for (size_t len = ADMIN_LINE_MAX; len <= sizeof long_line; len += ADMIN_LINE_MAX) {
		int fd = admin_host_connect(&host);
		admin_host_ask(fd, long_line, len, text, TEXT);
		assert_non_null(strstr(text, "\"error\":\"long\""));
		close(fd);
	}
	int fd = admin_host_connect(&host);
	assert_int_equal(send(fd, "status", 6, 0), 6);
	shutdown(fd, SHUT_WR);
	admin_host_ask(fd, "", 0, text, TEXT);
	assert_non_null(strstr(text, "\"error\":\"unfinished\""));
	close(fd);
}

static void questions_are_answered_in_order_however_they_are_cut(void **state)
{
	(void)state;
	static const char asked[] =
		"status\nexplain a.example b.example\nstatus\nexplain a.example c.example 50\n";
	static const char answered[] =
		STATUS "{\"ok\":true,\"tenant\":\"a.example\",\"peer\":\"b.example\",\"served\":"
		       "false,\"decisions\":[]}\n" STATUS
		       "{\"ok\":true,\"tenant\":\"a.example\",\"peer\":\"c.example\",\"served\":"
		       "false,\"decisions\":[]}\n";
	for (size_t piece = 1; piece <= sizeof asked; piece += 13) {
		int fd = admin_host_connect(&host);
		size_t got = 0;
		for (size_t i = 0; i < sizeof asked - 1; i += piece) {
			size_t n = sizeof asked - 1 - i < piece ? sizeof asked - 1 - i : piece;
			assert_int_equal(send(fd, asked + i, n, 0), n);
		}
		shutdown(fd, SHUT_WR);
		for (ssize_t n; (n = recv(fd, text + got, TEXT - 1 - got, 0)) > 0;)
			got += (size_t)n;
		text[got] = '\0';
		assert_string_equal(text, answered);
		close(fd);
	}
}

static void a_reload_is_answered_when_it_is_over(void **state)
{
	(void)state;
	int fds[3];
	for (int i = 0; i < 3; i++) {
		fds[i] = admin_host_connect(&host);
		assert_int_equal(send(fds[i], "reload\nstatus\n", 14, 0), 14);
	}
	uint64_t began = now_ms();
	close(fds[1]); /* it does not wait for it */
	for (int i = 0; i < 3; i += 2) {
		size_t got = 0;
		shutdown(fds[i], SHUT_WR);
		for (ssize_t n; (n = recv(fds[i], text + got, TEXT - 1 - got, 0)) > 0;)
			got += (size_t)n;
		text[got] = '\0';
		assert_string_equal(text, "{\"ok\":true,\"outcome\":\"fine\"}\n" STATUS);
		close(fds[i]);
	}
	assert_true(now_ms() - began >= HOST_RELOAD_MS - 50);
}

/* ---- time and number ---- */

static void the_silent_and_the_slow_are_closed(void **state)
{
	(void)state;
	int silent = admin_host_connect(&host), slow = admin_host_connect(&host);
	uint64_t began = now_ms(), slow_ended = 0;
	while (!slow_ended && now_ms() - began < 10 * IDLE_MS) {
		char c;
		(void)!send(slow, "a", 1, MSG_NOSIGNAL);
		wait_ms(20);
		if (recv(slow, &c, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET)
			slow_ended = now_ms() - began;
	}
	assert_in_range(slow_ended, IDLE_MS - 100, 5 * IDLE_MS);
	assert_int_equal(recv(silent, text, 1, 0), 0);
	close(silent);
	close(slow);
}

/* ERR_CERT_NAME has the longest of answers; the pair has as many as there may be. */
static void fill_rings(void)
{
	for (unsigned i = 0; i < ADMIN_LAST_MAX; i++) {
		struct decision *d = decision_begin(true, "0123456789abcdef", 1800000000 + i, i);
		d->outcome = DECISION_REFUSED;
		d->code = ERR_CERT_NAME;
		d->tenant.len = d->peer.len = 9;
		memcpy(d->tenant.name, "a.example", 9);
		memcpy(d->peer.name, "b.example", 9);
		for (int k = 0; k < DECISION_STEPS_MAX; k++)
			decision_step(d, i, "certificate", STEP_BAD, err_make(ERR_CERT_NAME), "%s",
				"a detail that is as long as one may be, so that the answer is "
				"large "
				"and fills whatever buffers are on its way to us");
		decision_keep(host.writer[i % HOST_RINGS], d);
		decision_free(d);
	}
}

static void who_does_not_read_is_closed_and_keeps_nobody_waiting(void **state)
{
	(void)state;
	static const char question[] = "explain a.example b.example 50\n";
	fill_rings();
	int deaf = admin_host_connect(&host);
	uint64_t began = now_ms();
	for (size_t sent = 0; sent < 200000; sent += sizeof question - 1) {
		if (send(deaf, question, sizeof question - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
	}
	while (now_ms() - began < IDLE_MS / 2) {
		uint64_t asked = now_ms();
		admin_host_say(&host, "status\n", text, TEXT);
		assert_string_equal(text, STATUS);
		assert_true(now_ms() - asked < 500);
	}
	while (send(deaf, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 || errno == EAGAIN) {
		assert_true(now_ms() - began < 10 * IDLE_MS);
		wait_ms(20);
	}
	close(deaf);
	admin_host_say(&host, question, text, TEXT);
	assert_true(strlen(text) > 200000 && text[strlen(text) - 1] == '\n');
	assert_true(atomic_load(host.longest_turn_ms) < 500);
}

static void of_a_hundred_clients_some_are_served_and_the_others_told(void **state)
{
	(void)state;
	int fds[100];
	size_t served = 0, told = 0;
	for (int i = 0; i < 100; i++)
		fds[i] = admin_host_connect(&host);
	for (int i = 0; i < 100; i++) {
		admin_host_ask(fds[i], "status\n", 7, text, TEXT);
		served += strcmp(text, STATUS) == 0;
		told += strstr(text, "\"error\":\"busy\"") != NULL;
	}
	assert_int_equal(served + told, 100);
	assert_in_range(served, ADMIN_CLIENTS_MAX, 99);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
	wait_ms(20);
	admin_host_say(&host, "status\n", text, TEXT);
	assert_string_equal(text, STATUS);
}

/* ---- who ---- */

static void become(uid_t uid, gid_t gid, gid_t further)
{
	if (setgroups(further != 0, &further) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
		_exit(1);
}

static void strangers_never_keep_root_out(void **state)
{
	(void)state;
	int held[2], status;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(held), 0);
	pid_t pid = fork();
	if (pid == 0) {
		become(1234, HOST_GROUP, 0);
		for (int i = 0; i < 100; i++)
			(void)admin_host_connect(&host);
		(void)!write(held[1], "x", 1);
		wait_ms(IDLE_MS / 4);
		_exit(0);
	}
	assert_int_equal(read(held[0], text, 1), 1);
	admin_host_say(&host, "status\n", text, TEXT);
	assert_string_equal(text, STATUS);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(held[0]);
	close(held[1]);
}

/* What somebody else with this user, group and further group is answered. */
static int as(uid_t uid, gid_t gid, gid_t further, const char *question)
{
	int out[2], status;
	assert_int_equal(pipe(out), 0);
	pid_t pid = fork();
	if (pid == 0) {
		become(uid, gid, further);
		int fd = admin_host_connect(&host);
		if (fd < 0)
			_exit(errno == EACCES ? 13 : 1);
		size_t n = admin_host_ask(fd, question, strlen(question), text, TEXT);
		(void)!write(out[1], text, n);
		_exit(0);
	}
	close(out[1]);
	ssize_t n = read(out[0], text, TEXT - 1);
	text[n > 0 ? n : 0] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void root_and_the_group_may_ask_and_root_may_reload(void **state)
{
	(void)state;
	static const struct {
		uid_t uid;
		gid_t gid, further;
		bool mode_opened;
		int status; /* 13: the file's mode kept it out */
		bool asks, reloads;
	} rows[] = {
		{0, 0, 0, false, 0, true, true},
		{1234, HOST_GROUP, 0, false, 0, true, false},
		{1234, 1234, HOST_GROUP, false, 0, true, false},
		{1234, 1234, 0, false, 13, false, false},
		{1234, 1234, 4321, false, 13, false, false},
		{1234, 1234, 0, true, 0, false, false},
		{1234, 0, 0, true, 0, false, false}, /* root's group is not root */
		{1234, 1234, 4321, true, 0, false, false},
	};
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(chmod(path, rows[i].mode_opened ? 0666 : 0660), 0);
		for (int reload = 0; reload < 2; reload++) {
			bool may = reload ? rows[i].reloads : rows[i].asks;
			int got = as(rows[i].uid, rows[i].gid, rows[i].further,
				reload ? "reload\n" : "status\n");
			assert_int_equal(got, rows[i].status);
			if (rows[i].status == 0 && may)
				assert_memory_equal(text, "{\"ok\":true", 10);
			else if (rows[i].status == 0)
				assert_non_null(strstr(text, "\"error\":\"denied\""));
		}
	}
}

/* ---- the file ---- */

static void the_file_is_for_root_and_the_group(void **state)
{
	(void)state;
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_gid, geteuid() == 0 ? HOST_GROUP : getegid());
	assert_int_equal(getegid(), getgid()); /* we are who we were */
}

static void a_dead_gates_file_is_replaced_and_a_living_ones_is_not(void **state)
{
	(void)state;
	struct admin_file second;
	const char *why = NULL;
	assert_false(admin_file_open(&second, path, getegid(), &why));
	assert_string_equal(why, "another fedgate answers there");
	admin_host_say(&host, "status\n", text, TEXT);
	assert_string_equal(text, STATUS);
	kill(host.pid, SIGKILL);
	waitpid(host.pid, NULL, 0);
	assert_int_equal(access(path, F_OK), 0); /* nobody took it away */
	assert_true(admin_file_open(&second, path, getegid(), &why));
	admin_file_close(&host.file); /* not its own any more */
	assert_int_equal(access(path, F_OK), 0);
	admin_file_close(&second);
	assert_int_equal(access(path, F_OK), -1);
	close(second.fd);
}

/* Its queue is full: it lives. */
static void a_busy_gates_file_stays(void **state)
{
	(void)state;
	struct admin_file second;
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const char *why = NULL;
	int fds[200], n = 0;
	memcpy(at.sun_path, host.path, sizeof at.sun_path);
	kill(host.pid, SIGSTOP);
	do
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	while (connect(fds[n++], (struct sockaddr *)&at, sizeof at) == 0 && n < 200);
	assert_int_equal(errno, EAGAIN);
	assert_false(admin_file_open(&second, path, getegid(), &why));
	kill(host.pid, SIGCONT);
	while (n > 0)
		close(fds[--n]);
	assert_string_equal(why, "another fedgate answers there");
	assert_int_equal(access(path, F_OK), 0);
}

static void what_is_no_socket_stays(void **state)
{
	(void)state;
	struct admin_file f;
	const char *why = NULL;
	FILE *file = fopen(path, "w");
	fclose(file);
	assert_false(admin_file_open(&f, path, getegid(), &why));
	assert_string_equal(why, "something is there that is no socket");
	admin_file_close(&f);
	assert_int_equal(access(path, F_OK), 0);
}

static void the_directory_is_made_when_it_is_missing(void **state)
{
	(void)state;
	struct admin_file f;
	struct stat st;
	const char *why = NULL;
	char deep[120], below[60], long_path[200];
	snprintf(below, sizeof below, "%s/run", dir);
	snprintf(deep, sizeof deep, "%s/admin.sock", below);
	assert_true(admin_file_open(&f, deep, getegid(), &why));
	assert_int_equal(stat(below, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	close(f.fd);
	admin_file_close(&f);
	assert_int_equal(rmdir(below), 0);
	snprintf(deep, sizeof deep, "%s/no/where/admin.sock", dir);
	assert_false(admin_file_open(&f, deep, getegid(), &why));
	assert_string_equal(why, strerror(ENOENT));
	memset(long_path, 'a', sizeof long_path);
	long_path[0] = '/';
	long_path[sizeof long_path - 1] = '\0';
	assert_false(admin_file_open(&f, long_path, getegid(), &why));
	assert_string_equal(why, "the path is too long for a socket");
}

#define hosted(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hosted(what_is_no_question_is_refused_with_a_reason_and_closed),
		hosted(a_line_is_bounded_and_has_an_end),
		hosted(questions_are_answered_in_order_however_they_are_cut),
		hosted(a_reload_is_answered_when_it_is_over),
		hosted(the_silent_and_the_slow_are_closed),
		hosted(who_does_not_read_is_closed_and_keeps_nobody_waiting),
		hosted(of_a_hundred_clients_some_are_served_and_the_others_told),
		hosted(strangers_never_keep_root_out),
		hosted(root_and_the_group_may_ask_and_root_may_reload),
		hosted(the_file_is_for_root_and_the_group),
		hosted(a_dead_gates_file_is_replaced_and_a_living_ones_is_not),
		hosted(a_busy_gates_file_stays),
		cmocka_unit_test_setup_teardown(what_is_no_socket_stays, make_place, take_place),
		cmocka_unit_test_setup_teardown(
			the_directory_is_made_when_it_is_missing, make_place, take_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
