/* The node's dialback secret: made when it is missing, and nobody else's. */
#include "core/secret.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/fedgate-secret.XXXXXX", path[64];

static int set_up(void **state)
{
	(void)state;
	memset(dir + strlen(dir) - 6, 'X', 6);
	snprintf(path, sizeof path, "%s/secret", mkdtemp(dir));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void it_is_made_once_and_read_the_same_again(void **state)
{
	struct secrets first, again;
	const char *why = NULL;
	struct stat st;
	(void)state;
	assert_true(secrets_load(path, &first, &why));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(secrets_load(path, &again, &why));
	assert_memory_equal(&first.now, &again.now, sizeof first.now);
	assert_false(again.has_previous);
}

static void what_others_may_read_is_no_secret(void **state)
{
	struct secrets s;
	const char *why = NULL;
	(void)state;
	assert_true(secrets_load(path, &s, &why));
	assert_int_equal(chmod(path, 0640), 0);
	assert_false(secrets_load(path, &s, &why));
	assert_non_null(strstr(why, "chmod 600"));
}

/* Whoever owns the file knows what stands in it, and can speak for every tenant. */
static void what_another_user_owns_is_no_secret(void **state)
{
	struct secrets s;
	const char *why = NULL;
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(secrets_load(path, &s, &why));
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_false(secrets_load(path, &s, &why));
	assert_non_null(strstr(why, "another user"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			it_is_made_once_and_read_the_same_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_others_may_read_is_no_secret, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_another_user_owns_is_no_secret, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
