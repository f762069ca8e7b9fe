/* A configuration read from files, as at start and as `fedgate check` reads it. */
#include <stdint.h>

#include "config/site.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct load_options at_check = {.certificates = true, .now = SITE_NOW};
static const struct load_options at_start = {.now = SITE_NOW};

static void start(void)
{
	registry_free(site.registry);
	site.registry = NULL;
	site_load(&at_start);
}

static void check(void)
{
	registry_free(site.registry);
	site.registry = NULL;
	site_load(&at_check);
}

static void a_tenant_is_found_by_each_of_its_domains(void **state)
{
	(void)state;
	site_tenant("shire.example", "[tenant]\ndomains = conference.shire.example\n");
	site_tenant("bree.example", "");
	start();
	assert_string_equal(site_report(), "");
	assert_int_equal(site.result.files, 2);
	assert_int_equal(site.result.added, 2);
	assert_int_equal(registry_count(site.registry), 2);
	assert_non_null(site_find("shire.example"));
	assert_ptr_equal(site_find("conference.shire.example"), site_find("shire.example"));
	assert_ptr_not_equal(site_find("bree.example"), site_find("shire.example"));
	assert_null(site_find("mordor.example"));
	assert_true(tenant_has_domain(site_find("shire.example"),
		&(struct domain){.len = 24, .name = "conference.shire.example"}));
	assert_false(tenant_has_domain(
		site_find("shire.example"), &(struct domain){.len = 12, .name = "bree.example"}));
}

static void an_idn_tenants_file_may_be_called_either_way(void **state)
{
	(void)state;
	site_tenant("m\xc3\xbcnchen.example", "");
	site_tenant("xn--bcher-kva.example", "");
	start();
	assert_string_equal(site_report(), "");
	assert_non_null(site_find("xn--mnchen-3ya.example"));
	assert_non_null(site_find("b\xc3\xbc"
				  "cher.example"));
}

static void a_start_reads_no_certificate_and_a_check_reads_all(void **state)
{
	(void)state;
	site_tenant("shire.example", "");
	tree_write(&site.tree, "shire.pem", "no certificate");
	start();
	assert_string_equal(site_report(), "");
	assert_non_null(site_find("shire.example"));
	check();
	assert_string_equal(site_report(), "tenants.d/shire.example.ini:5: certificate: "
					   "tenants.d/../shire.pem: holds no certificate in PEM\n");
	assert_null(site_find("shire.example"));
	assert_int_equal(site.result.refused, 1);
}

static void a_check_judges_the_second_pair_and_the_authorities_too(void **state)
{
	(void)state;
	tree_copy(&site.tree, FIXTURES "shire-rsa.pem", "rsa.pem", SIZE_MAX);
	tree_copy(&site.tree, FIXTURES "shire-rsa.key", "rsa.key", SIZE_MAX);
	site_tenant("shire.example", "certificate_2 = ../rsa.pem\nkey_2 = ../rsa.key\n"
				     "[policy]\nca_file = ../root.pem\n");
	check();
	assert_string_equal(site_report(), "");
	tree_copy(&site.tree, FIXTURES "shire-rsa-pkcs1.key", "root.pem", SIZE_MAX);
	tree_copy(&site.tree, FIXTURES "moria.key", "rsa.key", SIZE_MAX);
	check();
	assert_string_equal(site_report(),
		"tenants.d/shire.example.ini:8: key_2: tenants.d/../rsa.key: does not belong to "
		"the "
		"certificate in tenants.d/../rsa.pem\n"
		"tenants.d/shire.example.ini:10: ca_file: tenants.d/../root.pem: holds no "
		"authority's certificate in PEM\n");
}

static void a_missing_file_is_a_fault_already_at_start(void **state)
{
	(void)state;
	site_tenant("shire.example", "");
	tree_unlink(&site.tree, "shire.key");
	start();
	assert_string_equal(site_report(), "tenants.d/shire.example.ini:6: key: "
					   "tenants.d/../shire.key: there is no such file\n");
	assert_null(site_find("shire.example"));
}

/* K05 */
static void what_strangers_may_do_with_the_files_is_warned_about(void **state)
{
	(void)state;
	static const struct {
		const char *file;
		unsigned mode;
		const char *want;
	} rows[] = {
		{"shire.key", 0600, ""},
		{"shire.key", 0640, ""},
		{"shire.key", 0644,
			"6: key: tenants.d/../shire.key: everybody on this machine can read the "
			"key; run: chmod o-rwx tenants.d/../shire.key\n"},
		{"shire.key", 0602,
			"6: key: tenants.d/../shire.key: everybody on this machine can change the "
			"file; run: chmod o-w tenants.d/../shire.key\n"},
		{"shire.pem", 0644, ""},
		{"shire.pem", 0646,
			"5: certificate: tenants.d/../shire.pem: everybody on this machine can "
			"change the file; run: chmod o-w tenants.d/../shire.pem\n"},
		{".", 0700, ""},
		{".", 01777, ""},
	};
	site_tenant("shire.example", "");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char want[400] = "";
		assert_int_equal(chmod(tree_path(&site.tree, "shire.key"), 0600), 0);
		assert_int_equal(chmod(tree_path(&site.tree, "shire.pem"), 0600), 0);
		assert_int_equal(chmod(tree_path(&site.tree, rows[i].file), rows[i].mode), 0);
		start();
		if (*rows[i].want)
			snprintf(want, sizeof want, "warning: tenants.d/shire.example.ini:%s",
				rows[i].want);
		assert_string_equal(site_report(), want);
		assert_non_null(site_find("shire.example"));
	}
}

/* K05: who may write the directory may put another key there. */
static void a_directory_that_everybody_may_write_is_warned_about(void **state)
{
	(void)state;
	site_tenant("shire.example", "");
	assert_int_equal(chmod(site.tree.dir, 0777), 0);
	start();
	assert_string_equal(site_report(),
		"warning: tenants.d/shire.example.ini:5: certificate: tenants.d/../shire.pem: "
		"everybody on this machine can exchange the file; run: chmod o-w "
		"\"$(dirname tenants.d/../shire.pem)\"\n"
		"warning: tenants.d/shire.example.ini:6: key: tenants.d/../shire.key: everybody on "
		"this machine can exchange the file; run: chmod o-w "
		"\"$(dirname tenants.d/../shire.key)\"\n");
}

/* K05; only root can give a file away. */
static void a_key_of_another_user_is_warned_about(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	site_tenant("shire.example", "");
	assert_int_equal(chown(tree_path(&site.tree, "shire.key"), 12345, (gid_t)-1), 0);
	assert_int_equal(chown(tree_path(&site.tree, "shire.pem"), 12345, (gid_t)-1), 0);
	start();
	assert_string_equal(site_report(),
		"warning: tenants.d/shire.example.ini:6: key: tenants.d/../shire.key: the key "
		"belongs to another user, who can exchange it; run: chown root "
		"tenants.d/../shire.key\n");
}

static void a_file_is_called_after_its_domain(void **state)
{
	(void)state;
	static const struct {
		const char *name, *want;
	} rows[] = {
		{"tenants.d/bree.example.ini",
			"tenants.d/bree.example.ini:2: domain: the file is called after "
			"bree.example; "
			"rename it to shire.example.ini or correct the domain\n"},
		{"tenants.d/-shire.ini", "tenants.d/-shire.ini:2: domain: the file must be called "
					 "shire.example.ini, after its domain\n"},
		{"tenants.d/shire.example.ini", ""},
		{"tenants.d/SHIRE.example.ini", ""},
		{"tenants.d/shire.example.conf", "warning: tenants.d/shire.example.conf: is not "
						 "read: a tenant's file is called DOMAIN.ini\n"},
		{"tenants.d/.shire.example.ini", ""},
		{"tenants.d/shire.example.ini~", ""},
		{"tenants.d/#shire.example.ini#", ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		tree_write(&site.tree, rows[i].name,
			"[tenant]\ndomain = shire.example\nbackend = 127.0.0.1:5280\n" SITE_TLS);
		start();
		assert_string_equal(site_report(), rows[i].want);
		assert_int_equal(site_find("shire.example") != NULL, i == 2 || i == 3);
		tree_unlink(&site.tree, rows[i].name);
	}
}

static void a_backend_is_not_the_gate_itself(void **state)
{
	(void)state;
	static const struct {
		const char *backend, *section;
	} rows[] = {
		{"127.0.0.1:5269", "gate"}, /* the gate listens everywhere */
		{"[::1]:5269", "gate"},
		{"127.0.0.1:5275", "egress"},
		{"127.0.0.1:5276", NULL},
		{"127.0.0.2:5275", NULL},
		{"192.0.2.7:5269", NULL},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char more[80], want[200] = "";
		snprintf(more, sizeof more, "[tenant]\nbackend += %s\n", rows[i].backend);
		site_tenant("shire.example", more);
		start();
		if (rows[i].section)
			snprintf(want, sizeof want,
				"tenants.d/shire.example.ini:3: backend: %s is where the gate "
				"itself "
				"listens ([%s] in fedgate.ini)\n",
				rows[i].backend, rows[i].section);
		assert_string_equal(site_report(), want);
	}
}

/* K07, at start. */
static void one_bad_file_among_many_is_left_out_alone(void **state)
{
	(void)state;
	enum { MANY = 300, BAD = 123 };
	for (int i = 0; i < MANY; i++) {
		char domain[40];
		snprintf(domain, sizeof domain, "t%03d.example", i);
		site_tenant(domain, i == BAD ? "[policy]\ninbound = maybe\n" : "");
	}
	start();
	assert_int_equal(site.faults.count, 1);
	assert_non_null(strstr(site_report(), "tenants.d/t123.example.ini:8: inbound: "));
	assert_int_equal(site.result.added, MANY - 1);
	assert_int_equal(site.result.refused, 1);
	assert_null(site_find("t123.example"));
	assert_non_null(site_find("t124.example"));
}

static void faults_without_end_are_counted_and_fifty_shown(void **state)
{
	(void)state;
	for (int i = 0; i < 60; i++) {
		char domain[40];
		snprintf(domain, sizeof domain, "t%02d.example", i);
		site_tenant(domain, "[policy]\ninbound = maybe\n");
	}
	start();
	assert_int_equal(site.faults.count, 60);
	assert_int_equal(site.faults.item_count, 50);
}

/* --- the gate's own file --- */

static struct gate *gate_with(const char *text)
{
	site_reset_faults();
	tree_write(&site.tree, "fedgate.ini", text);
	return load_gate(tree_path(&site.tree, "fedgate.ini"), &site.faults);
}

static void the_gates_files_are_looked_for(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
		bool loads;
	} rows[] = {
		{"[gate]\nca_file = root.pem\n", "", true},
		{"[gate]\nca_file = nowhere.pem\n",
			"fedgate.ini:2: ca_file: nowhere.pem: there is no such file\n", false},
		{"[gate]\nca_file = root.pem\n[dns]\ntrust_anchor = nowhere.key\n",
			"fedgate.ini:4: trust_anchor: nowhere.key: there is no such file\n", false},
		{"[gate]\nca_file = root.pem\nsecret_file = shire.pem\n",
			"warning: fedgate.ini:3: secret_file: shire.pem: everybody on this machine "
			"can read or change the secret; run: chmod o-rwx shire.pem\n",
			true},
		{"[gate]\nca_file = root.pem\n[egress]\nlisten = 192.0.2.1:5275\n",
			"warning: fedgate.ini:4: listen: 192.0.2.1:5275 is not a loopback address: "
			"whoever reaches it speaks in plaintext here; let a firewall admit the "
			"backends alone\n",
			true},
		{"[gate]\nca_file = root.pem\n[egress]\ndns_listen = [::]:5353\n",
			"warning: fedgate.ini:4: dns_listen: [::]:5353 is not a loopback address: "
			"whoever reaches it may ask for names; let a firewall admit the backends "
			"alone\n",
			true},
		{"[gate]\nca_file = root.pem\n[egress]\ndns_allow = ::/0\n",
			"warning: fedgate.ini:4: dns_allow: answers the whole Internet; name the "
			"backends' networks\n",
			true},
		{"[gate]\nca_file = root.pem\n[dns]\nallow_private = 10.0.0.0/8\n",
			"warning: fedgate.ini:4: allow_private: peers can make the gate connect "
			"into "
			"these networks; for labs and VPNs only\n",
			true},
	};
	assert_int_equal(chmod(tree_path(&site.tree, "shire.pem"), 0644), 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct gate *g = gate_with(rows[i].text);
		assert_string_equal(site_report(), rows[i].want);
		assert_int_equal(g != NULL, rows[i].loads);
		gate_free(g);
	}
}

static void relative_paths_start_beside_the_file(void **state)
{
	(void)state;
	char want[TREE_PATH_MAX];
	struct gate *g = gate_with("[gate]\nca_file = root.pem\nsecret_file = /var/secret\n");
	assert_non_null(g);
	snprintf(want, sizeof want, "%s/root.pem", site.tree.dir);
	assert_string_equal(g->ca_file, want);
	assert_string_equal(g->secret_file, "/var/secret");
	gate_free(g);
}

static void a_gate_with_faults_is_none_but_can_be_looked_at(void **state)
{
	(void)state;
	struct gate_places places;
	assert_null(gate_with("[gate]\nca_file = root.pem\nworkers = many\n; c\nuser = x\n"));
	site_reset_faults();
	struct gate *g =
		load_gate_leniently(tree_path(&site.tree, "fedgate.ini"), &places, &site.faults);
	assert_non_null(g);
	assert_int_equal(site.faults.count, 1);
	assert_string_equal(g->user, "x");
	assert_int_equal(places.user.line, 5);
	assert_int_equal(places.ca_file.line, 2);
	gate_free(g);
	assert_null(load_gate_leniently("/nowhere/fedgate.ini", &places, &site.faults));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		site_test(a_tenant_is_found_by_each_of_its_domains),
		site_test(an_idn_tenants_file_may_be_called_either_way),
		site_test(a_start_reads_no_certificate_and_a_check_reads_all),
		site_test(a_check_judges_the_second_pair_and_the_authorities_too),
		site_test(a_missing_file_is_a_fault_already_at_start),
		site_test(what_strangers_may_do_with_the_files_is_warned_about),
		site_test(a_directory_that_everybody_may_write_is_warned_about),
		site_test(a_key_of_another_user_is_warned_about),
		site_test(a_file_is_called_after_its_domain),
		site_test(a_backend_is_not_the_gate_itself),
		site_test(one_bad_file_among_many_is_left_out_alone),
		site_test(faults_without_end_are_counted_and_fifty_shown),
		site_test(the_gates_files_are_looked_for),
		site_test(relative_paths_start_beside_the_file),
		site_test(a_gate_with_faults_is_none_but_can_be_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
