/* What is remembered of a rollover between two calls, what time it is, and how the daemon is told.
 */
#include "cmd/rotate_inside.h"

#include "base/b64.h"
#include "core/store.h"
#include "tenants/load.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { VERSION = 1, STATE_MAX = 4096, PROC_MAX = 1 << 20, HEX_LEN = 2 * ROLLOVER_PRINT };

#define STATE_FILE "rollover.json"

static const char *const stages[] = {"idle", "staged", "switched", NULL};

/* ---- text ---- */

static void put_hex(json_t *o, const char *key, const unsigned char *print)
{
	char hex[HEX_LEN + 1];
	hex_encode(print, ROLLOVER_PRINT, hex);
	json_object_set_new(o, key, json_string(hex));
}

void rotate_state_write(const struct rollover *r, struct buf *out)
{
	char boot[20];
	snprintf(boot, sizeof boot, "%016llx", (unsigned long long)r->last.boot);
	json_t *o = json_pack("{si ss sb sI sI sb sI sI ss}", "version", VERSION, "stage",
		stages[r->stage], "seen", (int)r->seen, "counted_s", (json_int_t)r->counted_s,
		"longest_s", (json_int_t)r->longest_s, "told", (int)r->told, "last_wall_s",
		(json_int_t)r->last.wall_s, "last_boot_s", (json_int_t)r->last.boot_s, "last_boot",
		boot);
	put_hex(o, "from", r->from);
	put_hex(o, "to", r->to);
	char *text = json_dumps(o, JSON_INDENT(1));
	(void)buf_append_str(out, text);
	(void)buf_append_str(out, "\n");
	free(text);
	json_decref(o);
}

static bool get_hex(const json_t *o, const char *key, unsigned char out[ROLLOVER_PRINT])
{
	const char *hex = json_string_value(json_object_get(o, key));
	if (!hex || strlen(hex) != HEX_LEN || strspn(hex, "0123456789abcdef") != HEX_LEN)
		return false;
	for (size_t i = 0; i < ROLLOVER_PRINT; i++) {
		const char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
		out[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
	return true;
}

static bool get_stage(const json_t *o, enum rollover_stage *out)
{
	const char *name = json_string_value(json_object_get(o, "stage"));
	for (int i = 0; name && stages[i]; i++) {
		if (strcmp(stages[i], name) == 0) {
			*out = (enum rollover_stage)i;
			return true;
		}
	}
	return false;
}

static bool get_number(const json_t *o, const char *key, int64_t most, int64_t *out)
{
	const json_t *v = json_object_get(o, key);
	*out = json_integer_value(v);
	return json_is_integer(v) && *out >= 0 && *out <= most;
}

static bool read_state(const json_t *o, struct rollover *r)
{
	int64_t longest;
	const char *boot = json_string_value(json_object_get(o, "last_boot"));
	bool fine = get_stage(o, &r->stage) && get_hex(o, "from", r->from) &&
		    get_hex(o, "to", r->to) &&
		    get_number(o, "counted_s", INT64_MAX / 4, &r->counted_s) &&
		    get_number(o, "longest_s", UINT32_MAX, &longest) &&
		    get_number(o, "last_wall_s", INT64_MAX / 4, &r->last.wall_s) &&
		    get_number(o, "last_boot_s", INT64_MAX / 4, &r->last.boot_s) && boot;
	if (!fine)
		return false;
	r->longest_s = (uint32_t)longest;
	r->seen = json_is_true(json_object_get(o, "seen"));
	r->told = json_is_true(json_object_get(o, "told"));
	r->last.boot = strtoull(boot, NULL, 16);
	return true;
}

enum rotate_read rotate_state_parse(struct slice text, struct rollover *out)
{
	json_error_t unused;
	struct rollover r = {.stage = ROLLOVER_IDLE};
	json_t *o = json_loadb(text.len ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &unused);
	json_int_t version = json_integer_value(json_object_get(o, "version"));
	bool fine = version == VERSION && read_state(o, &r);
	json_decref(o);
	*out = fine ? r : (struct rollover){.stage = ROLLOVER_IDLE};
	return fine ? ROTATE_READ : version > VERSION ? ROTATE_NEWER : ROTATE_UNREADABLE;
}

/* ---- file ---- */

static bool path_of(const char *directory, char *out, size_t size)
{
	int n = snprintf(out, size, "%s/" STATE_FILE, directory);
	return n > 0 && (size_t)n < size;
}

enum rotate_read rotate_state_load(const char *directory, struct rollover *out)
{
	char path[4096];
	struct buf text;
	struct file_id id;
	enum rotate_read found = ROTATE_UNREADABLE;
	*out = (struct rollover){.stage = ROLLOVER_IDLE};
	buf_init(&text, STATE_MAX);
	if (path_of(directory, path, sizeof path) &&
		!err_is(file_read(path, STATE_MAX, &text, &id)))
		found = rotate_state_parse(buf_peek(&text), out);
	buf_fini(&text);
	return found;
}

const char *rotate_state_save(const char *directory, const struct rollover *r)
{
	struct buf text;
	buf_init(&text, STATE_MAX);
	rotate_state_write(r, &text);
	const char *why = store_write(directory, STATE_FILE, buf_peek(&text));
	buf_fini(&text);
	return why;
}

/* ---- time ---- */

static uint64_t this_boot(void)
{
	char id[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
	if (!f || !fgets(id, sizeof id, f))
		*id = '\0';
	if (f)
		fclose(f);
	/* The first half of a random number is random enough. */
	return strtoull(id, NULL, 16) << 16 | strtoull(*id ? id + 9 : id, NULL, 16);
}

struct rollover_clock rotate_clock(void)
{
	struct timespec t = {0};
	struct rollover_clock c = {.wall_s = (int64_t)time(NULL)};
	if (clock_gettime(CLOCK_BOOTTIME, &t) == 0) {
		c.boot_s = (int64_t)t.tv_sec;
		c.boot = this_boot();
	}
	return c;
}

/* ---- the daemon ---- */

/* A line of /proc/locks: "1: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE ...". */
static pid_t holder_of(const struct stat *st)
{
	char line[256];
	pid_t found = 0;
	FILE *f = fopen("/proc/locks", "r");
	while (f && !found && fgets(line, sizeof line, f)) {
		long pid;
		unsigned major, minor;
		unsigned long long inode;
		if (sscanf(line, "%*s FLOCK %*s WRITE %ld %x:%x:%llu", &pid, &major, &minor,
			    &inode) == 4 &&
			inode == st->st_ino && pid > 1)
			found = (pid_t)pid;
	}
	if (f)
		fclose(f);
	return found;
}

/* Another file system may have the same inode: it must be a `fedgate serve`. */
static bool serves(pid_t pid)
{
	char path[40], words[4096];
	snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)pid);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(words, 1, sizeof words - 1, f) : 0;
	if (f)
		fclose(f);
	words[n] = '\0';
	return n > 0 && strlen(words) + 1 < n && strcmp(words + strlen(words) + 1, "serve") == 0;
}

int rotate_reload(const struct gate *gate)
{
	struct stat st;
	pid_t pid = stat(gate->tenants_dir, &st) == 0 ? holder_of(&st) : 0;
	if (!pid || !serves(pid))
		return 0;
	return kill(pid, SIGHUP) == 0 ? 1 : -1;
}
