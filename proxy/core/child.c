#define _GNU_SOURCE /* close_range, setresuid, setgroups */
#include "core/child.h"

#include "core/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int binary = -1;

struct err child_binary_open(void)
{
	binary = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	return binary < 0 ? err_native(ERR_FILE, errno) : err_ok();
}

bool child_user_find(const char *name, struct child_user *out, const char **why)
{
	*out = (struct child_user){.change = geteuid() == 0};
	if (!out->change)
		return true;
	const struct passwd *p = getpwnam(name);
	*why = !p               ? "there is no such user; make one with `adduser --system --group`"
	       : p->pw_uid == 0 ? "the workers must not run as root"
				: NULL;
	if (*why)
		return false;
	out->uid = p->pw_uid;
	out->gid = p->pw_gid;
	return true;
}

/* In the child, between fork and exec: only what is safe there. */
static bool become(const struct child_user *user)
{
	if (user->change &&
		(setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
			setresuid(user->uid, user->uid, user->uid) != 0))
		return false;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static _Noreturn void run(const struct child_user *user, int channel, char *const argv[])
{
	char *const environment[] = {NULL};
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	int null = open("/dev/null", O_RDWR);
	/* The binary is close-on-exec, so it may stand anywhere above the channel. */
	int self = fcntl(binary, F_DUPFD_CLOEXEC, WIRE_CHANNEL_FD + 1);
	if (null < 0 || self < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
		dup2(channel, WIRE_CHANNEL_FD) < 0)
		_exit(3);
	if (channel == WIRE_CHANNEL_FD)
		fcntl(channel, F_SETFD, 0);
	close_range(WIRE_CHANNEL_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	if (become(user))
		fexecve(self, argv, environment);
	_exit(3);
}

struct err child_start(
	const struct child_user *user, const char *role, unsigned n, pid_t *pid, int *channel)
{
	int pair[2];
	char number[12];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return err_native(ERR_INTERNAL, errno);
	snprintf(number, sizeof number, "%u", n);
	char *const argv[] = {"fedgate", "child", (char *)(uintptr_t)role, number, NULL};
	*pid = fork();
	if (*pid == 0)
		run(user, pair[1], argv);
	close(pair[1]);
	*channel = pair[0];
	if (*pid > 0)
		return err_ok();
	close(pair[0]);
	return err_native(ERR_INTERNAL, errno);
}

void child_drop_own_privileges(void)
{
	const uint32_t keep =
		1U << CAP_DAC_READ_SEARCH | 1U << CAP_KILL | 1U << CAP_SETUID | 1U << CAP_SETGID;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	if (geteuid() != 0 || syscall(SYS_capget, &header, data) != 0)
		return;
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= i ? 0 : keep;
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	(void)syscall(SYS_capset, &header, data);
}
