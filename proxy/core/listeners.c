#define _GNU_SOURCE /* SO_REUSEPORT, SOCK_NONBLOCK */
#include "core/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static bool set_up(int fd, const struct address *a, int type, int share)
{
	const int on = 1;
	/* SO_REUSEADDR lets datagram sockets share as well: only for streams. */
	if (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
		return false;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &share, sizeof share) != 0)
		return false;
	/* [::] means IPv6; 0.0.0.0 beside it has its own socket. */
	if (a->sa.ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
		return false;
	if (bind(fd, (const struct sockaddr *)&a->sa, a->len) != 0)
		return false;
	return type == SOCK_DGRAM || listen(fd, BACKLOG) == 0;
}

static int open_socket(const struct address *a, int type, int share)
{
	int fd = socket(a->sa.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (set_up(fd, a, type, share))
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

int listener_open(const struct address *a, int type)
{
	return open_socket(a, type, 1);
}

bool listener_is_free(const struct address *a, int type)
{
	int fd = open_socket(a, type, 0);
	if (fd < 0)
		return errno != EADDRINUSE;
	close(fd);
	return true;
}

const char *listener_why(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "another program has this port; stop it (`ss -ltnup` names it) or use "
		       "another "
		       "address";
	case EACCES:
		return "ports under 1024 need root or CAP_NET_BIND_SERVICE";
	case EADDRNOTAVAIL:
		return "no interface of this machine has this address";
	case EAFNOSUPPORT:
		return "this machine has no such address family (IPv6 switched off?); leave it out";
	default:
		return "the port cannot be listened on";
	}
}
