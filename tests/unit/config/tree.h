/* A directory of files that a test makes and takes away again. */
#ifndef FEDGATE_TESTS_TREE_H
#define FEDGATE_TESTS_TREE_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURES "tests/unit/config/"

enum { TREE_PATH_MAX = 300 };

struct tree {
	char dir[32];
	char path[TREE_PATH_MAX];
};

/* Borrowed until the next call. */
static inline const char *tree_path(struct tree *t, const char *name)
{
	int len = snprintf(t->path, sizeof t->path, "%s/%s", t->dir, name);
	if (len >= (int)sizeof t->path)
		abort();
	return t->path;
}

static inline void tree_make(struct tree *t)
{
	snprintf(t->dir, sizeof t->dir, "/tmp/fedgate-XXXXXX");
	if (!mkdtemp(t->dir))
		abort();
}

/* Under a name of its own first, so that every version is another file. */
static inline void tree_put(struct tree *t, const char *name, const void *data, size_t len)
{
	char fresh[TREE_PATH_MAX];
	snprintf(fresh, sizeof fresh, "%s/.fresh", t->dir);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len || close(fd) != 0 ||
		rename(fresh, tree_path(t, name)) != 0)
		abort();
}

static inline void tree_write(struct tree *t, const char *name, const char *text)
{
	tree_put(t, name, text, strlen(text));
}

/* Copies at most max bytes of a file. Returns how many it has. */
static inline size_t tree_copy(struct tree *t, const char *from, const char *name, size_t max)
{
	static char data[1 << 16];
	int fd = open(from, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof data);
	if (n < 0)
		abort();
	close(fd);
	tree_put(t, name, data, (size_t)n < max ? (size_t)n : max);
	return (size_t)n;
}

static inline void tree_mkdir(struct tree *t, const char *name)
{
	if (mkdir(tree_path(t, name), 0700) != 0)
		abort();
}

static inline void tree_unlink(struct tree *t, const char *name)
{
	if (unlink(tree_path(t, name)) != 0)
		abort();
}

static inline void tree_remove_at(int parent, const char *name)
{
	if (unlinkat(parent, name, 0) == 0)
		return;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			tree_remove_at(dirfd(dir), e->d_name);
	}
	if (dir)
		closedir(dir);
	unlinkat(parent, name, AT_REMOVEDIR);
}

static inline void tree_remove(struct tree *t)
{
	tree_remove_at(AT_FDCWD, t->dir);
}

#endif
