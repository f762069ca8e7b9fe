/* A reload: everything is loaded, everything reported, every tenant committed by itself. */
#include <stdint.h>

#include "config/site.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static void bree_with_level(const char *level)
{
	char more[80];
	snprintf(more, sizeof more, "[policy]\ninbound = %s\n", level);
	site_tenant("bree.example", more);
}

/* shire, bree and moria are served. */
static void start(void)
{
	site_tenant("shire.example", "");
	site_tenant("bree.example", "");
	site_tenant("moria.example", "");
	site_reload();
	assert_int_equal(registry_count(site.registry), 3);
}

static void many(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		char domain[40];
		snprintf(domain, sizeof domain, "t%03zu.example", i);
		site_tenant(domain, "");
	}
}

static void remove_many(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		char domain[40];
		snprintf(domain, sizeof domain, "t%03zu.example", i);
		site_remove(domain);
	}
}

static void what_did_not_change_stays_the_same_object(void **state)
{
	(void)state;
	start();
	struct tenant *shire = site_find("shire.example");
	site_reload();
	assert_string_equal(site_report(), "");
	assert_ptr_equal(site_find("shire.example"), shire);
	assert_int_equal(site.result.changed + site.result.added + site.result.removed, 0);
	/* Comments are no change either. */
	site_tenant("shire.example", "; words\n");
	site_reload();
	assert_ptr_equal(site_find("shire.example"), shire);
	assert_int_equal(site.result.changed, 0);
}

static struct tenant_origin origin(const char *domain)
{
	return registry_origin(site.registry, site_find(domain));
}

/* `fedgate explain` names the line that decided. */
static void where_a_policy_is_written_is_known_and_follows_the_file(void **state)
{
	(void)state;
	start();
	struct tenant *shire = site_find("shire.example");
	assert_string_equal(
		origin("shire.example").file, tree_path(&site.tree, "tenants.d/shire.example.ini"));
	assert_int_equal(origin("shire.example").inbound, 0); /* the default */
	site_tenant("shire.example", "[policy]\ninbound = secure\n\noutbound = secure\n");
	site_reload();
	assert_ptr_equal(site_find("shire.example"), shire); /* it says what held anyway */
	assert_int_equal(origin("shire.example").inbound, 8);
	assert_int_equal(origin("shire.example").outbound, 10);
	site_tenant("shire.example", "; words\n[policy]\ninbound = secure\n");
	site_reload();
	assert_ptr_equal(site_find("shire.example"), shire);
	assert_int_equal(origin("shire.example").inbound, 9);
	assert_int_equal(origin("shire.example").outbound, 0);
	/* A file with faults does not count, so neither do its lines. */
	site_tenant("shire.example", "\n\n\n[policy]\ninbound = trustd\n");
	site_reload();
	assert_int_equal(site.result.kept_old, 1);
	assert_int_equal(origin("shire.example").inbound, 9);
	site_reload();
	assert_int_equal(origin("shire.example").inbound, 9);
	tree_write(&site.tree, "tenants.d/shire.example.ini", "");
	site_reload();
	assert_int_equal(origin("shire.example").inbound, 9);
	assert_int_equal(origin("bree.example").inbound, 0);
}

static void a_changed_tenant_is_new_under_its_old_number(void **state)
{
	(void)state;
	start();
	struct tenant *bree = tenant_hold(site_find("bree.example"));
	struct tenant *shire = site_find("shire.example");
	bree_with_level("trusted");
	site_reload();
	assert_string_equal(site_report(), "");
	assert_int_equal(site.result.changed, 1);
	assert_ptr_not_equal(site_find("bree.example"), bree);
	assert_int_equal(site_find("bree.example")->number, bree->number);
	assert_int_equal(site_find("bree.example")->floor_in, LEVEL_TRUSTED);
	assert_int_equal(bree->floor_in, LEVEL_SECURE); /* who holds it sees no change */
	assert_ptr_equal(site_find("shire.example"), shire);
	tenant_release(bree);
}

/* K07: a typo must not silently keep a weaker policy, nor stop the others. */
static void a_broken_file_keeps_its_last_good_version_and_the_others_move_on(void **state)
{
	(void)state;
	start();
	struct tenant *shire = site_find("shire.example");
	site_tenant("shire.example", "[policy]\ninbound = trustd\n");
	bree_with_level("trusted");
	site_reload();
	assert_string_equal(site_report(),
		"tenants.d/shire.example.ini:8: inbound: `trustd` is not a level: verified, secure "
		"or trusted; did you mean `trusted`?\n");
	assert_ptr_equal(site_find("shire.example"), shire);
	assert_int_equal(site_find("bree.example")->floor_in, LEVEL_TRUSTED);
	assert_int_equal(site.result.kept_old, 1);
	assert_int_equal(site.result.changed, 1);
	assert_int_equal(site.result.refused, 0);
	/* It is told again as long as it lasts, and over when it is mended. */
	site_reload();
	assert_int_equal(site.faults.count, 1);
	assert_ptr_equal(site_find("shire.example"), shire);
	site_tenant("shire.example", "[policy]\ninbound = trusted\n");
	site_reload();
	assert_string_equal(site_report(), "");
	assert_int_equal(site_find("shire.example")->floor_in, LEVEL_TRUSTED);
}

static void every_way_to_lose_a_file_keeps_the_tenant(void **state)
{
	(void)state;
	start();
	struct tenant *shire = site_find("shire.example");
	tree_write(&site.tree, "tenants.d/shire.example.ini", "");
	site_reload();
	assert_int_equal(site.faults.count, 4); /* what is required is missing */
	assert_ptr_equal(site_find("shire.example"), shire);
	tree_unlink(&site.tree, "tenants.d/shire.example.ini");
	tree_mkdir(&site.tree, "tenants.d/shire.example.ini");
	site_reload();
	assert_string_equal(
		site_report(), "tenants.d/shire.example.ini: this is a directory, not a file\n");
	assert_ptr_equal(site_find("shire.example"), shire);
	assert_int_equal(site.result.kept_old, 1);
}

/* M10, F07: certificates that changed on disk are judged before anybody is served with them. */
static void a_broken_renewal_keeps_the_old_pair(void **state)
{
	(void)state;
	static const struct {
		const char *file, *from;
		size_t max;
		const char *want;
	} rows[] = {
		{"shire2.pem", FIXTURES "shire.pem", 200,
			"5: certificate: tenants.d/../shire2.pem: "
			"a PEM block is broken\n"},
		{"shire2.pem", FIXTURES "shire.pem", 0,
			"5: certificate: tenants.d/../shire2.pem: "
			"holds no certificate in PEM\n"},
		{"shire2.pem", FIXTURES "moria.pem", SIZE_MAX,
			"6: key: tenants.d/../shire2.key: does not belong to the certificate in "
			"tenants.d/../shire2.pem\n"},
		{"shire2.key", FIXTURES "moria.key", SIZE_MAX,
			"6: key: tenants.d/../shire2.key: does not belong to the certificate in "
			"tenants.d/../shire2.pem\n"},
		{"shire2.key", FIXTURES "shire-encrypted.key", SIZE_MAX,
			"6: key: tenants.d/../shire2.key: is encrypted; remove the passphrase: "
			"openssl pkey -in tenants.d/../shire2.key\n"},
	};
	start();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char want[400];
		tree_copy(&site.tree, FIXTURES "shire.pem", "shire2.pem", SIZE_MAX);
		tree_copy(&site.tree, FIXTURES "shire.key", "shire2.key", SIZE_MAX);
		tree_write(&site.tree, "tenants.d/shire.example.ini",
			"[tenant]\ndomain = shire.example\nbackend = 127.0.0.1:5280\n"
			"[tls]\ncertificate = ../shire2.pem\nkey = ../shire2.key\n");
		site_reload();
		assert_string_equal(site_report(), "");
		struct tenant *shire = site_find("shire.example");
		tree_copy(&site.tree, rows[i].from, rows[i].file, rows[i].max);
		bree_with_level(i % 2 ? "secure" : "trusted");
		site_reload();
		snprintf(want, sizeof want, "tenants.d/shire.example.ini:%s", rows[i].want);
		/* A certificate for somebody else is warned about besides. */
		assert_non_null(strstr(site_report(), want));
		assert_int_equal(site.faults.count, 1);
		assert_ptr_equal(site_find("shire.example"), shire);
		assert_int_equal(site.result.kept_old, 1);
		assert_int_equal(site.result.changed, 1);
	}
}

static void a_good_renewal_is_taken(void **state)
{
	(void)state;
	start();
	uint64_t version = site_find("shire.example")->version;
	uint32_t number = site_find("shire.example")->number;
	tree_copy(&site.tree, FIXTURES "shire-rsa.pem", "shire.pem", SIZE_MAX);
	tree_copy(&site.tree, FIXTURES "shire-rsa.key", "shire.key", SIZE_MAX);
	site_reload();
	assert_int_equal(site.faults.count, 0);
	assert_int_equal(site.result.changed, 3); /* all three share the file */
	assert_true(site_find("shire.example")->version != version);
	assert_int_equal(site_find("shire.example")->number, number);
}

static void an_expired_certificate_is_no_renewal(void **state)
{
	(void)state;
	const struct load_options later = {.now = 4949069403};
	start();
	struct tenant *shire = site_find("shire.example");
	site_load(&later); /* what did not change is not judged again: it serves on */
	assert_string_equal(site_report(), "");
	tree_copy(&site.tree, FIXTURES "shire.pem", "shire.pem", SIZE_MAX);
	site_load(&later);
	assert_int_equal(site.faults.count, 3);
	assert_non_null(strstr(site_report(), "shire.pem: has expired on 2126-10-30 21:30 UTC"));
	assert_ptr_equal(site_find("shire.example"), shire);
}

static void a_changed_second_pair_or_authority_is_judged_too(void **state)
{
	(void)state;
	tree_copy(&site.tree, FIXTURES "shire-rsa.pem", "rsa.pem", SIZE_MAX);
	tree_copy(&site.tree, FIXTURES "shire-rsa.key", "rsa.key", SIZE_MAX);
	site_tenant("shire.example", "certificate_2 = ../rsa.pem\nkey_2 = ../rsa.key\n"
				     "[policy]\nca_file = ../root.pem\n");
	site_reload();
	struct tenant *shire = site_find("shire.example");
	assert_non_null(shire);
	tree_copy(&site.tree, FIXTURES "moria.key", "rsa.key", SIZE_MAX);
	tree_write(&site.tree, "root.pem", "none");
	site_reload();
	assert_int_equal(site.faults.count, 2);
	assert_non_null(strstr(site_report(), ":8: key_2: "));
	assert_non_null(strstr(site_report(), ":10: ca_file: "));
	assert_ptr_equal(site_find("shire.example"), shire);
}

static void a_new_tenant_is_judged_before_it_is_added(void **state)
{
	(void)state;
	start();
	tree_copy(&site.tree, FIXTURES "moria.key", "other.key", SIZE_MAX);
	site_tenant("rohan.example", "");
	tree_write(&site.tree, "tenants.d/mordor.example.ini",
		"[tenant]\ndomain = mordor.example\nbackend = 127.0.0.1:5280\n"
		"[tls]\ncertificate = ../shire.pem\nkey = ../other.key\n");
	site_reload();
	assert_int_equal(site.faults.count, 1);
	assert_non_null(strstr(site_report(), "mordor.example.ini:6: key: "));
	assert_int_equal(site.result.added, 1);
	assert_int_equal(site.result.refused, 1);
	assert_non_null(site_find("rohan.example"));
	assert_null(site_find("mordor.example"));
}

/* --- removal --- */

static void a_removed_file_removes_its_tenant(void **state)
{
	(void)state;
	start();
	struct tenant *moria = tenant_hold(site_find("moria.example"));
	site_remove("moria.example");
	site_reload();
	assert_string_equal(site_report(), "");
	assert_int_equal(site.result.removed, 1);
	assert_null(site_find("moria.example"));
	assert_int_equal(moria->refs, 1); /* the registry let it go */
	uint32_t number = moria->number;
	tenant_release(moria);
	/* A number names one tenant for ever: the supervisor is asked for files by it. */
	site_tenant("moria.example", "");
	site_reload();
	assert_true(site_find("moria.example")->number > number);
}

static void removing_more_than_a_tenth_wants_confirmation(void **state)
{
	(void)state;
	static const struct {
		size_t total, removed;
		const char *confirm; /* NULL: no such file */
		bool done;
	} rows[] = {
		{60, 6, NULL, true},  /* a tenth */
		{60, 7, NULL, false}, /* more */
		{60, 7, "7\n", true},
		{60, 7, "7", true},
		{60, 7, "6\n", false},
		{60, 7, "70\n", false},
		{60, 7, "7 tenants\n", false},
		{60, 7, "", false},
		{12, 3, NULL, true}, /* three are never many */
		{12, 4, NULL, false},
		{12, 12, NULL, false}, /* emptied */
		{12, 12, "12\n", true},
		{1, 1, NULL, false}, /* also when only one was there */
		{1, 1, "1\n", true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		registry_free(site.registry);
		site.registry = NULL;
		many(0, rows[i].total);
		site_reload();
		assert_int_equal(registry_count(site.registry), rows[i].total);
		remove_many(0, rows[i].removed);
		if (rows[i].confirm)
			tree_write(&site.tree, "tenants.d/.confirm-removal", rows[i].confirm);
		site_reload();
		if (site.result.removed != (rows[i].done ? rows[i].removed : 0))
			print_error("row %zu: %s\n", i, site_report());
		assert_int_equal(site.result.removed, rows[i].done ? rows[i].removed : 0);
		assert_int_equal(site.faults.count, !rows[i].done);
		assert_int_equal(site.result.kept_old, rows[i].done ? 0 : rows[i].removed);
		assert_int_equal(registry_count(site.registry),
			rows[i].total - (rows[i].done ? rows[i].removed : 0));
		if (rows[i].confirm)
			tree_unlink(&site.tree, "tenants.d/.confirm-removal");
		remove_many(rows[i].removed, rows[i].total);
	}
}

static void the_report_says_how_to_confirm(void **state)
{
	(void)state;
	start();
	site_remove("shire.example");
	site_remove("bree.example");
	site_remove("moria.example");
	site_reload();
	assert_string_equal(site_report(), "tenants.d: 3 of 3 tenants would be removed at once, so "
					   "they stay; if that is meant: "
					   "echo 3 > tenants.d/.confirm-removal and reload\n");
	/* They are still tenants the next time. */
	site_reload();
	assert_int_equal(registry_count(site.registry), 3);
	assert_int_equal(site.faults.count, 1);
}

static void a_confirmation_that_nothing_asks_for_is_warned_about(void **state)
{
	(void)state;
	tree_write(&site.tree, "tenants.d/.confirm-removal", "3\n");
	start();
	assert_string_equal(site_report(), "");
	site_reload();
	assert_string_equal(site_report(), "warning: tenants.d/.confirm-removal: confirms a "
					   "removal that is not waiting; delete "
					   "it before it confirms another\n");
}

static void an_unreadable_directory_keeps_everybody(void **state)
{
	(void)state;
	char away[TREE_PATH_MAX];
	start();
	struct tenant *shire = site_find("shire.example");
	snprintf(away, sizeof away, "%s/away", site.tree.dir);
	assert_int_equal(rename(tree_path(&site.tree, "tenants.d"), away), 0);
	for (int i = 0; i < 2; i++) {
		site_reload();
		assert_int_equal(site.faults.count, 1);
		assert_non_null(strstr(site_report(),
			i ? "tenants.d: the directory of tenants cannot be read: a part of the path"
			  : "tenants.d: the directory of tenants cannot be read: there is no "
			    "such"));
		assert_int_equal(registry_count(site.registry), 3);
		assert_int_equal(site.result.kept_old, 3);
		assert_int_equal(site.result.removed, 0);
		assert_ptr_equal(site_find("shire.example"), shire);
		tree_write(&site.tree, "tenants.d", "a file");
	}
}

/* --- who has a domain --- */

/* Every file and the domains it claims beside its own, before and after. */
struct claim_row {
	const char *a_before, *b_before, *a_after, *b_after;
	const char *owner; /* of gate.example after the reload; NULL: nobody */
	size_t faults, kept_old;
};

static void put(const char *domain, const char *claims)
{
	char more[100] = "";
	if (claims && *claims)
		snprintf(more, sizeof more, "[tenant]\ndomains = %s\n", claims);
	if (claims)
		site_tenant(domain, more);
}

static void a_domain_stays_with_the_tenant_that_had_it(void **state)
{
	(void)state;
	static const struct claim_row rows[] = {
		/* two newcomers: the first file */
		{NULL, NULL, "gate.example", "gate.example", "a.example", 1, 0},
		/* whoever had it, wherever its file stands */
		{"gate.example", "", "gate.example", "gate.example", "a.example", 1, 1},
		{"", "gate.example", "gate.example", "gate.example", "b.example", 1, 1},
		{NULL, "gate.example", "gate.example", "gate.example", "b.example", 1, 0},
		/* handed on within one reload */
		{"gate.example", "", "", "gate.example", "b.example", 0, 0},
		{"", "gate.example", "gate.example", "", "a.example", 0, 0},
		/* not taken from one whose file is broken: it has it still */
		{"gate.example", "", "gate.example -", "gate.example", "a.example", 2, 2},
		{"", "gate.example", "gate.example", "gate.example -", "b.example", 2, 2},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct claim_row *r = &rows[i];
		registry_free(site.registry);
		site.registry = NULL;
		put("a.example", r->a_before);
		put("b.example", r->b_before);
		site_reload();
		assert_int_equal(site.faults.count, 0);
		put("a.example", r->a_after);
		put("b.example", r->b_after);
		site_reload();
		if (site.faults.count != r->faults)
			print_error("row %zu: %s\n", i, site_report());
		assert_int_equal(site.faults.count, r->faults);
		assert_string_equal(site_find("gate.example")->domain.name, r->owner);
		assert_int_equal(site.result.kept_old, r->kept_old);
		assert_non_null(site_find(r->owner));
		site_remove("a.example");
		site_remove("b.example");
	}
}

static void a_neighbours_main_domain_cannot_be_taken(void **state)
{
	(void)state;
	site_tenant("shire.example", "");
	site_reload();
	site_tenant("bree.example", "[tenant]\ndomains = shire.example\n"); /* sorts first */
	site_reload();
	assert_int_equal(site.faults.count, 1);
	assert_non_null(strstr(site_report(),
		"tenants.d/bree.example.ini:8: domains: shire.example is served by "
		"shire.example.ini already\n"));
	assert_string_equal(site_find("shire.example")->domain.name, "shire.example");
	assert_null(site_find("bree.example"));
}

/* One name, two spellings: two files for one tenant. It stays as it was. */
static void a_second_file_for_a_domain_changes_nothing(void **state)
{
	(void)state;
	site_tenant("shire.example", "");
	site_reload();
	struct tenant *shire = site_find("shire.example");
	for (int again = 0; again < 2; again++) {
		site_tenant("Shire.example", "[policy]\ninbound = trusted\n"); /* sorts first */
		site_reload();
		assert_int_equal(site.faults.count, 1);
		assert_non_null(strstr(site_report(),
			"tenants.d/Shire.example.ini:2: domain: shire.example is served by "
			"shire.example.ini already\n"));
		assert_ptr_equal(site_find("shire.example"), shire);
		assert_int_equal(registry_count(site.registry), 1);
	}
	/* Broken, the right file still stands for the tenant. */
	site_tenant("shire.example", "[policy]\ninbound = maybe\n");
	site_reload();
	assert_int_equal(site.faults.count, 2);
	assert_ptr_equal(site_find("shire.example"), shire);
}

static void of_two_new_files_for_a_domain_the_first_is_served(void **state)
{
	(void)state;
	site_tenant("shire.example", "");
	site_tenant("Shire.example", "[policy]\ninbound = trusted\n");
	site_reload();
	assert_int_equal(site.faults.count, 1);
	assert_int_equal(registry_count(site.registry), 1);
	assert_int_equal(site_find("shire.example")->floor_in, LEVEL_TRUSTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		site_test(what_did_not_change_stays_the_same_object),
		site_test(where_a_policy_is_written_is_known_and_follows_the_file),
		site_test(a_changed_tenant_is_new_under_its_old_number),
		site_test(a_broken_file_keeps_its_last_good_version_and_the_others_move_on),
		site_test(every_way_to_lose_a_file_keeps_the_tenant),
		site_test(a_broken_renewal_keeps_the_old_pair),
		site_test(a_good_renewal_is_taken),
		site_test(an_expired_certificate_is_no_renewal),
		site_test(a_changed_second_pair_or_authority_is_judged_too),
		site_test(a_new_tenant_is_judged_before_it_is_added),
		site_test(a_removed_file_removes_its_tenant),
		site_test(removing_more_than_a_tenth_wants_confirmation),
		site_test(the_report_says_how_to_confirm),
		site_test(a_confirmation_that_nothing_asks_for_is_warned_about),
		site_test(an_unreadable_directory_keeps_everybody),
		site_test(a_domain_stays_with_the_tenant_that_had_it),
		site_test(a_neighbours_main_domain_cannot_be_taken),
		site_test(a_second_file_for_a_domain_changes_nothing),
		site_test(of_two_new_files_for_a_domain_the_first_is_served),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
