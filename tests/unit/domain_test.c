#include "base/domain.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* NULL: refused as no domain; FOLDS: refused because IDNA2003 reads another domain. */
#define FOLDS "<folds>"

struct row {
	const char *text, *want;
};

static struct err parse(const char *text, struct domain *d)
{
	return domain_parse(slice_str(text), d);
}

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct domain d;
		struct err e = parse(rows[i].text, &d);
		enum err_code want = ERR_OK;
		if (!rows[i].want)
			want = ERR_DOMAIN;
		else if (strcmp(rows[i].want, FOLDS) == 0)
			want = ERR_DOMAIN_FOLD;
		if (e.code != want)
			print_error("\"%s\": %s\n", rows[i].text, err_row(e.code)->symbol);
		assert_int_equal(e.code, want);
		assert_string_equal(d.name, want == ERR_OK ? rows[i].want : "");
		assert_int_equal(d.len, strlen(d.name));
		assert_int_equal(domain_is_set(&d), want == ERR_OK);
	}
}

#define CHECK(rows) check_rows(rows, sizeof(rows) / sizeof *(rows))

/* ID-5, C13 */
static void names_become_lower_case_a_labels_without_trailing_dot(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"shire.example", "shire.example"},
		{"SHIRE.Example", "shire.example"},
		{"shire.example.", "shire.example"},
		{"localhost", "localhost"},
		{"a1-b.x-2.example", "a1-b.x-2.example"},
		{"4chan.example", "4chan.example"},
		{"müller.example", "xn--mller-kva.example"},
		{"MÜLLER.example.", "xn--mller-kva.example"},
		{"mu\u0308ller.example", "xn--mller-kva.example"},
		{"xn--mller-kva.example", "xn--mller-kva.example"},
		{"XN--MLLER-KVA.example", "xn--mller-kva.example"},
		{"пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"},
		{"例え。テスト", "xn--r8jz45g.xn--zckzah"},
		{"ｓｈｉｒｅ.example", "shire.example"},
	};
	CHECK(rows);
}

/* C15 */
static void labels_are_letters_digits_and_inner_hyphens(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"", NULL},
		{".", NULL},
		{".shire.example", NULL},
		{"shire..example", NULL},
		{"shire.example..", NULL},
		{"-shire.example", NULL},
		{"shire-.example", NULL},
		{"sh--ire.example", NULL}, /* reserved for A-labels */
		{"shi--re.example", "shi--re.example"},
		{"müller..example", NULL},
		{"-müller.example", NULL},
		{"_xmpp-server._tcp.shire.example", NULL},
		{"shire_.müller.example", NULL},
		{"*.shire.example", NULL},
	};
	CHECK(rows);
}

/* X30, ID-6 */
static void addresses_ports_and_literals_are_no_domains(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"frodo@shire.example", NULL},
		{"shire.example/bag-end", NULL},
		{"shire.example:5269", NULL},
		{"shire example", NULL},
		{" shire.example", NULL},
		{"shire.example\n", NULL},
		{"shire%2eexample", NULL},
		{"127.0.0.1", NULL},
		{"127.0.0.1.", NULL},
		{"127.1", NULL},
		{"2130706433", NULL},
		{"0x7f000001", NULL},
		{"shire.0x", NULL},
		{"shire.0xa", NULL},
		{"0177.0.0.01", NULL},
		{"１２７.1", NULL}, /* full-width digits map to ASCII ones */
		{"::1", NULL},
		{"[::1]", NULL},
		{"[fe80::1%eth0]", NULL},
		{"1.example", "1.example"},
		{"shire.0xg", "shire.0xg"},
	};
	CHECK(rows);
}

/* C14, ADR-5 */
static void a_name_that_idna2003_reads_otherwise_is_refused(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"faß.example", FOLDS},        /* fass.example */
		{"xn--fa-hia.example", FOLDS}, /* the same, as A-label */
		{"fass.example", "fass.example"},
		{"βόλος.example", FOLDS}, /* final sigma */
		{"xn--nxasmm1c.example", FOLDS},
		{"βόλοσ.example", "xn--nxasmq6b.example"},
		{"क\u094d\u200dष.example", FOLDS}, /* zero width joiner after a virama */
		{"क\u094dष.example", "xn--11b2ezc.example"},
		{"نامه\u200cای.example", FOLDS}, /* zero width non-joiner in Persian */
		{"shi\u200dre.example", NULL},   /* no context for a joiner: IDNA2008 refuses */
		{"shi\u00adre.example", "shire.example"}, /* soft hyphen: nothing, in both */
		/* Thaana ending in a vowel sign: fine by RFC 5893, refused by nameprep. */
		{"ދިވެހި.example", FOLDS},
	};
	CHECK(rows);
}

/* C14 */
static void what_idna2008_refuses_is_refused(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"☃.example", NULL},
		{"xn--n3h.example", NULL},
		{"\u0301a.example", NULL}, /* starts with a combining mark */
		{"אa.example", NULL},      /* mixed direction */
		{"xn--.example", NULL},
		{"xn--a.example", NULL},
		{"xn--shire-.example", NULL}, /* decodes to ASCII */
		{"xn--xn--mller-kva-.example", NULL},
		{"xn--Mller-wwa.example", NULL}, /* decodes to a capital letter */
		{"xn--mller-kva\xc3\xbc.example", NULL},
		{"\xff.example", NULL},
		{"\xc0\xae.example", NULL},     /* overlong full stop */
		{"\xed\xa0\x80.example", NULL}, /* surrogate */
		{"\xc3", NULL},
	};
	CHECK(rows);
}

/* C14: confusable names are other names. */
static void a_cyrillic_twin_is_another_domain(void **state)
{
	(void)state;
	struct domain latin, cyrillic;
	assert_false(err_is(parse("a.example", &latin)));
	assert_false(err_is(parse("а.example", &cyrillic)));
	assert_false(domain_eq(&latin, &cyrillic));
	assert_true(domain_hash(&latin) != domain_hash(&cyrillic));
}

static void fill(char *out, size_t len, size_t label)
{
	for (size_t i = 0; i < len; i++)
		out[i] = i % (label + 1) == label ? '.' : 'a';
	out[len] = '\0';
}

/* C15 */
static void labels_end_at_63_and_names_at_253_octets(void **state)
{
	(void)state;
	static const struct {
		size_t len, label;
		enum err_code want;
	} rows[] = {
		{63, 63, ERR_OK},
		{64, 64, ERR_DOMAIN},
		{253, 63, ERR_OK},
		{254, 63, ERR_DOMAIN},
		{255, 63, ERR_DOMAIN},
		{DOMAIN_UNICODE_MAX, 50, ERR_DOMAIN},
		{DOMAIN_UNICODE_MAX + 1, 50, ERR_DOMAIN},
		{70000, 50, ERR_DOMAIN},
	};
	static char text[70001];
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct domain d;
		fill(text, rows[i].len, rows[i].label);
		assert_int_equal(parse(text, &d).code, rows[i].want);
	}
	struct domain d;
	fill(text, 253, 63);
	text[253] = '.';
	text[254] = '\0';
	assert_int_equal(parse(text, &d).code, ERR_OK);
	assert_int_equal(d.len, 253);
}

/* C09's class: nothing hides behind a NUL. */
static void a_nul_is_no_end(void **state)
{
	(void)state;
	struct domain d;
	assert_int_equal(domain_parse(SLICE_LIT("shire.example\0.evil"), &d).code, ERR_DOMAIN);
	assert_int_equal(domain_parse(SLICE_LIT("m\xc3\xbc.example\0.evil"), &d).code, ERR_DOMAIN);
	assert_int_equal(domain_parse(SLICE_NONE, &d).code, ERR_DOMAIN);
}

/* ADR-5 */
static void the_canonical_form_is_u_labels(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool canonical;
	} rows[] = {
		{"müller.example", true},
		{"Müller.example", false},
		{"mu\u0308ller.example", false},
		{"xn--mller-kva.example", false},
		{"müller.example.", false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct domain d;
		char out[DOMAIN_UNICODE_MAX + 1];
		assert_false(err_is(parse(rows[i].text, &d)));
		assert_true(slice_eq_str(domain_unicode(&d, out), "müller.example"));
		assert_string_equal(out, "müller.example");
		assert_int_equal(
			domain_is_canonical(&d, slice_str(rows[i].text)), rows[i].canonical);
	}
	struct domain d;
	assert_false(err_is(parse("Shire.example", &d)));
	assert_true(domain_is_canonical(&d, SLICE_LIT("shire.example")));
	assert_false(domain_is_canonical(&d, SLICE_LIT("Shire.example")));
	assert_false(domain_is_canonical(&d, SLICE_LIT("shire.exampl")));
}

/* A small generator of our own: the same rows on every machine. */
static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void random_text(uint32_t *seed, char *out)
{
	static const char *const parts[] = {"a", "Z", "9", "-", ".", "xn--", "ü", "U\u0308", "ß",
		"ς", "\u200c", "\u200d", "я", "Я", "語", "。", "ﬁ", "א", "ا", "क", "\u094d", "kva",
		"fa-hia", "\u0301", "ａ", "１", "İ", "ŉ", "_", "ö.example"};
	out[0] = '\0';
	size_t len = 0;
	for (uint32_t n = 1 + next_random(seed) % 8; n; n--) {
		const char *p = parts[next_random(seed) % (sizeof parts / sizeof *parts)];
		memcpy(out + len, p, strlen(p) + 1);
		len += strlen(p);
	}
}

/* C15: normalise(normalise(x)) = normalise(x), from either form. */
static void normalising_twice_changes_nothing(void **state)
{
	(void)state;
	uint32_t seed = 5269;
	size_t accepted = 0;
	for (int i = 0; i < 20000; i++) {
		char text[256], unicode[DOMAIN_UNICODE_MAX + 1];
		struct domain once, twice, back;
		random_text(&seed, text);
		if (err_is(parse(text, &once)))
			continue;
		accepted++;
		assert_false(err_is(domain_parse(domain_slice(&once), &twice)));
		assert_true(domain_eq(&once, &twice));
		struct slice u = domain_unicode(&once, unicode);
		assert_false(err_is(domain_parse(u, &back)));
		assert_true(domain_eq(&once, &back));
		assert_true(domain_is_canonical(&back, u));
	}
	assert_true(accepted > 1000);
}

/* B08, DB-15: what must not be looked up in the public DNS. */
static void names_that_the_public_dns_does_not_have_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum domain_scope scope;
	} rows[] = {
		{"rohan.example", DOMAIN_PUBLIC},
		{"local.example", DOMAIN_PUBLIC},
		{"notlocal", DOMAIN_LOCAL},
		{"thelocal.example", DOMAIN_PUBLIC},
		{"a.notinternal.example", DOMAIN_PUBLIC},
		{"a.vocalonion.example", DOMAIN_PUBLIC},
		{"a.glocal", DOMAIN_PUBLIC},
		{"home.arpa.example", DOMAIN_PUBLIC},
		{"arpa", DOMAIN_LOCAL},
		{"prosody", DOMAIN_LOCAL},
		{"xmpp.local", DOMAIN_LOCAL},
		{"LOCAL.", DOMAIN_LOCAL},
		{"xmpp.corp.internal", DOMAIN_LOCAL},
		{"nas.home.arpa", DOMAIN_LOCAL},
		{"a.test", DOMAIN_LOCAL},
		{"localhost", DOMAIN_NOWHERE},
		{"a.LocalHost", DOMAIN_NOWHERE},
		{"a.invalid", DOMAIN_NOWHERE},
		{"abcdef.onion", DOMAIN_NOWHERE},
		{"a.b.alt", DOMAIN_NOWHERE},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct domain d;
		assert_false(err_is(parse(rows[i].name, &d)));
		if (domain_scope(&d) != rows[i].scope)
			fail_msg("%s", rows[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_lower_case_a_labels_without_trailing_dot),
		cmocka_unit_test(labels_are_letters_digits_and_inner_hyphens),
		cmocka_unit_test(addresses_ports_and_literals_are_no_domains),
		cmocka_unit_test(a_name_that_idna2003_reads_otherwise_is_refused),
		cmocka_unit_test(what_idna2008_refuses_is_refused),
		cmocka_unit_test(a_cyrillic_twin_is_another_domain),
		cmocka_unit_test(labels_end_at_63_and_names_at_253_octets),
		cmocka_unit_test(a_nul_is_no_end),
		cmocka_unit_test(the_canonical_form_is_u_labels),
		cmocka_unit_test(normalising_twice_changes_nothing),
		cmocka_unit_test(names_that_the_public_dns_does_not_have_are_told_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
