#include "cmd/probe_report.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SAID_MAX = 1000 };

struct probe_report {
	bool json;
	json_t *steps, *findings, *levels; /* owned */
	size_t problems;
};

struct probe_report *probe_report_new(bool json)
{
	struct probe_report *r = MEM_NEW(struct probe_report);
	r->json = json;
	r->steps = json_array();
	r->findings = json_array();
	r->levels = json_object();
	return r;
}

void probe_report_free(struct probe_report *r)
{
	json_decref(r->steps);
	json_decref(r->findings);
	json_decref(r->levels);
	mem_free(r);
}

/* What strangers wrote is shown, but never obeyed by a terminal. Afterwards it is UTF-8. */
static void make_printable(char *text)
{
	char *end = text;
	for (struct slice rest = slice_str(text); rest.len;) {
		uint32_t c;
		size_t n = utf8_take(rest, &c);
		bool unsafe = utf8_is_unsafe(c);
		memmove(end, unsafe ? "?" : rest.ptr, unsafe ? 1 : n);
		end += unsafe ? 1 : n;
		rest = slice_sub(rest, n, rest.len);
	}
	*end = '\0';
}

void probe_say(struct probe_report *r, enum say_mark mark, const char *topic, struct err code,
	const char *format, ...)
{
	static const char *const marks[] = {"ok", "BAD", "-", ""};
	static const char *const words[] = {"fine", "bad", "none", "info"};
	char text[SAID_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	make_printable(text);
	const char *id = err_is(code) ? err_row(code.code)->id : NULL;
	if (!r->json) {
		printf("%-3s %-8s %s%s%s%s\n", marks[mark], topic, text, id ? " (" : "",
			id ? id : "", id ? ")" : "");
		fflush(stdout);
	}
	json_t *step = json_pack("{ss ss ss}", "topic", topic, "mark", words[mark], "text", text);
	if (id)
		json_object_set_new(step, "code", json_string(id));
	json_array_append_new(r->steps, step);
}

static bool is_known(const struct probe_report *r, const char *id, const char *sentence)
{
	size_t i;
	json_t *f;
	json_array_foreach(r->findings, i, f)
	{
		if (strcmp(json_string_value(json_object_get(f, "id")), id) == 0 &&
			strcmp(json_string_value(json_object_get(f, "sentence")), sentence) == 0)
			return true;
	}
	return false;
}

void probe_find(struct probe_report *r, enum finding_id id, const char *domain, const char *one,
	const char *two, const char *three)
{
	const struct finding_row *row = finding_row(id);
	const char *const words[FINDING_WORDS] = {domain, one, two, three};
	char sentence[SAID_MAX], fix[SAID_MAX];
	finding_fill(row->sentence, words, sentence, sizeof sentence);
	finding_fill(row->fix, words, fix, sizeof fix);
	make_printable(sentence);
	make_printable(fix);
	if (is_known(r, row->id, sentence))
		return;
	r->problems += row->weight == FINDING_PROBLEM;
	json_array_append_new(
		r->findings, json_pack("{ss ss ss ss ss}", "id", row->id, "weight",
				     finding_weight_name(row->weight), "who",
				     finding_who_name(row->who), "sentence", sentence, "fix", fix));
}

size_t probe_report_problems(const struct probe_report *r)
{
	return r->problems;
}

void probe_level(struct probe_report *r, enum level level, bool reached, const char *by)
{
	json_object_set_new(
		r->levels, level_name(level), json_pack("{sb ss}", "reached", reached, "by", by));
}

static const char *member(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static void print_findings(const struct probe_report *r)
{
	size_t i;
	json_t *f;
	json_array_foreach(r->findings, i, f)
	{
		printf("\n%s %s: %s\n", member(f, "id"), member(f, "weight"),
			member(f, "sentence"));
		if (*member(f, "fix"))
			printf("  %s: %s\n", member(f, "who"), member(f, "fix"));
	}
}

static void print_levels(const struct probe_report *r)
{
	printf("\n");
	for (int l = LEVEL_VERIFIED; l <= LEVEL_TRUSTED; l++) {
		const json_t *o = json_object_get(r->levels, level_name((enum level)l));
		if (o)
			printf("%-9s %s%s%s\n", level_name((enum level)l),
				json_is_true(json_object_get(o, "reached")) ? "yes" : "no",
				*member(o, "by") ? ": " : "", member(o, "by"));
	}
}

int probe_report_close(struct probe_report *r, const struct domain *domain)
{
	char name[DOMAIN_UNICODE_MAX + 1];
	if (r->json) {
		json_t *all =
			json_pack("{ss ss sb sO sO sO}", "domain", domain_unicode(domain, name).ptr,
				"ascii", domain->name, "fine", r->problems == 0, "steps", r->steps,
				"findings", r->findings, "levels", r->levels);
		json_dumpf(all, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(all);
	} else {
		print_findings(r);
		print_levels(r);
	}
	return r->problems ? 1 : 0;
}
