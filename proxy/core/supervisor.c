/* Happy path: load, lock, bind, start the crew, and turn until SIGTERM; SIGHUP loads again beside
 * the running one and hands the crew the new parcel. Failure modes at start end with exit status 3
 * and a sentence on stderr; later ones are logged and what runs goes on. Who frees: the process's
 * end, but for what a reload replaces. */
#define _GNU_SOURCE /* O_DIRECTORY */
#include "core/supervisor.h"

#include "base/mem.h"
#include "core/notify.h"
#include "core/parcel.h"
#include "core/reload.h"
#include "core/store.h"
#include "core/supervisor_inside.h"
#include "tenants/load.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
	STOP_MS = 8000,  /* for the children to close their streams properly */
	KILL_MS = 10000, /* then they are killed */
	OTHERS_MAX = 3,  /* members of the crew that are no workers */
};

/* ---- reload ---- */

static void take_over(struct supervisor *s, struct reload_job *job)
{
	const struct wire reload = {.type = WIRE_RELOAD};
	struct wire_fds fds = {.fds = {job->parcel}, .count = 1};
	struct gate *old_gate = s->gate;
	struct registry *old = s->registry;
	close(s->parcel_fd);
	s->parcel_fd = job->parcel;
	s->gate = job->gate;
	s->registry = job->tenants.registry;
	job->parcel = -1;
	job->gate = NULL;
	job->tenants.registry = NULL;
	log_set_level(s->gate->log_level);
	crew_send(s, &reload, &fds);
	gate_free(old_gate);
	registry_free(old);
}

static const char *outcome_of(const struct reload_job *job, bool taken)
{
	if (!taken)
		return "refused, everything stays as it was";
	return job->faults.count ? "degraded" : "fine";
}

static void log_reload(const struct supervisor *s, const struct reload_job *job, bool taken)
{
	const struct load_result *t = &job->tenants;
	bool degraded = !taken || job->faults.count > 0;
	log_event(degraded ? LOG_ERROR : LOG_INFO, "reload",
		log_c("outcome", outcome_of(job, taken)),
		log_n("tenants", (int64_t)registry_count(s->registry)),
		log_n("added", (int64_t)t->added), log_n("changed", (int64_t)t->changed),
		log_n("removed", (int64_t)t->removed), log_n("kept_old", (int64_t)t->kept_old),
		log_n("refused", (int64_t)t->refused), log_n("faults", (int64_t)job->faults.count),
		log_n("warnings", (int64_t)job->faults.warnings), log_end());
}

static void on_reloaded(struct reload_job *job)
{
	struct supervisor *s = job->arg;
	bool taken = job->parcel >= 0 && !s->stopping;
	s->reload = NULL;
	reload_log_faults(&job->faults);
	if (taken)
		take_over(s, job);
	log_reload(s, job, taken);
	s->faulty = !taken || job->faults.count > 0;
	notify_manager("READY=1");
	/* Who asked while one was under way is told about the next. */
	if (s->reload_again && !s->stopping)
		supervisor_reload(s);
	else
		supervisor_tell_reload(s, outcome_of(job, taken), job->faults.count);
	reload_free(job);
}

void supervisor_reload(struct supervisor *s)
{
	s->reload_again = s->reload != NULL;
	if (s->reload)
		return;
	notify_manager("RELOADING=1");
	s->reload = reload_start(s->loop, s->config_path, s->gate, s->registry, on_reloaded, s);
}

/* ---- stopping ---- */

static void end_if_alone(struct supervisor *s)
{
	if (s->stopping && !crew_running(s))
		uv_stop(s->loop);
}

static void on_kill(uv_timer_t *timer)
{
	struct supervisor *s = timer->data;
	log_event(LOG_WARN, "stop", log_c("outcome", "some children had to be killed"), log_end());
	crew_kill(s);
}

static void stop(struct supervisor *s, int signal)
{
	const struct wire message = {.type = WIRE_STOP, .within_ms = STOP_MS};
	if (s->stopping)
		return;
	s->stopping = true;
	log_event(LOG_INFO, "stop", log_n("signal", signal), log_end());
	notify_manager("STOPPING=1");
	uv_timer_start(&s->kill_timer, on_kill, KILL_MS, 0);
	crew_send(s, &message, NULL);
	end_if_alone(s);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *handle, int signal)
{
	struct supervisor *s = handle->data;
	switch (signal) {
	case SIGHUP:
		if (!s->stopping)
			supervisor_reload(s);
		break;
	case SIGCHLD:
		crew_reap(s);
		end_if_alone(s);
		break;
	default:
		stop(s, signal);
		break;
	}
}

static void listen_to(struct supervisor *s, uv_signal_t *handle, int signal)
{
	uv_signal_init(s->loop, handle);
	handle->data = s;
	uv_signal_start(handle, on_signal, signal);
}

void supervisor_all_up(struct supervisor *s)
{
	log_event(LOG_INFO, "ready", log_n("workers", (int64_t)s->worker_count),
		log_n("tenants", (int64_t)registry_count(s->registry)), log_end());
	notify_manager("READY=1");
}

/* ---- start ---- */

static bool fail(const char *what, const char *why)
{
	fprintf(stderr, "fedgate: %s: %s\n", what, why);
	return false;
}

/* A tenant with faults is left out and named; the others are served. */
static bool load(struct supervisor *s)
{
	struct faults faults;
	struct load_result result = {0};
	const struct load_options options = {.now = (int64_t)time(NULL), .make = store_provide};
	faults_init(&faults);
	s->gate = load_gate(s->config_path, &faults);
	if (s->gate)
		result = load_tenants(s->gate, NULL, &options, &faults);
	s->registry = result.registry;
	fputs(buf_cstr(&faults.text), stderr);
	s->faulty = faults.count > 0;
	bool fine = s->gate && (faults.count == 0 || result.files > 0);
	faults_fini(&faults);
	return fine;
}

/* One instance per configuration: with SO_REUSEPORT a second one would take half the connections.
 * The lock is on the tenants' directory, which no editor replaces. */
static bool lock(struct supervisor *s)
{
	s->lock_fd = open(s->gate->tenants_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->lock_fd < 0)
		return fail(s->gate->tenants_dir, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return fail(s->gate->tenants_dir,
			"another fedgate serves these tenants; stop it first, or send it SIGHUP to "
			"reload");
	return true;
}

static void enlist_one(struct supervisor *s, enum member_role role, unsigned number)
{
	struct member *m = &s->crew[s->crew_count++];
	m->supervisor = s;
	m->role = role;
	m->number = number;
	m->channel = -1;
	m->decisions_fd = -1;
}

static void enlist(struct supervisor *s)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	s->worker_count = s->gate->workers ? s->gate->workers : cores > 0 ? (size_t)cores : 1;
	s->crew = mem_alloc((s->worker_count + OTHERS_MAX) * sizeof *s->crew);
	for (size_t i = 0; i < s->worker_count; i++)
		enlist_one(s, MEMBER_WORKER, (unsigned)i);
	enlist_one(s, MEMBER_SCOUT, 0);
	if (s->gate->steer_listen.count)
		enlist_one(s, MEMBER_STEER, 0);
	if (s->gate->publish_listen.count)
		enlist_one(s, MEMBER_PUBLISHER, 0);
}

static bool make_decisions(struct supervisor *s)
{
	for (size_t i = 0; i < s->worker_count; i++) {
		s->crew[i].decisions = decisions_create(&s->crew[i].decisions_fd);
		if (!s->crew[i].decisions)
			return false;
	}
	return true;
}

static void raise_file_limit(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static bool prepare(struct supervisor *s)
{
	const char *why = NULL;
	if (!load(s) || !lock(s))
		return false;
	if (!child_user_find(s->gate->user, &s->user, &why))
		return fail(s->gate->user, why);
	if (!secrets_load(s->gate->secret_file, &s->secrets, &why))
		return fail(s->gate->secret_file, why);
	enlist(s);
	if (!crew_bind(s))
		return false;
	s->shared = shared_create(&s->shared_fd);
	s->parcel_fd = parcel_pack(s->gate, s->registry);
	if (!s->shared || s->parcel_fd < 0 || !make_decisions(s) || err_is(child_binary_open()))
		return fail("cannot start", strerror(errno));
	supervisor_open_admin(s);
	raise_file_limit();
	child_drop_own_privileges();
	return true;
}

static void turn(struct supervisor *s)
{
	s->loop = uv_default_loop();
	s->turned_ms = uv_now(s->loop);
	listen_to(s, &s->hup, SIGHUP);
	listen_to(s, &s->term, SIGTERM);
	listen_to(s, &s->interrupt, SIGINT);
	listen_to(s, &s->child, SIGCHLD);
	uv_timer_init(s->loop, &s->kill_timer);
	s->kill_timer.data = s;
	signal(SIGPIPE, SIG_IGN);
	log_setup(2, s->gate->log_format, s->gate->log_level, "supervisor", 0);
	log_event(LOG_INFO, "start", log_c("config", s->config_path),
		log_n("workers", (int64_t)s->worker_count),
		log_n("tenants", (int64_t)registry_count(s->registry)), log_end());
	supervisor_start_admin(s);
	crew_start(s);
	uv_run(s->loop, UV_RUN_DEFAULT);
	log_event(LOG_INFO, "stopped", log_end());
}

int supervisor_run(const char *config_path)
{
	mem_one_heap();
	struct supervisor *s = MEM_NEW(struct supervisor);
	s->config_path = config_path;
	if (!prepare(s))
		return 3;
	turn(s);
	admin_file_close(&s->admin_file);
	mem_wipe(&s->secrets, sizeof s->secrets);
	return 0;
}
