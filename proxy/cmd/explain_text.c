#include "cmd/explain.h"

#include "base/domain.h"

#include <string.h>

static void put(struct buf *out, const char *text)
{
	(void)buf_append_str(out, text);
}

static const char *text_at(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

static long long number_at(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

/* ---- who must act ---- */

static const struct {
	const char *blame, *who;
} blamed[] = {
	{"peer", "the other side"},
	{"tenant", "the tenant"},
	{"operator", "the operator of this gate"},
	{"us", "the makers of fedgate"},
};

static const char *who_acts(const char *blame)
{
	for (size_t i = 0; i < sizeof blamed / sizeof *blamed; i++) {
		if (strcmp(blamed[i].blame, blame) == 0)
			return blamed[i].who;
	}
	return "nobody";
}

/* ---- the parts of a decision ---- */

static void put_head(const json_t *d, struct buf *out)
{
	bool inbound = strcmp(text_at(d, "direction"), "inbound") == 0;
	const char *outcome = text_at(d, "outcome"), *time = text_at(d, "time");
	const char *word = strcmp(outcome, "accepted") == 0  ? "ACCEPTED"
			   : strcmp(outcome, "refused") == 0 ? "REFUSED"
							     : "NOT DECIDED";
	const char *tenant = text_at(d, "tenant"), *peer = text_at(d, "peer");
	size_t day = strcspn(time, "T");
	(void)buf_printf(out, "%.*s %s  %s  %s  %s \xe2\x86\x92 %s\n", (int)day, time,
		time[day] ? time + day + 1 : "", word, text_at(d, "direction"),
		inbound ? peer : tenant, inbound ? tenant : peer);
	put(out, "   ");
	if (*text_at(d, "address"))
		(void)buf_printf(out, " %s ", text_at(d, "address"));
	(void)buf_printf(
		out, " id %s  worker %lld\n", text_at(d, "session"), number_at(d, "worker"));
}

/* A sign and a word: one of them reaches everybody. */
static const char *mark(const char *name)
{
	static const struct {
		const char *name, *shown;
	} marks[] = {
		{"fine", "\xe2\x9c\x93 fine   "},
		{"bad", "\xe2\x9c\x97 bad    "},
		{"skipped", "\xe2\x80\x93 skipped"},
	};
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		if (strcmp(marks[i].name, name) == 0)
			return marks[i].shown;
	}
	return "\xe2\x80\xa6 open   ";
}

/* The code's sentence, and in brackets what it is about. */
static void put_words(const json_t *s, struct buf *out)
{
	const char *code = text_at(s, "code"), *sentence = text_at(s, "sentence");
	const char *detail = text_at(s, "detail");
	bool more = *detail && strcmp(detail, sentence) != 0 && strcmp(detail, "none") != 0;
	if (!*code && !*detail && strcmp(text_at(s, "mark"), "open") == 0)
		detail = "not answered when it ended";
	if (!*code)
		put(out, detail);
	else if (more)
		(void)buf_printf(out, "%s (%s) [%s]", sentence, detail, code);
	else
		(void)buf_printf(out, "%s [%s]", sentence, code);
}

static void put_step(size_t number, const json_t *s, struct buf *out)
{
	(void)buf_printf(out, "%3zu %s %-13s %6lld ms  ", number, mark(text_at(s, "mark")),
		text_at(s, "name"), number_at(s, "at_ms"));
	put_words(s, out);
	put(out, "\n");
}

static void put_steps(const json_t *d, struct buf *out)
{
	const json_t *steps = json_object_get(d, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++)
		put_step(i + 1, json_array_get(steps, i), out);
}

static void put_policy(const json_t *d, struct buf *out)
{
	const char *then = text_at(d, "policy"), *now = text_at(d, "policy_now");
	const char *file = text_at(d, "policy_file");
	bool moved = *now && strcmp(then, now) != 0;
	(void)buf_printf(out, " => policy \"%s\"", then);
	if (moved)
		(void)buf_printf(out, " then; now %s = %s", text_at(d, "policy_key"), now);
	if (json_is_integer(json_object_get(d, "policy_line")))
		(void)buf_printf(out, " (%s:%lld)", file, number_at(d, "policy_line"));
	else if (*file)
		(void)buf_printf(out, " (the default; %s does not set [policy] %s)", file,
			text_at(d, "policy_key"));
	else
		put(out, " (the tenant is not served any more)");
	put(out, "\n");
}

static void put_list(const json_t *list, struct buf *out)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *word = json_string_value(json_array_get(list, i));
		(void)buf_printf(out, "%s%s", i ? ", " : "", word ? word : "");
	}
}

/* Else nothing is known about what would have passed. */
static bool looked_at_proofs(const json_t *d)
{
	const json_t *steps = json_object_get(d, "steps");
	for (size_t i = 0; i < json_array_size(steps); i++) {
		const char *name = text_at(json_array_get(steps, i), "name");
		if (strcmp(name, "certificate") == 0 || strcmp(name, "dialback") == 0)
			return true;
	}
	return false;
}

static void put_would_pass(const json_t *d, struct buf *out)
{
	const json_t *as_is = json_object_get(d, "would_pass");
	const json_t *asked = json_object_get(d, "would_pass_with_dialback");
	if (json_array_size(asked) == 0 && !looked_at_proofs(d))
		return;
	put(out, "    Would pass: ");
	if (json_array_size(as_is) == 0)
		put(out, "none");
	put_list(as_is, out);
	if (json_array_size(asked) > json_array_size(as_is)) {
		put(out, "; if dialback succeeds: ");
		put_list(asked, out);
	}
	put(out, ".\n");
}

static void put_reason(const json_t *d, struct buf *out)
{
	const char *blame = text_at(d, "blame");
	(void)buf_printf(out, "    Reason: %s [%s]\n", text_at(d, "sentence"), text_at(d, "code"));
	(void)buf_printf(out, "    Who must act: %s", who_acts(blame));
	if (strcmp(blame, "peer") == 0 || strcmp(blame, "tenant") == 0)
		(void)buf_printf(
			out, ", %s", text_at(d, strcmp(blame, "peer") == 0 ? "peer" : "tenant"));
	(void)buf_printf(out, ".\n    Fix: %s\n", text_at(d, "fix"));
}

static const struct {
	const char *name, *words;
} proofs[] = {
	{"dane", "DANE"},
	{"pkix", "its certificate"},
	{"posh", "POSH"},
	{"pin", "the configured key"},
	{"dialback", "dialback"},
};

static void put_proof(const json_t *d, struct buf *out)
{
	(void)buf_printf(out, "    Proven: %s", text_at(d, "level"));
	for (size_t i = 0; i < sizeof proofs / sizeof *proofs; i++) {
		if (strcmp(proofs[i].name, text_at(d, "proof")) == 0)
			(void)buf_printf(out, ", by %s", proofs[i].words);
	}
	put(out, ".\n");
}

static void put_decision(const json_t *d, struct buf *out)
{
	bool refused = strcmp(text_at(d, "outcome"), "refused") == 0;
	bool accepted = strcmp(text_at(d, "outcome"), "accepted") == 0;
	put_head(d, out);
	put_steps(d, out);
	put_policy(d, out);
	if (accepted)
		put_proof(d, out);
	else
		put_would_pass(d, out);
	if (refused && *text_at(d, "code"))
		put_reason(d, out);
}

void explain_text(const json_t *answer, struct buf *out)
{
	const json_t *list = json_object_get(answer, "decisions");
	for (size_t i = 0; i < json_array_size(list); i++) {
		put(out, i ? "\n" : "");
		put_decision(json_array_get(list, i), out);
	}
}

/* ---- a code by itself ---- */

void explain_code_text(enum err_code code, struct buf *out)
{
	const struct err_row *row = err_row(code);
	(void)buf_printf(out, "%s: %s\n", row->id, row->sentence);
	(void)buf_printf(out, "Who must act: %s.\n", who_acts(blame_name(row->blame)));
	(void)buf_printf(out, "Fix: %s\n", err_fix(code));
	if (*row->condition)
		(void)buf_printf(out, "The other side sees: <%s/> with the text \"%s [%s]\".\n",
			row->condition, row->sentence, row->id);
}

json_t *explain_code_json(enum err_code code)
{
	const struct err_row *row = err_row(code);
	return json_pack("{ss ss ss ss ss}", "code", row->id, "sentence", row->sentence, "blame",
		blame_name(row->blame), "fix", err_fix(code), "condition", row->condition);
}
