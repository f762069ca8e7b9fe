/* ID-7: the same certificate gets the same verdict whether a server or a client shows it. Each one
 * of the corpus that mbedTLS can show goes through a handshake in either role; what the other side
 * then holds is judged. */
#include "keys/credential.h"
#include "net/tls.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "../lab/certs/corpus.h"

enum { STEPS_MAX = 20, SHOWN_WANTED = 100 };

/* NULL: the library itself refuses to show it. */
static struct credential *credential_of(const char *name)
{
	struct buf chain, key;
	struct credential *c = credential_new();
	read_file(name, ".pem", &chain);
	read_file(name, ".key", &key);
	struct err e = credential_add(c, buf_peek(&chain), buf_peek(&key));
	buf_fini(&chain);
	buf_fini(&key);
	if (!err_is(e))
		return c;
	credential_release(c);
	return NULL;
}

static struct tls_choice choose(void *arg, struct slice sni)
{
	(void)sni;
	return (struct tls_choice){.credential = arg};
}

/* Passes the bytes to and fro until nobody has any. */
static void shake_hands(struct tls *client, struct tls *server)
{
	struct buf wires[2], plain;
	buf_init(&wires[0], BUF_UNLIMITED);
	buf_init(&wires[1], BUF_UNLIMITED);
	buf_init(&plain, BUF_UNLIMITED);
	tls_start(client, &wires[0]);
	for (int i = 0; i < STEPS_MAX && (buf_len(&wires[0]) || buf_len(&wires[1])); i++) {
		struct buf *in = &wires[i % 2], *answer = &wires[1 - i % 2];
		(void)tls_input(i % 2 ? client : server, buf_peek(in), &plain, answer);
		buf_clear(in);
	}
	buf_fini(&wires[0]);
	buf_fini(&wires[1]);
	buf_fini(&plain);
}

static struct err judge_shown(const struct row *r, const struct tls *by, const struct cert_set *set)
{
	struct chain chain = {.count = 0};
	if (tls_state(by) != TLS_UP)
		return tls_error(by);
	chain.count = tls_peer_chain(by, chain.slices, CHAIN_ROOM);
	return judge(r, &chain, set);
}

static struct credential *fixed;

/* The verdict on `shown` as the server's or as the client's certificate. */
static struct err shown_as(enum tls_role role, struct credential *shown, const struct row *r,
	const struct cert_set *set)
{
	struct tls_params server = {.role = TLS_SERVER,
		.choose = choose,
		.choose_arg = role == TLS_SERVER ? shown : fixed};
	struct tls_params client = {.role = TLS_CLIENT,
		.server_name = "shire.example",
		.credential = role == TLS_CLIENT ? shown : NULL};
	struct tls *s = tls_new(&server), *c = tls_new(&client);
	shake_hands(c, s);
	struct err e = judge_shown(r, role == TLS_CLIENT ? s : c, set);
	tls_free(s);
	tls_free(c);
	return e;
}

static size_t shown_count, server_count;

/* mbedTLS as a server does not show what is not for servers; it gives no chain to judge then. */
static bool is_not_shown(struct err e, const struct row *r)
{
	return e.code == ERR_TLS && strcmp(r->want, "ERR_CERT_PURPOSE") == 0;
}

static bool both_roles_agree(
	const struct row *r, const struct chain *chain, const struct cert_set *set)
{
	(void)chain;
	struct credential *shown = *r->shown == 't' ? credential_of(r->name) : NULL;
	if (!shown)
		return true;
	struct err as_server = shown_as(TLS_SERVER, shown, r, set);
	struct err as_client = shown_as(TLS_CLIENT, shown, r, set);
	credential_release(shown);
	shown_count++;
	server_count += !is_not_shown(as_server, r);
	if (strcmp(err_row(as_client.code)->symbol, r->want) == 0 &&
		(as_server.code == as_client.code || is_not_shown(as_server, r)))
		return true;
	print_error("%s: %s as server's, %s as client's, wanted %s\n", r->name,
		err_row(as_server.code)->symbol, err_row(as_client.code)->symbol, r->want);
	return false;
}

/* ID-7, C16, C17, W-1 */
static void a_certificate_gets_the_same_verdict_in_both_directions(void **state)
{
	(void)state;
	fixed = credential_of("dns");
	assert_non_null(fixed);
	(void)each_row(both_roles_agree);
	credential_release(fixed);
	print_message("%zu shown by clients, %zu by servers\n", shown_count, server_count);
	assert_true(server_count >= SHOWN_WANTED && shown_count >= server_count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_gets_the_same_verdict_in_both_directions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
