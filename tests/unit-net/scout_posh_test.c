/* What the scout keeps of POSH documents and for how long, and who waits for whom. */
#include "core/scout_posh.h"

#include "lib/posh_world.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct web_name names[] = {
	{.host = "silent.web.example", .status = RESOLVE_DATA, .addresses = WEB_SILENT},
	{.host = "void.web.example", .status = RESOLVE_NONE},
	{.host = "nodns.web.example", .status = RESOLVE_FAILED},
	{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
};

/* Every host of these has the one page. */
static struct web_page pages[200];
static char hosts[COUNT(pages)][32];

static void all_have(const char *text, unsigned wait_ms)
{
	for (size_t i = 0; i < COUNT(pages); i++) {
		snprintf(hosts[i], sizeof hosts[i], "d%zu.web.example", i);
		pages[i] = (struct web_page){.host = hosts[i], .text = text, .wait_ms = wait_ms};
	}
	web_pages(pages, COUNT(pages));
}

/* ---- one search for all ---- */

/* P17, POSH-6: 1,000 streams of 200 domains at once. */
static void a_domain_is_looked_for_once_however_many_ask(void **state)
{
	(void)state;
	all_have(POSH_DOCUMENT("3600"), 10);
	posh_world.config.max_running = 16;
	posh_world_open(names, COUNT(names));
	for (size_t i = 0; i < 1000; i++)
		posh_world_ask(hosts[i % COUNT(hosts)]);
	assert_int_equal(scout_posh_counts(posh_world.posh).waiting, 1000);
	assert_true(posh_world_wait(6000));
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(posh_world.answers[i].told, 1);
		assert_int_equal(posh_world.answers[i].found.e.code, ERR_OK);
		assert_int_equal(posh_world.answers[i].found.document.count, 1);
	}
	for (size_t i = 0; i < COUNT(hosts); i++)
		assert_int_equal(web_asked(hosts[i]), 1);
	assert_in_range(web_most_at_once(), 2, 16);
	struct scout_posh_counts n = scout_posh_counts(posh_world.posh);
	assert_int_equal(n.searches, 200);
	assert_int_equal(n.domains, 200);
	assert_int_equal(n.waiting, 0);
	assert_int_equal(n.running, 0);
}

/* P19: more servers hang than there are places. */
static void a_domain_that_hangs_delays_no_other(void **state)
{
	static const struct web_name hanging[] = {
		{.host = "d0.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
		{.host = "d1.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
		{.host = "d2.web.example", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
		{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_SILENT},
	};
	(void)state;
	all_have(POSH_DOCUMENT("3600"), 0);
	posh_world.config.max_running = 8;
	posh_world.config.patience_ms = 150;
	posh_world_open(hanging, COUNT(hanging));
	for (size_t i = 3; i < 100; i++)
		posh_world_ask(hosts[i]);
	posh_world_wait(160);
	for (size_t i = 0; i < 3; i++) {
		size_t good = posh_world_ask(hosts[i]);
		assert_true(posh_world_wait_for(good, 4000));
		assert_int_equal(posh_world.answers[good].found.e.code, ERR_OK);
	}
	/* In a queue all others but a few would have been before them. */
	assert_in_range(posh_world.told, 3 + 3, 60);
	assert_in_range(scout_posh_counts(posh_world.posh).running, 0, 8);
}

/* ---- for how long ---- */

#define DOWN "HTTP/1.1 503 Down\r\n\r\n"

static bool none_runs(void *arg)
{
	(void)arg;
	return scout_posh_counts(posh_world.posh).running == 0;
}

static void search_ends(void)
{
	assert_true(fake_worker_run(posh_world.w, none_runs, NULL, 3000));
}

/* Each row: what is published, and the last second it is kept for. */
static void an_answer_is_kept_for_its_time(void **state)
{
	static const struct {
		const char *title, *host, *text;
		enum err_code code;
		int64_t keep_s;
		unsigned timeout_ms;
	} rows[] = {
		{"a document", "d0.web.example", POSH_DOCUMENT("3600"), ERR_OK, 3600, 0},
		{"ten years (POSH-6)", "d1.web.example", POSH_DOCUMENT("315360000"), ERR_OK, 86400,
			0},
		{"one second (POSH-6)", "d2.web.example", POSH_DOCUMENT("1"), ERR_OK, 60, 0},
		{"none", "d3.web.example", "HTTP/1.1 404 None\r\n\r\n", ERR_POSH_NONE, 300, 0},
		{"no web server", "void.web.example", "", ERR_POSH_NONE, 300, 0},
		{"a fault (POSH-3)", "d4.web.example", "HTTP/1.1 500 Fault\r\n\r\n", ERR_POSH_FETCH,
			300, 0},
		{"no JSON (POSH-3)", "d5.web.example", POSH_JSON("{"), ERR_POSH_PARSE, 300, 0},
		{"too late (POSH-3)", "silent.web.example", "", ERR_POSH_TIMEOUT, 300, 30},
		{"no DNS: it may be ours", "nodns.web.example", "", ERR_DNS_FAILED, 60, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct web_page page = {.host = rows[i].host, .text = rows[i].text};
		web_pages(&page, 1);
		posh_world.config.timeout_ms = rows[i].timeout_ms ? rows[i].timeout_ms : 4000;
		posh_world_open(names, COUNT(names));
		int64_t start = posh_world.now;
		const struct posh_found *f = posh_world_answer(rows[i].host);
		if (f->e.code != rows[i].code || f->not_after != start + rows[i].keep_s)
			fail_msg("%s: %s for %lld s", rows[i].title, err_row(f->e.code)->symbol,
				(long long)(f->not_after - start));
		fake_worker_run(posh_world.w, NULL, NULL, 3); /* the loop's clock goes on */
		assert_int_equal(
			posh_world_answer(rows[i].host)->not_after, start + rows[i].keep_s);
		/* Looked for ahead, in vain. */
		bool ahead = rows[i].code == ERR_OK;
		struct web_page down = {.host = rows[i].host, .text = DOWN};
		web_pages(&down, 1);
		posh_world.now = start + rows[i].keep_s - 1;
		f = posh_world_answer(rows[i].host);
		assert_int_equal(f->e.code, rows[i].code);
		assert_int_equal(f->not_after, start + rows[i].keep_s);
		search_ends();
		assert_int_equal(scout_posh_counts(posh_world.posh).searches, 1 + ahead);
		web_pages(&page, 1);
		posh_world.now++;
		f = posh_world_answer(rows[i].host);
		assert_int_equal(f->e.code, rows[i].code);
		assert_int_equal(f->not_after, posh_world.now + rows[i].keep_s);
		assert_int_equal(scout_posh_counts(posh_world.posh).searches, 2 + ahead);
		web_names_end();
		scout_posh_free(posh_world.posh);
	}
	posh_world.posh = NULL;
}

/* P15. POSH-6: when it is stale, the way begins at the domain again. */
static void a_document_serves_while_its_server_is_down(void **state)
{
	static const struct web_page up[] = {
		{.host = "a.web.example",
			.text = POSH_JSON("{\"url\":\"https://b.web.example/\",\"expires\":600}")},
		{.host = "b.web.example", .text = POSH_DOCUMENT("3600")},
	};
	static const struct web_page down[] = {
		{.host = "a.web.example", .text = DOWN},
		{.host = "b.web.example", .text = DOWN},
	};
	(void)state;
	web_pages(up, COUNT(up));
	posh_world_open(names, COUNT(names));
	assert_int_equal(posh_world_answer("a.web.example")->e.code, ERR_OK);
	web_pages(down, COUNT(down));
	posh_world.now += 599;
	assert_int_equal(posh_world_answer("a.web.example")->e.code, ERR_OK);
	search_ends();
	posh_world.now += 1;
	assert_int_equal(posh_world_answer("a.web.example")->e.code, ERR_POSH_FETCH);
	assert_int_equal(web_asked("a.web.example"), 2);
	assert_int_equal(web_asked("b.web.example"), 0);
	web_pages(up, COUNT(up));
	posh_world.now += 299; /* POSH-3: nobody is asked again so soon */
	assert_int_equal(posh_world_answer("a.web.example")->e.code, ERR_POSH_FETCH);
	posh_world.now += 1;
	assert_int_equal(posh_world_answer("a.web.example")->e.code, ERR_OK);
}

/* F04: set back, a clock lengthens nothing; set forward, it ends things early at most. */
static void a_clock_that_jumps_is_survived(void **state)
{
	static const int64_t jumps[] = {
		-3600, -315360000, -1800000000, 3599, 3600, 315360000, INT64_C(1) << 40};
	(void)state;
	all_have(POSH_DOCUMENT("3600"), 0);
	posh_world_open(names, COUNT(names));
	for (size_t i = 0; i < COUNT(jumps); i++) {
		posh_world.now = 1800000000;
		assert_int_equal(posh_world_answer(hosts[i])->e.code, ERR_OK);
		posh_world.now += jumps[i];
		const struct posh_found *f = posh_world_answer(hosts[i]);
		assert_int_equal(f->e.code, ERR_OK);
		assert_true(f->not_after > posh_world.now);
		assert_true(f->not_after <= posh_world.now + 3600);
	}
}

/* ---- no more than so much ---- */

static void a_flood_of_names_drives_out_no_document(void **state)
{
	(void)state;
	all_have(POSH_DOCUMENT("3600"), 0);
	for (size_t i = 3; i < COUNT(pages); i++)
		pages[i].text = "HTTP/1.1 404 None\r\n\r\n";
	posh_world.config.max_domains = 4;
	posh_world_open(names, COUNT(names));
	for (size_t i = 0; i < 30; i++) {
		posh_world_answer(hosts[i]);
		assert_in_range(scout_posh_counts(posh_world.posh).domains, 1, 4);
	}
	for (size_t i = 0; i < 3; i++)
		posh_world_answer(hosts[i]);
	assert_int_equal(scout_posh_counts(posh_world.posh).searches, 30);
	assert_int_equal(scout_posh_counts(posh_world.posh).hits, 3);
}

static void the_document_not_asked_for_longest_goes_first(void **state)
{
	(void)state;
	all_have(POSH_DOCUMENT("3600"), 0);
	posh_world.config.max_domains = 3;
	posh_world_open(names, COUNT(names));
	static const unsigned asked[] = {0, 1, 2, 0, 3, 0, 2, 1};
	static const unsigned searches[] = {1, 2, 3, 3, 4, 4, 4, 5};
	for (size_t i = 0; i < COUNT(asked); i++) {
		posh_world_answer(hosts[asked[i]]);
		assert_int_equal(scout_posh_counts(posh_world.posh).searches, searches[i]);
	}
}

/* Nothing that somebody waits for is thrown out; who comes too much is told at once. */
static void a_cache_full_of_searches_refuses(void **state)
{
	(void)state;
	all_have(POSH_DOCUMENT("3600"), 50);
	posh_world.config.max_domains = 2;
	posh_world_open(names, COUNT(names));
	for (size_t i = 0; i < 3; i++)
		posh_world_ask(hosts[i]);
	posh_world_ask(hosts[0]);
	assert_true(posh_world_wait(3000));
	assert_int_equal(posh_world.answers[2].found.e.code, ERR_POSH_BUSY);
	assert_int_equal(posh_world.answers[2].found.not_after, posh_world.now + 5);
	assert_true(posh_world.answers[2].at_ms < posh_world.answers[0].at_ms);
	assert_int_equal(posh_world.answers[0].found.e.code, ERR_OK);
	assert_int_equal(posh_world.answers[1].found.e.code, ERR_OK);
	assert_int_equal(posh_world.answers[3].found.e.code, ERR_OK);
}

/* Also when it was known before, and is looked for again. */
static void what_is_looked_for_again_is_not_thrown_out(void **state)
{
	(void)state;
	all_have(POSH_DOCUMENT("60"), 50);
	posh_world.config.max_domains = 1;
	posh_world_open(names, COUNT(names));
	posh_world_answer(hosts[0]);
	posh_world.now += 60;
	posh_world_ask(hosts[0]);
	posh_world_ask(hosts[1]);
	assert_true(posh_world_wait(3000));
	assert_int_equal(posh_world.answers[1].found.e.code, ERR_OK);
	assert_int_equal(posh_world.answers[2].found.e.code, ERR_POSH_BUSY);
}

/* Our own want of places is not held against a domain for five minutes. */
static void who_had_no_place_may_soon_try_again(void **state)
{
	(void)state;
	all_have(POSH_DOCUMENT("3600"), 0);
	posh_world.config.max_running = 1;
	posh_world.config.timeout_ms = 300;
	posh_world_open(names, COUNT(names));
	posh_world_ask("silent.web.example");
	const struct posh_found *f = posh_world_answer(hosts[0]);
	assert_int_equal(f->e.code, ERR_POSH_BUSY);
	assert_int_equal(f->not_after, posh_world.now + 5);
	posh_world.now += 5;
	assert_int_equal(posh_world_answer(hosts[0])->e.code, ERR_OK);
}

/* ---- names ---- */

/* P16: whatever a message says is a domain. No DNS and no web server hears of it. */
static void what_is_no_public_domain_is_never_looked_for(void **state)
{
	static const struct {
		const char *name;
		enum err_code code;
	} rows[] = {
		{"127.0.1.1", ERR_DOMAIN},
		{"2130706689", ERR_DOMAIN},
		{"::1", ERR_DOMAIN},
		{"[::1]", ERR_DOMAIN},
		{"", ERR_DOMAIN},
		{"evil.web.example\r\nHost: x", ERR_DOMAIN},
		{"a.web.example/../b", ERR_DOMAIN},
		{"a.web.example#b", ERR_DOMAIN},
		{"a.web.example:22", ERR_DOMAIN},
		{"a@web.example", ERR_DOMAIN},
		{"xn--zzzzzzzzzzzzzzzzzzzzzzzzzzzz.web.example", ERR_DOMAIN},
		{"A.web.example", ERR_DOMAIN}, /* a struct domain is lower case */
		{"intranet", ERR_DNS_SPECIAL},
		{"printer.local", ERR_DNS_SPECIAL},
		{"localhost", ERR_DNS_SPECIAL},
		{"abcdefgh.onion", ERR_DNS_SPECIAL},
	};
	(void)state;
	posh_world_open(names, COUNT(names));
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct domain d = {.len = (uint8_t)strlen(rows[i].name)};
		memcpy(d.name, rows[i].name, d.len);
		scout_posh_ask(posh_world.posh, &d, posh_world.asked++);
	}
	assert_true(posh_world_wait(500));
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (posh_world.answers[i].found.e.code != rows[i].code)
			fail_msg("%s: %s", rows[i].name,
				err_row(posh_world.answers[i].found.e.code)->symbol);
	}
	assert_int_equal(scout_posh_counts(posh_world.posh).searches, 0);
	assert_int_equal(scout_posh_counts(posh_world.posh).domains, 0);
}

/* ---- from inside, and the end ---- */

static void ask_again(size_t answer)
{
	if (answer < 10)
		posh_world_ask(hosts[answer + 1]);
}

static void who_is_told_may_ask(void **state)
{
	(void)state;
	all_have(POSH_DOCUMENT("3600"), 0);
	posh_world.config.max_domains = 1; /* the one that is told goes, too */
	posh_world.on_told = ask_again;
	posh_world_open(names, COUNT(names));
	posh_world_ask(hosts[0]);
	assert_true(posh_world_wait(3000));
	assert_int_equal(posh_world.told, 11);
	for (size_t i = 0; i < 11; i++)
		assert_int_equal(posh_world.answers[i].found.e.code, ERR_OK);
}

static void free_all(size_t answer)
{
	(void)answer;
	scout_posh_free(posh_world.posh);
	posh_world.posh = NULL;
}

static bool is_freed(void *unused)
{
	(void)unused;
	return !posh_world.posh;
}

/* A search's end, an answer from the cache, a refusal: each with others behind it. */
static void who_is_told_may_free_everything(void **state)
{
	(void)state;
	all_have(POSH_DOCUMENT("3600"), 0);
	for (int way = 0; way < 3; way++) {
		posh_world.on_told = NULL;
		posh_world.config.max_domains = way == 2 ? 1 : 9;
		posh_world_open(names, COUNT(names));
		if (way == 1)
			posh_world_answer(hosts[0]);
		posh_world.on_told = free_all;
		size_t before = posh_world.told;
		for (size_t i = 0; i < 3; i++) {
			posh_world_ask(hosts[0]);
			posh_world_ask(hosts[1]);
		}
		assert_true(fake_worker_run(posh_world.w, is_freed, NULL, 1000));
		fake_worker_run(posh_world.w, NULL, NULL, 5);
		assert_int_equal(posh_world.told, before + 1);
		posh_world.told = posh_world.asked;
	}
}

static void everything_may_be_freed_at_any_time(void **state)
{
	(void)state;
	all_have(POSH_DOCUMENT("3600"), 0);
	for (unsigned ms = 0; ms < 8; ms++) {
		posh_world.config.max_running = 2;
		posh_world_open(names, COUNT(names));
		posh_world_ask("intranet.web.example");
		posh_world_ask("silent.web.example");
		for (size_t i = 0; i < 4; i++)
			posh_world_ask(hosts[i / 2]);
		fake_worker_run(posh_world.w, NULL, NULL, ms);
		web_names_end();
		scout_posh_free(posh_world.posh);
		size_t told = posh_world.told;
		fake_worker_run(posh_world.w, NULL, NULL, 3);
		assert_int_equal(posh_world.told, told);
	}
	posh_world.posh = NULL;
}

static void without_authorities_nothing_can_be_looked_for(void **state)
{
	struct err e;
	(void)state;
	posh_world.config.authorities_pem = SLICE_LIT("no certificate");
	assert_null(scout_posh_new(posh_world.w->w.loop, &posh_world.config, &e));
	assert_int_equal(e.code, ERR_FILE);
	scout_posh_free(NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, posh_world_set_up, posh_world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_domain_is_looked_for_once_however_many_ask),
		T(a_domain_that_hangs_delays_no_other),
		T(an_answer_is_kept_for_its_time),
		T(a_document_serves_while_its_server_is_down),
		T(a_clock_that_jumps_is_survived),
		T(a_flood_of_names_drives_out_no_document),
		T(the_document_not_asked_for_longest_goes_first),
		T(a_cache_full_of_searches_refuses),
		T(what_is_looked_for_again_is_not_thrown_out),
		T(who_had_no_place_may_soon_try_again),
		T(what_is_no_public_domain_is_never_looked_for),
		T(who_is_told_may_ask),
		T(who_is_told_may_free_everything),
		T(everything_may_be_freed_at_any_time),
		T(without_authorities_nothing_can_be_looked_for),
	};
	return cmocka_run_group_tests(tests, web_world_start, web_world_stop);
}
