#include "tenants/inifile.h"

#include "base/mem.h"

#include <ini.h>
#include <string.h>

struct reader {
	struct slice rest; /* borrowed from the file's text */
	unsigned line;     /* of what inih was given last */
	const char *file;
	struct settings *out;
	struct faults *faults;
	size_t checked; /* settings the check let through: inih must find as many */
};

static struct place here(const struct reader *r, const char *key)
{
	return (struct place){r->file, r->line, key};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_key(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			  (c >= '0' && c <= '9') || c == '_' || c == '-';
		if (!ok)
			return false;
	}
	return s.len > 0;
}

/* What no line may hold, whatever it is; the sentence, or NULL. */
static const char *bad_bytes(struct slice line)
{
	if (line.len > INI_LINE_MAX)
		return "the line is longer than 198 bytes; a list goes on with `key += value`";
	if (slice_find(line, '\0') < line.len)
		return "the line holds a NUL byte";
	if (slice_starts(line, "\xef\xbb\xbf"))
		return "a byte order mark stands here; save the file as UTF-8 without BOM";
	if (!text_is_utf8(line))
		return "the line is not UTF-8";
	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.ptr[i];
		if (c == '\r')
			return "a carriage return stands inside; end lines with LF or CR LF";
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return "the line holds a control character";
	}
	return NULL;
}

static const char *bad_section(struct slice line)
{
	size_t end = slice_find(line, ']');
	if (end == line.len)
		return "the section has no closing `]`";
	struct slice name = slice_sub(line, 1, end);
	struct slice tail = slice_trim(slice_sub(line, end + 1, line.len));
	if (name.len > INI_SECTION_MAX)
		return "the section's name is longer than 48 bytes; domains do not belong there: "
		       "a tenant is a file";
	if (!is_key(name))
		return "a section's name is one plain word, as [tenant]";
	if (tail.len && tail.ptr[0] != ';' && tail.ptr[0] != '#')
		return "something stands behind the `]`; settings go on lines of their own";
	return NULL;
}

/* The key of `key = value` and `key += value`; false when the line is neither. */
static bool split(struct slice line, struct slice *key, struct slice *value)
{
	size_t equals = slice_find(line, '=');
	size_t end = equals && line.ptr[equals - 1] == '+' ? equals - 1 : equals;
	*key = slice_trim(slice_sub(line, 0, end));
	*value = slice_trim(slice_sub(line, equals + 1, line.len));
	return equals < line.len;
}

/* `#` begins a comment only at the start of a line: behind a value it would be taken for a part
 * of it without a word. */
static bool has_hash_comment(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] == '#' && (i == 0 || is_blank(value.ptr[i - 1])))
			return true;
		if (value.ptr[i] == ';' && (i == 0 || is_blank(value.ptr[i - 1])))
			return false;
	}
	return false;
}

static const char *bad_setting(struct slice line, char key_text[INI_LINE_MAX + 1])
{
	struct slice key, value;
	bool has_equals = split(line, &key, &value);
	if (!is_key(key))
		return has_equals ? "what stands before the `=` is not a key: one plain word"
				  : "neither a comment, a [section] nor `key = value`";
	memcpy(key_text, key.ptr, key.len);
	key_text[key.len] = '\0';
	if (!has_equals)
		return "there is no `=`: write `key = value`";
	if (has_hash_comment(value))
		return "a comment behind a value begins with ` ;`, not with `#`";
	if (value.len >= 2 && (value.ptr[0] == '"' || value.ptr[0] == '\'') &&
		value.ptr[value.len - 1] == value.ptr[0])
		return "values stand without quotes";
	return NULL;
}

/* inih tells of a section only together with a setting in it; an empty one is known here. */
static void take_heading(struct reader *r, struct slice line)
{
	struct settings *s = r->out;
	struct slice name = slice_sub(line, 1, slice_find(line, ']'));
	s->headings = mem_realloc(s->headings, (s->heading_count + 1) * sizeof *s->headings);
	s->headings[s->heading_count++] =
		(struct heading){.line = r->line, .name = mem_dup(name.ptr, name.len)};
}

/* True when the line may be shown to inih. */
static bool check_line(struct reader *r, struct slice line)
{
	char key[INI_LINE_MAX + 1] = "";
	const char *wrong = bad_bytes(line);
	bool setting = false;
	if (!wrong && slice_trim(line).len == 0)
		return false;
	if (!wrong && is_blank(line.ptr[0])) {
		wrong = "the line is indented; begin it at the left edge";
	} else if (!wrong && line.ptr[0] == '[') {
		wrong = bad_section(line);
		if (!wrong)
			take_heading(r, line);
	} else if (!wrong && line.ptr[0] != ';' && line.ptr[0] != '#') {
		wrong = bad_setting(line, key);
		setting = true;
	}
	if (wrong)
		fault_add(r->faults, here(r, key), "%s", wrong);
	else if (setting)
		r->checked++;
	return !wrong;
}

/* inih's fgets(). A line that is refused reaches it as an empty one, so that the rest is still
 * read and every fault is found. */
static char *next_line(char *out, int size, void *arg)
{
	struct reader *r = arg;
	if (r->rest.len == 0 || size < INI_LINE_MAX + 2)
		return NULL;
	size_t end = slice_find(r->rest, '\n');
	struct slice line = slice_sub(r->rest, 0, end);
	r->rest = slice_sub(r->rest, end + 1, r->rest.len);
	r->line++;
	if (line.len && line.ptr[line.len - 1] == '\r')
		line.len--;
	size_t len = check_line(r, line) ? line.len : 0;
	if (len)
		memcpy(out, line.ptr, len);
	out[len] = '\n';
	out[len + 1] = '\0';
	return out;
}

static int take(void *arg, const char *section, const char *name, const char *value)
{
	struct reader *r = arg;
	struct settings *s = r->out;
	if (s->count % 16 == 0)
		s->items = mem_realloc(s->items, (s->count + 16) * sizeof *s->items);
	struct slice key = slice_str(name);
	bool more = key.len && key.ptr[key.len - 1] == '+';
	key = slice_trim(slice_sub(key, 0, more ? key.len - 1 : key.len));
	s->items[s->count++] = (struct setting){.line = r->line,
		.more = more,
		.section = mem_strdup(section),
		.key = mem_dup(key.ptr, key.len),
		.value = mem_strdup(value)};
	return 1;
}

void inifile_read(struct slice text, const char *file, struct settings *out, struct faults *faults)
{
	*out = (struct settings){0};
	size_t faults_before = faults->count;
	struct reader r = {.rest = text, .file = file, .out = out, .faults = faults};
	if (text.len > INI_FILE_MAX) {
		fault_add(faults, here(&r, ""), "the file is larger than %d bytes", INI_FILE_MAX);
		out->broken = true;
		return;
	}
	/* Non-zero is the line where inih gave up; it goes on, so the whole file is refused. */
	int line = ini_parse_stream(next_line, &r, take, &r);
	r.line = line > 0 ? (unsigned)line : 0;
	if (line != 0 || out->count != r.checked)
		fault_add(faults, here(&r, ""), "the file cannot be read as INI");
	out->broken = faults->count > faults_before;
}

void settings_fini(struct settings *s)
{
	for (size_t i = 0; i < s->count; i++) {
		mem_free(s->items[i].section);
		mem_free(s->items[i].key);
		mem_free(s->items[i].value);
	}
	for (size_t i = 0; i < s->heading_count; i++)
		mem_free(s->headings[i].name);
	mem_free(s->headings);
	mem_free(s->items);
	*s = (struct settings){0};
}
