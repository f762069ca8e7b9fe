/* What the supervisor opens for whom: asked over a real channel, for every file and every role. */
#include "base/mem.h"
#include "core/channel.h"
#include "core/supervisor_inside.h"
#include "tenants/load.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { NO_TENANT = 0, TENANT = 1, COMBINED = 2, NOBODY = 77 };

static char dir[] = "/tmp/fedgate-crew.XXXXXX";
static struct supervisor boss;
static char paths[40][80];
static size_t path_count;

/* A file whose content is its name. */
static char *file_with(const char *name, const char *more)
{
	char *path = paths[path_count++];
	snprintf(path, sizeof paths[0], "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "%s%s", name, more);
	assert_int_equal(fclose(f), 0);
	return mem_strdup(path);
}

static struct tenant *add_tenant(struct registry *r, const char *domain)
{
	struct tenant *t = MEM_NEW(struct tenant), *taken = NULL;
	t->refs = 1;
	assert_false(err_is(domain_parse(slice_str(domain), &t->domain)));
	assert_true(registry_add(r, t, &taken));
	tenant_release(t);
	return t;
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	boss.gate = MEM_NEW(struct gate);
	boss.gate->ca_file = file_with("ca", "");
	boss.gate->web_ca_file = file_with("web-ca", "");
	boss.gate->publish_certificate = file_with("web", "");
	/* The web site's own key is the publisher's to have. */
	boss.gate->publish_key = file_with("web-key", "\n-----BEGIN PRIVATE KEY-----\n");
	boss.registry = registry_new();
	struct tenant *t = add_tenant(boss.registry, "shire.example");
	t->certificate = file_with("certificate", "\n-----BEGIN CERTIFICATE-----\n");
	t->key = file_with("key", "");
	t->certificate2 = file_with("certificate-2", "");
	t->key2 = file_with("key-2", "");
	t->ca_file = file_with("own-ca", "");
	t->next_certificate = file_with("next", "");
	t->next_key = file_with("next-key", "");
	t->previous_certificate = file_with("previous", "");
	struct tenant *c = add_tenant(boss.registry, "combined.example");
	c->certificate = file_with("combined", "\n-----BEGIN EC PRIVATE KEY-----\n");
	assert_int_equal(t->number, TENANT);
	assert_int_equal(c->number, COMBINED);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	registry_free(boss.registry);
	gate_free(boss.gate);
	while (path_count)
		unlink(paths[--path_count]);
	return rmdir(dir);
}

/* The name of the file that came, or "" with the errno that was told. */
static const char *open_for(enum member_role role, uint32_t tenant, uint32_t file, int *error)
{
	static char name[100];
	const struct wire question = {
		.type = WIRE_OPEN, .number = tenant, .file = file, .serial = 9};
	struct wire answer;
	struct wire_fds fds;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	struct member m = {.supervisor = &boss, .role = role, .channel = pair[0]};
	crew_answer_open(&m, &question);
	assert_int_equal(wire_receive(pair[1], &answer, &fds), WIRE_OK);
	assert_int_equal(answer.type, WIRE_OPENED);
	assert_int_equal(answer.serial, 9);
	assert_int_equal(fds.count, answer.error ? 0 : 1);
	*error = answer.error;
	ssize_t n = fds.count ? read(fds.fds[0], name, sizeof name - 1) : 0;
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
	wire_close_fds(&fds);
	close(pair[0]);
	close(pair[1]);
	return name;
}

static void each_role_gets_its_files_and_no_other(void **state)
{
	(void)state;
	static const struct {
		uint32_t tenant;
		enum channel_file file;
		const char *worker, *scout, *publisher; /* what they get; NULL: nothing */
	} rows[] = {
		{TENANT, CHANNEL_CERTIFICATE, "certificate", NULL, "certificate"},
		{TENANT, CHANNEL_KEY, "key", NULL, NULL},
		{TENANT, CHANNEL_CERTIFICATE_2, "certificate-2", NULL, "certificate-2"},
		{TENANT, CHANNEL_KEY_2, "key-2", NULL, NULL},
		{TENANT, CHANNEL_TENANT_CA, "own-ca", NULL, NULL},
		{TENANT, CHANNEL_NEXT_CERTIFICATE, NULL, NULL, "next"},
		{TENANT, CHANNEL_PREVIOUS_CERTIFICATE, NULL, NULL, "previous"},
		{NO_TENANT, CHANNEL_GATE_CA, "ca", NULL, NULL},
		{NO_TENANT, CHANNEL_WEB_CA, NULL, "web-ca", NULL},
		{NO_TENANT, CHANNEL_WEB_CERTIFICATE, NULL, NULL, "web"},
		{NO_TENANT, CHANNEL_WEB_KEY, NULL, NULL, "web-key"},
		{TENANT, CHANNEL_GATE_CA, NULL, NULL, NULL},
		{TENANT, CHANNEL_WEB_KEY, NULL, NULL, NULL},
		{NO_TENANT, CHANNEL_CERTIFICATE, NULL, NULL, NULL},
		{NOBODY, CHANNEL_CERTIFICATE, NULL, NULL, NULL},
		{COMBINED, CHANNEL_CERTIFICATE_2, NULL, NULL, NULL}, /* there is none */
		{TENANT, (enum channel_file)1000, NULL, NULL, NULL},
	};
	static const enum member_role roles[] = {
		MEMBER_WORKER, MEMBER_SCOUT, MEMBER_PUBLISHER, MEMBER_STEER};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *const expected[] = {
			rows[i].worker, rows[i].scout, rows[i].publisher, NULL};
		for (size_t j = 0; j < sizeof roles / sizeof *roles; j++) {
			int error;
			const char *got = open_for(roles[j], rows[i].tenant, rows[i].file, &error);
			assert_string_equal(got, expected[j] ? expected[j] : "");
			assert_int_equal(error, expected[j] ? 0 : ENOENT);
		}
	}
}

static void a_certificate_in_one_file_with_its_key_is_not_for_the_publisher(void **state)
{
	(void)state;
	int error;
	assert_string_equal(
		open_for(MEMBER_WORKER, COMBINED, CHANNEL_CERTIFICATE, &error), "combined");
	assert_string_equal(open_for(MEMBER_PUBLISHER, COMBINED, CHANNEL_CERTIFICATE, &error), "");
	assert_int_equal(error, EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_role_gets_its_files_and_no_other),
		cmocka_unit_test(a_certificate_in_one_file_with_its_key_is_not_for_the_publisher),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
