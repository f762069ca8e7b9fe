/* POSH documents (RFC 7711 3, 6; POSH-2, POSH-4, POSH-6..8, POSH-11; P09, P11, P12). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/b64.h"
#include "trust/posh.h"

#include <string.h>

/* 32, 48 and 64 times the byte 0xa5. */
#define B256 "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU="
#define B384 "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl"
#define B512                                                                                       \
	"paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpQ=="
#define PRINT(members)  "{\"fingerprints\":[{" members "}],\"expires\":600}"
#define WITH(rest)      "{\"fingerprints\":[{\"sha-256\":\"" B256 "\"}]" rest "}"
#define DIGEST(base64)  PRINT("\"sha-256\":\"" base64 "\"")
#define REFERENCE(rest) "{\"url\":\"https://a.example/\"" rest "}"

static struct posh_document d;

static struct err parse(struct slice json)
{
	memset(&d, 0xa5, sizeof d);
	struct err e = posh_parse(json, &d);
	static const struct posh_document empty;
	if (err_is(e))
		assert_memory_equal(&d, &empty, sizeof d);
	return e;
}

static bool is_hex(const unsigned char *digest, size_t len, const char *want)
{
	char text[129];
	hex_encode(digest, len, text);
	return strcmp(text, want) == 0;
}

/* ---- RFC 7711's own ---- */

#define FIRST_256 "e3f9a081d955c7c037a6f1c0596e6c0fea89c8cb541e0891b8f8d50b8f0dd174"
#define FIRST_512                                                                                  \
	"db937ed61076568e3697d9521aac3e9f704a1610c7b32a2b93ca2ef83f41e374"                         \
	"d7789d49f3599d4040ea9b7f6847f10790f0430c6d72e7e006f7829e734c55a8"

/* RFC 7711 3.1 */
static void the_first_example_of_rfc_7711_is_read(void **state)
{
	(void)state;
	struct err e = parse(
		SLICE_LIT("{\n  \"fingerprints\": [\n    {\n      \"sha-256\": "
			  "\"4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ=\",\n      \"sha-512\": "
			  "\"25N+1hB2Vo42l9lSGqw+n3BKFhDHsyork8ou+D9B43TXeJ"
			  "1J81mdQEDqm39oR/EHkPBDDG1y5+AG94Kec0xVqA==\"\n"
			  "    }\n  ],\n  \"expires\": 604800\n}\n"));
	assert_false(err_is(e));
	assert_int_equal(d.kind, POSH_FINGERPRINTS);
	assert_int_equal(d.expires_s, 604800);
	assert_int_equal(d.count, 1);
	assert_true(d.prints[0].has_256 && !d.prints[0].has_384 && d.prints[0].has_512);
	assert_true(is_hex(d.prints[0].sha256, 32, FIRST_256));
	assert_true(is_hex(d.prints[0].sha512, 64, FIRST_512));
}

/* RFC 7711 3.1, POSH-7: it lacks padding that its own text demands */
static void the_second_example_of_rfc_7711_is_read(void **state)
{
	(void)state;
	struct err e = parse(SLICE_LIT(
		"{\"fingerprints\": [{\"sha-256\": \"4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ\","
		"\"sha-512\": \"25N+1hB2Vo42l9lSGqw+n3BKFhDHsyork8ou+D9B43TXe"
		"J1J81mdQEDqm39oR/EHkPBDDG1y5+AG94Kec0xVqA==\"},"
		"{\"sha-256\": \"otyLADSKjRDjVpj8X7/hmCAD5C7Qe+PedcmYV7cUncE=\","
		"\"sha-512\": \"MbBD+ausTGJisEXKSynROWrMfHP2xvBnmI79Pr/KXnDyLN"
		"+13Jof8/Uq9fj5HZG8Rk1E2fclcivpGdijUsvHRg==\"}],\"expires\": 806400}"));
	assert_false(err_is(e));
	assert_int_equal(d.expires_s, 806400);
	assert_int_equal(d.count, 2);
	assert_true(is_hex(d.prints[0].sha256, 32, FIRST_256));
	assert_true(is_hex(d.prints[0].sha512, 64, FIRST_512));
	assert_true(is_hex(d.prints[1].sha256, 32,
		"a2dc8b00348a8d10e35698fc5fbfe1982003e42ed07be3de75c99857b7149dc1"));
	assert_true(is_hex(d.prints[1].sha512, 64,
		"31b043f9abac4c6262b045ca4b29d1396acc7c73f6c6f067988efd3ebfca5e70"
		"f22cdfb5dc9a1ff3f52af5f8f91d91bc464d44d9f725722be919d8a352cbc746"));
}

/* RFC 7711 3.2 */
static void the_reference_example_of_rfc_7711_is_read(void **state)
{
	(void)state;
	struct err e = parse(SLICE_LIT(
		"{\n  \"url\":\"https://hosting.example.net/.well-known/posh/spice.json\",\n"
		"  \"expires\":86400\n}\n"));
	assert_false(err_is(e));
	assert_int_equal(d.kind, POSH_REFERENCE);
	assert_int_equal(d.expires_s, 86400);
	assert_string_equal(d.url, "https://hosting.example.net/.well-known/posh/spice.json");
}

/* ---- tables ---- */

struct one {
	const char *json;
	enum err_code want;
};

static void check_ones(const struct one *all, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct err e = parse(slice_str(all[i].json));
		if (e.code != all[i].want)
			fail_msg("%.200s: %s", all[i].json, err_row(e.code)->symbol);
	}
}
#define CHECK_ONES(all) check_ones(all, sizeof(all) / sizeof *(all))

/* RFC 7711 3.1, 3.2, POSH-8; P12 */
static void a_document_is_of_one_kind_and_has_its_members(void **state)
{
	(void)state;
	static const struct one all[] = {
		{WITH(",\"expires\":600"), ERR_OK},
		{"{\"expires\":600,\"fingerprints\":[{\"sha-256\":\"" B256 "\"}]}", ERR_OK},
		{REFERENCE(",\"expires\":600"), ERR_OK},
		{WITH(",\"expires\":600,\"url\":\"https://a.example/\""), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"url\":null"), ERR_POSH_PARSE},
		{"{\"expires\":600}", ERR_POSH_PARSE},
		{"{}", ERR_POSH_PARSE},
		{"[]", ERR_POSH_PARSE},
		{"[{\"expires\":600}]", ERR_POSH_PARSE},
		{"", ERR_POSH_PARSE},
		{"null", ERR_POSH_PARSE},
		{"\"fingerprints\"", ERR_POSH_PARSE},
		{"<html>not found</html>", ERR_POSH_PARSE},
		{"{\"fingerprints\":[],\"expires\":600}", ERR_POSH_PARSE},
		{"{\"fingerprints\":{},\"expires\":600}", ERR_POSH_PARSE},
		{"{\"fingerprints\":null,\"expires\":600}", ERR_POSH_PARSE},
		{"{\"fingerprints\":\"" B256 "\",\"expires\":600}", ERR_POSH_PARSE},
		{"{\"fingerprints\":[\"" B256 "\"],\"expires\":600}", ERR_POSH_PARSE},
		{"{\"fingerprints\":[[]],\"expires\":600}", ERR_POSH_PARSE},
		{"{\"fingerprints\":[null],\"expires\":600}", ERR_POSH_PARSE},
		{"{\"Fingerprints\":[{\"sha-256\":\"" B256 "\"}],\"expires\":600}", ERR_POSH_PARSE},
		{"{\"url\":\"\",\"expires\":600}", ERR_POSH_PARSE},
		{"{\"url\":null,\"expires\":600}", ERR_POSH_PARSE},
		{"{\"url\":[\"https://a.example/\"],\"expires\":600}", ERR_POSH_PARSE},
		/* unknown members are for others to know */
		{WITH(",\"expires\":600,\"x\":[1,{\"y\":null}],\"z\":1.5e3"), ERR_OK},
	};
	CHECK_ONES(all);
}

/* RFC 7711 3.1, POSH-8 */
static void expires_is_a_positive_integer_of_seconds(void **state)
{
	(void)state;
	static const struct one all[] = {
		{WITH(",\"expires\":1"), ERR_OK},
		{WITH(",\"expires\":2147483648"), ERR_OK},
		{WITH(",\"expires\":2147483649"), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":9223372036854775807"), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":0"), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":-0"), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":-1"), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":600.0"), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":6e2"), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":0.5"), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":\"600\""), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":null"), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":true"), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":[600]"), ERR_POSH_EXPIRES},
		{WITH(",\"Expires\":600"), ERR_POSH_EXPIRES},
		{WITH(""), ERR_POSH_EXPIRES},
		{REFERENCE(""), ERR_POSH_EXPIRES},
		{REFERENCE(",\"expires\":0"), ERR_POSH_EXPIRES},
		{WITH(",\"expires\":9223372036854775808"), ERR_POSH_PARSE},
		{WITH(",\"expires\":1e400"), ERR_POSH_PARSE},
		{WITH(",\"expires\":0600"), ERR_POSH_PARSE},
		{WITH(",\"expires\":+600"), ERR_POSH_PARSE},
		{WITH(",\"expires\":0x600"), ERR_POSH_PARSE},
		{WITH(",\"expires\":NaN"), ERR_POSH_PARSE},
		{WITH(",\"expires\":Infinity"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600."), ERR_POSH_PARSE},
		{WITH(",\"expires\":"), ERR_POSH_PARSE},
	};
	CHECK_ONES(all);
}

/* POSH-7; P11 */
static void a_digest_is_base64_of_its_length_but_for_padding(void **state)
{
	(void)state;
	static const struct one all[] = {
		{DIGEST("paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU="), ERR_OK},
		{DIGEST("paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU"), ERR_OK},
		{DIGEST("paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=="), ERR_POSH_PARSE},
		{DIGEST("paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa"), ERR_POSH_PARSE},
		{DIGEST("paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpQ=="), ERR_POSH_PARSE},
		{DIGEST("paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl"), ERR_POSH_PARSE},
		/* bits behind the end that are not zero */
		{DIGEST("paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaV="), ERR_POSH_PARSE},
		/* url-safe digits; the same bytes in the right ones */
		{DIGEST("_-_-paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU="), ERR_POSH_PARSE},
		{DIGEST("/+/+paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU="), ERR_OK},
		/* the RFC's own examples are folded, "for readability" */
		{DIGEST(" aWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU="), ERR_POSH_PARSE},
		{DIGEST("paWl\\npaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU="), ERR_POSH_PARSE},
		{DIGEST("paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU= "), ERR_POSH_PARSE},
		{DIGEST("pa=lpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU="), ERR_POSH_PARSE},
		{DIGEST("a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5"),
			ERR_POSH_PARSE},
		{DIGEST("A5:A5:A5:A5"), ERR_POSH_PARSE},
		{DIGEST(""), ERR_POSH_PARSE},
		{DIGEST("="), ERR_POSH_PARSE},
		{DIGEST(B384), ERR_POSH_PARSE},
		{PRINT("\"sha-256\":null"), ERR_POSH_PARSE},
		{PRINT("\"sha-256\":5"), ERR_POSH_PARSE},
		{PRINT("\"sha-256\":[\"" B256 "\"]"), ERR_POSH_PARSE},
		{PRINT("\"sha-384\":\"" B384 "\""), ERR_OK},
		{PRINT("\"sha-384\":\"" B256 "\""), ERR_POSH_PARSE},
		{PRINT("\"sha-512\":\"" B512 "\""), ERR_OK},
		{PRINT("\"sha-512\":\"" B384 "\""), ERR_POSH_PARSE},
		/* one that is none spoils the document, or nobody would ever hear of it */
		{PRINT("\"sha-256\":\"" B256 "\",\"sha-512\":\"" B256 "\""), ERR_POSH_PARSE},
	};
	CHECK_ONES(all);
}

/* POSH-7; P11 */
static void weak_hashes_count_for_nothing(void **state)
{
	(void)state;
	static const struct one all[] = {
		{PRINT("\"sha-1\":\"paWlpaWlpaWlpaWlpaWlpaWlpaU=\""), ERR_POSH_WEAK},
		{PRINT("\"md5\":\"paWlpaWlpaWlpaWlpaWlpQ==\""), ERR_POSH_WEAK},
		{PRINT("\"sha-224\":\"paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpQ==\""), ERR_POSH_WEAK},
		{PRINT("\"sha-1\":\"no base64 at all\""), ERR_POSH_WEAK},
		{PRINT(""), ERR_POSH_WEAK},
		/* names are those of the registry, to the letter */
		{PRINT("\"SHA-256\":\"" B256 "\""), ERR_POSH_WEAK},
		{PRINT("\"sha256\":\"" B256 "\""), ERR_POSH_WEAK},
		{PRINT("\"sha-1\":\"x\",\"sha-256\":\"" B256 "\""), ERR_OK},
	};
	CHECK_ONES(all);
	assert_false(
		err_is(parse(SLICE_LIT("{\"fingerprints\":[{\"sha-1\":\"x\"},{\"sha-256\":\"" B256
				       "\"},{}],\"expires\":600}"))));
	assert_int_equal(d.count, 1);
	assert_int_equal(d.weak, 2);
}

/* POSH-8; P09 */
static void json_is_taken_strictly(void **state)
{
	(void)state;
	static const struct one all[] = {
		{WITH(",\"expires\":600,\"expires\":600"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"e\\u0078pires\":600"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":1,\"x\":1"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":{\"y\":1,\"y\":1}"), ERR_POSH_PARSE},
		{PRINT("\"sha-256\":\"" B256 "\",\"sha-256\":\"" B256 "\""), ERR_POSH_PARSE},
		{"\xef\xbb\xbf" WITH(",\"expires\":600"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600") "x", ERR_POSH_PARSE},
		{WITH(",\"expires\":600") "{}", ERR_POSH_PARSE},
		{WITH(",\"expires\":600") " \r\n\t", ERR_OK},
		{"{\"fingerprints\":[{\"sha-256\":\"" B256 "\"}],\"expires\":600", ERR_POSH_PARSE},
		{WITH(",\"expires\":600,"), ERR_POSH_PARSE},
		{WITH(",'expires':600"), ERR_POSH_PARSE},
		{WITH(",expires:600"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600 /* */"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":\"\xff\""), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":\"\xc0\xaf\""), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":\"\xed\xa0\x80\""), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":\"\xf4\x90\x80\x80\""), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":\"\xc3\""), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":\"\xc3\xbc\""), ERR_OK},
		{WITH(",\"expires\":600,\"x\":\"\\ud83d\\ude00\""), ERR_OK},
		{WITH(",\"expires\":600,\"x\":\"\\ud83d\""), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":\"\\ude00\\ud83d\""), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":\"\\u0000\""), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"\\u0000\":1"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":\"\n\""), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":\"\\q\""), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":1e400"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":-"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":nul"), ERR_POSH_PARSE},
		{REFERENCE(",\"expires\":600,\"url\":\"https://b.example/\""), ERR_POSH_PARSE},
		{"{\"url\":\"https://a.example/\\u0000\",\"expires\":600}", ERR_POSH_PARSE},
	};
	CHECK_ONES(all);
	/* A NUL among the text, and in UTF-16. */
	static const char nul[] = WITH(",\"expires\":600") "\0";
	assert_int_equal(parse(slice_of(nul, sizeof nul)).code, ERR_POSH_PARSE);
	assert_int_equal(parse(slice_of(nul, sizeof nul - 1)).code, ERR_POSH_PARSE);
	assert_int_equal(parse(slice_of(nul, sizeof nul - 2)).code, ERR_OK);
	assert_int_equal(parse(SLICE_LIT("\xff\xfe{\0}\0")).code, ERR_POSH_PARSE);
}

/* POSH-8; P09 */
static void what_is_nested_over_four_deep_is_refused(void **state)
{
	(void)state;
	static const struct one all[] = {
		{WITH(",\"expires\":600,\"x\":[[[1]]]"), ERR_OK},
		{WITH(",\"expires\":600,\"x\":[[[]]]"), ERR_OK},
		{WITH(",\"expires\":600,\"x\":[[[[]]]]"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":[[[{}]]]"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":{\"x\":{\"x\":{\"x\":{}}}}"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":[1,[],[[],[[]]]]"), ERR_POSH_PARSE},
		{WITH(",\"expires\":600,\"x\":\"[[[[[[[\""), ERR_OK},
		{PRINT("\"sha-256\":\"" B256 "\",\"x\":[[]]"), ERR_POSH_PARSE},
	};
	CHECK_ONES(all);
	static char deep[POSH_DOCUMENT_MAX];
	memset(deep, '[', sizeof deep);
	assert_int_equal(parse(slice_of(deep, sizeof deep)).code, ERR_POSH_PARSE);
}

/* POSH-2; P11 */
static void size_descriptors_and_url_are_limited(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	for (size_t n = POSH_PRINTS_MAX; n <= 10000; n += n == POSH_PRINTS_MAX ? 1 : 9000) {
		buf_clear(&text);
		(void)buf_append_str(&text, "{\"expires\":600,\"fingerprints\":[");
		for (size_t i = 0; i < n; i++)
			(void)buf_printf(&text, "%s{\"sha-256\":\"" B256 "\"}", i ? "," : "");
		(void)buf_append_str(&text, "]}");
		struct err e = parse(buf_peek(&text));
		assert_int_equal(e.code, n == POSH_PRINTS_MAX ? ERR_OK : ERR_POSH_SIZE);
	}
	for (size_t n = POSH_URL_MAX; n <= POSH_URL_MAX + 1; n++) {
		buf_clear(&text);
		(void)buf_append_str(&text, "{\"expires\":600,\"url\":\"");
		for (size_t i = 0; i < n; i++)
			(void)buf_append_str(&text, "u");
		(void)buf_append_str(&text, "\"}");
		struct err e = parse(buf_peek(&text));
		assert_int_equal(e.code, n == POSH_URL_MAX ? ERR_OK : ERR_POSH_SIZE);
	}
	buf_clear(&text);
	(void)buf_append_str(&text, WITH(",\"expires\":600"));
	while (buf_len(&text) < POSH_DOCUMENT_MAX)
		(void)buf_append_str(&text, " ");
	assert_false(err_is(parse(buf_peek(&text))));
	(void)buf_append_str(&text, " ");
	assert_int_equal(parse(buf_peek(&text)).code, ERR_POSH_SIZE);
	buf_fini(&text);
}

/* POSH-6, RFC 7711 6 */
static void a_document_is_kept_for_a_minute_at_least_and_a_day_at_most(void **state)
{
	(void)state;
	static const struct {
		uint32_t asked, kept;
	} all[] = {{1, 60}, {59, 60}, {60, 60}, {61, 61}, {86399, 86399}, {86400, 86400},
		{86401, 86400}, {604800, 86400}, {2147483648, 86400}};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_int_equal(posh_lifetime(all[i].asked), all[i].kept);
}

/* POSH-11, RFC 7711 3.2 */
static void a_reference_that_we_write_is_read_back(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, BUF_UNLIMITED);
	posh_write_reference(
		SLICE_LIT("https://host.example/posh/shire.example/xmpp-server.json"), 3600, &out);
	assert_string_equal(buf_cstr(&out),
		"{\"url\":\"https://host.example/posh/shire.example/xmpp-server.json\","
		"\"expires\":3600}\n");
	buf_clear(&out);
	posh_write_reference(SLICE_LIT("a\"b\\c\nd\x7f"), 1, &out);
	assert_false(err_is(parse(buf_peek(&out))));
	assert_string_equal(d.url, "a\"b\\c\nd\x7f");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_example_of_rfc_7711_is_read),
		cmocka_unit_test(the_second_example_of_rfc_7711_is_read),
		cmocka_unit_test(the_reference_example_of_rfc_7711_is_read),
		cmocka_unit_test(a_document_is_of_one_kind_and_has_its_members),
		cmocka_unit_test(expires_is_a_positive_integer_of_seconds),
		cmocka_unit_test(a_digest_is_base64_of_its_length_but_for_padding),
		cmocka_unit_test(weak_hashes_count_for_nothing),
		cmocka_unit_test(json_is_taken_strictly),
		cmocka_unit_test(what_is_nested_over_four_deep_is_refused),
		cmocka_unit_test(size_descriptors_and_url_are_limited),
		cmocka_unit_test(a_document_is_kept_for_a_minute_at_least_and_a_day_at_most),
		cmocka_unit_test(a_reference_that_we_write_is_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
