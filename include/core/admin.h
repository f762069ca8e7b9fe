/* The admin socket: whoever may, asks the running gate one question per line and gets one line of
 * JSON for each (O02). It is a Unix stream socket of the supervisor:
 *
 *   explain TENANT PEER [LAST]    the last decisions about the pair, newest first
 *   status                        how the gate is
 *   reload                        reads the configuration again; answers when that is over
 *
 * root and the gate's group may connect (mode 0660) and ask, root alone may change anything; who
 * is at the other end the kernel says (SO_PEERCRED). Words are separated by one space, a line has
 * less than ADMIN_LINE_MAX bytes and ends with a line feed. What is not a question is answered by
 * {"ok":false,"error":WORD,"sentence":TEXT}, and the connection closed. */
#ifndef FEDGATE_CORE_ADMIN_H
#define FEDGATE_CORE_ADMIN_H

#include "base/buf.h"
#include "base/domain.h"

#include <sys/types.h>
#include <time.h>
#include <uv.h>

enum {
	ADMIN_LINE_MAX = 2048,
	ADMIN_LAST = 3, /* decisions, when no number is given */
	ADMIN_LAST_MAX = 50,
	ADMIN_CLIENTS_MAX = 16,
	ADMIN_STRANGERS_MAX = 12, /* of them not root's */
	ADMIN_IDLE_MS = 10000,
};

/* The socket's file. Made before the supervisor gives up its rights; -1 with a sentence in *why
 * when it cannot be, or when a living gate has it. What a dead one left is replaced. */
struct admin_file {
	char *path; /* owned */
	dev_t dev;
	ino_t ino;
	struct timespec made; /* numbers of files are used again */
	int fd;
};
bool admin_file_open(struct admin_file *f, const char *path, gid_t group, const char **why);
/* Removes the file, if it still is ours. */
void admin_file_close(struct admin_file *f);

enum admin_verb { ADMIN_EXPLAIN, ADMIN_STATUS, ADMIN_RELOAD };

struct admin_request {
	enum admin_verb verb;
	struct domain tenant, peer; /* EXPLAIN */
	unsigned last;              /* EXPLAIN */
};

/* NULL, or which word of an error it is; *sentence says it to a person. */
const char *admin_parse(struct slice line, struct admin_request *out, const char **sentence);

struct admin;
struct admin_rules {
	gid_t group; /* whose members may ask */
	uint64_t idle_ms;
	/* Writes the answer, without a line feed, into the empty `out`; false: it comes later, by
	 * admin_answer(). */
	bool (*answer)(void *arg, const struct admin_request *request, struct buf *out);
	void *arg;
};

/* f is borrowed, its descriptor is the admin's from here on. */
struct admin *admin_start(uv_loop_t *loop, struct admin_file *f, const struct admin_rules *rules);
/* To everybody whose answer was to come later. */
void admin_answer(struct admin *a, struct slice line);
/* Closes all; it is freed when the loop has turned. NULL is fine. */
void admin_stop(struct admin *a);

#endif
