/* What a domain publishes, asked once for all who want to know. */
#include "core/proofs.h"
#include "lib/dial_owner.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define POSH                                                                                       \
	"{\"expires\":600,\"fingerprints\":[{\"sha-256\":"                                         \
	"\"4/mggdlVx8A3pvHAWW5sD+qJyMtUHgiRuPjVC48N0XQ=\"}]}"
enum { BOTH = PROOFS_DANE | PROOFS_POSH };

static struct worker *w;
static unsigned news;

static void on_news(void *arg)
{
	news++;
	if (arg)
		++*(unsigned *)arg;
}

static int set_up(void **state)
{
	int failed = dial_set_up(state);
	w = &the.f->w;
	news = 0;
	fake_wall_s = 1800000000;
	return failed;
}

static int tear_down(void **state)
{
	proofs_forget_all(w);
	w->proofs = map_new(1); /* for the fake worker's own end */
	return dial_tear_down(state);
}

static struct domain named(const char *name)
{
	struct domain d;
	assert_false(err_is(domain_parse(slice_str(name), &d)));
	return d;
}

static bool nothing_missing(void *arg)
{
	return !proofs_missing(w, arg, BOTH);
}

/* Asks for both and turns until they are there. */
static struct proofs_view find_out(const char *name)
{
	struct domain d = named(name);
	struct proofs_wait *wait = proofs_ask(w, &d, BOTH, on_news, NULL);
	assert_true(fake_worker_run(the.f, nothing_missing, &d, 2000));
	proofs_leave(wait);
	return proofs_known(w, &d);
}

/* ---- one question for all ---- */

static void all_who_want_to_know_share_one_question(void **state)
{
	(void)state;
	struct domain d = named("a.example");
	struct proofs_wait *waits[40];
	fake_dns_use(the.f, RECORDS({"a.example", FAKE_POSH, RESOLVE_DATA, "ttl=600 " POSH, 20}));
	assert_true(proofs_cost(w, &d, BOTH));
	for (int i = 0; i < 40; i++) {
		waits[i] = proofs_ask(w, &d, i % 2 ? PROOFS_POSH : PROOFS_DANE, on_news, NULL);
		assert_int_equal(news, 0); /* never from inside the call */
	}
	assert_false(proofs_cost(w, &d, BOTH)); /* they are asked for */
	assert_int_equal(proofs_missing(w, &d, BOTH), BOTH);
	assert_true(fake_worker_run(the.f, nothing_missing, &d, 2000));
	assert_int_equal(news, 80); /* everybody hears of both arrivals */
	for (int i = 0; i < 40; i++)
		proofs_leave(waits[i]);
	assert_int_equal(fake_dns_asked("a.example", FAKE_SRV), 1);
	assert_int_equal(fake_dns_asked("a.example", FAKE_SRV_DIRECT), 1);
	assert_int_equal(fake_dns_asked("a.example", FAKE_POSH), 1);
	assert_int_equal(proofs_known(w, &d).posh->document.count, 1);
}

static void only_what_was_asked_for_is_looked_up(void **state)
{
	(void)state;
	struct domain d = named("a.example");
	fake_dns_use(the.f, NULL, 0);
	proofs_leave(proofs_ask(w, &d, PROOFS_DANE, on_news, NULL));
	(void)fake_worker_run(the.f, NULL, NULL, 20);
	assert_int_equal(fake_dns_asked("a.example", FAKE_POSH), 0);
	assert_int_equal(proofs_missing(w, &d, BOTH), PROOFS_POSH);
	assert_null(proofs_known(w, &d).posh);
	assert_int_equal(news, 0); /* who has left hears nothing */
}

static void what_is_known_is_told_in_a_later_turn(void **state)
{
	(void)state;
	struct domain d = named("a.example");
	fake_dns_use(the.f, NULL, 0);
	(void)find_out("a.example");
	news = 0;
	struct proofs_wait *wait = proofs_ask(w, &d, BOTH, on_news, NULL);
	assert_int_equal(news, 0);
	(void)fake_worker_run(the.f, NULL, NULL, 20);
	assert_int_equal(news, 1);
	proofs_leave(wait);
	assert_int_equal(fake_dns_asked("a.example", FAKE_SRV), 1);
}

struct leaver {
	struct proofs_wait *self, *other;
	unsigned heard;
};

static void leave_both(void *arg)
{
	struct leaver *l = arg;
	l->heard++;
	if (l->self)
		proofs_leave(l->self);
	if (l->other)
		proofs_leave(l->other);
	l->self = l->other = NULL;
}

static void who_hears_the_news_may_leave_and_take_others_along(void **state)
{
	(void)state;
	struct domain d = named("a.example");
	struct leaver l = {0};
	unsigned other = 0;
	fake_dns_use(the.f, NULL, 0);
	l.other = proofs_ask(w, &d, BOTH, on_news, &other);
	l.self = proofs_ask(w, &d, BOTH, leave_both, &l);
	assert_true(fake_worker_run(the.f, nothing_missing, &d, 2000));
	assert_int_equal(l.heard, 1);
	assert_int_equal(other, 0);
}

/* ---- for how long ---- */

static void each_answer_is_kept_for_its_own_time(void **state)
{
	(void)state;
	static const struct {
		const char *title;
		struct fake_record srv;
		int64_t dane_s; /* known so long, and not longer */
	} rows[] = {
		{"records not to be had: half a minute",
			{"a.example", FAKE_SRV, RESOLVE_DATA, "secure ttl=900 1 5269 late.example",
				0},
			30},
		{"by the lowest TTL",
			{"a.example", FAKE_SRV, RESOLVE_DATA, "secure ttl=900 1 5269 x.example", 0},
			300},
		{"not less than half a minute",
			{"a.example", FAKE_SRV, RESOLVE_NONE, "secure ttl=5", 0}, 30},
		{"bogus: half a minute", {"a.example", FAKE_SRV, RESOLVE_BOGUS, "ttl=900", 0}, 30},
		{"failed: half a minute", {"a.example", FAKE_SRV, RESOLVE_FAILED, "ttl=900", 0},
			30},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct domain d = named("a.example");
		int64_t began = fake_wall_s;
		print_message("           %s\n", rows[i].title);
		fake_dns_use(the.f,
			RECORDS(rows[i].srv,
				{"a.example", FAKE_SRV_DIRECT, RESOLVE_NONE, "secure ttl=300", 0},
				{"x.example", FAKE_TLSA, RESOLVE_DATA, "secure ttl=600 3 1 1 " HASH,
					0},
				{"late.example", FAKE_TLSA, RESOLVE_TIMEOUT, "ttl=900", 0},
				{"a.example", FAKE_POSH, RESOLVE_NONE, "ttl=300", 0}));
		(void)find_out("a.example");
		fake_wall_s = began + rows[i].dane_s - 1;
		assert_non_null(proofs_known(w, &d).dane);
		fake_wall_s = began + rows[i].dane_s;
		assert_null(proofs_known(w, &d).dane);
		assert_int_equal(proofs_missing(w, &d, PROOFS_DANE), PROOFS_DANE);
		fake_wall_s = began + 299;
		assert_non_null(proofs_known(w, &d).posh);
		fake_wall_s = began + 300;
		assert_null(proofs_known(w, &d).posh);
	}
}

/* F04 */
static void a_clock_that_leaps_back_makes_nothing_known_for_long(void **state)
{
	(void)state;
	struct domain d = named("a.example");
	fake_dns_use(the.f, RECORDS({"a.example", FAKE_POSH, RESOLVE_NONE, "ttl=300", 0}));
	(void)find_out("a.example");
	fake_wall_s -= 100 * 86400;
	assert_int_equal(proofs_missing(w, &d, BOTH), BOTH);
}

static void a_reload_makes_us_ask_again_but_not_forget(void **state)
{
	(void)state;
	struct domain d = named("a.example");
	fake_dns_use(the.f, RECORDS({"a.example", FAKE_POSH, RESOLVE_DATA, "ttl=600 " POSH, 0}));
	(void)find_out("a.example");
	proofs_reload(w);
	assert_null(proofs_known(w, &d).posh);
	assert_int_equal(proofs_last_known(w, &d).posh->document.count, 1);
	assert_int_equal(proofs_missing(w, &d, BOTH), BOTH);
	fake_dns_use(the.f, RECORDS({"a.example", FAKE_POSH, RESOLVE_NONE, "ttl=600", 0}));
	assert_int_equal(find_out("a.example").posh->e.code, ERR_POSH_NONE);
	assert_int_equal(proofs_last_known(w, &d).posh->e.code, ERR_POSH_NONE);
}

/* P15: each row: how old the document is, what the scout says then, and what is known after that.
 */
static void a_document_is_asked_for_again_before_it_ends(void **state)
{
	(void)state;
	static const struct {
		const char *title;
		int64_t after_s;
		enum resolve_status status;
		const char *text;
		bool asks;
		enum err_code e;
		int64_t until_s;
	} rows[] = {
		{"not yet", 449, RESOLVE_DATA, "ttl=600 " POSH, false, ERR_OK, 600},
		{"in the last quarter", 450, RESOLVE_DATA, "ttl=600 " POSH, true, ERR_OK,
			450 + 600},
		{"nobody answers", 450, RESOLVE_TIMEOUT, "ttl=300", true, ERR_OK, 600},
		{"there is none", 450, RESOLVE_NONE, "ttl=300", true, ERR_OK, 600},
		{"it has ended", 600, RESOLVE_NONE, "ttl=300", false, ERR_OK, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct domain d = named("a.example");
		int64_t began = fake_wall_s;
		print_message("           %s\n", rows[i].title);
		fake_dns_use(
			the.f, RECORDS({"a.example", FAKE_POSH, RESOLVE_DATA, "ttl=600 " POSH, 0}));
		proofs_reload(w);
		(void)find_out("a.example");
		fake_dns_use(
			the.f, RECORDS({"a.example", FAKE_POSH, rows[i].status, rows[i].text, 0}));
		fake_wall_s = began + rows[i].after_s;
		proofs_look_ahead(w, &d);
		proofs_look_ahead(w, &d);
		if (rows[i].until_s)
			assert_non_null(proofs_known(w, &d).posh); /* meanwhile */
		(void)fake_worker_run(the.f, NULL, NULL, 20);
		assert_int_equal(fake_dns_asked("a.example", FAKE_POSH), rows[i].asks);
		const struct posh_found *f = proofs_known(w, &d).posh;
		assert_int_equal(f != NULL, rows[i].until_s > 0);
		if (f) {
			assert_int_equal(f->e.code, rows[i].e);
			assert_int_equal(f->not_after, began + rows[i].until_s);
		}
	}
}

/* ---- DANE, as whoever is dialled sees it ---- */

/* DANE-5, DANE-10; RFC 7673 3.1: each row differs in one of the two SRV answers. */
static void both_services_records_decide_whether_there_is_dane(void **state)
{
	(void)state;
	static const struct {
		const char *title;
		struct fake_record srv, direct;
		enum err_code e;
		size_t targets;
		bool partial;
	} rows[] = {
		{"both secure", {"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 1 x.example", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_DATA, "secure 1 2 x.example", 0},
			ERR_OK, 2, false},
		{"one of them", {"a.example", FAKE_SRV, RESOLVE_NONE, "secure", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_DATA, "secure 1 2 x.example", 0},
			ERR_OK, 1, false},
		{"the same place twice",
			{"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 1 x.example, 2 1 x.example",
				0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_DATA, "secure 1 1 x.example", 0},
			ERR_OK, 1, false},
		{"none", {"a.example", FAKE_SRV, RESOLVE_NONE, "secure", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_NONE, "secure", 0}, ERR_DANE_NONE, 0,
			false},
		{"no service", {"a.example", FAKE_SRV, RESOLVE_DATA, "secure 0 0 .", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_NONE, "secure", 0}, ERR_OK, 0,
			false},
		{"one insecure", {"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 1 x.example", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_DATA, "1 2 x.example", 0},
			ERR_DANE_INSECURE, 0, false},
		{"one bogus", {"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 1 x.example", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_BOGUS, NULL, 0}, ERR_DNS_BOGUS, 0,
			false},
		{"bogus and insecure", {"a.example", FAKE_SRV, RESOLVE_DATA, "1 1 x.example", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_BOGUS, NULL, 0}, ERR_DNS_BOGUS, 0,
			false},
		{"one failed", {"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 1 x.example", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_FAILED, NULL, 0}, ERR_OK, 1, true},
		{"one failed, no other", {"a.example", FAKE_SRV, RESOLVE_NONE, "secure", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_FAILED, NULL, 0}, ERR_DANE_FAILED, 0,
			false},
		{"none, and one not answered", {"a.example", FAKE_SRV, RESOLVE_TIMEOUT, NULL, 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_NONE, "secure", 0}, ERR_DANE_FAILED,
			0, false},
		{"one failed, no other, not signed", {"a.example", FAKE_SRV, RESOLVE_NONE, "", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_FAILED, NULL, 0}, ERR_DNS_FAILED, 0,
			false},
		{"one failed, the other not signed",
			{"a.example", FAKE_SRV, RESOLVE_DATA, "1 1 x.example", 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_FAILED, NULL, 0}, ERR_DANE_INSECURE,
			0, false},
		{"both not answered", {"a.example", FAKE_SRV, RESOLVE_TIMEOUT, NULL, 0},
			{"a.example", FAKE_SRV_DIRECT, RESOLVE_TIMEOUT, NULL, 0}, ERR_DNS_TIMEOUT,
			0, false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		print_message("           %s\n", rows[i].title);
		fake_dns_use(the.f, RECORDS(rows[i].srv, rows[i].direct));
		proofs_reload(w);
		const struct proofs_dane *d = find_out("a.example").dane;
		assert_int_equal(d->e.code, rows[i].e);
		assert_int_equal(d->count, rows[i].targets);
		assert_int_equal(d->partial, rows[i].partial);
		assert_int_equal(fake_dns_asked("x.example", FAKE_TLSA), rows[i].targets);
	}
}

/* RFC 7673 3.4 */
static void each_target_has_its_own_records(void **state)
{
	(void)state;
	fake_dns_use(the.f,
		RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA,
				"secure 1 1 ok.example, 1 1 none.example, 1 1 plain.example, "
				"1 1 bad.example, 1 1 bogus.example, 1 1 late.example",
				0},
			{"ok.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH, 0},
			{"none.example", FAKE_TLSA, RESOLVE_NONE, "secure", 0},
			{"plain.example", FAKE_TLSA, RESOLVE_DATA, "3 1 1 " HASH, 0},
			{"bad.example", FAKE_TLSA, RESOLVE_DATA, "secure 9 1 1 " HASH, 0},
			{"bogus.example", FAKE_TLSA, RESOLVE_BOGUS, NULL, 0},
			{"late.example", FAKE_TLSA, RESOLVE_TIMEOUT, NULL, 0}));
	static const enum err_code wanted[] = {ERR_OK, ERR_DANE_NONE, ERR_DANE_NONE,
		ERR_DANE_UNUSABLE, ERR_DANE_FAILED, ERR_DANE_FAILED};
	const struct proofs_dane *d = find_out("a.example").dane;
	assert_int_equal(d->count, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(d->targets[i].e.code, wanted[i]);
		assert_int_equal(
			d->targets[i].tlsa && d->targets[i].tlsa->count, wanted[i] == ERR_OK);
	}
}

/* DANE-7, RFC 7671 7: each row: what the target's name is, where records are, and whose are taken.
 */
static void records_behind_a_secure_alias_come_first(void **state)
{
	(void)state;
	static const struct {
		const char *title;
		enum resolve_status status;
		const char *address;
		bool behind, own; /* records there */
		enum err_code e;
		const char *base;
		unsigned asked_behind, asked_own;
	} rows[] = {
		{"no alias", RESOLVE_DATA, "secure 192.0.2.1", true, true, ERR_OK, "x.example", 0,
			1},
		{"a secure one", RESOLVE_DATA, "secure alias=y.example 192.0.2.1", true, true,
			ERR_OK, "y.example", 1, 0},
		{"for the other family alone", RESOLVE_NONE, "secure alias=y.example", true, true,
			ERR_OK, "y.example", 1, 0},
		{"without records there", RESOLVE_DATA, "secure alias=y.example 192.0.2.1", false,
			true, ERR_OK, "x.example", 1, 1},
		{"without any", RESOLVE_DATA, "secure alias=y.example 192.0.2.1", false, false,
			ERR_DANE_NONE, "x.example", 1, 1},
		{"one that nobody vouches for", RESOLVE_DATA, "alias=y.example 192.0.2.1", true,
			true, ERR_OK, "x.example", 0, 1},
		{"nobody knows whether", RESOLVE_TIMEOUT, "", true, true, ERR_OK, "x.example", 0,
			1},
		{"nobody knows, and its own are not there", RESOLVE_TIMEOUT, "", true, false,
			ERR_DANE_FAILED, "x.example", 0, 1},
		{"a broken one, and its own are not there", RESOLVE_BOGUS, "", true, false,
			ERR_DANE_FAILED, "x.example", 0, 1},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		print_message("           %s\n", rows[i].title);
		fake_dns_use(the.f,
			RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 1 x.example", 0},
				{"x.example", FAKE_A, rows[i].status, rows[i].address, 0},
				{"x.example", FAKE_TLSA, rows[i].own ? RESOLVE_DATA : RESOLVE_NONE,
					rows[i].own ? "secure 3 1 1 " HASH : "secure", 0},
				{"y.example", FAKE_TLSA,
					rows[i].behind ? RESOLVE_DATA : RESOLVE_NONE,
					rows[i].behind ? "secure 3 1 1 " HASH : "secure", 0}));
		proofs_reload(w);
		const struct proofs_dane *d = find_out("a.example").dane;
		assert_int_equal(d->count, 1);
		assert_int_equal(d->targets[0].e.code, rows[i].e);
		assert_string_equal(d->targets[0].base.name, rows[i].base);
		assert_int_equal(fake_dns_asked("y.example", FAKE_TLSA), rows[i].asked_behind);
		assert_int_equal(fake_dns_asked("x.example", FAKE_TLSA), rows[i].asked_own);
	}
}

/* P18 */
static void a_domain_with_many_targets_is_looked_up_in_part(void **state)
{
	(void)state;
	char srv[600] = "secure ";
	for (int i = 0; i < 20; i++) {
		size_t len = strlen(srv);
		(void)snprintf(
			srv + len, sizeof srv - len, "%s1 %d x.example", i ? ", " : "", i + 1);
	}
	fake_dns_use(the.f, RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, srv, 0}));
	const struct proofs_dane *d = find_out("a.example").dane;
	assert_int_equal(fake_dns_asked("x.example", FAKE_TLSA), PROOFS_TARGETS_MAX);
	assert_int_equal(d->count, PROOFS_TARGETS_MAX);
	assert_true(d->cut);
}

static bool is_owed(void *arg)
{
	return proofs_known(w, arg).dane_owed;
}

/* F11, RFC 7673 3.4: one answer is enough to know. */
static void answers_are_owed_once_one_shows_that_the_zone_is_signed(void **state)
{
	(void)state;
	static const struct {
		const char *data;
		bool owed;
	} rows[] = {{"secure", true}, {"", false}};
	for (size_t i = 0; i < 2; i++) {
		struct domain d = named(i ? "b.example" : "a.example");
		fake_dns_use(
			the.f, RECORDS({d.name, FAKE_SRV, RESOLVE_NONE, rows[i].data, 0},
				       {d.name, FAKE_SRV_DIRECT, RESOLVE_NONE, rows[i].data, 100}));
		struct proofs_wait *wait = proofs_ask(w, &d, PROOFS_DANE, on_news, NULL);
		assert_int_equal(fake_worker_run(the.f, is_owed, &d, 50), rows[i].owed);
		assert_true(proofs_missing(w, &d, PROOFS_DANE));
		(void)fake_worker_run(the.f, NULL, NULL, 150);
		assert_false(is_owed(&d));
		proofs_leave(wait);
	}
}

/* RFC 7673 3.4: from there on silence is not the same as none. */
static void records_are_owed_once_the_way_to_them_is_secure(void **state)
{
	(void)state;
	struct domain d = named("a.example");
	fake_dns_use(
		the.f, RECORDS({"a.example", FAKE_SRV, RESOLVE_DATA, "secure 1 1 x.example", 0},
			       {"x.example", FAKE_TLSA, RESOLVE_DATA, "secure 3 1 1 " HASH, 200}));
	struct proofs_wait *wait = proofs_ask(w, &d, PROOFS_DANE, on_news, NULL);
	assert_true(fake_worker_run(the.f, is_owed, &d, 150));
	assert_int_equal(proofs_missing(w, &d, PROOFS_DANE), PROOFS_DANE);
	(void)fake_worker_run(the.f, NULL, NULL, 250);
	assert_false(is_owed(&d));
	proofs_leave(wait);
}

/* ---- bounds ---- */

static void what_is_not_to_be_asked_for_is_not(void **state)
{
	(void)state;
	struct domain onion = named("a.onion"), d = named("a.example");
	assert_int_equal(proofs_missing(w, &onion, BOTH), 0); /* B08 */
	the.f->gate.proofs_posh = false;
	assert_int_equal(proofs_missing(w, &d, BOTH), PROOFS_DANE);
	the.f->gate.proofs_dane = false;
	assert_int_equal(proofs_missing(w, &d, BOTH), 0);
	assert_int_equal(proofs_askable(w, &d), 0);
}

/* Whoever makes many domains known displaces what nobody waits for, no more. */
static void a_flood_of_domains_displaces_what_nobody_waits_for(void **state)
{
	(void)state;
	struct domain first = named("first.example");
	fake_dns_use(
		the.f, RECORDS({"first.example", FAKE_POSH, RESOLVE_DATA, "ttl=600 " POSH, 0}));
	struct proofs_wait *wait = proofs_ask(w, &first, PROOFS_POSH, on_news, NULL);
	(void)fake_worker_run(the.f, NULL, NULL, 20);
	for (int turn = 0; turn < 10; turn++) {
		fake_dns_use(the.f, NULL, 0);
		for (int i = 0; i < 300; i++) {
			char name[32];
			(void)snprintf(name, sizeof name, "d%d-%d.example", turn, i);
			struct domain d = named(name);
			struct proofs_wait *one = proofs_ask(w, &d, PROOFS_POSH, on_news, NULL);
			assert_non_null(one);
			proofs_leave(one);
		}
		(void)fake_worker_run(the.f, NULL, NULL, 20);
	}
	assert_in_range(map_count(w->proofs), 1, 2000);
	assert_non_null(proofs_known(w, &first).posh);
	proofs_leave(wait);
}

static void when_all_are_waited_for_there_is_no_room_for_one_more(void **state)
{
	(void)state;
	static struct proofs_wait *waits[2000];
	for (int i = 0; i < 2000; i++) {
		char name[32];
		(void)snprintf(name, sizeof name, "d%d.example", i);
		struct domain d = named(name);
		if (i % 500 == 0)
			fake_dns_use(the.f, NULL, 0);
		waits[i] = proofs_ask(w, &d, PROOFS_POSH, on_news, NULL);
	}
	struct domain last = named("last.example");
	assert_null(proofs_ask(w, &last, PROOFS_POSH, on_news, NULL));
	for (int i = 0; i < 2000; i++)
		proofs_leave(waits[i]);
	(void)fake_worker_run(the.f, NULL, NULL, 50);
	struct proofs_wait *one = proofs_ask(w, &last, PROOFS_POSH, on_news, NULL);
	assert_non_null(one);
	proofs_leave(one);
}

#define PROOFS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROOFS_TEST(all_who_want_to_know_share_one_question),
		PROOFS_TEST(only_what_was_asked_for_is_looked_up),
		PROOFS_TEST(what_is_known_is_told_in_a_later_turn),
		PROOFS_TEST(who_hears_the_news_may_leave_and_take_others_along),
		PROOFS_TEST(each_answer_is_kept_for_its_own_time),
		PROOFS_TEST(a_clock_that_leaps_back_makes_nothing_known_for_long),
		PROOFS_TEST(a_reload_makes_us_ask_again_but_not_forget),
		PROOFS_TEST(a_document_is_asked_for_again_before_it_ends),
		PROOFS_TEST(both_services_records_decide_whether_there_is_dane),
		PROOFS_TEST(each_target_has_its_own_records),
		PROOFS_TEST(records_behind_a_secure_alias_come_first),
		PROOFS_TEST(a_domain_with_many_targets_is_looked_up_in_part),
		PROOFS_TEST(answers_are_owed_once_one_shows_that_the_zone_is_signed),
		PROOFS_TEST(records_are_owed_once_the_way_to_them_is_secure),
		PROOFS_TEST(what_is_not_to_be_asked_for_is_not),
		PROOFS_TEST(a_flood_of_domains_displaces_what_nobody_waits_for),
		PROOFS_TEST(when_all_are_waited_for_there_is_no_room_for_one_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
