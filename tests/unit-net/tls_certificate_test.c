/* Certificates in the handshake: which one is shown, what is taken from the peer; sessions that are
 * never resumed; memory that runs out. */
#include "lib/served.h"

#include <mbedtls/platform.h>

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

/* ---- resumption: SNI-7, T06-T09 ---- */

static unsigned new_sessions;

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	(void)session;
	new_sessions++;
	return 0;
}

static void no_ticket_is_sent_and_no_session_resumed(void **state)
{
	(void)state;
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	for (size_t i = 0; i < 2; i++) {
		SSL_SESSION *before = NULL;
		for (int round = 0; round < 2; round++) {
			struct served s = {.credential = only_ec};
			struct tls_params p = served_params(&s);
			struct conn c;
			new_sessions = 0;
			conn_init(&c, TLS_SERVER);
			SSL_CTX_set_session_cache_mode(c.ctx, SSL_SESS_CACHE_CLIENT);
			SSL_CTX_sess_set_new_cb(c.ctx, on_new_session);
			SSL_CTX_set_max_proto_version(c.ctx, versions[i]);
			conn_open(&c, &p, "shire.example");
			if (before)
				SSL_set_session(c.peer, before);
			assert_true(conn_works(&c));
			assert_false(SSL_session_reused(c.peer));
			assert_false(SSL_SESSION_has_ticket(SSL_get0_session(c.peer)));
			if (versions[i] == TLS1_3_VERSION)
				assert_int_equal(new_sessions, 0);
			SSL_SESSION_free(before);
			before = SSL_get1_session(c.peer);
			conn_free(&c);
		}
		SSL_SESSION_free(before);
	}
}

/* ---- two certificates side by side ---- */

static void the_clients_signature_algorithms_choose_between_rsa_and_ecdsa(void **state)
{
	(void)state;
	static const struct {
		const char *algorithms;
		int key;
	} rows[] = {
		{"ECDSA+SHA256", EVP_PKEY_EC},
		{"RSA-PSS+SHA256:RSA+SHA256", EVP_PKEY_RSA},
	};
	for (size_t i = 0; i < 4; i++) {
		struct served s = {.credential = both};
		struct tls_params p = served_params(&s);
		struct conn c;
		conn_init(&c, TLS_SERVER);
		SSL_CTX_set_max_proto_version(c.ctx, i & 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		SSL_CTX_set1_sigalgs_list(c.ctx, rows[i & 1].algorithms);
		if (i == 3)
			SSL_CTX_set_cipher_list(c.ctx, "ECDHE-RSA-AES128-GCM-SHA256");
		conn_open(&c, &p, "shire.example");
		assert_true(conn_works(&c));
		X509 *shown = SSL_get0_peer_certificate(c.peer);
		assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(shown)), rows[i & 1].key);
		conn_free(&c);
	}
}

/* ---- the client's certificate: TLS-3 ---- */

static unsigned requests, request_names;

static int on_certificate_request(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
	(void)cert;
	(void)key;
	const STACK_OF(X509_NAME) *names = SSL_get0_peer_CA_list(ssl);
	requests++;
	request_names += names && sk_X509_NAME_num(names) > 0;
	return 0; /* none */
}

/* T23 */
static void a_certificate_is_asked_for_with_an_empty_list_of_authorities(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct served s = {.credential = only_ec};
		struct tls_params p = served_params(&s);
		struct conn c;
		requests = request_names = 0;
		conn_init(&c, TLS_SERVER);
		SSL_CTX_set_max_proto_version(c.ctx, i ? TLS1_2_VERSION : TLS1_3_VERSION);
		SSL_CTX_set_client_cert_cb(c.ctx, on_certificate_request);
		conn_open(&c, &p, "shire.example");
		assert_true(conn_works(&c));
		assert_int_equal(requests, 1);
		assert_int_equal(request_names, 0);
		struct slice chain[2];
		assert_int_equal(tls_peer_chain(c.us, chain, 2), 0);
		conn_free(&c);
	}
}

static void present(const struct made *leaf, const struct made *issuer, int version, struct conn *c,
	struct served *s)
{
	*s = (struct served){.credential = only_ec};
	struct tls_params p = served_params(s);
	conn_init(c, TLS_SERVER);
	SSL_CTX_set_max_proto_version(c->ctx, version);
	peer_uses(c, leaf, issuer);
	conn_open(c, &p, "shire.example");
}

static void a_broken_client_certificate_does_not_fail_the_handshake(void **state)
{
	(void)state;
	struct made root =
		make_certificate((struct made_as){.key = MADE_P256, .name = "ca.example"});
	static const struct made_as broken[] = {
		{.key = MADE_P256, .name = "bree.example"},             /* self-signed */
		{.key = MADE_P256, .name = "bree.example", .days = -1}, /* over */
		{.key = MADE_RSA_1024, .name = "bree.example"},         /* weak */
		{.key = MADE_P521, .name = "bree.example"},
		{.key = MADE_P256, .name = "*.*"},
	};
	for (size_t i = 0; i < 4 * sizeof broken / sizeof *broken; i++) {
		bool chained = i & 2;
		struct made_as as = broken[i / 4];
		as.issuer = chained ? &root : NULL;
		struct made leaf = make_certificate(as);
		struct slice chain[4];
		struct conn c;
		struct served s;
		present(&leaf, as.issuer, i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION, &c, &s);
		assert_true(conn_works(&c));
		/* P-4: it is recorded, leaf first, byte for byte */
		assert_int_equal(tls_peer_chain(c.us, chain, 4), chained ? 2 : 1);
		unsigned char *der = NULL;
		int len = i2d_X509(leaf.cert, &der);
		assert_true(slice_eq(chain[0], slice_of(der, (size_t)len)));
		OPENSSL_free(der);
		assert_int_equal(tls_peer_chain(c.us, chain, 1), 1);
		conn_free(&c);
		made_free(&leaf);
	}
	made_free(&root);
}

/* T25: what the library cannot read must at least be called by its name. */
static void a_client_certificate_that_cannot_be_read_has_a_clean_reason(void **state)
{
	(void)state;
	struct made ed =
		make_certificate((struct made_as){.key = MADE_ED25519, .name = "ca.example"});
	struct made narrow = make_certificate((struct made_as){.key = MADE_P256,
		.name = "ca.example",
		.name_constraints = "critical,permitted;DNS:bree.example"});
	const struct made_as rows[] = {
		{.key = MADE_P256, .name = "bree.example", .issuer = &ed},
		{.key = MADE_P256, .name = "bree.example", .issuer = &narrow},
		{.key = MADE_P256, .name = "bree.example", .unknown_critical = "x"},
	};
	for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
		struct made leaf = make_certificate(rows[i / 2]);
		struct conn c;
		struct served s;
		present(&leaf, rows[i / 2].issuer, i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION, &c, &s);
		conn_run(&c);
		assert_int_equal(tls_state(c.us), TLS_FAILED);
		assert_int_equal(tls_error(c.us).code, ERR_TLS_PEER_CERT);
		/* In TLS 1.3 the library sends this alert under keys the client has left. */
		if (i == 3 || i == 5)
			assert_int_equal(c.peer_alert, SSL_AD_BAD_CERTIFICATE);
		conn_free(&c);
		made_free(&leaf);
	}
	made_free(&ed);
	made_free(&narrow);
}

/* An Ed25519 key is none of our signature algorithms: the peer keeps its certificate. */
static void an_ed25519_client_is_up_without_a_certificate(void **state)
{
	(void)state;
	struct made leaf =
		make_certificate((struct made_as){.key = MADE_ED25519, .name = "e.example"});
	struct slice chain[1];
	struct conn c;
	struct served s;
	present(&leaf, NULL, TLS1_3_VERSION, &c, &s);
	assert_true(conn_works(&c));
	assert_int_equal(tls_peer_chain(c.us, chain, 1), 0);
	conn_free(&c);
	made_free(&leaf);
}

static void as_client_our_certificate_is_shown(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct tls_params p = client_params();
		struct conn c;
		p.credential = only_rsa;
		conn_init(&c, TLS_CLIENT);
		peer_uses(&c, &ec, NULL);
		SSL_CTX_set_max_proto_version(c.ctx, i ? TLS1_2_VERSION : TLS1_3_VERSION);
		SSL_CTX_set_verify(c.ctx, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(c.ctx, NULL, NULL);
		X509_STORE_add_cert(SSL_CTX_get_cert_store(c.ctx), rsa.cert);
		conn_open(&c, &p, NULL);
		assert_true(conn_works(&c));
		assert_int_equal(X509_cmp(SSL_get0_peer_certificate(c.peer), rsa.cert), 0);
		struct slice chain[2];
		assert_int_equal(tls_peer_chain(c.us, chain, 2), 1);
		conn_free(&c);
	}
}

/* ---- T21: memory runs out at the k-th allocation of the handshake ---- */

static long allowed;

static void *counted_calloc(size_t n, size_t size)
{
	return allowed-- > 0 ? calloc(n, size) : NULL;
}

static bool handshake_with(long allocations, bool client)
{
	struct served s = {.credential = only_ec};
	struct tls_params p = client ? client_params() : served_params(&s);
	struct conn c;
	conn_init(&c, p.role);
	peer_uses(&c, &ec, NULL);
	p.credential = client ? only_ec : NULL;
	conn_open(&c, &p, "shire.example");
	allowed = allocations;
	mbedtls_platform_set_calloc_free(counted_calloc, free);
	conn_run(&c);
	bool ran_out = allowed < 0;
	allowed = 1000000;
	/* Never up with a hole in it: either it failed, or it works. */
	bool up = tls_state(c.us) == TLS_UP;
	assert_true(up ? conn_works(&c) : tls_state(c.us) == TLS_FAILED);
	assert_true(up || ran_out);
	conn_free(&c);
	return ran_out;
}

static void no_handshake_completes_on_failed_allocations(void **state)
{
	(void)state;
	for (int client = 0; client < 2; client++) {
		long k = 0;
		while (handshake_with(k, client))
			k += k < 200 ? 1 : k / 16; /* behind that it is arithmetic, much alike */
		assert_in_range(k, 200, 50000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_ticket_is_sent_and_no_session_resumed),
		cmocka_unit_test(the_clients_signature_algorithms_choose_between_rsa_and_ecdsa),
		cmocka_unit_test(a_certificate_is_asked_for_with_an_empty_list_of_authorities),
		cmocka_unit_test(a_broken_client_certificate_does_not_fail_the_handshake),
		cmocka_unit_test(a_client_certificate_that_cannot_be_read_has_a_clean_reason),
		cmocka_unit_test(an_ed25519_client_is_up_without_a_certificate),
		cmocka_unit_test(as_client_our_certificate_is_shown),
		cmocka_unit_test(no_handshake_completes_on_failed_allocations),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
