#include "base/err.h"

#include "tenants/config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* ST-14; RFC 6120 4.9.3, all of it */
static const char *const conditions[] = {"", "bad-format", "bad-namespace-prefix", "conflict",
	"connection-timeout", "host-gone", "host-unknown", "improper-addressing",
	"internal-server-error", "invalid-from", "invalid-namespace", "invalid-xml",
	"not-authorized", "not-well-formed", "policy-violation", "remote-connection-failed",
	"reset", "resource-constraint", "restricted-xml", "see-other-host", "system-shutdown",
	"undefined-condition", "unsupported-encoding", "unsupported-feature",
	"unsupported-stanza-type", "unsupported-version"};

static bool is_condition(const char *text)
{
	for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
		if (strcmp(conditions[i], text) == 0)
			return true;
	}
	return false;
}

static void the_peer_is_told_a_condition_of_rfc_6120_or_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_COUNT; i++) {
		const struct err_row *row = err_row((enum err_code)i);
		if (!is_condition(row->condition))
			fail_msg("%s: <%s/> is no stream error", row->symbol, row->condition);
	}
}

/* People search for them and other programs match them. */
static void ids_are_unique_and_of_one_form(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_COUNT; i++) {
		const char *id = err_row((enum err_code)i)->id;
		if (i == ERR_OK)
			assert_string_equal(id, "FG-000");
		else if (strlen(id) != 6 || memcmp(id, "FG-", 3) != 0 ||
			 !strchr("XSTCPDBMRKNZH", id[3]) || strspn(id + 4, "0123456789") != 2)
			fail_msg("%s is no id", id);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(id, err_row((enum err_code)k)->id);
	}
}

static void every_reason_has_one_plain_sentence(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_COUNT; i++) {
		const struct err_row *row = err_row((enum err_code)i);
		size_t len = strlen(row->sentence);
		assert_true(len >= 8 && len <= 120);
		assert_null(strpbrk(row->sentence, "\n\t\"\\%"));
		assert_true(row->sentence[len - 1] != '.');
		assert_true(memcmp(row->symbol, "ERR_", 4) == 0);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(row->sentence, err_row((enum err_code)k)->sentence);
	}
}

static void every_reason_but_no_error_names_who_must_act(void **state)
{
	(void)state;
	static const char *const names[] = {"nobody", "peer", "us", "operator", "tenant"};
	static const enum blame blames[] = {
		BLAME_NOBODY, BLAME_PEER, BLAME_US, BLAME_OPERATOR, BLAME_TENANT};
	for (size_t i = 0; i < sizeof blames / sizeof *blames; i++)
		assert_string_equal(blame_name(blames[i]), names[i]);
	for (int i = 0; i < ERR_COUNT; i++)
		assert_true(strlen(blame_name(err_row((enum err_code)i)->blame)) > 0);
	assert_int_equal(err_row(ERR_CERT_NAME)->blame, BLAME_PEER);
	assert_int_equal(err_row(ERR_INTERNAL)->blame, BLAME_US);
	assert_int_equal(err_row(ERR_CONFIG)->blame, BLAME_OPERATOR);
	assert_int_equal(err_row(ERR_KEY_MISMATCH)->blame, BLAME_TENANT);
}

/* ux: a message without a way out is half a message. */
static void every_reason_says_what_helps(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_COUNT; i++) {
		const char *fix = err_fix((enum err_code)i);
		size_t len = strlen(fix);
		if (len < 8 || len > 160 || fix[len - 1] != '.' ||
			!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", *fix))
			fail_msg("%s: what helps is not said: `%s`",
				err_row((enum err_code)i)->symbol, fix);
		assert_null(strpbrk(fix, "\n\t\"\\%"));
	}
	assert_ptr_equal(err_fix((enum err_code)ERR_COUNT), err_fix(ERR_INTERNAL));
}

static bool has_key(const struct config *c, const char *section, const char *key)
{
	for (size_t i = 0; i < c->count; i++) {
		if (strcmp(c->rows[i].section, section) == 0 && strcmp(c->rows[i].key, key) == 0)
			return true;
	}
	return false;
}

/* "[limits] stanza_bytes" is to be found in the configuration. */
static void the_keys_that_help_are_keys(void **state)
{
	(void)state;
	size_t seen = 0;
	for (int i = 0; i < ERR_COUNT; i++) {
		const char *fix = err_fix((enum err_code)i);
		while ((fix = strchr(fix, '['))) {
			char section[20] = "", key[40] = "";
			int n = sscanf(fix++, "[%19[a-z]] %39[a-z_]", section, key);
			if (n == 2 && !has_key(&gate_config, section, key) &&
				!has_key(&tenant_config, section, key))
				fail_msg("there is no [%s] %s", section, key);
			seen += n == 2;
		}
	}
	assert_true(seen >= 10);
}

static void a_reason_is_found_by_its_id(void **state)
{
	(void)state;
	enum err_code code;
	for (int i = 0; i < ERR_COUNT; i++) {
		assert_true(err_find(slice_str(err_row((enum err_code)i)->id), &code));
		assert_int_equal(code, i);
	}
	assert_true(err_find(SLICE_LIT("fg-c05"), &code));
	assert_int_equal(code, ERR_CERT_NAME);
	static const char *const none[] = {
		"", "FG-", "FG-C0", "FG-C055", "FG-C99", "C05", " FG-C05"};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_false(err_find(slice_str(none[i]), &code));
}

static void an_err_knows_whether_it_is_one(void **state)
{
	(void)state;
	assert_false(err_is(err_ok()));
	assert_true(err_is(err_make(ERR_XML)));
	struct err e = err_native(ERR_FILE, -13);
	assert_true(err_is(e) && e.code == ERR_FILE && e.native == -13);
	assert_string_equal(err_row(ERR_FILE)->symbol, "ERR_FILE");
	assert_ptr_equal(err_row((enum err_code)ERR_COUNT), err_row(ERR_INTERNAL));
	assert_ptr_equal(err_row((enum err_code) - 1), err_row(ERR_INTERNAL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_peer_is_told_a_condition_of_rfc_6120_or_nothing),
		cmocka_unit_test(ids_are_unique_and_of_one_form),
		cmocka_unit_test(every_reason_has_one_plain_sentence),
		cmocka_unit_test(every_reason_but_no_error_names_who_must_act),
		cmocka_unit_test(every_reason_says_what_helps),
		cmocka_unit_test(the_keys_that_help_are_keys),
		cmocka_unit_test(a_reason_is_found_by_its_id),
		cmocka_unit_test(an_err_knows_whether_it_is_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
