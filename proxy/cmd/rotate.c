/* `fedgate rotate DOMAIN|--host`: one step further from a certificate to the next, if that is safe.
 * Called again and again, by a person or by a timer, it makes the next certificate, waits until the
 * public has shown it for long enough, exchanges them, and lets the old one go (POSH-11, DANE-8).
 *
 * Every call reads what is there, looks at what is public, writes down what it saw, and only then
 * changes anything; so it may be killed at any point and be called again. */
#include "cmd/cmd.h"
#include "cmd/rotate_inside.h"
#include "cmd/subject.h"

#include "base/mem.h"
#include "cmd/record_set.h"
#include "core/store.h"
#include "tenants/provided.h"
#include "trust/cert.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char usage_text[] =
	"usage: fedgate rotate DOMAIN|--host [--status|--continue] [--json]\n"
	"                      [--no-reload] [--config FILE]\n"
	"  --host         the certificate that all tenants with `proof = dane` show\n"
	"  --status       only say how it stands: nothing is made, changed or written\n"
	"  --continue     go on with what was begun, but begin nothing: for a timer\n"
	"  --json         the same as one JSON object\n"
	"  --no-reload    do not tell the running gate; `systemctl reload fedgate` does\n"
	"  --config FILE  the gate's own file (" CMD_DEFAULT_CONFIG ")\n"
	"Each call goes one step further if that is safe: then it ends with 0. It ends with 1 as "
	"long\n"
	"as something has to be waited for, and says what, who must act, and until when.\n";

struct wish {
	const char *config;
	bool host, status, go_on, json, no_reload;
};

unsigned rotate_times(const struct rotation *r)
{
	return r->tenant->proof == TENANT_DANE ? 2 : 1;
}

/* ---- what is there ---- */

static bool read_print(const char *path, struct buf *der, unsigned char print[ROLLOVER_PRINT])
{
	struct cert_facts facts;
	if (!path || err_is(leaf_read(path, der)) || err_is(cert_read(buf_peek(der), &facts)))
		return false;
	memcpy(print, facts.sha256, ROLLOVER_PRINT);
	return true;
}

/* NULL, or a sentence. */
static const char *find(struct rotation *r)
{
	const struct tenant *t = r->tenant;
	struct buf previous;
	buf_init(&previous, BUF_UNLIMITED);
	buf_fini(&r->next);
	buf_fini(&r->current);
	r->found = (struct rollover_found){.has_next = false};
	bool there = read_print(t->certificate, &r->current, r->found.current);
	r->found.has_next = read_print(t->next_certificate, &r->next, r->found.next);
	r->found.has_previous = read_print(t->previous_certificate, &previous, r->found.previous);
	buf_fini(&previous);
	if (!there)
		return "there is no certificate yet, or it cannot be read; the gate makes it at "
		       "its next start or reload";
	if (t->next_certificate && !r->found.has_next)
		return "the next certificate cannot be read; see `fedgate check`";
	return NULL;
}

/* The paths, as the loader would give them now. */
static void refresh(struct rotation *r)
{
	struct tenant *t = r->tenant;
	if (!r->made)
		return;
	mem_free(t->next_certificate);
	mem_free(t->next_key);
	mem_free(t->previous_certificate);
	t->next_certificate = t->next_key = t->previous_certificate = NULL;
	(void)provided_fill(r->gate, t);
}

/* ---- the steps ---- */

static void make_names(const struct rotation *r, struct makecert_wish *wish)
{
	const struct tenant *t = r->tenant;
	bool own = t->proof == TENANT_POSH;
	size_t count = own ? 1 + t->further.count : 1;
	const struct domain **names = mem_alloc(count * sizeof *names);
	names[0] = own ? &t->domain : gate_target(r->gate, TENANT_DANE);
	for (size_t i = 1; i < count; i++)
		names[i] = &t->further.items[i - 1];
	*wish = (struct makecert_wish){.names = names, .count = count, .now = (int64_t)time(NULL)};
}

static const char *stage(struct rotation *r, struct rotate_outcome *o)
{
	struct makecert_wish wish;
	make_names(r, &wish);
	const char *why = store_stage(r->directory, &wish);
	mem_free((void *)(uintptr_t)wish.names);
	if (why)
		return why;
	o->step = ROTATE_STAGED;
	refresh(r);
	return find(r);
}

static const char *save(const struct rotation *r)
{
	return rotate_state_save(r->directory, &r->rollover);
}

static void meet(struct rotation *r)
{
	const struct rollover_clock now = rotate_clock();
	rollover_meet(&r->rollover, &r->found, &now);
}

/* Of an exchange that died in the middle only the end is to be done. */
static const char *begin(struct rotation *r, struct rotate_outcome *o, bool may_stage)
{
	const char *why = NULL;
	if (r->made && r->found.has_next &&
		memcmp(r->found.current, r->found.next, ROLLOVER_PRINT) == 0) {
		why = store_switch(r->directory);
		refresh(r);
		why = why ? why : find(r);
	}
	if (!why && may_stage && r->made && !r->found.has_next && !r->found.has_previous)
		why = stage(r, o);
	return why;
}

static void look(struct rotation *r, struct rotate_outcome *o)
{
	bool staged = r->rollover.stage == ROLLOVER_STAGED;
	struct err e =
		rotate_look(r, staged ? buf_peek(&r->next) : buf_peek(&r->current), &o->places);
	uint32_t remembered = o->places.longest_s;
	const uint32_t served =
		r->tenant->proof == TENANT_DANE ? RECORD_TTL_S : r->gate->publish_expires;
	if (err_is(e))
		o->why = "nothing public can be looked at: check `forward` in [dns] and "
			 "`web_ca_file` in [proofs] of fedgate.ini";
	if (o->places.sight != SIGHT_NOBODY && served > remembered)
		remembered = served;
	const struct rollover_clock now = rotate_clock();
	rollover_look(&r->rollover, o->places.sight, remembered, &now);
}

static const char *act(struct rotation *r, struct rotate_outcome *o)
{
	o->is_due = rollover_is_due(&r->rollover, o->places.sight, rotate_times(r));
	if (!o->is_due || !r->made)
		return NULL;
	bool staged = r->rollover.stage == ROLLOVER_STAGED;
	const char *why = staged ? store_switch(r->directory) : store_retire(r->directory);
	if (why)
		return why;
	o->step = staged ? ROTATE_SWITCHED : ROTATE_RETIRED;
	o->is_due = false;
	refresh(r);
	why = find(r);
	if (!why)
		meet(r);
	return why ? why : save(r);
}

/* A daemon that was not told of an exchange is told at the next call. */
static const char *tell(struct rotation *r, struct rotate_outcome *o, bool reload)
{
	bool owed = r->made && r->rollover.stage == ROLLOVER_SWITCHED && !r->rollover.told;
	if (!reload || (o->step == ROTATE_NONE_DONE && !owed))
		return NULL;
	o->reload = rotate_reload(r->gate);
	if (o->reload < 0)
		return "the running gate cannot be told; run `systemctl reload fedgate`";
	if (r->rollover.stage != ROLLOVER_SWITCHED)
		return NULL;
	r->rollover.told = true;
	return save(r);
}

static void advance(struct rotation *r, struct rotate_outcome *o, const struct wish *w)
{
	o->why = begin(r, o, !w->go_on);
	if (o->why)
		return;
	meet(r);
	if (r->rollover.stage != ROLLOVER_IDLE)
		look(r, o);
	const char *why = save(r); /* before anything rests on it */
	if (!why)
		why = act(r, o);
	if (!why)
		why = tell(r, o, !w->no_reload);
	if (why)
		o->why = why;
}

static void only_look(struct rotation *r, struct rotate_outcome *o)
{
	meet(r);
	if (r->rollover.stage == ROLLOVER_IDLE)
		return;
	look(r, o);
	o->is_due = rollover_is_due(&r->rollover, o->places.sight, rotate_times(r));
}

/* ---- the verb ---- */

static int run(struct rotation *r, const struct wish *w)
{
	struct rotate_outcome o = {.step = ROTATE_NONE_DONE};
	const char *why = find(r);
	int lock = -1;
	if (!why && !w->status)
		lock = store_lock(r->directory, &why);
	if (!why && rotate_state_load(r->directory, &r->rollover) == ROTATE_NEWER)
		why = "its state was written by a newer fedgate; use that one";
	if (why) {
		fprintf(stderr, "fedgate rotate: %s: %s\n", r->name, why);
		return CMD_CANNOT_RUN;
	}
	if (w->status)
		only_look(r, &o);
	else
		advance(r, &o, w);
	int status = rotate_report(r, &o, w->json);
	places_seen_fini(&o.places);
	if (lock >= 0)
		close(lock);
	return status;
}

static int rotate(const struct subject *s, const struct wish *w)
{
	const struct domain *domain;
	struct rotation r = {.gate = s->gate};
	const char *why = NULL;
	if (w->host) {
		r.tenant = MEM_NEW(struct tenant);
		*r.tenant = (struct tenant){.refs = 1, .proof = TENANT_DANE};
		why = provided_fill(s->gate, r.tenant);
	} else {
		r.tenant = tenant_hold(s->tenant);
	}
	if (!w->host && s->tenant->proof == TENANT_DANE) {
		why = "shows the host's certificate; it is `fedgate rotate --host` that changes it";
	}
	r.name = w->host ? gate_target(s->gate, TENANT_DANE)->name : s->tenant->domain.name;
	if (why) {
		fprintf(stderr, "fedgate rotate: %s: %s\n", r.name, why);
		tenant_release(r.tenant);
		return CMD_PROBLEM;
	}
	r.made = provided_is_made(s->gate, r.tenant, &domain);
	r.directory = provided_directory(s->gate, w->host ? NULL : &s->tenant->domain);
	buf_init(&r.next, BUF_UNLIMITED);
	buf_init(&r.current, BUF_UNLIMITED);
	int status = run(&r, w);
	buf_fini(&r.next);
	buf_fini(&r.current);
	mem_free(r.directory);
	tenant_release(r.tenant);
	return status;
}

int cmd_rotate(int argc, char **argv)
{
	struct wish w = {.config = CMD_DEFAULT_CONFIG};
	const struct cmd_option options[] = {{"--config", &w.config, NULL},
		{"--host", NULL, &w.host}, {"--status", NULL, &w.status},
		{"--continue", NULL, &w.go_on}, {"--json", NULL, &w.json},
		{"--no-reload", NULL, &w.no_reload}};
	struct cmd_arguments a = {.verb = "rotate",
		.usage = usage_text,
		.options = options,
		.count = sizeof options / sizeof *options};
	struct subject s;
	if (!cmd_read_arguments(&a, argc, argv))
		return CMD_USAGE;
	if (a.help || (a.operand != NULL) == w.host) {
		fputs(usage_text, a.help ? stdout : stderr);
		return a.help ? CMD_FINE : CMD_USAGE;
	}
	int status = subject_load(&s, "rotate", w.config, a.operand);
	if (status != CMD_FINE)
		return status;
	status = rotate(&s, &w);
	subject_fini(&s);
	return cmd_finish("rotate", status);
}
