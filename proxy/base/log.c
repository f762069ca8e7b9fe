#include "base/log.h"

#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	VALUE_MAX = 256,
	LINE_MAX_BYTES = 4096, /* PIPE_BUF: lines of several processes never mix */
	TAIL_BYTES = 640,      /* kept for why a line was written, and its end */
	END_BYTES = 32,        /* kept for what was left out, brace and newline */
	/* Per reason and second. What peers do is theirs to repeat; what a tenant or the operator
	 * must know may concern many tenants at once. */
	PEER_LINES = 20,
	TENANT_LINES = 200,
	EVENT_LINES = 200, /* per event and second, where no reason is told */
	EVENTS_MAX = 64,   /* kinds of events in all; further ones share the last place */
};

static struct {
	int fd;
	enum log_format format;
	enum log_level level;
	const char *role;
	int number;
} out = {.fd = 2, .format = LOG_LOGFMT, .level = LOG_INFO, .role = "main"};

struct rate {
	time_t second;
	unsigned lines;
	unsigned suppressed;
};

static struct rate reasons[ERR_COUNT];

static struct {
	const char *name;
	struct rate rate;
} events[EVENTS_MAX];

static const char *const level_names[] = {"error", "warn", "info", "debug"};

struct line {
	char text[LINE_MAX_BYTES];
	size_t len, limit;
	bool full; /* something did not fit: the field that it belongs to goes */
	int left_out;
};

void log_setup(int fd, enum log_format format, enum log_level level, const char *role, int number)
{
	out.fd = fd;
	out.format = format;
	out.level = level;
	out.role = role;
	out.number = number;
}

void log_set_level(enum log_level level)
{
	out.level = level;
}

bool log_level_parse(struct slice text, enum log_level *level)
{
	for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
		if (slice_eq_str(text, level_names[i])) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_format_parse(struct slice text, enum log_format *format)
{
	bool json = slice_eq_str(text, "json");
	if (!json && !slice_eq_str(text, "logfmt"))
		return false;
	*format = json ? LOG_JSON : LOG_LOGFMT;
	return true;
}

struct log_field log_s(const char *key, struct slice text)
{
	return (struct log_field){.key = key, .text = text};
}

struct log_field log_c(const char *key, const char *text)
{
	return (struct log_field){.key = key, .text = slice_str(text)};
}

struct log_field log_n(const char *key, int64_t number)
{
	return (struct log_field){.key = key, .number = number, .is_number = true};
}

struct log_field log_end(void)
{
	return (struct log_field){0};
}

static void put(struct line *l, const char *text, size_t len)
{
	if (len > l->limit - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->len, text, len);
	l->len += len;
}

static void put_str(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

/* A JSON string; logfmt uses the same quoting. Whatever the bytes, the log stays UTF-8. */
static void put_quoted(struct line *l, struct slice s)
{
	put(l, "\"", 1);
	for (size_t used = 0; s.len;) {
		uint32_t c;
		size_t n = utf8_take(s, &c);
		char esc[8];
		used += n;
		if (used > VALUE_MAX)
			break;
		if (c == '"' || c == '\\')
			put(l, "\\", 1);
		snprintf(esc, sizeof esc, "\\u%04x", (unsigned)c & 0xffff);
		put(l, utf8_is_unsafe(c) ? esc : s.ptr, utf8_is_unsafe(c) ? 6 : n);
		s = slice_sub(s, n, s.len);
	}
	put(l, "\"", 1);
}

static bool is_plain(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return s.len > 0 && s.len <= VALUE_MAX;
}

static void put_value(struct line *l, const struct log_field *f)
{
	if (f->is_number) {
		char number[24];
		snprintf(number, sizeof number, "%lld", (long long)f->number);
		put_str(l, number);
	} else if (out.format == LOG_LOGFMT && is_plain(f->text)) {
		put(l, f->text.ptr, f->text.len);
	} else {
		put_quoted(l, f->text);
	}
}

/* Whole or not at all: half a field would make the line unreadable. */
static void put_field(struct line *l, const struct log_field *f)
{
	if (!f->is_number && !f->text.ptr)
		return;
	bool json = out.format == LOG_JSON;
	size_t start = l->len;
	l->full = false;
	put_str(l, json ? ",\"" : " ");
	put_str(l, f->key);
	put_str(l, json ? "\":" : "=");
	put_value(l, f);
	if (!l->full)
		return;
	l->len = start;
	l->left_out++;
}

static void begin(struct line *l, enum log_level level, const char *event)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	struct tm tm;
	gmtime_r(&now.tv_sec, &tm);
	char when[40];
	size_t n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(when + n, sizeof when - n, ".%03ldZ", now.tv_nsec / 1000000);
	char head[200];
	snprintf(head, sizeof head,
		out.format == LOG_JSON
			? "{\"time\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"n\":%d,"
			  "\"event\":\"%s\""
			: "time=%s level=%s role=%s n=%d event=%s",
		when, level_names[level], out.role, out.number, event);
	l->len = 0;
	l->limit = sizeof l->text - TAIL_BYTES;
	l->left_out = 0;
	put_str(l, head);
}

static void end(struct line *l)
{
	struct log_field left_out = log_n("left_out", l->left_out);
	l->limit = sizeof l->text - 2;
	if (l->left_out)
		put_field(l, &left_out);
	if (out.format == LOG_JSON)
		l->text[l->len++] = '}';
	l->text[l->len++] = '\n';
	ssize_t done = write(out.fd, l->text, l->len);
	(void)done; /* A full log pipe must not stop the gate. */
}

static void put_list(struct line *l, va_list ap)
{
	for (struct log_field f = va_arg(ap, struct log_field); f.key;
		f = va_arg(ap, struct log_field))
		put_field(l, &f);
}

/* How many lines of this kind were held back before this one; -1: hold this one back too. */
static int rate_take(struct rate *rate, unsigned most)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (rate->second != now.tv_sec) {
		rate->second = now.tv_sec;
		rate->lines = 0;
	}
	if (rate->lines++ >= most) {
		rate->suppressed++;
		return -1;
	}
	int held = (int)rate->suppressed;
	rate->suppressed = 0;
	return held;
}

static struct rate *rate_of_event(const char *event)
{
	size_t i = 0;
	while (i < EVENTS_MAX - 1 && events[i].name && strcmp(events[i].name, event) != 0)
		i++;
	events[i].name = event;
	return &events[i].rate;
}

static int rate_take_reason(enum err_code code, enum blame blame)
{
	switch (blame) {
	case BLAME_US:
		return 0;
	case BLAME_TENANT:
	case BLAME_OPERATOR:
		return rate_take(&reasons[code], TENANT_LINES);
	case BLAME_PEER:
	case BLAME_NOBODY:
		break;
	}
	return rate_take(&reasons[code], PEER_LINES);
}

void log_event(enum log_level level, const char *event, ...)
{
	if (level > out.level)
		return;
	int held = rate_take(rate_of_event(event), EVENT_LINES);
	if (held < 0)
		return;
	struct line l;
	begin(&l, level, event);
	va_list ap;
	va_start(ap, event);
	put_list(&l, ap);
	va_end(ap);
	l.limit = sizeof l.text - END_BYTES;
	struct log_field suppressed = log_n("suppressed", held);
	if (held)
		put_field(&l, &suppressed);
	end(&l);
}

void log_reason(struct err e, const char *event, ...)
{
	const struct err_row *row = err_row(e.code);
	enum log_level level = LOG_INFO;
	if (row->blame == BLAME_US || row->blame == BLAME_OPERATOR)
		level = LOG_ERROR;
	else if (row->blame == BLAME_TENANT)
		level = LOG_WARN;
	if (level > out.level)
		return;
	/* Not only where a peer is to blame: strangers can name a tenant without a certificate, or
	 * a domain whose DNS fails, as often as they like (R11). */
	int held = rate_take_reason(e.code, row->blame);
	if (held < 0)
		return;
	struct line l;
	begin(&l, level, event);
	va_list ap;
	va_start(ap, event);
	put_list(&l, ap);
	va_end(ap);
	l.limit = sizeof l.text - END_BYTES;
	struct log_field tail[] = {log_c("reason", row->id), log_c("blame", blame_name(row->blame)),
		log_c("why", row->sentence), log_n("native", e.native), log_n("suppressed", held)};
	for (size_t i = 0; i < sizeof tail / sizeof *tail; i++) {
		if (!tail[i].is_number || tail[i].number)
			put_field(&l, &tail[i]);
	}
	end(&l);
}
