/* What the files of the supervisor share: its life (supervisor.c), its children (crew.c), what it
 * tells about itself (supervisor_admin.c). */
#ifndef FEDGATE_CORE_SUPERVISOR_INSIDE_H
#define FEDGATE_CORE_SUPERVISOR_INSIDE_H

#include "core/admin.h"
#include "core/child.h"
#include "core/decision.h"
#include "core/secret.h"
#include "core/shared.h"
#include "core/wire.h"
#include "tenants/registry.h"

#include <uv.h>

enum member_role { MEMBER_WORKER, MEMBER_SCOUT, MEMBER_STEER, MEMBER_PUBLISHER };

/* One child, or the gap it left.
 *
 *   STARTING -> UP -> (died) -> WAITING -> STARTING ...
 *
 * Its sockets stay with us, so a connection that arrives meanwhile waits in them; a neighbour
 * accepts them as well (`adopter`) until the next one is up. */
enum member_state { MEMBER_WAITING, MEMBER_STARTING, MEMBER_UP };

struct member {
	struct supervisor *supervisor; /* borrowed: outlives it */
	enum member_role role;
	unsigned number;
	enum member_state state;
	pid_t pid;       /* 0: not running */
	int channel;     /* -1: not running */
	uv_poll_t *poll; /* owned; NULL when not running */
	uv_timer_t restart;
	uint64_t started_ms, wait_ms;
	uint64_t line_ms;       /* worker: when it got its last line to the scout */
	struct member *adopter; /* borrowed: another member of the crew */
	bool was_up;
	struct decisions *decisions; /* owned; a worker's: stays when it dies */
	int decisions_fd;
	int *sockets; /* owned: public (steer: UDP) first, then egress (steer: TCP) */
	size_t socket_count, public_count;
};

struct supervisor {
	uv_loop_t *loop;
	const char *config_path;
	struct gate *gate;         /* owned */
	struct registry *registry; /* owned */
	struct secrets secrets;
	struct shared *shared;
	int shared_fd, parcel_fd, lock_fd;
	struct child_user user;
	struct member *crew; /* owned: the workers, the scout, perhaps steer and the publisher */
	size_t crew_count, worker_count;
	bool stopping, all_up;
	bool faulty; /* the configuration, when it was last read */
	struct admin_file admin_file;
	struct admin *admin;       /* NULL: there is none */
	uint64_t turned_ms;        /* when it began to turn */
	struct reload_job *reload; /* under way */
	bool reload_again;
	uv_signal_t hup, term, interrupt, child;
	uv_timer_t kill_timer;
};

/* Opens every socket of every member. False: the fault was printed. */
bool crew_bind(struct supervisor *s);
void crew_start(struct supervisor *s);
void crew_send(struct supervisor *s, const struct wire *message, const struct wire_fds *fds);
/* After SIGCHLD: who is gone is buried and started again. */
void crew_reap(struct supervisor *s);
size_t crew_running(const struct supervisor *s);
void crew_kill(struct supervisor *s);
/* Answers WIRE_OPEN (crew_files.c). */
void crew_answer_open(struct member *m, const struct wire *question);
/* Told by the crew: everybody is up for the first time. */
void supervisor_all_up(struct supervisor *s);

/* Reads the configuration again, now or when that is over which is under way. */
void supervisor_reload(struct supervisor *s);
/* To those who asked for it on the admin socket. */
void supervisor_tell_reload(struct supervisor *s, const char *outcome, size_t faults);
/* Makes the admin socket, before the rights go; then serves it. */
void supervisor_open_admin(struct supervisor *s);
void supervisor_start_admin(struct supervisor *s);

#endif
