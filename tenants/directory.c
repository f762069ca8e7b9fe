/* All tenants of a directory, against those of before: load everything, report everything, commit
 * per tenant.
 *
 * Every file is a candidate: FRESH while its new content may stand, OLD when that was broken or
 * claimed another's domain and the version of before goes on, OUT when there is none. Candidates
 * only ever move in that order, so settling their claims ends. */
#include "tenants/tenantfile.h"

#include "base/map.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TENANT_FILE_MAX = 65536,
	REMOVED_FREELY = 3,
	REMOVED_SHARE = 10,
	CONFIRM_MAX = 30,
	SEED = 5269
};

#define CONFIRM_FILE ".confirm-removal"

enum state { FRESH, OLD, OUT };

struct candidate {
	char *name;            /* owned: the file; the domain for one whose file is gone */
	struct tenant *fresh;  /* counted, may be NULL */
	struct tenant *before; /* borrowed from the registry of before, may be NULL */
	struct tenant_lines lines;
	enum state state;
};

struct load {
	const struct gate *gate;
	const struct registry *before; /* may be NULL */
	struct load_options options;
	struct faults *faults;
	struct candidate *items; /* owned */
	size_t count;
	struct load_result result;
	struct shared_pair shared;
};

static struct tenant *standing(const struct candidate *c)
{
	return c->state == FRESH ? c->fresh : c->state == OLD ? c->before : NULL;
}

static void demote(struct candidate *c)
{
	c->state = c->state == FRESH && c->before ? OLD : OUT;
}

/* --- the files --- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct candidate *)a)->name, ((const struct candidate *)b)->name);
}

static bool ends_in_ini(const char *name)
{
	size_t len = strlen(name);
	return len > 4 && strcmp(name + len - 4, ".ini") == 0;
}

static struct candidate *add_candidate(struct load *l, const char *name)
{
	/* The array doubles at every power of two. */
	if ((l->count & (l->count - 1)) == 0)
		l->items = mem_realloc(l->items, (l->count ? l->count * 2 : 1) * sizeof *l->items);
	l->items[l->count] = (struct candidate){.name = mem_strdup(name)};
	return &l->items[l->count++];
}

static char *path_in(const struct load *l, const char *name)
{
	struct buf path;
	buf_init(&path, BUF_UNLIMITED);
	struct err e = buf_printf(&path, "%s/%s", l->gate->tenants_dir, name);
	(void)e;
	char *copy = mem_strdup(buf_cstr(&path));
	buf_fini(&path);
	return copy;
}

/* Hidden files and what editors leave behind are passed over in silence. */
static void take_entry(struct load *l, const char *name)
{
	size_t len = strlen(name);
	if (name[0] == '.' || name[len - 1] == '~' || name[0] == '#')
		return;
	if (ends_in_ini(name)) {
		add_candidate(l, name);
		return;
	}
	char *path = path_in(l, name);
	fault_warn(l->faults, (struct place){.file = path},
		"is not read: a tenant's file is called DOMAIN.ini");
	mem_free(path);
}

static bool list_directory(struct load *l)
{
	DIR *dir = opendir(l->gate->tenants_dir);
	int why = errno;
	while (dir) {
		errno = 0;
		struct dirent *entry = readdir(dir);
		why = errno;
		if (!entry)
			break;
		take_entry(l, entry->d_name);
	}
	bool ok = dir && why == 0;
	if (dir)
		closedir(dir);
	if (!ok)
		fault_add(l->faults, (struct place){.file = l->gate->tenants_dir},
			"the directory of tenants cannot be read: %s",
			file_why(err_native(ERR_FILE, why)));
	if (ok && l->count)
		qsort(l->items, l->count, sizeof *l->items, by_name);
	return ok;
}

/* The tenant of before whose main domain the file is called after. */
static struct tenant *find_before(const struct load *l, const char *name)
{
	struct domain d;
	if (!l->before || !tenant_file_domain(name, &d))
		return NULL;
	struct tenant *t = registry_find(l->before, &d);
	return t && domain_eq(&t->domain, &d) ? t : NULL;
}

/* An unchanged file keeps the same struct; a changed one keeps its number. */
static void compare(struct candidate *c)
{
	if (!c->before || !c->fresh)
		return;
	if (c->fresh->version == c->before->version) {
		tenant_release(c->fresh);
		c->fresh = tenant_hold(c->before);
	} else {
		c->fresh->number = c->before->number;
	}
}

static void read_candidate(struct load *l, struct candidate *c, struct buf *text)
{
	char *path = path_in(l, c->name);
	struct file_id id;
	c->before = find_before(l, c->name);
	struct tenant_source src = {.file_name = path,
		.base_dir = l->gate->tenants_dir,
		.check_files = true,
		.certificates = l->options.certificates || l->options.deep ? JUDGE_ALL
				: l->before                                ? JUDGE_CHANGED
									   : JUDGE_NONE,
		.rules = {l->options.deep, l->options.now, l->options.authorities},
		.before = c->before,
		.gate = l->gate,
		.make = l->options.make,
		.shared = &l->shared};
	buf_clear(text);
	struct err e = file_read(path, TENANT_FILE_MAX, text, &id);
	if (err_is(e))
		fault_add(l->faults, (struct place){.file = path}, "%s", file_why(e));
	else
		c->fresh = tenant_file_read(buf_peek(text), &src, &c->lines, l->faults);
	compare(c);
	if (!c->fresh)
		demote(c);
	mem_free(path);
}

static void read_candidates(struct load *l)
{
	struct buf text;
	buf_init(&text, TENANT_FILE_MAX + 1);
	for (size_t i = 0; i < l->count; i++)
		read_candidate(l, &l->items[i], &text);
	buf_fini(&text);
}

/* --- tenants whose files are gone --- */

/* Whether the operator has confirmed this many removals. *there: whether any number was. */
static bool is_confirmed(const struct load *l, size_t removed, bool *there)
{
	char *path = path_in(l, CONFIRM_FILE), number[24];
	struct buf text;
	struct file_id id;
	buf_init(&text, CONFIRM_MAX + 1);
	*there = !err_is(file_read(path, CONFIRM_MAX, &text, &id));
	snprintf(number, sizeof number, "%zu\n", removed);
	bool same =
		*there && (slice_eq_str(buf_peek(&text), number) ||
				  slice_eq(buf_peek(&text), slice_of(number, strlen(number) - 1)));
	buf_fini(&text);
	mem_free(path);
	return same;
}

static void warn_left_over(const struct load *l)
{
	char *path = path_in(l, CONFIRM_FILE);
	fault_warn(l->faults, (struct place){.file = path},
		"confirms a removal that is not waiting; delete it before it confirms another");
	mem_free(path);
}

static bool removal_is_fine(const struct load *l, size_t removed, size_t total)
{
	bool emptied = l->count == 0;
	bool many = removed > REMOVED_FREELY && removed * REMOVED_SHARE > total;
	bool asks = removed && (emptied || many);
	bool there, confirmed = is_confirmed(l, removed, &there);
	if (there && !asks && l->before) /* at start and at check there is nothing to ask about */
		warn_left_over(l);
	return !asks || confirmed;
}

static bool *mark_present(const struct load *l, size_t total)
{
	bool *present = mem_alloc(total * sizeof *present);
	struct map *numbers = map_new(SEED);
	for (size_t i = 0; i < total; i++)
		map_put(numbers, domain_slice(&registry_at(l->before, i)->domain), &present[i]);
	for (size_t i = 0; i < l->count; i++) {
		if (l->items[i].before)
			*(bool *)map_get(numbers, domain_slice(&l->items[i].before->domain)) = true;
	}
	map_free(numbers);
	return present;
}

/* present NULL: none of them is. */
static void keep_removed(struct load *l, const bool *present, size_t total)
{
	for (size_t i = 0; i < total; i++) {
		struct tenant *t = registry_at(l->before, i);
		if (present && present[i])
			continue;
		struct candidate *c = add_candidate(l, t->domain.name);
		c->before = t;
		c->state = OLD;
	}
}

static void judge_removals(struct load *l)
{
	size_t total = l->before ? registry_count(l->before) : 0;
	bool *present = mark_present(l, total);
	size_t removed = 0;
	for (size_t i = 0; i < total; i++)
		removed += !present[i];
	if (removal_is_fine(l, removed, total)) {
		l->result.removed = removed;
	} else {
		fault_add(l->faults, (struct place){.file = l->gate->tenants_dir},
			"%zu of %zu tenants would be removed at once, so they stay; if that is "
			"meant: "
			"echo %zu > %s/" CONFIRM_FILE " and reload",
			removed, total, removed, l->gate->tenants_dir);
		keep_removed(l, present, total);
	}
	mem_free(present);
}

/* --- domains claimed twice --- */

static const struct domain *nth_domain(const struct tenant *t, size_t i)
{
	return i == 0 ? &t->domain : i <= t->further.count ? &t->further.items[i - 1] : NULL;
}

static void report_claim(const struct load *l, const struct candidate *loser,
	const struct candidate *winner, const struct domain *d)
{
	char *path = path_in(l, loser->name);
	bool main_domain = domain_eq(d, nth_domain(standing(loser), 0));
	struct place at = {path, main_domain ? loser->lines.domain : loser->lines.further,
		main_domain ? "domain" : "domains"};
	fault_add(l->faults, at, "%s is served by %s already", d->name, winner->name);
	mem_free(path);
}

/* Two spellings of one name are two files for one tenant. It stays as it was if either file leaves
 * it so; the first file has it otherwise. */
static void settle_twin(const struct load *l, struct candidate **first, struct candidate *c)
{
	bool c_wins = standing(c) == c->before && standing(*first) != c->before;
	struct candidate *loser = c_wins ? *first : c;
	report_claim(l, loser, c_wins ? c : *first, &c->before->domain);
	loser->state = OUT;
	*first = c_wins ? c : *first;
}

static void settle_twins(struct load *l)
{
	struct map *firsts = map_new(SEED);
	for (size_t i = 0; i < l->count; i++) {
		struct candidate *c = &l->items[i];
		struct candidate *first =
			c->before ? map_get(firsts, domain_slice(&c->before->domain)) : NULL;
		if (first)
			settle_twin(l, &first, c);
		if (c->before)
			map_put(firsts, domain_slice(&c->before->domain), first ? first : c);
	}
	map_free(firsts);
}

/* A domain stays with the tenant that had it; among newcomers with the first file. */
static bool holds_it(const struct load *l, const struct candidate *c, const struct domain *d)
{
	return l->before && c->before && registry_find(l->before, d) == c->before;
}

static struct candidate *rival(
	const struct map *claims, const struct candidate *c, const struct domain **which)
{
	for (size_t i = 0; (*which = nth_domain(standing(c), i)); i++) {
		struct candidate *other = map_get(claims, domain_slice(*which));
		if (other)
			return other;
	}
	return NULL;
}

/* Enters what c claims. False when that cost an earlier claim its place: all must be asked anew. */
static bool claim(const struct load *l, struct map *claims, struct candidate *c)
{
	const struct domain *d;
	while (standing(c)) {
		struct candidate *other = rival(claims, c, &d);
		if (!other)
			break;
		bool c_wins = holds_it(l, c, d) && !holds_it(l, other, d);
		report_claim(l, c_wins ? other : c, c_wins ? c : other, d);
		demote(c_wins ? other : c);
		if (c_wins)
			return false;
	}
	for (size_t i = 0; standing(c) && (d = nth_domain(standing(c), i)); i++)
		map_put(claims, domain_slice(d), c);
	return true;
}

/* Those who were there before come first: they mostly win. */
static bool settle_once(const struct load *l)
{
	struct map *claims = map_new(SEED);
	bool settled = true;
	for (int newcomers = 0; newcomers < 2; newcomers++) {
		for (size_t i = 0; i < l->count && settled; i++) {
			if ((l->items[i].before == NULL) == newcomers)
				settled = claim(l, claims, &l->items[i]);
		}
	}
	map_free(claims);
	return settled;
}

/* --- the new registry --- */

/* An unchanged tenant's lines may have moved; one that goes on as it was has those of before. */
static void note_origin(struct load *l, const struct candidate *c, const struct tenant *t)
{
	char *path = path_in(l, c->name);
	struct tenant_origin origin = {path, c->lines.inbound, c->lines.outbound};
	if (c->state == OLD)
		origin = registry_origin(l->before, t);
	registry_note_origin(l->result.registry, t, &origin);
	mem_free(path);
}

static void enter(struct load *l, const struct candidate *c)
{
	struct tenant *taken_by;
	struct tenant *t = standing(c);
	if (t && registry_add(l->result.registry, t, &taken_by))
		note_origin(l, c, t);
	else if (t)
		fault_add(l->faults, (struct place){.file = c->name},
			"could not be entered beside %s", taken_by->domain.name);
	l->result.kept_old += c->state == OLD;
	l->result.refused += c->state == OUT;
	l->result.added += c->state == FRESH && !c->before;
	l->result.changed += c->state == FRESH && c->before && c->fresh != c->before;
}

static void build(struct load *l)
{
	l->result.registry = registry_new_after(l->before);
	for (size_t i = 0; i < l->count; i++)
		enter(l, &l->items[i]);
}

static void drop_candidates(struct load *l)
{
	for (size_t i = 0; i < l->count; i++) {
		tenant_release(l->items[i].fresh);
		mem_free(l->items[i].name);
	}
	l->count = 0;
}

struct load_result load_tenants(const struct gate *gate, const struct registry *before,
	const struct load_options *options, struct faults *faults)
{
	struct load l = {.gate = gate, .before = before, .faults = faults};
	if (options)
		l.options = *options;
	if (list_directory(&l)) {
		l.result.files = l.count;
		read_candidates(&l);
		judge_removals(&l);
		settle_twins(&l);
		while (!settle_once(&l))
			;
	} else {
		drop_candidates(&l);
		keep_removed(&l, NULL, before ? registry_count(before) : 0);
	}
	build(&l);
	drop_candidates(&l);
	mem_free(l.items);
	return l.result;
}
