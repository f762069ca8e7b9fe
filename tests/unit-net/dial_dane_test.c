/* A dial where DNSSEC is at work: what must be known before anybody connects (RFC 7673 3). */
#include "lib/dial_owner.h"
#include "lib/own_network.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#define HASH  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HASH2 "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* Connected, and the socket is still the owner's. */
static struct dial_endpoint endpoint(void)
{
	assert_int_equal(the.connected, 1);
	return dial_endpoint(&the.dial);
}

static int set_up(void **state)
{
	int failed = dial_set_up(state);
	fake_ports[0] = listen_at("127.0.0.1", 0, false);
	fake_ports[1] = listen_at("127.0.0.1", 0, false);
	return failed;
}

/* RFC 7673 3.1 to 3.4: each row differs in the fact that its title names. asked: how often for the
 * target's TLSA records; why: of the dial, ERR_OK: it connects. */
struct row {
	const char *title;
	bool srv_secure;
	enum resolve_status a_status;
	bool a_secure;
	struct fake_record tlsa;
	unsigned asked;
	enum err_code why, dane;
	bool second_name;
};

static const struct row rows[] = {
	{"all secure, usable records", true, RESOLVE_DATA, true,
		{"x.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH, 0}, 1, ERR_OK, ERR_OK,
		true},
	{"SRV insecure", false, RESOLVE_DATA, true,
		{"x.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH, 0}, 0, ERR_OK,
		ERR_DANE_INSECURE, false},
	{"addresses insecure", true, RESOLVE_DATA, false,
		{"x.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH, 0}, 0, ERR_OK,
		ERR_DANE_INSECURE, true},
	{"addresses bogus", true, RESOLVE_BOGUS, false,
		{"x.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH, 0}, 0, ERR_DNS_BOGUS,
		0, false},
	{"no TLSA records", true, RESOLVE_DATA, true,
		{"x.example", FAKE_TLSA, RESOLVE_NONE, "secure", 0}, 1, ERR_OK, ERR_DANE_NONE,
		true},
	{"TLSA insecure", true, RESOLVE_DATA, true,
		{"x.example", FAKE_TLSA, RESOLVE_DATA, "3 1 1 " HASH, 0}, 1, ERR_OK, ERR_DANE_NONE,
		true},
	{"TLSA of unknown usage", true, RESOLVE_DATA, true,
		{"x.example", FAKE_TLSA, RESOLVE_DATA, "secure 255 1 1 " HASH, 0}, 1, ERR_OK,
		ERR_DANE_UNUSABLE, true},
	{"TLSA bogus", true, RESOLVE_DATA, true, {"x.example", FAKE_TLSA, RESOLVE_BOGUS, NULL, 0},
		1, ERR_DANE_FAILED, 0, false},
	{"TLSA SERVFAIL", true, RESOLVE_DATA, true,
		{"x.example", FAKE_TLSA, RESOLVE_FAILED, NULL, 0}, 1, ERR_DANE_FAILED, 0, false},
	{"TLSA not answered", true, RESOLVE_DATA, true,
		{"x.example", FAKE_TLSA, RESOLVE_TIMEOUT, NULL, 0}, 1, ERR_DANE_FAILED, 0, false},
};

static void dial_row(const struct row *r)
{
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA,
				r->srv_secure ? "secure 1 @0 x.example" : "1 @0 x.example", 0},
		{"x.example", FAKE_A, r->a_status,
			r->a_status != RESOLVE_DATA ? NULL
			: r->a_secure               ? "secure 127.0.0.1"
						    : "127.0.0.1",
			0},
		r->tlsa));
	assert_int_equal(fake_dns_asked("x.example", FAKE_TLSA), r->asked);
	assert_int_equal(the.failed ? the.why.code : ERR_OK, r->why);
	assert_int_equal(dial_listener_has_caller(0), r->why == ERR_OK);
	if (r->why != ERR_OK)
		return;
	struct dial_endpoint e = endpoint();
	assert_int_equal(e.dane.code, r->dane);
	assert_int_equal(e.port, fake_ports[0]);
	assert_int_equal(domain_is_set(&e.target), r->second_name);
	assert_int_equal(e.tlsa && e.tlsa->count, r->dane == ERR_OK);
	dial_stop(&the.dial);
}

/* DANE-1, DANE-3, D01, D04 */
static void what_is_secure_decides_what_is_asked_and_who_is_dialled(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		print_message("           %s\n", rows[i].title);
		dial_row(&rows[i]);
	}
}

static void the_shortest_ttl_counts(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA,
					i == 0 ? "secure ttl=100 1 @0 x.example"
					       : "secure ttl=900 1 @0 x.example",
					0},
			{"x.example", FAKE_A, RESOLVE_DATA,
				i == 1 ? "secure ttl=101 127.0.0.1" : "secure ttl=900 127.0.0.1",
				0},
			{"x.example", FAKE_TLSA, RESOLVE_DATA,
				i == 2 ? "secure ttl=102 3 1 1 " HASH
				       : "secure ttl=900 3 1 1 " HASH,
				0}));
		struct dial_endpoint e = endpoint();
		assert_int_equal(e.ttl, 100 + i);
		dial_stop(&the.dial);
	}
}

/* RFC 7673 3.2: bogus addresses of one family spoil the endpoint, whenever they come. */
static void bogus_addresses_of_one_family_keep_us_from_the_other(void **state)
{
	(void)state;
	for (int late = 0; late < 2; late++) {
		dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA,
					"secure 1 @0 x.example, 2 @1 y.example", 0},
			{"x.example", FAKE_A, RESOLVE_DATA, "secure 127.0.0.1", late ? 1 : 20},
			{"x.example", FAKE_AAAA, RESOLVE_BOGUS, NULL, late ? 20 : 1},
			{"y.example", FAKE_A, RESOLVE_DATA, "secure 127.0.0.1", 0}));
		assert_int_equal(the.connected, 1);
		assert_int_equal(the.port, fake_ports[1]);
		dial_stop(&the.dial);
	}
}

/* RFC 7673 3.4: other targets may be tried. */
static void a_target_whose_records_cannot_be_had_is_passed_over(void **state)
{
	(void)state;
	dial_it(RECORDS(
		{"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 @0 x.example, 2 @1 y.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "secure 127.0.0.1", 0},
		{"x.example", FAKE_TLSA, RESOLVE_TIMEOUT, NULL, 0},
		{"y.example", FAKE_A, RESOLVE_DATA, "secure 127.0.0.1", 0},
		{"y.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH, 0}));
	assert_int_equal(the.port, fake_ports[1]);
	assert_string_equal(endpoint().target.name, "y.example");
	assert_false(dial_listener_has_caller(0));
}

/* DANE-1: a mismatch is final for the endpoint, with all its addresses. */
static void a_target_that_is_skipped_is_not_dialled_at_its_other_addresses(void **state)
{
	(void)state;
	(void)listen_at("127.0.0.2", fake_ports[0], false);
	for (int skip = 0; skip < 2; skip++) {
		dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA,
					"secure 1 @0 x.example, 2 @1 y.example", 0},
			{"x.example", FAKE_A, RESOLVE_DATA, "secure 127.0.0.1, 127.0.0.2", 0},
			{"y.example", FAKE_A, RESOLVE_DATA, "secure 127.0.0.1", 0}));
		assert_string_equal(the.where, "127.0.0.1");
		assert_int_equal(the.port, fake_ports[0]);
		the.connected = 0;
		if (skip)
			dial_skip_target(&the.dial);
		dial_next(&the.dial, err_make(ERR_DANE_MISMATCH));
		assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 5000));
		assert_string_equal(the.where, skip ? "127.0.0.1" : "127.0.0.2");
		assert_int_equal(the.port, fake_ports[skip]);
		dial_stop(&the.dial);
	}
}

/* DANE-4, RFC 7712 5.1 */
static void without_srv_records_there_is_no_dane(void **state)
{
	(void)state;
	(void)listen_at("127.77.5.1", 5269, false);
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_NONE, "secure", 0},
		{"a.example", FAKE_SRV_DIRECT, RESOLVE_NONE, "secure", 0},
		{"a.example", FAKE_A, RESOLVE_DATA, "secure 127.77.5.1", 0},
		{"a.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH, 0}));
	assert_int_equal(the.connected, 1);
	assert_int_equal(fake_dns_asked("a.example", FAKE_TLSA), 0);
	struct dial_endpoint e = endpoint();
	assert_false(domain_is_set(&e.target));
	assert_int_equal(e.dane.code, ERR_DANE_INSECURE);
}

/* Each service's records are vouched for by themselves. */
static void one_services_signature_says_nothing_of_the_other(void **state)
{
	(void)state;
	for (int direct_first = 0; direct_first < 2; direct_first++) {
		dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "5 @0 x.example", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_DATA,
				direct_first ? "secure 1 @1 x.example" : "secure 9 @1 x.example",
				0},
			{"x.example", FAKE_A, RESOLVE_DATA, "secure 127.0.0.1", 0},
			{"x.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH, 0}));
		assert_int_equal(the.direct, direct_first);
		struct dial_endpoint e = endpoint();
		assert_int_equal(err_is(e.dane), !direct_first);
		assert_int_equal(domain_is_set(&e.target), direct_first);
		dial_stop(&the.dial);
	}
}

/* DANE-7, RFC 7671 7: the name at the end of a secure chain first, then the one in the SRV record;
 * behind an insecure chain the addresses are insecure, and nothing is asked for. */
static void an_alias_leads_to_the_base_domain_where_all_of_it_is_secure(void **state)
{
	(void)state;
	static const struct {
		bool secure;
		enum resolve_status at_end;
		unsigned asked_end, asked_first;
		const char *base;
		enum err_code dane;
	} cases[] = {
		{true, RESOLVE_DATA, 1, 0, "end.example", ERR_OK},
		{true, RESOLVE_NONE, 1, 1, "x.example", ERR_OK},
		{false, RESOLVE_DATA, 0, 0, "x.example", ERR_DANE_INSECURE},
	};
	for (size_t i = 0; i < 3; i++) {
		dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 @0 x.example", 0},
			{"x.example", FAKE_A, RESOLVE_DATA,
				cases[i].secure ? "secure alias=end.example 127.0.0.1"
						: "alias=end.example 127.0.0.1",
				0},
			{"end.example", FAKE_TLSA, cases[i].at_end,
				cases[i].at_end == RESOLVE_DATA ? "secure 3 1 1 " HASH : "secure",
				0},
			{"x.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH2, 0}));
		struct dial_endpoint e = endpoint();
		assert_int_equal(fake_dns_asked("end.example", FAKE_TLSA), cases[i].asked_end);
		assert_int_equal(fake_dns_asked("x.example", FAKE_TLSA), cases[i].asked_first);
		assert_string_equal(e.base.name, cases[i].base);
		assert_string_equal(e.target.name, "x.example"); /* DANE-3: still {R, H} */
		assert_int_equal(e.dane.code, cases[i].dane);
		dial_stop(&the.dial);
	}
}

/* RFC 7673 3.4: bogus at the end of the chain is no reason to look elsewhere. */
static void a_bogus_answer_behind_an_alias_is_final(void **state)
{
	(void)state;
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 @0 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "secure alias=end.example 127.0.0.1", 0},
		{"end.example", FAKE_TLSA, RESOLVE_BOGUS, NULL, 0},
		{"x.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH2, 0}));
	assert_int_equal(the.why.code, ERR_DANE_FAILED);
	assert_int_equal(fake_dns_asked("x.example", FAKE_TLSA), 0);
}

static void where_dane_is_off_nothing_is_asked_but_the_target_is_known(void **state)
{
	(void)state;
	the.f->gate.proofs_dane = false;
	dial_it(RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 @0 x.example", 0},
		{"x.example", FAKE_A, RESOLVE_DATA, "secure 127.0.0.1", 0},
		{"x.example", FAKE_TLSA, RESOLVE_BOGUS, NULL, 0}));
	assert_int_equal(fake_dns_asked("x.example", FAKE_TLSA), 0);
	assert_string_equal(endpoint().target.name, "x.example");
}

/* P18: looking whether a domain points here needs none of it. */
static void looking_asks_for_no_records(void **state)
{
	(void)state;
	struct domain d = the_domain();
	fake_dns_use(
		the.f, RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 @0 x.example", 0},
			       {"x.example", FAKE_A, RESOLVE_DATA, "secure 127.0.0.1", 0},
			       {"x.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH, 0}));
	dial_look(&the.dial, &the.f->w, &d, &the_events, &the);
	assert_true(fake_worker_run(the.f, the_dial_is_over, NULL, 500));
	assert_int_equal(fake_dns_asked("x.example", FAKE_TLSA), 0);
}

#define DANE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, dial_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DANE_TEST(what_is_secure_decides_what_is_asked_and_who_is_dialled),
		DANE_TEST(the_shortest_ttl_counts),
		DANE_TEST(bogus_addresses_of_one_family_keep_us_from_the_other),
		DANE_TEST(a_target_whose_records_cannot_be_had_is_passed_over),
		DANE_TEST(a_target_that_is_skipped_is_not_dialled_at_its_other_addresses),
		DANE_TEST(without_srv_records_there_is_no_dane),
		DANE_TEST(one_services_signature_says_nothing_of_the_other),
		DANE_TEST(an_alias_leads_to_the_base_domain_where_all_of_it_is_secure),
		DANE_TEST(a_bogus_answer_behind_an_alias_is_final),
		DANE_TEST(where_dane_is_off_nothing_is_asked_but_the_target_is_known),
		DANE_TEST(looking_asks_for_no_records),
	};
	return cmocka_run_group_tests(tests, own_network, NULL); /* one of them needs port 5269 */
}
