/* What the supervisor answers on its admin socket. */
#include "core/supervisor_inside.h"

#include "base/mem.h"
#include "base/version.h"
#include "core/admin_explain.h"

#include <stdio.h>
#include <unistd.h>

/* ---- status ---- */

static size_t up(const struct supervisor *s, bool workers_only)
{
	size_t n = 0, of = workers_only ? s->worker_count : s->crew_count;
	for (size_t i = 0; i < of; i++)
		n += s->crew[i].state == MEMBER_UP;
	return n;
}

static void put_text(struct buf *out, const char *key, const char *text)
{
	(void)buf_printf(out, ",\"%s\":\"", key);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		bool plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\';
		(void)buf_printf(out, plain ? "%c" : "\\u%04x", c);
	}
	(void)buf_append_str(out, "\"");
}

static void put_number(struct buf *out, const char *key, size_t n)
{
	(void)buf_printf(out, ",\"%s\":%zu", key, n);
}

static void put_bool(struct buf *out, const char *key, bool is)
{
	(void)buf_printf(out, ",\"%s\":%s", key, is ? "true" : "false");
}

/* Everything but a path is ours or a number, and a path is ASCII or made so. */
static void status(const struct supervisor *s, struct buf *out)
{
	size_t all = up(s, false);
	(void)buf_append_str(out, "{\"ok\":true");
	put_text(out, "version", FEDGATE_VERSION);
	put_number(out, "pid", (size_t)getpid());
	put_number(out, "uptime_seconds", (size_t)(uv_now(s->loop) - s->turned_ms) / 1000);
	put_text(out, "config", s->config_path);
	put_number(out, "tenants", registry_count(s->registry));
	put_number(out, "workers", s->worker_count);
	put_number(out, "workers_up", up(s, true));
	put_number(out, "processes", s->crew_count);
	put_number(out, "processes_up", all);
	put_bool(out, "reloading", s->reload != NULL);
	put_bool(out, "stopping", s->stopping);
	put_bool(out, "degraded", s->faulty || all < s->crew_count);
	(void)buf_append_str(out, "}");
}

/* ---- explain ---- */

static void explain(
	const struct supervisor *s, const struct admin_request *request, struct buf *out)
{
	struct decisions **rings = mem_alloc(s->worker_count * sizeof *rings);
	struct admin_rings all = {rings, s->worker_count};
	for (size_t i = 0; i < s->worker_count; i++)
		rings[i] = s->crew[i].decisions;
	admin_explain(&all, s->registry, request, out);
	mem_free(rings);
}

static bool answer(void *arg, const struct admin_request *request, struct buf *out)
{
	struct supervisor *s = arg;
	switch (request->verb) {
	case ADMIN_EXPLAIN:
		explain(s, request, out);
		break;
	case ADMIN_STATUS:
		status(s, out);
		break;
	case ADMIN_RELOAD:
		if (!s->stopping) {
			supervisor_reload(s);
			return false;
		}
		(void)buf_append_str(out, "{\"ok\":false,\"error\":\"stopping\",\"sentence\":"
					  "\"the gate is about to stop\"}");
		break;
	}
	return true;
}

void supervisor_tell_reload(struct supervisor *s, const char *outcome, size_t faults)
{
	struct buf out;
	buf_init(&out, BUF_UNLIMITED);
	(void)buf_append_str(&out, "{\"ok\":true");
	put_text(&out, "outcome", outcome);
	put_number(&out, "tenants", registry_count(s->registry));
	put_number(&out, "faults", faults);
	(void)buf_append_str(&out, "}");
	admin_answer(s->admin, buf_peek(&out));
	buf_fini(&out);
}

/* ---- the socket ---- */

/* A gate without it serves as well as one with it, so this is no reason not to start. */
void supervisor_open_admin(struct supervisor *s)
{
	const char *path = s->gate->admin_socket, *why;
	gid_t group = s->user.change ? s->user.gid : getegid();
	s->admin_file.fd = -1;
	if (path && !admin_file_open(&s->admin_file, path, group, &why))
		fprintf(stderr,
			"fedgate: warning: %s: %s; `fedgate explain` will not work ([gate] "
			"admin_socket)\n",
			path, why);
}

void supervisor_start_admin(struct supervisor *s)
{
	const struct admin_rules rules = {.group = s->user.change ? s->user.gid : getegid(),
		.idle_ms = ADMIN_IDLE_MS,
		.answer = answer,
		.arg = s};
	if (s->admin_file.fd >= 0)
		s->admin = admin_start(s->loop, &s->admin_file, &rules);
}
