/* A process that serves an admin socket as the supervisor does: decisions from rings that the test
 * writes, `status` at once, `reload` after a while. */
#ifndef FEDGATE_TESTS_ADMIN_HOST_H
#define FEDGATE_TESTS_ADMIN_HOST_H

#include "core/admin_explain.h"

enum { HOST_RINGS = 3, HOST_RELOAD_MS = 150, HOST_GROUP = 54321 };

struct admin_host {
	char path[108];
	struct admin_file file;
	struct decisions *rings[HOST_RINGS];  /* read by the host */
	struct decisions *writer[HOST_RINGS]; /* written by the test */
	pid_t pid;
	_Atomic uint64_t *longest_turn_ms; /* shared: how long its loop stood still */
};

/* registry is what the host knows; it is copied by fork. */
void admin_host_start(
	struct admin_host *h, const char *path, const struct registry *registry, uint64_t idle_ms);
void admin_host_stop(struct admin_host *h);

/* A connection that gives up reading and writing after five seconds; -1 with errno. */
int admin_host_connect(const struct admin_host *h);
/* Sends the bytes and reads until the connection ends or a line is complete. Returns how many bytes
 * came; text is NUL-terminated. */
size_t admin_host_ask(int fd, const void *bytes, size_t len, char *text, size_t size);
/* One question on a connection of its own. */
void admin_host_say(const struct admin_host *h, const char *question, char *text, size_t size);

#endif
