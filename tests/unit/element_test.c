/* Negotiation elements as trees, and what is taken over of the other side's words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xmpp/element.h"
#include "xmpp/stream.h"

#include "../lib/scanned.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static struct element *parse_in(const char *header, const char *text, enum err_code want)
{
	struct scan *scan;
	struct err wrong = err_ok();
	const struct scan_element *e = scanned_in(&scan, header, text);
	if (!e)
		print_error("not scanned: %s\n", text);
	assert_non_null(e);
	struct element *el = element_parse(e, &wrong);
	assert_int_equal(wrong.code, want);
	assert_int_equal(el != NULL, want == ERR_OK);
	scan_free(scan);
	return el;
}

static struct element *parse(const char *text)
{
	return parse_in(PLAIN_HEADER, text, ERR_OK);
}

static void names_are_resolved_with_the_headers_bindings(void **state)
{
	(void)state;
	struct element *el = parse_in("<stream:stream xmlns='jabber:server' " STREAM_NS
				      " xmlns:q='urn:&#113;'>",
		"<q:a q:b='1' c='2'><d/><q:e xmlns:q='urn:other'/><f xmlns=''/></q:a>", ERR_OK);
	assert_true(element_is(el, "urn:q", "a"));
	assert_int_equal(el->attr_count, 2);
	assert_string_equal(el->attrs[0].ns, "urn:q");
	assert_non_null(element_child(el, "jabber:server", "d"));
	assert_non_null(element_child(el, "urn:other", "e"));
	assert_non_null(element_child(el, "", "f"));
	assert_null(element_child(el, "urn:q", "e"));
	assert_non_null(element_child(el, NULL, "e"));
	element_free(el);
}

/* ADR-1, spoofing: foo:from is no from. */
static void an_attribute_in_a_namespace_is_not_the_plain_one(void **state)
{
	(void)state;
	struct element *el = parse("<db:result xmlns:foo='urn:foo' foo:from='evil.example' "
				   "db:to='x.example' to='y.example'/>");
	assert_null(element_attr(el, "from"));
	assert_string_equal(element_attr(el, "to"), "y.example");
	assert_null(element_attr(el, "id"));
	element_free(el);
}

/* DB-7: a key is the text of the element itself. */
static void the_text_is_that_of_the_element_itself(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"<a/>", ""},
		{"<a></a>", ""},
		{"<a> x </a>", " x "},
		{"<a>x&amp;y&#65;</a>", "x&yA"},
		{"<a>x<![CDATA[<y>&amp;]]>z</a>", "x<y>&amp;z"},
		{"<a>x<b>no</b>z</a>", "xz"},
		{"<a>x\r\ny\rz</a>", "x\ny\nz"},
		{"<a>\xf0\x9f\x98\x80</a>", "\xf0\x9f\x98\x80"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct element *el = parse(rows[i].text);
		assert_string_equal(el->text, rows[i].want);
		element_free(el);
	}
}

static void attribute_values_are_decoded_and_normalised(void **state)
{
	(void)state;
	struct element *el = parse("<a v=' x&amp;&#10;\n\ty&lt;&apos;&quot;'/>");
	assert_string_equal(element_attr(el, "v"), " x&\n  y<'\"");
	element_free(el);
}

static struct element *parse_children(size_t count, enum err_code want)
{
	static char text[8000];
	size_t n = (size_t)snprintf(text, sizeof text, "<a>");
	for (size_t i = 0; i < count; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, i % 2 ? "<b>t</b>" : "<c/>");
	snprintf(text + n, sizeof text - n, "</a>");
	return parse_in(PLAIN_HEADER, text, want);
}

static void a_tree_holds_256_elements(void **state)
{
	(void)state;
	struct element *el = parse_children(255, ERR_OK);
	size_t n = 0;
	for (const struct element *c = el->children; c; c = c->next)
		n++;
	assert_int_equal(n, 255);
	element_free(el);
	element_free(parse_children(256, ERR_LIMIT));
	element_free(parse_children(900, ERR_LIMIT));
}

struct words {
	const char *error, *condition, *text;
};

/* S22: the other side's words come into our logs and to users; its bytes do not. */
static void of_a_stream_error_only_printable_words_are_kept(void **state)
{
	(void)state;
#define NS "xmlns='urn:ietf:params:xml:ns:xmpp-streams'"
	static const struct words rows[] = {
		{"<stream:error><reset " NS "/></stream:error>", "reset", ""},
		{"<stream:error><reset " NS "/><text " NS ">bye</text></stream:error>", "reset",
			"bye"},
		{"<stream:error><text " NS ">bye</text><reset " NS "/></stream:error>", "reset",
			"bye"},
		{"<stream:error/>", "", ""},
		{"<stream:error>bare words</stream:error>", "", ""},
		{"<stream:error><text " NS ">&lt;b&gt;bold&lt;/b&gt;</text></stream:error>", "",
			"<b>bold</b>"},
		{"<stream:error><text " NS ">a\nb\tc&#13;d</text></stream:error>", "", "abcd"},
		{"<stream:error><text " NS ">\xc2\x9b[31mred\xe2\x80\xae</text></stream:error>", "",
			"[31mred"},
		{"<stream:error><first " NS "/><second xmlns='urn:x'/></stream:error>", "first",
			""},
		{"<stream:error><see-other-host " NS
		 ">evil.example</see-other-host></stream:error>",
			"see-other-host", ""},
		{"<stream:error><a-condition-with-a-name-that-is-much-too-long " NS
		 "/></stream:error>",
			"a-condition-with-a-name-that-is-much-too", ""},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct actions a;
		struct element *el = parse(rows[i].error);
		actions_init(&a);
		actions_note_error(&a, el);
		assert_string_equal(a.condition, rows[i].condition);
		assert_string_equal(a.text, rows[i].text);
		actions_clear(&a);
		assert_string_equal(a.condition, "");
		assert_string_equal(a.text, "");
		actions_fini(&a);
		element_free(el);
	}
}

/* S22 */
static void a_text_of_half_a_megabyte_is_cut(void **state)
{
	(void)state;
	enum { SIZE = 500000 };
	char *text = malloc(SIZE + 100);
	struct actions a;
	int n = snprintf(text, SIZE, "<stream:error><text " NS ">");
	memset(text + n, 'x', SIZE - (size_t)n);
	snprintf(text + SIZE, 100, "</text></stream:error>");
	struct element *el = parse(text);
	actions_init(&a);
	actions_note_error(&a, el);
	assert_int_equal(strlen(a.text), 120);
	actions_fini(&a);
	element_free(el);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_resolved_with_the_headers_bindings),
		cmocka_unit_test(an_attribute_in_a_namespace_is_not_the_plain_one),
		cmocka_unit_test(the_text_is_that_of_the_element_itself),
		cmocka_unit_test(attribute_values_are_decoded_and_normalised),
		cmocka_unit_test(a_tree_holds_256_elements),
		cmocka_unit_test(of_a_stream_error_only_printable_words_are_kept),
		cmocka_unit_test(a_text_of_half_a_megabyte_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
