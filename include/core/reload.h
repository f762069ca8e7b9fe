/* Reading the configuration again beside the running supervisor, on a thread of its own: with many
 * tenants it takes a moment, and workers wait for files meanwhile. */
#ifndef FEDGATE_CORE_RELOAD_H
#define FEDGATE_CORE_RELOAD_H

#include "tenants/load.h"

#include <uv.h>

struct reload_job {
	uv_work_t work;
	const char *config_path;       /* borrowed from the supervisor */
	const struct gate *running;    /* likewise; not changed while the job runs */
	const struct registry *before; /* likewise: its tenants' counts are the job's meanwhile */
	void (*done)(struct reload_job *job);
	void *arg;
	/* The outcome; the gate is NULL when fedgate.ini has faults. */
	struct gate *gate;
	struct load_result tenants;
	int parcel; /* both of them, for the children (core/parcel.h); -1 without a gate */
	struct faults faults;
};

/* done is called on the loop; then reload_free(). */
struct reload_job *reload_start(uv_loop_t *loop, const char *config_path,
	const struct gate *running, const struct registry *before,
	void (*done)(struct reload_job *job), void *arg);
/* Frees the job, not what was taken out of it (set it to NULL, the parcel to -1). */
void reload_free(struct reload_job *job);
/* One log line per fault. */
void reload_log_faults(const struct faults *faults);

#endif
