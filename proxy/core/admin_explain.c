#include "core/admin_explain.h"

#include "base/mem.h"

#include <jansson.h>
#include <string.h>
#include <time.h>

/* ---- which ones ---- */

struct wanted {
	const struct admin_request *request;
	const struct tenant *tenant; /* NULL: the domain is nobody's main one */
};

static bool is_wanted(void *arg, const struct decision *d)
{
	const struct wanted *w = arg;
	if (!domain_eq(&d->peer, &w->request->peer) || !domain_is_set(&d->tenant))
		return false;
	return domain_eq(&d->tenant, &w->request->tenant) ||
	       (w->tenant && tenant_has_domain(w->tenant, &d->tenant));
}

static struct wanted wanted_of(const struct registry *r, const struct admin_request *request)
{
	const struct tenant *t = registry_find(r, &request->tenant);
	bool is_main = t && domain_eq(&t->domain, &request->tenant);
	return (struct wanted){request, is_main ? t : NULL};
}

/* Into a list that is in order, newest first, and keeps at most max of them. */
static size_t insert(struct decision *list, unsigned *workers, size_t count, size_t max,
	const struct decision *d, unsigned worker)
{
	size_t at = count;
	while (at > 0 && list[at - 1].began_ms < d->began_ms)
		at--;
	if (at == max)
		return count;
	size_t moved = (count < max ? count : max - 1) - at;
	memmove(&list[at + 1], &list[at], moved * sizeof *list);
	memmove(&workers[at + 1], &workers[at], moved * sizeof *workers);
	list[at] = *d;
	workers[at] = worker;
	return count < max ? count + 1 : max;
}

size_t admin_explain_find(const struct admin_rings *rings, const struct registry *registry,
	const struct admin_request *request, struct decision *out, unsigned *workers)
{
	struct wanted w = wanted_of(registry, request);
	/* A ring is in the order of their ends; asked for are the latest begun. */
	struct decision *some = mem_alloc(ADMIN_LAST_MAX * sizeof *some);
	size_t count = 0;
	for (size_t i = 0; i < rings->count; i++) {
		const struct decisions *ring = rings->rings[i];
		size_t n = ring ? decisions_find(ring, is_wanted, &w, some, ADMIN_LAST_MAX) : 0;
		for (size_t k = 0; k < n; k++)
			count = insert(out, workers, count, request->last, &some[k], (unsigned)i);
	}
	mem_free(some);
	return count;
}

/* ---- as JSON ---- */

static void put(json_t *o, const char *key, const char *text)
{
	json_object_set_new(o, key, text ? json_string(text) : json_null());
}

static void put_number(json_t *o, const char *key, int64_t n)
{
	json_object_set_new(o, key, json_integer(n));
}

static void put_domain(json_t *o, const char *key, const struct domain *d)
{
	char text[DOMAIN_UNICODE_MAX + 1];
	(void)domain_unicode(d, text);
	put(o, key, text);
}

static void put_code(json_t *o, enum err_code code)
{
	bool any = code != ERR_OK;
	put(o, "code", any ? err_row(code)->id : NULL);
	put(o, "sentence", any ? err_row(code)->sentence : NULL);
	put(o, "blame", any ? blame_name(err_row(code)->blame) : NULL);
	put(o, "fix", any ? err_fix(code) : NULL);
}

static const char *const mark_names[] = {"fine", "bad", "skipped", "open"};
static const char *const outcome_names[] = {"open", "accepted", "refused"};

static json_t *steps_of(const struct decision *d)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < d->step_count; i++) {
		const struct decision_step *s = &d->steps[i];
		enum err_code code = (enum err_code)s->code;
		json_t *o = json_object();
		put(o, "name", s->name);
		put(o, "mark", mark_names[s->mark]);
		put_number(o, "at_ms", s->at_ms);
		put(o, "code", code != ERR_OK ? err_row(code)->id : NULL);
		put(o, "sentence", code != ERR_OK ? err_row(code)->sentence : NULL);
		put(o, "detail", s->detail);
		json_array_append_new(list, o);
	}
	return list;
}

/* Before proofs were looked at nothing is known about what would have passed. */
static bool has_evidence(const struct decision *d)
{
	static const char *const names[] = {"dane", "certificate", "posh", "pin", "dialback"};
	for (uint32_t i = 0; i < d->step_count; i++) {
		for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
			if (strcmp(d->steps[i].name, names[k]) == 0)
				return true;
		}
	}
	return false;
}

static json_t *levels_to(const struct decision *d, uint8_t level)
{
	json_t *list = json_array();
	level = has_evidence(d) ? level : LEVEL_NONE;
	for (unsigned l = level; l > LEVEL_NONE; l--)
		json_array_append_new(list, json_string(level_name((enum level)l)));
	return list;
}

static void put_time(json_t *o, int64_t seconds)
{
	struct tm tm;
	time_t t = (time_t)seconds;
	char text[40] = "";
	if (gmtime_r(&t, &tm))
		(void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	put(o, "time", text);
}

/* What the file says now; the decision may be older than that. */
static void put_policy(json_t *o, const struct registry *r, const struct decision *d)
{
	const struct tenant *t = registry_find(r, &d->tenant);
	struct tenant_origin at = t ? registry_origin(r, t) : (struct tenant_origin){0};
	unsigned line = d->inbound ? at.inbound : at.outbound;
	const char *now = t ? level_name(d->inbound ? t->floor_in : t->floor_out) : NULL;
	put(o, "policy", level_name((enum level)d->floor));
	put(o, "policy_now", now);
	put(o, "policy_key", d->inbound ? "inbound" : "outbound");
	put(o, "policy_file", at.file);
	json_object_set_new(o, "policy_line", line ? json_integer(line) : json_null());
}

static json_t *decision_json(const struct registry *r, const struct decision *d, unsigned worker)
{
	bool proven = d->by < PROOF_KINDS;
	json_t *o = json_object();
	put_time(o, d->began_s);
	put(o, "outcome", outcome_names[d->outcome]);
	put(o, "direction", d->inbound ? "inbound" : "outbound");
	put_domain(o, "tenant", &d->tenant);
	put_domain(o, "peer", &d->peer);
	put(o, "address", d->address);
	put(o, "session", d->session);
	put_number(o, "worker", worker);
	put_policy(o, r, d);
	put(o, "level", level_name((enum level)d->level));
	put(o, "proof", proven ? proof_kind_name((enum proof_kind)d->by) : NULL);
	put_code(o, (enum err_code)d->code);
	json_object_set_new(o, "would_pass", levels_to(d, d->level));
	json_object_set_new(o, "would_pass_with_dialback",
		levels_to(d, d->level_asked > d->level ? d->level_asked : d->level));
	json_object_set_new(o, "steps", steps_of(d));
	return o;
}

static void write_out(json_t *o, struct buf *out)
{
	char *text = json_dumps(o, JSON_COMPACT);
	(void)buf_append_str(out, text);
	mem_free(text);
	json_decref(o);
}

void admin_explain(const struct admin_rings *rings, const struct registry *registry,
	const struct admin_request *request, struct buf *out)
{
	struct decision *list = mem_alloc(request->last * sizeof *list);
	unsigned workers[ADMIN_LAST_MAX];
	json_set_alloc_funcs(mem_alloc, mem_free); /* there is memory, or no process */
	size_t count = admin_explain_find(rings, registry, request, list, workers);
	json_t *o = json_object(), *decisions = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(decisions, decision_json(registry, &list[i], workers[i]));
	json_object_set_new(o, "ok", json_true());
	put_domain(o, "tenant", &request->tenant);
	put_domain(o, "peer", &request->peer);
	json_object_set_new(
		o, "served", json_boolean(registry_find(registry, &request->tenant) != NULL));
	json_object_set_new(o, "decisions", decisions);
	write_out(o, out);
	mem_free(list);
}
