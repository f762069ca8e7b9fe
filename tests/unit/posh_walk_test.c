#include "trust/posh_walk.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define PRINTS(expires)                                                                            \
	"{\"fingerprints\":[{\"sha-256\":\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"}],"      \
	"\"expires\":" #expires "}"
#define REFERS(url, expires) "{\"url\":\"" url "\",\"expires\":" #expires "}"

static struct domain named(const char *name)
{
	struct domain d;
	assert_false(err_is(domain_parse(slice_str(name), &d)));
	return d;
}

struct answer {
	long status;      /* 0: it could not be fetched, with `e` */
	const char *text; /* location or body */
	enum err_code e;
};

/* The step that the last answer leads to. */
static enum posh_step walk(struct posh_walk *w, const struct answer *answers)
{
	const struct domain d = named("shire.example");
	enum posh_step step = POSH_GO;
	posh_walk_begin(w, &d, "xmpp-server");
	for (const struct answer *a = answers; a->status || a->e; a++) {
		assert_int_equal(step, POSH_GO);
		step = a->status ? posh_walk_answer(
					   w, a->status, a->text ? a->text : "", slice_str(a->text))
				 : posh_walk_failed(w, err_make(a->e));
	}
	return step;
}

static void it_begins_at_the_domains_own_place(void **state)
{
	struct posh_walk w;
	const struct domain d = named("shire.example");
	(void)state;
	posh_walk_begin(&w, &d, "xmpp-client");
	assert_string_equal(w.at.host.name, "shire.example");
	assert_int_equal(w.at.port, 443);
	assert_string_equal(w.at.target, "/.well-known/posh/xmpp-client.json");
}

/* POSH-2, POSH-3; P03, P04, P12. */
static void each_way_has_its_end(void **state)
{
	static const struct {
		const char *title;
		struct answer answers[9];
		enum posh_step step;
		enum err_code e;
		int native;
	} rows[] = {
		{"a document", {{200, PRINTS(60), 0}}, POSH_FOUND, ERR_OK, 0},
		{"none", {{404, NULL, 0}}, POSH_END, ERR_POSH_NONE, 0},
		{"none any more", {{410, NULL, 0}}, POSH_END, ERR_POSH_NONE, 0},
		{"no web server", {{0, NULL, ERR_DNS_NONE}}, POSH_END, ERR_POSH_NONE, 0},
		{"a bad day", {{503, NULL, 0}}, POSH_END, ERR_POSH_FETCH, 503},
		{"not for everybody", {{403, NULL, 0}}, POSH_END, ERR_POSH_FETCH, 403},
		{"a status of success without a document", {{204, NULL, 0}}, POSH_END,
			ERR_POSH_FETCH, 204},
		{"no connection", {{0, NULL, ERR_POSH_TLS}}, POSH_END, ERR_POSH_TLS, 0},
		{"a page", {{200, "<html>", 0}}, POSH_END, ERR_POSH_PARSE, 0},
		{"a redirect", {{301, "/a", 0}}, POSH_GO, ERR_OK, 0},
		{"of the other kinds",
			{{302, "/a", 0}, {303, "/b", 0}, {307, "/c", 0}, {308, "/d", 0}}, POSH_GO,
			ERR_OK, 0},
		{"304 is none", {{304, "/a", 0}}, POSH_END, ERR_POSH_FETCH, 304},
		{"five redirects",
			{{302, "/1", 0}, {302, "/2", 0}, {302, "/3", 0}, {302, "/4", 0},
				{302, "/5", 0}, {200, PRINTS(60), 0}},
			POSH_FOUND, ERR_OK, 0},
		{"six",
			{{302, "/1", 0}, {302, "/2", 0}, {302, "/3", 0}, {302, "/4", 0},
				{302, "/5", 0}, {302, "/6", 0}},
			POSH_END, ERR_POSH_REDIRECT, 0},
		{"to itself", {{302, "/.well-known/posh/xmpp-server.json", 0}}, POSH_END,
			ERR_POSH_REDIRECT, 0},
		{"to where it was", {{302, "/1", 0}, {302, "/2", 0}, {302, "/1", 0}}, POSH_END,
			ERR_POSH_REDIRECT, 0},
		{"to http", {{302, "http://a.example/", 0}}, POSH_END, ERR_POSH_REDIRECT, 0},
		{"to nowhere", {{302, "", 0}}, POSH_END, ERR_POSH_REDIRECT, 0},
		{"a reference", {{200, REFERS("https://a.example/p", 60), 0}, {200, PRINTS(60), 0}},
			POSH_FOUND, ERR_OK, 0},
		{"a reference, redirected",
			{{302, "/1", 0}, {200, REFERS("https://a.example/p", 60), 0},
				{302, "/q", 0}, {200, PRINTS(60), 0}},
			POSH_FOUND, ERR_OK, 0},
		{"five redirects in all, not for each document",
			{{302, "/1", 0}, {302, "/2", 0}, {302, "/3", 0},
				{200, REFERS("https://a.example/p", 60), 0}, {302, "/q", 0},
				{302, "/r", 0}, {302, "/s", 0}},
			POSH_END, ERR_POSH_REDIRECT, 0},
		{"a reference to a reference",
			{{200, REFERS("https://a.example/p", 60), 0},
				{200, REFERS("https://b.example/p", 60), 0}},
			POSH_END, ERR_POSH_REFERENCE, 0},
		{"a reference that leads nowhere",
			{{200, REFERS("https://a.example/p", 60), 0}, {404, NULL, 0}}, POSH_END,
			ERR_POSH_FETCH, 404},
		{"or to no web server",
			{{200, REFERS("https://a.example/p", 60), 0}, {0, NULL, ERR_DNS_NONE}},
			POSH_END, ERR_POSH_FETCH, 0},
		{"a reference to itself",
			{{200,
				REFERS("https://shire.example/.well-known/posh/xmpp-server.json",
					60),
				0}},
			POSH_END, ERR_POSH_REDIRECT, 0},
	};
	static struct posh_walk w;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		enum posh_step step = walk(&w, rows[i].answers);
		if (step != rows[i].step || w.e.code != rows[i].e || w.e.native != rows[i].native)
			fail_msg("%s: step %d, %s, %d", rows[i].title, step,
				err_row(w.e.code)->symbol, w.e.native);
		if (step == POSH_END)
			assert_int_equal(w.document.count, 0);
	}
}

/* POSH-6, RFC 7711 6: who keeps it keeps it for the lowest; who waits waits for the longest. */
static void the_times_of_all_documents_on_the_way_count(void **state)
{
	static const struct answer short_first[] = {{200, REFERS("https://a.example/p", 100), 0},
		{200, PRINTS(7000), 0}, {0}},
				   long_first[] = {{200, REFERS("https://a.example/p", 7000), 0},
					   {200, PRINTS(100), 0}, {0}};
	static struct posh_walk w;
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(walk(&w, i ? long_first : short_first), POSH_FOUND);
		assert_int_equal(w.expires_s, 100);
		assert_int_equal(w.document.expires_s, 100);
		assert_int_equal(w.longest_s, 7000);
	}
}

static void a_place_that_is_not_gone_to_ends_the_way(void **state)
{
	static const struct answer leads_away[] = {{302, "https://intranet.local/", 0}, {0}};
	static struct posh_walk w;
	(void)state;
	assert_int_equal(walk(&w, leads_away), POSH_GO);
	assert_int_equal(posh_walk_refuse(&w), POSH_END);
	assert_int_equal(w.e.code, ERR_POSH_REDIRECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_at_the_domains_own_place),
		cmocka_unit_test(each_way_has_its_end),
		cmocka_unit_test(the_times_of_all_documents_on_the_way_count),
		cmocka_unit_test(a_place_that_is_not_gone_to_ends_the_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
