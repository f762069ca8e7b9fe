/* A resolver that a hostile zone keeps computing: here libunbound takes questions and never says a
 * word again, until the scout gives up on it. */
#include "core/scout.h"

#include "core/wire.h"
#include "tenants/load.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unbound.h>
#include <unistd.h>

/* In place of the library's. */
int ub_resolve_async(struct ub_ctx *ctx, const char *name, int rrtype, int rrclass, void *mydata,
	ub_callback_type callback, int *async_id)
{
	(void)ctx, (void)name, (void)rrtype, (void)rrclass, (void)mydata, (void)callback;
	*async_id = 1;
	return 0;
}

int ub_cancel(struct ub_ctx *ctx, int async_id)
{
	(void)ctx, (void)async_id;
	return 0;
}

static pid_t pid;
static int channel;

static void be_scout(int fd)
{
	struct faults faults;
	faults_init(&faults);
	struct scout_boot boot = {.channel_fd = fd,
		.workers = 1,
		.gate = load_gate_text(
			SLICE_LIT("[dns]\ntrust_anchor =\n"), "fedgate.ini", "/", &faults)};
	_exit(boot.gate ? scout_run(&boot) : 9);
}

static void start(void)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		be_scout(pair[1]);
	}
	close(pair[1]);
	channel = pair[0];
	struct pollfd p = {.fd = channel, .events = POLLIN};
	struct wire m = {.type = 0};
	struct wire_fds fds;
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(wire_receive(channel, &m, &fds), WIRE_OK);
	const struct wire none = {.type = WIRE_OPENED, .serial = m.serial, .error = ENOENT};
	assert_false(err_is(wire_send(channel, &none, NULL)));
}

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* D08; and to have been stopped is not to be stuck. */
static void a_resolver_that_is_stuck_ends_the_process_in_time(void **state)
{
	(void)state;
	int status = 0;
	start();
	uint64_t began = now_ms();
	(void)poll(NULL, 0, 500);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	(void)poll(NULL, 0, 4000);
	assert_int_equal(kill(pid, SIGCONT), 0);
	(void)poll(NULL, 0, 300);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_in_range(now_ms() - began, 5000, 9000);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 4);
	close(channel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_resolver_that_is_stuck_ends_the_process_in_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
