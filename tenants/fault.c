#include "tenants/fault.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { REPORT_MAX = 1 << 20, WORD_MAX = 48 };

void faults_init(struct faults *f)
{
	*f = (struct faults){0};
	buf_init(&f->text, REPORT_MAX);
}

void faults_fini(struct faults *f)
{
	for (size_t i = 0; i < f->item_count; i++) {
		mem_free(f->items[i].file);
		mem_free(f->items[i].key);
		mem_free(f->items[i].sentence);
	}
	mem_free(f->items);
	buf_fini(&f->text);
	faults_init(f);
}

/* How many bytes the character at s takes; 0 when it is not one (RFC 3629: no overlong form, no
 * surrogate, nothing over U+10FFFF). */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (n == 0 || n > left || s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
	bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
	bool beyond = s[0] == 0xf4 && s[1] >= 0x90;
	return overlong || surrogate || beyond ? 0 : n;
}

bool text_is_utf8(struct slice s)
{
	size_t n = 0;
	for (size_t i = 0; i < s.len; i += n) {
		n = utf8_length((const unsigned char *)s.ptr + i, s.len - i);
		if (n == 0)
			return false;
	}
	return true;
}

/* A copy for a terminal or a log line: no control characters, UTF-8 throughout. */
static char *printable(const char *text, size_t len)
{
	char *copy = mem_dup(text, len);
	bool utf8 = text_is_utf8(slice_of(text, len));
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)copy[i];
		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			copy[i] = '?';
	}
	return copy;
}

static char *printable_str(const char *text)
{
	return printable(text ? text : "", text ? strlen(text) : 0);
}

static size_t shown(const struct faults *f, bool warning)
{
	size_t n = 0;
	for (size_t i = 0; i < f->item_count; i++)
		n += f->items[i].warning == warning;
	return n;
}

/* The report may be full; then the line is missing from it, but not from the count. */
static void append_line(struct buf *text, const struct fault *item)
{
	char line[16] = "";
	if (item->line)
		snprintf(line, sizeof line, "%u:", item->line);
	struct err e = buf_printf(text, "%s%s:%s %s%s%s\n", item->warning ? "warning: " : "",
		item->file, line, item->key, *item->key ? ": " : "", item->sentence);
	(void)e;
}

static void add(struct faults *f, bool warning, struct place at, const char *fmt, va_list ap)
{
	if (warning)
		f->warnings++;
	else
		f->count++;
	if (shown(f, warning) >= FAULTS_SHOWN)
		return;
	char sentence[1024];
	vsnprintf(sentence, sizeof sentence, fmt, ap);
	f->items = mem_realloc(f->items, (f->item_count + 1) * sizeof *f->items);
	struct fault *item = &f->items[f->item_count++];
	*item = (struct fault){.warning = warning,
		.line = at.line,
		.file = printable_str(at.file),
		.key = printable_str(at.key),
		.sentence = printable_str(sentence)};
	append_line(&f->text, item);
}

/* Where items[i] belongs among those before it. */
static size_t sorted_place(const struct faults *f, size_t i)
{
	size_t place = i;
	for (size_t j = i; j-- > 0;) {
		if (strcmp(f->items[j].file, f->items[i].file) != 0)
			continue;
		if (f->items[j].line <= f->items[i].line)
			return j + 1;
		place = j;
	}
	return place;
}

/* By insertion: a report is short. */
void faults_sort(struct faults *f)
{
	for (size_t i = 1; i < f->item_count; i++) {
		struct fault item = f->items[i];
		size_t to = sorted_place(f, i);
		memmove(&f->items[to + 1], &f->items[to], (i - to) * sizeof item);
		f->items[to] = item;
	}
	buf_clear(&f->text);
	for (size_t i = 0; i < f->item_count; i++)
		append_line(&f->text, &f->items[i]);
}

void fault_add(struct faults *f, struct place at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(f, false, at, fmt, ap);
	va_end(ap);
}

void fault_warn(struct faults *f, struct place at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	add(f, true, at, fmt, ap);
	va_end(ap);
}

struct slice fault_quote(struct slice s)
{
	if (s.len <= FAULT_QUOTE_MAX)
		return s;
	size_t len = FAULT_QUOTE_MAX;
	while (len && ((unsigned char)s.ptr[len] & 0xc0) == 0x80)
		len--;
	return slice_of(s.ptr, len);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Edits from a to b, where two neighbours that changed places count once (Damerau's distance in
 * its restricted form). */
static size_t distance(struct slice a, struct slice b)
{
	size_t rows[3][WORD_MAX + 1];
	for (size_t j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *row = rows[i % 3], *up = rows[(i - 1) % 3], *upup = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t change = up[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
			row[j] = least(change, least(up[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] &&
				a.ptr[i - 2] == b.ptr[j - 1])
				row[j] = least(row[j], upup[j - 2] + 1);
		}
	}
	return rows[a.len % 3][b.len];
}

const char *fault_did_you_mean(struct slice word, const char *const *words)
{
	char lower[WORD_MAX];
	if (word.len == 0 || word.len > sizeof lower)
		return NULL;
	for (size_t i = 0; i < word.len; i++) {
		char c = word.ptr[i];
		lower[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c == '-' ? '_' : c;
	}
	struct slice w = slice_of(lower, word.len);
	const char *best = NULL;
	size_t best_distance = word.len / 3 + 2; /* beyond it, a guess would mislead */
	for (; *words; words++) {
		size_t d = strlen(*words) <= WORD_MAX ? distance(w, slice_str(*words)) : WORD_MAX;
		if (d < best_distance) {
			best_distance = d;
			best = *words;
		}
	}
	return best;
}
