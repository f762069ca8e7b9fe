#define _GNU_SOURCE /* flock, O_DIRECTORY */
#include "core/store.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_MAX_LEN = 16, PAIR_MAX_BYTES = 1 << 17, MODE_STRANGERS_WRITE = 0022 };

#define FRESH "fresh"

static const char *const slots[] = {"current", "next", "previous"};

static const char wrong_clock[] =
	"the clock is wrong (it says a time before 2026), so no certificate "
	"is made; set it, then start fedgate again";

static const char cannot_write[] = "the state directory cannot be written to; check that it is on "
				   "a disk with room and belongs to the user that starts fedgate";

/* ---- small steps ---- */

static bool sync_path(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_CLOEXEC);
	bool fine = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return fine;
}

static bool write_file(int at, const char *name, struct slice text)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool fine = fd >= 0;
	while (fine && text.len) {
		ssize_t n = write(fd, text.ptr, text.len);
		fine = n > 0 || (n < 0 && errno == EINTR);
		text = slice_sub(text, n > 0 ? (size_t)n : 0, text.len);
	}
	fine = fine && fsync(fd) == 0;
	return fd >= 0 && close(fd) == 0 && fine;
}

static bool set_link(int dir, const char *name, const char *target)
{
	if (unlinkat(dir, "link", 0) != 0 && errno != ENOENT)
		return false;
	return symlinkat(target, dir, "link") == 0 && renameat(dir, "link", dir, name) == 0 &&
	       fsync(dir) == 0;
}

static bool drop(int dir, const char *name)
{
	return (unlinkat(dir, name, 0) == 0 || errno == ENOENT) && fsync(dir) == 0;
}

/* Where a slot leads: the name of a pair's directory, "" when it leads nowhere. */
static void target_of(int dir, const char *slot, char out[NAME_MAX_LEN])
{
	ssize_t n = readlinkat(dir, slot, out, NAME_MAX_LEN - 1);
	out[n > 0 ? n : 0] = '\0';
}

/* ---- the directory ---- */

static bool sync_parent(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *parent =
		slash ? mem_dup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strdup(".");
	bool fine = sync_path(AT_FDCWD, parent);
	mem_free(parent);
	return fine;
}

/* All of the path's directories; those that are made are for us alone. */
static bool make_path(const char *path)
{
	char *copy = mem_strdup(path);
	bool fine = true;
	for (char *end = strchr(copy + 1, '/'); fine; end = strchr(end + 1, '/')) {
		if (end)
			*end = '\0';
		fine = mkdir(copy, 0700) == 0 ? sync_parent(copy) : errno == EEXIST;
		if (!end)
			break;
		*end = '/';
	}
	mem_free(copy);
	return fine;
}

/* Locked, so that a reload and `fedgate rotate` do not meet in it. */
static const char *open_store(const char *path, bool make, int *dir)
{
	struct stat st;
	*dir = -1;
	if (make && !make_path(path))
		return cannot_write;
	*dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*dir < 0 || fstat(*dir, &st) != 0)
		return "the directory of the certificate cannot be opened";
	if (st.st_uid != geteuid() || (st.st_mode & MODE_STRANGERS_WRITE))
		return "somebody else may write to the directory of the certificate; run: chown "
		       "root and chmod 700 on it";
	return flock(*dir, LOCK_EX) == 0 ? NULL : "the directory cannot be locked";
}

static const char *done(int dir, const char *why)
{
	if (dir >= 0)
		close(dir);
	return why;
}

/* ---- pairs ---- */

static unsigned number_of(const char *name)
{
	unsigned n = 0;
	if (strlen(name) > 9)
		return 0;
	for (; *name >= '0' && *name <= '9'; name++)
		n = n * 10 + (unsigned)(*name - '0');
	return *name ? 0 : n;
}

static bool is_in_use(int dir, const char *name)
{
	for (size_t i = 0; i < sizeof slots / sizeof *slots; i++) {
		char target[NAME_MAX_LEN];
		target_of(dir, slots[i], target);
		if (strcmp(target, name) == 0)
			return true;
	}
	return false;
}

static void remove_pair(int dir, const char *name)
{
	int pair = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (pair < 0)
		return;
	(void)unlinkat(pair, "key.pem", 0);
	(void)unlinkat(pair, "certificate.pem", 0);
	close(pair);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
}

/* Takes away the pairs that nothing leads to; returns the highest number that is left. */
static unsigned sweep(int dir)
{
	unsigned highest = 0;
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
	for (struct dirent *e; list && (e = readdir(list));) {
		unsigned n = number_of(e->d_name);
		bool kept = n && is_in_use(dir, e->d_name);
		if (kept && n > highest)
			highest = n;
		else if (!kept && (n || strcmp(e->d_name, FRESH) == 0))
			remove_pair(dir, e->d_name);
	}
	if (list)
		closedir(list);
	return highest;
}

static bool write_pair(int dir, const struct makecert_wish *wish)
{
	struct buf certificate, key;
	buf_init(&certificate, PAIR_MAX_BYTES);
	buf_init(&key, PAIR_MAX_BYTES);
	key.secret = true;
	bool fine = !err_is(makecert(wish, &certificate, &key)) &&
		    write_file(dir, FRESH "/certificate.pem", buf_peek(&certificate)) &&
		    write_file(dir, FRESH "/key.pem", buf_peek(&key)) && sync_path(dir, FRESH);
	buf_fini(&certificate);
	buf_fini(&key);
	return fine;
}

static bool put_names(int dir)
{
	static const char *const names[][2] = {{"current.pem", "current/certificate.pem"},
		{"current.key", "current/key.pem"}, {"next.pem", "next/certificate.pem"},
		{"next.key", "next/key.pem"}, {"previous.pem", "previous/certificate.pem"}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (symlinkat(names[i][1], dir, names[i][0]) != 0 && errno != EEXIST)
			return false;
	}
	return true;
}

static bool make_pair(int dir, const char *slot, const struct makecert_wish *wish)
{
	char name[NAME_MAX_LEN];
	snprintf(name, sizeof name, "%u", sweep(dir) + 1);
	return put_names(dir) && mkdirat(dir, FRESH, 0700) == 0 && write_pair(dir, wish) &&
	       renameat(dir, FRESH, dir, name) == 0 && fsync(dir) == 0 && set_link(dir, slot, name);
}

static const char *make_in(
	const char *path, const char *slot, bool make, const struct makecert_wish *wish)
{
	int dir;
	char there[NAME_MAX_LEN];
	const char *why = open_store(path, make, &dir);
	if (why)
		return done(dir, why);
	target_of(dir, slot, there);
	/* What is made once is not made again: never by a clock that has not been set yet. */
	if (!*there && wish->now < MAKECERT_EARLIEST)
		return done(dir, wrong_clock);
	return done(dir, *there || make_pair(dir, slot, wish) ? NULL : cannot_write);
}

const char *store_make(const char *dir, const struct makecert_wish *wish)
{
	return make_in(dir, "current", true, wish);
}

const char *store_provide(
	const char *dir, const struct domain *const *names, size_t count, int64_t now)
{
	const struct makecert_wish wish = {.names = names, .count = count, .now = now};
	return store_make(dir, &wish);
}

const char *store_stage(const char *dir, const struct makecert_wish *wish)
{
	return make_in(dir, "next", false, wish);
}

/* ---- changing ---- */

const char *store_switch(const char *path)
{
	int dir;
	char current[NAME_MAX_LEN], next[NAME_MAX_LEN];
	const char *why = open_store(path, false, &dir);
	if (why)
		return done(dir, why);
	target_of(dir, "current", current);
	target_of(dir, "next", next);
	if (!*current)
		return done(dir, "the certificate there was not made by the gate");
	/* After a crash behind the second link only `next` is left over. */
	bool again = *next && strcmp(current, next) != 0;
	bool fine =
		!again || (set_link(dir, "previous", current) && set_link(dir, "current", next));
	return done(dir, fine && drop(dir, "next") ? NULL : cannot_write);
}

const char *store_retire(const char *path)
{
	int dir;
	const char *why = open_store(path, false, &dir);
	if (why)
		return done(dir, why);
	bool fine = drop(dir, "previous");
	if (fine)
		sweep(dir);
	return done(dir, fine ? NULL : cannot_write);
}

const char *store_write(const char *path, const char *name, struct slice text)
{
	int dir;
	const char *why = open_store(path, true, &dir);
	if (why)
		return done(dir, why);
	bool fine = (unlinkat(dir, "written", 0) == 0 || errno == ENOENT) &&
		    write_file(dir, "written", text) && renameat(dir, "written", dir, name) == 0 &&
		    fsync(dir) == 0;
	return done(dir, fine ? NULL : cannot_write);
}

int store_lock(const char *path, const char **why)
{
	int dir, fd = -1;
	*why = open_store(path, true, &dir);
	if (!*why)
		fd = openat(dir, "rotate.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (!*why && fd < 0)
		*why = cannot_write;
	if (!*why && flock(fd, LOCK_EX | LOCK_NB) != 0)
		*why = "another `fedgate rotate` is at work on it";
	if (*why && fd >= 0)
		close(fd);
	return done(dir, *why) ? -1 : fd;
}
