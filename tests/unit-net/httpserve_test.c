/* The publisher's HTTPS server, over real sockets on loopback. */
#include "lib/https_rig.h"
#include "lib/own_network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define HOST          "Host: " RIG_HOST "\r\n"
#define FINE          "GET " RIG_PATH " HTTP/1.1\r\n" HOST "\r\n"
#define GET(target)   "GET " target " HTTP/1.1\r\n" HOST "\r\n"
#define ASKED(fields) "GET " RIG_PATH " HTTP/1.1\r\n" fields "\r\n"

static const struct client_as usual = {.sni = RIG_HOST, .alpn = "\x08http/1.1"};
static char heard[4096], noted[300];

static struct client open_to(struct https_rig *r, struct client_as as)
{
	struct client c;
	if (!client_open(&c, r, as))
		fail_msg("no handshake");
	return c;
}

static int ask(struct client *c, const char *text)
{
	(void)client_say(c, slice_str(text));
	return client_hear(c, strncmp(text, "HEAD", 4) == 0, heard, sizeof heard);
}

struct row {
	const char *what;
	struct slice request;
	int status;
	bool goes_on; /* the connection is for another request */
	const char *reason;
};

static void play_row(struct https_rig *r, const struct row *row)
{
	struct client c = open_to(r, usual);
	(void)client_say(&c, row->request);
	int status = client_hear(&c, slice_starts(row->request, "HEAD"), heard, sizeof heard);
	if (status != row->status)
		fail_msg("%s: %d, not %d", row->what, status, row->status);
	assert_true(rig_note(r, noted, sizeof noted));
	if (strtol(noted, NULL, 10) != row->status || strncmp(noted + 4, row->reason, 6) != 0)
		fail_msg("%s: noted as %s", row->what, noted);
	bool has_close = strstr(heard, "\r\nConnection: close\r\n") != NULL;
	assert_int_equal(has_close, !row->goes_on);
	if (row->goes_on) {
		assert_int_equal(ask(&c, FINE), 200);
		assert_true(rig_note(r, noted, sizeof noted));
	} else if (!client_is_over(&c, RIG_SOON_MS)) {
		fail_msg("%s: the connection goes on", row->what);
	}
	client_close(&c);
}

#define LONG16 "0123456789abcdef"
#define LONG256                                                                                    \
	LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 LONG16 \
		LONG16 LONG16 LONG16

/* P21, P22; RFC 9110 15.5.20, RFC 9112 3.2 */
static void a_request_gets_the_status_that_it_deserves(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"fine", SLICE_LIT(FINE), 200, true, "FG-000"},
		{"HEAD", SLICE_LIT("HEAD " RIG_PATH " HTTP/1.1\r\n" HOST "\r\n"), 200, true,
			"FG-000"},
		{"HTTP/1.0", SLICE_LIT("GET " RIG_PATH " HTTP/1.0\r\n" HOST "\r\n"), 200, false,
			"FG-000"},
		{"to be closed", SLICE_LIT(ASKED(HOST "Connection: close\r\n")), 200, false,
			"FG-000"},
		{"a port", SLICE_LIT(ASKED("Host: " RIG_HOST ":8443\r\n")), 200, true, "FG-000"},
		{"capitals", SLICE_LIT(ASKED("Host: GATE.Example\r\n")), 200, true, "FG-000"},
		{"an upgrade", SLICE_LIT(ASKED(HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n")),
			200, true, "FG-000"},
		{"a length of nothing", SLICE_LIT(ASKED(HOST "Content-Length: 0\r\n")), 200, true,
			"FG-000"},
		{"another path", SLICE_LIT(GET("/")), 404, true, "FG-H06"},
		{"HTTP/1.0, another path", SLICE_LIT("GET / HTTP/1.0\r\n" HOST "\r\n"), 404, false,
			"FG-H06"},
		{"up", SLICE_LIT(GET("/posh/../etc/passwd")), 404, true, "FG-H06"},
		{"up and down", SLICE_LIT(GET("/x/.." RIG_PATH)), 404, true, "FG-H06"},
		{"up, encoded", SLICE_LIT(GET("/posh/%2e%2e/%2e%2e/etc/passwd")), 404, true,
			"FG-H06"},
		{"encoded", SLICE_LIT(GET("/%70osh/shire.example/xmpp-server.json")), 404, true,
			"FG-H06"},
		{"two slashes", SLICE_LIT(GET("/" RIG_PATH)), 404, true, "FG-H06"},
		{"a slash behind", SLICE_LIT(GET(RIG_PATH "/")), 404, true, "FG-H06"},
		{"a query", SLICE_LIT(GET(RIG_PATH "?")), 404, true, "FG-H06"},
		{"a fragment", SLICE_LIT(GET(RIG_PATH "#")), 404, true, "FG-H06"},
		{"an encoded NUL", SLICE_LIT(GET(RIG_PATH "%00")), 404, true, "FG-H06"},
		{"absolute", SLICE_LIT(GET("https://" RIG_HOST RIG_PATH)), 404, true, "FG-H06"},
		{"absolute, elsewhere", SLICE_LIT(GET("http://169.254.169.254/")), 404, true,
			"FG-H06"},
		{"broken now", SLICE_LIT(GET("/broken")), 503, true, "FG-K02"},
		{"another Host", SLICE_LIT(ASKED("Host: shire.example\r\n")), 421, true, "FG-H03"},
		{"a longer Host", SLICE_LIT(ASKED("Host: " RIG_HOST ".\r\n")), 421, true, "FG-H03"},
		{"an address", SLICE_LIT(ASKED("Host: 127.0.0.1\r\n")), 421, true, "FG-H03"},
		{"no Host", SLICE_LIT(ASKED("")), 400, false, "FG-H01"},
		{"no Host, HTTP/1.0", SLICE_LIT("GET " RIG_PATH " HTTP/1.0\r\n\r\n"), 400, false,
			"FG-H01"},
		{"an empty Host", SLICE_LIT(ASKED("Host:\r\n")), 400, false, "FG-H01"},
		{"no port", SLICE_LIT(ASKED("Host: " RIG_HOST ":\r\n")), 400, false, "FG-H01"},
		{"a port alone", SLICE_LIT(ASKED("Host: :443\r\n")), 400, false, "FG-H01"},
		{"a port of letters", SLICE_LIT(ASKED("Host: " RIG_HOST ":443x\r\n")), 400, false,
			"FG-H01"},
		{"a user", SLICE_LIT(ASKED("Host: a@" RIG_HOST "\r\n")), 400, false, "FG-H01"},
		{"a path in Host", SLICE_LIT(ASKED("Host: " RIG_HOST "/a\r\n")), 400, false,
			"FG-H01"},
		{"two Hosts", SLICE_LIT(ASKED(HOST "Host: shire.example\r\n")), 400, false,
			"FG-H01"},
		{"HTTP/0.9", SLICE_LIT("GET " RIG_PATH "\r\n"), 400, false, "FG-H01"},
		{"LF alone", SLICE_LIT("GET " RIG_PATH " HTTP/1.1\n" HOST "\n"), 400, false,
			"FG-H01"},
		{"no HTTP", SLICE_LIT("\x16\x03\x01\x00\x05 hello\r\n"), 400, false, "FG-H01"},
		{"HTTP/2", SLICE_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, false, "FG-H02"},
		{"POST",
			SLICE_LIT(
				"POST " RIG_PATH " HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"),
			405, true, "FG-H04"},
		{"OPTIONS", SLICE_LIT("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 405, true, "FG-H04"},
		{"CONNECT", SLICE_LIT("CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n"), 405, true,
			"FG-H04"},
		{"TRACE", SLICE_LIT("TRACE " RIG_PATH " HTTP/1.1\r\n" HOST "\r\n"), 405, true,
			"FG-H04"},
		{"small letters", SLICE_LIT("get " RIG_PATH " HTTP/1.1\r\n" HOST "\r\n"), 405, true,
			"FG-H04"},
		{"a body", SLICE_LIT(ASKED(HOST "Content-Length: 5\r\n") FINE), 413, false,
			"FG-H05"},
		{"a body in chunks",
			SLICE_LIT(ASKED(HOST "Transfer-Encoding: chunked\r\n") "0\r\n\r\n" FINE),
			413, false, "FG-H05"},
		{"POST with a body",
			SLICE_LIT("POST " RIG_PATH " HTTP/1.1\r\n" HOST
				  "Expect: 100-continue\r\nContent-Length: 1000000\r\n\r\n"),
			413, false, "FG-H05"},
		{"too long",
			SLICE_LIT("GET /" LONG256 LONG256 LONG256 LONG256 LONG256 LONG256 LONG256
					LONG256 LONG256 LONG256 LONG256 LONG256 LONG256 LONG256
						LONG256 LONG256 LONG256 LONG256 LONG256 LONG256
							LONG256 LONG256 LONG256 LONG256 LONG256
								LONG256 LONG256 LONG256 LONG256
									LONG256 LONG256 LONG256
				  " HTTP/1.1\r\n"),
			431, false, "FG-R01"},
	};
	struct httpserve_settings s = rig_settings();
	struct https_rig r = rig_start(&s);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		play_row(&r, &rows[i]);
	rig_stop(&r);
}

static bool says(const char *part)
{
	return strstr(heard, part) != NULL;
}

/* P25; POSH-11; RFC 9110 6.6.1, 15.5.6 */
static void every_answer_is_plain_and_nothing_of_the_request_is_in_it(void **state)
{
	(void)state;
	static const char *const requests[] = {
		FINE,
		GET("/zzqq"),
		GET("/broken"),
		ASKED("Host: zzqq.example\r\n"),
		ASKED("Host: zzqq@\r\n"),
		"zzqq " RIG_PATH " HTTP/1.1\r\n" HOST "\r\n",
		"GET /zzqq HTTP/9.9\r\n",
		ASKED(HOST "zzqq: zzqq\r\nContent-Length: 4\r\n") "zzqq",
		"zzqq<script>\r\n",
	};
	struct httpserve_settings s = rig_settings();
	struct https_rig r = rig_start(&s);
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		struct client c = open_to(&r, usual);
		bool fine = ask(&c, requests[i]) == 200;
		assert_int_equal(fine, i == 0);
		assert_true(says("\r\nX-Content-Type-Options: nosniff\r\n"));
		assert_true(says("\r\nContent-Security-Policy: default-src 'none'\r\n"));
		assert_true(says("\r\nDate: ") && says(" GMT\r\n"));
		assert_int_equal(says("\r\nContent-Type: application/json\r\n"), fine);
		assert_int_equal(says("\r\nCache-Control: max-age=77\r\n"), fine);
		assert_int_equal(says("\r\nContent-Type: text/plain; charset=utf-8\r\n"), !fine);
		assert_int_equal(says("\r\nCache-Control: no-store\r\n"), !fine);
		assert_int_equal(says("\r\nAllow: GET, HEAD\r\n"), says(" 405 "));
		assert_int_equal(says("\r\nRetry-After: "), says(" 503 "));
		assert_false(says("zzqq") || says("<") || says("Server:") || says("Set-Cookie:"));
		assert_int_equal(says("\r\n\r\n" RIG_JSON), fine);
		client_close(&c);
	}
	rig_stop(&r);
}

/* RFC 9110 9.3.2 */
static void head_is_get_without_the_body(void **state)
{
	(void)state;
	static char with[4096];
	struct httpserve_settings s = rig_settings();
	struct https_rig r = rig_start(&s);
	struct client c = open_to(&r, usual);
	assert_int_equal(ask(&c, FINE), 200);
	memcpy(with, heard, sizeof with);
	*strstr(strstr(with, "Date: "), "\r\n") = '\0';
	assert_int_equal(ask(&c, "HEAD " RIG_PATH " HTTP/1.1\r\n" HOST "\r\n"), 200);
	assert_true(says("\r\nContent-Length: 19\r\n"));
	assert_int_equal(strlen(heard) + strlen(RIG_JSON),
		strlen(with) + 2 + strlen(with + strlen(with) + 2));
	assert_int_equal(ask(&c, "HEAD / HTTP/1.1\r\n" HOST "\r\n"), 404);
	assert_int_equal(ask(&c, FINE), 200); /* no body lies in between */
	client_close(&c);
	rig_stop(&r);
}

/* P22 */
static void requests_come_pipelined_and_byte_by_byte(void **state)
{
	(void)state;
	struct httpserve_settings s = rig_settings();
	struct https_rig r = rig_start(&s);
	struct client c = open_to(&r, usual);
	(void)client_say(&c, SLICE_LIT(FINE GET("/a") "\r\n" FINE GET("/b")));
	static const int expected[] = {200, 404, 200, 404};
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(client_hear(&c, false, heard, sizeof heard), expected[i]);
	for (const char *at = FINE; *at; at++)
		(void)client_say(&c, slice_of(at, 1));
	assert_int_equal(client_hear(&c, false, heard, sizeof heard), 200);
	client_close(&c);
	rig_stop(&r);
}

static void a_connection_is_closed_after_many_requests_and_says_so(void **state)
{
	(void)state;
	struct httpserve_settings s = rig_settings();
	struct https_rig r = rig_start(&s);
	struct client c = open_to(&r, usual);
	int n = 0;
	do
		assert_int_equal(ask(&c, FINE), 200);
	while (++n < 1000 && !says("\r\nConnection: close\r\n"));
	assert_int_equal(n, 100);
	assert_true(client_is_over(&c, RIG_SOON_MS));
	client_close(&c);
	rig_stop(&r);
}

/* RFC 6066 3, RFC 7301 3.2, RFC 8996; a web client is never asked for a certificate */
static void the_handshake_is_for_one_name_and_one_protocol(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		struct client_as as;
		const char *note; /* NULL: it works */
	} rows[] = {
		{"usual", {.sni = RIG_HOST, .alpn = "\x08http/1.1"}, NULL},
		{"TLS 1.2", {.sni = RIG_HOST, .max_version = TLS1_2_VERSION}, NULL},
		{"in capitals", {.sni = "GATE.example"}, NULL},
		{"no ALPN", {.sni = RIG_HOST}, NULL},
		{"one of two", {.sni = RIG_HOST, .alpn = "\x02h2\x08http/1.1"}, NULL},
		{"no SNI", {.alpn = "\x08http/1.1"}, NULL},
		{"HTTP/2 alone", {.sni = RIG_HOST, .alpn = "\x02h2"}, "0 FG-T04 "},
		{"XMPP", {.sni = RIG_HOST, .alpn = "\x0bxmpp-server"}, "0 FG-T04 "},
		{"a tenant's name", {.sni = "shire.example"}, "0 FG-T03 "},
		{"a name below", {.sni = "a." RIG_HOST}, "0 FG-T03 "},
		{"TLS 1.1", {.sni = RIG_HOST, .max_version = TLS1_1_VERSION}, "0 FG-T01 "},
	};
	struct httpserve_settings s = rig_settings();
	struct https_rig r = rig_start(&s);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct client c;
		bool up = client_open(&c, &r, rows[i].as);
		if (up != !rows[i].note)
			fail_msg("%s", rows[i].what);
		if (up)
			assert_int_equal(ask(&c, FINE), 200);
		assert_false(c.certificate_asked);
		assert_true(rig_note(&r, noted, sizeof noted));
		if (!up)
			assert_string_equal(noted, rows[i].note);
		client_close(&c);
	}
	rig_stop(&r);
}

static void a_new_certificate_is_shown_in_the_next_handshake(void **state)
{
	(void)state;
	struct httpserve_settings s = rig_settings();
	struct https_rig r = rig_start(&s);
	struct client before = open_to(&r, usual), after;
	rig_renew(&r);
	after = open_to(&r, usual);
	X509 *old = SSL_get1_peer_certificate(before.ssl),
	     *new = SSL_get1_peer_certificate(after.ssl);
	assert_int_not_equal(X509_cmp(old, new), 0);
	assert_int_equal(ask(&before, FINE), 200); /* what was up goes on */
	assert_int_equal(ask(&after, FINE), 200);
	X509_free(old);
	X509_free(new);
	client_close(&before);
	client_close(&after);
	rig_stop(&r);
}

/* RFC 8446 6.1: the end of one direction alone */
static void a_client_that_closes_behind_its_requests_is_answered(void **state)
{
	(void)state;
	struct httpserve_settings s = rig_settings();
	struct https_rig r = rig_start(&s);
	struct client c = open_to(&r, usual);
	BIO *out = BIO_new(BIO_s_mem()), *socket = SSL_get_wbio(c.ssl);
	BIO_up_ref(socket);
	SSL_set0_wbio(c.ssl, out); /* all records in one segment */
	(void)client_say(&c, SLICE_LIT(FINE FINE));
	(void)SSL_shutdown(c.ssl);
	char *bytes;
	long n = BIO_get_mem_data(out, &bytes);
	assert_int_equal(send(c.fd, bytes, (size_t)n, MSG_NOSIGNAL), n);
	SSL_set0_wbio(c.ssl, socket);
	for (int i = 0; i < 2; i++)
		assert_int_equal(client_hear(&c, false, heard, sizeof heard), 200);
	assert_true(client_is_over(&c, RIG_SOON_MS));
	client_close(&c);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_gets_the_status_that_it_deserves),
		cmocka_unit_test(every_answer_is_plain_and_nothing_of_the_request_is_in_it),
		cmocka_unit_test(head_is_get_without_the_body),
		cmocka_unit_test(requests_come_pipelined_and_byte_by_byte),
		cmocka_unit_test(a_connection_is_closed_after_many_requests_and_says_so),
		cmocka_unit_test(the_handshake_is_for_one_name_and_one_protocol),
		cmocka_unit_test(a_new_certificate_is_shown_in_the_next_handshake),
		cmocka_unit_test(a_client_that_closes_behind_its_requests_is_answered),
	};
	return cmocka_run_group_tests(tests, own_network, NULL);
}
