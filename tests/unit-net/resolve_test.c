/* The resolver against a real DNS server on loopback (tests/unit-net/dns_server.py). */
#include "lib/dns_server.h"
#include "lib/fake_worker.h"
#include "net/resolve.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- asking ---- */

enum { TIMEOUT_MS = 1500 };

struct tlsa_seen {
	size_t count, dropped, first_len;
	unsigned char first[8];
};

struct questioner {
	struct fake_worker *f;
	struct resolver *resolver;
	struct resolve_answer answers[100];
	size_t count, want;
	struct tlsa_seen tlsa; /* of the last TLSA answer */
	bool free_in_callback;
};

static struct questioner the;

/* The records are borrowed: what the test wants to see is kept. */
static void note_tlsa(struct tlsa_seen *seen, const struct resolve_raw *raw)
{
	*seen = (struct tlsa_seen){.count = raw->count, .dropped = raw->dropped};
	if (!raw->count)
		return;
	seen->first_len = raw->rdata[0].len;
	memcpy(seen->first, raw->rdata[0].ptr,
		seen->first_len < sizeof seen->first ? seen->first_len : sizeof seen->first);
}

static void on_done(void *arg, const struct resolve_answer *answer)
{
	struct questioner *a = arg;
	a->answers[a->count++] = *answer;
	if (answer->raw)
		note_tlsa(&a->tlsa, answer->raw);
	if (a->free_in_callback && a->resolver) {
		resolver_free(a->resolver);
		a->resolver = NULL;
	}
}

static void open_resolver(const char *to, const char *anchor_file, unsigned max_pending)
{
	struct err e;
	struct resolve_config c = {.forward = to,
		.trust_anchor = anchor_file,
		.timeout_ms = TIMEOUT_MS,
		.max_pending = max_pending};
	the.resolver = resolver_new(&the.f->loop, &c, on_done, &the, &e);
	assert_non_null(the.resolver);
	assert_false(err_is(e));
}

static int set_up(void **state)
{
	(void)state;
	the = (struct questioner){.f = fake_worker_new()};
	open_resolver(dns_forward, dns_anchor, 100);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (the.resolver)
		resolver_free(the.resolver);
	fake_worker_free(the.f);
	return 0;
}

/* SRV: 0; SRV_DIRECT: 1; AF_INET, AF_INET6; ROOT; TLSA + PORT */
enum { ROOT = 1000, TLSA = 100000 };

static void ask(const char *name, int type)
{
	struct domain d = {0};
	struct ticket t = {(uint32_t)the.want, 40};
	d.len = (uint8_t)strlen(name);
	memcpy(d.name, name, d.len);
	the.want++;
	if (type >= TLSA)
		resolve_tlsa(the.resolver, &d, (uint16_t)(type - TLSA), t, type);
	else if (type == ROOT)
		resolve_root(the.resolver, t, type);
	else if (type == AF_INET || type == AF_INET6)
		resolve_addr(the.resolver, &d, type, t, 10 + type);
	else
		resolve_srv(the.resolver, type ? "_xmpps-server._tcp" : "_xmpp-server._tcp", &d, t,
			type);
}

static bool all_there(void *unused)
{
	(void)unused;
	return the.count >= the.want;
}

/* The answer to one question. */
static const struct resolve_answer *answer_to(const char *name, int type)
{
	the.count = the.want = 0;
	the.tlsa = (struct tlsa_seen){0};
	ask(name, type);
	assert_int_equal(the.count, 0); /* never from inside the call */
	assert_true(fake_worker_run(the.f, all_there, NULL, 6000));
	assert_int_equal(the.count, 1);
	return &the.answers[0];
}

#define SRV        0
#define SRV_DIRECT 1

static const char *address_text(const struct resolve_answer *a, size_t i)
{
	static char text[INET6_ADDRSTRLEN];
	const struct sockaddr_storage *sa = &a->addr[i];
	return inet_ntop(sa->ss_family,
		sa->ss_family == AF_INET
			? (const void *)&((const struct sockaddr_in *)sa)->sin_addr
			: (const void *)&((const struct sockaddr_in6 *)sa)->sin6_addr,
		text, sizeof text);
}

/* ---- answers ---- */

static void srv_records_are_read_with_ticket_and_tag(void **state)
{
	(void)state;
	const struct resolve_answer *a = answer_to("full.example", SRV);
	assert_int_equal(a->status, RESOLVE_DATA);
	assert_int_equal(a->ticket.slot, 0);
	assert_int_equal(a->ticket.gen, 40);
	assert_int_equal(a->tag, SRV);
	assert_int_equal(a->srv_count, 2);
	size_t first = a->srv[0].priority == 5 ? 0 : 1;
	assert_int_equal(a->srv[first].weight, 10);
	assert_int_equal(a->srv[first].port, 5269);
	assert_string_equal(a->srv[first].target.name, "x.full.example");
	assert_int_equal(a->srv[!first].priority, 10);
	assert_int_equal(a->srv[!first].weight, 65535);
	assert_string_equal(a->srv[!first].target.name, "y.full.example"); /* lower case */
	a = answer_to("full.example", SRV_DIRECT);
	assert_int_equal(a->srv_count, 1);
	assert_int_equal(a->srv[0].port, 5223);
}

static void addresses_of_both_families_are_read(void **state)
{
	(void)state;
	const struct resolve_answer *a = answer_to("x.full.example", AF_INET);
	assert_int_equal(a->status, RESOLVE_DATA);
	assert_int_equal(a->addr_count, 2);
	assert_int_equal(a->addr[0].ss_family, AF_INET);
	assert_int_equal(strncmp(address_text(a, 0), "192.0.2.", 8), 0);
	assert_int_equal(((const struct sockaddr_in *)&a->addr[0])->sin_port, 0);
	a = answer_to("x.full.example", AF_INET6);
	assert_int_equal(a->addr_count, 1);
	assert_string_equal(address_text(a, 0), "2001:db8::1");
}

/* DNS-1, D05 */
static void the_root_as_target_means_no_service(void **state)
{
	(void)state;
	const struct resolve_answer *a = answer_to("dot.example", SRV);
	assert_int_equal(a->status, RESOLVE_DATA);
	assert_int_equal(a->srv_count, 1);
	assert_true(a->srv[0].no_service);
}

/* DNS-4 */
static void cnames_are_followed(void **state)
{
	(void)state;
	const struct resolve_answer *a = answer_to("alias.example", SRV);
	assert_string_equal(a->srv[0].target.name, "c.alias.example");
	a = answer_to("c.alias.example", AF_INET);
	assert_int_equal(a->status, RESOLVE_DATA);
	assert_int_equal(a->addr_count, 2);
	a = answer_to("srvalias.example", SRV);
	assert_int_equal(a->srv_count, 2);
}

/* D05: port 0, bytes that no host name has, an address in place of a name */
static void records_that_cannot_be_dialled_are_left_out(void **state)
{
	(void)state;
	const struct resolve_answer *a = answer_to("odd.example", SRV);
	assert_int_equal(a->status, RESOLVE_DATA);
	assert_int_equal(a->srv_count, 1);
	assert_int_equal(a->srv[0].weight, 5);
	a = answer_to("onlyodd.example", SRV);
	/* There are records: this is not "none", nobody falls back to A. */
	assert_int_equal(a->status, RESOLVE_DATA);
	assert_int_equal(a->srv_count, 0);
}

/* DNS-3, D07 */
static void kinds_of_failure_stay_apart(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int type;
		enum resolve_status status;
		bool nxdomain;
	} rows[] = {
		{"nowhere.example", AF_INET, RESOLVE_NONE, true},
		{"nodata.example", AF_INET, RESOLVE_NONE, false},
		{"nodata.example", SRV, RESOLVE_NONE, true}, /* _tcp.nodata does not exist */
		{"x.servfail.example", SRV, RESOLVE_FAILED, false},
		{"x.refused.example", SRV, RESOLVE_FAILED, false},
		{"x.slow.example", SRV, RESOLVE_TIMEOUT, false},
		{"bogus.signed.example", AF_INET, RESOLVE_BOGUS, false}, /* D01 */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct resolve_answer *a = answer_to(rows[i].name, rows[i].type);
		if (a->status != rows[i].status || a->nxdomain != rows[i].nxdomain)
			fail_msg("%s: status %d nxdomain %d", rows[i].name, a->status, a->nxdomain);
		assert_int_equal(a->srv_count + a->addr_count, 0);
	}
	/* Bytes that are no answer: never "none". */
	const struct resolve_answer *a = answer_to("x.garbage.example", SRV);
	assert_true(a->status == RESOLVE_FAILED || a->status == RESOLVE_TIMEOUT);
}

/* DNS-6 */
static void validation_tells_secure_from_insecure_and_bogus(void **state)
{
	(void)state;
	assert_true(answer_to("www.signed.example", AF_INET)->secure);
	assert_true(answer_to("signed.example", SRV)->secure);
	const struct resolve_answer *a = answer_to("nothing.signed.example", AF_INET);
	assert_int_equal(a->status, RESOLVE_NONE);
	assert_true(a->secure);
	assert_false(answer_to("x.full.example", AF_INET)->secure);

	resolver_free(the.resolver);
	open_resolver(dns_forward, NULL, 100); /* nobody validates */
	assert_false(answer_to("www.signed.example", AF_INET)->secure);

	resolver_free(the.resolver);
	open_resolver(dns_forward, dns_wrong_anchor, 100);
	assert_int_equal(answer_to("www.signed.example", AF_INET)->status, RESOLVE_BOGUS);
	assert_int_equal(answer_to("x.full.example", AF_INET)->status, RESOLVE_DATA);
}

/* DNS-6, D01: never insecure, never without DNSSEC in a second try */
static void what_was_tampered_with_is_bogus(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int type;
	} rows[] = {
		{"stripped.signed.example", AF_INET},         /* no signature */
		{"nothing.stripped.signed.example", AF_INET}, /* no proof that there is none */
		{"stripped.signed.example", TLSA + 5269},     /* the attack on DANE alone */
		{"expired.signed.example", AF_INET},
		{"bogus.signed.example", AF_INET},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct resolve_answer *a = answer_to(rows[i].name, rows[i].type);
		if (a->status != RESOLVE_BOGUS || a->secure || a->addr_count || the.tlsa.count)
			fail_msg("%s: status %d", rows[i].name, a->status);
	}
}

/* ---- TLSA: DANE-2, RFC 7671 3 ---- */

static void tlsa_records_come_as_they_are(void **state)
{
	(void)state;
	const struct resolve_answer *a = answer_to("www.signed.example", TLSA + 5269);
	assert_int_equal(a->status, RESOLVE_DATA);
	assert_true(a->secure);
	assert_in_range(a->ttl, 599, 600);
	assert_int_equal(the.tlsa.count, 2);
	assert_int_equal(the.tlsa.first_len, 3 + 32);
	assert_int_equal(the.tlsa.first[3], 0xab);
	(void)answer_to("www.signed.example", TLSA + 5270); /* what makes no sense is not ours */
	assert_int_equal(the.tlsa.count, 1);
	assert_memory_equal(the.tlsa.first, "\377\11\11\0", 4);
	a = answer_to("www.signed.example", TLSA + 5272);
	assert_int_equal(a->status, RESOLVE_NONE);
	assert_true(a->secure);
	a = answer_to("x.full.example", TLSA + 5269);
	assert_int_equal(a->status, RESOLVE_DATA);
	assert_false(a->secure);
}

static void tlsa_records_are_cut_at_their_maximum(void **state)
{
	(void)state;
	(void)answer_to("www.signed.example", TLSA + 5271);
	assert_int_equal(the.tlsa.count, RESOLVE_RAW_MAX);
	assert_int_equal(the.tlsa.dropped, 40 - RESOLVE_RAW_MAX);
	(void)answer_to("record-60000.example", TLSA + 5269); /* one of 60 kB */
	assert_int_equal(the.tlsa.count, 1);
	assert_int_equal(the.tlsa.first_len, 60003);
}

/* ---- aliases: DANE-7, RFC 7671 7 ---- */

static void the_end_of_a_chain_of_aliases_is_told(void **state)
{
	(void)state;
	static const struct {
		const char *name, *canonical;
		bool aliased, secure;
	} rows[] = {
		{"www.signed.example", "", false, true},
		{"alias.signed.example", "www.signed.example", true, true},
		{"outside.signed.example", "x.full.example", true, false},
		{"chain.example", "www.signed.example", true, false}, /* its start is not signed */
		{"c.alias.example", "x.full.example", true, false},
		{"odd.example", "", true, false}, /* where it leads is no host name */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct resolve_answer *a = answer_to(rows[i].name, AF_INET);
		if (a->status != RESOLVE_DATA || a->aliased != rows[i].aliased ||
			a->secure != rows[i].secure ||
			strcmp(a->canonical.name, rows[i].canonical) != 0)
			fail_msg("%s: aliased %d secure %d to `%s`", rows[i].name, a->aliased,
				a->secure, a->canonical.name);
	}
	assert_int_not_equal(answer_to("loop1.example", AF_INET)->status, RESOLVE_DATA);
}

/* ---- the root ---- */

static void a_root_that_fails_validation_is_told_from_one_that_does_not_answer(void **state)
{
	(void)state;
	assert_int_not_equal(answer_to("", ROOT)->status, RESOLVE_BOGUS); /* no anchor for it */
	resolver_free(the.resolver);
	open_resolver(dns_forward, "/usr/share/dns/root.key", 100); /* another root, as it were */
	assert_int_equal(answer_to("", ROOT)->status, RESOLVE_BOGUS);
	resolver_free(the.resolver);
	open_resolver("127.0.0.1@9", "/usr/share/dns/root.key", 100);
	assert_int_not_equal(answer_to("", ROOT)->status, RESOLVE_BOGUS);
}

/* D10, and the attack of a thousand records */
static void answers_are_cut_at_their_maximum(void **state)
{
	(void)state;
	const struct resolve_answer *a = answer_to("many.example", SRV);
	assert_int_equal(a->status, RESOLVE_DATA);
	assert_int_equal(a->srv_count, RESOLVE_SRV_MAX);
	assert_int_equal(a->srv_dropped, 1900 - RESOLVE_SRV_MAX);
	a = answer_to("many.example", AF_INET);
	assert_int_equal(a->addr_count, RESOLVE_ADDR_MAX);
}

/* DNS-3, D10: records that do not fit are not "no records", or we would go round them. */
static void an_answer_that_does_not_fit_is_never_none(void **state)
{
	(void)state;
	const struct resolve_answer *a = answer_to("to-the-brim.example", SRV);
	if (a->status == RESOLVE_DATA)
		assert_int_equal(a->srv_count, RESOLVE_SRV_MAX);
	else
		assert_int_equal(a->status, RESOLVE_FAILED);
}

/* D10: without EDNS there are no signatures, and where they are due that is no excuse. */
static void a_server_without_edns_is_believed_where_nothing_is_signed(void **state)
{
	(void)state;
	const struct resolve_answer *a = answer_to("noedns.example", AF_INET);
	assert_int_equal(a->status, RESOLVE_DATA);
	assert_string_equal(address_text(a, 0), "192.0.2.11");
	assert_false(a->secure);
	a = answer_to("noedns.signed.example", AF_INET);
	assert_true(a->status == RESOLVE_BOGUS || a->status == RESOLVE_FAILED);
	assert_int_equal(a->addr_count, 0);
}

/* ---- cache: DNS-7 ---- */

static unsigned times_asked(const char *name)
{
	static unsigned number;
	char question[100];
	snprintf(question, sizeof question, "count-%u.%s", number++, name);
	const struct resolve_answer *a = answer_to(question, AF_INET);
	unsigned hi = 0, lo = 0;
	(void)sscanf(address_text(a, 0), "10.0.%u.%u", &hi, &lo);
	return hi * 256 + lo;
}

static void times_to_live_are_kept_within_bounds(void **state)
{
	(void)state;
	assert_in_range(answer_to("short.example", AF_INET)->ttl, 29, 30);
	assert_in_range(answer_to("zero.example", AF_INET)->ttl, 29, 30);
	assert_in_range(answer_to("long.example", AF_INET)->ttl, 3599, 3600);
	assert_in_range(answer_to("x.full.example", AF_INET)->ttl, 599, 600);
	assert_in_range(answer_to("nowhere.example", AF_INET)->ttl, 299, 300);
	assert_in_range(answer_to("nodata.example", AF_INET)->ttl, 299, 300);
}

static void what_was_asked_is_not_asked_again(void **state)
{
	(void)state;
	unsigned before = times_asked("zero.example");
	for (int i = 0; i < 5; i++)
		(void)answer_to("zero.example", AF_INET);
	assert_int_equal(times_asked("zero.example"), before + 1);
	before = times_asked("nowhere2.example");
	for (int i = 0; i < 5; i++)
		assert_int_equal(answer_to("nowhere2.example", AF_INET)->status, RESOLVE_NONE);
	assert_int_equal(times_asked("nowhere2.example"), before + 1);
}

/* ---- bounds and time ---- */

static void questions_beyond_the_maximum_fail_and_later_ones_do_not(void **state)
{
	(void)state;
	resolver_free(the.resolver);
	open_resolver(dns_forward, NULL, 3);
	for (int i = 0; i < 8; i++) {
		char name[40];
		snprintf(name, sizeof name, "n%d.slow.example", i);
		ask(name, SRV);
	}
	(void)fake_worker_run(the.f, NULL, NULL, 300);
	assert_int_equal(the.count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(the.answers[i].status, RESOLVE_FAILED);
		assert_in_range(the.answers[i].ticket.slot, 3, 7);
	}
	assert_true(fake_worker_run(the.f, all_there, NULL, 3000));
	for (size_t i = 5; i < 8; i++)
		assert_int_equal(the.answers[i].status, RESOLVE_TIMEOUT);
	assert_int_equal(answer_to("x.full.example", AF_INET)->status, RESOLVE_DATA);
}

/* D12 */
static void a_resolver_that_is_not_there_is_a_failure_in_time(void **state)
{
	(void)state;
	resolver_free(the.resolver);
	open_resolver("127.0.0.1@9", NULL, 100);
	uint64_t began = uv_now(&the.f->loop);
	const struct resolve_answer *a = answer_to("x.full.example", AF_INET);
	assert_true(a->status == RESOLVE_FAILED || a->status == RESOLVE_TIMEOUT);
	assert_true(uv_now(&the.f->loop) - began < TIMEOUT_MS + 700);
}

static uint64_t worst_gap, last_beat;

static void on_beat(uv_timer_t *timer)
{
	uint64_t now = uv_hrtime();
	(void)timer;
	if (last_beat && now - last_beat > worst_gap)
		worst_gap = now - last_beat;
	last_beat = now;
}

static void a_slow_zone_holds_up_neither_the_loop_nor_others(void **state)
{
	(void)state;
	enum { SLOW = 90 };
	static uv_timer_t beat;
	uv_timer_init(&the.f->loop, &beat);
	uv_timer_start(&beat, on_beat, 1, 5);
	uv_unref((uv_handle_t *)&beat); /* a failure here must not keep the end waiting */
	last_beat = worst_gap = 0;
	for (int i = 0; i < SLOW; i++) {
		char name[40];
		snprintf(name, sizeof name, "z%d.slow.example", i);
		ask(name, AF_INET);
	}
	uint64_t began = uv_hrtime();
	the.want = 1;
	the.count = 0;
	ask("d.alias.example", AF_INET);
	the.want = 1;
	assert_true(fake_worker_run(the.f, all_there, NULL, 3000));
	assert_int_equal(the.answers[0].status, RESOLVE_DATA);
	assert_true(uv_hrtime() - began < 700000000u); /* long before the slow ones time out */
	the.want = SLOW + 1;
	assert_true(fake_worker_run(the.f, all_there, NULL, 4000));
	assert_true(worst_gap < 200000000u);
	/* Nor is the server that did not answer for them given up. */
	began = uv_hrtime();
	assert_int_equal(answer_to("y.full.example", AF_INET)->status, RESOLVE_NONE);
	assert_true(uv_hrtime() - began < 700000000u);
	uv_close((uv_handle_t *)&beat, NULL);
	uv_run(&the.f->loop, UV_RUN_NOWAIT);
}

/* ---- ends ---- */

static void no_answer_comes_after_the_resolver_is_freed(void **state)
{
	(void)state;
	for (uint64_t ms = 0; ms < 12; ms += 2) {
		if (!the.resolver)
			open_resolver(dns_forward, dns_anchor, 100);
		the.count = the.want = 0;
		ask("x.full.example", AF_INET);
		ask("www.signed.example", AF_INET);
		ask("x.slow.example", AF_INET);
		(void)fake_worker_run(the.f, NULL, NULL, ms);
		size_t had = the.count;
		resolver_free(the.resolver);
		the.resolver = NULL;
		(void)fake_worker_run(the.f, NULL, NULL, 100);
		assert_int_equal(the.count, had);
	}
}

static void the_resolver_may_be_freed_when_it_tells(void **state)
{
	(void)state;
	static const char *const first[] = {
		"x.full.example", "x.slow.example", "x.servfail.example"};
	for (size_t i = 0; i < 4; i++) {
		the.free_in_callback = false;
		if (!the.resolver)
			open_resolver(dns_forward, dns_anchor,
				i == 3 ? 0 : 100); /* 0: told from the timer */
		the.count = the.want = 0;
		the.free_in_callback = true;
		for (int n = 0; n < 5; n++)
			ask(first[i % 3], n % 2 ? AF_INET : AF_INET6);
		the.want = 1;
		assert_true(fake_worker_run(the.f, all_there, NULL, 4000));
		(void)fake_worker_run(the.f, NULL, NULL, 50);
		assert_int_equal(the.count, 1);
		assert_null(the.resolver);
	}
	the.free_in_callback = false;
}

static void a_resolver_that_cannot_be_set_up_says_so(void **state)
{
	(void)state;
	static const struct resolve_config rows[] = {
		{.forward = "not an address", .timeout_ms = 1000, .max_pending = 10},
		{.trust_anchor = "/nowhere/root.key", .timeout_ms = 1000, .max_pending = 10},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct err e = err_ok();
		assert_null(resolver_new(&the.f->loop, &rows[i], on_done, &the, &e));
		assert_int_equal(e.code, ERR_DNS_FAILED);
	}
}

#define RESOLVE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RESOLVE_TEST(srv_records_are_read_with_ticket_and_tag),
		RESOLVE_TEST(addresses_of_both_families_are_read),
		RESOLVE_TEST(the_root_as_target_means_no_service),
		RESOLVE_TEST(cnames_are_followed),
		RESOLVE_TEST(records_that_cannot_be_dialled_are_left_out),
		RESOLVE_TEST(kinds_of_failure_stay_apart),
		RESOLVE_TEST(validation_tells_secure_from_insecure_and_bogus),
		RESOLVE_TEST(what_was_tampered_with_is_bogus),
		RESOLVE_TEST(tlsa_records_come_as_they_are),
		RESOLVE_TEST(tlsa_records_are_cut_at_their_maximum),
		RESOLVE_TEST(the_end_of_a_chain_of_aliases_is_told),
		RESOLVE_TEST(a_root_that_fails_validation_is_told_from_one_that_does_not_answer),
		RESOLVE_TEST(an_answer_that_does_not_fit_is_never_none),
		RESOLVE_TEST(a_server_without_edns_is_believed_where_nothing_is_signed),
		RESOLVE_TEST(answers_are_cut_at_their_maximum),
		RESOLVE_TEST(times_to_live_are_kept_within_bounds),
		RESOLVE_TEST(what_was_asked_is_not_asked_again),
		RESOLVE_TEST(questions_beyond_the_maximum_fail_and_later_ones_do_not),
		RESOLVE_TEST(a_resolver_that_is_not_there_is_a_failure_in_time),
		RESOLVE_TEST(a_slow_zone_holds_up_neither_the_loop_nor_others),
		RESOLVE_TEST(no_answer_comes_after_the_resolver_is_freed),
		RESOLVE_TEST(the_resolver_may_be_freed_when_it_tells),
		RESOLVE_TEST(a_resolver_that_cannot_be_set_up_says_so),
	};
	return cmocka_run_group_tests(tests, dns_server_start, dns_server_stop);
}
