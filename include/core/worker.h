/* A worker: one libuv loop, one thread, shared-nothing. It serves peers and backends until told to
 * stop. */
#ifndef FEDGATE_CORE_WORKER_H
#define FEDGATE_CORE_WORKER_H

#include "core/decision.h"
#include "core/shared.h"
#include "tenants/registry.h"
#include "trust/dbkey.h"

/* What a worker is born with. All of it is owned by the worker from here on. */
struct worker_boot {
	unsigned number; /* 0.. */
	struct gate *gate;
	struct registry *registry;
	struct dbkey_secret secret, previous_secret;
	bool has_previous_secret;
	struct shared *shared;
	struct decisions *decisions;
	int channel_fd;
	const int *listen_fds; /* already listening, non-blocking; one per gate->listen */
	size_t listen_count;
	const int *egress_fds; /* one per gate->egress_listen */
	size_t egress_count;
};

/* Runs until stopped; the process's exit status. Called with privileges already dropped. */
int worker_run(const struct worker_boot *boot);

/* The DNS responder's process (core/steer.c): answers on udp_fds and tcp_fds until its channel
 * closes. */
struct steer_boot {
	struct gate *gate;
	int channel_fd;
	const int *udp_fds, *tcp_fds; /* one each per gate->steer_listen */
	size_t count;
};
int steer_run(const struct steer_boot *boot);

#endif
