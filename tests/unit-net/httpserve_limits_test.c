/* The publisher's HTTPS server: what takes too long, is too large, or comes too often (P22). */
#include "lib/https_rig.h"
#include "lib/own_network.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FINE "GET " RIG_PATH " HTTP/1.1\r\nHost: " RIG_HOST "\r\n\r\n"

static const struct client_as usual = {.sni = RIG_HOST, .alpn = "\x08http/1.1"};
static char heard[4096], noted[300];

static struct client open_to(struct https_rig *r, struct client_as as)
{
	struct client c;
	if (!client_open(&c, r, as))
		fail_msg("no handshake");
	return c;
}

static int ask(struct client *c, const char *text)
{
	(void)client_say(c, slice_str(text));
	return client_hear(c, false, heard, sizeof heard);
}

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool is_over(int fd, int within_ms)
{
	struct pollfd p = {fd, POLLIN, 0};
	char byte;
	return poll(&p, 1, within_ms) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

/* P22: a byte now and then does not help; others are served meanwhile. */
static void a_slow_request_ends_at_its_time(void **state)
{
	(void)state;
	struct httpserve_settings s = rig_settings();
	s.request_ms = 600;
	struct https_rig r = rig_start(&s);
	struct client slow = open_to(&r, usual), other;
	uint64_t began = now_ms();
	const char *at = FINE;
	while (!client_is_over(&slow, 40) && now_ms() - began < RIG_SOON_MS)
		(void)client_say(&slow, slice_of(at++, 1));
	assert_in_range(now_ms() - began, 400, 1500);
	assert_true(rig_note(&r, noted, sizeof noted));
	assert_string_equal(noted, "0 FG-H07 ");
	other = open_to(&r, usual);
	assert_int_equal(ask(&other, FINE), 200);
	client_close(&other);
	client_close(&slow);
	rig_stop(&r);
}

static void a_slow_handshake_ends_at_its_time(void **state)
{
	(void)state;
	struct httpserve_settings s = rig_settings();
	s.request_ms = 400;
	struct https_rig r = rig_start(&s);
	int silent = rig_dial(&r, NULL), slow = rig_dial(&r, NULL);
	assert_int_equal(send(slow, "\x16\x03\x01\x02\x00\x01", 6, MSG_NOSIGNAL), 6);
	assert_true(is_over(silent, 2000));
	assert_true(is_over(slow, 500));
	for (int i = 0; i < 2; i++) {
		assert_true(rig_note(&r, noted, sizeof noted));
		assert_string_equal(noted, "0 FG-T06 ");
	}
	close(silent);
	close(slow);
	rig_stop(&r);
}

static void between_requests_a_connection_may_be_idle_for_a_while(void **state)
{
	(void)state;
	struct httpserve_settings s = rig_settings();
	s.idle_ms = 500;
	struct https_rig r = rig_start(&s);
	struct client idle = open_to(&r, usual);
	assert_int_equal(ask(&idle, FINE), 200);
	assert_false(client_is_over(&idle, 250));
	assert_int_equal(ask(&idle, FINE), 200); /* the time begins again */
	uint64_t began = now_ms();
	assert_true(client_is_over(&idle, RIG_SOON_MS));
	assert_in_range(now_ms() - began, 400, 1500);
	assert_int_equal(SSL_get_shutdown(idle.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
	client_close(&idle);
	/* Nothing is noted of it, but of one that had begun to ask. */
	struct client slow = open_to(&r, usual);
	assert_int_equal(ask(&slow, FINE), 200);
	(void)client_say(&slow, SLICE_LIT("GET"));
	assert_true(client_is_over(&slow, RIG_SOON_MS));
	for (int i = 0; i < 4; i++) {
		assert_true(rig_note(&r, noted, sizeof noted));
		assert_memory_equal(noted, i < 3 ? "200 FG-000" : "0 FG-H07 ", i < 3 ? 10 : 9);
	}
	client_close(&slow);
	rig_stop(&r);
}

/* P22: more than all buffers on the way hold is answered when it is too much, and what still comes
 * does not hide the answer. */
static void a_very_large_request_hears_why_it_is_refused(void **state)
{
	(void)state;
	static char megabyte[1 << 20];
	struct httpserve_settings s = rig_settings();
	struct https_rig r = rig_start(&s);
	struct client c = open_to(&r, usual);
	memset(megabyte, 'a', sizeof megabyte);
	for (int i = 0; i < 12; i++)
		assert_true(client_say(&c, slice_of(megabyte, sizeof megabyte)));
	assert_int_equal(client_hear(&c, false, heard, sizeof heard), 431);
	client_close(&c);
	rig_stop(&r);
}

static void an_address_has_its_share_of_connections(void **state)
{
	(void)state;
	struct httpserve_settings s = rig_settings();
	s.per_address = 3;
	struct https_rig r = rig_start(&s);
	int fds[3];
	for (int i = 0; i < 3; i++)
		fds[i] = rig_dial(&r, NULL);
	int more = rig_dial(&r, NULL);
	assert_true(is_over(more, RIG_SOON_MS));
	assert_true(rig_note(&r, noted, sizeof noted));
	assert_string_equal(noted, "0 FG-R05 ");
	struct client_as elsewhere = usual;
	elsewhere.from = "127.0.0.2";
	struct client c = open_to(&r, elsewhere);
	assert_int_equal(ask(&c, FINE), 200);
	client_close(&c);
	close(fds[0]);
	(void)poll(NULL, 0, 50);
	c = open_to(&r, usual); /* a place has become free */
	client_close(&c);
	close(more);
	close(fds[1]);
	close(fds[2]);
	rig_stop(&r);
}

static void an_address_has_its_rate_of_connections(void **state)
{
	(void)state;
	struct httpserve_settings s = rig_settings();
	s.per_second = 2;
	struct https_rig r = rig_start(&s);
	unsigned refused = 0;
	for (int i = 0; i < 8; i++) {
		int fd = rig_dial(&r, NULL);
		refused += is_over(fd, 60);
		close(fd);
	}
	assert_in_range(refused, 3, 4); /* four at once, and one more per half a second */
	int fd = rig_dial(&r, "127.0.0.2");
	assert_false(is_over(fd, 60));
	close(fd);
	rig_stop(&r);
}

/* P22: those who only hold on make place for those who come. */
static void beyond_the_limit_the_one_without_an_answer_for_longest_goes(void **state)
{
	(void)state;
	struct httpserve_settings s = rig_settings();
	s.connections = 3;
	struct https_rig r = rig_start(&s);
	struct client served = open_to(&r, usual);
	int first = rig_dial(&r, NULL), second = rig_dial(&r, NULL);
	assert_false(is_over(first, 60));
	assert_int_equal(ask(&served, FINE), 200); /* was the oldest, and is no longer */
	assert_true(rig_note(&r, noted, sizeof noted));
	struct client c = open_to(&r, usual);
	assert_true(is_over(first, RIG_SOON_MS));
	assert_true(rig_note(&r, noted, sizeof noted));
	assert_string_equal(noted, "0 FG-R04 ");
	assert_false(is_over(second, 60));
	assert_int_equal(ask(&served, FINE), 200);
	assert_int_equal(ask(&c, FINE), 200);
	client_close(&c);
	client_close(&served);
	close(first);
	close(second);
	rig_stop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_request_ends_at_its_time),
		cmocka_unit_test(a_slow_handshake_ends_at_its_time),
		cmocka_unit_test(between_requests_a_connection_may_be_idle_for_a_while),
		cmocka_unit_test(a_very_large_request_hears_why_it_is_refused),
		cmocka_unit_test(an_address_has_its_share_of_connections),
		cmocka_unit_test(an_address_has_its_rate_of_connections),
		cmocka_unit_test(beyond_the_limit_the_one_without_an_answer_for_longest_goes),
	};
	return cmocka_run_group_tests(tests, own_network, NULL);
}
