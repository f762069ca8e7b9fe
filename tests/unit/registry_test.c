/* All tenants, found by any of their domains. */
#include "tenants/load.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct tenant *tenant_new(const char *domain, const char *further)
{
	char text[500];
	struct faults f;
	faults_init(&f);
	snprintf(text, sizeof text,
		"[tenant]\ndomain = %s\ndomains = %s\nbackend = 127.0.0.1:5280\n"
		"[tls]\ncertificate = a\nkey = b\n",
		domain, further);
	struct tenant *t = load_tenant_text(slice_str(text), "x.ini", "/", false, NULL, &f);
	assert_non_null(t);
	return t;
}

static struct tenant *find(const struct registry *r, const char *name)
{
	struct domain d;
	assert_false(err_is(domain_parse(slice_str(name), &d)));
	return registry_find(r, &d);
}

static struct tenant *add(struct registry *r, const char *domain, const char *further)
{
	struct tenant *taken_by, *t = tenant_new(domain, further);
	assert_true(registry_add(r, t, &taken_by));
	assert_null(taken_by);
	tenant_release(t); /* the registry has its own reference */
	return t;
}

static void a_tenant_is_found_by_all_its_domains_and_no_other(void **state)
{
	(void)state;
	struct registry *r = registry_new();
	struct tenant *shire =
		add(r, "shire.example", "conference.shire.example m\xc3\xbcnchen.example");
	struct tenant *bree = add(r, "bree.example", "");
	assert_ptr_equal(find(r, "shire.example"), shire);
	assert_ptr_equal(find(r, "conference.shire.example"), shire);
	assert_ptr_equal(find(r, "xn--mnchen-3ya.example"), shire);
	assert_ptr_equal(find(r, "BREE.example."), bree);
	assert_null(find(r, "muc.shire.example")); /* M15: nothing stands for its subdomains */
	assert_null(find(r, "example"));
	assert_int_equal(registry_count(r), 2);
	assert_ptr_equal(registry_at(r, 0), shire);
	assert_ptr_equal(registry_at(r, 1), bree);
	registry_free(r);
}

static void a_domain_that_is_taken_adds_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *domain, *further;
	} rows[] = {
		{"shire.example", ""},
		{"conference.shire.example", ""},
		{"bree.example", "shire.example"},
		{"bree.example", "a.example conference.shire.example"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct registry *r = registry_new();
		struct tenant *shire = add(r, "shire.example", "conference.shire.example");
		struct tenant *taken_by, *t = tenant_new(rows[i].domain, rows[i].further);
		assert_false(registry_add(r, t, &taken_by));
		assert_ptr_equal(taken_by, shire);
		assert_int_equal(t->refs, 1);
		assert_int_equal(registry_count(r), 1);
		assert_null(find(r, "bree.example"));
		assert_null(find(r, "a.example"));
		tenant_release(t);
		registry_free(r);
	}
}

static void numbers_go_on_behind_those_of_before(void **state)
{
	(void)state;
	struct registry *a = registry_new();
	assert_int_equal(add(a, "a.example", "")->number, 1);
	assert_int_equal(add(a, "b.example", "")->number, 2);
	struct registry *b = registry_new_after(a);
	assert_int_equal(add(b, "c.example", "")->number, 3);
	/* One that has a number keeps it, and later ones go on behind. */
	struct tenant *taken_by, *t = tenant_new("d.example", "");
	t->number = 9;
	assert_true(registry_add(b, t, &taken_by));
	tenant_release(t);
	assert_int_equal(add(b, "e.example", "")->number, 10);
	struct registry *c = registry_new_after(b);
	assert_int_equal(add(c, "f.example", "")->number, 11);
	registry_free(a);
	registry_free(b);
	registry_free(c);
}

static void a_tenant_lives_while_anybody_holds_it(void **state)
{
	(void)state;
	struct registry *a = registry_new(), *b = registry_new();
	struct tenant *taken_by, *t = add(a, "shire.example", "");
	assert_true(registry_add(b, t, &taken_by));
	assert_int_equal(t->refs, 2);
	registry_free(a);
	assert_int_equal(t->refs, 1);
	assert_ptr_equal(find(b, "shire.example"), t);
	tenant_hold(t);
	registry_free(b);
	assert_string_equal(t->domain.name, "shire.example");
	tenant_release(t);
	registry_free(NULL);
	tenant_release(NULL);
}

static void many_tenants_are_all_found(void **state)
{
	(void)state;
	enum { MANY = 5000 };
	struct registry *r = registry_new();
	char name[40];
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "t%d.example", i);
		add(r, name, "");
	}
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "t%d.example", i);
		assert_non_null(find(r, name));
		assert_string_equal(find(r, name)->domain.name, name);
		assert_int_equal(find(r, name)->number, i + 1);
	}
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tenant_is_found_by_all_its_domains_and_no_other),
		cmocka_unit_test(a_domain_that_is_taken_adds_nothing),
		cmocka_unit_test(numbers_go_on_behind_those_of_before),
		cmocka_unit_test(a_tenant_lives_while_anybody_holds_it),
		cmocka_unit_test(many_tenants_are_all_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
