#define _GNU_SOURCE /* flock, O_DIRECTORY */
/* The gate's own certificates on the disk: whole at any moment, whatever is interrupted (F05).
 *
 * The system calls that change something are wrapped: a child dies before the nth of them, and what
 * it leaves behind is looked at and gone on with. */
#include "base/mem.h"
#include "core/store.h"
#include "tenants/load.h"
#include "trust/cert.h"
#include "trust/keymatch.h"
#include "trust/pem.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { DIED = 77, PRINT = 32, STEPS_MAX = 400, TIMES = 6 };

#define NOW 1800000000

/* ---- dying at a step ---- */

static unsigned step, die_at; /* 0: never */

static void next_step(void)
{
	if (++step == die_at)
		_exit(DIED);
}

/* What a power failure could take back. */
static bool unsynced_bytes, unsynced_name;

#define WRAP(type, name, args, values)                                                             \
	type __real_##name args;                                                                   \
	type __wrap_##name args;                                                                   \
	type __wrap_##name args                                                                    \
	{                                                                                          \
		next_step();                                                                       \
		return __real_##name values;                                                       \
	}

WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode))
WRAP(int, symlinkat, (const char *target, int at, const char *path), (target, at, path))
WRAP(int, unlinkat, (int at, const char *path, int flags), (at, path, flags))

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
	next_step();
	unsynced_bytes = true;
	return __real_write(fd, bytes, len);
}

/* A name must not get on the disk before what it stands for. */
int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to)
{
	next_step();
	assert_false(unsynced_bytes || unsynced_name);
	unsynced_name = true;
	return __real_renameat(a, from, b, to);
}

/* Who only dies needs no disk to be flushed. */
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	(void)fd;
	next_step();
	unsynced_bytes = unsynced_name = false;
	return 0;
}

/* ---- looking ---- */

static char base[64], dir[128];

static const char *at(const char *name)
{
	static char path[400];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static bool is_there(const char *name)
{
	struct stat st;
	return stat(at(name), &st) == 0;
}

static void read_whole(const char *name, struct buf *out)
{
	struct file_id id;
	buf_init(out, BUF_UNLIMITED);
	assert_false(err_is(file_read(at(name), 1 << 16, out, &id)));
}

/* A certificate that is there is whole, and so is its key, and they belong together. */
static void look(const char *slot, bool with_key, unsigned char print[PRINT])
{
	char name[40];
	struct buf text, der, key;
	struct slice rest, label;
	struct err e;
	struct cert_facts facts;
	snprintf(name, sizeof name, "%s.pem", slot);
	memset(print, 0, PRINT);
	if (!is_there(name)) {
		snprintf(name, sizeof name, "%s.key", slot);
		assert_false(is_there(name));
		return;
	}
	read_whole(name, &text);
	rest = buf_peek(&text);
	buf_init(&der, BUF_UNLIMITED);
	assert_true(pem_next(&rest, &label, &der, &e));
	assert_false(err_is(cert_read(buf_peek(&der), &facts)));
	memcpy(print, facts.sha256, PRINT);
	if (with_key) {
		snprintf(name, sizeof name, "%s.key", slot);
		read_whole(name, &key);
		assert_false(err_is(key_matches(buf_peek(&key), facts.spki_sha256, false)));
		buf_fini(&key);
	}
	buf_fini(&text);
	buf_fini(&der);
}

struct seen {
	unsigned char current[PRINT], next[PRINT], previous[PRINT];
};

static struct seen look_around(void)
{
	struct seen s;
	look("current", true, s.current);
	look("next", true, s.next);
	look("previous", false, s.previous);
	return s;
}

static bool same(const unsigned char a[PRINT], const unsigned char b[PRINT])
{
	return memcmp(a, b, PRINT) == 0;
}

static bool none(const unsigned char a[PRINT])
{
	static const unsigned char zero[PRINT];
	return same(a, zero);
}

static size_t entries(void)
{
	size_t n = 0;
	DIR *d = opendir(dir);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* ---- the test's directory ---- */

static int set_up(void **state)
{
	(void)state;
	snprintf(base, sizeof base, "/tmp/fedgate-store-XXXXXX");
	if (!mkdtemp(base))
		return -1;
	snprintf(dir, sizeof dir, "%s/state/tenants/shire.example", base);
	step = die_at = 0;
	return 0;
}

static int tear_down(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", base);
	return system(command);
}

static struct domain name;

static struct makecert_wish wish(void)
{
	static const struct domain *const names[] = {&name};
	(void)domain_parse(slice_str("shire.example"), &name);
	return (struct makecert_wish){.names = names, .count = 1, .now = NOW};
}

/* ---- tests ---- */

/* F05, K05: no one else may read a key, nor put another one there. */
static void what_is_made_is_for_us_alone(void **state)
{
	(void)state;
	struct stat st;
	const struct makecert_wish w = wish();
	static const struct {
		const char *name;
		unsigned mode;
	} rows[] = {{"current.key", 0600}, {"current.pem", 0600}, {".", 0700}, {"current", 0700},
		{"..", 0700}, {"../..", 0700}};
	assert_int_equal(chmod(base, 0777), 0);
	mode_t old = umask(0);
	assert_null(store_make(dir, &w));
	umask(old);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(stat(at(rows[i].name), &st), 0);
		assert_int_equal(st.st_mode & 07777, rows[i].mode);
		assert_int_equal(st.st_uid, geteuid());
	}
}

/* POSH-12: nothing of the customer's is there, only what the gate made. */
static void a_directory_holds_what_the_gate_made_and_nothing_else(void **state)
{
	(void)state;
	const struct makecert_wish w = wish();
	assert_null(store_make(dir, &w));
	/* One pair, the link to it, five links through the links. */
	assert_int_equal(entries(), 7);
	assert_true(is_there("1/certificate.pem") && is_there("1/key.pem"));
}

static void a_rollover_changes_certificate_and_key_together(void **state)
{
	(void)state;
	const struct makecert_wish w = wish();
	assert_null(store_make(dir, &w));
	struct seen first = look_around();
	assert_true(!none(first.current) && none(first.next) && none(first.previous));
	assert_null(store_make(dir, &w));
	assert_null(store_switch(dir)); /* there is nothing to switch to */
	struct seen s = look_around();
	assert_true(same(s.current, first.current));
	assert_null(store_stage(dir, &w));
	struct seen staged = look_around();
	assert_true(same(staged.current, first.current) && !none(staged.next));
	assert_null(store_stage(dir, &w));
	s = look_around();
	assert_true(same(s.next, staged.next));
	assert_null(store_switch(dir));
	s = look_around();
	assert_true(same(s.current, staged.next) && none(s.next));
	assert_true(same(s.previous, first.current));
	assert_null(store_switch(dir));
	assert_null(store_retire(dir));
	s = look_around();
	assert_true(same(s.current, staged.next) && none(s.next) && none(s.previous));
	assert_int_equal(entries(), 7);
	assert_false(is_there("1"));
}

static void what_lies_elsewhere_is_not_taken_over(void **state)
{
	(void)state;
	const struct makecert_wish w = wish();
	assert_non_null(store_stage(dir, &w)); /* nothing was made yet */
	assert_non_null(store_switch(dir));
	assert_null(store_make(dir, &w));
	assert_int_equal(chmod(dir, 0770), 0);
	assert_non_null(strstr(store_stage(dir, &w), "somebody else may write"));
	assert_int_equal(chmod(dir, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(dir, 12345, (gid_t)-1), 0);
		assert_non_null(strstr(store_stage(dir, &w), "somebody else may write"));
		assert_int_equal(chown(dir, 0, (gid_t)-1), 0);
	}
	assert_int_equal(rename(dir, at("../moved")), 0);
	assert_int_equal(symlink("moved", dir), 0);
	assert_non_null(store_stage(dir, &w));
}

/* What is made once stays: a clock that was not set yet must not decide for how long it holds. */
static void by_a_clock_that_cannot_be_right_nothing_is_made(void **state)
{
	(void)state;
	static const struct {
		int64_t now;
		bool made;
	} rows[] = {{0, false}, {1767225599, false}, {1767225600, true}};
	struct makecert_wish w = wish();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		w.now = rows[i].now;
		const char *why = store_make(dir, &w);
		assert_int_equal(why == NULL, rows[i].made);
		if (why)
			assert_non_null(strstr(why, "the clock is wrong"));
		assert_int_equal(is_there("current.pem"), rows[i].made);
	}
	/* What is there serves, whatever the clock says. */
	w.now = 0;
	struct seen before = look_around();
	assert_null(store_make(dir, &w));
	assert_true(same(look_around().current, before.current));
	assert_non_null(store_stage(dir, &w));
}

/* A key that went away is a person's business: a new one would contradict what is published. */
static void a_pair_that_is_damaged_is_not_replaced_in_silence(void **state)
{
	(void)state;
	const struct makecert_wish w = wish();
	assert_null(store_make(dir, &w));
	assert_int_equal(unlink(at("1/key.pem")), 0);
	assert_null(store_make(dir, &w));
	assert_false(is_there("current.key"));
}

static void run_all(void)
{
	const struct makecert_wish w = wish();
	if (store_make(dir, &w) || store_stage(dir, &w) || store_switch(dir) || store_retire(dir) ||
		store_write(dir, "note", SLICE_LIT("all of it")))
		_exit(1);
	_exit(0);
}

static void check_note(void)
{
	struct buf text;
	if (!is_there("note"))
		return;
	read_whole("note", &text);
	assert_string_equal(buf_cstr(&text), "all of it");
	buf_fini(&text);
}

static void go_on(void)
{
	const struct makecert_wish w = wish();
	struct seen before = look_around();
	assert_null(store_make(dir, &w));
	struct seen s = look_around();
	assert_true(none(before.current) ? !none(s.current) : same(s.current, before.current));
	assert_null(store_stage(dir, &w));
	s = look_around();
	assert_true(none(before.next) ? !none(s.next) : same(s.next, before.next));
	assert_null(store_switch(dir));
	struct seen after = look_around();
	assert_true(same(after.current, s.next) && none(after.next));
	assert_false(same(after.previous, after.current) || none(after.previous));
	assert_null(store_retire(dir));
	assert_null(store_write(dir, "note", SLICE_LIT("all of it")));
	assert_false(unsynced_bytes || unsynced_name);
	after = look_around();
	assert_true(same(after.current, s.next) && none(after.previous));
	check_note();
	assert_int_equal(entries(), 8);
}

/* F05 */
static void whatever_step_it_dies_at_nothing_is_half_and_it_goes_on(void **state)
{
	unsigned deaths = 0;
	for (unsigned n = 1; n < STEPS_MAX; n++) {
		int status;
		assert_int_equal(set_up(state), 0);
		pid_t pid = fork();
		if (pid == 0) {
			die_at = n;
			run_all();
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		bool died = WEXITSTATUS(status) == DIED;
		deaths += died;
		check_note();
		if (died)
			go_on();
		assert_int_equal(tear_down(state), 0);
		if (!died) {
			assert_int_equal(WEXITSTATUS(status), 0);
			break;
		}
	}
	assert_true(deaths > 30 && deaths < STEPS_MAX - 1);
}

/* A reload and a start of `fedgate rotate` at the same moment make one pair. */
static void two_at_once_make_one(void **state)
{
	(void)state;
	for (int i = 0; i < TIMES; i++) {
		int status, failed = 0;
		const struct makecert_wish w = wish();
		if (fork() == 0)
			_exit(store_make(dir, &w) != NULL);
		assert_null(store_make(dir, &w));
		struct seen here = look_around();
		assert_true(wait(&status) > 0);
		failed |= status;
		struct seen after = look_around();
		assert_int_equal(failed, 0);
		assert_true(same(here.current, after.current));
		assert_int_equal(entries(), 7);
		assert_int_equal(tear_down(state), 0);
		assert_int_equal(set_up(state), 0);
	}
}

static void who_changes_it_waits_until_another_is_done(void **state)
{
	(void)state;
	const struct makecert_wish w = wish();
	int ready[2];
	char c;
	assert_null(store_make(dir, &w));
	assert_int_equal(pipe(ready), 0);
	if (fork() == 0) {
		int fd = open(dir, O_RDONLY | O_DIRECTORY);
		const struct timespec a_moment = {.tv_nsec = 200000000};
		if (fd < 0 || flock(fd, LOCK_EX) != 0 || __real_write(ready[1], "", 1) != 1)
			_exit(1);
		nanosleep(&a_moment, NULL);
		_exit(symlink("x", at("done")) != 0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_null(store_stage(dir, &w));
	struct stat st;
	assert_int_equal(lstat(at("done"), &st), 0);
	int status;
	assert_true(wait(&status) > 0);
	assert_int_equal(status, 0);
	close(ready[0]);
	close(ready[1]);
}

#define store_case(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_case(what_is_made_is_for_us_alone),
		store_case(a_directory_holds_what_the_gate_made_and_nothing_else),
		store_case(a_rollover_changes_certificate_and_key_together),
		store_case(what_lies_elsewhere_is_not_taken_over),
		store_case(by_a_clock_that_cannot_be_right_nothing_is_made),
		store_case(a_pair_that_is_damaged_is_not_replaced_in_silence),
		cmocka_unit_test(whatever_step_it_dies_at_nothing_is_half_and_it_goes_on),
		store_case(two_at_once_make_one),
		store_case(who_changes_it_waits_until_another_is_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
