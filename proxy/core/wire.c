#define _GNU_SOURCE /* MSG_CMSG_CLOEXEC */
#include "core/wire.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
};

struct err wire_send(int fd, const struct wire *message, const struct wire_fds *fds)
{
	struct wire copy = *message;
	struct iovec piece = {.iov_base = &copy, .iov_len = sizeof copy};
	union control control = {0};
	struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
	if (fds && fds->count) {
		size_t bytes = fds->count * sizeof(int);
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(c), fds->fds, bytes);
	}
	ssize_t n;
	do
		n = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	struct err e = n == (ssize_t)sizeof copy ? err_ok() : err_native(ERR_INTERNAL, errno);
	mem_wipe(&copy, sizeof copy);
	return e;
}

static void take_fds(struct msghdr *m, struct wire_fds *fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds->fds, CMSG_DATA(c), n * sizeof(int));
		fds->count = n;
	}
}

enum wire_result wire_receive(int fd, struct wire *message, struct wire_fds *fds)
{
	struct iovec piece = {.iov_base = message, .iov_len = sizeof *message};
	union control control;
	struct msghdr m = {.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes};
	ssize_t n;
	fds->count = 0;
	do
		n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? WIRE_NOTHING : WIRE_GONE;
	take_fds(&m, fds);
	if (n == (ssize_t)sizeof *message && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return WIRE_OK;
	wire_close_fds(fds);
	return WIRE_GONE; /* the end, or something that is not one of ours */
}

void wire_close_fds(struct wire_fds *fds)
{
	for (size_t i = 0; i < fds->count; i++)
		close(fds->fds[i]);
	fds->count = 0;
}
