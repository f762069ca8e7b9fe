#define _GNU_SOURCE /* setresgid */
#include "core/admin.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 32 };

static bool fill(struct sockaddr_un *at, const char *path)
{
	*at = (struct sockaddr_un){.sun_family = AF_UNIX};
	size_t n = strlen(path);
	if (n >= sizeof at->sun_path)
		return false;
	memcpy(at->sun_path, path, n);
	return true;
}

/* The unit's RuntimeDirectory= makes it; a start by hand does not have that. */
static void make_directory(const char *path)
{
	char *dir = mem_strdup(path), *slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = '\0';
		(void)mkdir(dir, 0755); /* bind() tells when it is not there */
	}
	mem_free(dir);
}

enum at_path { AT_NOTHING, AT_DEAD_SOCKET, AT_LIVING_SOCKET, AT_SOMETHING_ELSE };

static enum at_path look(const struct sockaddr_un *at)
{
	struct stat st;
	if (lstat(at->sun_path, &st) != 0)
		return AT_NOTHING;
	if (!S_ISSOCK(st.st_mode))
		return AT_SOMETHING_ELSE;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool dead = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 &&
		    errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return dead ? AT_DEAD_SOCKET : AT_LIVING_SOCKET;
}

/* The file belongs to the group from its first moment. The right to give files away is not among
 * those that the unit leaves us; that to become another group is. */
static int bind_as(const struct sockaddr_un *at, gid_t group)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	gid_t own = getegid();
	bool change = group != own;
	if (fd < 0)
		return -1;
	mode_t mask = umask(0117); /* rw-rw---- */
	bool fine = (!change || setresgid((gid_t)-1, group, (gid_t)-1) == 0) &&
		    bind(fd, (const struct sockaddr *)at, sizeof *at) == 0 &&
		    listen(fd, BACKLOG) == 0;
	int error = errno;
	umask(mask);
	if (change && setresgid((gid_t)-1, own, (gid_t)-1) != 0)
		fine = false;
	if (!fine)
		close(fd);
	errno = error;
	return fine ? fd : -1;
}

bool admin_file_open(struct admin_file *f, const char *path, gid_t group, const char **why)
{
	struct sockaddr_un at;
	struct stat st;
	*f = (struct admin_file){.fd = -1};
	*why = "the path is too long for a socket";
	if (!fill(&at, path))
		return false;
	make_directory(path);
	enum at_path there = look(&at);
	*why = there == AT_LIVING_SOCKET ? "another fedgate answers there"
					 : "something is there that is no socket";
	if (there == AT_LIVING_SOCKET || there == AT_SOMETHING_ELSE)
		return false;
	if (there == AT_DEAD_SOCKET)
		(void)unlink(path);
	f->fd = bind_as(&at, group);
	*why = strerror(errno);
	if (f->fd < 0)
		return false;
	f->path = mem_strdup(path);
	if (lstat(path, &st) == 0) {
		f->dev = st.st_dev;
		f->ino = st.st_ino;
		f->made = st.st_ctim;
	}
	return true;
}

void admin_file_close(struct admin_file *f)
{
	struct stat st;
	if (f->path && lstat(f->path, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino &&
		st.st_ctim.tv_sec == f->made.tv_sec && st.st_ctim.tv_nsec == f->made.tv_nsec)
		(void)unlink(f->path);
	mem_free(f->path);
	f->path = NULL;
}
