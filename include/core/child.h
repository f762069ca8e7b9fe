/* A child process from the supervisor's side: started by re-exec of the opened binary, as another
 * user, with one end of a channel at a fixed descriptor and nothing else inherited but stderr. */
#ifndef FEDGATE_CORE_CHILD_H
#define FEDGATE_CORE_CHILD_H

#include "base/err.h"

#include <sys/types.h>

/* Who the children run as; uid 0 is refused before. */
struct child_user {
	bool change; /* the supervisor is root */
	uid_t uid;
	gid_t gid;
};

/* Keeps the running binary open, so that an upgrade on disk never mixes versions. */
struct err child_binary_open(void);
/* False, with a sentence for the operator in *why, when there is no such user or it is root. */
bool child_user_find(const char *name, struct child_user *out, const char **why);
/* Starts `role` number n; *channel is our end. */
struct err child_start(
	const struct child_user *user, const char *role, unsigned n, pid_t *pid, int *channel);
/* The supervisor keeps the right to read files, to start children as another user and to signal
 * them; everything else goes. */
void child_drop_own_privileges(void);

#endif
