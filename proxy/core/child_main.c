/* Where a child process begins: nothing is inherited but stderr and the channel; all it needs comes
 * in the first message. */
#define _GNU_SOURCE /* prctl */
#include "base/mem.h"
#include "core/parcel.h"
#include "core/publisher.h"
#include "core/scout.h"
#include "core/supervisor.h"
#include "core/wire.h"
#include "core/worker.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { BOOT_WAIT_MS = 10000 };

/* No core dump and no tracer may read keys out of us (M16). The terminal's signals are the
 * supervisor's business. */
static void harden(void)
{
	const struct rlimit none = {0, 0};
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

static bool receive_boot(struct wire *boot, struct wire_fds *fds)
{
	struct pollfd p = {.fd = WIRE_CHANNEL_FD, .events = POLLIN};
	if (poll(&p, 1, BOOT_WAIT_MS) != 1 || wire_receive(p.fd, boot, fds) != WIRE_OK)
		return false;
	return boot->type == WIRE_BOOT && fds->count >= 2 && boot->listens <= fds->count - 2;
}

/* Parcel and table are mapped or read by now: who keeps the descriptor keeps the memory. */
static void close_memory(const struct wire_fds *fds)
{
	close(fds->fds[0]);
	close(fds->fds[1]);
}

static int be_worker(struct wire *boot, const struct wire_fds *fds)
{
	const int *sockets = fds->fds + 3;
	if (fds->count < 3 || boot->listens > fds->count - 3)
		return 3;
	struct worker_boot b = {.number = boot->number,
		.secret = boot->secret,
		.previous_secret = boot->previous_secret,
		.has_previous_secret = boot->has_previous_secret != 0,
		.shared = shared_map(fds->fds[1]),
		.decisions = decisions_map(fds->fds[2]),
		.channel_fd = WIRE_CHANNEL_FD,
		.listen_fds = sockets,
		.listen_count = boot->listens,
		.egress_fds = sockets + boot->listens,
		.egress_count = fds->count - 3 - boot->listens};
	mem_wipe(boot, sizeof *boot);
	if (!b.shared || !b.decisions || !parcel_unpack(fds->fds[0], &b.gate, &b.registry))
		return 3;
	close_memory(fds);
	close(fds->fds[2]);
	log_setup(2, b.gate->log_format, b.gate->log_level, "worker", (int)b.number);
	int status = worker_run(&b);
	mem_wipe(&b, sizeof b);
	return status;
}

static int be_scout(const struct wire *boot, const struct wire_fds *fds)
{
	struct scout_boot b = {.channel_fd = WIRE_CHANNEL_FD, .workers = boot->number};
	if (!parcel_unpack(fds->fds[0], &b.gate, NULL))
		return 3;
	close_memory(fds);
	log_setup(2, b.gate->log_format, b.gate->log_level, "scout", 0);
	return scout_run(&b);
}

static int be_steer(const struct wire *boot, const struct wire_fds *fds)
{
	const int *sockets = fds->fds + 2;
	struct steer_boot b = {.channel_fd = WIRE_CHANNEL_FD,
		.udp_fds = sockets,
		.tcp_fds = sockets + boot->listens,
		.count = boot->listens};
	if (!parcel_unpack(fds->fds[0], &b.gate, NULL))
		return 3;
	close_memory(fds);
	log_setup(2, b.gate->log_format, b.gate->log_level, "steer", 0);
	return steer_run(&b);
}

static int be_publisher(const struct wire *boot, const struct wire_fds *fds)
{
	struct publisher_boot b = {.channel_fd = WIRE_CHANNEL_FD,
		.listen_fds = fds->fds + 2,
		.listen_count = boot->listens};
	if (!parcel_unpack(fds->fds[0], &b.gate, &b.registry))
		return 3;
	close_memory(fds);
	log_setup(2, b.gate->log_format, b.gate->log_level, "publisher", 0);
	return publisher_run(&b);
}

int supervisor_child(int argc, char **argv)
{
	struct wire boot;
	struct wire_fds fds;
	harden(); /* before the secret comes */
	if (argc != 3 || !receive_boot(&boot, &fds)) {
		fprintf(stderr, "fedgate child: for `fedgate serve` alone\n");
		return 2;
	}
	mem_one_heap();
	if (strcmp(argv[1], "worker") == 0)
		return be_worker(&boot, &fds);
	if (strcmp(argv[1], "scout") == 0)
		return be_scout(&boot, &fds);
	if (strcmp(argv[1], "publisher") == 0)
		return be_publisher(&boot, &fds);
	return be_steer(&boot, &fds);
}
