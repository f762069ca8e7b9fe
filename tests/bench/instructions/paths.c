/* The hot paths of the gate, each run a fixed number of times, for callgrind to count. What is
 * counted stands in functions called measured_*, or, for the handshake, in tls_input itself: all
 * that prepares it, and the other end, is left out.
 *
 *   paths scan|judge|record|handshake|route */
#include "core/relay.h"
#include "core/route.h"
#include "lib/dial_owner.h"
#include "lib/served.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 16384, STANZAS = 400, RECORDS = 200, RECORD = 500, SHAKES = 20, PUSHES = 400 };

#define OPEN_HEADER                                                                                \
	"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "    \
	"xmlns:db='jabber:server:dialback' xmlns:x='urn:example:x' version='1.0'>"
#define BODY                                                                                       \
	"<body>Not all those who wander are lost; the old that is strong does not wither, deep "   \
	"roots are not reached by the frost. &lt;3</body><active "                                 \
	"xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>"      \
	"<origin-id xmlns='urn:xmpp:sid:0' id='0d1f6a57-6a3c-4f9e-8f0a-3b2f6c1d7e55'/>"
#define MESSAGE(more)                                                                              \
	"<message from='bilbo@a.example/desk' to='frodo@shire.example/garden' type='chat' "        \
	"id='m17'>" BODY more "</message>"

#define MEASURED __attribute__((noinline))

/* ---- the scanner, in steady state ---- */

static struct scan *opened(void)
{
	struct scan *s = scan_new(&scan_limits_proven);
	struct slice header = SLICE_LIT(OPEN_HEADER);
	assert_int_equal(scan_next(s, &header), SCAN_HEADER);
	return s;
}

MEASURED static size_t measured_scan(struct scan *s, struct slice bytes)
{
	size_t found = 0;
	for (size_t at = 0; at < bytes.len; at += CHUNK) {
		size_t length = bytes.len - at < CHUNK ? bytes.len - at : CHUNK;
		struct slice in = slice_of(bytes.ptr + at, length);
		while (scan_next(s, &in) == SCAN_ELEMENT)
			found++;
	}
	return found;
}

static void scan(void **state)
{
	(void)state;
	struct scan *s = opened();
	struct buf bytes;
	buf_init(&bytes, BUF_UNLIMITED);
	for (int i = 0; i < STANZAS; i++)
		(void)buf_append_str(&bytes, MESSAGE(""));
	assert_int_equal(measured_scan(s, buf_peek(&bytes)), STANZAS);
	buf_fini(&bytes);
	scan_free(s);
}

/* ---- a stanza judged and repaired: a prefix of the stream's header, another language ---- */

MEASURED static void measured_judge(
	struct worker *w, const struct pairs *pairs, const struct scan_element *e)
{
	for (int i = 0; i < STANZAS; i++) {
		struct relay r = relay_judge(w, pairs, e, "en", "de");
		assert_true(r.pair && r.bytes.len > e->raw.len);
	}
}

static void judge(void **state)
{
	(void)state;
	struct fake_worker *f = fake_worker_new();
	struct scan *s = opened();
	struct pairs pairs;
	struct domain from, to;
	pairs_init(&pairs);
	assert_false(err_is(domain_parse(SLICE_LIT("a.example"), &from)));
	assert_false(err_is(domain_parse(SLICE_LIT("shire.example"), &to)));
	pairs_add(&pairs, &from, &to)->state = PAIR_VALID;
	struct slice in = SLICE_LIT(MESSAGE("<x:y/>"));
	assert_int_equal(scan_next(s, &in), SCAN_ELEMENT);
	(void)relay_judge(&f->w, &pairs, scan_element(s), "en", "de");
	measured_judge(&f->w, &pairs, scan_element(s));
	pairs_fini(&pairs);
	scan_free(s);
	fake_worker_free(f);
}

/* ---- TLS: a record each way, and the server's side of a handshake ---- */

static struct made ec;
static struct credential *credential;
static struct served served;

static int tls_set_up(void **state)
{
	(void)state;
	ec = make_certificate((struct made_as){.key = MADE_P256, .name = "shire.example"});
	credential = made_credential(&ec, NULL);
	return 0;
}

static int tls_tear_down(void **state)
{
	(void)state;
	credential_release(credential);
	made_free(&ec);
	return 0;
}

static void shake(struct conn *c)
{
	served = (struct served){.credential = credential};
	struct tls_params p = served_params(&served);
	conn_init(c, TLS_SERVER);
	peer_uses(c, &ec, NULL);
	SSL_CTX_set_ciphersuites(c->ctx, "TLS_AES_128_GCM_SHA256");
	conn_open(c, &p, "shire.example");
	conn_run(c);
	assert_int_equal(tls_state(c->us), TLS_UP);
}

MEASURED static void measured_record(
	struct tls *t, struct slice in, struct buf *plain, struct slice out, struct buf *wire)
{
	assert_int_equal(tls_input(t, in, plain, wire), TLS_UP);
	assert_false(err_is(tls_output(t, out, wire)));
}

static void record(void **state)
{
	(void)state;
	char text[RECORD], sealed[2 * RECORD];
	struct conn c;
	struct buf plain, wire;
	shake(&c);
	buf_init(&plain, BUF_UNLIMITED);
	buf_init(&wire, BUF_UNLIMITED);
	memset(text, 'x', sizeof text);
	for (int i = 0; i < RECORDS; i++) {
		assert_int_equal(SSL_write(c.peer, text, sizeof text), sizeof text);
		int length = BIO_read(c.from_peer, sealed, sizeof sealed);
		assert_true(length > RECORD);
		buf_clear(&plain);
		buf_clear(&wire);
		measured_record(c.us, slice_of(sealed, (size_t)length), &plain,
			slice_of(text, sizeof text), &wire);
		assert_int_equal(buf_len(&plain), sizeof text);
		assert_true(buf_len(&wire) > sizeof text);
	}
	buf_fini(&plain);
	buf_fini(&wire);
	conn_free(&c);
}

static void handshake(void **state)
{
	(void)state;
	for (int i = 0; i < SHAKES; i++) {
		struct conn c;
		shake(&c);
		conn_free(&c);
	}
}

/* ---- a route: stanzas pushed, and pumped into the backend's connection ---- */

#define ANSWER                                                                                     \
	"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"     \
	" xmlns:db='jabber:server:dialback' from='shire.example' to='a.example' id='x'"            \
	" version='1.0'><stream:features><dialback xmlns='urn:xmpp:features:dialback'/>"           \
	"</stream:features><db:result from='shire.example' to='a.example' type='valid'/>"

static const struct fake_record nowhere = {
	"a.example", FAKE_SRV, RESOLVE_NONE, "1 5269 x.example", 0};
static struct address backend;
static struct tenant tenant;
static int listener, far, shared_fd;

static void on_event(void *owner)
{
	(void)owner;
}

static bool on_failed(void *owner, struct err why, const char *condition, const char *text)
{
	(void)owner;
	(void)why;
	(void)condition;
	(void)text;
	return false;
}

static const struct route_events events = {
	.room = on_event, .ready = on_event, .failed = on_failed};

static void turn(uint64_t ms)
{
	(void)fake_worker_run(the.f, NULL, NULL, ms);
}

static int route_set_up(void **state)
{
	int failed = dial_set_up(state);
	struct sockaddr_in *at = (struct sockaddr_in *)&backend.sa;
	backend.len = sizeof *at;
	*at = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)at, sizeof *at), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)at, &backend.len), 0);
	tenant = (struct tenant){.refs = 1, .backends = {.items = &backend, .count = 1}};
	assert_false(err_is(domain_parse(SLICE_LIT("shire.example"), &tenant.domain)));
	the.f->w.shared = shared_create(&shared_fd);
	the.f->gate.idle_seconds = 600;
	fake_dns_use(the.f, &nowhere, 1);
	return failed;
}

static int route_tear_down(void **state)
{
	shared_unmap(the.f->w.shared);
	close(shared_fd);
	close(listener);
	close(far);
	return dial_tear_down(state);
}

MEASURED static void measured_route(struct route *r, struct slice stanza)
{
	route_push(r, stanza);
	(void)uv_run(the.f->w.loop, UV_RUN_NOWAIT);
}

static bool all_gone(void *unused)
{
	(void)unused;
	return the.f->w.outgoings == NULL;
}

static void route(void **state)
{
	(void)state;
	char bytes[CHUNK];
	struct slice stanza = SLICE_LIT(MESSAGE(""));
	struct route_config config = {.from = the_domain(),
		.to = tenant.domain,
		.forward_tenant = &tenant,
		.forward_backend = true,
		.back_tenant = &tenant,
		.session = "0123456789abcdef"};
	struct route *r = route_new(&the.f->w, &config, &events, NULL);
	route_push(r, stanza);
	turn(200);
	far = accept(listener, NULL, NULL);
	assert_true(far >= 0);
	assert_true(send(far, ANSWER, strlen(ANSWER), MSG_NOSIGNAL) > 0);
	turn(400);
	assert_true(route_is_ready(r));
	assert_true(recv(far, bytes, sizeof bytes, MSG_DONTWAIT) > 0);
	for (int i = 0; i < PUSHES; i++) {
		measured_route(r, stanza);
		assert_int_equal(recv(far, bytes, sizeof bytes, MSG_DONTWAIT), stanza.len);
	}
	route_close(r);
	close(far);
	far = -1;
	assert_true(fake_worker_run(the.f, all_gone, NULL, 10000));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest paths[] = {
		cmocka_unit_test(scan),
		cmocka_unit_test(judge),
		cmocka_unit_test_setup_teardown(record, tls_set_up, tls_tear_down),
		cmocka_unit_test_setup_teardown(handshake, tls_set_up, tls_tear_down),
		cmocka_unit_test_setup_teardown(route, route_set_up, route_tear_down),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(paths, NULL, NULL);
}
