/* Where POSH documents may be: the well-known place, redirects, references (RFC 7711 3, 10; RFC
 * 3986 5; POSH-2, POSH-9, POSH-10; P03, P16). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "trust/posh.h"

#include <string.h>

static struct posh_url parsed(const char *text, const char *base, struct err *e)
{
	struct posh_url from, u;
	if (base)
		assert_false(err_is(posh_url_parse(slice_str(base), NULL, &from)));
	memset(&u, 0xa5, sizeof u);
	*e = posh_url_parse(slice_str(text), base ? &from : NULL, &u);
	static const struct posh_url empty;
	if (err_is(*e))
		assert_memory_equal(&u, &empty, sizeof u);
	return u;
}

/* want: NULL when it is refused. */
struct one {
	const char *text, *want;
};

static void check_ones(const struct one *all, size_t count, const char *base)
{
	struct buf out;
	struct err e;
	buf_init(&out, BUF_UNLIMITED);
	for (size_t i = 0; i < count; i++) {
		struct posh_url u = parsed(all[i].text, base, &e);
		buf_clear(&out);
		if (!err_is(e))
			posh_url_write(&u, &out);
		if (e.code != (all[i].want ? ERR_OK : ERR_POSH_REDIRECT) ||
			strcmp(buf_cstr(&out), all[i].want ? all[i].want : "") != 0)
			fail_msg("%s: %s %s", all[i].text, err_row(e.code)->symbol, buf_cstr(&out));
	}
	buf_fini(&out);
}
#define CHECK_ONES(all, base) check_ones(all, sizeof(all) / sizeof *(all), base)

/* RFC 7711 3, RFC 7712 5.2, POSH-10; P16: what is no domain never becomes a URL, because a URL is
 * made of a struct domain alone */
static void the_well_known_place_is_below_the_domain_itself(void **state)
{
	(void)state;
	struct domain d;
	struct posh_url u;
	struct buf out;
	buf_init(&out, BUF_UNLIMITED);
	assert_false(err_is(domain_parse(SLICE_LIT("Conference.Müller.example."), &d)));
	posh_url_of(&d, "xmpp-server", &u);
	posh_url_write(&u, &out);
	assert_string_equal(buf_cstr(&out),
		"https://conference.xn--mller-kva.example/.well-known/posh/xmpp-server.json");
	static const char *const none[] = {"evil.example\r\nHost: x", "a/../b", "a#b", "a:22",
		"a@b", "a.example/x", "127.0.0.1", "[::1]", "0x7f.1", "a b.example", "a%2eexample",
		""};
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_true(err_is(domain_parse(slice_str(none[i]), &d)));
	buf_fini(&out);
}

/* POSH-2, POSH-9; P03 */
static void only_https_to_a_host_name_is_followed(void **state)
{
	(void)state;
	static const struct one all[] = {
		{"https://a.example/x.json", "https://a.example/x.json"},
		{"https://a.example", "https://a.example/"},
		{"https://a.example?q", "https://a.example/?q"},
		{"https://a.example#f", "https://a.example/"},
		{"https://a.example/x?q=1&r=%20#f?g", "https://a.example/x?q=1&r=%20"},
		{"HTTPS://A.Example./X", "https://a.example/X"},
		{"https://a.example/a/./b/../c", "https://a.example/a/c"},
		{"https://a.example/../../x", "https://a.example/x"},
		{"https://a.example//x", "https://a.example//x"},
		{"http://a.example/", NULL},
		{"file:///etc/passwd", NULL},
		{"file://a.example/x", NULL},
		{"gopher://a.example/", NULL},
		{"ftp://a.example/", NULL},
		{"data:application/json,{}", NULL},
		{"javascript:alert(1)", NULL},
		{"xhttps://a.example/", NULL},
		{"https:/a.example/", NULL},
		{"https:a.example/", NULL},
		{"https:///x", NULL},
		{"https://", NULL},
		{"https://?q", NULL},
		{"https://:443/", NULL},
		{"://a.example/", NULL},
		{"//a.example/", NULL},
		{"/x", NULL},
		{"x", NULL},
		{"", NULL},
		{"https://user@a.example/", NULL},
		{"https://user:password@a.example/", NULL},
		{"https://a.example:443@b.example/", NULL},
		{"https://a.example@b.example/", NULL},
		{"https://@a.example/", NULL},
		{"https://127.0.0.1/", NULL},
		{"https://127.1/", NULL},
		{"https://2130706433/", NULL},
		{"https://0x7f000001/", NULL},
		{"https://0177.0.0.1/", NULL},
		{"https://a.0x7f/", NULL},
		{"https://[::1]/", NULL},
		{"https://[fe80::1%25eth0]/", NULL},
		{"https://[v1.x]/", NULL},
		{"https://a%2eexample/", NULL},
		{"https://a..example/", NULL},
		{"https://.a.example/", NULL},
		{"https://-a.example/", NULL},
		{"https://a_b.example/", NULL},
		{"https://*.example/", NULL},
	};
	CHECK_ONES(all, NULL);
}

/* POSH-9; P03 */
static void only_the_web_s_port_and_high_ones_are_asked(void **state)
{
	(void)state;
	static const struct one all[] = {
		{"https://a.example:443/", "https://a.example/"},
		{"https://a.example:00443/", "https://a.example/"},
		{"https://a.example:/", "https://a.example/"},
		{"https://a.example:1024/", "https://a.example:1024/"},
		{"https://a.example:8443/x", "https://a.example:8443/x"},
		{"https://a.example:65535/", "https://a.example:65535/"},
		{"https://a.example:1023/", NULL},
		{"https://a.example:22/", NULL},
		{"https://a.example:25/", NULL},
		{"https://a.example:80/", NULL},
		{"https://a.example:442/", NULL},
		{"https://a.example:444/", NULL},
		{"https://a.example:0/", NULL},
		{"https://a.example:65536/", NULL},
		{"https://a.example:65979/", NULL}, /* 443 and 65536 */
		{"https://a.example:4294967739/", NULL},
		{"https://a.example:000443/", NULL},
		{"https://a.example:-1/", NULL},
		{"https://a.example:+443/", NULL},
		{"https://a.example:0x1bb/", NULL},
		{"https://a.example:https/", NULL},
		{"https://a.example:443:443/", NULL},
	};
	CHECK_ONES(all, NULL);
}

/* P16: nothing that ends a line, or that libraries read in two ways */
static void what_is_no_uri_text_is_refused(void **state)
{
	(void)state;
	static const struct one all[] = {
		{"https://a.example/x y", NULL},
		{"https://a.example/x\r\nHost: b.example", NULL},
		{"https://a.example/x\n", NULL},
		{" https://a.example/", NULL},
		{"https://a.example/ ", NULL},
		{"https://a.example\\@b.example/", NULL},
		{"https://a.example/\\x", NULL},
		{"https://a.example/\"x\"", NULL},
		{"https://a.example/<x>", NULL},
		{"https://a.example/{x}", NULL},
		{"https://a.example/x|y", NULL},
		{"https://a.example/^", NULL},
		{"https://a.example/`", NULL},
		{"https://a.example/%", NULL},
		{"https://a.example/%4", NULL},
		{"https://a.example/%4g", NULL},
		{"https://a.example/%g4", NULL},
		{"https://a.example/\x7f", NULL},
		{"https://a.example/m\xc3\xbcller", NULL},
		{"https://m\xc3\xbcller.example/", NULL},
		{"https://a.example/#\n", NULL},
		{"https://a.example/%4Af-._~!$&'()*+,;=:@",
			"https://a.example/%4Af-._~!$&'()*+,;=:@"},
	};
	CHECK_ONES(all, NULL);
	struct posh_url u;
	assert_true(err_is(posh_url_parse(SLICE_LIT("https://a.example/\0x"), NULL, &u)));
	assert_true(err_is(posh_url_parse(SLICE_LIT("https://a.example\0/x"), NULL, &u)));
	/* What stands behind the text is not part of it. */
	static const char cut[] = "https://a.example/%4A";
	assert_true(err_is(posh_url_parse(slice_of(cut, sizeof cut - 2), NULL, &u)));
	assert_false(err_is(posh_url_parse(slice_of(cut, sizeof cut - 1), NULL, &u)));
}

/* RFC 3986 5.4, as far as it is about what we follow */
static void a_relative_location_is_seen_from_where_it_was_sent(void **state)
{
	(void)state;
	static const struct one all[] = {
		{"g", "https://a.example:8443/b/c/g"},
		{"./g", "https://a.example:8443/b/c/g"},
		{"g/", "https://a.example:8443/b/c/g/"},
		{"/g", "https://a.example:8443/g"},
		{"//g.example", "https://g.example/"},
		{"//g.example:9000/x?y", "https://g.example:9000/x?y"},
		{"?y", "https://a.example:8443/b/c/d;p?y"},
		{"g?y", "https://a.example:8443/b/c/g?y"},
		{"#s", "https://a.example:8443/b/c/d;p?q"},
		{"g#s", "https://a.example:8443/b/c/g"},
		{"g?y#s", "https://a.example:8443/b/c/g?y"},
		{";x", "https://a.example:8443/b/c/;x"},
		{"", "https://a.example:8443/b/c/d;p?q"},
		{"?", "https://a.example:8443/b/c/d;p?"},
		{".", "https://a.example:8443/b/c/"},
		{"./", "https://a.example:8443/b/c/"},
		{"..", "https://a.example:8443/b/"},
		{"../", "https://a.example:8443/b/"},
		{"../g", "https://a.example:8443/b/g"},
		{"../..", "https://a.example:8443/"},
		{"../../g", "https://a.example:8443/g"},
		{"../../../g", "https://a.example:8443/g"},
		{"/./g", "https://a.example:8443/g"},
		{"/../g", "https://a.example:8443/g"},
		{"g.", "https://a.example:8443/b/c/g."},
		{".g", "https://a.example:8443/b/c/.g"},
		{"g..", "https://a.example:8443/b/c/g.."},
		{"..g", "https://a.example:8443/b/c/..g"},
		{"./../g", "https://a.example:8443/b/g"},
		{"./g/.", "https://a.example:8443/b/c/g/"},
		{"g/./h", "https://a.example:8443/b/c/g/h"},
		{"g/../h", "https://a.example:8443/b/c/h"},
		{"g?y/../x", "https://a.example:8443/b/c/g?y/../x"},
		{"g?y:z", "https://a.example:8443/b/c/g?y:z"},
		{"./g:h", "https://a.example:8443/b/c/g:h"},
		{"https://b.example/x", "https://b.example/x"},
		{"g:h", NULL},
		{"https:g", NULL},
		{"http://a.example/", NULL},
		{"//127.0.0.1/", NULL},
		{"//user@b.example/", NULL},
		{"//b.example:25/", NULL},
		{"///x", NULL},
	};
	CHECK_ONES(all, "https://a.example:8443/b/c/d;p?q");
}

static void a_url_may_be_replaced_by_what_it_leads_to(void **state)
{
	(void)state;
	struct posh_url u;
	struct buf out;
	buf_init(&out, BUF_UNLIMITED);
	assert_false(err_is(posh_url_parse(SLICE_LIT("https://a.example/b/c?q"), NULL, &u)));
	assert_false(err_is(posh_url_parse(SLICE_LIT("../d/e"), &u, &u)));
	posh_url_write(&u, &out);
	assert_string_equal(buf_cstr(&out), "https://a.example/d/e");
	buf_fini(&out);
}

static void long_urls_are_refused(void **state)
{
	(void)state;
	static char text[2 * POSH_URL_MAX];
	struct posh_url u, longer;
	memset(text, 'x', sizeof text);
	memcpy(text, "https://a.example/", 18);
	assert_false(err_is(posh_url_parse(slice_of(text, POSH_URL_MAX), NULL, &u)));
	assert_int_equal(strlen(u.target), POSH_URL_MAX - 17);
	assert_true(err_is(posh_url_parse(slice_of(text, POSH_URL_MAX + 1), NULL, &u)));
	/* Neither part is too long here, but both together are. */
	text[POSH_URL_MAX - 1] = '/';
	assert_false(err_is(posh_url_parse(slice_of(text, POSH_URL_MAX), NULL, &u)));
	memset(text, 'y', sizeof text);
	assert_false(err_is(posh_url_parse(slice_of(text, 17), &u, &longer)));
	assert_int_equal(strlen(longer.target), POSH_URL_MAX);
	assert_true(err_is(posh_url_parse(slice_of(text, 18), &u, &longer)));
	assert_true(err_is(posh_url_parse(slice_of(text, POSH_URL_MAX), &u, &longer)));
	text[0] = '?';
	assert_false(err_is(posh_url_parse(slice_of(text, 17), &u, &longer)));
	assert_true(err_is(posh_url_parse(slice_of(text, 18), &u, &longer)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_well_known_place_is_below_the_domain_itself),
		cmocka_unit_test(only_https_to_a_host_name_is_followed),
		cmocka_unit_test(only_the_web_s_port_and_high_ones_are_asked),
		cmocka_unit_test(what_is_no_uri_text_is_refused),
		cmocka_unit_test(a_relative_location_is_seen_from_where_it_was_sent),
		cmocka_unit_test(a_url_may_be_replaced_by_what_it_leads_to),
		cmocka_unit_test(long_urls_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
