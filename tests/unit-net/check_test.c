/* `fedgate check` and `fedgate reference` as a person or a script calls them. */
#include "cmd/cmd.h"

#include <stdint.h>

#include "../unit/config/site.h"
#include "lib/verb_run.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <jansson.h>
#include <pwd.h>

static int run(int (*verb)(int, char **), int argc, char **argv)
{
	return verb_run(verb, argc, argv, site.tree.dir);
}

/* --config is the site's file, `more` further options. */
static int check(const char *more)
{
	char option[16], path[TREE_PATH_MAX];
	snprintf(option, sizeof option, "%s", more ? more : "");
	snprintf(path, sizeof path, "%s", tree_path(&site.tree, "fedgate.ini"));
	char *argv[] = {(char[]){"check"}, (char[]){"--config"}, path, option, NULL};
	return run(cmd_check, more ? 4 : 3, argv);
}

static int check_with(const char *a, const char *b)
{
	char first[100], second[100];
	snprintf(first, sizeof first, "%s", a);
	snprintf(second, sizeof second, "%s", b ? b : "");
	char *argv[] = {(char[]){"check"}, first, b ? second : NULL, NULL};
	return run(cmd_check, b ? 3 : 2, argv);
}

static void gate(const char *more)
{
	char text[1000];
	snprintf(text, sizeof text, "[gate]\nca_file = root.pem\nuser = nobody\n%s", more);
	tree_write(&site.tree, "fedgate.ini", text);
}

static void a_good_configuration_is_zero_and_one_line(void **state)
{
	(void)state;
	gate("");
	site_tenant("shire.example", "[tenant]\ndomains = conference.shire.example\n");
	assert_int_equal(check(NULL), 0);
	assert_string_equal(verb_out, "fedgate.ini and 1 tenant: no faults, no warnings\n");
	assert_string_equal(verb_complaint, "");
	assert_int_equal(check("--deep"), 0);
	assert_string_equal(verb_out, "fedgate.ini and 1 tenant: no faults, no warnings\n");
}

static void all_faults_of_all_files_are_shown_in_order(void **state)
{
	(void)state;
	gate("workers = many\nlisen = [::]:1\n[tls]\n");
	site_tenant("shire.example", "[policy]\ninbound = trustd\n");
	site_tenant("bree.example", "");
	assert_int_equal(check(NULL), 1);
	assert_string_equal(verb_out,
		"fedgate.ini:4: workers: `many` is not a plain number from 0 to 256\n"
		"fedgate.ini:5: lisen: there is no such key; did you mean `listen` in [gate]?\n"
		"fedgate.ini:6: section [tls] belongs in a tenant's file\n"
		"warning: tenants.d/bree.example.ini:5: certificate: tenants.d/../shire.pem: does "
		"not name bree.example; other servers will ask back (dialback) or refuse\n"
		"tenants.d/shire.example.ini:8: inbound: `trustd` is not a level: verified, secure "
		"or trusted; did you mean `trusted`?\n"
		"fedgate.ini and 2 tenants: 4 faults, 1 warning\n");
}

static void warnings_alone_are_no_problem(void **state)
{
	(void)state;
	gate("");
	site_tenant("bree.example", "");
	assert_int_equal(check(NULL), 0);
	assert_non_null(strstr(verb_out, "warning: tenants.d/bree.example.ini:5: certificate: "));
	assert_non_null(strstr(verb_out, "fedgate.ini and 1 tenant: no faults, 1 warning\n"));
}

static void no_tenants_yet_is_said_with_what_to_do(void **state)
{
	(void)state;
	gate("");
	assert_int_equal(check(NULL), 0);
	assert_string_equal(verb_out,
		"fedgate.ini and 0 tenants: no faults, no warnings\n"
		"There are no tenants yet: a tenant is a file DOMAIN.ini in the "
		"directory `tenants`.\n");
}

static void the_user_of_the_workers_must_exist(void **state)
{
	(void)state;
	bool root = geteuid() == 0;
	assert_null(getpwnam("no-such-user"));
	site_tenant("shire.example", "");
	tree_write(&site.tree, "fedgate.ini", "[gate]\nca_file = root.pem\nuser = no-such-user\n");
	assert_int_equal(check(NULL), root ? 1 : 0);
	assert_non_null(
		strstr(verb_out, root ? "fedgate.ini:3: user: there is no user no-such-user; run: "
					"useradd --system"
				      : "warning: fedgate.ini:3: user: there is no user"));
	tree_write(&site.tree, "fedgate.ini", "[gate]\nca_file = root.pem\nuser = root\n");
	assert_int_equal(check(NULL), 0);
	assert_non_null(
		strstr(verb_out, "warning: fedgate.ini:3: user: workers would have all rights as "
				 "root; name another user\n"));
}

static void the_authorities_must_be_readable(void **state)
{
	(void)state;
	gate("");
	tree_write(&site.tree, "root.pem", "no PEM");
	assert_int_equal(check(NULL), 1);
	assert_non_null(strstr(verb_out,
		"fedgate.ini:2: ca_file: root.pem: holds no authority's certificate in PEM\n"));
	tree_unlink(&site.tree, "root.pem");
	assert_int_equal(check(NULL), 1);
	assert_non_null(
		strstr(verb_out, "fedgate.ini:2: ca_file: root.pem: there is no such file\n"));
	assert_non_null(strstr(verb_out, ": 1 fault, no warnings\n"));
}

static void deep_follows_the_chain_to_the_gates_authorities(void **state)
{
	(void)state;
	gate("");
	site_tenant("shire.example", "");
	tree_copy(&site.tree, FIXTURES "shire-ca.pem", "root.pem", SIZE_MAX);
	assert_int_equal(check(NULL), 0);
	assert_null(strstr(verb_out, "may refuse it"));
	assert_int_equal(check("--deep"), 0);
	assert_non_null(strstr(verb_out, "shire.pem: other servers may refuse it: "));
}

static void tenant_proven_by(const char *domain, const char *proof)
{
	char name[TREE_PATH_MAX], text[300];
	snprintf(name, sizeof name, "tenants.d/%s.ini", domain);
	snprintf(text, sizeof text, "[tenant]\ndomain = %s\nbackend = 127.0.0.1:5280\nproof = %s\n",
		domain, proof);
	tree_write(&site.tree, name, text);
}

static void what_the_gate_will_make_is_told_and_is_no_fault(void **state)
{
	(void)state;
	gate("host_name = xmpp.example\n");
	tenant_proven_by("shire.example", "posh");
	tenant_proven_by("moria.example", "dane");
	assert_int_equal(check(NULL), 0);
	assert_string_equal(verb_out,
		"warning: tenants.d/moria.example.ini:4: proof: state/host/current.pem: is not "
		"there yet; it is made at the next start or reload\n"
		"warning: tenants.d/shire.example.ini:4: proof: "
		"state/tenants/shire.example/current.pem: is not there yet; it is made at the next "
		"start or reload\n"
		"fedgate.ini and 2 tenants: no faults, 2 warnings\n");
	assert_int_equal(access(tree_path(&site.tree, "state"), F_OK), -1);
}

/* DANE-6 */
static void another_key_at_a_target_with_tlsa_records_is_warned_about(void **state)
{
	(void)state;
	static const struct {
		const char *host, *other_proof, *name;
		bool warned;
	} rows[] = {{"moria", "certificate", "", true}, {"shire", "certificate", "", false},
		{"moria", NULL, "", false},
		{"moria", "certificate", "name = dane.xmpp.example\n", false}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char more[300], path[100];
		snprintf(path, sizeof path, FIXTURES "%s.pem", rows[i].host);
		tree_copy(&site.tree, path, "host.pem", SIZE_MAX);
		snprintf(path, sizeof path, FIXTURES "%s.key", rows[i].host);
		tree_copy(&site.tree, path, "host.key", SIZE_MAX);
		snprintf(more, sizeof more,
			"host_name = xmpp.example\n[host]\ncertificate = host.pem\n"
			"key = host.key\n%s",
			rows[i].name);
		gate(more);
		tenant_proven_by("bree.example", "dane");
		if (rows[i].other_proof)
			site_tenant("shire.example", "");
		else
			site_remove("shire.example");
		assert_int_equal(check(NULL), 0);
		assert_int_equal(
			strstr(verb_out,
				"warning: fedgate.ini:4: host_name: the TLSA records of "
				"xmpp.example name only the key of tenants with `proof = dane`; "
				"1 with another key, as shire.example,") != NULL,
			rows[i].warned);
	}
}

static void more_than_fifty_are_counted(void **state)
{
	(void)state;
	gate("");
	for (int i = 0; i < 60; i++) {
		char domain[40];
		snprintf(domain, sizeof domain, "t%02d.example", i);
		site_tenant(domain, "[policy]\ninbound = maybe\n");
	}
	assert_int_equal(check(NULL), 1);
	assert_non_null(strstr(verb_out, "and 60 tenants: 60 faults, 60 warnings\n"
					 "The first 50 of each kind are shown"));
}

static void json_tells_the_same(void **state)
{
	(void)state;
	gate("workers = many\n");
	site_tenant("bree.example", "");
	assert_int_equal(check("--json"), 1);
	json_error_t error;
	json_t *all = json_loads(verb_out, JSON_REJECT_DUPLICATES, &error), *findings;
	const char *config, *file, *key, *sentence, *severity;
	int fine, tenants, faults, warnings, line;
	assert_int_equal(json_unpack_ex(all, &error, JSON_STRICT, "{ss sb si si si so}", "config",
				 &config, "fine", &fine, "tenants", &tenants, "faults", &faults,
				 "warnings", &warnings, "findings", &findings),
		0);
	assert_string_equal(config, "fedgate.ini");
	assert_false(fine);
	assert_int_equal(tenants, 1);
	assert_int_equal(faults, 1);
	assert_int_equal(warnings, 1);
	json_t *first = json_array_get(findings, 0);
	assert_int_equal(json_unpack_ex(first, &error, JSON_STRICT, "{ss ss si ss ss}", "severity",
				 &severity, "file", &file, "line", &line, "key", &key, "sentence",
				 &sentence),
		0);
	assert_string_equal(severity, "fault");
	assert_string_equal(file, "fedgate.ini");
	assert_int_equal(line, 4);
	assert_string_equal(key, "workers");
	assert_string_equal(sentence, "`many` is not a plain number from 0 to 256");
	assert_int_equal(
		json_unpack(json_array_get(findings, 1), "{ss}", "severity", &severity), 0);
	assert_string_equal(severity, "warning");
	assert_int_equal(json_array_size(findings), 2);
	json_decref(all);
}

static void json_of_a_good_configuration_is_fine(void **state)
{
	(void)state;
	gate("");
	assert_int_equal(check("--json"), 0);
	json_t *all = json_loads(verb_out, 0, NULL);
	assert_true(json_is_true(json_object_get(all, "fine")));
	assert_int_equal(json_array_size(json_object_get(all, "findings")), 0);
	json_decref(all);
}

static void a_file_that_is_not_there_cannot_be_checked(void **state)
{
	(void)state;
	assert_int_equal(check_with("--config", "/nowhere/fedgate.ini"), 3);
	assert_string_equal(verb_out, "");
	assert_string_equal(verb_complaint,
		"/nowhere/fedgate.ini: there is no such file\n"
		"Nothing was checked; --config FILE says where the file is.\n");
	assert_int_equal(check_with("--config=/nowhere/fedgate.ini", "--json"), 3);
	json_t *all = json_loads(verb_out, 0, NULL);
	assert_true(json_is_false(json_object_get(all, "fine")));
	json_decref(all);
}

static void wrong_usage_is_two_and_shows_the_right_one(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b, *want;
	} rows[] = {
		{"--jsno", NULL,
			"fedgate check: there is no option --jsno; did you mean --json?\nusage: "
			"fedgate "},
		{"-x", NULL, "fedgate check: there is no option -x\nusage: "},
		{"--deep=yes", NULL, "fedgate check: there is no option --deep=yes\nusage: "},
		{"--config", NULL, "fedgate check: --config needs a file behind it\nusage: "},
		{"shire.example", NULL,
			"fedgate check: takes options only; what is shire.example\n"},
		{"--json", "fedgate.ini",
			"fedgate check: takes options only; what is fedgate.ini\n"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(check_with(rows[i].a, rows[i].b), 2);
		assert_string_equal(verb_out, "");
		if (strncmp(verb_complaint, rows[i].want, strlen(rows[i].want)) != 0)
			print_error("row %zu: %s\n", i, verb_complaint);
		assert_memory_equal(verb_complaint, rows[i].want, strlen(rows[i].want));
	}
	assert_int_equal(check_with("--help", NULL), 0);
	assert_memory_equal(verb_out, "usage: fedgate check ", 21);
}

static void a_report_that_cannot_be_written_is_no_success(void **state)
{
	(void)state;
	gate("");
	fflush(stdout);
	int saved = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY);
	assert_true(saved >= 0 && full >= 0);
	dup2(full, STDOUT_FILENO);
	char path[TREE_PATH_MAX];
	snprintf(path, sizeof path, "%s", tree_path(&site.tree, "fedgate.ini"));
	char *argv[] = {(char[]){"check"}, (char[]){"--config"}, path, NULL};
	int status = cmd_check(3, argv);
	clearerr(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	close(full);
	assert_int_equal(status, 3);
}

static void the_reference_goes_to_standard_output(void **state)
{
	(void)state;
	char *argv[] = {(char[]){"reference"}, (char[]){"x"}, NULL};
	assert_int_equal(run(cmd_reference, 1, argv), 0);
	assert_memory_equal(verb_out, "# Every key of the configuration\n", 33);
	assert_non_null(strstr(verb_out, "| `backend_check` | yes or no | `yes` | reload | "));
	assert_int_equal(run(cmd_reference, 2, argv), 2);
	assert_non_null(strstr(verb_complaint, "usage: fedgate reference"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		site_test(a_good_configuration_is_zero_and_one_line),
		site_test(all_faults_of_all_files_are_shown_in_order),
		site_test(warnings_alone_are_no_problem),
		site_test(no_tenants_yet_is_said_with_what_to_do),
		site_test(the_user_of_the_workers_must_exist),
		site_test(the_authorities_must_be_readable),
		site_test(deep_follows_the_chain_to_the_gates_authorities),
		site_test(what_the_gate_will_make_is_told_and_is_no_fault),
		site_test(another_key_at_a_target_with_tlsa_records_is_warned_about),
		site_test(more_than_fifty_are_counted),
		site_test(json_tells_the_same),
		site_test(json_of_a_good_configuration_is_fine),
		site_test(a_file_that_is_not_there_cannot_be_checked),
		site_test(wrong_usage_is_two_and_shows_the_right_one),
		site_test(a_report_that_cannot_be_written_is_no_success),
		site_test(the_reference_goes_to_standard_output),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
