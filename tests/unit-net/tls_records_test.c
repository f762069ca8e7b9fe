/* What comes behind the handshake: KeyUpdate (TLS-7), floods (T15), renegotiation (T04), the end
 * (P-5). The records that no library sends are made by hand. */
#include "lib/records.h"
#include "lib/served.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static struct made ec;
static struct credential *credential;

static int set_up(void **state)
{
	(void)state;
	ec = make_certificate((struct made_as){.key = MADE_P256, .name = "shire.example"});
	credential = made_credential(&ec, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	credential_release(credential);
	made_free(&ec);
	return 0;
}

/* A connection that is up. role: ours. suites: of TLS 1.3; NULL: TLS 1.2 with AES-128. */
static void open_conn(struct conn *c, enum tls_role role, const char *suites)
{
	static struct served s;
	s = (struct served){.credential = credential};
	struct tls_params p = role == TLS_SERVER ? served_params(&s) : client_params();
	conn_init(c, role);
	peer_uses(c, &ec, NULL);
	SSL_CTX_set_num_tickets(c->ctx, 0);
	if (suites) {
		SSL_CTX_set_ciphersuites(c->ctx, suites);
	} else {
		SSL_CTX_set_max_proto_version(c->ctx, TLS1_2_VERSION);
		SSL_CTX_set_cipher_list(c->ctx, "ECDHE-ECDSA-AES128-GCM-SHA256");
	}
	conn_open(c, &p, "shire.example");
	conn_run(c);
	assert_int_equal(tls_state(c->us), TLS_UP);
	assert_true(c->peer_up);
}

#define AES128 "TLS_AES_128_GCM_SHA256"

/* ---- KeyUpdate, with OpenSSL on the other end ---- */

static const char *const all_suites[] = {
	AES128, "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"};

static void a_peers_key_update_is_obeyed_and_answered_when_it_asks(void **state)
{
	(void)state;
	static const size_t steps[] = {0, 1, 7};
	for (size_t i = 0; i < 2 * 2 * 3 * 3; i++) {
		struct conn c;
		open_conn(&c, i & 1 ? TLS_CLIENT : TLS_SERVER, all_suites[i / 4 % 3]);
		c.step = steps[i / 12];
		for (int round = 0; round < 20; round++) {
			SSL_key_update(c.peer,
				i & 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED);
			assert_true(conn_works(&c));
		}
		/* Fresh keys in the one direction, or in both: the counts began anew. */
		assert_in_range(tls_records(c.us), 1, i & 2 ? 1 : 21);
		conn_free(&c);
	}
}

static void data_on_the_way_crosses_a_key_update(void **state)
{
	(void)state;
	struct conn c;
	open_conn(&c, TLS_SERVER, AES128);
	for (int round = 0; round < 5; round++) {
		buf_clear(&c.plain);
		buf_clear(&c.peer_plain);
		conn_peer_say(&c, "one");
		conn_say(&c, "eins");
		SSL_key_update(c.peer, SSL_KEY_UPDATE_REQUESTED);
		conn_peer_say(&c, "two");
		conn_say(&c, "zwei");
		assert_true(tls_rekey(c.us, &c.wire));
		conn_say(&c, "drei");
		conn_run(&c);
		assert_true(slice_eq_str(buf_peek(&c.plain), "onetwo"));
		assert_true(slice_eq_str(buf_peek(&c.peer_plain), "einszweidrei"));
	}
	assert_true(conn_works(&c));
	conn_free(&c);
}

static void our_own_key_update_begins_both_counts_anew(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * 3; i++) {
		struct conn c;
		open_conn(&c, i & 1 ? TLS_CLIENT : TLS_SERVER, all_suites[i / 2]);
		for (int n = 0; n < 50; n++) {
			conn_peer_say(&c, "x");
			conn_run(&c);
		}
		assert_true(tls_records(c.us) >= 50);
		assert_true(tls_rekey(c.us, &c.wire));
		assert_in_range(tls_records(c.us), 0, 1); /* the peer's were asked for */
		conn_run(&c);
		conn_peer_say(&c, "y"); /* OpenSSL answers with its next record */
		conn_run(&c);
		assert_in_range(tls_records(c.us), 1, 2);
		assert_true(conn_works(&c));
		for (int n = 0; n < 30; n++) {
			assert_true(tls_rekey(c.us, &c.wire));
			assert_true(conn_works(&c));
		}
		conn_free(&c);
	}
}

static void a_request_is_not_repeated_while_it_is_unanswered(void **state)
{
	(void)state;
	struct conn c;
	unsigned char secret[48];
	struct records r;
	struct buf in;
	buf_init(&in, BUF_UNLIMITED);
	open_conn(&c, TLS_SERVER, AES128);
	conn_secret(&c, SECRET_CLIENT, secret);
	records_init13(&r, secret);
	for (int n = 0; n < 40; n++)
		records_seal(&r, REC_DATA, SLICE_LIT("x"), &in);
	tls_input(c.us, buf_peek(&in), &c.plain, &c.wire);
	assert_int_equal(tls_records(c.us), 40);
	assert_true(tls_rekey(c.us, &c.wire));
	assert_int_equal(tls_records(c.us), 0);
	buf_clear(&in);
	records_seal(&r, REC_HANDSHAKE, SLICE_LIT("\x18\0\0\x01\0"), &in);
	records_next_keys(&r);
	records_seal(&r, REC_DATA, SLICE_LIT("x"), &in);
	tls_input(c.us, buf_peek(&in), &c.plain, &c.wire);
	assert_int_equal(tls_records(c.us), 1);
	for (int n = 0; n < 40; n++) {
		buf_clear(&in);
		records_seal(&r, REC_DATA, SLICE_LIT("x"), &in);
		tls_input(c.us, buf_peek(&in), &c.plain, &c.wire);
	}
	assert_int_equal(tls_records(c.us), 41); /* it may be asked again */
	buf_fini(&in);
	conn_free(&c);
}

static void tls_1_2_cannot_take_new_keys_and_says_so(void **state)
{
	(void)state;
	struct conn c;
	open_conn(&c, TLS_CLIENT, NULL);
	assert_false(tls_rekey(c.us, &c.wire));
	assert_int_equal(buf_len(&c.wire), 0);
	assert_true(conn_works(&c));
	conn_free(&c);
}

static void records_are_counted_in_both_directions(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct conn c;
		open_conn(&c, TLS_SERVER, i ? AES128 : NULL);
		uint64_t before = tls_records(c.us);
		assert_in_range(before, 0, 1); /* Finished of TLS 1.2 */
		for (int n = 0; n < 10; n++)
			conn_say(&c, "x");
		assert_int_equal(tls_records(c.us), before + 10);
		for (int n = 0; n < 25; n++) {
			conn_peer_say(&c, "x");
			conn_run(&c);
		}
		assert_int_equal(tls_records(c.us), before + 25);
		conn_free(&c);
	}
}

/* ---- records made by hand ---- */

struct record_row {
	const char *title;
	struct {
		int type;
		struct slice content;
		unsigned times;
		bool clear, next_keys;
	} records[4];
	bool tls12;
	bool alive;
};

#define KEY_UPDATE   SLICE_LIT("\x18\0\0\x01\0")
#define ASKING       SLICE_LIT("\x18\0\0\x01\x01")
#define WARNING      SLICE_LIT("\x01\x5a") /* user_canceled */
#define CLIENT_HELLO SLICE_LIT("\x01\0\0\x04\x03\x03\x00\x00")
#define DATA                                                                                       \
	{                                                                                          \
		REC_DATA, SLICE_LIT("x"), 1, false, false                                          \
	}

static const struct record_row rows[] = {
	{"a KeyUpdate", {{REC_HANDSHAKE, KEY_UPDATE, 1, false, true}, DATA}, false, true},
	{"a KeyUpdate without new keys behind it",
		{{REC_HANDSHAKE, KEY_UPDATE, 1, false, false}, DATA}, false, false},
	{"16 in a row", {{REC_HANDSHAKE, KEY_UPDATE, 16, false, true}, DATA}, false, true},
	{"17 in a row", {{REC_HANDSHAKE, KEY_UPDATE, 17, false, true}}, false, false}, /* T15 */
	{"16 that ask", {{REC_HANDSHAKE, ASKING, 16, false, true}, DATA}, false, true},
	{"16, data, 16",
		{{REC_HANDSHAKE, KEY_UPDATE, 16, false, true}, DATA,
			{REC_HANDSHAKE, KEY_UPDATE, 16, false, true}, DATA},
		false, true},
	{"a KeyUpdate in two records",
		{{REC_HANDSHAKE, SLICE_LIT("\x18\0\0\x01"), 1, false, false},
			{REC_HANDSHAKE, SLICE_LIT("\0"), 1, false, true}, DATA},
		false, true},
	{"data inside a KeyUpdate",
		{{REC_HANDSHAKE, SLICE_LIT("\x18\0\0\x01"), 1, false, false}, DATA}, false, false},
	/* RFC 8446 5.1: a key change ends its record */
	{"two KeyUpdates in one record",
		{{REC_HANDSHAKE, SLICE_LIT("\x18\0\0\x01\0\x18\0\0\x01\0"), 1, false, false}},
		false, false},
	{"a KeyUpdate that asks for 2",
		{{REC_HANDSHAKE, SLICE_LIT("\x18\0\0\x01\x02"), 1, false, false}}, false, false},
	{"an empty KeyUpdate", {{REC_HANDSHAKE, SLICE_LIT("\x18\0\0\0"), 1, false, false}}, false,
		false},
	{"a KeyUpdate of two bytes",
		{{REC_HANDSHAKE, SLICE_LIT("\x18\0\0\x02\0\0"), 1, false, false}}, false, false},
	{"a KeyUpdate in TLS 1.2", {{REC_HANDSHAKE, KEY_UPDATE, 1, false, false}}, true, false},
	{"a ticket from a client",
		{{REC_HANDSHAKE, SLICE_LIT("\x04\0\0\x04\0\0\0\0"), 1, false, false}}, false,
		false},
	{"a certificate nobody asked for",
		{{REC_HANDSHAKE, SLICE_LIT("\x0b\0\0\x04\0\0\0\0"), 1, false, false}}, false,
		false},
	{"a hello behind the handshake", {{REC_HANDSHAKE, CLIENT_HELLO, 1, false, false}}, false,
		false},
	{"16 warnings", {{REC_ALERT, WARNING, 16, false, false}, DATA}, false, true},
	{"18 warnings", {{REC_ALERT, WARNING, 18, false, false}}, false, false},
	{"18 warnings in TLS 1.2", {{REC_ALERT, WARNING, 18, false, false}}, true, false},
	{"16 warnings, data, 16 warnings",
		{{REC_ALERT, WARNING, 16, false, false}, DATA,
			{REC_ALERT, WARNING, 16, false, false}, DATA},
		true, true},
	{"a fatal alert", {{REC_ALERT, SLICE_LIT("\x02\x28"), 1, false, false}}, false, false},
	{"16 change cipher specs", {{REC_CCS, SLICE_LIT("\x01"), 16, true, false}, DATA}, false,
		true},
	{"18 change cipher specs", {{REC_CCS, SLICE_LIT("\x01"), 18, true, false}}, false, false},
	{"a change cipher spec in TLS 1.2", {{REC_CCS, SLICE_LIT("\x01"), 1, false, false}}, true,
		false},
	{"three empty records", {{REC_DATA, SLICE_LIT(""), 3, false, false}, DATA}, false, true},
	{"four empty records", {{REC_DATA, SLICE_LIT(""), 4, false, false}}, false, false},
	{"four empty records in TLS 1.2", {{REC_DATA, SLICE_LIT(""), 4, false, false}}, true,
		false},
	{"plain text", {{REC_DATA, SLICE_LIT("<iq/>"), 1, true, false}}, false, false},
	/* T04, TLS-4: refused with a warning, and not without end */
	{"renegotiation, 16 times", {{REC_HANDSHAKE, CLIENT_HELLO, 16, false, false}, DATA}, true,
		true},
	{"renegotiation, 18 times", {{REC_HANDSHAKE, CLIENT_HELLO, 18, false, false}}, true, false},
};

static void make_records(const struct record_row *row, struct records *r, struct buf *out)
{
	for (size_t i = 0; i < 4 && row->records[i].times; i++) {
		for (unsigned n = 0; n < row->records[i].times; n++) {
			if (row->records[i].clear)
				records_clear(row->records[i].type, row->records[i].content, out);
			else
				records_seal(r, row->records[i].type, row->records[i].content, out);
			if (row->records[i].next_keys)
				records_next_keys(r);
		}
	}
}

static void peers_keys(const struct conn *c, bool tls12, struct records *r)
{
	unsigned char secret[48], ours[32], theirs[32];
	if (!tls12) {
		conn_secret(c, SECRET_CLIENT, secret);
		records_init13(r, secret);
		return;
	}
	conn_secret(c, SECRET_MASTER, secret);
	SSL_get_client_random(c->peer, theirs, 32);
	SSL_get_server_random(c->peer, ours, 32);
	records_init12(r, secret, theirs, ours);
}

static void feed(struct conn *c, struct slice in, size_t step)
{
	while (in.len) {
		size_t n = step && step < in.len ? step : in.len;
		tls_input(c->us, slice_sub(in, 0, n), &c->plain, &c->wire);
		in = slice_sub(in, n, in.len);
	}
}

static void records_that_no_library_sends_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3 * sizeof rows / sizeof *rows; i++) {
		static const size_t steps[] = {0, 1, 13};
		const struct record_row *row = &rows[i / 3];
		struct conn c;
		struct records r;
		struct buf in;
		buf_init(&in, BUF_UNLIMITED);
		open_conn(&c, TLS_SERVER, row->tls12 ? NULL : AES128);
		peers_keys(&c, row->tls12, &r);
		make_records(row, &r, &in);
		feed(&c, buf_peek(&in), steps[i % 3]);
		if ((tls_state(c.us) == TLS_UP) != row->alive)
			fail_msg("%s: %s", row->title, row->alive ? "dead" : "alive");
		if (row->alive)
			assert_int_equal(*(buf_peek(&c.plain).ptr + buf_len(&c.plain) - 1), 'x');
		else
			assert_int_equal(tls_error(c.us).code, ERR_TLS);
		buf_fini(&in);
		conn_free(&c);
	}
}

static void a_flood_is_ended_in_the_middle_of_one_read(void **state)
{
	(void)state;
	struct conn c;
	struct records r;
	struct buf in;
	buf_init(&in, BUF_UNLIMITED);
	open_conn(&c, TLS_SERVER, NULL);
	peers_keys(&c, true, &r);
	for (int i = 0; i < 1000; i++)
		records_seal(&r, REC_HANDSHAKE, CLIENT_HELLO, &in);
	feed(&c, buf_peek(&in), 0);
	assert_int_equal(tls_state(c.us), TLS_FAILED);
	/* 17 refusals and the last word: not a thousand answers */
	assert_int_equal(buf_len(&c.wire), 18 * 31);
	conn_run(&c);
	assert_true(c.peer_alert == SSL_AD_UNEXPECTED_MESSAGE ||
		    c.peer_alert == SSL_AD_NO_RENEGOTIATION);
	buf_fini(&in);
	conn_free(&c);
}

static void answers_to_key_updates_are_as_many_as_the_requests(void **state)
{
	(void)state;
	struct conn c;
	struct records r;
	struct buf in;
	buf_init(&in, BUF_UNLIMITED);
	open_conn(&c, TLS_SERVER, AES128);
	peers_keys(&c, false, &r);
	for (int i = 0; i < 100; i++) {
		records_seal(&r, REC_HANDSHAKE, ASKING, &in);
		records_next_keys(&r);
	}
	feed(&c, buf_peek(&in), 0);
	assert_int_equal(tls_state(c.us), TLS_FAILED);
	/* 16 answers and an alert; the library pads each to 16 bytes. */
	assert_int_equal(buf_len(&c.wire), 17 * (5 + 16 + 16));
	buf_fini(&in);
	conn_free(&c);
}

static void a_flipped_bit_anywhere_is_fatal(void **state)
{
	(void)state;
	for (size_t at = 0; at < 27; at++) {
		struct conn c;
		struct records r;
		char bytes[64];
		struct buf in;
		buf_init(&in, BUF_UNLIMITED);
		open_conn(&c, TLS_SERVER, AES128);
		peers_keys(&c, false, &r);
		records_seal(&r, REC_DATA, SLICE_LIT("<iq/>"), &in);
		assert_int_equal(buf_len(&in), 27);
		memcpy(bytes, buf_peek(&in).ptr, 27);
		bytes[at] ^= 0x20;
		feed(&c, slice_of(bytes, 27), 0);
		/* A length of more than is there waits for the rest; the deadline ends that. */
		assert_true(tls_state(c.us) == TLS_FAILED || at == 3 || at == 4);
		assert_int_equal(buf_len(&c.plain), 0);
		buf_fini(&in);
		conn_free(&c);
	}
}

/* ---- the end: P-5 ---- */

static void a_close_notify_is_an_end_and_not_a_failure(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		struct conn c;
		open_conn(&c, i & 1 ? TLS_CLIENT : TLS_SERVER, i & 2 ? AES128 : NULL);
		conn_peer_say(&c, "last words");
		SSL_shutdown(c.peer);
		conn_run(&c);
		assert_int_equal(tls_state(c.us), TLS_CLOSED);
		assert_true(slice_eq_str(buf_peek(&c.plain), "last words"));
		/* Half-closed: we may still finish what we say (ST-13). */
		conn_say(&c, "ours");
		tls_close_notify(c.us, &c.wire);
		conn_run(&c);
		assert_true(slice_eq_str(buf_peek(&c.peer_plain), "ours"));
		assert_true(c.peer_closed);
		conn_free(&c);
	}
}

static void what_comes_behind_a_close_notify_is_not_read(void **state)
{
	(void)state;
	struct conn c;
	struct records r;
	struct buf in;
	buf_init(&in, BUF_UNLIMITED);
	open_conn(&c, TLS_SERVER, AES128);
	peers_keys(&c, false, &r);
	records_seal(&r, REC_ALERT, SLICE_LIT("\x01\0"), &in);
	records_seal(&r, REC_DATA, SLICE_LIT("<iq/>"), &in);
	feed(&c, buf_peek(&in), 0);
	feed(&c, buf_peek(&in), 0);
	assert_int_equal(tls_state(c.us), TLS_CLOSED);
	assert_int_equal(buf_len(&c.plain), 0);
	buf_fini(&in);
	conn_free(&c);
}

static void an_end_without_close_notify_leaves_it_up(void **state)
{
	(void)state;
	struct conn c;
	open_conn(&c, TLS_SERVER, AES128);
	conn_peer_say(&c, "half a stan");
	conn_run(&c);
	/* The caller sees the FIN and finds TLS_UP: truncation (T19). */
	assert_int_equal(tls_state(c.us), TLS_UP);
	conn_free(&c);
}

static void a_server_with_tickets_is_no_trouble_for_our_client(void **state)
{
	(void)state;
	for (size_t tickets = 0; tickets <= 8; tickets += 4) {
		struct tls_params p = client_params();
		struct conn c;
		conn_init(&c, TLS_CLIENT);
		peer_uses(&c, &ec, NULL);
		SSL_CTX_set_num_tickets(c.ctx, tickets);
		conn_open(&c, &p, NULL);
		assert_true(conn_works(&c));
		conn_free(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_peers_key_update_is_obeyed_and_answered_when_it_asks),
		cmocka_unit_test(data_on_the_way_crosses_a_key_update),
		cmocka_unit_test(our_own_key_update_begins_both_counts_anew),
		cmocka_unit_test(a_request_is_not_repeated_while_it_is_unanswered),
		cmocka_unit_test(tls_1_2_cannot_take_new_keys_and_says_so),
		cmocka_unit_test(records_are_counted_in_both_directions),
		cmocka_unit_test(records_that_no_library_sends_are_judged),
		cmocka_unit_test(a_flood_is_ended_in_the_middle_of_one_read),
		cmocka_unit_test(answers_to_key_updates_are_as_many_as_the_requests),
		cmocka_unit_test(a_flipped_bit_anywhere_is_fatal),
		cmocka_unit_test(a_close_notify_is_an_end_and_not_a_failure),
		cmocka_unit_test(what_comes_behind_a_close_notify_is_not_read),
		cmocka_unit_test(an_end_without_close_notify_leaves_it_up),
		cmocka_unit_test(a_server_with_tickets_is_no_trouble_for_our_client),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
