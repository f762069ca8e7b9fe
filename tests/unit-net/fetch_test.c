/* One request and one answer, among evil servers (tests/unit-net/lib/web.c). */
#include "net/fetch.h"

#include "base/mem.h"
#include "lib/fake_worker.h"
#include "lib/web_world.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { BODY_MAX = 65536, LONG_MS = 4000 };

struct job {
	struct fetch *x;
	unsigned told;
	struct err e;
	long status;
	size_t body_len;
	char body[40], location[FETCH_LOCATION_MAX + 1], type[80], address[64];
	bool free_all; /* from inside the callback */
};

static struct {
	struct fake_worker *w;
	struct fetcher *fetcher;
	struct fetch_config config;
} the;

static void open_fetcher(void)
{
	struct err e;
	the.fetcher = fetcher_new(the.w->w.loop, &the.config, &e);
	assert_non_null(the.fetcher);
	assert_false(err_is(e));
	web_names_to(the.fetcher);
}

static void told(void *to, int tag, const struct resolve_answer *answer)
{
	fetcher_resolved(to, tag, answer);
}

static int set_up(void **state)
{
	(void)state;
	the.w = fake_worker_new();
	the.config = (struct fetch_config){.authorities_pem = web_world_authorities(),
		.timeout_ms = LONG_MS,
		.patience_ms = LONG_MS,
		.max_bytes = BODY_MAX,
		.max_running = 100,
		.max_waiting = 100,
		.allowed = web_names_allowed,
		.resolve = web_names_resolve};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (the.fetcher)
		fetcher_free(the.fetcher);
	the.fetcher = NULL;
	web_names_end();
	fake_worker_free(the.w);
	return 0;
}

static void on_done(void *arg, const struct fetch_answer *a)
{
	struct job *j = arg;
	j->told++;
	j->e = a->e;
	j->status = a->status;
	j->body_len = a->body.len;
	snprintf(j->body, sizeof j->body, "%.*s", SLICE_ARG(slice_sub(a->body, 0, 39)));
	memcpy(j->location, a->location, sizeof j->location);
	memcpy(j->type, a->type, sizeof j->type);
	memcpy(j->address, a->address, sizeof j->address);
	if (j->free_all) {
		fetcher_free(the.fetcher);
		the.fetcher = NULL;
	}
}

static void ask(struct job *j, const char *host, unsigned port, const char *target)
{
	struct fetch_request r = {.port = (uint16_t)port, .target = target};
	assert_false(err_is(domain_parse(slice_str(host), &r.host)));
	j->x = fetch_start(the.fetcher, &r, on_done, j);
	assert_int_equal(j->told, 0); /* never from inside */
}

static struct {
	struct job *jobs;
	size_t count;
} waited;

static bool all_told(void *unused)
{
	(void)unused;
	for (size_t i = 0; i < waited.count; i++) {
		if (!waited.jobs[i].told)
			return false;
	}
	return true;
}

static bool wait_for(struct job *jobs, size_t count, uint64_t max_ms)
{
	waited.jobs = jobs;
	waited.count = count;
	return fake_worker_run(the.w, all_told, NULL, max_ms);
}

/* ---- answers ---- */

#define HEAD "HTTP/1.1 200 OK\r\n"
#define A64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* Each row is a server's answer, the first of a block a good one, the others differ from it in one
 * fact. */
static const struct answer_row {
	const char *title;
	struct web_page page;
	enum err_code code;
	long status; /* -1: any */
	size_t body_len;
} answers[] = {
	{"a length", {.host = "a1.web.example", .text = HEAD "Content-Length: 5\r\n\r\nhello"},
		ERR_OK, 200, 5},
	{"chunks",
		{.host = "a2.web.example",
			.text = HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		ERR_OK, 200, 5},
	{"until the end", {.host = "a3.web.example", .text = HEAD "\r\nhello"}, ERR_OK, 200, 5},
	{"HTTP/1.0", {.host = "a4.web.example", .text = "HTTP/1.0 200 OK\r\n\r\nhello"}, ERR_OK,
		200, 5},
	{"an end without TLS's word for it: whether it is whole, JSON tells",
		{.host = "a5.web.example", .text = HEAD "\r\nhello", .manner = WEB_EOF}, ERR_OK,
		200, 5},
	{"a length that is too long (truncated)",
		{.host = "a6.web.example", .text = HEAD "Content-Length: 6\r\n\r\nhello"},
		ERR_POSH_FETCH, 200, 0},
	{"a length that is too short",
		{.host = "a7.web.example", .text = HEAD "Content-Length: 4\r\n\r\nhello"}, ERR_OK,
		200, 4},
	{"a last chunk that does not come",
		{.host = "a8.web.example",
			.text = HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"},
		ERR_POSH_FETCH, 200, 0},
	/* What came before it may be lost. */
	{"a reset in the middle",
		{.host = "a9.web.example",
			.text = HEAD "Content-Length: 9\r\n\r\nhello",
			.manner = WEB_RESET},
		ERR_POSH_FETCH, -1, 0},
	{"a reset in the headers",
		{.host = "a10.web.example", .text = HEAD "Content-Le", .manner = WEB_RESET},
		ERR_POSH_FETCH, -1, 0},
	{"no HTTP at all (0.9)", {.host = "a11.web.example", .text = "hello"}, ERR_POSH_FETCH, 0,
		0},
	{"nothing", {.host = "a12.web.example", .text = ""}, ERR_POSH_FETCH, 0, 0},
	{"a 100 Continue, and nothing more",
		{.host = "a14.web.example", .text = "HTTP/1.1 100 Continue\r\n\r\n"},
		ERR_POSH_FETCH, 100, 0},
	{"another protocol, not asked for",
		{.host = "a13.web.example",
			.text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nhello",
			.manner = WEB_HANG},
		ERR_OK, 101, 0},
	/* P07 */
	{"P07: as it is",
		{.host = "b1.web.example", .text = HEAD "Content-Encoding: identity\r\n\r\nhello"},
		ERR_OK, 200, 5},
	{"P07: gzip",
		{.host = "b2.web.example", .text = HEAD "Content-Encoding: gzip\r\n\r\nhello"},
		ERR_POSH_FETCH, 200, 0},
	{"P07: br, and a blank before the colon",
		{.host = "b3.web.example", .text = HEAD "content-encoding : br\r\n\r\nhello"},
		ERR_POSH_FETCH, 200, 0},
	{"P07: two encodings",
		{.host = "b4.web.example",
			.text = HEAD "Content-Encoding: identity, gzip\r\n\r\nhello"},
		ERR_POSH_FETCH, 200, 0},
	{"P07: a packed transfer",
		{.host = "b5.web.example",
			.text = HEAD
			"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		ERR_POSH_FETCH, 200, 0},
	{"P07: the second of two",
		{.host = "b6.web.example",
			.text = HEAD "Transfer-Encoding: chunked\r\nTransfer-Encoding: "
				     "deflate\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		ERR_POSH_FETCH, 200, 0},
	{"P07: on the next line",
		{.host = "b7.web.example", .text = HEAD "Content-Encoding:\r\n gzip\r\n\r\nhello"},
		ERR_POSH_FETCH, 200, 0},
	/* POSH-2: sizes of bodies; blanks come in 16 KiB */
	{"64 KiB",
		{.host = "c1.web.example",
			.text = HEAD "Content-Length: 65536\r\n\r\n",
			.manner = WEB_SEND,
			.times = 4},
		ERR_OK, 200, 65536},
	{"a byte more, with a length",
		{.host = "c2.web.example",
			.text = HEAD "Content-Length: 65537\r\n\r\n ",
			.manner = WEB_SEND,
			.times = 4},
		ERR_POSH_SIZE, 200, 0},
	{"a byte more, until the end",
		{.host = "c3.web.example", .text = HEAD "\r\n ", .manner = WEB_SEND, .times = 4},
		ERR_POSH_SIZE, 200, 0},
	{"a byte more, in chunks",
		{.host = "c4.web.example",
			.text = HEAD "Transfer-Encoding: chunked\r\n\r\n10001\r\n ",
			.manner = WEB_SEND,
			.times = 4},
		ERR_POSH_SIZE, 200, 0},
	{"a gigabyte, with a length",
		{.host = "c5.web.example",
			.text = HEAD "Content-Length: 1073741824\r\n\r\n",
			.manner = WEB_SEND,
			.times = 65536},
		ERR_POSH_SIZE, 200, 0},
	{"a gigabyte in a chunk",
		{.host = "c6.web.example",
			.text = HEAD "Transfer-Encoding: chunked\r\n\r\n40000000\r\n",
			.manner = WEB_SEND,
			.times = 65536},
		ERR_POSH_SIZE, 200, 0},
	{"a length over all numbers",
		{.host = "c7.web.example",
			.text = HEAD "Content-Length: 99999999999999999999\r\n\r\n",
			.manner = WEB_SEND,
			.times = 65536},
		ERR_POSH_SIZE, 200, 0},
	{"a gigabyte that is not there (404)",
		{.host = "c8.web.example",
			.text = "HTTP/1.1 404 No\r\nContent-Length: 1073741824\r\n\r\n",
			.manner = WEB_SEND,
			.times = 65536},
		ERR_OK, 404, 0},
	{"what follows a redirect does not matter",
		{.host = "c9.web.example",
			.text = "HTTP/1.1 302 There\r\nLocation: /x\r\n\r\n",
			.manner = WEB_HANG},
		ERR_OK, 302, 0},
	/* P08 */
	{"P08: 64 headers",
		{.host = "d1.web.example",
			.text = HEAD "Connection: close\r\nA: a\r\nA: a\r\n\r\n\r\n"},
		ERR_OK, 200, 2},
	{"P08: 8 KiB of headers",
		{.host = "d2.web.example",
			.text = HEAD,
			.manner = WEB_SEND,
			.unit = "A: " A64 A64 "\r\n",
			.times = 63},
		ERR_POSH_SIZE, 200, 0},
	{"P08: 10,000 headers",
		{.host = "d3.web.example",
			.text = HEAD,
			.manner = WEB_HANG,
			.unit = "A: a\r\n",
			.times = 10000},
		ERR_POSH_SIZE, 200, 0},
	{"P08: a line of a megabyte",
		{.host = "d4.web.example", .text = HEAD "A: ", .manner = WEB_SEND, .times = 64},
		ERR_POSH_SIZE, 200, 0},
	{"P08: a status line of a megabyte",
		{.host = "d5.web.example",
			.text = "HTTP/1.1 200 ",
			.manner = WEB_SEND,
			.times = 64},
		ERR_POSH_SIZE, 0, 0},
	{"P08: 10,000 times 100 Continue",
		{.host = "d6.web.example",
			.text = "",
			.manner = WEB_HANG,
			.unit = "HTTP/1.1 100 Continue\r\n\r\n",
			.times = 10000},
		ERR_POSH_SIZE, 100, 0},
	{"P08: 10,000 trailers",
		{.host = "d7.web.example",
			.text = HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\n",
			.manner = WEB_SEND,
			.unit = "A: a\r\n",
			.times = 10000},
		ERR_POSH_SIZE, 200, 0},
	{"P08: a trailer",
		{.host = "d8.web.example",
			.text = HEAD
			"Transfer-Encoding: "
			"chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Encoding: gzip\r\n\r\n"},
		ERR_OK, 200, 5},
};

/* POSH-2: what a server may send is limited, whatever it says it sends. */
static void each_answer_gets_its_verdict(void **state)
{
	static struct web_page pages[COUNT(answers)];
	static struct job jobs[COUNT(answers)];
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	(void)state;
	memset(jobs, 0, sizeof jobs);
	for (size_t i = 0; i < COUNT(answers); i++)
		pages[i] = answers[i].page;
	web_pages(pages, COUNT(answers));
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	open_fetcher();
	for (size_t i = 0; i < COUNT(answers); i++)
		ask(&jobs[i], pages[i].host, 443, "/");
	assert_true(wait_for(jobs, COUNT(answers), LONG_MS + 1000));
	for (size_t i = 0; i < COUNT(answers); i++) {
		const struct answer_row *r = &answers[i];
		if (jobs[i].e.code != r->code || (r->status >= 0 && jobs[i].status != r->status) ||
			jobs[i].body_len != r->body_len)
			fail_msg("%s: %s, %ld, %zu bytes", r->title,
				err_row(jobs[i].e.code)->symbol, jobs[i].status, jobs[i].body_len);
	}
}

/* P08: exactly how many lines are too many. */
static void headers_are_counted(void **state)
{
	static const struct {
		const char *unit;
		unsigned times;
		enum err_code code;
	} rows[] = {
		{"A: a\r\n", 64, ERR_OK},
		{"A: a\r\n", 65, ERR_POSH_SIZE},
		{"HTTP/1.1 103 Early\r\n\r\n", 5, ERR_OK},
		{"HTTP/1.1 103 Early\r\n\r\n", 6, ERR_POSH_SIZE},
		{"HTTP/1.1 103 Early\r\nA: a\r\nA: a\r\nA: a\r\nA: a\r\nA: a\r\nA: a\r\nA: a\r\nA: "
		 "a\r\n"
		 "A: a\r\nA: a\r\nA: a\r\nA: a\r\nA: a\r\nA: a\r\n\r\n",
			5, ERR_POSH_SIZE},
	};
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	(void)state;
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	open_fetcher();
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[4096] = "";
		struct job j = {0};
		bool informational = rows[i].unit[0] == 'H';
		struct buf b;
		buf_init(&b, sizeof text - 1);
		if (!informational)
			(void)buf_append_str(&b, HEAD);
		for (unsigned n = 0; n < rows[i].times; n++)
			(void)buf_append_str(&b, rows[i].unit);
		(void)buf_append_str(&b, informational ? HEAD "\r\nhello" : "\r\nhello");
		memcpy(text, buf_cstr(&b), buf_len(&b) + 1);
		buf_fini(&b);
		struct web_page page = {.host = "a.web.example", .text = text};
		web_pages(&page, 1);
		ask(&j, "a.web.example", 443, "/");
		assert_true(wait_for(&j, 1, LONG_MS));
		assert_int_equal(j.e.code, rows[i].code);
		assert_int_equal(j.body_len, rows[i].code == ERR_OK ? 5 : 0);
	}
}

/* ---- servers ---- */

static const struct web_page hello[] = {
	{.host = "a.web.example",
		.text = HEAD "Content-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"},
	{.host = "cn.web.example", .text = HEAD "Content-Length: 5\r\n\r\nhello"},
	{.host = "par1.web.example", .text = HEAD "Content-Length: 5\r\n\r\nhello"},
	{.host = "web.example", .text = HEAD "Content-Length: 5\r\n\r\nhello"},
	{.host = "a.b.web.example", .text = HEAD "Content-Length: 5\r\n\r\nhello"},
};

/* Each row differs from the first in one fact: where the name points to, or what is asked. */
static const struct server_row {
	const char *title;
	struct web_name name;
	enum err_code code;
	const char *address; /* that was connected to */
	unsigned port;
} servers[] = {
	{.title = "IPv4",
		.name = {.host = "a.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
		.code = ERR_OK,
		.address = WEB_GOOD},
	{.title = "IPv6",
		.name = {.host = "a.web.example", .status = RESOLVE_DATA, .addresses = "::1"},
		.code = ERR_OK,
		.address = "::1"},
	{.title = "another port",
		.name = {.host = "a.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
		.code = ERR_OK,
		.address = WEB_GOOD,
		.port = 8443},
	{.title = "another name of the certificate",
		.name = {.host = "web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
		.code = ERR_OK,
		.address = WEB_GOOD},
	{.title = "TLS 1.2",
		.name = {.host = "a.web.example", .status = RESOLVE_DATA, .addresses = "127.0.1.9"},
		.code = ERR_OK,
		.address = "127.0.1.9"},
	{.title = "a server that wants a certificate of ours",
		.name = {.host = "a.web.example",
			.status = RESOLVE_DATA,
			.addresses = "127.0.1.11"},
		.code = ERR_OK,
		.address = "127.0.1.11"},
	/* addresses */
	{.title = "the first address refuses",
		.name = {.host = "a.web.example",
			.status = RESOLVE_DATA,
			.addresses = WEB_NOBODY " " WEB_GOOD},
		.code = ERR_OK,
		.address = WEB_GOOD},
	{.title = "IPv6 before IPv4",
		.name = {.host = "a.web.example",
			.status = RESOLVE_DATA,
			.addresses = WEB_GOOD " ::1"},
		.code = ERR_OK,
		.address = "::1"},
	{.title = "nobody listens",
		.name = {.host = "a.web.example", .status = RESOLVE_DATA, .addresses = WEB_NOBODY},
		.code = ERR_POSH_FETCH},
	{.title = "P01: private",
		.name = {.host = "a.web.example", .status = RESOLVE_DATA, .addresses = WEB_PRIVATE},
		.code = ERR_POSH_BLOCKED,
		.address = ""},
	{.title = "P01: the private one of two is not tried",
		.name = {.host = "a.web.example",
			.status = RESOLVE_DATA,
			.addresses = WEB_PRIVATE " " WEB_NOBODY},
		.code = ERR_POSH_FETCH},
	{.title = "P01: private IPv4, public IPv6",
		.name = {.host = "a.web.example",
			.status = RESOLVE_DATA,
			.addresses = WEB_PRIVATE " ::1"},
		.code = ERR_OK,
		.address = "::1"},
	{.title = "P01: IPv4 in IPv6",
		.name = {.host = "a.web.example",
			.status = RESOLVE_DATA,
			.addresses = "::ffff:127.0.1.1"},
		.code = ERR_POSH_BLOCKED,
		.address = ""},
	{.title = "no address",
		.name = {.host = "a.web.example", .status = RESOLVE_NONE},
		.code = ERR_DNS_NONE,
		.address = ""},
	{.title = "DNS fails",
		.name = {.host = "a.web.example", .status = RESOLVE_FAILED},
		.code = ERR_DNS_FAILED,
		.address = ""},
	{.title = "DNS does not answer",
		.name = {.host = "a.web.example", .status = RESOLVE_TIMEOUT},
		.code = ERR_DNS_TIMEOUT,
		.address = ""},
	{.title = "DNSSEC says no",
		.name = {.host = "a.web.example", .status = RESOLVE_BOGUS},
		.code = ERR_DNS_BOGUS,
		.address = ""},
	/* TLS: P05, POSH-1 */
	{.title = "RSA",
		.name = {.host = "a.web.example",
			.status = RESOLVE_DATA,
			.addresses = "127.0.1.13"},
		.code = ERR_OK,
		.address = "127.0.1.13"},
	{.title = "P-2: a group of 8,192 bits, which takes long",
		.name = {.host = "a.web.example",
			.status = RESOLVE_DATA,
			.addresses = "127.0.1.15"},
		.code = ERR_POSH_TLS,
		.address = "127.0.1.15"},
	{.title = "P-2: DHE, where the server chooses the group",
		.name = {.host = "a.web.example",
			.status = RESOLVE_DATA,
			.addresses = "127.0.1.14"},
		.code = ERR_POSH_TLS,
		.address = "127.0.1.14"},
	{.title = "P-2: no AEAD",
		.name = {.host = "a.web.example",
			.status = RESOLVE_DATA,
			.addresses = "127.0.1.16"},
		.code = ERR_POSH_TLS,
		.address = "127.0.1.16"},
	{.title = "P05: self-signed",
		.name = {.host = "a.web.example", .status = RESOLVE_DATA, .addresses = "127.0.1.2"},
		.code = ERR_POSH_TLS,
		.address = "127.0.1.2"},
	{.title = "P05: expired",
		.name = {.host = "a.web.example", .status = RESOLVE_DATA, .addresses = "127.0.1.3"},
		.code = ERR_POSH_TLS,
		.address = "127.0.1.3"},
	{.title = "P05: for another name",
		.name = {.host = "a.web.example", .status = RESOLVE_DATA, .addresses = "127.0.1.4"},
		.code = ERR_POSH_TLS,
		.address = "127.0.1.4"},
	{.title = "P05: the name is only a common name (RFC 9525 6.3)",
		.name = {.host = "cn.web.example",
			.status = RESOLVE_DATA,
			.addresses = "127.0.1.5"},
		.code = ERR_POSH_TLS,
		.address = "127.0.1.5"},
	{.title = "P05: TLS 1.1",
		.name = {.host = "a.web.example", .status = RESOLVE_DATA, .addresses = "127.0.1.6"},
		.code = ERR_POSH_TLS,
		.address = "127.0.1.6"},
	{.title = "P05: an unknown authority",
		.name = {.host = "a.web.example", .status = RESOLVE_DATA, .addresses = "127.0.1.7"},
		.code = ERR_POSH_TLS,
		.address = "127.0.1.7"},
	{.title = "P05: a wildcard within a label (RFC 9525 6.3)",
		.name = {.host = "par1.web.example",
			.status = RESOLVE_DATA,
			.addresses = "127.0.1.10"},
		.code = ERR_POSH_TLS,
		.address = "127.0.1.10"},
	{.title = "P05: a wildcard for two labels",
		.name = {.host = "a.b.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
		.code = ERR_POSH_TLS,
		.address = WEB_GOOD},
};

/* POSH-1, POSH-9: who is connected to, and who is believed. */
static void each_server_gets_its_verdict(void **state)
{
	unsigned private = web_connections(WEB_PRIVATE);
	(void)state;
	web_pages(hello, COUNT(hello));
	open_fetcher();
	for (size_t i = 0; i < COUNT(servers); i++) {
		const struct server_row *r = &servers[i];
		struct job j = {0};
		web_names_use(the.w->w.loop, &r->name, 1, told);
		web_names_to(the.fetcher);
		ask(&j, r->name.host, r->port ? r->port : 443, "/");
		assert_true(wait_for(&j, 1, LONG_MS));
		if (j.e.code != r->code || (r->address && strcmp(j.address, r->address) != 0) ||
			j.body_len != (r->code == ERR_OK ? 5 : 0))
			fail_msg("%s: %s, %s", r->title, err_row(j.e.code)->symbol, j.address);
	}
	assert_int_equal(web_connections(WEB_PRIVATE), private);
	assert_int_equal(web_names_own_resolver, 0);
}

/* ---- time ---- */

static void who_takes_too_long_is_given_up(void **state)
{
	static const struct web_name names[] = {
		{.host = "silent.web.example", .status = RESOLVE_DATA, .addresses = WEB_SILENT},
		{.host = "nodns.web.example",
			.status = RESOLVE_DATA,
			.addresses = WEB_GOOD,
			.delay_ms = 100000,
			.delay6_ms = 100000},
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
	};
	static const struct web_page pages[] = {
		{.host = "hang.web.example", .text = "", .manner = WEB_HANG},
		{.host = "middle.web.example",
			.text = HEAD "Content-Length: 9\r\n\r\nhello",
			.manner = WEB_HANG},
		{.host = "drip.web.example",
			.text = HEAD "Content-Length: 90\r\n\r\n",
			.manner = WEB_DRIP,
			.unit = "x",
			.times = 90},
		{.host = "headers.web.example",
			.text = HEAD,
			.manner = WEB_DRIP,
			.unit = "A: a\r\n",
			.times = 60},
	};
	static const char *const hosts[] = {"silent.web.example", "nodns.web.example",
		"hang.web.example", "middle.web.example", "drip.web.example",
		"headers.web.example"};
	struct job jobs[COUNT(hosts)] = {0};
	(void)state;
	web_pages(pages, COUNT(pages));
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.timeout_ms = 300;
	open_fetcher();
	for (size_t i = 0; i < COUNT(hosts); i++)
		ask(&jobs[i], hosts[i], 443, "/");
	assert_false(wait_for(jobs, COUNT(hosts), 250));
	assert_true(wait_for(jobs, COUNT(hosts), 2000));
	for (size_t i = 0; i < COUNT(hosts); i++)
		assert_int_equal(jobs[i].e.code, ERR_POSH_TIMEOUT);
}

static void who_drips_is_given_up_before_the_deadline(void **state)
{
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	static const struct web_page page = {.host = "a.web.example",
		.text = HEAD "Content-Length: 900\r\n\r\n",
		.manner = WEB_DRIP,
		.unit = "x",
		.times = 900};
	struct job j = {0};
	(void)state;
	web_pages(&page, 1);
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.timeout_ms = 60000;
	the.config.drip_s = 1;
	open_fetcher();
	ask(&j, "a.web.example", 443, "/");
	assert_true(wait_for(&j, 1, 6000));
	assert_int_equal(j.e.code, ERR_POSH_TIMEOUT);
}

/* An address that drops what is sent to it must leave time for the next; so must a family whose
 * look-up hangs. */
static void what_hangs_leaves_time_for_the_next(void **state)
{
	static const struct web_name names[] = {
		{.host = "two.web.example",
			.status = RESOLVE_DATA,
			.addresses = WEB_FULL " " WEB_GOOD},
		{.host = "six.web.example",
			.status = RESOLVE_DATA,
			.addresses = WEB_GOOD,
			.delay_ms = 0,
			.delay6_ms = 100000},
		{.host = "four.web.example",
			.status = RESOLVE_DATA,
			.addresses = "::1",
			.delay_ms = 100000,
			.delay6_ms = 0},
	};
	static const struct web_page pages[] = {
		{.host = "two.web.example", .text = HEAD "\r\nhello"},
		{.host = "six.web.example", .text = HEAD "\r\nhello"},
		{.host = "four.web.example", .text = HEAD "\r\nhello"},
	};
	struct job jobs[COUNT(names)] = {0};
	(void)state;
	web_pages(pages, COUNT(pages));
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.timeout_ms = 1600;
	open_fetcher();
	for (size_t i = 0; i < COUNT(names); i++)
		ask(&jobs[i], names[i].host, 443, "/");
	assert_true(wait_for(jobs, COUNT(names), 1600));
	for (size_t i = 0; i < COUNT(names); i++)
		assert_int_equal(jobs[i].e.code, ERR_OK);
}

/* ---- what we send ---- */

/* POSH-9: nothing of ours, nothing of the environment's, nothing of an answer before. */
static void a_request_says_the_same_to_everybody(void **state)
{
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	static const struct web_page page = {.host = "a.web.example",
		.text = HEAD "Set-Cookie: id=1; Secure\r\nStrict-Transport-Security: max-age=99\r\n"
			     "Alt-Svc: h3=\":8443\"\r\nContent-Length: 5\r\n\r\nhello"};
	static const char *const environment[] = {
		"http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"};
	(void)state;
	web_pages(&page, 1);
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	for (size_t i = 0; i < COUNT(environment); i++)
		setenv(environment[i], "http://" WEB_PRIVATE ":443", 1);
	open_fetcher();
	for (size_t i = 0; i < 2; i++) {
		struct job j = {0};
		ask(&j, "a.web.example", 443, "/p/../q?x=%20y");
		assert_true(wait_for(&j, 1, LONG_MS));
		assert_int_equal(j.e.code, ERR_OK);
		assert_string_equal(web_request(),
			"GET /p/../q?x=%20y HTTP/1.1\r\nHost: a.web.example\r\n"
			"User-Agent: fedgate\r\nAccept: */*\r\n\r\n");
	}
	for (size_t i = 0; i < COUNT(environment); i++)
		unsetenv(environment[i]);
}

/* P16: what would end the request line early, or is no path, is not sent. */
static void a_target_that_is_none_is_not_asked_for(void **state)
{
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	static const char *const targets[] = {"", "x", "@evil.web.example/", ":8443/",
		"/ HTTP/1.1\r\nHost: x", "/a b", "/a\tb", "/a#b", "/\x7f", "/\xc3\xa4"};
	unsigned before = web_connections(WEB_GOOD);
	struct job jobs[COUNT(targets)] = {0};
	(void)state;
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	open_fetcher();
	for (size_t i = 0; i < COUNT(targets); i++)
		ask(&jobs[i], "a.web.example", 443, targets[i]);
	assert_true(wait_for(jobs, COUNT(targets), LONG_MS));
	for (size_t i = 0; i < COUNT(targets); i++)
		assert_int_equal(jobs[i].e.code, ERR_POSH_FETCH);
	assert_int_equal(web_connections(WEB_GOOD), before);
}

static void an_answer_is_told_as_it_came(void **state)
{
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	static const struct {
		const char *fields, *location;
	} rows[] = {
		{"Location: https://b.example/x", "https://b.example/x"},
		{"location:/x  ", "/x"},
		{"X: y", ""},
		{"Location: /a\r\nLocation: /b", ""},
	};
	(void)state;
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	open_fetcher();
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[300];
		struct job j = {0};
		snprintf(text, sizeof text, "HTTP/1.1 308 There\r\nContent-Type: a/b\r\n%s\r\n\r\n",
			rows[i].fields);
		struct web_page page = {.host = "a.web.example", .text = text};
		web_pages(&page, 1);
		ask(&j, "a.web.example", 443, "/");
		assert_true(wait_for(&j, 1, LONG_MS));
		assert_int_equal(j.status, 308);
		assert_string_equal(j.location, rows[i].location);
		assert_string_equal(j.type, "a/b");
	}
}

/* ---- the last gate ---- */

static bool only_once(void *arg, const struct sockaddr_storage *addr)
{
	static unsigned asked;
	(void)arg;
	(void)addr;
	return asked++ == 0;
}

/* P01, P02: what is judged at last is what the kernel gets. */
static void an_address_is_judged_again_when_it_is_connected_to(void **state)
{
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	unsigned before = web_connections(WEB_GOOD);
	struct job j = {0};
	(void)state;
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.allowed = only_once;
	open_fetcher();
	ask(&j, "a.web.example", 443, "/");
	assert_true(wait_for(&j, 1, LONG_MS));
	assert_int_equal(j.e.code, ERR_POSH_BLOCKED);
	assert_int_equal(web_connections(WEB_GOOD), before);
}

static bool everything(void *arg, const struct sockaddr_storage *addr)
{
	(void)arg;
	(void)addr;
	return true;
}

/* P02: libcurl knows some names by itself, and would ask DNS again for others after a minute. */
static void a_name_is_looked_up_once_and_by_us_alone(void **state)
{
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD, .then = WEB_PRIVATE},
	};
	unsigned private = web_connections(WEB_PRIVATE);
	struct job first = {0}, second = {0}, local = {0};
	(void)state;
	web_pages(hello, COUNT(hello));
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	open_fetcher();
	ask(&first, "a.web.example", 443, "/");
	assert_true(wait_for(&first, 1, LONG_MS));
	assert_int_equal(first.e.code, ERR_OK);
	ask(&second, "a.web.example", 443, "/"); /* the name has moved */
	assert_true(wait_for(&second, 1, LONG_MS));
	assert_int_equal(second.e.code, ERR_POSH_BLOCKED);
	fetcher_free(the.fetcher);
	the.config.allowed = everything;
	open_fetcher();
	ask(&local, "localhost", 443, "/"); /* libcurl: 127.0.0.1; we: the table's */
	assert_true(wait_for(&local, 1, LONG_MS));
	assert_int_equal(local.e.code, ERR_POSH_TLS);
	assert_string_equal(local.address, WEB_PRIVATE);
	assert_int_equal(web_connections(WEB_PRIVATE), private + 1);
	assert_int_equal(web_names_own_resolver, 0);
}

/* ---- places ---- */

static void no_more_than_so_many_run_at_once(void **state)
{
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	static struct web_page pages[1];
	static struct job jobs[30];
	(void)state;
	memset(jobs, 0, sizeof jobs);
	pages[0] =
		(struct web_page){.host = "a.web.example", .text = HEAD "\r\nhello", .wait_ms = 10};
	web_pages(pages, 1);
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.max_running = 3;
	open_fetcher();
	for (size_t i = 0; i < COUNT(jobs); i++)
		ask(&jobs[i], "a.web.example", 443, "/");
	assert_true(wait_for(jobs, COUNT(jobs), LONG_MS));
	for (size_t i = 0; i < COUNT(jobs); i++)
		assert_int_equal(jobs[i].e.code, ERR_OK);
	assert_int_equal(web_most_at_once(), 3);
	assert_int_equal(web_asked("a.web.example"), COUNT(jobs));
	assert_int_equal(fetcher_running(the.fetcher), 0);
}

static void of_too_many_the_oldest_is_refused(void **state)
{
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	struct job jobs[6] = {0};
	(void)state;
	web_pages(hello, COUNT(hello));
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.max_running = 1;
	the.config.max_waiting = 4;
	open_fetcher();
	for (size_t i = 0; i < COUNT(jobs); i++)
		ask(&jobs[i], "a.web.example", 443, "/");
	assert_true(wait_for(jobs, COUNT(jobs), LONG_MS));
	for (size_t i = 0; i < COUNT(jobs); i++)
		assert_int_equal(jobs[i].e.code, i < 2 ? ERR_POSH_BUSY : ERR_OK);
}

enum { PATIENCE_MS = 100 };

static size_t count_code(const struct job *jobs, size_t count, enum err_code code)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		n += jobs[i].told && jobs[i].e.code == code;
	return n;
}

static unsigned count_told(const struct job *jobs, size_t count)
{
	unsigned n = 0;
	for (size_t i = 0; i < count; i++)
		n += jobs[i].told;
	return n;
}

/* P19: all places are held by servers that hang. */
static void the_slow_make_room_for_who_waits(void **state)
{
	static const struct web_name names[] = {
		{.host = "a.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_SILENT}};
	struct job hanging[8] = {0}, good = {0};
	(void)state;
	web_pages(hello, COUNT(hello));
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.max_running = 8;
	the.config.patience_ms = PATIENCE_MS;
	open_fetcher();
	for (size_t i = 0; i < COUNT(hanging); i++)
		ask(&hanging[i], "hang.web.example", 443, "/");
	assert_false(wait_for(&good, 1, 2 * PATIENCE_MS));
	assert_int_equal(count_code(hanging, 8, ERR_POSH_BUSY), 0); /* nobody waits: no haste */
	ask(&good, "a.web.example", 443, "/");
	assert_true(wait_for(&good, 1, LONG_MS - 500));
	assert_int_equal(good.e.code, ERR_OK);
	assert_int_equal(count_code(hanging, 8, ERR_POSH_BUSY), 1); /* the one that it took */
	assert_int_equal(hanging[0].told, 1);                       /* the oldest */
}

/* Who is slow but honest has a share of the places, however many wait. */
static void a_quarter_of_the_places_is_for_the_slow(void **state)
{
	static const struct web_name names[] = {
		{.host = "a.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_SILENT}};
	static const struct web_page page = {
		.host = "a.web.example", .text = HEAD "\r\nhello", .wait_ms = 30};
	struct job slow[2] = {0}, good[30] = {0};
	(void)state;
	web_pages(&page, 1);
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.max_running = 8;
	the.config.patience_ms = 3 * PATIENCE_MS;
	open_fetcher();
	ask(&slow[0], "hang.web.example", 443, "/");
	ask(&slow[1], "hang.web.example", 443, "/");
	assert_false(wait_for(slow, 1, 3 * PATIENCE_MS + 10));
	for (size_t i = 0; i < COUNT(good); i++)
		ask(&good[i], "a.web.example", 443, "/");
	assert_true(wait_for(good, COUNT(good), LONG_MS));
	assert_int_equal(count_code(good, COUNT(good), ERR_OK), COUNT(good));
	assert_int_equal(count_told(slow, COUNT(slow)), 0);
}

/* P19: more come than can be served: whoever comes last is served still. */
static void a_flood_of_the_slow_delays_nobody_for_long(void **state)
{
	static const struct web_name names[] = {
		{.host = "a.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_SILENT}};
	static struct job hanging[60];
	struct job good = {0};
	(void)state;
	memset(hanging, 0, sizeof hanging);
	web_pages(hello, COUNT(hello));
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.max_running = 4;
	the.config.patience_ms = PATIENCE_MS;
	open_fetcher();
	for (size_t i = 0; i < COUNT(hanging); i++)
		ask(&hanging[i], "hang.web.example", 443, "/");
	assert_false(wait_for(&good, 1, 2 * PATIENCE_MS));
	ask(&good, "a.web.example", 443, "/");
	assert_true(wait_for(&good, 1, LONG_MS));
	assert_int_equal(good.e.code, ERR_OK);
	/* In a queue all others but a few would have been before it. */
	assert_in_range(count_told(hanging, COUNT(hanging)), 1, COUNT(hanging) / 2);
}

static void who_never_had_a_place_is_told_so(void **state)
{
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	struct job jobs[2] = {0};
	static const struct web_page page = {
		.host = "hang.web.example", .text = "", .manner = WEB_HANG};
	(void)state;
	web_pages(&page, 1);
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.max_running = 1;
	the.config.timeout_ms = 100;
	open_fetcher();
	ask(&jobs[0], "hang.web.example", 443, "/");
	ask(&jobs[1], "hang.web.example", 443, "/");
	assert_true(wait_for(jobs, 2, 2000));
	assert_int_equal(jobs[0].e.code, ERR_POSH_TIMEOUT);
	assert_int_equal(jobs[1].e.code, ERR_POSH_BUSY);
}

/* ---- the end ---- */

static const struct web_name places[] = {
	{.host = "a.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD " ::1"},
	{.host = "hang.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
	{.host = "drip.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
	{.host = "silent.web.example", .status = RESOLVE_DATA, .addresses = WEB_SILENT},
	{.host = "full.web.example", .status = RESOLVE_DATA, .addresses = WEB_FULL},
	{.host = "nodns.web.example", .status = RESOLVE_NONE, .delay_ms = 100000},
};
static const struct web_page stages[] = {
	{.host = "a.web.example", .text = HEAD "Content-Length: 5\r\n\r\nhello"},
	{.host = "hang.web.example", .text = "", .manner = WEB_HANG},
	{.host = "drip.web.example",
		.text = HEAD,
		.manner = WEB_DRIP,
		.unit = "a: a\r\n",
		.times = 99},
};

/* At every stage of a request; the sanitizers look on. */
static void a_request_may_be_cancelled_at_any_time(void **state)
{
	(void)state;
	web_pages(stages, COUNT(stages));
	web_names_use(the.w->w.loop, places, COUNT(places), told);
	open_fetcher();
	for (size_t i = 0; i < COUNT(places); i++) {
		for (unsigned ms = 0; ms < 7; ms++) {
			struct job j = {0};
			ask(&j, places[i].host, 443, "/");
			fake_worker_run(the.w, NULL, NULL, ms);
			unsigned before = j.told;
			if (!before)
				fetch_cancel(j.x);
			assert_true(ms || !before);
			assert_true(!before || i == 0);
			fake_worker_run(the.w, NULL, NULL, 2);
			assert_int_equal(j.told, before);
		}
	}
	assert_int_equal(fetcher_running(the.fetcher), 0);
}

static void a_fetcher_may_be_freed_at_any_time(void **state)
{
	(void)state;
	web_pages(stages, COUNT(stages));
	for (unsigned ms = 0; ms < 8; ms++) {
		struct job jobs[2 * COUNT(places)] = {0};
		web_names_use(the.w->w.loop, places, COUNT(places), told);
		the.config.max_running = COUNT(places) + 2; /* the others wait */
		the.config.max_waiting = COUNT(jobs) - 1;   /* and one is refused */
		open_fetcher();
		for (size_t i = 0; i < COUNT(jobs); i++)
			ask(&jobs[i], places[i % COUNT(places)].host, 443, "/");
		fake_worker_run(the.w, NULL, NULL, ms);
		web_names_end();
		fetcher_free(the.fetcher);
		the.fetcher = NULL;
		unsigned before = count_told(jobs, COUNT(jobs));
		fake_worker_run(the.w, NULL, NULL, 2);
		assert_int_equal(count_told(jobs, COUNT(jobs)), before);
	}
}

static void who_is_told_may_free_everything(void **state)
{
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	struct job jobs[3] = {0};
	(void)state;
	web_pages(hello, COUNT(hello));
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.max_waiting = 1;
	open_fetcher();
	for (size_t i = 0; i < COUNT(jobs); i++) {
		jobs[i].free_all = true;
		ask(&jobs[i], "a.web.example", 443, "/"); /* the first of them is refused */
	}
	assert_true(wait_for(jobs, 1, LONG_MS));
	assert_null(the.fetcher);
	struct job j = {.free_all = true};
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	open_fetcher();
	ask(&j, "a.web.example", 443, "/");
	assert_true(wait_for(&j, 1, LONG_MS));
	assert_int_equal(j.e.code, ERR_OK);
}

static void without_authorities_there_is_no_fetcher(void **state)
{
	static const char *const texts[] = {
		"", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"};
	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct err e;
		the.config.authorities_pem = slice_str(texts[i]);
		assert_null(fetcher_new(the.w->w.loop, &the.config, &e));
		assert_int_equal(e.code, ERR_FILE);
	}
}

/* One that cannot be read costs itself alone. */
static void a_broken_authority_costs_itself_alone(void **state)
{
	static const struct web_name names[] = {
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD}};
	char text[8192];
	struct job j = {0};
	(void)state;
	struct slice good = web_world_authorities();
	int n = snprintf(text, sizeof text, "# a comment\n%s%.*s",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", SLICE_ARG(good));
	web_pages(hello, COUNT(hello));
	web_names_use(the.w->w.loop, names, COUNT(names), told);
	the.config.authorities_pem = slice_of(text, (size_t)n);
	open_fetcher();
	ask(&j, "a.web.example", 443, "/");
	assert_true(wait_for(&j, 1, LONG_MS));
	assert_int_equal(j.e.code, ERR_OK);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_answer_gets_its_verdict),
		T(headers_are_counted),
		T(each_server_gets_its_verdict),
		T(who_takes_too_long_is_given_up),
		T(who_drips_is_given_up_before_the_deadline),
		T(what_hangs_leaves_time_for_the_next),
		T(a_request_says_the_same_to_everybody),
		T(a_target_that_is_none_is_not_asked_for),
		T(an_answer_is_told_as_it_came),
		T(an_address_is_judged_again_when_it_is_connected_to),
		T(a_name_is_looked_up_once_and_by_us_alone),
		T(no_more_than_so_many_run_at_once),
		T(of_too_many_the_oldest_is_refused),
		T(the_slow_make_room_for_who_waits),
		T(a_quarter_of_the_places_is_for_the_slow),
		T(a_flood_of_the_slow_delays_nobody_for_long),
		T(who_never_had_a_place_is_told_so),
		T(a_request_may_be_cancelled_at_any_time),
		T(a_fetcher_may_be_freed_at_any_time),
		T(who_is_told_may_free_everything),
		T(without_authorities_there_is_no_fetcher),
		T(a_broken_authority_costs_itself_alone),
	};
	return cmocka_run_group_tests(tests, web_world_start, web_world_stop);
}
