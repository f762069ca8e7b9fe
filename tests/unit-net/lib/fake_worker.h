/* What a worker gives to links, dials and streams, on a loop of the test's own: end of turn,
 * tickets, graves. Randomness is repeatable. */
#ifndef FEDGATE_TESTS_FAKE_WORKER_H
#define FEDGATE_TESTS_FAKE_WORKER_H

#include "core/worker_inside.h"

struct fake_worker {
	struct worker w; /* first */
	uv_loop_t loop;
	uv_prepare_t prepare;
	uv_timer_t guard;
	struct gate gate;
	struct sockaddr_storage own[4]; /* addresses of "this machine" */
	size_t own_count;
};

struct fake_worker *fake_worker_new(void);
void fake_worker_free(struct fake_worker *f); /* fails the test when handles are left */
/* Turns until the condition holds (true) or the time is over (false). NULL: for that time. */
bool fake_worker_run(struct fake_worker *f, bool (*until)(void *arg), void *arg, uint64_t max_ms);
/* Gives an answer to whoever holds its ticket, as the worker does. */
void fake_worker_answer(struct fake_worker *f, const struct answer *answer);

extern int64_t fake_wall_s; /* what worker_wall_s() says */

/* A connected pair of loopback TCP sockets, non-blocking; near with a small send buffer when
 * sndbuf > 0. */
void fake_tcp_pair(int *near, int *far, int sndbuf);

#endif
