#include "tls_conn.h"

#include <openssl/err.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const log_labels[3] = {
	"CLIENT_TRAFFIC_SECRET_0 ", "SERVER_TRAFFIC_SECRET_0 ", "CLIENT_RANDOM "};

static void on_keylog(const SSL *ssl, const char *line)
{
	struct conn *c = SSL_get_app_data(ssl);
	const char *secret = strrchr(line, ' ');
	for (int i = 0; i < 3; i++) {
		if (strncmp(line, log_labels[i], strlen(log_labels[i])) == 0)
			snprintf(c->secrets[i], sizeof c->secrets[i], "%s", secret + 1);
	}
}

static void on_info(const SSL *ssl, int where, int value)
{
	struct conn *c = SSL_get_app_data(ssl);
	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
		c->peer_alert = value & 0xff;
}

void conn_init(struct conn *c, enum tls_role role)
{
	*c = (struct conn){.peer_alert = -1};
	buf_init(&c->wire, BUF_UNLIMITED);
	buf_init(&c->plain, BUF_UNLIMITED);
	buf_init(&c->peer_plain, BUF_UNLIMITED);
	c->ctx = SSL_CTX_new(role == TLS_SERVER ? TLS_client_method() : TLS_server_method());
	SSL_CTX_set_min_proto_version(c->ctx, 0);
	SSL_CTX_set_security_level(c->ctx, 0);
	SSL_CTX_set_keylog_callback(c->ctx, on_keylog);
	SSL_CTX_set_info_callback(c->ctx, on_info);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_AUTO_RETRY);
}

void conn_open(struct conn *c, const struct tls_params *params, const char *peer_sni)
{
	c->us = tls_new(params);
	c->peer = SSL_new(c->ctx);
	SSL_set_app_data(c->peer, c);
	c->to_peer = BIO_new(BIO_s_mem());
	c->from_peer = BIO_new(BIO_s_mem());
	SSL_set_bio(c->peer, c->to_peer, c->from_peer);
	if (params->role == TLS_SERVER)
		SSL_set_connect_state(c->peer);
	else
		SSL_set_accept_state(c->peer);
	if (peer_sni)
		SSL_set_tlsext_host_name(c->peer, peer_sni);
	if (params->role == TLS_CLIENT)
		tls_start(c->us, &c->wire);
}

static void peer_turn(struct conn *c)
{
	char bytes[4096];
	int n = 1;
	if (c->peer_failed)
		return;
	ERR_clear_error();
	if (!SSL_is_init_finished(c->peer))
		n = SSL_do_handshake(c->peer);
	while (n > 0 && SSL_is_init_finished(c->peer)) {
		c->peer_up = true;
		n = SSL_read(c->peer, bytes, sizeof bytes);
		if (n > 0)
			(void)buf_append(&c->peer_plain, slice_of(bytes, (size_t)n));
	}
	int why = SSL_get_error(c->peer, n);
	c->peer_closed |= why == SSL_ERROR_ZERO_RETURN;
	c->peer_failed |= why == SSL_ERROR_SSL || why == SSL_ERROR_SYSCALL;
}

static bool move_to_peer(struct conn *c)
{
	struct slice out = buf_peek(&c->wire);
	if (!out.len)
		return false;
	size_t n = c->step && c->step < out.len ? c->step : out.len;
	BIO_write(c->to_peer, out.ptr, (int)n);
	buf_consume(&c->wire, n);
	c->wire_sent += n;
	peer_turn(c);
	return true;
}

static bool move_to_us(struct conn *c)
{
	char bytes[65536];
	size_t room = c->step && c->step < sizeof bytes ? c->step : sizeof bytes;
	int n = BIO_pending(c->from_peer) ? BIO_read(c->from_peer, bytes, (int)room) : 0;
	if (n <= 0)
		return false;
	(void)tls_input(c->us, slice_of(bytes, (size_t)n), &c->plain, &c->wire);
	return true;
}

void conn_run(struct conn *c)
{
	bool moved = true;
	peer_turn(c);
	while (moved) {
		moved = move_to_peer(c);
		moved |= move_to_us(c);
	}
}

void conn_say(struct conn *c, const char *text)
{
	struct err e = tls_output(c->us, slice_str(text), &c->wire);
	assert(!err_is(e));
	(void)e;
}

void conn_peer_say(struct conn *c, const char *text)
{
	int n = SSL_write(c->peer, text, (int)strlen(text));
	assert(n == (int)strlen(text));
	(void)n;
}

void conn_free(struct conn *c)
{
	tls_free(c->us);
	SSL_free(c->peer);
	SSL_CTX_free(c->ctx);
	buf_fini(&c->wire);
	buf_fini(&c->plain);
	buf_fini(&c->peer_plain);
}

size_t conn_secret(const struct conn *c, int which, unsigned char out[48])
{
	size_t n = strlen(c->secrets[which]) / 2;
	assert(n && n <= 48);
	for (size_t i = 0; i < n; i++) {
		unsigned byte = 0;
		sscanf(c->secrets[which] + 2 * i, "%2x", &byte);
		out[i] = (unsigned char)byte;
	}
	return n;
}

bool conn_works(struct conn *c)
{
	conn_run(c);
	if (tls_state(c->us) != TLS_UP || !c->peer_up || c->peer_failed)
		return false;
	buf_clear(&c->plain);
	buf_clear(&c->peer_plain);
	conn_say(c, "<from-us/>");
	conn_peer_say(c, "<from-peer/>");
	conn_run(c);
	return slice_eq_str(buf_peek(&c->plain), "<from-peer/>") &&
	       slice_eq_str(buf_peek(&c->peer_plain), "<from-us/>");
}
