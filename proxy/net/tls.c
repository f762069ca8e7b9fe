#include "net/tls.h"

#include "base/mem.h"
#include "keys/credential_inside.h"
#include "net/tls_inside.h"

#include <mbedtls/error.h>
#include <mbedtls/ssl.h>

#include <assert.h>
#include <string.h>

enum {
	PLAIN_STEP = 16384,
	KEY_UPDATES_MAX = 16,   /* in a row, without a byte of data between them (T15) */
	QUIET_RECORDS_MAX = 16, /* likewise for records of any kind: alerts, CCS, renegotiation */
	RECORD_HEADER = 5,
	SNI_MAX = 255,
};

struct tls {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config conf; /* its own: the role's parts and the client's certificate */
	enum tls_role role;
	enum tls_state state;
	struct err error;
	tls_choose choose;
	void *choose_arg;
	struct err refusal;      /* what choose said */
	struct credential *held; /* what we show, for as long as the session lasts */
	const char *alpn_list[2];
	char sni[SNI_MAX + 1];
	size_t sni_len;
	bool has_sni, chosen;
	unsigned key_updates;
	bool asked_rekey;       /* our KeyUpdate asked for the peer's, which has not come yet */
	unsigned quiet_records; /* begun since the last byte of data */
	unsigned char header[RECORD_HEADER];
	size_t header_len, body_left; /* of the record being read */
	bool alerted;                 /* the library has said in clear why it gives up */
	struct slice in;              /* ciphertext of the call under way */
	struct buf *wire_out;         /* of the call under way */
};

static const int suites[] = {
	MBEDTLS_TLS1_3_AES_128_GCM_SHA256,
	MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	0,
}; /* P-2, RFC 9325 4.2 */

static const uint16_t groups[] = {
	MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};

static const uint16_t signatures[] = {
	MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256,
	MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
	MBEDTLS_TLS1_3_SIG_ECDSA_SECP521R1_SHA512,
	MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
	MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
	MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,
	MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
	MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
	MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
	MBEDTLS_TLS1_3_SIG_NONE,
};

/* ---- memory in place of a socket ---- */

static int give_wire(void *arg, const unsigned char *bytes, size_t len)
{
	struct tls *t = arg;
	t->alerted |= len > 0 && bytes[0] == MBEDTLS_SSL_MSG_ALERT;
	if (!t->wire_out || err_is(buf_append(t->wire_out, slice_of(bytes, len))))
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	return (int)len;
}

/* Counts the records that begin in these bytes. The library swallows warning alerts, change cipher
 * specs and attempts to renegotiate inside one call, as many as there are (T04, T15). */
static void count_records(struct tls *t, struct slice s)
{
	while (s.len) {
		if (t->body_left) {
			size_t n = s.len < t->body_left ? s.len : t->body_left;
			t->body_left -= n;
			s = slice_sub(s, n, s.len);
			continue;
		}
		if (t->header_len == 0)
			t->quiet_records++;
		t->header[t->header_len++] = (unsigned char)*s.ptr;
		s = slice_sub(s, 1, s.len);
		if (t->header_len == RECORD_HEADER) {
			t->body_left = (size_t)t->header[3] << 8 | t->header[4];
			t->header_len = 0;
		}
	}
}

static int take_wire(void *arg, unsigned char *out, size_t len)
{
	struct tls *t = arg;
	if (!t->in.len)
		return MBEDTLS_ERR_SSL_WANT_READ;
	size_t n = len < t->in.len ? len : t->in.len;
	count_records(t, slice_sub(t->in, 0, n));
	/* One more than allowed: the one that begins now may be data. */
	if (t->state == TLS_UP && t->quiet_records > QUIET_RECORDS_MAX + 1)
		return MBEDTLS_ERR_SSL_UNEXPECTED_RECORD;
	memcpy(out, t->in.ptr, n);
	t->in = slice_sub(t->in, n, t->in.len);
	return (int)n;
}

/* ---- whose certificate (SNI-3) ---- */

static int show(struct tls *t, mbedtls_ssl_context *ssl, struct credential *c)
{
	t->held = credential_hold(c);
	for (size_t i = 0; i < c->count; i++) {
		int failed = mbedtls_ssl_set_hs_own_cert(ssl, &c->items[i].chain, &c->items[i].key);
		if (failed)
			return failed;
	}
	return 0;
}

static int choose_now(struct tls *t, mbedtls_ssl_context *ssl, struct slice sni)
{
	struct tls_choice choice = t->choose(t->choose_arg, sni);
	t->chosen = true;
	if (!choice.credential || !credential_count(choice.credential)) {
		t->refusal = err_is(choice.refusal) ? choice.refusal : err_make(ERR_TLS_SNI);
		return -1;
	}
	return show(t, ssl, choice.credential);
}

/* May be called more than once: the library does not refuse a doubled extension, and the second
 * ClientHello behind a HelloRetryRequest is read like the first. A name that changes, or that
 * comes when the choice was made without one, ends it. */
static int on_sni(void *arg, mbedtls_ssl_context *ssl, const unsigned char *name, size_t len)
{
	struct tls *t = arg;
	struct slice s = slice_of(name, len);
	if (t->has_sni && slice_eq(s, slice_of(t->sni, t->sni_len)))
		return 0;
	if (t->has_sni || t->chosen || len == 0 || len > SNI_MAX) {
		t->refusal = err_make(ERR_TLS_SNI);
		return -1;
	}
	t->has_sni = true;
	memcpy(t->sni, name, len);
	t->sni_len = len;
	return choose_now(t, ssl, slice_of(t->sni, len));
}

/* Comes behind all extensions: here a ClientHello without a server name is decided. */
static int on_certificate(mbedtls_ssl_context *ssl)
{
	struct tls *t = mbedtls_ssl_get_user_data_p(ssl);
	if (t->chosen || choose_now(t, ssl, SLICE_NONE) == 0)
		return 0;
	(void)mbedtls_ssl_send_alert_message(
		ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL, MBEDTLS_SSL_ALERT_MSG_UNRECOGNIZED_NAME);
	return MBEDTLS_ERR_SSL_UNRECOGNIZED_NAME;
}

/* TLS-3: the certificate is recorded; whether it proves anything is asked when the stream's `from`
 * is known. */
static int on_peer_certificate(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
	(void)arg;
	(void)crt;
	(void)depth;
	*flags = 0;
	return 0;
}

/* ---- life ---- */

static void configure(struct tls *t, const struct tls_params *p)
{
	int server = p->role == TLS_SERVER;
	mbedtls_ssl_config *c = &t->conf;
	int failed = mbedtls_ssl_config_defaults(c,
		server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
		MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);
	assert(!failed);
	mbedtls_ssl_conf_rng(c, credential_random, NULL);
	mbedtls_ssl_conf_min_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_2); /* P-1, RFC 8996 */
	mbedtls_ssl_conf_max_tls_version(c, MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_ciphersuites(c, suites);
	mbedtls_ssl_conf_groups(c, groups);
	mbedtls_ssl_conf_sig_algs(c, signatures);
	mbedtls_ssl_conf_verify(c, on_peer_certificate, NULL);
	mbedtls_ssl_conf_authmode(c, server && !p->no_client_certificate
					     ? MBEDTLS_SSL_VERIFY_OPTIONAL
					     : MBEDTLS_SSL_VERIFY_NONE);
	if (p->alpn) {
		t->alpn_list[0] = p->alpn;
		failed = mbedtls_ssl_conf_alpn_protocols(c, t->alpn_list);
		assert(!failed);
	}
	if (server) {
		mbedtls_ssl_conf_cert_req_ca_list(c, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
		mbedtls_ssl_conf_sni(c, on_sni, t);
		mbedtls_ssl_conf_cert_cb(c, on_certificate);
	}
}

static void show_as_client(struct tls *t, struct credential *c)
{
	t->held = credential_hold(c);
	for (size_t i = 0; i < c->count; i++) {
		int failed =
			mbedtls_ssl_conf_own_cert(&t->conf, &c->items[i].chain, &c->items[i].key);
		assert(!failed);
	}
}

struct tls *tls_new(const struct tls_params *p)
{
	credential_crypto_ready();
	struct tls *t = MEM_NEW(struct tls);
	t->role = p->role;
	t->choose = p->choose;
	t->choose_arg = p->choose_arg;
	mbedtls_ssl_init(&t->ssl);
	mbedtls_ssl_config_init(&t->conf);
	configure(t, p);
	if (p->role == TLS_CLIENT && p->credential)
		show_as_client(t, p->credential);
	int failed = mbedtls_ssl_setup(&t->ssl, &t->conf);
	assert(!failed);
	if (p->role == TLS_CLIENT)
		failed = mbedtls_ssl_set_hostname(&t->ssl, p->server_name); /* SNI-1, SNI-2 */
	assert(!failed);
	mbedtls_ssl_set_user_data_p(&t->ssl, t);
	mbedtls_ssl_set_bio(&t->ssl, t, give_wire, take_wire, NULL);
	return t;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	mbedtls_ssl_free(&t->ssl);
	mbedtls_ssl_config_free(&t->conf);
	credential_release(t->held);
	mem_free(t);
}

/* ---- bytes ---- */

/* Whether the library could not read a certificate (T25): its codes are a module's, plus a
 * low-level one that is smaller than 0x80. */
static bool is_certificate_fault(const struct tls *t, int code)
{
	int module = (-code) & 0x7f80;
	return tls_inside_skipped_certificate(&t->ssl) || code == MBEDTLS_ERR_SSL_BAD_CERTIFICATE ||
	       (module >= -MBEDTLS_ERR_X509_FEATURE_UNAVAILABLE &&
		       module <= -MBEDTLS_ERR_X509_FATAL_ERROR) ||
	       (module >= -MBEDTLS_ERR_PK_SIG_LEN_MISMATCH &&
		       module <= -MBEDTLS_ERR_PK_ALLOC_FAILED);
}

static void set_failed(struct tls *t, int code)
{
	if (t->state == TLS_FAILED)
		return;
	if (code == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE || code == MBEDTLS_ERR_SSL_UNEXPECTED_RECORD)
		(void)mbedtls_ssl_send_alert_message(&t->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
			MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE);
	/* RFC 8446 4.1.1: where no group is in common the library goes without a word. */
	if (code == MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE && !t->alerted)
		(void)mbedtls_ssl_send_alert_message(&t->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
			MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
	if (err_is(t->refusal))
		t->error = t->refusal;
	else if (code == MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL)
		t->error = err_native(ERR_TLS_ALPN, code);
	else if (t->state == TLS_HANDSHAKE && is_certificate_fault(t, code))
		t->error = err_native(ERR_TLS_PEER_CERT, code);
	else
		t->error = err_native(ERR_TLS, code);
	t->state = TLS_FAILED;
}

static void handshake(struct tls *t)
{
	int r = mbedtls_ssl_handshake(&t->ssl);
	if (r == 0) {
		t->state = TLS_UP;
		t->quiet_records = 0;
	} else if (r != MBEDTLS_ERR_SSL_WANT_READ && r != MBEDTLS_ERR_SSL_WANT_WRITE)
		set_failed(t, r);
}

/* RFC 8446 4.6.3; the library knows no KeyUpdate and reports an unexpected message. */
static bool obey_key_update(struct tls *t)
{
	bool wants_answer;
	if (!tls_inside_is_key_update(&t->ssl, &wants_answer) ||
		++t->key_updates > KEY_UPDATES_MAX || tls_inside_rekey_in(&t->ssl) != 0)
		return false;
	t->asked_rekey = false;
	return !wants_answer || tls_inside_rekey_out(&t->ssl, false) == 0;
}

/* One step of reading; false when there is nothing more to do now. */
static bool read_step(struct tls *t, struct buf *plain)
{
	char *room = buf_reserve(plain, PLAIN_STEP);
	assert(room); /* callers give buffers without a limit */
	int n = mbedtls_ssl_read(&t->ssl, (unsigned char *)room, PLAIN_STEP);
	if (n > 0) {
		buf_commit(plain, (size_t)n);
		t->key_updates = t->quiet_records = 0;
		return true;
	}
	if (n == MBEDTLS_ERR_SSL_WANT_READ || n == MBEDTLS_ERR_SSL_WANT_WRITE)
		return t->in.len > 0;
	if (n == 0)
		return true; /* empty records; there is no end of file in memory */
	if (n == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
		t->state = TLS_CLOSED;
		return false;
	}
	if (n == MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE && obey_key_update(t))
		return true;
	set_failed(t, n);
	return false;
}

enum tls_state tls_input(
	struct tls *t, struct slice wire_in, struct buf *plain_out, struct buf *wire_out)
{
	t->in = wire_in;
	t->wire_out = wire_out;
	if (t->state == TLS_HANDSHAKE)
		handshake(t);
	while (t->state == TLS_UP && read_step(t, plain_out))
		;
	t->in = SLICE_NONE;
	t->wire_out = NULL;
	return t->state;
}

void tls_start(struct tls *t, struct buf *wire_out)
{
	t->wire_out = wire_out;
	handshake(t);
	t->wire_out = NULL;
}

struct err tls_output(struct tls *t, struct slice plain, struct buf *wire_out)
{
	t->wire_out = wire_out;
	while (plain.len) {
		int n = mbedtls_ssl_write(&t->ssl, (const unsigned char *)plain.ptr, plain.len);
		if (n <= 0) {
			set_failed(t, n);
			break;
		}
		plain = slice_sub(plain, (size_t)n, plain.len);
	}
	t->wire_out = NULL;
	return t->state == TLS_FAILED ? t->error : err_ok();
}

void tls_close_notify(struct tls *t, struct buf *wire_out)
{
	t->wire_out = wire_out;
	(void)mbedtls_ssl_close_notify(&t->ssl);
	t->wire_out = NULL;
}

enum tls_state tls_state(const struct tls *t)
{
	return t->state;
}

struct err tls_error(const struct tls *t)
{
	return t->error;
}

struct tls_info tls_info(const struct tls *t)
{
	return (struct tls_info){
		.version = mbedtls_ssl_get_version(&t->ssl),
		.suite = mbedtls_ssl_get_ciphersuite(&t->ssl),
		.alpn = mbedtls_ssl_get_alpn_protocol(&t->ssl),
		.sni = slice_of(t->sni, t->sni_len),
	};
}

size_t tls_peer_chain(const struct tls *t, struct slice *ders, size_t max)
{
	size_t n = 0;
	for (const mbedtls_x509_crt *crt = mbedtls_ssl_get_peer_cert(&t->ssl); crt && n < max;
		crt = crt->next)
		ders[n++] = slice_of(crt->raw.p, crt->raw.len);
	return n;
}

uint64_t tls_records(const struct tls *t)
{
	uint64_t in = tls_inside_records_in(&t->ssl), out = tls_inside_records_out(&t->ssl);
	/* What was asked for is on its way: nothing is gained by asking again. */
	return in > out && !t->asked_rekey ? in : out;
}

bool tls_rekey(struct tls *t, struct buf *wire_out)
{
	if (t->state != TLS_UP ||
		mbedtls_ssl_get_version_number(&t->ssl) != MBEDTLS_SSL_VERSION_TLS1_3)
		return false;
	t->wire_out = wire_out;
	/* RFC 8446 4.6.3: the peer's sending keys are the peer's to change; we can only ask. */
	bool ask = !t->asked_rekey;
	bool done = tls_inside_rekey_out(&t->ssl, ask) == 0;
	t->asked_rekey |= done && ask;
	t->wire_out = NULL;
	return done;
}
