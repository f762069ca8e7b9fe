/* What the settings of fedgate.ini and of a tenant's file become. */
#include "tenants/config.h"
#include "tenants/load.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define BASE_DIR "/etc/fedgate/tenants.d"
#define FINE                                                                                       \
	"[tenant]\ndomain = shire.example\nbackend = 127.0.0.1:5280\n"                             \
	"[tls]\ncertificate = shire.pem\nkey = shire.key\n"

static struct gate *gate_of(const char *text, struct faults *f)
{
	faults_init(f);
	return load_gate_text(slice_str(text), "x.ini", "/etc/fedgate", f);
}

static struct tenant *tenant_of(const char *text, struct faults *f)
{
	faults_init(f);
	return load_tenant_text(slice_str(text), "shire.example.ini", BASE_DIR, false, NULL, f);
}

static void what_is_left_out_has_its_default(void **state)
{
	(void)state;
	struct faults f;
	struct gate *g = gate_of("", &f);
	assert_non_null(g);
	assert_int_equal(g->listen.count, 2);
	assert_string_equal(g->user, "fedgate");
	assert_string_equal(g->tenants_dir, "/etc/fedgate/tenants.d");
	assert_null(g->dns_forward);
	assert_int_equal(g->allow_private.count, 0);
	assert_int_equal(g->egress_listen.count, 1);
	assert_int_equal(g->stanza_bytes, 524288);
	assert_true(g->attempt_starttls);
	assert_string_equal(g->state_dir, "/etc/fedgate/state");
	assert_string_equal(g->admin_socket, "/run/fedgate/admin.sock");
	assert_string_equal(g->dns_trust_anchor, "/usr/share/dns/root.key");
	assert_true(g->proofs_dane && g->proofs_posh);
	assert_string_equal(g->web_ca_file, "/etc/ssl/certs/ca-certificates.crt");
	assert_int_equal(g->posh_fetches, 32);
	assert_null(g->host_certificate);
	assert_int_equal(g->publish_listen.count, 0);
	assert_int_equal(g->publish_expires, 86400);
	gate_free(g);
	struct tenant *t = tenant_of(FINE, &f);
	assert_non_null(t);
	assert_int_equal(t->floor_in, LEVEL_SECURE);
	assert_int_equal(t->floor_out, LEVEL_SECURE);
	assert_true(t->backend_check);
	assert_false(t->other_names);
	assert_int_equal(t->proof, TENANT_CERTIFICATE);
	assert_int_equal(t->pins.count, 0);
	assert_string_equal(t->certificate, BASE_DIR "/shire.pem");
	tenant_release(t);
}

static void an_emptied_list_stays_empty(void **state)
{
	(void)state;
	struct faults f;
	struct gate *g = gate_of("[egress]\ndns_listen =\ndns_allow =\n", &f);
	assert_non_null(g);
	assert_int_equal(g->steer_listen.count, 0);
	assert_int_equal(g->steer_allow.count, 0);
	gate_free(g);
}

static void a_list_goes_on_in_further_lines(void **state)
{
	(void)state;
	struct faults f;
	struct gate *g =
		gate_of("[gate]\nlisten = 127.0.0.1:1 [::1]:2\nlisten += 127.0.0.1:3\n", &f);
	assert_non_null(g);
	assert_int_equal(g->listen.count, 3);
	assert_int_equal(address_port(&g->listen.items[2].sa), 3);
	gate_free(g);
}

/* --- addresses against networks --- */

static struct sockaddr_storage host(const char *text)
{
	struct address a;
	char with_port[80], why[VALUE_WHY_MAX];
	snprintf(with_port, sizeof with_port, strchr(text, ':') ? "[%s]:1" : "%s:1", text);
	assert_true(address_parse(slice_str(with_port), &a, why));
	return a.sa;
}

static void a_network_holds_what_its_prefix_says(void **state)
{
	(void)state;
	static const struct {
		const char *network, *address;
		bool in;
	} rows[] = {
		{"10.0.0.0/8", "10.255.0.1", true},
		{"10.0.0.0/8", "11.0.0.1", false},
		{"10.0.0.0/8", "::ffff:10.0.0.1", true},
		{"10.0.0.0/8", "a00::1", false},
		{"192.0.2.128/25", "192.0.2.128", true},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.6", false},
		{"0.0.0.0/0", "192.0.2.7", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "192.0.2.7", false},
		{"::ffff:10.0.0.0/104", "10.1.2.3", true},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"::1", "::1", true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct network n;
		char why[VALUE_WHY_MAX];
		struct sockaddr_storage sa = host(rows[i].address);
		assert_true(network_parse(slice_str(rows[i].network), &n, why));
		struct network_list list = {&n, 1};
		if (network_list_has(&list, &sa) != rows[i].in)
			print_error("%s in %s\n", rows[i].address, rows[i].network);
		assert_int_equal(network_list_has(&list, &sa), rows[i].in);
	}
}

/* BE-11: the caller on egress comes from the backend's address. */
static void only_the_backends_addresses_may_call_on_egress(void **state)
{
	(void)state;
	static const struct {
		const char *more, *address;
		bool allowed;
	} rows[] = {
		{"", "127.0.0.1", true},
		{"", "::ffff:127.0.0.1", true},
		{"", "127.0.0.2", false},
		{"[tenant]\nbackend += 192.0.2.9:5280\n", "192.0.2.9", true},
		{"[tenant]\negress_from = 10.1.0.0/16\n", "10.1.2.3", true},
		{"[tenant]\negress_from = 10.1.0.0/16\n", "127.0.0.1", false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct faults f;
		struct buf text;
		struct sockaddr_storage sa = host(rows[i].address);
		buf_init(&text, 4096);
		assert_false(err_is(buf_printf(&text, FINE "%s", rows[i].more)));
		struct tenant *t = tenant_of(buf_cstr(&text), &f);
		assert_non_null(t);
		assert_int_equal(tenant_egress_allows(t, &sa), rows[i].allowed);
		tenant_release(t);
		buf_fini(&text);
	}
}

static void loopback_and_any_are_told_from_other_addresses(void **state)
{
	(void)state;
	static const struct {
		const char *address;
		bool loopback, any;
	} rows[] = {
		{"127.0.0.1", true, false},
		{"127.255.255.254", true, false},
		{"::1", true, false},
		{"::ffff:127.0.0.1", true, false},
		{"::2", false, false},
		{"126.0.0.1", false, false},
		{"0.0.0.0", false, true},
		{"::", false, true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sockaddr_storage sa = host(rows[i].address);
		assert_int_equal(address_is_loopback(&sa), rows[i].loopback);
		assert_int_equal(address_is_any(&sa), rows[i].any);
	}
}

/* --- reload --- */

static void a_changed_start_key_is_put_back_with_a_warning(void **state)
{
	(void)state;
	struct faults f;
	struct gate *running = gate_of("[gate]\nworkers = 2\nlisten = 127.0.0.1:1\n", &f);
	struct gate *fresh = gate_of("[gate]\nworkers = 3\nlisten = 127.0.0.1:1\n"
				     "max_connections = 77\n[egress]\nname = other.example\n",
		&f);
	assert_non_null(running);
	assert_non_null(fresh);
	gate_keep_started(fresh, running, "x.ini", &f);
	assert_string_equal(buf_cstr(&f.text), "warning: x.ini: workers: has changed in [gate]; it "
					       "takes effect at the next start\n"
					       "warning: x.ini: name: has changed in [egress]; it "
					       "takes effect at the next start\n");
	assert_int_equal(fresh->workers, 2);
	assert_true(domain_eq(&fresh->egress_name, &running->egress_name));
	assert_int_equal(fresh->max_connections, 77);
	faults_fini(&f);
	gate_free(running);
	gate_free(fresh);
}

static void what_sockets_and_rights_hang_on_needs_a_start(void **state)
{
	(void)state;
	static const char *const start[] = {"gate listen", "gate workers", "gate user",
		"gate tenants", "gate secret_file", "gate state_dir", "gate admin_socket",
		"proofs web_ca_file", "proofs posh_fetches", "publish listen", "dns forward",
		"dns trust_anchor", "egress listen", "egress dns_listen", "egress name",
		"egress dns_resolve"};
	size_t found = 0;
	for (size_t i = 0; i < gate_config.count; i++) {
		char name[64];
		bool expected = false;
		snprintf(name, sizeof name, "%s %s", gate_config.rows[i].section,
			gate_config.rows[i].key);
		for (size_t j = 0; j < sizeof start / sizeof *start; j++)
			expected = expected || strcmp(start[j], name) == 0;
		found += expected;
		assert_int_equal(gate_config.rows[i].live, !expected);
	}
	assert_int_equal(found, sizeof start / sizeof *start);
	for (size_t i = 0; i < tenant_config.count; i++)
		assert_true(tenant_config.rows[i].live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(an_emptied_list_stays_empty),
		cmocka_unit_test(a_list_goes_on_in_further_lines),
		cmocka_unit_test(a_network_holds_what_its_prefix_says),
		cmocka_unit_test(only_the_backends_addresses_may_call_on_egress),
		cmocka_unit_test(loopback_and_any_are_told_from_other_addresses),
		cmocka_unit_test(a_changed_start_key_is_put_back_with_a_warning),
		cmocka_unit_test(what_sockets_and_rights_hang_on_needs_a_start),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
