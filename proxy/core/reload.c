/* Happy path: reload_start -> the thread loads -> done on the loop. Failure modes: fedgate.ini has
 * faults (gate NULL), tenants have (they keep their last good version). Who frees: the supervisor,
 * with reload_free, in done. */
#include "core/reload.h"

#include "base/mem.h"
#include "core/parcel.h"
#include "core/store.h"

#include <time.h>
#include <unistd.h>

static void load(uv_work_t *work)
{
	struct reload_job *job = work->data;
	const struct load_options options = {.now = (int64_t)time(NULL), .make = store_provide};
	job->gate = load_gate(job->config_path, &job->faults);
	if (!job->gate)
		return;
	gate_keep_started(job->gate, job->running, job->config_path, &job->faults);
	job->tenants = load_tenants(job->gate, job->before, &options, &job->faults);
	job->parcel = parcel_pack(job->gate, job->tenants.registry);
}

static void on_loaded(uv_work_t *work, int status)
{
	struct reload_job *job = work->data;
	(void)status; /* never cancelled */
	job->done(job);
}

struct reload_job *reload_start(uv_loop_t *loop, const char *config_path,
	const struct gate *running, const struct registry *before,
	void (*done)(struct reload_job *job), void *arg)
{
	struct reload_job *job = MEM_NEW(struct reload_job);
	job->work.data = job;
	job->config_path = config_path;
	job->running = running;
	job->before = before;
	job->done = done;
	job->arg = arg;
	job->parcel = -1;
	faults_init(&job->faults);
	uv_queue_work(loop, &job->work, load, on_loaded);
	return job;
}

void reload_free(struct reload_job *job)
{
	gate_free(job->gate);
	registry_free(job->tenants.registry);
	if (job->parcel >= 0)
		close(job->parcel);
	faults_fini(&job->faults);
	mem_free(job);
}

void reload_log_faults(const struct faults *faults)
{
	for (size_t i = 0; i < faults->item_count; i++) {
		const struct fault *f = &faults->items[i];
		log_event(f->warning ? LOG_WARN : LOG_ERROR, "config-fault",
			log_c("id", err_row(ERR_CONFIG)->id), log_c("file", f->file),
			log_n("line", f->line), log_c("key", f->key),
			log_c("sentence", f->sentence), log_end());
	}
}
