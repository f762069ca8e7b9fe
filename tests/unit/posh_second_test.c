/* fedgate's reader and judge of POSH documents against a second verifier in Python that was written
 * from RFC 7711 alone (tests/lib/posh_verifier.py), over the corpus of tests/lab/posh. Where both
 * may differ, the row names the rule by which ours refuses more: POSH-2, POSH-7, POSH-8, POSH-9. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/b64.h"
#include "trust/posh.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 8 << 20, CASES_WANTED = 900, EXPLAINED_WANTED = 100, COLUMNS = 7 };
enum column { NAME, LEAF, NOW, VERDICT, EXPIRES, RULE, DOCUMENT };

static void read_file(const char *name, struct buf *text)
{
	char path[256];
	snprintf(path, sizeof path, POSH_DIR "/%s", name);
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s: run make, which makes the corpus", path);
	size_t n = 1;
	buf_init(text, FILE_MAX);
	while (n) {
		n = fread(buf_reserve(text, 4096), 1, 4096, f);
		buf_commit(text, n);
	}
	fclose(f);
}

static long long number(struct slice s)
{
	char text[24] = {0};
	memcpy(text, s.ptr, s.len < sizeof text ? s.len : sizeof text - 1);
	return strtoll(text, NULL, 10);
}

static const char *judged(const struct posh_document *d, struct slice leaf, int64_t now)
{
	struct buf der;
	char file[64];
	int64_t not_after;
	snprintf(file, sizeof file, "leaf-%.*s.der", SLICE_ARG(leaf));
	read_file(file, &der);
	struct slice chain = buf_peek(&der);
	struct err e = posh_judge(d, &chain, 1, now, &not_after);
	buf_fini(&der);
	assert_true(err_is(e) ? not_after == 0 : not_after >= now);
	switch (e.code) {
	case ERR_OK:
		return "match";
	case ERR_POSH_MISMATCH:
		return "no-match";
	case ERR_CERT_EXPIRED:
	case ERR_CERT_NOT_YET:
		return "expired";
	default:
		return "bad-certificate";
	}
}

/* In the words of the second verifier. */
static const char *ours(const struct slice *field, uint32_t *expires)
{
	static struct posh_document d;
	struct buf text;
	struct posh_url url;
	buf_init(&text, FILE_MAX);
	bool read = slice_eq_str(field[DOCUMENT], "-") || b64_decode(field[DOCUMENT], &text);
	assert_true(read);
	struct err e = posh_parse(buf_peek(&text), &d);
	buf_fini(&text);
	*expires = d.expires_s;
	if (err_is(e))
		return "bad";
	if (d.kind == POSH_FINGERPRINTS)
		return judged(&d, field[LEAF], number(field[NOW]));
	return err_is(posh_url_parse(slice_str(d.url), NULL, &url)) ? "bad" : "reference";
}

static bool agree(const struct slice *field)
{
	uint32_t expires;
	bool explained = !slice_eq_str(field[RULE], "-");
	const char *said = ours(field, &expires);
	bool fine =
		explained ? strcmp(said, "bad") == 0
			  : slice_eq_str(field[VERDICT], said) &&
				    (strcmp(said, "bad") == 0 || expires == number(field[EXPIRES]));
	if (!fine)
		print_error("%.*s: ours %s %u, theirs %.*s %.*s, rule %.*s\n",
			SLICE_ARG(field[NAME]), said, expires, SLICE_ARG(field[VERDICT]),
			SLICE_ARG(field[EXPIRES]), SLICE_ARG(field[RULE]));
	return fine;
}

/* POSH-2, POSH-4, POSH-5, POSH-7, POSH-8, POSH-9; RFC 7711 3.1, 3.2, 3.3, 6 */
static void two_verifiers_agree_but_where_a_rule_of_ours_refuses_more(void **state)
{
	(void)state;
	struct buf text;
	size_t count = 0, explained = 0, failed = 0;
	read_file("cases.tsv", &text);
	struct slice rest = buf_peek(&text);
	while (rest.len) {
		struct slice line = slice_sub(rest, 0, slice_find(rest, '\n')), field[COLUMNS];
		rest = slice_sub(rest, line.len + 1, rest.len);
		for (size_t i = 0; i < COLUMNS; i++) {
			field[i] = slice_sub(line, 0, slice_find(line, '\t'));
			line = slice_sub(line, field[i].len + 1, line.len);
			assert_true(field[i].len);
		}
		failed += agree(field) ? 0 : 1;
		explained += slice_eq_str(field[RULE], "-") ? 0 : 1;
		count++;
	}
	buf_fini(&text);
	assert_int_equal(failed, 0);
	assert_true(count >= CASES_WANTED);
	assert_true(explained >= EXPLAINED_WANTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_verifiers_agree_but_where_a_rule_of_ours_refuses_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
