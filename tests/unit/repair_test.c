/* Repair of start tags: what goes on means what was judged (ST-9, ST-12, ADR-5, M-2). */
#include "repaircheck.h"
#include "scancorpus.h"
#include "scangen.h"
#include "xmpp/repair.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define HOSTILE                                                                                    \
	"<s xmlns='jabber:server:dialback' xmlns:stream='jabber:server' "                          \
	"xmlns:db='urn:a&amp;&#39;b' "                                                             \
	"xmlns:x='http://etherx.jabber.org/streams'>"

struct row {
	const char *title;
	const char *header, *element;
	const char *from, *to, *lang; /* NULL: as it is */
	const char *expect;           /* NULL: it needs no repair */
};

static const struct row rows[] = {
	{"A stanza as it should be goes on as it is", USUAL,
		"<message to='a'><body>x</body></message>", NULL, NULL, NULL, NULL},
	{"A usual prefix with its usual namespace needs nothing", USUAL, "<db:result>k</db:result>",
		NULL, NULL, NULL, NULL},
	{"So does the stream's", USUAL, "<stream:features/>", NULL, NULL, NULL, NULL},
	{"An element that binds its own needs nothing", HOSTILE, "<db:m xmlns:db='urn:x'/>", NULL,
		NULL, NULL, NULL},
	{"A prefix we do not declare is declared on the element",
		"<a xmlns='jabber:server' xmlns:x='urn:x'>", "<m><x:y/></m>", NULL, NULL, NULL,
		"<m xmlns:x='urn:x'><x:y/></m>"},
	{"Only what is used is declared",
		"<a xmlns='jabber:server' xmlns:x='urn:x' xmlns:y='urn:y'>", "<m y:a='1'/>", NULL,
		NULL, NULL, "<m y:a='1' xmlns:y='urn:y'/>"},
	{"Another default namespace is declared", HOSTILE, "<m/>", NULL, NULL, NULL,
		"<m xmlns='jabber:server:dialback'/>"},
	{"No default namespace is declared as none", "<s>", "<m/>", NULL, NULL, NULL,
		"<m xmlns=''/>"},
	{"An empty default namespace is declared as none", "<s xmlns=''>", "<m/>", NULL, NULL, NULL,
		"<m xmlns=''/>"},
	{"db: bound to something else is declared so, escaped", HOSTILE, "<db:result>k</db:result>",
		NULL, NULL, NULL, "<db:result xmlns:db='urn:a&amp;&apos;b'>k</db:result>"},
	{"stream: bound to something else is declared so", HOSTILE, "<stream:message />", NULL,
		NULL, NULL, "<stream:message  xmlns:stream='jabber:server'/>"},
	{"The streams' namespace under another prefix is declared", HOSTILE, "<x:error/>", NULL,
		NULL, NULL, "<x:error xmlns:x='http://etherx.jabber.org/streams'/>"},
	{"A need inside is declared outside, where a child hides it too", HOSTILE,
		"<m xmlns='urn:m'><db:a xmlns:db='urn:b'/><db:c/></m>", NULL, NULL, NULL,
		"<m xmlns='urn:m' xmlns:db='urn:a&amp;&apos;b'><db:a "
		"xmlns:db='urn:b'/><db:c/></m>"},
	{"Addresses are replaced where they stand", USUAL,
		"<m a='1' from='x' b='2' to=\"y\" c='3'>t</m>", "r@a.example", "b.example", NULL,
		"<m a='1'  from='r@a.example' b='2'  to='b.example' c='3'>t</m>"},
	{"They are escaped", USUAL, "<m from='x'/>", "a'\"<>&b", NULL, NULL,
		"<m  from='a&apos;&quot;&lt;&gt;&amp;b'/>"},
	{"Spaces about '=' go with the value", USUAL, "<m to =\n'x'/>", NULL, "b.example", NULL,
		"<m  to='b.example'/>"},
	{"Attributes of that name in a namespace are left alone", USUAL, "<m db:to='x' to='y'/>",
		NULL, "z", NULL, "<m db:to='x'  to='z'/>"},
	{"So are those called from", USUAL, "<m db:from='x' from='y'/>", "z", NULL, NULL,
		"<m db:from='x'  from='z'/>"},
	{"Addresses of children are left alone", USUAL, "<m to='x'><n to='x'/></m>", NULL, "z",
		NULL, "<m  to='z'><n to='x'/></m>"},
	{"A '>' in a value ends no tag", USUAL, "<m b='>/>' to='x'>t</m>", NULL, "z", NULL,
		"<m b='>/>'  to='z'>t</m>"},
	{"The stream's language is put on an element that has none (ST-12)", USUAL, "<m/>", NULL,
		NULL, "de", "<m xml:lang='de'/>"},
	{"An element that has one keeps it", USUAL, "<m xml:lang='fr'/>", NULL, NULL, "de", NULL},
	{"An element that has an empty one keeps it", USUAL, "<m xml:lang=''/>", NULL, NULL, "de",
		NULL},
	{"An attribute called lang is none", USUAL, "<m lang='fr'/>", NULL, NULL, "de",
		"<m lang='fr' xml:lang='de'/>"},
	{"All at once", HOSTILE, "<m to='x'\n><db:a/></m>", NULL, "z", "de",
		"<m  to='z'\n xmlns='jabber:server:dialback' xmlns:db='urn:a&amp;&apos;b' "
		"xml:lang='de'>"
		"<db:a/></m>"},
};

static struct repair repair_of(const struct row *row)
{
	return (struct repair){
		slice_str(row->from), slice_str(row->to), slice_str(row->lang), 65536};
}

static void check_row(const struct row *row)
{
	struct repair r = repair_of(row);
	struct slice header = slice_str(row->header), element = slice_str(row->element);
	struct scan *s = scan_new(&scan_limits_proven);
	struct buf out;
	buf_init(&out, BUF_UNLIMITED);
	assert_int_equal(scan_next(s, &header), SCAN_HEADER);
	assert_int_equal(scan_next(s, &element), SCAN_ELEMENT);
	bool needless = repair_needless(scan_element(s), &r);
	struct err bad = repair_append(scan_element(s), &r, &out);
	const char *expect = row->expect ? row->expect : row->element;
	if (needless != !row->expect || err_is(bad) || strcmp(buf_cstr(&out), expect) != 0)
		fail_msg("%s: %s%s", row->title, buf_cstr(&out), needless ? " (needless)" : "");
	buf_fini(&out);
	scan_free(s);
}

static void start_tags_are_repaired_as_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		check_row(&rows[i]);
}

static void the_tables_elements_mean_the_same_to_libxml2_and_expat(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct repaircheck check = {
			slice_str(rows[i].from), slice_str(rows[i].to), 0, NULL, {0}, {0}, {0}};
		struct buf stream;
		buf_init(&stream, BUF_UNLIMITED);
		(void)buf_printf(&stream, "%s%s", rows[i].header, rows[i].element);
		repaircheck_run(&check, buf_peek(&stream));
		if (check.bad || check.elements != 1)
			fail_msg("%s: %s", rows[i].title, check.bad ? check.bad : "not an element");
		buf_fini(&stream);
	}
}

/* FEDGATE_SEED repeats a run. */
static uint64_t first_seed(void)
{
	const char *told = getenv("FEDGATE_SEED");
	return told ? strtoull(told, NULL, 10) : (uint64_t)time(NULL) * 1000003u;
}

static void random_elements_mean_the_same_after_repair(void **state)
{
	enum { STREAMS = 3000, ELEMENTS = 3 };
	static const char *const addresses[] = {
		NULL, "a.example", "r@a.example/\xc3\xa9&'\"<>\t\n"};
	uint64_t first = first_seed();
	size_t elements = 0;
	(void)state;
	print_message("  FEDGATE_SEED=%llu\n", (unsigned long long)first);
	for (uint64_t seed = first; seed < first + STREAMS; seed++) {
		struct scangen gen = {.seed = seed};
		struct repaircheck check = {slice_str(addresses[seed % 3]),
			slice_str(addresses[seed / 3 % 3]), 0, NULL, {0}, {0}, {0}};
		struct buf stream;
		buf_init(&stream, BUF_UNLIMITED);
		scangen_header(&gen, &stream);
		for (int i = 0; i < ELEMENTS; i++)
			scangen_element(&gen, &stream);
		repaircheck_run(&check, buf_peek(&stream));
		if (check.bad)
			fail_msg("seed %llu: %s\n%s", (unsigned long long)seed, check.bad,
				buf_cstr(&stream));
		elements += check.elements;
		buf_fini(&stream);
	}
	assert_int_equal(elements, STREAMS * ELEMENTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_tags_are_repaired_as_the_table_says),
		cmocka_unit_test(the_tables_elements_mean_the_same_to_libxml2_and_expat),
		cmocka_unit_test(random_elements_mean_the_same_after_repair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
