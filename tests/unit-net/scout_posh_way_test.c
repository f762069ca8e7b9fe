/* The way to a POSH document, among evil web servers: every row of the table has a host of its own
 * (tests/unit-net/lib/web.c), all are looked for at once. */
#include "core/scout_posh.h"

#include "lib/posh_world.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define AT(host_, text_)                                                                           \
	{                                                                                          \
		.host = host_ ".web.example", .path = WEB_DOCUMENT, .text = (text_)                \
	}
#define PAGE(host_, path_, text_)                                                                  \
	{                                                                                          \
		.host = host_ ".web.example", .path = (path_), .text = (text_)                     \
	}
#define ALL(host_, text_)                                                                          \
	{                                                                                          \
		.host = host_ ".web.example", .text = (text_)                                      \
	}
#define STATUS(line)  "HTTP/1.1 " line "\r\nContent-Length: 0\r\n\r\n"
#define TO(url)       "HTTP/1.1 302 There\r\nLocation: " url "\r\n\r\n"
#define REFER(url, n) POSH_JSON("{\"url\":\"" url "\",\"expires\":" n "}")
#define D10                                                                                        \
	POSH_PRINT "," POSH_PRINT "," POSH_PRINT "," POSH_PRINT "," POSH_PRINT "," POSH_PRINT      \
		   "," POSH_PRINT "," POSH_PRINT "," POSH_PRINT "," POSH_PRINT

/* What is there for everybody to be sent to. */
static const struct web_page common[] = {
	ALL("good", POSH_DOCUMENT("7200")),
	ALL("nothing", STATUS("404 Not Found")),
	ALL("refers", REFER("https://good.web.example/", "7200")),
	PAGE("chain", "/5", TO("/4")),
	PAGE("chain", "/4", TO("/3")),
	PAGE("chain", "/3", TO("/2")),
	PAGE("chain", "/2", TO("/1")),
	PAGE("chain", "/1", TO("/0")),
	PAGE("chain", "/0", POSH_DOCUMENT("7200")),
	PAGE("circle", "/a", TO("/b")),
	PAGE("circle", "/b", TO("/a")),
	ALL("expired", POSH_DOCUMENT("7200")),
};

/* Hosts that are not here: one public web server that has its certificate. */
static const struct web_name names[] = {
	{.host = "private.web.example", .status = RESOLVE_DATA, .addresses = WEB_PRIVATE},
	{.host = "expired.web.example", .status = RESOLVE_DATA, .addresses = "127.0.1.3"},
	{.host = "void.web.example", .status = RESOLVE_NONE},
	{.host = "p1.web.example", .status = RESOLVE_DATA, .addresses = WEB_PRIVATE},
	{.host = "p2.web.example",
		.status = RESOLVE_DATA,
		.addresses = WEB_GOOD,
		.then = WEB_PRIVATE},
	{.host = "p3.web.example",
		.status = RESOLVE_DATA,
		.addresses = WEB_GOOD,
		.then = WEB_PRIVATE},
	{.host = "n1.web.example", .status = RESOLVE_NONE},
	{.host = "n2.web.example", .status = RESOLVE_FAILED},
	{.host = "n3.web.example", .status = RESOLVE_BOGUS},
	{.host = "t1.web.example", .status = RESOLVE_DATA, .addresses = "127.0.1.2"},
	{.host = "t2.web.example", .status = RESOLVE_DATA, .addresses = "127.0.1.3"},
	{.host = "t3.web.example", .status = RESOLVE_DATA, .addresses = "127.0.1.4"},
	{.host = "t4.web.example", .status = RESOLVE_DATA, .addresses = "127.0.1.6"},
	{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
};

static const struct row {
	const char *title;
	struct web_page page; /* its host is the domain that is asked for */
	enum err_code code;
	uint32_t keep_s; /* 0: not a document */
	const char *url; /* NULL: the first place */
} rows[] = {
	/* documents: POSH-6, POSH-8 */
	{"a document", AT("d1", POSH_DOCUMENT("7200")), ERR_OK, 7200, NULL},
	{"a type that says HTML",
		AT("d2", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" POSH_BODY("7200")),
		ERR_OK, 7200, NULL},
	{"one second", AT("d3", POSH_DOCUMENT("1")), ERR_OK, 60, NULL},
	{"ten years", AT("d4", POSH_DOCUMENT("315360000")), ERR_OK, 86400, NULL},
	{"a century", AT("d5", POSH_DOCUMENT("3155760000")), ERR_POSH_EXPIRES, 0, NULL},
	{"expires 0 (RFC 7711 3.1)", AT("d6", POSH_DOCUMENT("0")), ERR_POSH_EXPIRES, 0, NULL},
	{"expires less than that", AT("d7", POSH_DOCUMENT("-1")), ERR_POSH_EXPIRES, 0, NULL},
	{"no expires", AT("d8", POSH_JSON("{\"fingerprints\":[" POSH_PRINT "]}")), ERR_POSH_EXPIRES,
		0, NULL},
	{"P09: duplicate keys",
		AT("d9", POSH_JSON("{\"expires\":9,\"fingerprints\":[" POSH_PRINT
				   "],\"expires\":7200}")),
		ERR_POSH_PARSE, 0, NULL},
	{"P09: a byte order mark", AT("d10", POSH_JSON("\xef\xbb\xbf" POSH_BODY("7200"))),
		ERR_POSH_PARSE, 0, NULL},
	{"P09: something behind it", AT("d11", POSH_JSON(POSH_BODY("7200") "x")), ERR_POSH_PARSE, 0,
		NULL},
	{"P09: a page for people", AT("d12", POSH_JSON("<html>")), ERR_POSH_PARSE, 0, NULL},
	{"nothing at all", AT("d13", POSH_JSON("")), ERR_POSH_PARSE, 0, NULL},
	{"both kinds in one (RFC 7711 3.1)",
		AT("d14", POSH_JSON("{\"url\":\"https://good.web.example/\","
				    "\"fingerprints\":[" POSH_PRINT "],\"expires\":9}")),
		ERR_POSH_PARSE, 0, NULL},
	{"P11: sha-1 alone",
		AT("d15",
			POSH_JSON("{\"fingerprints\":[{\"sha-1\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"
				  "],\"expires\":9}")),
		ERR_POSH_WEAK, 0, NULL},
	{"P11: 33 descriptors (POSH-2: 32)",
		AT("d16", POSH_JSON("{\"fingerprints\":[" D10 "," D10 "," D10 "," POSH_PRINT
				    "," POSH_PRINT "," POSH_PRINT "],\"expires\":9}")),
		ERR_POSH_SIZE, 0, NULL},
	{"64 KiB and blanks (POSH-2)",
		{.host = "d17.web.example", .text = POSH_OK "\r\n" POSH_BODY("7200"), .times = 4},
		ERR_POSH_SIZE, 0, NULL},
	{"cut off", AT("d18", POSH_OK "Content-Length: 900\r\n\r\n" POSH_BODY("7200")),
		ERR_POSH_FETCH, 0, NULL},
	/* statuses: POSH-3 */
	{"404", AT("s1", STATUS("404 Not Found")), ERR_POSH_NONE, 0, NULL},
	{"410", AT("s2", STATUS("410 Gone")), ERR_POSH_NONE, 0, NULL},
	{"403", AT("s3", STATUS("403 Forbidden")), ERR_POSH_FETCH, 0, NULL},
	{"429", AT("s4", STATUS("429 Too Many")), ERR_POSH_FETCH, 0, NULL},
	{"500", AT("s5", STATUS("500 Fault")), ERR_POSH_FETCH, 0, NULL},
	{"503", AT("s6", STATUS("503 Later")), ERR_POSH_FETCH, 0, NULL},
	{"204", AT("s7", STATUS("204 Empty")), ERR_POSH_FETCH, 0, NULL},
	{"206", AT("s8", "HTTP/1.1 206 Part\r\n\r\n" POSH_BODY("7200")), ERR_POSH_FETCH, 0, NULL},
	{"304", AT("s9", STATUS("304 Same")), ERR_POSH_FETCH, 0, NULL},
	{"300 with a place",
		AT("s10", "HTTP/1.1 300 Choose\r\nLocation: https://good.web.example/\r\n\r\n"),
		ERR_POSH_FETCH, 0, NULL},
	/* redirects: POSH-2, P03, P04 */
	{"301", AT("r1", "HTTP/1.1 301 There\r\nLocation: https://good.web.example/\r\n\r\n"),
		ERR_OK, 7200, "https://good.web.example/"},
	{"302", AT("r2", TO("https://good.web.example/")), ERR_OK, 7200,
		"https://good.web.example/"},
	{"303", AT("r3", "HTTP/1.1 303 There\r\nLocation: https://good.web.example/\r\n\r\n"),
		ERR_OK, 7200, "https://good.web.example/"},
	{"307", AT("r4", "HTTP/1.1 307 There\r\nLocation: https://good.web.example/\r\n\r\n"),
		ERR_OK, 7200, "https://good.web.example/"},
	{"308", AT("r5", "HTTP/1.1 308 There\r\nLocation: https://good.web.example/\r\n\r\n"),
		ERR_OK, 7200, "https://good.web.example/"},
	{"to a port over 1024", AT("r6", TO("https://good.web.example:8443/")), ERR_OK, 7200,
		"https://good.web.example:8443/"},
	{"without a host", PAGE("r7", NULL, TO("//good.web.example/x")), ERR_OK, 7200,
		"https://good.web.example/x"},
	{"P03: http", AT("r8", TO("http://good.web.example/")), ERR_POSH_REDIRECT, 0, NULL},
	{"P03: file", AT("r9", TO("file:///etc/passwd")), ERR_POSH_REDIRECT, 0, NULL},
	{"P03: ftp", AT("r10", TO("ftp://good.web.example/")), ERR_POSH_REDIRECT, 0, NULL},
	{"P03: gopher", AT("r11", TO("gopher://good.web.example/")), ERR_POSH_REDIRECT, 0, NULL},
	{"P03: a port under 1024", AT("r12", TO("https://good.web.example:444/")),
		ERR_POSH_REDIRECT, 0, NULL},
	{"P03: userinfo", AT("r13", TO("https://a:b@good.web.example/")), ERR_POSH_REDIRECT, 0,
		NULL},
	{"P03: an IPv4 address", AT("r14", TO("https://" WEB_GOOD "/")), ERR_POSH_REDIRECT, 0,
		NULL},
	{"P03: an IPv4 address as a number", AT("r15", TO("https://2130706689/")),
		ERR_POSH_REDIRECT, 0, NULL},
	{"P03: an IPv6 address", AT("r16", TO("https://[::1]/")), ERR_POSH_REDIRECT, 0, NULL},
	{"P03: an IPv6 zone", AT("r17", TO("https://[fe80::1%25lo]/")), ERR_POSH_REDIRECT, 0, NULL},
	{"P03: a name of the local network", AT("r18", TO("https://intranet/")), ERR_POSH_REDIRECT,
		0, NULL},
	{"P03: an onion", AT("r19", TO("https://abcdefgh.onion/")), ERR_POSH_REDIRECT, 0, NULL},
	{"P03: nowhere", AT("r20", STATUS("302 There")), ERR_POSH_REDIRECT, 0, NULL},
	{"P03: a line break in it", AT("r21", TO("https://good.web.example/%0d%0a x")),
		ERR_POSH_REDIRECT, 0, NULL},
	{"P03: two places",
		AT("r22", "HTTP/1.1 302 There\r\nLocation: https://good.web.example/\r\n"
			  "Location: https://good.web.example/x\r\n\r\n"),
		ERR_POSH_REDIRECT, 0, NULL},
	{"P04: five of them", AT("r23", TO("https://chain.web.example/4")), ERR_OK, 7200,
		"https://chain.web.example/0"},
	{"P04: six of them", AT("r24", TO("https://chain.web.example/5")), ERR_POSH_REDIRECT, 0,
		"https://chain.web.example/1"},
	{"P04: a circle", AT("r25", TO("https://circle.web.example/a")), ERR_POSH_REDIRECT, 0,
		"https://circle.web.example/b"},
	{"P04: to itself", AT("r26", TO(WEB_DOCUMENT)), ERR_POSH_REDIRECT, 0, NULL},
	{"P04: to itself, elsewhere in the page", AT("r27", TO(WEB_DOCUMENT "#x")),
		ERR_POSH_REDIRECT, 0, NULL},
	{"a redirect to where nothing is", AT("r28", TO("https://nothing.web.example/")),
		ERR_POSH_NONE, 0, "https://nothing.web.example/"},
	{"P05: a redirect to an expired certificate", AT("r29", TO("https://expired.web.example/")),
		ERR_POSH_TLS, 0, "https://expired.web.example/"},
	{"P05: a redirect to a name without certificate", AT("r30", TO("https://good.example/")),
		ERR_POSH_TLS, 0, "https://good.example/"},
	{"a redirect to a name without address", AT("r31", TO("https://void.web.example/")),
		ERR_POSH_FETCH, 0, "https://void.web.example/"},
	/* references: RFC 7711 3.2, P12 */
	{"a reference", AT("f1", REFER("https://good.web.example/", "9000")), ERR_OK, 7200,
		"https://good.web.example/"},
	{"the lower expires (RFC 7711 6)", AT("f2", REFER("https://good.web.example/", "3600")),
		ERR_OK, 3600, "https://good.web.example/"},
	{"a reference that is invalid itself", AT("f3", REFER("https://good.web.example/", "0")),
		ERR_POSH_EXPIRES, 0, NULL},
	{"a redirect to a reference", AT("f4", TO("https://refers.web.example/")), ERR_OK, 7200,
		"https://good.web.example/"},
	{"a reference to a redirect", AT("f5", REFER("https://chain.web.example/1", "7200")),
		ERR_OK, 7200, "https://chain.web.example/0"},
	{"P12: a reference to a reference", AT("f6", REFER("https://refers.web.example/", "7200")),
		ERR_POSH_REFERENCE, 0, "https://refers.web.example/"},
	{"P12: to http", AT("f7", REFER("http://good.web.example/", "7200")), ERR_POSH_REDIRECT, 0,
		NULL},
	{"P12: to itself", AT("f8", REFER("https://f8.web.example" WEB_DOCUMENT, "7200")),
		ERR_POSH_REDIRECT, 0, NULL},
	{"P12: to a path", AT("f9", REFER("/x", "7200")), ERR_POSH_REDIRECT, 0, NULL},
	{"P12: to a private address", AT("f10", REFER("https://private.web.example/", "7200")),
		ERR_POSH_BLOCKED, 0, "https://private.web.example/"},
	{"a reference to where nothing is is a fault",
		AT("f11", REFER("https://nothing.web.example/", "7200")), ERR_POSH_FETCH, 0,
		"https://nothing.web.example/"},
	{"P12: a reference and six redirects",
		AT("f12", REFER("https://chain.web.example/5", "7200")), ERR_OK, 7200,
		"https://chain.web.example/0"},
	/* addresses: POSH-9 */
	{"P01: private at the first hop", AT("p1", POSH_DOCUMENT("7200")), ERR_POSH_BLOCKED, 0,
		NULL},
	{"P02: public, then private (redirect)",
		{.host = "p2.web.example", .path = WEB_DOCUMENT, .text = TO("/x")},
		ERR_POSH_BLOCKED, 0, "https://p2.web.example/x"},
	{"P02: public, then private (reference)",
		AT("p3", REFER("https://p3.web.example/x", "7200")), ERR_POSH_BLOCKED, 0,
		"https://p3.web.example/x"},
	{"P01: private at the second hop", AT("p4", TO("https://private.web.example/")),
		ERR_POSH_BLOCKED, 0, "https://private.web.example/"},
	{"P01: private at the last hop", AT("p5", TO("https://p6.web.example/")), ERR_POSH_BLOCKED,
		0, "https://private.web.example/"},
	{"P01: the same, begun there", ALL("p6", TO("https://private.web.example/")),
		ERR_POSH_BLOCKED, 0, "https://private.web.example/"},
	/* DNS and TLS */
	{"no web server, no document", AT("n1", ""), ERR_POSH_NONE, 0, NULL},
	{"DNS fails", AT("n2", ""), ERR_DNS_FAILED, 0, NULL},
	{"DNSSEC says no", AT("n3", ""), ERR_DNS_BOGUS, 0, NULL},
	{"P05: self-signed", AT("t1", POSH_DOCUMENT("7200")), ERR_POSH_TLS, 0, NULL},
	{"P05: expired", AT("t2", POSH_DOCUMENT("7200")), ERR_POSH_TLS, 0, NULL},
	{"P05: another's", AT("t3", POSH_DOCUMENT("7200")), ERR_POSH_TLS, 0, NULL},
	{"P05: TLS 1.1", AT("t4", POSH_DOCUMENT("7200")), ERR_POSH_TLS, 0, NULL},
};

static void check(const struct row *r, const struct posh_answer *a)
{
	char first[300];
	snprintf(first, sizeof first, "https://%s" WEB_DOCUMENT, r->page.host);
	bool document = a->found.document.count == 1 && a->found.document.kind == POSH_FINGERPRINTS;
	if (a->told != 1 || a->found.e.code != r->code || document != (r->keep_s > 0) ||
		(r->keep_s && a->found.not_after != posh_world.now + r->keep_s) ||
		strcmp(a->found.url, r->url ? r->url : first) != 0)
		fail_msg("%s (%s): %s, until %lld, %s", r->title, r->page.host,
			err_row(a->found.e.code)->symbol,
			(long long)(a->found.not_after - posh_world.now), a->found.url);
}

/* POSH-1, -2, -3, -6, -9. */
static void each_way_has_its_end(void **state)
{
	static struct web_page pages[COUNT(rows) + COUNT(common)];
	unsigned private = web_connections(WEB_PRIVATE);
	(void)state;
	memcpy(pages, common, sizeof common);
	for (size_t i = 0; i < COUNT(rows); i++)
		pages[COUNT(common) + i] = rows[i].page;
	web_pages(pages, COUNT(pages));
	posh_world_open(names, COUNT(names));
	for (size_t i = 0; i < COUNT(rows); i++)
		posh_world_ask(rows[i].page.host);
	assert_true(posh_world_wait(5000));
	for (size_t i = 0; i < COUNT(rows); i++)
		check(&rows[i], &posh_world.answers[i]);
	assert_int_equal(web_connections(WEB_PRIVATE), private);
	assert_int_equal(web_names_own_resolver, 0);
}

/* POSH-2: not each hop, all of them. */
static void all_hops_have_one_deadline(void **state)
{
	static const struct web_page pages[] = {
		{.host = "a.web.example", .path = WEB_DOCUMENT, .text = TO("/1"), .wait_ms = 120},
		{.host = "a.web.example", .path = "/1", .text = TO("/2"), .wait_ms = 120},
		{.host = "a.web.example", .path = "/2", .text = TO("/3"), .wait_ms = 120},
		{.host = "a.web.example",
			.path = "/3",
			.text = POSH_DOCUMENT("7200"),
			.wait_ms = 120},
	};
	(void)state;
	web_pages(pages, COUNT(pages));
	posh_world.config.timeout_ms = 320;
	posh_world_open(names, COUNT(names));
	posh_world_ask("a.web.example");
	assert_false(posh_world_wait(260));
	assert_true(posh_world_wait(2000));
	assert_int_equal(posh_world.answers[0].found.e.code, ERR_POSH_TIMEOUT);
}

static void one_that_takes_no_end_ends(void **state)
{
	static const struct web_page pages[] = {
		{.host = "hang.web.example", .text = "", .manner = WEB_HANG},
		{.host = "drip.web.example",
			.text = POSH_OK "Content-Length: 90\r\n\r\n",
			.manner = WEB_DRIP,
			.unit = " ",
			.times = 90},
		{.host = "refers.web.example", .text = REFER("https://hang.web.example/", "7200")},
	};
	static const char *const hosts[] = {
		"hang.web.example", "drip.web.example", "refers.web.example"};
	(void)state;
	web_pages(pages, COUNT(pages));
	posh_world.config.timeout_ms = 200;
	posh_world_open(names, COUNT(names));
	for (size_t i = 0; i < COUNT(hosts); i++)
		posh_world_ask(hosts[i]);
	assert_true(posh_world_wait(2000));
	for (size_t i = 0; i < COUNT(hosts); i++)
		assert_int_equal(posh_world.answers[i].found.e.code, ERR_POSH_TIMEOUT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, posh_world_set_up, posh_world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_way_has_its_end),
		T(all_hops_have_one_deadline),
		T(one_that_takes_no_end_ends),
	};
	return cmocka_run_group_tests(tests, web_world_start, web_world_stop);
}
