/* Stream headers, as the scanner gives them and header.c judges them (ST-5). */
#include "xmpp/header.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define E    "'http://etherx.jabber.org/streams'"
#define GOOD "<stream:stream xmlns='jabber:server' xmlns:stream=" E

static enum err_code judge(const char *text, struct stream_header *header)
{
	struct slice in = slice_str(text);
	struct scan *s = scan_new(&scan_limits_stranger);
	enum scan_event event = scan_next(s, &in);
	enum err_code code = scan_error(s).code;
	if (event == SCAN_HEADER)
		code = stream_header_read(scan_element(s), header).code;
	scan_free(s);
	return code;
}

static void the_root_and_its_namespaces_must_be_those_of_xmpp(void **state)
{
	static const struct {
		const char *title, *text;
		enum err_code code;
	} rows[] = {
		{"a usual header", GOOD ">", ERR_OK},
		{"declarations in another order",
			"<stream:stream xmlns:stream=" E " xmlns='jabber:server'>", ERR_OK},
		{"a namespace written with references",
			"<stream:stream xmlns='jabber&#58;server' xmlns:stream=" E ">", ERR_OK},
		{"another root", "<stream:strea xmlns='jabber:server' xmlns:stream=" E ">",
			ERR_STREAM_ROOT},
		{"a root that ends at once", GOOD "/>", ERR_STREAM_ROOT},
		{"another stream namespace",
			"<stream:stream xmlns='jabber:server' xmlns:stream='urn:x'>",
			ERR_STREAM_NS},
		{"a stream namespace with a slash",
			"<stream:stream xmlns='jabber:server' "
			"xmlns:stream='http://etherx.jabber.org/streams/'>",
			ERR_STREAM_NS},
		{"the content namespace of clients",
			"<stream:stream xmlns='jabber:client' xmlns:stream=" E ">", ERR_STREAM_NS},
		{"no content namespace", "<stream:stream xmlns:stream=" E ">", ERR_STREAM_NS},
		{"an empty content namespace", "<stream:stream xmlns='' xmlns:stream=" E ">",
			ERR_STREAM_NS},
		{"another prefix", "<s:stream xmlns='jabber:server' xmlns:s=" E ">",
			ERR_STREAM_PREFIX},
		{"no prefix", "<stream xmlns=" E ">", ERR_STREAM_PREFIX},
		{"a prefix not bound", "<stream:stream xmlns='jabber:server'>", ERR_XML_NAMESPACE},
		{"dialback under another prefix", GOOD " xmlns:x='jabber:server:dialback'>",
			ERR_OK},
		{"the stream prefix in capitals",
			"<STREAM:stream xmlns='jabber:server' xmlns:STREAM=" E ">",
			ERR_STREAM_PREFIX},
	};
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct stream_header header;
		enum err_code code = judge(rows[i].text, &header);
		if (code != rows[i].code)
			fail_msg("%s: %s, wanted %s", rows[i].title, err_row(code)->symbol,
				err_row(rows[i].code)->symbol);
	}
}

/* ST-12: what the stanzas of the stream inherit. */
static void the_language_and_the_id_are_read_decoded(void **state)
{
	struct stream_header header;
	(void)state;
	assert_int_equal(judge(GOOD " id='a&lt;&#x20AC;' xml:lang='fr-CA'>", &header), ERR_OK);
	assert_string_equal(header.id, "a<\xe2\x82\xac");
	assert_string_equal(header.lang, "fr-CA");
	assert_false(header.has_dialback);
	assert_int_equal(
		judge(GOOD " xmlns:d='jabber:server:dialback' lang='de'>", &header), ERR_OK);
	assert_string_equal(header.lang, "");
	assert_true(header.has_dialback);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_root_and_its_namespaces_must_be_those_of_xmpp),
		cmocka_unit_test(the_language_and_the_id_are_read_decoded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
