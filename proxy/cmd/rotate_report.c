/* What one call of `fedgate rotate` did, what is waited for, who must act, and until when. */
#include "cmd/rotate_inside.h"
#include "cmd/subject.h"

#include "base/b64.h"
#include "cmd/record_set.h"
#include "tenants/value.h"
#include "trust/tlsa.h"

#include <jansson.h>
#include <stdio.h>
#include <time.h>

enum { MINUTE = 60, HOUR = 3600, DAY = 86400, DATE_MAX = 32, SPAN_MAX = 40 };

static const char *const stages[] = {"idle", "staged", "switched"};
static const char *const steps[] = {"none", "staged", "switched", "retired"};
static const char *const sights[] = {"unknown", "seen", "missing", "nobody"};
static const char *const states[] = {"shows", "lacks", "empty", "unknown"};

/* Waiting for time alone to pass, or for somebody to act. */
static int64_t remaining_s(const struct rotation *r)
{
	int64_t left = rollover_needed_s(&r->rollover, rotate_times(r)) - r->rollover.counted_s;
	return left >= 0 ? left + 1 : 0;
}

static void format_date(int64_t when, char out[DATE_MAX], const char *format)
{
	time_t t = (time_t)when;
	struct tm tm;
	if (!gmtime_r(&t, &tm) || !strftime(out, DATE_MAX, format, &tm))
		snprintf(out, DATE_MAX, "?");
}

static void format_span(int64_t seconds, char out[SPAN_MAX])
{
	if (seconds < 2 * MINUTE)
		snprintf(out, SPAN_MAX, "%lld s", (long long)seconds);
	else if (seconds < 2 * HOUR)
		snprintf(out, SPAN_MAX, "%lld min", (long long)(seconds / MINUTE));
	else if (seconds < 2 * DAY)
		snprintf(out, SPAN_MAX, "%lld h", (long long)(seconds / HOUR));
	else
		snprintf(out, SPAN_MAX, "%lld days", (long long)(seconds / DAY));
}

/* ---- for people ---- */

static void print_step(const struct rotation *r, const struct rotate_outcome *o)
{
	static const char *const sentences[] = {
		[ROTATE_STAGED] = "the next certificate was made; nobody is shown it yet",
		[ROTATE_SWITCHED] = "the next certificate is in use from now on",
		[ROTATE_RETIRED] = "the certificate before is retired; the rollover is done"};
	if (o->step != ROTATE_NONE_DONE)
		printf("%s: %s\n", r->name, sentences[o->step]);
	else if (r->rollover.stage == ROLLOVER_IDLE)
		printf("%s: no rollover is under way\n", r->name);
	if (o->reload > 0)
		printf("The running gate was told to reload.\n");
}

static void print_places(const struct rotate_outcome *o)
{
	static const char *const words[] = {"shows it", "LACKS it", "is empty", "not known"};
	for (size_t i = 0; i < o->places.count; i++) {
		const struct place_seen *p = &o->places.items[i];
		printf("  %s  %s", words[p->state], p->where);
		if (err_is(p->why) && p->state != PLACE_EMPTY)
			printf(": %s", err_row(p->why.code)->sentence);
		else if (p->state == PLACE_EMPTY)
			printf(p->needed ? ": it must be published" : " (not needed)");
		printf("\n");
		if (p->lacks_current)
			printf("             and it lacks the certificate in use: peers refuse "
			       "that "
			       "already\n");
	}
}

static void print_record(const struct rotation *r)
{
	struct tlsa_record t;
	char text[TLSA_TEXT_MAX];
	bool staged = r->rollover.stage == ROLLOVER_STAGED;
	if (!tlsa_of_leaf(buf_peek(staged ? &r->next : &r->current), &t))
		return;
	tlsa_write(&t, text);
	printf("  TLSA %s\n", text);
}

static void print_who_must_act(const struct rotation *r, bool just_made)
{
	if (r->tenant->proof != TENANT_DANE && just_made)
		printf("A web site that passes the path on to the gate shows it at once; else:\n");
	if (r->tenant->proof == TENANT_DANE) {
		printf("The host must act: publish this beside the record that is there:\n");
		print_record(r);
	} else {
		printf("The customer must act: put the document there that `fedgate posh %s` "
		       "prints, "
		       "or pass\nthe path on to the gate, as `fedgate records %s` shows.\n",
			r->name, r->name);
	}
}

static void print_wait(const struct rotation *r, const char *what)
{
	char needed[SPAN_MAX], counted[SPAN_MAX], until[DATE_MAX];
	format_span(rollover_needed_s(&r->rollover, rotate_times(r)), needed);
	format_span(r->rollover.counted_s, counted);
	format_date((int64_t)time(NULL) + remaining_s(r), until, "%Y-%m-%d %H:%M:%S UTC");
	printf("%s for longer than %s: %s so far, so not before %s.\n", what, needed, counted,
		until);
}

static void print_staged(const struct rotation *r, const struct rotate_outcome *o)
{
	printf("The next certificate, in public:\n");
	print_places(o);
	if (o->is_due)
		printf("It is safe to exchange the files now: write the next pair as `certificate` "
		       "and `key`, the\npair in use as `next_certificate` and `next_key`, and "
		       "reload. Then call this again.\n");
	else if (o->places.sight == SIGHT_MISSING)
		print_who_must_act(r, o->step == ROTATE_STAGED);
	if (!o->is_due)
		print_wait(r, "It is used when all of that has shown it");
}

static void print_switched(const struct rotation *r, const struct rotate_outcome *o)
{
	printf("The certificate in use, in public:\n");
	print_places(o);
	if (o->places.sight == SIGHT_MISSING)
		print_who_must_act(r, false);
	if (o->is_due)
		printf("It is safe now to remove `next_certificate` and `next_key`, the pair that "
		       "was in use before.\n");
	else
		print_wait(r, "The one before stays published");
}

static void print_text(const struct rotation *r, const struct rotate_outcome *o)
{
	print_step(r, o);
	if (o->why)
		printf("%s: %s\n", r->name, o->why);
	if (r->rollover.stage == ROLLOVER_STAGED)
		print_staged(r, o);
	else if (r->rollover.stage == ROLLOVER_SWITCHED)
		print_switched(r, o);
	else if (o->step == ROTATE_NONE_DONE && !r->made)
		printf("It begins when `next_certificate` and `next_key` are configured.\n");
}

/* ---- for programs ---- */

static json_t *json_of_place(const struct place_seen *p)
{
	const char *why = err_is(p->why) ? err_row(p->why.code)->id : NULL;
	return json_pack("{ss ss sb sb sI ss*}", "where", p->where, "state", states[p->state],
		"needed", (int)p->needed, "lacks_current", (int)p->lacks_current, "remembered_s",
		(json_int_t)p->remembered_s, "reason", why);
}

static void print_json(const struct rotation *r, const struct rotate_outcome *o)
{
	char until[DATE_MAX];
	json_t *places = json_array();
	for (size_t i = 0; i < o->places.count; i++)
		json_array_append_new(places, json_of_place(&o->places.items[i]));
	format_date((int64_t)time(NULL) + remaining_s(r), until, "%Y-%m-%dT%H:%M:%SZ");
	json_t *all = json_pack("{ss ss sb ss ss sb ss sI sI ss sb so ss*}", "name", r->name,
		"proof", value_proofs[r->tenant->proof], "made", (int)r->made, "stage",
		stages[r->rollover.stage], "step", steps[o->step], "due", (int)o->is_due, "sight",
		sights[o->places.sight], "counted_s", (json_int_t)r->rollover.counted_s, "needed_s",
		(json_int_t)rollover_needed_s(&r->rollover, rotate_times(r)), "not_before", until,
		"reloaded", o->reload > 0, "places", places, "problem", o->why);
	json_dumpf(all, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(all);
}

int rotate_report(const struct rotation *r, const struct rotate_outcome *o, bool json)
{
	if (json)
		print_json(r, o);
	else
		print_text(r, o);
	bool waits =
		r->rollover.stage != ROLLOVER_IDLE && !o->is_due && o->step == ROTATE_NONE_DONE;
	return o->why ? CMD_CANNOT_RUN : waits ? CMD_PROBLEM : CMD_FINE;
}
