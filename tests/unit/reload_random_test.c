/* Reloads at random: a few tenants that give up, take and break over the same domains, held against
 * what a reload promises. The numbers are drawn from a fixed seed, so that a failure comes back. */
#include <stdint.h>

#include "config/site.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

enum { TENANTS = 7, SHARED = 5, STEPS = 600 };

/* What a file says now. */
struct file {
	bool there, broken;
	unsigned claims; /* bit i: shared domain i */
};

static struct file files[TENANTS];
static uint64_t seed = 0x5280;

static unsigned draw(unsigned below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed % below);
}

static const char *name_of(size_t i)
{
	static const char *const names[TENANTS] = {"a.example", "b.example", "c.example",
		"d.example", "e.example", "f.example", "g.example"};
	return names[i];
}

static void write_file(size_t i)
{
	char more[300] = "[tenant]\ndomains =";
	struct file *f = &files[i];
	f->claims = draw(1 << SHARED) & draw(1 << SHARED);
	f->broken = draw(5) == 0;
	f->there = true;
	for (int d = 0; d < SHARED; d++) {
		size_t len = strlen(more);
		if (f->claims & (1u << d))
			snprintf(more + len, sizeof more - len, " shared%d.example", d);
	}
	size_t len = strlen(more);
	snprintf(more + len, sizeof more - len, "\n%s", f->broken ? "[policy]\ninbound = x\n" : "");
	site_tenant(name_of(i), more);
}

static void change_some_files(void)
{
	for (size_t i = 0; i < TENANTS; i++) {
		unsigned what = draw(6);
		if (what < 2) {
			write_file(i);
		} else if (what == 2 && files[i].there) {
			site_remove(name_of(i));
			files[i].there = false;
		}
	}
}

static size_t index_of(const struct tenant *t)
{
	size_t i = 0;
	while (strcmp(name_of(i), t->domain.name) != 0)
		i++;
	return i;
}

static struct tenant *shared_owner(int d)
{
	char name[40];
	snprintf(name, sizeof name, "shared%d.example", d);
	return site_find(name);
}

struct before {
	struct tenant *tenant[TENANTS]; /* counted; NULL: was not served */
	size_t owner[SHARED];           /* TENANTS: nobody */
};

static void remember(struct before *b)
{
	for (size_t i = 0; i < TENANTS; i++) {
		b->tenant[i] = site_find(name_of(i));
		if (b->tenant[i])
			tenant_hold(b->tenant[i]);
	}
	for (int d = 0; d < SHARED; d++)
		b->owner[d] = shared_owner(d) ? index_of(shared_owner(d)) : TENANTS;
}

static void check_tenant(const struct before *b, size_t i)
{
	struct tenant *was = b->tenant[i], *is = site_find(name_of(i));
	if (was && files[i].there) { /* who was served is served, under the same number */
		assert_non_null(is);
		assert_int_equal(is->number, was->number);
	}
	if (files[i].there && files[i].broken) /* as before: the same object, or still not */
		assert_ptr_equal(is, was);
	for (size_t j = 0; is && j < is->further.count; j++)
		assert_ptr_equal(registry_find(site.registry, &is->further.items[j]), is);
}

/* A domain stays with whoever had it and did not give it up. */
static void check_shared(const struct before *b, int d)
{
	size_t o = b->owner[d];
	if (o == TENANTS || !files[o].there)
		return;
	if (files[o].broken || (files[o].claims & (1u << d))) {
		assert_non_null(shared_owner(d));
		assert_int_equal(index_of(shared_owner(d)), o);
	}
}

static void check_good_state(void)
{
	for (size_t i = 0; i < TENANTS; i++) {
		struct tenant *t = site_find(name_of(i));
		assert_int_equal(t != NULL, files[i].there);
		if (t)
			assert_int_equal(t->further.count, __builtin_popcount(files[i].claims));
	}
}

static void reloads_at_random_keep_what_they_promise(void **state)
{
	(void)state;
	size_t good = 0, bad = 0;
	site.registry = registry_new();
	for (int step = 0; step < STEPS; step++) {
		struct before b;
		remember(&b);
		change_some_files();
		site_reload();
		assert_null(strstr(site_report(), "could not be entered"));
		bool removal = strstr(site_report(), "would be removed") != NULL;
		for (size_t i = 0; i < TENANTS && !removal; i++)
			check_tenant(&b, i);
		for (int d = 0; d < SHARED; d++)
			check_shared(&b, d);
		if (site.faults.count == 0)
			check_good_state();
		good += site.faults.count == 0;
		bad += site.faults.count > 0;
		for (size_t i = 0; i < TENANTS; i++)
			tenant_release(b.tenant[i]);
	}
	/* Both kinds must have been seen, or this shows nothing. */
	assert_in_range(good, 10, STEPS);
	assert_in_range(bad, STEPS / 4, STEPS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		site_test(reloads_at_random_keep_what_they_promise),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
