/* The handshake: what is agreed to, whose certificate is shown, whose is taken. */
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

/* ---- P-1, P-2: RFC 9325 ---- */

struct policy_row {
	const char *title;
	int version;        /* the only one the peer speaks */
	const char *suites; /* of TLS 1.2, or of TLS 1.3 */
	const char *groups, *signatures;
	bool agreed;
};

static const struct policy_row policy[] = {
	{"TLS 1.0", TLS1_VERSION, "ALL", NULL, NULL, false}, /* T01, RFC 8996 */
	{"TLS 1.1", TLS1_1_VERSION, "ALL", NULL, NULL, false},
	{"1.2 ECDSA AES-128", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, NULL, true},
	{"1.2 ECDSA AES-256", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", NULL, NULL, true},
	{"1.2 ECDSA ChaCha", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", NULL, NULL, true},
	{"1.2 RSA AES-128", TLS1_2_VERSION, "ECDHE-RSA-AES128-GCM-SHA256", NULL, NULL, true},
	{"1.2 RSA AES-256", TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", NULL, NULL, true},
	{"1.2 RSA ChaCha", TLS1_2_VERSION, "ECDHE-RSA-CHACHA20-POLY1305", NULL, NULL, true},
	{"RSA key transport", TLS1_2_VERSION, "AES128-GCM-SHA256", NULL, NULL, false}, /* T02 */
	{"RSA key transport, CBC", TLS1_2_VERSION, "AES128-SHA", NULL, NULL, false},
	{"CBC", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", NULL, NULL, false},
	{"CBC, RSA", TLS1_2_VERSION, "ECDHE-RSA-AES256-SHA", NULL, NULL, false},
	{"CCM", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-CCM", NULL, NULL, false},
	{"DHE", TLS1_2_VERSION, "DHE-RSA-AES128-GCM-SHA256", NULL, NULL, false},
	{"anonymous", TLS1_2_VERSION, "AECDH-AES128-SHA:ADH-AES128-GCM-SHA256", NULL, NULL, false},
	{"NULL", TLS1_2_VERSION, "ECDHE-ECDSA-NULL-SHA", NULL, NULL, false},
	{"ARIA, Camellia", TLS1_2_VERSION,
		"ECDHE-ECDSA-ARIA128-GCM-SHA256:ECDHE-ECDSA-CAMELLIA128-SHA256", NULL, NULL, false},
	{"1.3 AES-128", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", NULL, NULL, true},
	{"1.3 AES-256", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", NULL, NULL, true},
	{"1.3 ChaCha", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", NULL, NULL, true},
	{"1.3 CCM", TLS1_3_VERSION, "TLS_AES_128_CCM_SHA256", NULL, NULL, false},
	{"X25519", TLS1_3_VERSION, NULL, "X25519", NULL, true},
	{"P-256", TLS1_3_VERSION, NULL, "P-256", NULL, true},
	{"P-384", TLS1_3_VERSION, NULL, "P-384", NULL, true},
	{"P-521", TLS1_3_VERSION, NULL, "P-521", NULL, false},
	{"X448", TLS1_3_VERSION, NULL, "X448", NULL, false},
	{"finite field", TLS1_3_VERSION, NULL, "ffdhe2048", NULL, false},
	{"SHA-1 signatures", TLS1_2_VERSION, NULL, NULL, "RSA+SHA1:ECDSA+SHA1", false},
	{"SHA-224 signatures", TLS1_2_VERSION, NULL, NULL, "RSA+SHA224:ECDSA+SHA224", false},
};

static void restrict_peer(struct conn *c, const struct policy_row *row)
{
	SSL_CTX_set_min_proto_version(c->ctx, row->version);
	SSL_CTX_set_max_proto_version(c->ctx, row->version);
	if (row->suites && row->version == TLS1_3_VERSION)
		assert_int_equal(SSL_CTX_set_ciphersuites(c->ctx, row->suites), 1);
	else if (row->suites)
		assert_int_equal(SSL_CTX_set_cipher_list(c->ctx, row->suites), 1);
	if (row->groups)
		assert_int_equal(SSL_CTX_set1_groups_list(c->ctx, row->groups), 1);
	if (row->signatures)
		assert_int_equal(SSL_CTX_set1_sigalgs_list(c->ctx, row->signatures), 1);
}

static void check_policy(enum tls_role role)
{
	for (size_t i = 0; i < sizeof policy / sizeof *policy; i++) {
		const struct policy_row *row = &policy[i];
		struct served s = {.credential = both};
		struct tls_params p = role == TLS_SERVER ? served_params(&s) : client_params();
		struct conn c;
		conn_init(&c, role);
		restrict_peer(&c, row);
		if (role == TLS_CLIENT) {
			peer_uses(&c, &ec, NULL);
			peer_uses(&c, &rsa, NULL);
			SSL_CTX_set_dh_auto(c.ctx, 1);
		}
		conn_open(&c, &p, "shire.example");
		bool works = conn_works(&c);
		if (works != row->agreed)
			fail_msg("%s, we are %s: %s", row->title, role ? "client" : "server",
				works ? "agreed" : "refused");
		if (!works)
			assert_int_equal(tls_state(c.us), TLS_FAILED);
		if (works && row->suites)
			assert_string_equal(tls_info(c.us).version,
				row->version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
		conn_free(&c);
	}
}

static void only_what_the_policy_names_is_agreed_to_served_params(void **state)
{
	(void)state;
	check_policy(TLS_SERVER);
}

static void only_what_the_policy_names_is_agreed_to_as_client(void **state)
{
	(void)state;
	check_policy(TLS_CLIENT);
}

/* P-4 */
static void what_was_agreed_is_told(void **state)
{
	(void)state;
	struct served s = {.credential = only_ec};
	struct tls_params p = served_params(&s);
	struct conn c;
	p.alpn = "xmpp-server";
	conn_init(&c, TLS_SERVER);
	peer_uses(&c, &ec, NULL);
	SSL_CTX_set_alpn_protos(c.ctx, (const unsigned char *)"\x0bxmpp-server", 12);
	SSL_CTX_set_ciphersuites(c.ctx, "TLS_CHACHA20_POLY1305_SHA256");
	conn_open(&c, &p, "shire.example");
	assert_true(conn_works(&c));
	struct tls_info info = tls_info(c.us);
	assert_string_equal(info.version, "TLSv1.3");
	assert_non_null(strstr(info.suite, "CHACHA20"));
	assert_string_equal(info.alpn, "xmpp-server");
	assert_true(slice_eq_str(info.sni, "shire.example"));
	conn_free(&c);
}

/* ---- every split ---- */

static void the_handshake_and_data_survive_every_split(void **state)
{
	(void)state;
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	static const size_t steps[] = {1, 2, 3, 5, 7, 64, 1000, 0};
	for (size_t i = 0; i < 2 * 2 * 8; i++) {
		enum tls_role role = i & 1 ? TLS_CLIENT : TLS_SERVER;
		struct served s = {.credential = only_ec};
		struct tls_params p = role == TLS_SERVER ? served_params(&s) : client_params();
		struct conn c;
		conn_init(&c, role);
		c.step = steps[i / 4];
		SSL_CTX_set_max_proto_version(c.ctx, versions[i / 2 % 2]);
		SSL_CTX_set_min_proto_version(c.ctx, versions[i / 2 % 2]);
		peer_uses(&c, &ec, NULL);
		conn_open(&c, &p, "shire.example");
		assert_true(conn_works(&c));
		conn_free(&c);
	}
}

static void a_megabyte_goes_both_ways(void **state)
{
	(void)state;
	struct served s = {.credential = only_ec};
	struct tls_params p = served_params(&s);
	struct conn c;
	char *text = malloc(1000001);
	for (size_t i = 0; i < 1000000; i++)
		text[i] = (char)('a' + i % 23);
	text[1000000] = '\0';
	conn_init(&c, TLS_SERVER);
	c.step = 4097;
	conn_open(&c, &p, "shire.example");
	conn_run(&c);
	conn_say(&c, text);
	conn_peer_say(&c, text);
	conn_run(&c);
	assert_true(slice_eq_str(buf_peek(&c.plain), text));
	assert_true(slice_eq_str(buf_peek(&c.peer_plain), text));
	conn_free(&c);
	free(text);
}

static void two_of_our_own_ends_understand_each_other(void **state)
{
	(void)state;
	struct served s = {.credential = both};
	struct tls_params server = served_params(&s), client = client_params();
	struct buf up, down, heard;
	buf_init(&up, BUF_UNLIMITED);
	buf_init(&down, BUF_UNLIMITED);
	buf_init(&heard, BUF_UNLIMITED);
	client.credential = only_ec;
	struct tls *a = tls_new(&client), *b = tls_new(&server);
	tls_start(a, &up);
	while (buf_len(&up) || buf_len(&down)) {
		struct buf in = up;
		buf_init(&up, BUF_UNLIMITED);
		tls_input(b, buf_peek(&in), &heard, &down);
		buf_fini(&in);
		in = down;
		buf_init(&down, BUF_UNLIMITED);
		tls_input(a, buf_peek(&in), &heard, &up);
		buf_fini(&in);
	}
	assert_int_equal(tls_state(a), TLS_UP);
	assert_int_equal(tls_state(b), TLS_UP);
	struct slice chain[4];
	assert_int_equal(tls_peer_chain(b, chain, 4), 1);
	assert_false(err_is(tls_output(a, SLICE_LIT("<hello/>"), &up)));
	tls_input(b, buf_peek(&up), &heard, &down);
	assert_true(slice_eq_str(buf_peek(&heard), "<hello/>"));
	tls_free(a);
	tls_free(b);
	buf_fini(&up);
	buf_fini(&down);
	buf_fini(&heard);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_the_policy_names_is_agreed_to_served_params),
		cmocka_unit_test(only_what_the_policy_names_is_agreed_to_as_client),
		cmocka_unit_test(what_was_agreed_is_told),
		cmocka_unit_test(the_handshake_and_data_survive_every_split),
		cmocka_unit_test(a_megabyte_goes_both_ways),
		cmocka_unit_test(two_of_our_own_ends_understand_each_other),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
