#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "trust/dbkey.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ID "D60000229F"

static const struct dbkey_secret secret = {"one secret of thirty-two bytes.."};
static const struct dbkey_secret other_secret = {"one secret of thirty-two bytes.,"};

static struct domain domain_of(const char *text)
{
	struct domain d;
	if (err_is(domain_parse(slice_str(text), &d)))
		fail_msg("%s is no domain", text);
	return d;
}

/* DB-5: the vectors of XEP-0220 and XEP-0185 */
static void the_published_keys_of_xep_0185_come_out(void **state)
{
	(void)state;
	static const struct {
		struct slice secret, to, from, id;
		const char *want;
	} rows[] = {
		{SLICE_LIT("s3cr3tf0rd14lb4ck"), SLICE_LIT("montague.example"),
			SLICE_LIT("capulet.example"), SLICE_LIT("D60000229F"),
			"b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"},
		{SLICE_LIT("d14lb4ck43v3r"), SLICE_LIT("capulet.example"),
			SLICE_LIT("montague.example"), SLICE_LIT("417GAF25"),
			"225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char key[DBKEY_TEXT_LEN + 1];
		dbkey_xep0185(rows[i].secret, rows[i].to, rows[i].from, rows[i].id, key);
		assert_string_equal(key, rows[i].want);
	}
}

static void make(const struct dbkey_secret *s, enum dbkey_label label, const char *to,
	const char *from, const char *id, char out[DBKEY_TEXT_LEN + 1])
{
	struct domain t = domain_of(to), f = domain_of(from);
	dbkey_make(s, label, &t, &f, slice_str(id), out);
}

/* DB-6; the expected text was computed by another program (Python's hmac) */
static void our_key_is_an_hmac_over_label_and_length_prefixed_fields(void **state)
{
	(void)state;
	char out[DBKEY_TEXT_LEN + 1], in[DBKEY_TEXT_LEN + 1];
	make(&secret, DBKEY_OUT, "montague.example", "capulet.example", ID, out);
	make(&secret, DBKEY_IN, "montague.example", "capulet.example", ID, in);
	assert_string_equal(
		out, "f5abea5cf3c42ec603ec65f691493a9e45df0c583784a6ff3ddd700d29515523");
	assert_string_equal(in, "913b89d19d07945dfced1f9a3dedcd2ef8a87c1eed507672c6a332d1e7f00e37");
}

struct claim {
	const struct dbkey_secret *secret;
	enum dbkey_label label;
	const char *to, *from, *id;
	bool valid;
};

/* B04, DB-6, BE-12: a key for one thing is no key for another */
static void a_key_is_valid_for_what_it_was_made_for_and_nothing_else(void **state)
{
	(void)state;
	static const struct claim claims[] = {
		{&secret, DBKEY_OUT, "montague.example", "capulet.example", ID, true},
		{&secret, DBKEY_OUT, "MONTAGUE.example.", "Capulet.Example", ID, true},
		{&other_secret, DBKEY_OUT, "montague.example", "capulet.example", ID, false},
		{&secret, DBKEY_IN, "montague.example", "capulet.example", ID, false},
		{&secret, DBKEY_OUT, "capulet.example", "montague.example", ID, false},
		{&secret, DBKEY_OUT, "montagu.example", "capulet.example", ID, false},
		{&secret, DBKEY_OUT, "montague.example", "capulets.example", ID, false},
		{&secret, DBKEY_OUT, "montague.example", "capulet.example", "D60000229f", false},
		{&secret, DBKEY_OUT, "montague.example", "capulet.example", ID "0", false},
		{&secret, DBKEY_OUT, "montague.example", "capulet.example", "", false},
	};
	char key[DBKEY_TEXT_LEN + 1];
	make(&secret, DBKEY_OUT, "montague.example", "capulet.example", ID, key);
	for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
		const struct claim *c = &claims[i];
		struct domain to = domain_of(c->to), from = domain_of(c->from);
		assert_int_equal(dbkey_check(c->secret, c->label, &to, &from, slice_str(c->id),
					 slice_str(key)),
			c->valid);
	}
}

/* CVE-2016-0756: the fields were joined by spaces. DB-6 */
static void bytes_cannot_move_from_one_field_to_the_next(void **state)
{
	(void)state;
	static const char *const splits[][3] = {
		{"a.example", "b.example", "c"},
		{"a.exampleb", "example", "c"},
		{"a.example", "b", "example c"},
		{"a.example", "b.examplec", ""},
		{"a.exampleb.examplec", "x", ""},
		{"a.example", "b.example", " c"},
	};
	enum { SPLITS = sizeof splits / sizeof *splits };
	char keys[SPLITS][DBKEY_TEXT_LEN + 1];
	for (size_t i = 0; i < SPLITS; i++) {
		make(&secret, DBKEY_OUT, splits[i][0], splits[i][1], splits[i][2], keys[i]);
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(keys[i], keys[k]);
	}
}

/* DB-7: the key is opaque text, nothing is trimmed or folded */
static void only_the_exact_text_is_the_key(void **state)
{
	(void)state;
	char key[DBKEY_TEXT_LEN + 1], changed[DBKEY_TEXT_LEN + 3];
	struct domain to = domain_of("montague.example"), from = domain_of("capulet.example");
	dbkey_make(&secret, DBKEY_OUT, &to, &from, SLICE_LIT(ID), key);
	assert_int_equal(strspn(key, "0123456789abcdef"), DBKEY_TEXT_LEN);
	for (size_t i = 0; i < DBKEY_TEXT_LEN; i++) {
		memcpy(changed, key, sizeof key);
		changed[i] ^= 1;
		assert_false(dbkey_check(&secret, DBKEY_OUT, &to, &from, SLICE_LIT(ID),
			slice_of(changed, DBKEY_TEXT_LEN)));
		assert_false(dbkey_check(
			&secret, DBKEY_OUT, &to, &from, SLICE_LIT(ID), slice_of(key, i)));
	}
	memcpy(changed + 1, key, sizeof key);
	changed[0] = changed[DBKEY_TEXT_LEN + 1] = ' ';
	for (size_t start = 0; start < 2; start++)
		assert_false(dbkey_check(&secret, DBKEY_OUT, &to, &from, SLICE_LIT(ID),
			slice_of(changed + start, DBKEY_TEXT_LEN + 1)));
}

enum { FAULTED = 42, RETURNED = 43 };

static void on_fault(int signal)
{
	(void)signal;
	_exit(FAULTED);
}

/* In a child: checks a key whose second half nobody may read. */
static int check_half_readable(const struct domain *to, const struct domain *from, char *key)
{
	pid_t child = fork();
	if (child == 0) {
		signal(SIGSEGV, on_fault);
		signal(SIGBUS, on_fault);
		(void)dbkey_check(
			&secret, DBKEY_OUT, to, from, SLICE_LIT(ID), slice_of(key, DBKEY_TEXT_LEN));
		_exit(RETURNED);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* B05, DB-7, CVE-2021-32921. Clocks lie on busy machines; a page that must not be read does not:
 * who stops at the first byte that differs never touches it. */
static void a_key_is_read_to_its_end_however_early_it_differs(void **state)
{
	(void)state;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(pages != MAP_FAILED);
	char *key = pages + page - DBKEY_TEXT_LEN / 2;
	struct domain to = domain_of("montague.example"), from = domain_of("capulet.example");
	memset(key, '#', DBKEY_TEXT_LEN);
	assert_int_equal(check_half_readable(&to, &from, key), RETURNED);
	assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
	assert_int_equal(check_half_readable(&to, &from, key), FAULTED);
	assert_int_equal(munmap(pages, 2 * page), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_keys_of_xep_0185_come_out),
		cmocka_unit_test(our_key_is_an_hmac_over_label_and_length_prefixed_fields),
		cmocka_unit_test(a_key_is_valid_for_what_it_was_made_for_and_nothing_else),
		cmocka_unit_test(bytes_cannot_move_from_one_field_to_the_next),
		cmocka_unit_test(only_the_exact_text_is_the_key),
		cmocka_unit_test(a_key_is_read_to_its_end_however_early_it_differs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
