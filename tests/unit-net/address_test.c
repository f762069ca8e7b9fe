#include "net/address.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

/* P01, DNS-10: the special-purpose registries of IANA; the first and the last of each block, and
 * their neighbours outside. */
static const struct {
	const char *text;
	bool public;
} rows[] = {
	{"0.0.0.0", false},
	{"0.255.255.255", false},
	{"1.0.0.0", true},
	{"9.255.255.255", true},
	{"10.0.0.0", false},
	{"10.255.255.255", false},
	{"11.0.0.0", true},
	{"100.63.255.255", true},
	{"100.64.0.0", false},
	{"100.127.255.255", false},
	{"100.128.0.0", true},
	{"126.255.255.255", true},
	{"127.0.0.1", false},
	{"127.255.255.255", false},
	{"128.0.0.0", true},
	{"169.253.255.255", true},
	{"169.254.0.0", false},
	{"169.254.169.254", false},
	{"169.255.0.0", true},
	{"172.15.255.255", true},
	{"172.16.0.0", false},
	{"172.31.255.255", false},
	{"172.32.0.0", true},
	{"192.0.0.1", false},
	{"192.0.1.0", true},
	{"192.0.2.1", false},
	{"192.0.3.0", true},
	{"192.88.98.255", true},
	{"192.88.99.1", false},
	{"192.88.100.0", true},
	{"192.167.255.255", true},
	{"192.168.0.0", false},
	{"192.168.255.255", false},
	{"192.169.0.0", true},
	{"198.17.255.255", true},
	{"198.18.0.0", false},
	{"198.19.255.255", false},
	{"198.20.0.0", true},
	{"198.51.100.7", false},
	{"198.51.101.0", true},
	{"203.0.113.9", false},
	{"203.0.114.0", true},
	{"8.8.8.8", true},
	{"223.255.255.255", true},
	{"224.0.0.1", false},
	{"239.255.255.255", false},
	{"240.0.0.1", false},
	{"255.255.255.255", false},
	{"::", false},
	{"::1", false},
	{"::2", false},
	{"::ffff:127.0.0.1", false},
	{"::ffff:8.8.8.8", false}, /* nobody publishes these */
	{"::8.8.8.8", false},
	{"64:ff9b::8.8.8.8", false},
	{"64:ff9b:1::1", false},
	{"100::1", false},
	{"1fff:ffff::1", false},
	{"2000::1", true},
	{"2001::1", false},
	{"2001:0:ffff::1", false}, /* Teredo */
	{"2001:1::1", true},
	{"2001:2::1", false},
	{"2001:2:1::1", true}, /* benchmarking */
	{"2001:f::1", true},
	{"2001:10::1", false},
	{"2001:1f::1", false},
	{"2001:20::1", false},
	{"2001:2f:ffff::1", false},
	{"2001:30::1", true},
	{"2001:db7::1", true},
	{"2001:db8::1", false},
	{"2001:db8:ffff::1", false},
	{"2001:db9::1", true},
	{"2001:4860:4860::8888", true},
	{"2002::1", false},
	{"2002:7f00:1::1", false},
	{"2003::1", true},
	{"2a00::1", true},
	{"3ffe::1", true},
	{"3fff::1", false},
	{"3fff:fff::1", false},
	{"3fff:1000::1", true},
	{"3fff:ffff::1", true},
	{"4000::1", false},
	{"5f00::1", false},
	{"fbff::1", false},
	{"fc00::1", false},
	{"fdff::1", false},
	{"fe80::1", false},
	{"fec0::1", false},
	{"ff02::1", false},
};

static void only_addresses_of_the_public_internet_are_public(void **state)
{
	(void)state;
	assert_true(sizeof rows / sizeof *rows >= 60);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sockaddr_storage sa = {0};
		struct sockaddr_in *v4 = (struct sockaddr_in *)&sa;
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&sa;
		bool six = strchr(rows[i].text, ':') != NULL;
		sa.ss_family = six ? AF_INET6 : AF_INET;
		assert_int_equal(inet_pton(sa.ss_family, rows[i].text,
					 six ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr),
			1);
		if (address_is_public(&sa) != rows[i].public)
			fail_msg(
				"%s: %s", rows[i].text, rows[i].public ? "refused" : "let through");
	}
}

static void what_is_no_ip_address_is_not_public(void **state)
{
	(void)state;
	struct sockaddr_storage sa = {.ss_family = AF_UNIX};
	assert_false(address_is_public(&sa));
	sa.ss_family = AF_UNSPEC;
	assert_false(address_is_public(&sa));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_addresses_of_the_public_internet_are_public),
		cmocka_unit_test(what_is_no_ip_address_is_not_public),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
