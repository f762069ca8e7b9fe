/* What a ClientHello says before anything is agreed: server names, protocols, sizes. */
#include "lib/served.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct made ec, rsa;
static struct credential *both, *only_ec, *only_rsa;

static int set_up(void **state)
{
	(void)state;
	ec = make_certificate((struct made_as){.key = MADE_P256, .name = "shire.example"});
	rsa = make_certificate((struct made_as){.key = MADE_RSA, .name = "shire.example"});
	both = made_credential(&ec, &rsa);
	only_ec = made_credential(&ec, NULL);
	only_rsa = made_credential(&rsa, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	credential_release(both);
	credential_release(only_ec);
	credential_release(only_rsa);
	made_free(&ec);
	made_free(&rsa);
	return 0;
}

/* ---- server names: SNI-3, duty 6 ---- */

static void the_choice_is_asked_for_once_with_the_name(void **state)
{
	(void)state;
	static const struct {
		const char *sent, *asked;
	} rows[] = {
		{"shire.example", "shire.example"},
		{"SHIRE.Example", "SHIRE.Example"}, /* the owner folds case */
		{"shire.example.", "shire.example."},
		{NULL, ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct served s = {.credential = only_ec};
		struct tls_params p = served_params(&s);
		struct conn c;
		conn_init(&c, TLS_SERVER);
		conn_open(&c, &p, rows[i].sent);
		assert_true(conn_works(&c));
		assert_int_equal(s.asked, 1);
		assert_true(slice_eq_str(s.last, rows[i].asked));
		conn_free(&c);
	}
}

static void a_refused_choice_is_an_alert_and_keeps_its_reason(void **state)
{
	(void)state;
	static const struct {
		const char *sni;
		enum err_code refusal, reason;
		int version;
	} rows[] = {
		{"mordor.example", ERR_TLS_SNI, ERR_TLS_SNI, TLS1_3_VERSION},
		{"mordor.example", ERR_TLS_SNI, ERR_TLS_SNI, TLS1_2_VERSION},
		{"mordor.example", ERR_OK, ERR_TLS_SNI, TLS1_3_VERSION},
		{"shire.example", ERR_TLS_CREDENTIAL, ERR_TLS_CREDENTIAL, TLS1_3_VERSION},
		{NULL, ERR_TLS_NO_SNI, ERR_TLS_NO_SNI, TLS1_3_VERSION},
		{NULL, ERR_TLS_NO_SNI, ERR_TLS_NO_SNI, TLS1_2_VERSION},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct served s = {.refusal = err_make(rows[i].refusal)};
		struct tls_params p = served_params(&s);
		struct conn c;
		conn_init(&c, TLS_SERVER);
		SSL_CTX_set_max_proto_version(c.ctx, rows[i].version);
		conn_open(&c, &p, rows[i].sni);
		conn_run(&c);
		assert_int_equal(tls_state(c.us), TLS_FAILED);
		assert_int_equal(tls_error(c.us).code, rows[i].reason);
		assert_int_equal(s.asked, 1);
		/* RFC 6066 3: unrecognized_name(112), and no certificate of anybody */
		assert_int_equal(c.peer_alert, SSL_AD_UNRECOGNIZED_NAME);
		assert_null(SSL_get0_peer_certificate(c.peer));
		conn_free(&c);
	}
}

/* Inserts a server_name extension behind the others of the ClientHello in b. */
static void insert_sni(struct buf *b, const char *name, size_t len)
{
	unsigned char hello[4096], *p = hello;
	size_t n = buf_len(b), add = len + 9;
	memcpy(hello, buf_peek(b).ptr, n);
	p += 5 + 4 + 2 + 32;
	p += 1 + *p;
	p += 2 + (p[0] << 8 | p[1]);
	p += 1 + *p;
	size_t all = (size_t)(p[0] << 8 | p[1]) + add;
	p[0] = (unsigned char)(all >> 8);
	p[1] = (unsigned char)all;
	size_t body = n + add - 9;
	hello[3] = (unsigned char)((body + 4) >> 8);
	hello[4] = (unsigned char)(body + 4);
	hello[7] = (unsigned char)(body >> 8);
	hello[8] = (unsigned char)body;
	p = hello + n;
	const unsigned char head[9] = {0, 0, (unsigned char)((len + 5) >> 8),
		(unsigned char)(len + 5), (unsigned char)((len + 3) >> 8), (unsigned char)(len + 3),
		0, (unsigned char)(len >> 8), (unsigned char)len};
	memcpy(p, head, 9);
	memcpy(p + 9, name, len);
	buf_clear(b);
	(void)buf_append(b, slice_of(hello, n + add));
}

/* What the peer wants to send now, for a test to change. */
static void take_from_peer(struct conn *c, struct buf *out)
{
	char bytes[8192];
	(void)SSL_do_handshake(c->peer);
	int n = BIO_read(c->from_peer, bytes, sizeof bytes);
	assert_true(n > 0);
	buf_init(out, BUF_UNLIMITED);
	(void)buf_append(out, slice_of(bytes, (size_t)n));
}

static void a_strange_server_name_is_refused_or_given_as_it_is(void **state)
{
	(void)state;
	char longest[300];
	memset(longest, 'a', sizeof longest);
	const struct {
		const char *first, *second;
		size_t second_len;
		unsigned asked;
		bool failed;
	} rows[] = {
		{NULL, "shire\0.example", 14, 1, false}, /* the owner's domain_parse refuses it */
		{NULL, longest, 255, 1, false},
		{NULL, longest, 256, 0, true},
		{NULL, longest, 300, 0, true},
		{NULL, "", 0, 0, true},
		/* twice: the library does not refuse it (duty 6) */
		{"shire.example", "bree.example", 12, 1, true},
		{"shire.example", "shire.examplf", 13, 1, true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct served s = {.credential = only_ec};
		struct tls_params p = served_params(&s);
		struct conn c;
		struct buf hello;
		conn_init(&c, TLS_SERVER);
		conn_open(&c, &p, rows[i].first);
		take_from_peer(&c, &hello);
		insert_sni(&hello, rows[i].second, rows[i].second_len);
		enum tls_state now = tls_input(c.us, buf_peek(&hello), &c.plain, &c.wire);
		assert_int_equal(s.asked, rows[i].asked);
		assert_int_equal(now == TLS_FAILED, rows[i].failed);
		if (!rows[i].failed)
			assert_true(slice_eq(s.last, slice_of(rows[i].second, rows[i].second_len)));
		buf_fini(&hello);
		conn_free(&c);
	}
}

/* RFC 8446 4.1.2: behind a HelloRetryRequest the ClientHello comes a second time. */
static void a_retried_hello_is_not_chosen_for_again(void **state)
{
	(void)state;
	for (int named = 0; named < 2; named++) {
		struct served s = {.credential = only_ec};
		struct tls_params p = served_params(&s);
		struct conn c;
		conn_init(&c, TLS_SERVER);
		SSL_CTX_set1_groups_list(c.ctx, "P-521:P-256");
		conn_open(&c, &p, named ? "shire.example" : NULL);
		assert_true(conn_works(&c));
		assert_int_equal(s.asked, 1);
		conn_free(&c);
	}
}

static void a_server_name_that_comes_only_with_the_retry_is_refused(void **state)
{
	(void)state;
	struct served s = {.credential = only_ec};
	struct tls_params p = served_params(&s);
	struct conn c;
	struct buf hello;
	conn_init(&c, TLS_SERVER);
	SSL_CTX_set1_groups_list(c.ctx, "P-521:P-256");
	SSL_CTX_clear_options(c.ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
	conn_open(&c, &p, NULL);
	take_from_peer(&c, &hello);
	assert_int_equal(tls_input(c.us, buf_peek(&hello), &c.plain, &c.wire), TLS_HANDSHAKE);
	buf_fini(&hello);
	BIO_write(c.to_peer, buf_peek(&c.wire).ptr, (int)buf_len(&c.wire));
	buf_clear(&c.wire);
	take_from_peer(&c, &hello);
	insert_sni(&hello, "shire.example", 13);
	assert_int_equal(tls_input(c.us, buf_peek(&hello), &c.plain, &c.wire), TLS_FAILED);
	assert_int_equal(tls_error(c.us).code, ERR_TLS_SNI);
	assert_int_equal(s.asked, 1);
	buf_fini(&hello);
	conn_free(&c);
}

static int peer_got_sni(SSL *ssl, int *alert, void *arg)
{
	char *out = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	(void)alert;
	snprintf(out, 300, "%s", name ? name : "");
	return SSL_TLSEXT_ERR_OK;
}

/* SNI-1, SNI-2 */
static void as_client_the_service_domain_is_sent(void **state)
{
	(void)state;
	char seen[300] = "";
	struct tls_params p = client_params();
	struct conn c;
	conn_init(&c, TLS_CLIENT);
	peer_uses(&c, &ec, NULL);
	SSL_CTX_set_tlsext_servername_callback(c.ctx, peer_got_sni);
	SSL_CTX_set_tlsext_servername_arg(c.ctx, seen);
	conn_open(&c, &p, NULL);
	assert_true(conn_works(&c));
	assert_string_equal(seen, "shire.example");
	conn_free(&c);
}

/* ---- ALPN: SNI-6, T10-T12 ---- */

static void alpn_is_never_required_but_a_wrong_one_is_fatal(void **state)
{
	(void)state;
	static const struct {
		const char *ours, *offered, *agreed;
		bool up;
	} rows[] = {
		{"xmpp-server", NULL, NULL, true},
		{"xmpp-server", "\x0bxmpp-server", "xmpp-server", true},
		{"xmpp-server", "\x02h2\x0bxmpp-server", "xmpp-server", true},
		{"xmpp-server", "\x0bxmpp-client", NULL, false}, /* T11 */
		{"xmpp-server",
			"\x02h2\x08http/1.1\x04imap\x03"
			"ftp",
			NULL, false},         /* T10 */
		{NULL, "\x02h2", NULL, true}, /* STARTTLS: not looked at */
	};
	for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
		const unsigned char *offered = (const unsigned char *)rows[i / 2].offered;
		struct served s = {.credential = only_ec};
		struct tls_params p = served_params(&s);
		struct conn c;
		p.alpn = rows[i / 2].ours;
		conn_init(&c, TLS_SERVER);
		SSL_CTX_set_max_proto_version(c.ctx, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		if (offered)
			SSL_CTX_set_alpn_protos(
				c.ctx, offered, (unsigned)strlen(rows[i / 2].offered));
		conn_open(&c, &p, "shire.example");
		assert_int_equal(conn_works(&c), rows[i / 2].up);
		if (!rows[i / 2].up) {
			assert_int_equal(tls_error(c.us).code, ERR_TLS_ALPN);
			assert_int_equal(c.peer_alert, SSL_AD_NO_APPLICATION_PROTOCOL);
		} else if (rows[i / 2].agreed) {
			assert_string_equal(tls_info(c.us).alpn, rows[i / 2].agreed);
		} else {
			assert_null(tls_info(c.us).alpn);
		}
		conn_free(&c);
	}
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
	const unsigned char *in, unsigned in_len, void *arg)
{
	(void)ssl;
	(void)in;
	(void)in_len;
	*out = arg;
	*len = (unsigned char)strlen(arg);
	return SSL_TLSEXT_ERR_OK;
}

static void a_server_that_answers_another_alpn_is_left(void **state)
{
	(void)state;
	static char right[] = "xmpp-server", wrong[] = "xmpp-client";
	for (int i = 0; i < 4; i++) {
		struct tls_params p = client_params();
		struct conn c;
		p.alpn = "xmpp-server";
		conn_init(&c, TLS_CLIENT);
		peer_uses(&c, &ec, NULL);
		SSL_CTX_set_max_proto_version(c.ctx, i & 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		SSL_CTX_set_alpn_select_cb(c.ctx, select_alpn, i & 1 ? wrong : right);
		conn_open(&c, &p, NULL);
		assert_int_equal(conn_works(&c), !(i & 1)); /* T12 */
		conn_free(&c);
	}
}

/* ---- records of other sizes: T14, T27 ---- */

static void a_peer_with_small_records_is_served(void **state)
{
	(void)state;
	struct served s = {.credential = only_ec};
	struct tls_params p = served_params(&s);
	struct conn c;
	conn_init(&c, TLS_SERVER);
	SSL_CTX_set_tlsext_max_fragment_length(c.ctx, TLSEXT_max_fragment_length_512);
	SSL_CTX_set_max_send_fragment(c.ctx, 512);
	peer_uses(&c, &rsa, NULL);
	conn_open(&c, &p, "shire.example");
	assert_true(conn_works(&c));
	conn_free(&c);
}

static void a_client_hello_in_many_records_is_read(void **state)
{
	(void)state;
	for (size_t piece = 4; piece < 600; piece = piece * 3 + 1) {
		struct served s = {.credential = only_ec};
		struct tls_params p = served_params(&s);
		struct conn c;
		struct buf hello;
		conn_init(&c, TLS_SERVER);
		conn_open(&c, &p, "shire.example");
		take_from_peer(&c, &hello);
		struct slice rest = slice_sub(buf_peek(&hello), 5, buf_len(&hello));
		while (rest.len) {
			struct slice part = slice_sub(rest, 0, piece);
			const char header[5] = {0x16, 3, 1, (char)(part.len >> 8), (char)part.len};
			tls_input(c.us, slice_of(header, 5), &c.plain, &c.wire);
			tls_input(c.us, part, &c.plain, &c.wire);
			rest = slice_sub(rest, part.len, rest.len);
		}
		assert_true(conn_works(&c));
		buf_fini(&hello);
		conn_free(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_choice_is_asked_for_once_with_the_name),
		cmocka_unit_test(a_refused_choice_is_an_alert_and_keeps_its_reason),
		cmocka_unit_test(a_strange_server_name_is_refused_or_given_as_it_is),
		cmocka_unit_test(a_retried_hello_is_not_chosen_for_again),
		cmocka_unit_test(a_server_name_that_comes_only_with_the_retry_is_refused),
		cmocka_unit_test(as_client_the_service_domain_is_sent),
		cmocka_unit_test(alpn_is_never_required_but_a_wrong_one_is_fatal),
		cmocka_unit_test(a_server_that_answers_another_alpn_is_left),
		cmocka_unit_test(a_peer_with_small_records_is_served),
		cmocka_unit_test(a_client_hello_in_many_records_is_read),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
