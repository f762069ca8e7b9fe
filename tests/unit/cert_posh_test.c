/* POSH documents against the certificates of the corpus (RFC 7711 3.1, 3.3, 6; POSH-4, POSH-5,
 * POSH-7, POSH-11; P11, P13). What a document must hold is told by another library (dane.py). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lab/certs/corpus.h"
#include "../lab/certs/prints.h"
#include "base/b64.h"
#include "trust/posh.h"

enum { NOW = 1772366400, BEGIN = 1767225600, END = 1775001600 };

/* A descriptor as words: hash and whose, "256:0", "512:x" for nobody's, "1:0" for sha-1; of the
 * certificate at that place of the chain, or of its key: "256:0k". A `|` begins the next one. */
static void write_hash(const char *name, size_t len, const struct print *p, struct buf *out)
{
	const unsigned char *digest = len == 48 ? p->sha384 : len == 64 ? p->sha512 : p->sha256;
	(void)buf_printf(out, "\"sha-%s\":\"", name);
	(void)b64_encode(slice_of(digest, len), out);
	(void)buf_append_str(out, "\"");
}

static void write_word(struct slice word, const char *chain, struct buf *out)
{
	struct slice name = slice_sub(word, 0, slice_find(word, ':'));
	struct slice whose = slice_sub(word, name.len + 1, word.len);
	struct print p;
	memset(&p, 0x5a, sizeof p);
	if (*whose.ptr != 'x')
		p = read_print(chain, *whose.ptr, whose.len > 1 ? "key" : "certificate");
	if (slice_eq_str(name, "384"))
		write_hash("384", 48, &p, out);
	else if (slice_eq_str(name, "512"))
		write_hash("512", 64, &p, out);
	else if (slice_eq_str(name, "256"))
		write_hash("256", 32, &p, out);
	else
		write_hash("1", 20, &p, out);
}

static void write_document(const char *words, const char *chain, struct buf *out)
{
	struct slice rest = slice_str(words);
	bool first = true;
	(void)buf_append_str(out, "{\"fingerprints\":[{");
	while (rest.len) {
		struct slice word = slice_sub(rest, 0, slice_find(rest, ' '));
		rest = slice_sub(rest, word.len + 1, rest.len);
		bool next = slice_eq_str(word, "|");
		if (next || !first)
			(void)buf_append_str(out, next ? "},{" : ",");
		if (!next)
			write_word(word, chain, out);
		first = next;
	}
	(void)buf_append_str(out, "}],\"expires\":600}");
}

struct one {
	const char *title, *words, *chain;
	enum err_code want;
	int64_t now; /* 0: NOW */
};

static void check_ones(const struct one *all, size_t count)
{
	static struct posh_document d;
	for (size_t i = 0; i < count; i++) {
		struct buf text;
		struct chain chain;
		int64_t not_after = -1;
		buf_init(&text, BUF_UNLIMITED);
		write_document(all[i].words, all[i].chain, &text);
		if (err_is(posh_parse(buf_peek(&text), &d)))
			fail_msg("%s: no document: %s", all[i].title, buf_cstr(&text));
		read_chain(all[i].chain, &chain);
		struct err e = posh_judge(
			&d, chain.slices, chain.count, all[i].now ? all[i].now : NOW, &not_after);
		if (e.code != all[i].want || not_after != (err_is(e) ? 0 : END))
			fail_msg("%s: %s", all[i].title, err_row(e.code)->symbol);
		free_chain(&chain);
		buf_fini(&text);
	}
}
#define CHECK_ONES(all) check_ones(all, sizeof(all) / sizeof *(all))

/* POSH-4, POSH-5, POSH-7, RFC 7711 3.3; P11, P13 */
static void a_document_lists_the_leaf_by_all_strong_hashes_or_not_at_all(void **state)
{
	(void)state;
	static const struct one all[] = {
		{"sha-256", "256:0", "dns", ERR_OK, 0},
		{"sha-384", "384:0", "dns", ERR_OK, 0},
		{"sha-512", "512:0", "dns", ERR_OK, 0},
		{"all of them", "256:0 384:0 512:0", "dns", ERR_OK, 0},
		{"weak ones beside it do not matter", "256:0 1:x", "dns", ERR_OK, 0},
		{"another certificate", "256:x", "dns", ERR_POSH_MISMATCH, 0},
		{"the strong one is wrong, the weak one right", "256:x 1:0", "dns",
			ERR_POSH_MISMATCH, 0},
		{"the strongest is wrong", "256:0 512:x", "dns", ERR_POSH_MISMATCH, 0},
		{"the middle one is wrong", "256:0 384:x 512:0", "dns", ERR_POSH_MISMATCH, 0},
		{"the least of the strong is wrong", "256:x 512:0", "dns", ERR_POSH_MISMATCH, 0},
		{"the second descriptor", "256:x | 256:0", "dns", ERR_OK, 0},
		{"behind one that is weak", "1:x | 512:0", "dns", ERR_OK, 0},
		{"a half of each of two descriptors", "256:0 512:x | 256:x 512:0", "dns",
			ERR_POSH_MISMATCH, 0},
		{"the issuer of the chain (P13)", "256:1", "dns", ERR_POSH_MISMATCH, 0},
		{"the root of the chain (P13)", "256:2 512:2", "chain-with-the-root",
			ERR_POSH_MISMATCH, 0},
		{"the key and not the certificate (P13)", "256:0k", "dns", ERR_POSH_MISMATCH, 0},
	};
	CHECK_ONES(all);
}

/* POSH-5, RFC 7711 6 */
static void names_and_chain_do_not_matter_but_dates_and_strength_do(void **state)
{
	(void)state;
	static const struct one all[] = {
		{"another name", "256:0", "dns-other", ERR_OK, 0},
		{"nobody signed it", "256:0", "self-signed", ERR_OK, 0},
		{"signed by strangers", "256:0", "unknown-root", ERR_OK, 0},
		{"an expired issuer", "256:0", "issuer-expired", ERR_OK, 0},
		{"no purpose", "256:0", "eku-none", ERR_OK, 0},
		{"its first second", "256:0", "dns", ERR_OK, BEGIN},
		{"a second before", "256:0", "dns", ERR_CERT_NOT_YET, BEGIN - 1},
		{"its last second", "256:0", "dns", ERR_OK, END},
		{"a second behind", "256:0", "dns", ERR_CERT_EXPIRED, END + 1},
		{"expired, and not listed either", "256:x", "dns", ERR_POSH_MISMATCH, END + 1},
		{"a weak key (P-2)", "256:0", "key-rsa-1024", ERR_CERT_WEAK, 0},
		{"a key just strong enough", "256:0", "key-rsa-2048", ERR_OK, 0},
	};
	CHECK_ONES(all);
}

static void without_a_certificate_there_is_nothing_to_list(void **state)
{
	(void)state;
	static struct posh_document d;
	struct slice garbage = SLICE_LIT("\x30\x03\x02\x01\x07");
	assert_int_equal(posh_judge(&d, NULL, 0, NOW, NULL).code, ERR_CERT_NONE);
	assert_int_equal(posh_judge(&d, &garbage, 1, NOW, NULL).code, ERR_POSH_MISMATCH);
	/* Not even a descriptor without a hash lists anything. */
	d.count = 1;
	assert_int_equal(posh_judge(&d, &garbage, 1, NOW, NULL).code, ERR_POSH_MISMATCH);
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	posh_write(&garbage, 1, 600, &text);
	assert_false(err_is(posh_parse(buf_peek(&text), &d)));
	assert_int_equal(posh_judge(&d, &garbage, 1, NOW, NULL).code, ERR_CERT_PARSE);
	buf_fini(&text);
}

/* POSH-11, RFC 7711 3.1; P24: the plain form that every reader reads */
static void what_we_publish_lists_all_certificates_in_order(void **state)
{
	(void)state;
	static struct posh_document d;
	struct chain one, two;
	struct buf text, want;
	struct print next = read_print("dns", '0', "certificate");
	struct print now = read_print("srv", '0', "certificate");
	read_chain("dns", &one);
	read_chain("srv", &two);
	const struct slice leafs[] = {one.slices[0], two.slices[0]};
	buf_init(&text, BUF_UNLIMITED);
	buf_init(&want, BUF_UNLIMITED);
	posh_write(leafs, 2, 86400, &text);
	(void)buf_append_str(&want, "{\"fingerprints\":[{");
	write_hash("256", 32, &next, &want);
	(void)buf_append_str(&want, ",");
	write_hash("512", 64, &next, &want);
	(void)buf_append_str(&want, "},{");
	write_hash("256", 32, &now, &want);
	(void)buf_append_str(&want, ",");
	write_hash("512", 64, &now, &want);
	(void)buf_append_str(&want, "}],\"expires\":86400}\n");
	assert_string_equal(buf_cstr(&text), buf_cstr(&want));
	assert_false(err_is(posh_parse(buf_peek(&text), &d)));
	assert_int_equal(d.expires_s, 86400);
	assert_int_equal(d.count, 2);
	assert_false(err_is(posh_judge(&d, one.slices, one.count, NOW, NULL)));
	assert_false(err_is(posh_judge(&d, two.slices, two.count, NOW, NULL)));
	buf_fini(&text);
	buf_fini(&want);
	free_chain(&one);
	free_chain(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_document_lists_the_leaf_by_all_strong_hashes_or_not_at_all),
		cmocka_unit_test(names_and_chain_do_not_matter_but_dates_and_strength_do),
		cmocka_unit_test(without_a_certificate_there_is_nothing_to_list),
		cmocka_unit_test(what_we_publish_lists_all_certificates_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
