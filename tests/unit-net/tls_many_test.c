/* Many handshakes that nobody finishes. */
#include "lib/served.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

enum { MANY = 300 };

/* O4: each open handshake of TLS 1.3 holds a key of its own in the library. Whoever lets us dial
 * and never answers must not use up what others need: neither to dial nor to be served. */
static void open_handshakes_leave_room_for_others(void **state)
{
	(void)state;
	struct made ec =
		make_certificate((struct made_as){.key = MADE_P256, .name = "shire.example"});
	struct credential *credential = made_credential(&ec, NULL);
	struct tls *waiting[MANY];
	struct tls_params client = client_params();
	struct buf wire;
	buf_init(&wire, 1 << 20);
	for (size_t i = 0; i < MANY; i++) {
		waiting[i] = tls_new(&client);
		tls_start(waiting[i], &wire);
		if (tls_state(waiting[i]) != TLS_HANDSHAKE)
			fail_msg("the %zuth handshake does not begin", i + 1);
	}
	struct served s = {.credential = credential};
	struct tls_params server = served_params(&s);
	struct conn c;
	conn_init(&c, TLS_SERVER);
	conn_open(&c, &server, "shire.example");
	assert_true(conn_works(&c));
	conn_free(&c);
	for (size_t i = 0; i < MANY; i++)
		tls_free(waiting[i]);
	buf_fini(&wire);
	credential_release(credential);
	made_free(&ec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_handshakes_leave_room_for_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
