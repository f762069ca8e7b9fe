/* TLSA records against the certificates of the corpus: the table of usages (RFC 6698, 7671, 7673;
 * DANE-1..6). What a record must hold is told by another library (dane.py). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lab/certs/corpus.h"
#include "../lab/certs/prints.h"
#include "trust/tlsa.h"

enum { NOW = 1772366400, END = 1775001600 };

/* ---- records from words ---- */

/* A word is usage, selector, matching type and the place in the chain of the certificate that it
 * fits: "3110"; place `x` is nobody's certificate. */
static size_t write_rdata(
	const char *word, const char *chain_name, const struct chain *chain, unsigned char *out)
{
	struct slice full = SLICE_LIT("\x30\x03\x02\x01\x07");
	struct print p;
	memset(&p, 0x5a, sizeof p);
	bool key = word[1] == '1';
	if (word[3] != 'x') {
		p = read_print(chain_name, word[3], key ? "key" : "certificate");
		full = chain->slices[word[3] - '0'];
	}
	if (word[3] != 'x' && key)
		assert_true(cert_spki(full, &full));
	struct slice data = word[2] == '0'   ? full
			    : word[2] == '1' ? slice_of(p.sha256, 32)
					     : slice_of(p.sha512, 64);
	for (int i = 0; i < 3; i++)
		out[i] = (unsigned char)(word[i] - '0');
	memcpy(out + 3, data.ptr, data.len);
	return data.len + 3;
}

static void read_words(const char *words, const char *chain_name, struct tlsa_set *set)
{
	unsigned char rdata[4096];
	struct chain chain;
	read_chain(chain_name, &chain);
	memset(set, 0, sizeof *set);
	for (; *words; words += words[4] ? 5 : 4)
		tlsa_add(set, slice_of(rdata, write_rdata(words, chain_name, &chain, rdata)));
	tlsa_settle(set);
	free_chain(&chain);
}

/* ---- cases ---- */

struct one {
	const char *title, *words, *chain;
	enum err_code want, nearest;
	/* What differs from: the certificate must name shire.example; PKIX under the corpus'
	 * root; now; outbound; records fit the chain that is shown. */
	const char *name, *base, *set;
	int64_t now;
	bool inbound;
	const char *of_chain;
	const char *by; /* OK: usage of the record that matched */
	bool ends;      /* OK: with the path, not with the records */
};

static struct tlsa_match judge_one(const struct one *o)
{
	struct tlsa_set set;
	struct chain chain;
	struct tlsa_question q = {
		.now = o->now ? o->now : NOW,
		.only_3_and_2 = o->inbound,
		.rules = {{.require_eku = true}, {.require_eku = true}},
	};
	read_words(o->words, o->of_chain ? o->of_chain : o->chain, &set);
	read_chain(o->chain, &chain);
	q.chain = chain.slices;
	q.count = chain.count;
	assert_false(
		err_is(domain_parse(slice_str(o->name ? o->name : "shire.example"), &q.names[0])));
	if (o->base)
		assert_false(err_is(domain_parse(slice_str(o->base), &q.names[1])));
	struct cert_set *anchors = read_set(o->set ? o->set : "root");
	q.sets[o->set ? 0 : 1] = anchors; /* either place is as good */
	struct tlsa_match m = tlsa_judge(&set, &q);
	cert_set_release(anchors);
	free_chain(&chain);
	return m;
}

static void check_ones(const struct one *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct tlsa_match m = judge_one(&all[i]);
		bool fine = !err_is(m.e);
		if (m.e.code != all[i].want || m.nearest.code != all[i].nearest ||
			(fine && m.record.usage != *(all[i].by ? all[i].by : all[i].words) - '0') ||
			(m.not_after != 0) != all[i].ends)
			fail_msg("%s: %s, nearest %s, usage %d, not_after %lld", all[i].title,
				err_row(m.e.code)->symbol, err_row(m.nearest.code)->symbol,
				m.record.usage, (long long)m.not_after);
	}
}
#define ROW(what, records, shown, result, close, ...)                                              \
	{                                                                                          \
		.title = what, .words = records, .chain = shown, .want = result, .nearest = close, \
		__VA_ARGS__                                                                        \
	}
#define CHECK_ONES(all) check_ones(all, sizeof(all) / sizeof *(all))
#define NO              ERR_DANE_MISMATCH

/* DANE-1, DANE-2; D04 */
static void dane_ee_is_the_leaf_or_its_key_and_nothing_else(void **state)
{
	(void)state;
	static const struct one all[] = {
		ROW("3 1 1", "3110", "dns", ERR_OK, ERR_OK),
		ROW("3 1 2", "3120", "dns", ERR_OK, ERR_OK),
		ROW("3 1 0", "3100", "dns", ERR_OK, ERR_OK),
		ROW("3 0 1", "3010", "dns", ERR_OK, ERR_OK),
		ROW("3 0 2", "3020", "dns", ERR_OK, ERR_OK),
		ROW("3 0 0", "3000", "dns", ERR_OK, ERR_OK),
		ROW("another key", "311x", "dns", NO, ERR_OK),
		ROW("another certificate", "301x", "dns", NO, ERR_OK),
		ROW("another whole certificate", "300x", "dns", NO, ERR_OK),
		ROW("the issuer's key is not the leaf's", "3111", "dns", NO, ERR_OK),
		ROW("the certificate's hash is not its key's", "3010", "dns", NO, ERR_OK,
			.of_chain = "dns-other"),
		ROW("an expired certificate is as good", "3110", "dns", ERR_OK, ERR_OK,
			.now = END + 1),
		ROW("one of the future too", "3110", "dns", ERR_OK, ERR_OK, .now = 1),
		ROW("another name is as good", "3110", "dns-other", ERR_OK, ERR_OK),
		ROW("a certificate that nobody signed is as good", "3010", "self-signed", ERR_OK,
			ERR_OK),
		ROW("purposes do not matter", "3110", "eku-client-only", ERR_OK, ERR_OK),
		ROW("a long chain does not matter", "3110", "chain-of-9", ERR_OK, ERR_OK),
		ROW("2048 bits are enough", "3110", "key-rsa-2048", ERR_OK, ERR_OK),
		ROW("a weak key proves nothing (P-2)", "3110", "key-rsa-1024", NO, ERR_CERT_WEAK),
		ROW("inbound it is the same", "3110", "dns", ERR_OK, ERR_OK, .inbound = true),
	};
	CHECK_ONES(all);
}

/* DANE-3, RFC 7671 5.2, 10.2; D03, D04 */
static void dane_ta_is_an_issuer_that_was_sent_with_a_valid_path_and_the_name(void **state)
{
	(void)state;
	static const struct one all[] = {
		ROW("2 0 1", "2011", "dns", ERR_OK, ERR_OK, .ends = true),
		ROW("2 0 2", "2021", "dns", ERR_OK, ERR_OK, .ends = true),
		ROW("2 0 0", "2001", "dns", ERR_OK, ERR_OK, .ends = true),
		ROW("2 1 1", "2111", "dns", ERR_OK, ERR_OK, .ends = true),
		ROW("2 1 0", "2101", "dns", ERR_OK, ERR_OK, .ends = true),
		ROW("a root of its own, in no set", "2011", "unknown-root", ERR_OK, ERR_OK,
			.ends = true),
		ROW("the top of three", "2012", "chain-with-the-root", ERR_OK, ERR_OK,
			.ends = true),
		ROW("the middle of three", "2011", "chain-of-three", ERR_OK, ERR_OK, .ends = true),
		ROW("inbound it is the same", "2011", "dns", ERR_OK, ERR_OK, .inbound = true,
			.ends = true),
		ROW("another authority", "201x", "dns", NO, ERR_OK),
		ROW("another name (7671 10.2)", "2011", "dns-other", NO, ERR_CERT_NAME),
		ROW("the name of the target (7673 4.1)", "2011", "dns-other", ERR_OK, ERR_OK,
			.base = "mordor.example", .ends = true),
		ROW("an expired leaf", "2011", "dns", NO, ERR_CERT_EXPIRED, .now = END + 1),
		ROW("not valid yet", "2011", "dns", NO, ERR_CERT_NOT_YET, .now = 1),
		ROW("the authority was not sent (7671 5.2)", "2011", "no-intermediate", NO, ERR_OK,
			.of_chain = "dns"),
		ROW("a leaf is no authority", "2010", "dns", NO, ERR_OK),
		ROW("nor is a self-signed one", "2010", "self-signed", NO, ERR_OK),
		ROW("it was sent but signed nothing here", "2012", "chain-with-strangers", NO,
			ERR_CERT_UNTRUSTED),
		ROW("its path length holds", "2012", "path-length-violated", NO,
			ERR_CERT_UNTRUSTED),
		ROW("its name constraints hold", "2011", "constraint-permitted-other", NO,
			ERR_CERT_CONSTRAINT),
		ROW("purposes may be left out", "2011", "eku-none", ERR_OK, ERR_OK, .ends = true),
		ROW("but if they are there they hold", "2011", "eku-client-only", NO,
			ERR_CERT_PURPOSE),
		ROW("a SRV-ID names as well: it is the domain's own authority", "2011", "srv",
			ERR_OK, ERR_OK, .ends = true),
		ROW("the chain has its limit", "2011", "chain-of-9", NO, ERR_CERT_CHAIN),
		ROW("a weak key stays weak", "2011", "key-rsa-1024", NO, ERR_CERT_WEAK),
	};
	CHECK_ONES(all);
}

/* DANE-5, RFC 7671 5.3, 5.4; D04 */
static void pkix_ee_and_ta_only_narrow_what_pkix_allows(void **state)
{
	(void)state;
	static const struct one all[] = {
		ROW("1 1 1", "1110", "dns", ERR_OK, ERR_OK, .ends = true),
		ROW("1 0 2", "1020", "dns", ERR_OK, ERR_OK, .ends = true),
		ROW("another key", "111x", "dns", NO, ERR_OK),
		ROW("an issuer is no leaf", "1111", "dns", NO, ERR_OK),
		ROW("without PKIX: unknown root", "1110", "unknown-root", NO, ERR_CERT_UNTRUSTED),
		ROW("without PKIX: another set", "1110", "dns", NO, ERR_CERT_UNTRUSTED,
			.set = "community"),
		ROW("without PKIX: expired", "1110", "dns", NO, ERR_CERT_EXPIRED, .now = END + 1),
		ROW("without PKIX: another name", "1110", "dns-other", NO, ERR_CERT_NAME),
		ROW("the name of the target", "1110", "dns-other", ERR_OK, ERR_OK,
			.base = "mordor.example", .ends = true),
		ROW("the set's rules hold: no SRV-ID", "1110", "srv", NO, ERR_CERT_NAME),
		ROW("the set's rules hold: purposes", "1110", "eku-none", NO, ERR_CERT_PURPOSE),
		ROW("0 0 1 of an issuer that was sent", "0011", "dns", ERR_OK, ERR_OK,
			.ends = true),
		ROW("0 1 2", "0121", "dns", ERR_OK, ERR_OK, .ends = true),
		ROW("0 0 1 of the anchor, which was not sent", "0012", "dns", ERR_OK, ERR_OK,
			.of_chain = "chain-with-the-root", .ends = true),
		ROW("0 0 1 of another authority", "001x", "dns", NO, ERR_OK),
		ROW("0 0 1 of the leaf", "0010", "dns", NO, ERR_OK),
		ROW("sent, but not on the path", "0012", "chain-with-strangers", NO, ERR_OK),
		ROW("without PKIX: unknown root, 0", "0011", "unknown-root", NO,
			ERR_CERT_UNTRUSTED),
		ROW("without PKIX: another name, 0", "0011", "dns-other", NO, ERR_CERT_NAME),
		ROW("inbound they are not used (DANE-5)", "1110 0011", "dns", ERR_DANE_UNUSABLE,
			ERR_OK, .inbound = true),
		ROW("and do not help those that are (DANE-5)", "311x 1110", "dns", NO, ERR_OK,
			.inbound = true),
	};
	CHECK_ONES(all);
}

/* DANE-2, DANE-8, RFC 7671 9; D04 */
static void of_many_records_one_is_enough_but_a_weak_digest_is_not(void **state)
{
	(void)state;
	static const struct one all[] = {
		ROW("current and next key (DANE-8)", "311x 3110", "dns", ERR_OK, ERR_OK),
		ROW("an authority beside another's key", "311x 2011", "dns", ERR_OK, ERR_OK,
			.by = "2", .ends = true),
		ROW("a key beside another authority", "201x 3110", "dns", ERR_OK, ERR_OK,
			.by = "3"),
		ROW("PKIX beside others", "311x 201x 1110", "dns", ERR_OK, ERR_OK, .by = "1",
			.ends = true),
		ROW("none of them", "311x 201x 111x 001x", "dns", NO, ERR_OK),
		ROW("the one that asks for least is told", "0011 1110 2011 3110", "dns", ERR_OK,
			ERR_OK, .by = "3"),
		ROW("what nearly fits is told", "311x 2011", "dns-other", NO, ERR_CERT_NAME),
		ROW("of two the first", "2011 1110", "dns-other", NO, ERR_CERT_NAME,
			.set = "community"),
		ROW("but not where another fits", "2012 1110", "chain-with-strangers", ERR_OK,
			ERR_OK, .by = "1", .ends = true),
		ROW("the weaker digest is left out", "3110 312x", "dns", NO, ERR_OK),
		ROW("in any order", "312x 3110", "dns", NO, ERR_OK),
		ROW("and the stronger one counts", "311x 3120", "dns", ERR_OK, ERR_OK),
		ROW("another selector keeps its own", "3110 302x", "dns", ERR_OK, ERR_OK),
		ROW("another usage keeps its own", "3110 212x", "dns", ERR_OK, ERR_OK),
		ROW("the whole key is no digest", "3100 312x", "dns", ERR_OK, ERR_OK),
		ROW("and makes no digest weaker", "310x 3110", "dns", ERR_OK, ERR_OK),
	};
	CHECK_ONES(all);
}

static void a_match_by_path_ends_with_the_first_of_the_path(void **state)
{
	(void)state;
	static const struct one ta = ROW("", "2011", "dns", ERR_OK, ERR_OK);
	static const struct one pkix = ROW("", "1110", "issuer-ends-first", ERR_OK, ERR_OK);
	assert_int_equal(judge_one(&ta).not_after, END);
	assert_int_equal(judge_one(&pkix).not_after, END - 1000);
	/* RFC 5280 6.1.1 (d): an anchor's own dates are no part of the trust in it. */
	static const struct one old = ROW("", "2011", "issuer-expired", ERR_OK, ERR_OK);
	assert_int_equal(judge_one(&old).not_after, END);
}

/* DANE-10 */
static void without_records_or_certificate_it_is_said_which(void **state)
{
	(void)state;
	struct tlsa_set set;
	struct tlsa_question q = {.now = NOW};
	memset(&set, 0, sizeof set);
	assert_int_equal(tlsa_judge(&set, &q).e.code, ERR_DANE_NONE);
	tlsa_add(&set, SLICE_LIT("\xff\1\1 no such usage"));
	assert_int_equal(tlsa_judge(&set, &q).e.code, ERR_DANE_UNUSABLE);
	read_words("3110", "dns", &set);
	assert_int_equal(tlsa_judge(&set, &q).e.code, ERR_CERT_NONE);
}

static void what_cannot_be_read_is_no_match(void **state)
{
	(void)state;
	struct tlsa_set set;
	struct slice garbage[] = {SLICE_LIT("\x30\x01\x07"), SLICE_LIT("")};
	struct tlsa_question q = {.chain = garbage, .count = 2, .now = NOW};
	memset(&set, 0, sizeof set);
	tlsa_add(&set, SLICE_LIT("\3\0\0\x30\x01\x07")); /* the very bytes */
	struct tlsa_match m = tlsa_judge(&set, &q);
	assert_int_equal(m.e.code, ERR_DANE_MISMATCH);
	assert_int_equal(m.nearest.code, ERR_CERT_PARSE);
	/* SHA-256 of nothing: a certificate without a key that can be read has none, not this. */
	memset(&set, 0, sizeof set);
	tlsa_add(
		&set, SLICE_LIT("\3\1\1\xe3\xb0\xc4\x42\x98\xfc\x1c\x14\x9a\xfb\xf4\xc8\x99\x6f\xb9"
				"\x24\x27\xae\x41\xe4\x64\x9b\x93\x4c\xa4\x95\x99\x1b\x78\x52"
				"\xb8\x55"));
	m = tlsa_judge(&set, &q);
	assert_int_equal(m.e.code, ERR_DANE_MISMATCH);
	assert_int_equal(m.nearest.code, ERR_OK);
	read_words("311x 201x 111x 001x", "dns", &set);
	m = tlsa_judge(&set, &q);
	assert_int_equal(m.e.code, ERR_DANE_MISMATCH);
	assert_int_equal(m.nearest.code, ERR_OK);
}

/* Bounded work: a stranger's records may fit every certificate of a stranger's chain. */
static void only_a_few_authorities_are_tried(void **state)
{
	(void)state;
	static const struct one near = ROW("", "2011 2012 2013", "chain-with-strangers", ERR_OK,
		ERR_OK, .of_chain = "chain-with-strangers");
	assert_int_equal(judge_one(&near).e.code, ERR_OK);
	struct tlsa_set set;
	struct chain strangers, good;
	struct slice mixed[8];
	struct tlsa_question q = {.chain = mixed, .count = 6, .now = NOW};
	read_words("2011 2012 2013 2014", "chain-of-8", &set);
	struct tlsa_set more;
	read_words("2011", "dns", &more);
	set.records[set.count++] = more.records[0];
	read_chain("chain-of-8", &strangers);
	read_chain("dns", &good);
	assert_false(err_is(domain_parse(SLICE_LIT("shire.example"), &q.names[0])));
	mixed[0] = good.slices[0];
	for (size_t i = 1; i < 5; i++)
		mixed[i] = strangers.slices[i];
	mixed[5] = good.slices[1];
	assert_int_equal(tlsa_judge(&set, &q).e.code, ERR_DANE_MISMATCH);
	mixed[3] = good.slices[1];
	assert_int_equal(tlsa_judge(&set, &q).e.code, ERR_OK);
	free_chain(&strangers);
	free_chain(&good);
}

/* DANE-6: what is published is what others will find */
static void the_record_to_publish_is_3_1_1(void **state)
{
	(void)state;
	struct chain chain;
	struct tlsa_record r;
	read_chain("dns", &chain);
	assert_true(tlsa_of_leaf(chain.slices[0], &r));
	struct print p = read_print("dns", '0', "key");
	assert_true(r.usage == 3 && r.selector == 1 && r.mtype == 1 && r.len == 32);
	assert_memory_equal(r.data, p.sha256, 32);
	assert_false(tlsa_of_leaf(SLICE_LIT("none"), &r));
	free_chain(&chain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dane_ee_is_the_leaf_or_its_key_and_nothing_else),
		cmocka_unit_test(dane_ta_is_an_issuer_that_was_sent_with_a_valid_path_and_the_name),
		cmocka_unit_test(pkix_ee_and_ta_only_narrow_what_pkix_allows),
		cmocka_unit_test(of_many_records_one_is_enough_but_a_weak_digest_is_not),
		cmocka_unit_test(a_match_by_path_ends_with_the_first_of_the_path),
		cmocka_unit_test(without_records_or_certificate_it_is_said_which),
		cmocka_unit_test(what_cannot_be_read_is_no_match),
		cmocka_unit_test(only_a_few_authorities_are_tried),
		cmocka_unit_test(the_record_to_publish_is_3_1_1),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
