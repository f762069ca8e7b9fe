/* Tenants without a certificate of their own: which files the loader gives them. */
#include "tenants/provided.h"

#include <stdint.h>

#include "config/site.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct load_options at_start = {.now = SITE_NOW};

static void gate_with(const char *text)
{
	site_reset_faults();
	gate_free(site.gate);
	tree_write(&site.tree, "fedgate.ini", text);
	site.gate = load_gate(tree_path(&site.tree, "fedgate.ini"), &site.faults);
	assert_non_null(site.gate);
}

static void load_as(const char *proof, const char *more, const struct load_options *options)
{
	char text[1000];
	snprintf(text, sizeof text,
		"[tenant]\ndomain = shire.example\nbackend = 127.0.0.1:5280\nproof = %s\n%s", proof,
		more);
	tree_write(&site.tree, "tenants.d/shire.example.ini", text);
	registry_free(site.registry);
	site.registry = NULL;
	site_load(options);
}

static void tenant_proven_by(const char *proof, const char *more)
{
	load_as(proof, more, &at_start);
}

static void pair_at(const char *dir, const char *stem)
{
	char name[200];
	snprintf(name, sizeof name, "%s/%s.pem", dir, stem);
	tree_copy(&site.tree, FIXTURES "shire.pem", name, SIZE_MAX);
	snprintf(name, sizeof name, "%s/%s.key", dir, stem);
	tree_copy(&site.tree, FIXTURES "shire.key", name, SIZE_MAX);
	assert_int_equal(chmod(tree_path(&site.tree, name), 0600), 0);
}

static void expect_path(const char *path, const char *want)
{
	if (!want) {
		assert_null(path);
		return;
	}
	assert_non_null(path);
	assert_string_equal(path, tree_path(&site.tree, want));
}

#define GATE "[gate]\nca_file = root.pem\nhost_name = xmpp.hosting.example.net\n"
#define MINE "state/tenants/shire.example"

/* POSH-12 */
static void a_posh_tenant_shows_what_lies_in_its_own_directory(void **state)
{
	(void)state;
	gate_with(GATE);
	tree_mkdir(&site.tree, "state");
	tree_mkdir(&site.tree, "state/tenants");
	tree_mkdir(&site.tree, MINE);
	pair_at(MINE, "current");
	tenant_proven_by("posh", "");
	assert_string_equal(site_report(), "");
	struct tenant *t = site_find("shire.example");
	assert_int_equal(t->proof, TENANT_POSH);
	expect_path(t->certificate, MINE "/current.pem");
	expect_path(t->key, MINE "/current.key");
	expect_path(t->next_certificate, NULL);
	expect_path(t->previous_certificate, NULL);
	uint64_t version = t->version;
	pair_at(MINE, "next");
	pair_at(MINE, "previous");
	site_reload();
	t = site_find("shire.example");
	expect_path(t->next_certificate, MINE "/next.pem");
	expect_path(t->next_key, MINE "/next.key");
	expect_path(t->previous_certificate, MINE "/previous.pem");
	assert_true(t->version != version);
}

/* DANE-6 */
static void dane_tenants_show_what_the_host_has(void **state)
{
	(void)state;
	static const struct {
		const char *gate, *certificate, *key, *next, *previous;
	} rows[] = {
		{GATE, "state/host/current.pem", "state/host/current.key", "state/host/next.pem",
			"state/host/previous.pem"},
		{GATE "[host]\ncertificate = shire.pem\nkey = shire.key\n", "shire.pem",
			"shire.key", NULL, NULL},
		{GATE "[host]\ncertificate = shire.pem\nkey = shire.key\n"
		      "next_certificate = root.pem\nnext_key = shire.key\n",
			"shire.pem", "shire.key", "root.pem", NULL},
	};
	tree_mkdir(&site.tree, "state");
	tree_mkdir(&site.tree, "state/host");
	pair_at("state/host", "current");
	pair_at("state/host", "next");
	pair_at("state/host", "previous");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		gate_with(rows[i].gate);
		tenant_proven_by("dane", "");
		assert_string_equal(site_report(), "");
		const struct tenant *t = site_find("shire.example");
		assert_int_equal(t->proof, TENANT_DANE);
		expect_path(t->certificate, rows[i].certificate);
		expect_path(t->key, rows[i].key);
		expect_path(t->next_certificate, rows[i].next);
		expect_path(t->previous_certificate, rows[i].previous);
	}
}

/* --- making --- */

static struct {
	size_t calls, names;
	char directory[TREE_PATH_MAX], first[300], last[300];
	int64_t now;
	const char *why;
} made;

static const char *make_pair(
	const char *directory, const struct domain *const *names, size_t count, int64_t now)
{
	made.calls++;
	made.names = count;
	made.now = now;
	snprintf(made.directory, sizeof made.directory, "%s", directory);
	snprintf(made.first, sizeof made.first, "%s", names[0]->name);
	snprintf(made.last, sizeof made.last, "%s", names[count - 1]->name);
	if (!made.why) {
		const char *inside = directory + strlen(site.tree.dir) + 1;
		tree_mkdir(&site.tree, "state");
		if (strchr(inside + sizeof "state/", '/'))
			tree_mkdir(&site.tree, "state/tenants");
		tree_mkdir(&site.tree, inside);
		pair_at(inside, "current");
	}
	return made.why;
}

static void load_and_make(const char *proof, const char *more)
{
	static const struct load_options making = {.now = SITE_NOW, .make = make_pair};
	made.calls = 0;
	load_as(proof, more, &making);
}

static void what_is_missing_is_made_once(void **state)
{
	(void)state;
	static const struct {
		const char *proof, *directory, *first, *last;
		size_t names;
	} rows[] = {{"posh", MINE, "shire.example", "b.shire.example", 3},
		{"dane", "state/host", "xmpp.hosting.example.net", "xmpp.hosting.example.net", 1}};
	made.why = NULL;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		gate_with(GATE);
		load_and_make(rows[i].proof, "domains = a.shire.example b.shire.example\n");
		assert_string_equal(site_report(), "");
		assert_int_equal(made.calls, 1);
		expect_path(made.directory, rows[i].directory);
		assert_string_equal(made.first, rows[i].first);
		assert_string_equal(made.last, rows[i].last);
		assert_int_equal(made.names, rows[i].names);
		assert_int_equal(made.now, SITE_NOW);
		assert_true(site_find("shire.example")->certificate_id.ino != 0);
		load_and_make(rows[i].proof, "domains = a.shire.example b.shire.example\n");
		assert_int_equal(made.calls, 0);
		site_take_away(state);
		assert_int_equal(site_make(state), 0);
	}
}

static void what_cannot_be_made_is_a_fault(void **state)
{
	(void)state;
	gate_with(GATE);
	made.why = "the disk is full";
	load_and_make("posh", "");
	assert_non_null(strstr(site_report(), "tenants.d/shire.example.ini:4: proof: " MINE
					      "/current.pem: cannot be made: the disk is full\n"));
	assert_null(site_find("shire.example"));
}

/* A new key in its place would contradict what the customer has published. */
static void half_of_a_pair_is_a_fault_and_not_replaced(void **state)
{
	(void)state;
	static const char *const names[] = {"current.pem", "current.key"};
	gate_with(GATE);
	tree_mkdir(&site.tree, "state");
	tree_mkdir(&site.tree, "state/tenants");
	tree_mkdir(&site.tree, MINE);
	for (size_t i = 0; i < 2; i++) {
		char name[100], want[200];
		made.why = NULL;
		pair_at(MINE, "current");
		snprintf(name, sizeof name, MINE "/%s", names[i]);
		tree_unlink(&site.tree, name);
		load_and_make("posh", "");
		snprintf(want, sizeof want,
			"tenants.d/shire.example.ini:4: proof: %s: there is no such file\n", name);
		assert_string_equal(site_report(), want);
		assert_int_equal(made.calls, 0);
		assert_null(site_find("shire.example"));
	}
}

/* F07, M10: all of them keep what they had; one of them is told why. */
static void a_hosts_broken_certificate_is_judged_once_and_changes_nobody(void **state)
{
	(void)state;
	gate_with(GATE "[host]\ncertificate = shire.pem\nkey = shire.key\n");
	tree_write(&site.tree, "tenants.d/bree.example.ini",
		"[tenant]\ndomain = bree.example\nbackend = 127.0.0.1:5280\nproof = dane\n");
	tenant_proven_by("dane", "");
	const struct tenant *before = tenant_hold(site_find("shire.example"));
	tree_copy(&site.tree, FIXTURES "moria.pem", "shire.pem", SIZE_MAX);
	site_reload();
	assert_string_equal(site_report(),
		"tenants.d/bree.example.ini:4: proof: shire.key: does not belong to the "
		"certificate in shire.pem\n"
		"tenants.d/shire.example.ini:4: proof: shire.pem: the host's certificate cannot be "
		"used, as was reported before\n");
	assert_ptr_equal(site_find("shire.example"), before);
	assert_int_equal(site.result.kept_old, 2);
	tree_copy(&site.tree, FIXTURES "moria.key", "shire.key", SIZE_MAX);
	site_reload();
	assert_string_equal(site_report(), "");
	assert_ptr_not_equal(site_find("shire.example"), before);
	tenant_release((struct tenant *)before);
}

static void who_has_no_certificate_of_his_own_may_not_name_one(void **state)
{
	(void)state;
	static const struct {
		const char *proof, *gate, *more, *want;
	} rows[] = {
		{"posh", GATE, "[tls]\ncertificate = ../shire.pem\n",
			"6: certificate: the gate makes the certificate and the key of a tenant "
			"with `proof = posh`; remove this line"},
		{"posh", GATE, "[tls]\nkey = ../shire.key\n", "6: key: the gate makes the"},
		{"posh", GATE, "[tls]\nnext_certificate = a\nnext_key = b\n",
			"6: next_certificate: the gate makes the"},
		{"dane", GATE, "[tls]\ncertificate = ../shire.pem\n",
			"6: certificate: a tenant with `proof = dane` shows the host's "
			"certificate; remove this line"},
		{"dane", GATE, "[tls]\ncertificate_2 = a\nkey_2 = b\n",
			"6: certificate_2: a tenant with `proof = dane`"},
		{"dane", "[gate]\nca_file = root.pem\n", "",
			"4: proof: `dane` needs `host_name` in fedgate.ini, or `name` in"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char want[300];
		gate_with(rows[i].gate);
		tenant_proven_by(rows[i].proof, rows[i].more);
		snprintf(want, sizeof want, "tenants.d/shire.example.ini:%s", rows[i].want);
		if (!strstr(site_report(), want))
			print_error("%s", site_report());
		assert_non_null(strstr(site_report(), want));
		assert_null(site_find("shire.example"));
	}
}

static void a_state_directory_that_fits_no_line_is_a_fault(void **state)
{
	(void)state;
	char gate[400];
	snprintf(gate, sizeof gate, GATE "state_dir = /%0150d\n", 0);
	gate_with(gate);
	tenant_proven_by("posh", "");
	assert_string_equal(site_report(), "tenants.d/shire.example.ini:4: proof: the path of "
					   "`state_dir` and this domain are too long together\n");
}

static void what_belongs_together_in_the_gates_file_is_asked_for_together(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"[host]\ncertificate = shire.pem\n", "5: certificate: needs `key` beside it\n"},
		{"[host]\nkey = shire.key\n", "5: key: needs `certificate` beside it\n"},
		{"[host]\nnext_key = shire.key\n", "5: next_key: needs `next_certificate` beside "
						   "it\n"},
		{"[host]\ncertificate = nowhere.pem\nkey = shire.key\n",
			"5: certificate: nowhere.pem: there is no such file\n"},
		{"[host]\ncertificate = shire.pem\nkey = nowhere.key\n",
			"6: key: nowhere.key: there is no such file\n"},
		{"[publish]\ncertificate = shire.pem\n", "5: certificate: needs `key` beside it\n"},
		{"[publish]\nlisten = 192.0.2.1:443\n",
			"5: listen: needs `certificate` and `key` of the web site in section "
			"[publish]\n"},
		{"[proofs]\nweb_ca_file = nowhere.pem\n",
			"5: web_ca_file: nowhere.pem: there is no such file\n"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char text[600], want[300];
		snprintf(text, sizeof text, GATE "%s", rows[i].text);
		snprintf(want, sizeof want, "fedgate.ini:%s", rows[i].want);
		site_reset_faults();
		tree_write(&site.tree, "fedgate.ini", text);
		assert_null(load_gate(tree_path(&site.tree, "fedgate.ini"), &site.faults));
		assert_string_equal(site_report(), want);
	}
}

static void a_publisher_needs_a_name_to_publish_under(void **state)
{
	(void)state;
	site_reset_faults();
	tree_write(&site.tree, "fedgate.ini",
		"[gate]\nca_file = root.pem\n[publish]\nlisten = 192.0.2.1:443\n"
		"certificate = shire.pem\nkey = shire.key\n");
	assert_null(load_gate(tree_path(&site.tree, "fedgate.ini"), &site.faults));
	assert_string_equal(site_report(), "fedgate.ini:4: listen: needs `host_name` in section "
					   "[gate]: the documents stand under that name\n");
}

static void pins_are_found_by_domain_and_key(void **state)
{
	(void)state;
	unsigned char zero[32] = {0}, one[32] = {1};
	struct domain mordor, other;
	struct faults f;
	faults_init(&f);
	assert_false(err_is(domain_parse(slice_str("mordor.example"), &mordor)));
	assert_false(err_is(domain_parse(slice_str("a.mordor.example"), &other)));
	struct tenant *t = load_tenant_text(
		slice_str("[tenant]\ndomain = shire.example\nbackend = 127.0.0.1:1\nproof = posh\n"
			  "[policy]\npins = Mordor.example="
			  "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
		"x.ini", "/", false, NULL, &f);
	assert_non_null(t);
	assert_true(pin_list_names(&t->pins, &mordor));
	assert_false(pin_list_names(&t->pins, &other));
	assert_true(pin_list_has(&t->pins, &mordor, zero));
	assert_false(pin_list_has(&t->pins, &mordor, one));
	assert_false(pin_list_has(&t->pins, &other, zero));
	tenant_release(t);
	faults_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		site_test(a_posh_tenant_shows_what_lies_in_its_own_directory),
		site_test(dane_tenants_show_what_the_host_has),
		site_test(who_has_no_certificate_of_his_own_may_not_name_one),
		site_test(what_is_missing_is_made_once),
		site_test(what_cannot_be_made_is_a_fault),
		site_test(half_of_a_pair_is_a_fault_and_not_replaced),
		site_test(a_hosts_broken_certificate_is_judged_once_and_changes_nobody),
		site_test(a_state_directory_that_fits_no_line_is_a_fault),
		site_test(what_belongs_together_in_the_gates_file_is_asked_for_together),
		site_test(a_publisher_needs_a_name_to_publish_under),
		cmocka_unit_test(pins_are_found_by_domain_and_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
