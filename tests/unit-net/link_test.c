/* Links on a real loop over loopback TCP: what is heard, TLS and its borders, the end. */
#include "lib/link_owner.h"
#include "lib/served.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER                                                                                     \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:server' "                               \
	"xmlns:stream='http://etherx.jabber.org/streams' from='a.example' to='b.example' "         \
	"version='1.0'>"
#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define PROCEED  "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"

static struct made ec;
static struct served served;

static int set_up_all(void **state)
{
	(void)state;
	ec = make_certificate((struct made_as){.key = MADE_P256, .name = "shire.example"});
	served.credential = made_credential(&ec, NULL);
	return 0;
}

static int tear_down_all(void **state)
{
	(void)state;
	credential_release(served.credential);
	made_free(&ec);
	return 0;
}

static int set_up(void **state)
{
	struct owner *o = calloc(1, sizeof *o);
	owner_open(o, fake_worker_new(), 0);
	o->params = served_params(&served);
	*state = o;
	return 0;
}

static int tear_down(void **state)
{
	struct owner *o = *state;
	struct fake_worker *f = o->f;
	owner_free(o);
	fake_worker_free(f);
	free(o);
	return 0;
}

/* ---- what is heard ---- */

static void a_stream_is_heard_in_one_piece_and_byte_by_byte(void **state)
{
	struct owner *o = *state;
	const char *text = HEADER "<message/><iq><a/></iq></stream:stream>";
	owner_send_text(o, text);
	assert_true(owner_hears(o, "HE:messageE:iq/"));
	link_restart(&o->link);
	o->heard[0] = '\0';
	for (const char *p = text; *p; p++) {
		owner_send(o, slice_of(p, 1));
		owner_run(o, 0);
	}
	assert_true(owner_hears(o, "HE:messageE:iq/"));
	assert_int_equal(o->link.bytes_in, 2 * strlen(text));
}

/* X32 */
static void what_is_no_xmpp_breaks_at_once(void **state)
{
	struct owner *o = *state;
	static const char *const rows[] = {
		"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"EHLO a.example\r\n",
		"\x80\x2e\x01\x03\x01", /* SSL 2 */
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct owner each;
		owner_open(&each, o->f, 0);
		each.params = served_params(&served);
		link_sniff(&each.link, &each.params);
		owner_send_text(&each, rows[i]);
		assert_true(owner_hears(&each, "B:ERR_"));
		assert_int_equal(err_row(each.why.code)->blame, BLAME_PEER);
		assert_null(each.link.tls);
		owner_free(&each);
	}
}

static void a_fault_in_the_xml_may_be_answered_before_the_end(void **state)
{
	struct owner *o = *state;
	char got[200] = "";
	bool end = false;
	o->say_goodbye = true;
	owner_send_text(o, HEADER "<message></iq><message/>");
	assert_true(owner_hears(o, "HB:ERR_XML"));
	owner_run(o, 20);
	size_t n = owner_receive(o, got, sizeof got, &end);
	assert_true(slice_eq_str(slice_of(got, n), "<stream:error/></stream:stream>"));
	assert_true(end);
	close(o->far);
	o->far = -1;
	assert_true(owner_hears(o, "HB:ERR_XMLC"));
}

/* ---- STARTTLS: TLS-1, CVE-2011-0411 ---- */

static void bytes_behind_starttls_in_the_same_segment_are_refused(void **state)
{
	struct owner *o = *state;
	owner_send_text(o, HEADER STARTTLS "<message from='evil.example'/>");
	assert_true(owner_hears(o, "E:starttls"));
	owner_run(o, 20);
	assert_true(o->starttls_refused);
	assert_null(o->link.tls);
	assert_null(strstr(o->heard, "message"));
}

static void a_blank_behind_starttls_is_refused_too(void **state)
{
	struct owner *o = *state;
	owner_send_text(o, HEADER STARTTLS " ");
	assert_true(owner_hears(o, "E:starttls"));
	assert_true(o->starttls_refused);
}

static void bytes_behind_starttls_in_the_next_segment_are_a_broken_record(void **state)
{
	struct owner *o = *state;
	owner_send_text(o, HEADER STARTTLS);
	assert_true(owner_hears(o, "E:starttls"));
	owner_send_text(o, "<message from='evil.example'/>");
	assert_true(owner_hears(o, "E:starttlsB:ERR_TLS"));
	assert_null(strstr(o->heard, "message"));
	assert_int_equal(o->elements, 1);
}

/* S03: the client speaks first; nothing can rightly stand behind <proceed/>. */
static void bytes_behind_proceed_are_refused(void **state)
{
	struct owner *o = *state;
	o->params = client_params();
	owner_send_text(o, HEADER PROCEED HEADER "<stream:features/>");
	assert_true(owner_hears(o, "HE:proceed"));
	owner_run(o, 20);
	assert_true(o->starttls_refused);
	assert_int_equal(o->elements, 1);
	assert_int_equal(strlen(o->heard), strlen("HE:proceed"));
}

static void bytes_behind_proceed_in_the_next_segment_are_a_broken_record(void **state)
{
	struct owner *o = *state;
	o->params = client_params();
	owner_send_text(o, HEADER PROCEED);
	assert_true(owner_hears(o, "HE:proceed"));
	owner_send_text(o, HEADER "<stream:features/>");
	assert_true(owner_hears(o, "HE:proceedB:ERR_TLS"));
	assert_int_equal(o->elements, 1);
}

static void tls_that_is_asked_for_later_finds_the_held_bytes(void **state)
{
	struct owner *o = *state;
	owner_send_text(o, HEADER "<pause/><message from='evil.example'/>");
	assert_true(owner_hears(o, "HE:pause"));
	assert_false(link_start_tls(&o->link, &o->params));
	assert_null(o->link.tls);
}

static SSL_CTX *far_context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	SSL_CTX_use_certificate(ctx, ec.cert);
	SSL_CTX_use_PrivateKey(ctx, ec.key);
	return ctx;
}

/* As a peer does: STARTTLS, handshake, a new stream. */
static SSL *far_starttls(struct owner *o)
{
	SSL_CTX *ctx = far_context(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	SSL_set_connect_state(ssl);
	owner_send_text(o, HEADER STARTTLS);
	assert_true(owner_hears(o, "HE:starttls"));
	assert_true(owner_handshake(o, ssl));
	assert_true(owner_hears(o, "HE:starttlsT"));
	o->heard[0] = '\0';
	return ssl;
}

static void say(SSL *ssl, const char *text)
{
	assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
}

static void starttls_leads_to_a_new_stream(void **state)
{
	struct owner *o = *state;
	char got[100] = "";
	SSL *ssl = far_starttls(o);
	say(ssl, HEADER "<message/>");
	assert_true(owner_hears(o, "HE:message"));
	link_write(&o->link, SLICE_LIT("<answer/>"));
	owner_run(o, 20);
	assert_int_equal(SSL_read(ssl, got, sizeof got), 9);
	assert_string_equal(got, "<answer/>");
	SSL_free(ssl);
}

static void a_first_byte_of_tls_is_told_from_xmpp(void **state)
{
	struct owner *o = *state;
	SSL_CTX *ctx = far_context(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	SSL_set_connect_state(ssl);
	link_sniff(&o->link, &o->params);
	assert_true(owner_handshake(o, ssl));
	say(ssl, HEADER "<message/>");
	assert_true(owner_hears(o, "THE:message"));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void a_link_that_does_not_sniff_takes_tls_for_garbage(void **state)
{
	struct owner *o = *state;
	owner_send(o, SLICE_LIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"));
	assert_true(owner_hears(o, "B:ERR_"));
	assert_null(o->link.tls);
}

static void the_alert_of_a_failed_handshake_reaches_the_peer(void **state)
{
	struct owner *o = *state;
	unsigned char got[64];
	bool end;
	link_sniff(&o->link, &o->params);
	/* A ClientHello of TLS 1.0 without extensions: T01 */
	owner_send(o, SLICE_LIT("\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01"
				"0123456789abcdef0123456789abcdef"
				"\x00\x00\x02\xc0\x09\x01\x00"));
	assert_true(owner_hears(o, "B:ERR_TLS"));
	link_finish(&o->link, 500);
	owner_run(o, 20);
	size_t n = owner_receive(o, (char *)got, sizeof got, &end);
	assert_int_equal(n, 7);
	assert_int_equal(got[0], 21);
	assert_int_equal(got[5], 2);  /* fatal */
	assert_int_equal(got[6], 70); /* protocol_version */
	assert_true(end);
}

/* ---- pausing ---- */

static void a_paused_link_holds_what_it_has_and_reads_no_more(void **state)
{
	struct owner *o = *state;
	owner_send_text(o, HEADER "<a/><pause/><b/><pause/><c/>");
	assert_true(owner_hears(o, "HE:aE:pause"));
	owner_run(o, 20);
	assert_string_equal(o->heard, "HE:aE:pause");
	link_resume(&o->link);
	assert_string_equal(o->heard, "HE:aE:pauseE:bE:pause");
	owner_send_text(o, "<d/>");
	owner_run(o, 20);
	assert_string_equal(o->heard, "HE:aE:pauseE:bE:pause");
	link_resume(&o->link);
	assert_true(owner_hears(o, "HE:aE:pauseE:bE:pauseE:cE:d"));
}

static void a_pause_taken_back_in_the_same_event_loses_nothing(void **state)
{
	struct owner *o = *state;
	owner_send_text(o, HEADER "<pause-resume/><a/><pause-resume/><b/>");
	assert_true(owner_hears(o, "HE:pause-resumeE:aE:pause-resumeE:b"));
	owner_send_text(o, "<c/>");
	assert_true(owner_hears(o, "E:bE:c"));
}

static void a_pause_is_felt_at_the_far_end(void **state)
{
	struct owner *o = *state;
	static const char stanza[] = "<message><body>0123456789012345678901234567</body></message>";
	unsigned sent = 0;
	size_t partly = 0;
	owner_send_text(o, HEADER "<pause/>");
	assert_true(owner_hears(o, "E:pause"));
	for (;;) {
		ssize_t n = send(o->far, stanza + partly, sizeof stanza - 1 - partly, MSG_NOSIGNAL);
		if (n < 0)
			break;
		partly = (partly + (size_t)n) % (sizeof stanza - 1);
		sent += partly == 0;
		assert_true(sent < 1000000); /* else nobody would stop it */
		if (sent % 64 == 0)
			owner_run(o, 0);
	}
	assert_int_equal(o->elements, 1);
	assert_true(buf_len(&o->link.held) <= 65536);
	link_resume(&o->link);
	owner_send_text(o, stanza + partly);
	owner_send_text(o, "<last/>");
	for (int i = 0; i < 200 && o->elements < sent + 3; i++)
		owner_run(o, 10);
	assert_int_equal(o->elements, sent + 3);
}

static void stanzas_held_when_tls_ends_are_read_before_the_end_is_told(void **state)
{
	struct owner *o = *state;
	SSL *ssl = far_starttls(o);
	say(ssl, HEADER "<pause/><a/><b/>");
	SSL_shutdown(ssl); /* the loop did not turn in between: one read brings both */
	assert_true(owner_hears(o, "HE:pause"));
	owner_run(o, 20);
	link_resume(&o->link);
	owner_run(o, 20);
	assert_string_equal(o->heard, "HE:pauseE:aE:bB:ERR_PEER_CLOSED");
	SSL_free(ssl);
}

/* ---- the end ---- */

static void ends_of_the_connection_are_told_apart(void **state)
{
	struct owner *o = *state;
	struct owner plain;
	owner_open(&plain, o->f, 0);
	owner_send_text(&plain, HEADER "<half");
	shutdown(plain.far, SHUT_WR);
	assert_true(owner_hears(&plain, "HB:ERR_LOST"));
	owner_free(&plain);

	for (int polite = 0; polite < 2; polite++) {
		struct owner each;
		owner_open(&each, o->f, 0);
		each.params = served_params(&served);
		SSL *ssl = far_starttls(&each);
		say(ssl, HEADER "<half");
		if (polite)
			SSL_shutdown(ssl);
		shutdown(each.far, SHUT_WR);
		/* P-5, T19 */
		assert_true(
			owner_hears(&each, polite ? "HB:ERR_PEER_CLOSED" : "HB:ERR_TLS_TRUNCATED"));
		SSL_free(ssl);
		owner_free(&each);
	}
}

/* ST-13: our end tag, the peer's, close_notify, FIN; the peer's FIN ends it. */
static void finishing_flushes_says_goodbye_and_waits(void **state)
{
	struct owner *o = *state;
	char got[100] = "";
	SSL *ssl = far_starttls(o);
	link_write(&o->link, SLICE_LIT("</stream:stream>"));
	link_finish(&o->link, 5000);
	link_write(&o->link, SLICE_LIT("too late?"));
	owner_run(o, 50);
	assert_false(o->closed);
	assert_true(SSL_read(ssl, got, sizeof got) >= 16);
	assert_memory_equal(got, "</stream:stream>", 16);
	int n = SSL_read(ssl, got, sizeof got);
	assert_int_equal(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN); /* close_notify */
	say(ssl, "<late/>");                                            /* is not judged any more */
	SSL_shutdown(ssl);
	shutdown(o->far, SHUT_WR);
	assert_true(owner_hears(o, "C"));
	assert_string_equal(o->heard, "C");
	assert_int_equal(recv(o->far, got, 1, 0), 0);
	SSL_free(ssl);
}

static void a_peer_that_never_ends_is_closed_at_the_deadline(void **state)
{
	struct owner *o = *state;
	link_finish(&o->link, 60);
	owner_run(o, 20);
	assert_false(o->closed);
	assert_true(owner_hears(o, "C"));
}

static void finishing_a_link_whose_other_side_is_gone_takes_no_time(void **state)
{
	struct owner *o = *state;
	uint64_t began = uv_hrtime();
	o->say_goodbye = true;
	shutdown(o->far, SHUT_WR);
	assert_true(owner_hears(o, "B:ERR_LOSTC"));
	assert_true(uv_hrtime() - began < 300000000u); /* the deadline is 500 ms */
}

static void a_reset_while_finishing_ends_it(void **state)
{
	struct owner *o = *state;
	link_write(&o->link, SLICE_LIT("</stream:stream>"));
	link_finish(&o->link, 5000);
	owner_run(o, 10);
	owner_reset_far(o);
	assert_true(owner_hears(o, "C"));
	assert_string_equal(o->heard, "C");
}

static void the_owner_may_close_in_any_event(void **state)
{
	struct owner *o = *state;
	static const char *const events[] = {"H", "E", "/", "B", "R", "T"};
	for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
		struct owner each;
		owner_open(&each, o->f, 0);
		each.params = served_params(&served);
		each.close_at = events[i];
		if (*events[i] == 'T') {
			SSL_CTX *ctx = far_context(TLS_client_method());
			SSL *ssl = SSL_new(ctx);
			SSL_set_connect_state(ssl);
			link_sniff(&each.link, &each.params);
			(void)owner_handshake(&each, ssl);
			SSL_free(ssl);
			SSL_CTX_free(ctx);
		} else {
			link_write(&each.link, SLICE_LIT("<x/>"));
			owner_send_text(&each,
				*events[i] == 'B' ? "garbage" : HEADER "<a/><a/></stream:stream>");
		}
		assert_true(owner_hears(&each, "C"));
		assert_string_equal(strchr(each.heard, *events[i]) + 1,
			*events[i] == 'E'   ? ":aC"
			: *events[i] == 'B' ? strchr(each.heard, *events[i]) + 1
					    : "C");
		assert_string_equal(each.heard + strlen(each.heard) - 1, "C");
		owner_free(&each);
	}
}

static void finishing_twice_or_after_closing_is_harmless(void **state)
{
	struct owner *o = *state;
	link_finish(&o->link, 30);
	link_finish(&o->link, 30);
	link_close(&o->link);
	link_finish(&o->link, 30);
	link_close(&o->link);
	assert_true(owner_hears(o, "C"));
	link_close(&o->link);
	link_finish(&o->link, 30);
	link_write(&o->link, SLICE_LIT("nothing"));
	link_pause(&o->link);
	link_resume(&o->link);
	owner_run(o, 20);
	assert_string_equal(o->heard, "C");
}

#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(a_stream_is_heard_in_one_piece_and_byte_by_byte),
		LINK_TEST(what_is_no_xmpp_breaks_at_once),
		LINK_TEST(a_fault_in_the_xml_may_be_answered_before_the_end),
		LINK_TEST(bytes_behind_starttls_in_the_same_segment_are_refused),
		LINK_TEST(a_blank_behind_starttls_is_refused_too),
		LINK_TEST(bytes_behind_starttls_in_the_next_segment_are_a_broken_record),
		LINK_TEST(bytes_behind_proceed_are_refused),
		LINK_TEST(bytes_behind_proceed_in_the_next_segment_are_a_broken_record),
		LINK_TEST(tls_that_is_asked_for_later_finds_the_held_bytes),
		LINK_TEST(starttls_leads_to_a_new_stream),
		LINK_TEST(a_first_byte_of_tls_is_told_from_xmpp),
		LINK_TEST(a_link_that_does_not_sniff_takes_tls_for_garbage),
		LINK_TEST(the_alert_of_a_failed_handshake_reaches_the_peer),
		LINK_TEST(a_paused_link_holds_what_it_has_and_reads_no_more),
		LINK_TEST(a_pause_taken_back_in_the_same_event_loses_nothing),
		LINK_TEST(a_pause_is_felt_at_the_far_end),
		LINK_TEST(stanzas_held_when_tls_ends_are_read_before_the_end_is_told),
		LINK_TEST(ends_of_the_connection_are_told_apart),
		LINK_TEST(finishing_flushes_says_goodbye_and_waits),
		LINK_TEST(a_peer_that_never_ends_is_closed_at_the_deadline),
		LINK_TEST(finishing_a_link_whose_other_side_is_gone_takes_no_time),
		LINK_TEST(a_reset_while_finishing_ends_it),
		LINK_TEST(the_owner_may_close_in_any_event),
		LINK_TEST(finishing_twice_or_after_closing_is_harmless),
	};
	return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
