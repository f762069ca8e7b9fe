/* The next document is looked for before the one that is kept has ended (P15). */
#include "core/scout_posh.h"

#include "lib/posh_world.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct web_name names[] = {
	{.host = "*", .status = RESOLVE_DATA, .addresses = WEB_GOOD},
};

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

/* P15, POSH-6, RFC 7711 6: each row: how old the document is when it is asked for, whether its
 * server is up, whether that starts a search, and until when the document then holds. */
static void the_next_document_is_looked_for_before_this_one_ends(void **state)
{
	static const struct {
		const char *title;
		const char *expires;
		int64_t life_s, after_s;
		bool up, searches;
		int64_t holds_s; /* from the beginning */
	} rows[] = {
		{"in three quarters of its life", "3600", 3600, 2699, true, false, 3600},
		{"in the last quarter", "3600", 3600, 2700, true, true, 2700 + 3600},
		{"but not a day ahead", "86400", 86400, 82799, true, false, 86400},
		{"an hour", "86400", 86400, 82800, true, true, 82800 + 86400},
		{"the shortest", "1", 60, 45, true, true, 45 + 60},
		{"the server is down: the document stays", "3600", 3600, 2700, false, true, 3600},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[300];
		(void)snprintf(text, sizeof text,
			POSH_OK "\r\n{\"fingerprints\":[" POSH_PRINT "],\"expires\":%s}",
			rows[i].expires);
		struct web_page up = {.host = "a.web.example", .text = text};
		struct web_page down = {.host = "a.web.example", .text = DOWN};
		print_message("           %s\n", rows[i].title);
		web_pages(&up, 1);
		posh_world_open(names, COUNT(names));
		int64_t start = posh_world.now;
		assert_int_equal(posh_world_answer("a.web.example")->e.code, ERR_OK);
		web_pages(rows[i].up ? &up : &down, 1);
		posh_world.now = start + rows[i].after_s;
		/* At once, with what is known. */
		assert_int_equal(
			posh_world_answer("a.web.example")->not_after, start + rows[i].life_s);
		search_ends();
		assert_int_equal(scout_posh_counts(posh_world.posh).searches, 1 + rows[i].searches);
		const struct posh_found *f = posh_world_answer("a.web.example");
		assert_int_equal(f->e.code, ERR_OK);
		assert_int_equal(f->not_after, start + rows[i].holds_s);
		web_names_end();
		scout_posh_free(posh_world.posh);
	}
	posh_world.posh = NULL;
}

/* P15: with a pause, or whoever asks most would be the one who floods a server that is down. */
static void a_search_ahead_that_failed_is_tried_again_after_a_pause(void **state)
{
	static const struct {
		int64_t at_s; /* of 86400 */
		unsigned searches;
	} rows[] = {{82800, 2}, {82801, 2}, {83099, 2}, {83100, 3}, {83399, 3}, {83400, 4}};
	static const struct web_page up = {.host = "a.web.example", .text = POSH_DOCUMENT("86400")},
				     down = {.host = "a.web.example", .text = DOWN};
	(void)state;
	web_pages(&up, 1);
	posh_world_open(names, COUNT(names));
	int64_t start = posh_world.now;
	assert_int_equal(posh_world_answer("a.web.example")->e.code, ERR_OK);
	web_pages(&down, 1);
	for (size_t i = 0; i < COUNT(rows); i++) {
		posh_world.now = start + rows[i].at_s;
		assert_int_equal(posh_world_answer("a.web.example")->not_after, start + 86400);
		search_ends();
		assert_int_equal(scout_posh_counts(posh_world.posh).searches, rows[i].searches);
	}
}

/* A document may end while the next one is on its way: who asks then waits for that. */
static void who_asks_when_it_has_ended_joins_the_search_ahead(void **state)
{
	static const struct web_page quick = {.host = "a.web.example", .text = POSH_DOCUMENT("60")},
				     slow = {.host = "a.web.example",
					     .text = POSH_DOCUMENT("60"),
					     .wait_ms = 100};
	(void)state;
	web_pages(&quick, 1);
	posh_world_open(names, COUNT(names));
	assert_int_equal(posh_world_answer("a.web.example")->e.code, ERR_OK);
	web_pages(&slow, 1);
	posh_world.now += 59;
	assert_int_equal(posh_world_answer("a.web.example")->not_after, posh_world.now + 1);
	posh_world.now += 1;
	assert_int_equal(posh_world_answer("a.web.example")->not_after, posh_world.now + 60);
	assert_int_equal(scout_posh_counts(posh_world.posh).searches, 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, posh_world_set_up, posh_world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_next_document_is_looked_for_before_this_one_ends),
		T(a_search_ahead_that_failed_is_tried_again_after_a_pause),
		T(who_asks_when_it_has_ended_joins_the_search_ahead),
	};
	return cmocka_run_group_tests(tests, web_world_start, web_world_stop);
}
