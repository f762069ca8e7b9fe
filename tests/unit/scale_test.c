/* Ten thousand tenants: read at start without a look into a certificate, written for the workers,
 * read by a worker, reloaded with one broken file. What counts is processor time, so that a busy
 * machine is no failure; the limits leave room for sanitizers. */
#include <stdint.h>

#include "config/site.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <time.h>

enum { MANY = 10000, BROKEN = 4321, LIMIT_MS = 2000 };

static int64_t cpu_ms(void)
{
	return (int64_t)clock() * 1000 / CLOCKS_PER_SEC;
}

static void make_many(void)
{
	for (int i = 0; i < MANY; i++) {
		char path[TREE_PATH_MAX], text[300];
		snprintf(path, sizeof path, "%s/tenants.d/t%05d.example.ini", site.tree.dir, i);
		int len = snprintf(text, sizeof text,
			"[tenant]\ndomain = t%05d.example\ndomains = conference.t%05d.example\n"
			"backend = 127.0.0.1:5280\n" SITE_TLS,
			i, i);
		int fd = open(path, O_WRONLY | O_CREAT, 0600);
		assert_int_equal(write(fd, text, (size_t)len), len);
		close(fd);
	}
}

/* As a worker does: every tenant from the supervisor's text. Returns how many were the same. */
static size_t read_as_a_worker(const struct buf *texts)
{
	size_t same = 0;
	for (size_t i = 0; i < registry_count(site.registry); i++) {
		struct faults f;
		faults_init(&f);
		struct tenant *t =
			load_tenant_text(buf_peek(&texts[i]), "bundle", "/", false, NULL, &f);
		same += t && t->version == registry_at(site.registry, i)->version;
		tenant_release(t);
		faults_fini(&f);
	}
	return same;
}

static void ten_thousand_tenants_start_and_reload_in_two_seconds_each(void **state)
{
	(void)state;
	static struct buf texts[MANY];
	make_many();
	int64_t begin = cpu_ms();
	site_reload();
	assert_int_equal(registry_count(site.registry), MANY);
	assert_int_equal(site.faults.count, 0);
	for (size_t i = 0; i < MANY; i++) {
		buf_init(&texts[i], BUF_UNLIMITED);
		tenant_write(registry_at(site.registry, i), &texts[i]);
	}
	int64_t loaded = cpu_ms();
	assert_int_equal(read_as_a_worker(texts), MANY);
	int64_t taken = cpu_ms();
	char domain[40];
	snprintf(domain, sizeof domain, "t%05d.example", BROKEN);
	struct tenant *broken = site_find(domain);
	site_tenant(domain, "[policy]\ninbound = trustd\n");
	site_reload();
	int64_t reloaded = cpu_ms();
	assert_int_equal(site.faults.count, 1);
	assert_int_equal(site.result.kept_old, 1);
	assert_int_equal(site.result.changed, 0);
	assert_ptr_equal(site_find(domain), broken);
	print_message("%d tenants: load and write %d ms, a worker %d ms, reload %d ms\n", MANY,
		(int)(loaded - begin), (int)(taken - loaded), (int)(reloaded - taken));
	assert_in_range(loaded - begin, 0, LIMIT_MS);
	assert_in_range(taken - loaded, 0, LIMIT_MS);
	assert_in_range(reloaded - taken, 0, LIMIT_MS);
	for (size_t i = 0; i < MANY; i++)
		buf_fini(&texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		site_test(ten_thousand_tenants_start_and_reload_in_two_seconds_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
