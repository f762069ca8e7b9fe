/* What DNS means for a dial, and who is never dialled. */
#include "lib/dial_owner.h"
#include "lib/own_network.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* ---- what DNS means ---- */

static void an_srv_record_leads_to_its_target_and_port(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.1", 0, false);
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "5 @0 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.1", 0}));
	assert_int_equal(the.connected, 1);
	assert_int_equal(the.port, fake_ports[0]);
	assert_false(the.direct);
}

static void both_services_are_one_list_by_priority(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.1", 0, false);
	fake_ports[1] = listen_at("127.0.0.1", 0, false);
	for (int direct_first = 0; direct_first < 2; direct_first++) {
		dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "5 @0 x.example", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_DATA,
				direct_first ? "1 @1 x.example" : "9 @1 x.example", 0},
			{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.1", 0}));
		assert_int_equal(the.direct, direct_first);
		assert_int_equal(the.port, fake_ports[direct_first]);
		dial_stop(&the.dial);
	}
}

/* RFC 6120 3.2.2 */
static void without_srv_records_the_domain_itself_is_dialled(void **state)
{
	(void)state;
	(void)listen_at("127.77.5.1", 5269, false);
	dial_it(RECORDS({"a.example", FAKE_A, RESOLVE_DATA, "127.77.5.1", 0}));
	assert_int_equal(the.connected, 1);
	assert_int_equal(the.port, 5269);
	assert_false(the.direct);
}

/* DNS-1, DNS-3, D05, D07: four failures, four reasons, and only "none" leads to the fall-back. */
static void kinds_of_failure_stay_apart(void **state)
{
	(void)state;
	static const struct {
		const char *title;
		struct fake_record srv, direct;
		enum err_code why;
		unsigned fallback;
	} rows[] = {
		{"none", {"a.example", FAKE_SRV, RESOLVE_NONE, NULL, 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_NONE, NULL, 0}, ERR_DNS_NONE, 1},
		{"SERVFAIL", {"a.example", FAKE_SRV, RESOLVE_FAILED, NULL, 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_NONE, NULL, 0}, ERR_DNS_FAILED, 0},
		{"timeout", {"a.example", FAKE_SRV, RESOLVE_TIMEOUT, NULL, 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_NONE, NULL, 0}, ERR_DNS_TIMEOUT, 0},
		{"bogus", {"a.example", FAKE_SRV, RESOLVE_BOGUS, NULL, 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_NONE, NULL, 0}, ERR_DNS_BOGUS, 0},
		{"xmpps bogus", {"a.example", FAKE_SRV, RESOLVE_DATA, "1 1 x.example", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_BOGUS, NULL, 0}, ERR_DNS_BOGUS, 0},
		{"xmpps SERVFAIL", {"a.example", FAKE_SRV, RESOLVE_NONE, NULL, 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_FAILED, NULL, 0}, ERR_DNS_FAILED, 0},
		{"\".\"", {"a.example", FAKE_SRV, RESOLVE_DATA, "0 0 .", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_NONE, NULL, 0}, ERR_DNS_NO_SERVICE,
			0},
		/* XEP-0368 5: no direct TLS, and no fall-back either */
		{"xmpps \".\"", {"a.example", FAKE_SRV, RESOLVE_NONE, NULL, 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_DATA, "0 0 .", 0},
			ERR_DNS_NO_SERVICE, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		dial_it(RECORDS(rows[i].srv, rows[i].direct));
		assert_int_equal(the.failed, 1);
		if (the.why.code != rows[i].why)
			fail_msg("%s: %s", rows[i].title, err_row(the.why.code)->symbol);
		assert_int_equal(fake_dns_asked("a.example", FAKE_A), rows[i].fallback);
	}
}

static void a_target_whose_lookup_fails_is_passed_over(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.1", 0, false);
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example, 2 @0 y.example", 0},
		{"x.example", FAKE_A, RESOLVE_FAILED, NULL, 0},
		{"x.example", FAKE_AAAA, RESOLVE_TIMEOUT, NULL, 30},
		{"y.example", FAKE_A, RESOLVE_DATA, "127.0.0.1", 0}));
	assert_int_equal(the.connected, 1);
}

/* ---- who is never dialled ---- */

/* DNS-10, P01 */
static void private_addresses_are_dialled_by_permission_only(void **state)
{
	(void)state;
	fake_ports[0] = listen_at("127.0.0.1", 0, false);
	(void)listen_at("127.0.0.9", fake_ports[0], false);
	the.f->gate.allow_private.count = 0;
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.1, 10.0.0.1, 169.254.169.254", 0},
		{"x.example", FAKE_AAAA, RESOLVE_DATA, "::1, ::ffff:127.0.0.1, fe80::1", 0}));
	assert_int_equal(the.failed, 1);
	assert_int_equal(the.why.code, ERR_ADDRESS_BLOCKED);

	struct network one = {.family = AF_INET, .prefix = {127, 0, 0, 9}, .bits = 32};
	the.f->gate.allow_private = (struct network_list){.items = &one, .count = 1};
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.1, 127.0.0.9", 0}));
	assert_string_equal(the.where, "127.0.0.9");
}

/* DNS-8 */
static void we_never_dial_ourselves(void **state)
{
	(void)state;
	static const struct {
		const char *listen, *target;
		bool ours;
	} rows[] = {
		{"127.0.0.1", "127.0.0.1", true},
		{"127.0.0.2", "127.0.0.1", false}, /* another address, the same port */
		{"0.0.0.0", "127.0.0.1", true},
		{"0.0.0.0", "127.0.0.3", false}, /* not an address of this machine, as it were */
	};
	fake_ports[0] = listen_at("127.0.0.1", 0, false);
	(void)listen_at("127.0.0.3", fake_ports[0], false);
	the.f->own[0] = own_listener("127.0.0.1", 0).sa;
	the.f->own_count = 1;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct address own = own_listener(rows[i].listen, fake_ports[0]);
		the.f->gate.listen = (struct address_list){.items = &own, .count = 1};
		dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example", 0},
			{"x.example", FAKE_A, RESOLVE_DATA, rows[i].target, 0}));
		assert_int_equal(the.failed, rows[i].ours);
		if (rows[i].ours)
			assert_int_equal(the.why.code, ERR_DNS_LOOP);
		dial_stop(&the.dial);
	}
	/* Another port of this machine is somebody else. */
	struct address own = own_listener("127.0.0.1", fake_ports[0] ^ 1);
	the.f->gate.listen = (struct address_list){.items = &own, .count = 1};
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "1 @0 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.1", 0}));
	assert_int_equal(the.connected, 1);
	the.f->gate.listen.count = 0;
}

static void dial_name(const char *name, bool stranger)
{
	struct domain d;
	assert_false(err_is(domain_parse(slice_str(name), &d)));
	the.connected = the.failed = 0;
	uv_update_time(&the.f->loop);
	dial_peer(&the.dial, &the.f->w, &d, stranger ? DIAL_STRANGER_MAX : DIAL_CANDIDATES_MAX,
		&the_events, &the);
	assert_int_equal(the.connected + the.failed, 0); /* never from inside the call */
	assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 5000));
}

/* B08: each row is a name, and whether DNS is asked about it where peers may, and where they may
 * not, live in private networks. */
static void names_that_public_dns_cannot_know_are_not_asked_for(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool in_private, in_public;
	} rows[] = {
		{"a.example", true, true},
		{"prosody", true, false},
		{"xmpp.local", true, false},
		{"xmpp.corp.internal", true, false},
		{"localhost", false, false},
		{"a.onion", false, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (int private = 0; private < 2; private ++) {
			bool asks = private ? rows[i].in_private : rows[i].in_public;
			the.f->gate.allow_private.count = private ? 2 : 0;
			fake_dns_use(the.f, NULL, 0);
			dial_name(rows[i].name, true);
			assert_int_equal(fake_dns_asked(rows[i].name, FAKE_SRV), asks);
			assert_int_equal(fake_dns_asked(rows[i].name, FAKE_A), asks);
			assert_int_equal(the.why.code, asks ? ERR_DNS_NONE : ERR_DNS_SPECIAL);
		}
	}
}

/* DB-15, P18: for a stranger we knock at eight doors at most, whatever its zone says. */
static void a_stranger_cannot_send_us_to_many_places(void **state)
{
	(void)state;
	char srv[2000] = "";
	for (int i = 0; i < 20; i++) {
		size_t len = strlen(srv);
		(void)snprintf(srv + len, sizeof srv - len, "%s1 @0 t%d.example", i ? ", " : "", i);
	}
	fake_ports[0] = refused_port();
	struct fake_record records[21] = {{"a.example", FAKE_SRV, RESOLVE_DATA, srv, 0}};
	char names[20][16];
	for (int i = 0; i < 20; i++) {
		(void)snprintf(names[i], sizeof names[i], "t%d.example", i);
		records[1 + i] = (struct fake_record){
			names[i], FAKE_A, RESOLVE_DATA, "127.0.0.21, 127.0.0.22, 127.0.0.23", 0};
	}
	for (int stranger = 0; stranger < 2; stranger++) {
		unsigned targets = 0;
		fake_dns_use(the.f, records, 21);
		dial_name("a.example", stranger);
		for (int i = 0; i < 20; i++)
			targets += fake_dns_asked(names[i], FAKE_A);
		assert_int_equal(the.dial.candidate_count, stranger ? DIAL_STRANGER_MAX : 60);
		assert_int_equal(targets, stranger ? 3 : 20);
	}
	/* Nor to look up many names that are not there. */
	unsigned targets = 0;
	fake_dns_use(the.f, records, 1);
	dial_name("a.example", true);
	for (int i = 0; i < 20; i++)
		targets += fake_dns_asked(names[i], FAKE_A);
	assert_int_equal(targets, DIAL_STRANGER_MAX);
}

static void looking_tells_whether_dns_points_here_and_connects_to_nobody(void **state)
{
	(void)state;
	struct domain d = the_domain();
	fake_ports[0] = listen_at("127.0.0.1", 0, false);
	fake_ports[1] = listen_at("127.0.0.1", 0, false);
	struct address own = own_listener("127.0.0.1", fake_ports[1]);
	the.f->gate.listen = (struct address_list){.items = &own, .count = 1};
	for (int here = 0; here < 2; here++) {
		fake_dns_use(the.f,
			RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA,
					here ? "1 @0 x.example, 2 @1 x.example" : "1 @0 x.example",
					0},
				{"x.example", FAKE_A, RESOLVE_DATA, "127.0.0.1", 0}));
		the.failed = 0;
		dial_look(&the.dial, &the.f->w, &d, &the_events, &the);
		assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 500));
		assert_int_equal(the.connected, 0);
		assert_int_equal(err_is(the.why), !here);
	}
	assert_false(dial_listener_has_caller(0));
	the.f->gate.listen.count = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIAL_TEST(an_srv_record_leads_to_its_target_and_port),
		DIAL_TEST(both_services_are_one_list_by_priority),
		DIAL_TEST(without_srv_records_the_domain_itself_is_dialled),
		DIAL_TEST(kinds_of_failure_stay_apart),
		DIAL_TEST(a_target_whose_lookup_fails_is_passed_over),
		DIAL_TEST(private_addresses_are_dialled_by_permission_only),
		DIAL_TEST(we_never_dial_ourselves),
		DIAL_TEST(names_that_public_dns_cannot_know_are_not_asked_for),
		DIAL_TEST(a_stranger_cannot_send_us_to_many_places),
		DIAL_TEST(looking_tells_whether_dns_points_here_and_connects_to_nobody),
	};
	return cmocka_run_group_tests(tests, own_network, NULL); /* one of them needs port 5269 */
}
