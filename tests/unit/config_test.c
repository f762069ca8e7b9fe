/* What may stand in fedgate.ini and in a tenant's file, and the sentence for what may not. */
#include "tenants/config.h"
#include "tenants/load.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#define BASE_DIR "/etc/fedgate/tenants.d"
/* Lines 1 to 6 of a tenant's file that is fine. */
#define TENANT(domain, backend)                                                                    \
	"[tenant]\n" domain "\n" backend "\n[tls]\ncertificate = shire.pem\nkey = shire.key\n"
#define DOMAIN  "domain = shire.example"
#define BACKEND "backend = 127.0.0.1:5280"
#define FINE    TENANT(DOMAIN, BACKEND)
#define TEN     "abcdefghij"
#define SIXTY   TEN TEN TEN TEN TEN TEN

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

struct row {
	const char *text, *want;
};

static void expect_one_fault(size_t row, struct faults *f, const char *want)
{
	bool good = f->count == 1 && slice_starts(buf_peek(&f->text), want);
	if (!good)
		print_error("row %zu: %zu faults: %s\n", row, f->count, buf_cstr(&f->text));
	assert_true(good);
	faults_fini(f);
}

static void each_fault_of_the_gate_is_one_sentence_at_its_line(void **state)
{
	(void)state;
	static const struct row rows[] = {
		/* K04: unknown, misspelt, misplaced, doubled */
		{"[gate]\nlisen = [::]:5269\n",
			"x.ini:2: lisen: there is no such key; did you mean `listen` in [gate]?"},
		{"[gate]\nbanana = 1\n",
			"x.ini:2: banana: there is no such key in [gate] of fedgate.ini"},
		{"[gate]\nListen = [::]:5269\n",
			"x.ini:2: Listen: there is no such key; did you mean `listen`"},
		{"[gate]\nmax-connections = 20\n",
			"x.ini:2: max-connections: there is no such key; did you mean "
			"`max_connections`"},
		{"[gate]\nstanza_byte = 20000\n",
			"x.ini:2: stanza_byte: there is no such key; did you mean `stanza_bytes` "
			"in [limits]?"},
		{"[gate]\nformat = json\n",
			"x.ini:2: format: belongs in section [log], not in [gate]"},
		{"workers = 2\n",
			"x.ini:1: workers: stands before the first section; write [gate] above it"},
		{"[gate]\nbackend = 127.0.0.1:5280\n",
			"x.ini:2: backend: belongs in a tenant's file"},
		{"[gaet]\nworkers = 2\n",
			"x.ini:1: there is no section [gaet]; did you mean [gate]?"},
		{"[orchard]\n", "x.ini:1: there is no section [orchard] in fedgate.ini"},
		{"[tls]\n", "x.ini:1: section [tls] belongs in a tenant's file"},
		{"[gate]\nworkers = 1\nworkers = 1\n",
			"x.ini:3: workers: is set twice; first in line 2"},
		{"[gate]\nworkers = 1\n[log]\n[gate]\nworkers = 1\n",
			"x.ini:5: workers: is set twice; first in line 2"},
		{"[gate]\nlisten = [::]:5269\nlisten = 0.0.0.0:5269\n",
			"x.ini:3: listen: is set twice; first in line 2; to add to the list, write "
			"`+=`"},
		{"[gate]\nlisten += [::]:5269\n",
			"x.ini:2: listen: there is nothing to add to: begin with `listen = ...`"},
		{"[gate]\nworkers = 1\nworkers += 1\n",
			"x.ini:3: workers: `+=` is for lists; this key holds one value"},
		/* required */
		{"[gate]\nlisten =\n", "x.ini:2: listen: may not be empty"},
		{"[gate]\ntenants =\n", "x.ini:2: tenants: may not be empty"},
		{"[gate]\nstate_dir =\n", "x.ini:2: state_dir: may not be empty"},
		{"[egress]\nname =\n", "x.ini:2: name: may not be empty"},
		/* addresses */
		{"[gate]\nlisten = 5269\n", "x.ini:2: listen: `5269` is not ADDRESS:PORT"},
		{"[gate]\nlisten = 127.0.0.1\n",
			"x.ini:2: listen: `127.0.0.1` has no port: write 127.0.0.1:5269"},
		{"[gate]\nlisten = [::1]\n",
			"x.ini:2: listen: `[::1]` has no port: write [::1]:5269"},
		{"[gate]\nlisten = ::1:5269\n",
			"x.ini:2: listen: `::1:5269`: an IPv6 address stands in brackets"},
		{"[gate]\nlisten = localhost:5269\n", "x.ini:2: listen: `localhost:5269` is not "
						      "ADDRESS:PORT, as 127.0.0.1:5269 or "
						      "[::1]:5269; names are not looked up"},
		{"[gate]\nlisten = *:5269\n", "x.ini:2: listen: `*:5269` is not ADDRESS:PORT"},
		{"[gate]\nlisten = 127.0.0.1:0\n",
			"x.ini:2: listen: `0` is not a port: 1 to 65535"},
		{"[gate]\nlisten = 127.0.0.1:65536\n", "x.ini:2: listen: `65536` is not a port"},
		{"[gate]\nlisten = 127.0.0.1:+5\n", "x.ini:2: listen: `+5` is not a port"},
		{"[gate]\nlisten = 127.0.0.1:5269, 127.0.0.2:5269\n",
			"x.ini:2: listen: `127.0.0.1:5269,`: a list is separated by spaces"},
		{"[gate]\nlisten = 127.0.0.1:5269 127.0.0.1:5269\n",
			"x.ini:2: listen: `127.0.0.1:5269` is named twice"},
		{"[gate]\nlisten = 127.0.0.1:5275\n",
			"x.ini:2: listen: 127.0.0.1:5275 is taken by `listen` in [egress] already"},
		{"[egress]\ndns_listen = 127.0.0.1:5275\n",
			"x.ini:2: dns_listen: 127.0.0.1:5275 is taken by `listen` in [egress]"},
		{"[publish]\nlisten = 127.0.0.1:5275\n",
			"x.ini:2: listen: 127.0.0.1:5275 is taken by `listen` in [egress] already"},
		/* networks */
		{"[dns]\nallow_private = 10.0.0.0/33\n",
			"x.ini:2: allow_private: `10.0.0.0/33`: behind the `/` stands 0 to 32"},
		{"[dns]\nallow_private = 10.0.0.1/8\n", "x.ini:2: allow_private: `10.0.0.1/8` has "
							"bits set behind its prefix; did you "
							"mean 10.0.0.0/8?"},
		{"[dns]\nallow_private = private\n",
			"x.ini:2: allow_private: `private` is not a network"},
		/* numbers */
		{"[gate]\nworkers = 257\n",
			"x.ini:2: workers: `257` is not a plain number from 0 to 256"},
		{"[gate]\nworkers = -1\n", "x.ini:2: workers: `-1` is not a plain number"},
		{"[gate]\nworkers = 0x2\n", "x.ini:2: workers: `0x2` is not a plain number"},
		{"[gate]\nworkers =\n", "x.ini:2: workers: `` is not a plain number"},
		{"[gate]\nmax_connections = 4294967312\n",
			"x.ini:2: max_connections: `4294967312` is not a plain number"},
		{"[limits]\nstanza_bytes = 9999\n",
			"x.ini:2: stanza_bytes: `9999` is not a plain number from 10000"},
		{"[limits]\nqueue_bytes = 4M\n",
			"x.ini:2: queue_bytes: `4M` is not a plain number"},
		{"[publish]\nexpires = 299\n",
			"x.ini:2: expires: `299` is not a plain number from 300 to 86400"},
		{"[proofs]\nposh_fetches = 0\n",
			"x.ini:2: posh_fetches: `0` is not a plain number from 1 to 1024"},
		/* words */
		{"[log]\nlevel = inof\n", "x.ini:2: level: `inof` is not a log level: error, warn, "
					  "info or debug; did "
					  "you mean `info`?"},
		{"[log]\nformat = xml\n",
			"x.ini:2: format: `xml` is not a log format: json or logfmt"},
		{"[limits]\nattempt_starttls = true\n",
			"x.ini:2: attempt_starttls: `true`: did you mean `yes`?"},
		{"[limits]\nattempt_starttls = off\n",
			"x.ini:2: attempt_starttls: `off` is neither yes nor no"},
		{"[gate]\nuser = Root User\n",
			"x.ini:2: user: `Root User` is not the name of a user"},
		/* resolver, names, paths */
		{"[dns]\nforward = 127.0.0.1:53\n",
			"x.ini:2: forward: `127.0.0.1:53` is not ADDRESS or ADDRESS@PORT"},
		{"[dns]\nforward = 127.0.0.1@0\n",
			"x.ini:2: forward: `127.0.0.1@0` is not ADDRESS"},
		{"[egress]\nnames = db.example\n",
			"x.ini:2: names: `db.example` is not NAME=ADDRESS, as db.example=10.0.0.7"},
		{"[egress]\nnames = -=10.0.0.7\n",
			"x.ini:2: names: `-=10.0.0.7` does not begin with a domain name"},
		{"[gate]\nca_file = ~/ca.pem\n",
			"x.ini:2: ca_file: `~/ca.pem`: `~` is not expanded; write the whole path"},
		{"[gate]\nca_file = /" SIXTY SIXTY SIXTY "\n",
			"x.ini:2: ca_file: the whole path has 181 bytes, but at most 176 fit"},
		{"[gate]\nhost_name = xmpp.hosting.example.net,\n",
			"x.ini:2: host_name: `xmpp.hosting.example.net,` is not a domain name"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct faults f;
		assert_null(gate_of(rows[i].text, &f));
		expect_one_fault(i, &f, rows[i].want);
	}
}

#define PIN "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

static void each_fault_of_a_tenant_is_one_sentence_at_its_line(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{TENANT("", BACKEND),
			"shire.example.ini: domain: is missing from section [tenant]"},
		{TENANT(DOMAIN, ""),
			"shire.example.ini: backend: is missing from section [tenant]"},
		{"[tenant]\n" DOMAIN "\n" BACKEND "\n[tls]\ncertificate = shire.pem\n",
			"shire.example.ini: key: is missing from section [tls]"},
		{"[tenant]\n" DOMAIN "\n" BACKEND "\n[tls]\nkey = shire.key\n",
			"shire.example.ini: certificate: is missing from section [tls]"},
		{TENANT("domain =", BACKEND), "shire.example.ini:2: domain: may not be empty"},
		{TENANT("domian = shire.example", BACKEND), "shire.example.ini:2: domian: there is "
							    "no such key; did you mean `domain` in "
							    "[tenant]?"},
		{FINE "[policy]\ntls_polcy = x\n",
			"shire.example.ini:8: tls_polcy: there is no such key in [policy]"},
		{FINE "[tenant]\ncertificate_2 = x.pem\n",
			"shire.example.ini:8: certificate_2: belongs in section [tls], not in "
			"[tenant]"},
		{FINE "[polciy]\ninbound = trusted\n", "shire.example.ini:7: there is no section "
						       "[polciy]; did you mean [policy]?"},
		{FINE "[gate]\nworkers = 1\n",
			"shire.example.ini:7: section [gate] belongs in fedgate.ini"},
		{FINE "[tenant]\nworkers = 1\n",
			"shire.example.ini:8: workers: belongs in fedgate.ini"},
		{FINE "[tenant]\ndomain = shire.example\n",
			"shire.example.ini:8: domain: is set twice; first in line 2"},
		{FINE "[tls]\ncertificate_2 = rsa.pem\n",
			"shire.example.ini:8: certificate_2: needs `key_2` beside it"},
		{FINE "[tls]\nkey_2 = rsa.key\n",
			"shire.example.ini:8: key_2: needs `certificate_2` beside it"},
		{FINE "[tenant]\ndomains = a.example a.example\n",
			"shire.example.ini:8: domains: `a.example` is named twice"},
		{FINE "[tenant]\ndomains = shire.example\n",
			"shire.example.ini:8: domains: names shire.example again"},
		{FINE "[tenant]\ndomains = a.example, b.example\n",
			"shire.example.ini:8: domains: `a.example,`: a list is separated by "
			"spaces"},
		{FINE "[tenant]\ndomains = *.shire.example\n",
			"shire.example.ini:8: domains: `*.shire.example`: there are no wildcards; "
			"list "
			"every domain"},
		{TENANT("domain = shire.example bree.example", BACKEND),
			"shire.example.ini:2: domain: only one domain may stand here; "
			"`bree.example` "
			"is too many"},
		{TENANT("domain = 127.0.0.1", BACKEND),
			"shire.example.ini:2: domain: `127.0.0.1` is not a domain name"},
		{TENANT("domain = frodo@shire.example", BACKEND),
			"shire.example.ini:2: domain: `frodo@shire.example` is not a domain name"},
		{TENANT("domain = shire_x.example", BACKEND),
			"shire.example.ini:2: domain: `shire_x.example` is not a domain name"},
		{TENANT(DOMAIN, "backend = localhost:5280"),
			"shire.example.ini:3: backend: `localhost:5280` is not ADDRESS:PORT"},
		{FINE "[policy]\ninbound = promiscuous\n",
			"shire.example.ini:8: inbound: `promiscuous` is not a level: verified, "
			"secure "
			"or trusted"},
		{FINE "[policy]\noutbound = truste\n", "shire.example.ini:8: outbound: `truste` is "
						       "not a level: verified, secure or "
						       "trusted; did you mean `trusted`?"},
		{FINE "[policy]\ninbound = none\n",
			"shire.example.ini:8: inbound: `none` is not a level"},
		{FINE "[tenant]\negress_from = backend.example\n",
			"shire.example.ini:8: egress_from: `backend.example` is not a network"},
		{FINE "[tls]\nnext_certificate = next.pem\n",
			"shire.example.ini:8: next_certificate: needs `next_key` beside it"},
		{FINE "[tls]\nnext_key = next.key\n",
			"shire.example.ini:8: next_key: needs `next_certificate` beside it"},
		{FINE "[tenant]\nproof = Posh\n",
			"shire.example.ini:8: proof: `Posh` is not a proof: certificate, posh or "
			"dane"},
		{FINE "[policy]\npins = mordor.example\n",
			"shire.example.ini:8: pins: `mordor.example` is not DOMAIN=sha256/BASE64"},
		{FINE "[policy]\npins = mordor.example=" PIN "=\n",
			"shire.example.ini:8: pins: `mordor.example=" PIN "=` is not DOMAIN="},
		{FINE "[policy]\npins = mordor.example=sha256/AAAA\n",
			"shire.example.ini:8: pins: `mordor.example=sha256/AAAA` is not DOMAIN="},
		{FINE "[policy]\npins = mordor.example=sha512/AAAA\n",
			"shire.example.ini:8: pins: `mordor.example=sha512/AAAA` is not DOMAIN="},
		{FINE "[policy]\npins = -=" PIN "\n",
			"shire.example.ini:8: pins: `-=" PIN "` does not begin with a domain name"},
		{FINE "[policy]\npins = mordor.example=" PIN " MORDOR.example=" PIN "\n",
			"shire.example.ini:8: pins: `MORDOR.example=" PIN "` is named twice"},
		/* Only the supervisor may write this one. */
		{FINE "[bundle]\nnumber = x\n",
			"shire.example.ini:8: number: is not as the supervisor writes it"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct faults f;
		assert_null(tenant_of(rows[i].text, &f));
		expect_one_fault(i, &f, rows[i].want);
	}
}

static void the_bundles_section_is_unknown_in_a_file(void **state)
{
	(void)state;
	struct faults f;
	faults_init(&f);
	assert_null(load_tenant_text(SLICE_LIT(FINE "[bundle]\nnumber = 7\n"),
		"tests/unit/config/shire.example.ini", "tests/unit/config", true, NULL, &f));
	expect_one_fault(0, &f,
		"tests/unit/config/shire.example.ini:7: there is no section [bundle] in a tenant's "
		"file");
}

/* ADR-5: what nameprep (RFC 3491) reads as another domain would become that one in the backend. */
static void a_domain_that_backends_would_fold_is_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"fa\xc3\x9f.example",                        /* sharp s: fass.example */
		"xn--fa-hia.example",                        /* the same, as an A-label */
		"b\xcf\x8c\xce\xbb\xce\xbf\xcf\x82.example", /* final sigma */
		"xn--nxasmm1c.example",                      /* the same kind, as an A-label */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf text;
		struct faults f;
		buf_init(&text, 4096);
		assert_false(err_is(buf_printf(&text,
			"[tenant]\ndomain = %s\n" BACKEND "\n[tls]\ncertificate = a\nkey = b\n",
			rows[i])));
		assert_null(tenant_of(buf_cstr(&text), &f));
		assert_non_null(strstr(buf_cstr(&f.text),
			"would take this one for another domain; it cannot be served"));
		expect_one_fault(i, &f, "shire.example.ini:2: domain: `");
		buf_fini(&text);
	}
}

static void an_idn_tenant_is_one_whatever_it_is_written_as(void **state)
{
	(void)state;
	struct faults f;
	struct tenant *a = tenant_of(TENANT("domain = M\xc3\xbcnchen.Example.", BACKEND), &f);
	struct tenant *b = tenant_of(TENANT("domain = xn--mnchen-3ya.example", BACKEND), &f);
	assert_non_null(a);
	assert_non_null(b);
	assert_string_equal(a->domain.name, "xn--mnchen-3ya.example");
	assert_true(domain_eq(&a->domain, &b->domain));
	assert_true(a->version == b->version);
	tenant_release(a);
	tenant_release(b);
}

static void all_faults_are_told_at_once(void **state)
{
	(void)state;
	struct faults f;
	assert_null(tenant_of("domain = shire.example\n"
			      "[tenant]\n"
			      " domain = shire.example\n"
			      "backend = localhost:1\n"
			      "[tsl]\n"
			      "[policy]\n"
			      "inbound = no\n"
			      "inbound = secure\n",
		&f));
	faults_sort(&f);
	assert_string_equal(buf_cstr(&f.text),
		"shire.example.ini:1: domain: stands before the first section; write [tenant] "
		"above "
		"it\n"
		"shire.example.ini:3: the line is indented; begin it at the left edge\n"
		"shire.example.ini:4: backend: `localhost:1` is not ADDRESS:PORT, as "
		"127.0.0.1:5269 "
		"or [::1]:5269; names are not looked up here\n"
		"shire.example.ini:5: there is no section [tsl]; did you mean [tls]?\n"
		"shire.example.ini:7: inbound: `no` is not a level: verified, secure or trusted\n"
		"shire.example.ini:8: inbound: is set twice; first in line 7\n");
	faults_fini(&f);
}

static void a_report_is_sorted_by_file_and_line(void **state)
{
	(void)state;
	static const struct place places[] = {{"b.ini", 9, "k"}, {"a.ini", 2, "k"},
		{"b.ini", 1, "k"}, {"a.ini", 0, "k"}, {"b.ini", 9, "l"}, {"c.ini", 3, "k"},
		{"a.ini", 3, "k"}};
	struct faults f;
	faults_init(&f);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		fault_add(&f, places[i], "x");
	faults_sort(&f);
	assert_string_equal(buf_cstr(&f.text), "b.ini:1: k: x\nb.ini:9: k: x\nb.ini:9: l: x\n"
					       "a.ini: k: x\na.ini:2: k: x\na.ini:3: k: x\n"
					       "c.ini:3: k: x\n");
	faults_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_of_the_gate_is_one_sentence_at_its_line),
		cmocka_unit_test(each_fault_of_a_tenant_is_one_sentence_at_its_line),
		cmocka_unit_test(the_bundles_section_is_unknown_in_a_file),
		cmocka_unit_test(a_domain_that_backends_would_fold_is_refused),
		cmocka_unit_test(an_idn_tenant_is_one_whatever_it_is_written_as),
		cmocka_unit_test(all_faults_are_told_at_once),
		cmocka_unit_test(a_report_is_sorted_by_file_and_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
