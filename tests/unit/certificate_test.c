/* A tenant's certificate files judged before they are used. The fixtures' dates: 2026-11-23 to
 * 2126-10-30; their chain leads from root.pem over one authority. */
#include "tenants/certificate.h"

#include "config/tree.h"
#include "tenants/load.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { DAY = 86400 };
static const int64_t not_before = 1795469402, not_after = 4949069402, now = 1800000000;

static struct tree tree;

static int make(void **state)
{
	(void)state;
	tree_make(&tree);
	return 0;
}

static int take_away(void **state)
{
	(void)state;
	tree_remove(&tree);
	return 0;
}

static struct tenant *tenant_shire(void)
{
	struct faults f;
	faults_init(&f);
	struct tenant *t = load_tenant_text(
		SLICE_LIT("[tenant]\ndomain = shire.example\ndomains = conference.shire.example\n"
			  "backend = 127.0.0.1:5280\n[tls]\ncertificate = a\nkey = b\n"),
		"shire.example.ini", "/", false, NULL, &f);
	assert_non_null(t);
	return t;
}

static void judge(
	const char *chain, const char *key, const struct certificate_rules *rules, struct faults *f)
{
	struct file_id ids[2];
	struct tenant *t = tenant_shire();
	struct certificate_pair pair = {
		chain, key, {"x.ini", 5, "certificate"}, {"x.ini", 6, "key"}, &ids[0], &ids[1]};
	faults_init(f);
	certificate_judge(&pair, t, rules, f);
	tenant_release(t);
}

/* `want` is the whole report but for the path, "" when there is none; of a fault with a warning
 * beside it the fault. */
static void expect(size_t row, struct faults *f, const char *want)
{
	bool good = strlen(want) ? strstr(buf_cstr(&f->text), want) != NULL
				 : f->count + f->warnings == 0;
	good = good && (strncmp(want, "x.ini", 5) == 0 ? f->count == 1 : f->count == 0);
	if (!good)
		print_error("row %zu: %s\n", row, buf_cstr(&f->text));
	assert_true(good);
	faults_fini(f);
}

#define CHAIN "x.ini:5: certificate: "
#define KEY   "x.ini:6: key: "

static void a_chain_and_its_key_are_judged_by_their_content(void **state)
{
	(void)state;
	static const struct {
		const char *chain, *key, *want;
	} rows[] = {
		{"shire.pem", "shire.key", ""},
		{"shire.pem", "shire-pkcs8.key", ""},
		{"shire.pem", "shire-nopublic.key", ""},
		{"shire.pem", "shire-parameters.key", ""},
		{"shire-rsa.pem", "shire-rsa.key", ""},
		{"shire-rsa.pem", "shire-rsa-pkcs1.key", ""},
		{"shire.pem", "moria.key",
			KEY FIXTURES "moria.key: does not belong to the certificate in " FIXTURES
				     "shire.pem"},
		{"shire.pem", "shire-rsa.key", KEY FIXTURES "shire-rsa.key: does not belong"},
		{"shire-rsa.pem", "shire.key", KEY FIXTURES "shire.key: does not belong"},
		{"shire.pem", "shire-encrypted.key",
			KEY FIXTURES "shire-encrypted.key: is encrypted; remove the passphrase: "
				     "openssl pkey -in " FIXTURES "shire-encrypted.key"},
		{"shire.pem", "shire-encrypted-old.key",
			KEY FIXTURES "shire-encrypted-old.key: is encrypted"},
		{"shire.pem", "shire.pem",
			KEY FIXTURES "shire.pem: holds no private key that can be read"},
		{"shire.key", "shire.key", CHAIN FIXTURES "shire.key: holds no certificate in PEM"},
		{"shire-pkcs8.key", "shire.pem",
			CHAIN FIXTURES "shire-pkcs8.key: holds a key, no certificate; were the two "
				       "exchanged?"},
		{"shire-backwards.pem", "shire.key",
			CHAIN FIXTURES "shire-backwards.pem: the certificate of the key must come "
				       "first in the file"},
		{"moria.pem", "moria.key",
			"warning: " CHAIN FIXTURES "moria.pem: does not name shire.example, "
			"conference.shire.example; other servers"},
		{"shire-client.pem", "shire.key",
			"warning: " CHAIN FIXTURES "shire-client.pem: is not meant for servers"},
		{"shire-ca.pem", "shire.key",
			"warning: " CHAIN FIXTURES
			"shire-ca.pem: is the certificate of an authority"},
		{"nowhere.pem", "shire.key", CHAIN FIXTURES "nowhere.pem: there is no such file"},
		{"shire.pem", "nowhere.key", KEY FIXTURES "nowhere.key: there is no such file"},
		{".", "shire.key", CHAIN FIXTURES ".: this is a directory, not a file"},
		{"make-fixtures.sh", "shire.key",
			CHAIN FIXTURES "make-fixtures.sh: holds no certificate in PEM"},
	};
	for (int deep = 0; deep < 2; deep++) {
		for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
			struct faults f;
			char chain[80], key[80];
			struct certificate_rules rules = {.deep = deep, .now = now};
			snprintf(chain, sizeof chain, FIXTURES "%s", rows[i].chain);
			snprintf(key, sizeof key, FIXTURES "%s", rows[i].key);
			judge(chain, key, &rules, &f);
			expect(i, &f, rows[i].want);
		}
	}
}

/* Warned about two weeks before the end. */
static void a_certificate_is_judged_by_its_dates(void **state)
{
	(void)state;
	const struct {
		int64_t when;
		const char *want;
	} rows[] = {
		{not_before - 1,
			CHAIN FIXTURES "shire.pem: is not valid before 2026-11-23 21:30 UTC"},
		{not_before, ""},
		{not_after - 14 * DAY, ""},
		{not_after - 14 * DAY + 1,
			"warning: " CHAIN FIXTURES "shire.pem: expires on 2126-10-30 21:30 UTC"},
		{not_after, "warning: " CHAIN FIXTURES "shire.pem: expires on"},
		{not_after + 1,
			CHAIN FIXTURES "shire.pem: has expired on 2126-10-30 21:30 UTC; renew it"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct faults f;
		struct certificate_rules rules = {.now = rows[i].when};
		judge(FIXTURES "shire.pem", FIXTURES "shire.key", &rules, &f);
		expect(i, &f, rows[i].want);
	}
}

/* F07: what a reload finds while a renewal is being written. */
static void half_of_a_file_is_a_fault(void **state)
{
	(void)state;
	struct certificate_rules rules = {.now = now};
	size_t chain_len = tree_copy(&tree, FIXTURES "shire.pem", "chain", SIZE_MAX);
	size_t key_len = tree_copy(&tree, FIXTURES "shire.key", "key", SIZE_MAX);
	char chain[TREE_PATH_MAX], key[TREE_PATH_MAX];
	snprintf(chain, sizeof chain, "%s/chain", tree.dir);
	snprintf(key, sizeof key, "%s/key", tree.dir);
	for (size_t cut = 0; cut + 2 < key_len; cut += 7) {
		struct faults f;
		tree_copy(&tree, FIXTURES "shire.key", "key", cut);
		judge(chain, key, &rules, &f);
		assert_int_equal(f.count, 1);
		assert_non_null(strstr(buf_cstr(&f.text), KEY));
		faults_fini(&f);
	}
	tree_copy(&tree, FIXTURES "shire.key", "key", SIZE_MAX);
	size_t whole = 0;
	for (size_t cut = 0; cut + 2 < chain_len; cut += 13) {
		struct faults f;
		tree_copy(&tree, FIXTURES "shire.pem", "chain", cut);
		judge(chain, key, &rules, &f);
		/* Between the two certificates the file is a chain of one. */
		whole += f.count == 0;
		faults_fini(&f);
	}
	assert_in_range(whole, 1, 3);
}

/* K05: a customer who may name files must learn nothing from those of the system. */
static void a_link_into_proc_is_no_key_and_nothing_of_it_is_shown(void **state)
{
	(void)state;
	struct certificate_rules rules = {.now = now};
	struct faults f;
	assert_int_equal(symlink("/proc/self/environ", tree_path(&tree, "key")), 0);
	judge(FIXTURES "shire.pem", tree_path(&tree, "key"), &rules, &f);
	assert_null(strstr(buf_cstr(&f.text), "PATH="));
	assert_non_null(strstr(buf_cstr(&f.text), "/key: holds no private key that can be read"));
	expect(0, &f, KEY);
}

static void a_chain_has_at_most_eight_certificates(void **state)
{
	(void)state;
	static char data[1 << 16];
	struct certificate_rules rules = {.now = now};
	struct faults f;
	FILE *file = fopen(FIXTURES "shire-ca.pem", "r");
	assert_non_null(file);
	size_t one = fread(data, 1, sizeof data, file);
	fclose(file);
	for (size_t n = 1; n < CERT_CHAIN_MAX + 1; n++)
		memcpy(data + n * one, data, one);
	tree_put(&tree, "chain", data, CERT_CHAIN_MAX * one);
	judge(tree_path(&tree, "chain"), FIXTURES "shire.key", &rules, &f);
	expect(0, &f, "warning: ");
	tree_put(&tree, "chain", data, (CERT_CHAIN_MAX + 1) * one);
	judge(tree_path(&tree, "chain"), FIXTURES "shire.key", &rules, &f);
	assert_non_null(strstr(buf_cstr(&f.text), "the chain has more than 8 certificates"));
	expect(1, &f, CHAIN);
}

/* --deep: what strangers will think of it. */
static void only_deep_asks_for_order_and_authorities(void **state)
{
	(void)state;
	static const struct {
		const char *chain, *authorities, *shallow, *deep;
	} rows[] = {
		{FIXTURES "shire.pem", FIXTURES "root.pem", "", ""},
		{FIXTURES "shire.pem", NULL, "", ""},
		{FIXTURES "shire.pem", FIXTURES "shire-ca.pem", "",
			"warning: " CHAIN FIXTURES "shire.pem: other servers may refuse it: "},
		{FIXTURES "shire-gap.pem", FIXTURES "root.pem", "",
			CHAIN FIXTURES "shire-gap.pem: certificate 2 did not issue certificate 1"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct faults f;
		struct file_id id;
		struct cert_set *set = NULL;
		faults_init(&f);
		if (rows[i].authorities)
			set = certificate_authorities(rows[i].authorities,
				(struct place){"x.ini", 1, "ca_file"}, &id, &f);
		struct certificate_rules rules = {.now = now, .authorities = set};
		judge(rows[i].chain, FIXTURES "shire.key", &rules, &f);
		expect(i, &f, rows[i].shallow);
		rules.deep = true;
		judge(rows[i].chain, FIXTURES "shire.key", &rules, &f);
		expect(i, &f, rows[i].deep);
		cert_set_release(set);
	}
}

/* The public half that the file states is another's: only a signature tells. */
static void a_key_with_anothers_public_half_is_found_by_deep_alone(void **state)
{
	(void)state;
	struct faults f;
	struct certificate_rules rules = {.now = now};
	judge(FIXTURES "shire.pem", FIXTURES "shire-forged.key", &rules, &f);
	expect(0, &f, "");
	rules.deep = true;
	judge(FIXTURES "shire.pem", FIXTURES "shire-forged.key", &rules, &f);
	assert_int_equal(f.count, 1);
	faults_fini(&f);
}

static void a_bundle_of_authorities_must_hold_one(void **state)
{
	(void)state;
	static const struct {
		const char *path, *want;
	} rows[] = {
		{FIXTURES "root.pem", ""},
		{FIXTURES "shire.key", "x.ini:5: certificate: " FIXTURES
				       "shire.key: holds no authority's certificate in PEM"},
		{FIXTURES "nowhere.pem",
			"x.ini:5: certificate: " FIXTURES "nowhere.pem: there is no such file"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct faults f;
		struct file_id id;
		faults_init(&f);
		struct cert_set *set = certificate_authorities(
			rows[i].path, (struct place){"x.ini", 5, "certificate"}, &id, &f);
		assert_int_equal(set != NULL, *rows[i].want == '\0');
		cert_set_release(set);
		expect(i, &f, rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_and_its_key_are_judged_by_their_content),
		cmocka_unit_test(a_certificate_is_judged_by_its_dates),
		cmocka_unit_test_setup_teardown(half_of_a_file_is_a_fault, make, take_away),
		cmocka_unit_test_setup_teardown(
			a_link_into_proc_is_no_key_and_nothing_of_it_is_shown, make, take_away),
		cmocka_unit_test_setup_teardown(
			a_chain_has_at_most_eight_certificates, make, take_away),
		cmocka_unit_test(only_deep_asks_for_order_and_authorities),
		cmocka_unit_test(a_key_with_anothers_public_half_is_found_by_deep_alone),
		cmocka_unit_test(a_bundle_of_authorities_must_hold_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
