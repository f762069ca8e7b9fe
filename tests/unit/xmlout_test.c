/* The only writer of XML: what goes in comes out again at libxml2 and at our own scanner, whatever
 * it is; and the exact words of headers, errors and dialback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "xmpp/scan.h"
#include "xmpp/xmlout.h"

#include <libxml/tree.h>

#include "../lib/scanned.h"
#include "../lib/xmlcheck.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define HEADER                                                                                     \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:server' "                               \
	"xmlns:stream='http://etherx.jabber.org/streams' xmlns:db='jabber:server:dialback'"

static struct domain name(const char *text)
{
	struct domain d;
	assert_false(err_is(domain_parse(slice_str(text), &d)));
	return d;
}

static void check(struct buf *out, const char *want)
{
	assert_string_equal(buf_cstr(out), want);
	buf_fini(out);
}

/* ---- escaping ---- */

static uint32_t next_random(uint64_t *x)
{
	*x ^= *x >> 12;
	*x ^= *x << 25;
	*x ^= *x >> 27;
	return (uint32_t)((*x * 0x2545F4914F6CDD1DULL) >> 32);
}

/* XML 1.0 2.2, with everything that matters in a start tag more often than chance would have it. */
static uint32_t random_char(uint64_t *x)
{
	static const char often[] = "<>&'\"\t\n\r =/]]>;#x-!?[CDATA";
	uint32_t r = next_random(x);
	if (r % 3)
		return (unsigned char)often[next_random(x) % (sizeof often - 1)];
	switch (next_random(x) % 4) {
	case 0:
		return 0x20 + next_random(x) % 0x5f;
	case 1:
		return 0x80 + next_random(x) % 0x700;
	case 2:
		return 0xe000 + next_random(x) % 0x1ffe;
	default:
		return 0x10000 + next_random(x) % 0x10000;
	}
}

static size_t put_utf8(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(lead[n] | c);
	return n;
}

static void random_text(uint64_t *x, char *out, size_t size)
{
	size_t n = 0;
	for (size_t left = next_random(x) % 60; left && n + 5 < size; left--)
		n += put_utf8(random_char(x), out + n);
	out[n] = '\0';
}

static void same_for_libxml2(const char *xml, const char *text)
{
	xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), NULL, "UTF-8",
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!doc)
		print_error("%s\n", xml);
	assert_non_null(doc);
	xmlNode *root = xmlDocGetRootElement(doc);
	xmlChar *value = xmlGetProp(root, (const xmlChar *)"v");
	xmlChar *content = xmlNodeGetContent(root);
	assert_string_equal((char *)value, text);
	assert_string_equal((char *)content, text);
	assert_null(root->next);
	xmlFree(value);
	xmlFree(content);
	xmlFreeDoc(doc);
}

static void same_for_the_scanner(const char *xml, const char *text)
{
	struct scan *scan;
	struct slice raw;
	struct buf value;
	const struct scan_element *e = scanned(&scan, xml);
	assert_non_null(e);
	assert_int_equal(e->raw.len, strlen(xml));
	assert_true(scan_attr_get(e, "v", &raw));
	buf_init(&value, BUF_UNLIMITED);
	assert_false(err_is(scan_decode(raw, &value)));
	assert_string_equal(buf_cstr(&value), text);
	buf_fini(&value);
	scan_free(scan);
}

/* M-2, 20.6 item 6: nothing that is written as a value can be anything but that value. */
static void what_is_escaped_comes_back_as_it_was(void **state)
{
	(void)state;
	uint64_t seed = 0x9E3779B97F4A7C15ULL;
	for (unsigned i = 0; i < 20000; i++) {
		char text[256];
		struct buf out;
		buf_init(&out, BUF_UNLIMITED);
		random_text(&seed, text, sizeof text);
		(void)buf_append_str(&out, "<a");
		xml_attr(&out, "v", slice_str(text));
		(void)buf_append_str(&out, ">");
		xml_escape(&out, slice_str(text));
		(void)buf_append_str(&out, "</a>");
		same_for_libxml2(buf_cstr(&out), text);
		same_for_the_scanner(buf_cstr(&out), text);
		buf_fini(&out);
	}
}

/* ---- headers ---- */

/* ST-1, ST-2, ST-3, ST-4, ST-9, ST-12 */
static void headers_have_the_attributes_of_their_role(void **state)
{
	(void)state;
	struct domain a = name("a.example"), b = name("xn--mller-kva.example"), none = {0};
	const struct {
		struct xml_header h;
		const char *want;
	} rows[] = {
		{{.from = &a, .to = &b},
			HEADER " from='a.example' to='m\xc3\xbcller.example' version='1.0' "
			       "xml:lang='en'>"},
		{{.from = &b, .to = &a, .id = SLICE_LIT("i'd"), .lang = SLICE_LIT("de")},
			HEADER " from='m\xc3\xbcller.example' to='a.example' id='i&apos;d' "
			       "version='1.0' xml:lang='de'>"},
		{{.from = &a, .to = &none, .id = SLICE_LIT("x"), .no_version = true},
			HEADER " from='a.example' id='x' xml:lang='en'>"},
		{{.from = &none, .to = NULL, .id = SLICE_LIT("x")},
			HEADER " from='' id='x' version='1.0' xml:lang='en'>"},
		{{.from = NULL, .to = &a}, HEADER " to='a.example' version='1.0' xml:lang='en'>"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out;
		buf_init(&out, BUF_UNLIMITED);
		xml_stream_header(&out, &rows[i].h);
		check(&out, rows[i].want);
	}
}

/* ---- errors ---- */

#define STREAMS "xmlns='urn:ietf:params:xml:ns:xmpp-streams'"

/* ST-13, ST-14: condition, text, then the end tag; BE-10 */
static void a_stream_error_says_why_and_ends_the_stream(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, BUF_UNLIMITED);
	xml_stream_error(&out, err_make(ERR_NOT_AUTHORIZED), NULL);
	assert_non_null(strstr(buf_cstr(&out),
		"<stream:error><not-authorized " STREAMS "/><text " STREAMS " xml:lang='en'>"));
	assert_non_null(strstr(buf_cstr(&out), " [FG-S11]</text></stream:error></stream:stream>"));
	buf_clear(&out);
	xml_stream_error_as(
		&out, "remote-connection-failed", err_make(ERR_CERT_EXPIRED), "<b>&'\"</b>");
	check(&out, "<stream:error><remote-connection-failed " STREAMS "/><text " STREAMS
		    " xml:lang='en'>the certificate has expired: "
		    "&lt;b&gt;&amp;&apos;&quot;&lt;/b&gt; [FG-C02]</text></stream:error>"
		    "</stream:stream>");
}

/* The peer's admin finds the code in the own log, and ours tells what it means by it. */
static void every_stream_error_carries_its_code(void **state)
{
	(void)state;
	for (int i = 0; i < ERR_COUNT; i++) {
		const struct err_row *row = err_row((enum err_code)i);
		char end[80];
		struct buf out;
		buf_init(&out, BUF_UNLIMITED);
		xml_stream_error(&out, err_make((enum err_code)i), "more");
		snprintf(end, sizeof end, ": more [%s]</text></stream:error></stream:stream>",
			row->id);
		assert_int_equal(strstr(buf_cstr(&out), end) != NULL, *row->condition != '\0');
		buf_fini(&out);
	}
}

/* LV-1, XEP-0190: what is no error ends without one. */
static void an_ending_that_is_no_error_is_an_end_tag(void **state)
{
	(void)state;
	static const enum err_code quiet[] = {ERR_OK, ERR_IDLE, ERR_LOST};
	for (size_t i = 0; i < COUNT(quiet); i++) {
		struct buf out;
		buf_init(&out, BUF_UNLIMITED);
		xml_stream_error(&out, err_make(quiet[i]), "detail");
		check(&out, "</stream:stream>");
	}
}

/* ST-14: every condition that we send is one of RFC 6120 4.9.3, and every error is XML. */
static void every_reason_is_a_stream_error_of_rfc_6120(void **state)
{
	(void)state;
	static const char *const conditions[] = {"bad-format", "bad-namespace-prefix", "conflict",
		"connection-timeout", "host-gone", "host-unknown", "improper-addressing",
		"internal-server-error", "invalid-from", "invalid-namespace", "invalid-xml",
		"not-authorized", "not-well-formed", "policy-violation", "remote-connection-failed",
		"reset", "resource-constraint", "restricted-xml", "see-other-host",
		"system-shutdown", "undefined-condition", "unsupported-encoding",
		"unsupported-feature", "unsupported-stanza-type", "unsupported-version", ""};
	for (int code = 0; code < ERR_COUNT; code++) {
		const char *condition = err_row((enum err_code)code)->condition;
		bool known = false;
		for (size_t i = 0; i < COUNT(conditions); i++)
			known |= strcmp(condition, conditions[i]) == 0;
		if (!known)
			print_error("%s\n", condition);
		assert_true(known);
		struct buf out;
		buf_init(&out, BUF_UNLIMITED);
		xml_stream_header(&out, &(struct xml_header){0});
		xml_stream_error(&out, err_make((enum err_code)code), "\xc3\xa4 <&>");
		assert_true(xml_output_fine(buf_peek(&out)));
		buf_fini(&out);
	}
}

/* ---- dialback ---- */

#define STANZAS "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"

/* XEP-0220 2, 2.4.1: always the prefix `db`. */
static void dialback_is_written_with_the_prefix_db(void **state)
{
	(void)state;
	struct domain a = name("a.example"), b = name("b.example");
	struct slice key = SLICE_LIT("k<&>"), id = SLICE_LIT("i'd"), none = SLICE_NONE;
	struct buf out;
	buf_init(&out, BUF_UNLIMITED);
	xml_db_result(&out, &a, &b, NULL, key);
	check(&out, "<db:result from='a.example' to='b.example'>k&lt;&amp;&gt;</db:result>");
	xml_db_result(&out, &a, &b, "valid", none);
	check(&out, "<db:result from='a.example' to='b.example' type='valid'/>");
	xml_db_verify(&out, &a, &b, id, NULL, key);
	check(&out, "<db:verify from='a.example' to='b.example' id='i&apos;d'>k&lt;&amp;&gt;"
		    "</db:verify>");
	xml_db_verify(&out, &a, &b, id, "invalid", none);
	check(&out, "<db:verify from='a.example' to='b.example' id='i&apos;d' type='invalid'/>");
	xml_db_error(&out, "result", &a, &b, none, "forbidden");
	check(&out, "<db:result from='a.example' to='b.example' type='error'><error type='cancel'>"
		    "<forbidden " STANZAS "/></error></db:result>");
	xml_db_error(&out, "verify", &a, &b, id, "item-not-found");
	check(&out, "<db:verify from='a.example' to='b.example' id='i&apos;d' type='error'><error "
		    "type='cancel'><item-not-found " STANZAS "/></error></db:verify>");
}

/* Keys are made, and answers looked up, under the letters that the asking side uses. */
static void dialback_answers_in_the_form_it_was_asked_in(void **state)
{
	(void)state;
	struct domain a = name("a.example"), b = name("M\xc3\xbcller.example");
	struct domain same = name("XN--Mller-KVA.example"), canonical = domain_canonical(&same);
	struct buf out;
	buf_init(&out, BUF_UNLIMITED);
	assert_true(domain_eq(&b, &same));
	xml_db_result(&out, &a, &b, "valid", SLICE_NONE);
	check(&out, "<db:result from='a.example' to='m\xc3\xbcller.example' type='valid'/>");
	xml_db_result(&out, &same, &a, "valid", SLICE_NONE);
	check(&out, "<db:result from='xn--mller-kva.example' to='a.example' type='valid'/>");
	xml_db_result(&out, &a, &canonical, "valid", SLICE_NONE);
	check(&out, "<db:result from='a.example' to='m\xc3\xbcller.example' type='valid'/>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_escaped_comes_back_as_it_was),
		cmocka_unit_test(headers_have_the_attributes_of_their_role),
		cmocka_unit_test(a_stream_error_says_why_and_ends_the_stream),
		cmocka_unit_test(every_stream_error_carries_its_code),
		cmocka_unit_test(an_ending_that_is_no_error_is_an_end_tag),
		cmocka_unit_test(every_reason_is_a_stream_error_of_rfc_6120),
		cmocka_unit_test(dialback_is_written_with_the_prefix_db),
		cmocka_unit_test(dialback_answers_in_the_form_it_was_asked_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
