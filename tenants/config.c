#include "tenants/config.h"

#include <stdio.h>
#include <string.h>

enum { NONE = CONFIG_ROWS_MAX };

static bool same(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static size_t find_row(const struct config *c, const char *section, const char *key)
{
	for (size_t i = 0; i < c->count; i++) {
		if (same(c->rows[i].key, key) && (!section || same(c->rows[i].section, section)))
			return i;
	}
	return NONE;
}

static bool has_section(const struct config *c, const char *section)
{
	for (size_t i = 0; i < c->count; i++) {
		if (same(c->rows[i].section, section))
			return true;
	}
	return false;
}

struct place config_place(const struct config_file *f, const char *section, const char *key)
{
	size_t row = find_row(f->config, section, key);
	return (struct place){f->name, row == NONE ? 0 : f->lines[row], key};
}

/* --- what has no row --- */

static void unknown_section(const struct config_file *f, const struct heading *h)
{
	const char *names[CONFIG_ROWS_MAX + 1];
	size_t n = 0;
	for (size_t i = 0; i < f->config->count; i++)
		names[n++] = f->config->rows[i].section;
	names[n] = NULL;
	struct place at = {f->name, h->line, ""};
	const char *meant = fault_did_you_mean(slice_str(h->name), names);
	if (has_section(f->config->other, h->name))
		fault_add(f->faults, at, "section [%s] belongs in %s", h->name,
			f->config->other->where);
	else if (meant)
		fault_add(f->faults, at, "there is no section [%s]; did you mean [%s]?", h->name,
			meant);
	else
		fault_add(
			f->faults, at, "there is no section [%s] in %s", h->name, f->config->where);
}

/* The row whose key was probably meant: of this section first, then of any. */
static size_t guess(const struct config *c, const char *section, const char *key)
{
	for (int pass = 0; pass < 2; pass++) {
		const char *names[CONFIG_ROWS_MAX + 1];
		size_t n = 0;
		for (size_t i = 0; i < c->count; i++) {
			if (pass == 1 || same(c->rows[i].section, section))
				names[n++] = c->rows[i].key;
		}
		names[n] = NULL;
		const char *meant = fault_did_you_mean(slice_str(key), names);
		if (meant)
			return find_row(c, pass == 0 ? section : NULL, meant);
	}
	return NONE;
}

/* Returns the row that was probably meant: it is not reported as missing as well. */
static size_t unknown_key(const struct config_file *f, const struct setting *s)
{
	const struct config *c = f->config;
	struct place at = {f->name, s->line, s->key};
	size_t elsewhere = find_row(c, NULL, s->key);
	if (elsewhere != NONE) {
		const char *right = c->rows[elsewhere].section;
		if (*s->section)
			fault_add(f->faults, at, "belongs in section [%s], not in [%s]", right,
				s->section);
		else
			fault_add(f->faults, at,
				"stands before the first section; write [%s] above it", right);
		return elsewhere;
	}
	size_t meant = guess(c, s->section, s->key);
	if (find_row(c->other, NULL, s->key) != NONE)
		fault_add(f->faults, at, "belongs in %s", c->other->where);
	else if (meant != NONE)
		fault_add(f->faults, at, "there is no such key; did you mean `%s` in [%s]?",
			c->rows[meant].key, c->rows[meant].section);
	else
		fault_add(
			f->faults, at, "there is no such key in [%s] of %s", s->section, c->where);
	return meant;
}

/* --- what has one --- */

static bool may_set(const struct config_file *f, const struct setting *s, size_t i)
{
	struct place at = {f->name, s->line, s->key};
	bool list = value_is_list(f->config->rows[i].type);
	if (s->more && !list)
		fault_add(f->faults, at, "`+=` is for lists; this key holds one value");
	else if (s->more && !f->lines[i])
		fault_add(
			f->faults, at, "there is nothing to add to: begin with `%s = ...`", s->key);
	else if (!s->more && f->lines[i])
		fault_add(f->faults, at, "is set twice; first in line %u%s", f->lines[i],
			list ? "; to add to the list, write `+=`" : "");
	else
		return true;
	return false;
}

static void set(struct config_file *f, size_t i, struct slice text, unsigned line, void *object)
{
	const struct config_row *row = &f->config->rows[i];
	struct value_rules rules = {.base_dir = f->base_dir};
	char why[VALUE_WHY_MAX];
	config_bounds(row, &rules.min, &rules.max);
	if (!value_parse(row->type, text, &rules, config_field(row, object), why))
		fault_add(f->faults, (struct place){f->name, line, row->key}, "%s", why);
}

static void read_setting(struct config_file *f, const struct setting *s, void *object)
{
	size_t i = find_row(f->config, s->section, s->key);
	if (i == NONE) {
		i = unknown_key(f, s);
	} else if (may_set(f, s, i)) {
		f->emptied[i] = !*s->value;
		set(f, i, slice_str(s->value), s->line, object);
	}
	if (i != NONE && !f->lines[i])
		f->lines[i] = s->line;
}

/* A key that was set to nothing, or to something wrong that was reported, is not missing. */
static void finish_row(struct config_file *f, size_t i, bool whole, void *object)
{
	const struct config_row *row = &f->config->rows[i];
	bool required = config_required_here(f->config, row, object);
	struct place at = {f->name, f->lines[i], row->key};
	if (!f->lines[i] && *row->fallback)
		set(f, i, slice_str(row->fallback), 0, object);
	else if (!f->lines[i] && required && whole)
		fault_add(f->faults, at, "is missing from section [%s]", row->section);
	else if (f->emptied[i] && required)
		fault_add(f->faults, at, "may not be empty");
}

void config_read(struct config_file *f, const struct settings *s, const char *skip, void *object)
{
	/* A line that could not be read may have been the one that seems to be missing. */
	bool whole = !s->broken;
	for (size_t i = 0; i < s->heading_count; i++) {
		const char *name = s->headings[i].name;
		if (!has_section(f->config, name) && !(skip && same(name, skip)))
			unknown_section(f, &s->headings[i]);
	}
	for (size_t i = 0; i < s->count; i++) {
		const char *section = s->items[i].section;
		if (!*section || has_section(f->config, section))
			read_setting(f, &s->items[i], object);
	}
	for (size_t i = 0; i < f->config->count; i++)
		finish_row(f, i, whole, object);
}

void config_fini(const struct config *c, void *object)
{
	for (size_t i = 0; i < c->count; i++)
		value_fini(c->rows[i].type, config_field(&c->rows[i], object));
}

void config_write(const struct config *c, const void *object, struct buf *out)
{
	const char *section = "";
	for (size_t i = 0; i < c->count; i++) {
		const struct config_row *row = &c->rows[i];
		if (!same(section, row->section)) {
			struct err e = buf_printf(out, "[%s]\n", row->section);
			(void)e;
		}
		section = row->section;
		value_write(row->type, row->key, (const char *)object + row->offset, out);
	}
}
