#include "tenants/load.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* S_ISVTX belongs to XSI, so the bare POSIX headers hide it. */
enum { CHUNK = 16384, MODE_STICKY = 01000 };

static int64_t nanoseconds(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static struct file_id id_of(const struct stat *st)
{
	return (struct file_id){.dev = (uint64_t)st->st_dev,
		.ino = (uint64_t)st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns = nanoseconds(st->st_mtim),
		.ctime_ns = nanoseconds(st->st_ctim)};
}

bool file_id_eq(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* Whether the file ends here. */
static bool at_end(int fd, size_t total)
{
	char more;
	return pread(fd, &more, 1, (off_t)total) == 0;
}

static struct err read_all(int fd, size_t max, struct buf *out)
{
	for (size_t total = 0; total < max;) {
		size_t want = max - total < CHUNK ? max - total : CHUNK;
		char *room = buf_reserve(out, want);
		if (!room)
			return err_native(ERR_FILE, EFBIG);
		ssize_t n = pread(fd, room, want, (off_t)total);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_native(ERR_FILE, errno);
		if (n == 0)
			return err_ok();
		total += (size_t)n;
		buf_commit(out, (size_t)n);
	}
	return at_end(fd, max) ? err_ok() : err_native(ERR_FILE, EFBIG);
}

struct err file_read_fd(int fd, size_t max, struct buf *out, struct file_id *id)
{
	struct stat before, after;
	if (fstat(fd, &before) != 0)
		return err_native(ERR_FILE, errno);
	if (!S_ISREG(before.st_mode))
		return err_native(ERR_FILE, S_ISDIR(before.st_mode) ? EISDIR : ENXIO);
	*id = id_of(&before);
	struct err e = read_all(fd, max, out);
	if (err_is(e))
		return e;
	if (fstat(fd, &after) != 0)
		return err_native(ERR_FILE, errno);
	/* Somebody is writing it: half of a file is worse than none (F07). */
	struct file_id again = id_of(&after);
	return file_id_eq(id, &again) ? err_ok() : err_native(ERR_FILE, EAGAIN);
}

struct err file_read(const char *path, size_t max, struct buf *out, struct file_id *id)
{
	/* O_NONBLOCK: a named pipe must not hold up a reload. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_native(ERR_FILE, errno);
	struct err e = file_read_fd(fd, max, out, id);
	close(fd);
	return e;
}

/* In a directory with the sticky bit, as /tmp, others cannot take our files away. */
static bool in_open_directory(const char *path)
{
	struct stat st;
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	char *dir = slash ? mem_dup(path, len ? len : 1) : mem_strdup(".");
	bool open = stat(dir, &st) == 0 && (st.st_mode & S_IWOTH) && !(st.st_mode & MODE_STICKY);
	mem_free(dir);
	return open;
}

struct err file_look(const char *path, struct file_id *id, struct file_rights *rights)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return err_native(ERR_FILE, errno);
	if (!S_ISREG(st.st_mode))
		return err_native(ERR_FILE, S_ISDIR(st.st_mode) ? EISDIR : ENXIO);
	*id = id_of(&st);
	rights->mode = st.st_mode & 07777;
	rights->strange_owner = st.st_uid != 0 && st.st_uid != geteuid();
	rights->open_directory = in_open_directory(path);
	return err_ok();
}

const char *file_why(struct err e)
{
	switch (e.native) {
	case ENOENT:
		return "there is no such file";
	case EACCES:
	case EPERM:
		return "the file may not be read (permission denied)";
	case EISDIR:
		return "this is a directory, not a file";
	case ENXIO:
		return "this is not a plain file";
	case EFBIG:
		return "the file is too large";
	case EAGAIN:
		return "the file changed while it was read; try again";
	case ENOTDIR:
		return "a part of the path is not a directory";
	case ELOOP:
		return "the symbolic links go round in circles";
	default:
		return "the file cannot be read";
	}
}
