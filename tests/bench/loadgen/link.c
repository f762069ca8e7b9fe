/* Connections: plain or TLS, dialled or accepted, and their buffers. */
#define _GNU_SOURCE
#include "loadgen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READS_A_TURN = 8, CHUNK = 65536, LISTENERS = 4, EVENTS = 256, SOURCES = 50, LINKS = 32768 };

struct listener {
	const struct part *part;
	bool tls;
	int fd;
};

static struct listener listeners[LISTENERS];
static size_t listener_count;
static struct link *links[LINKS];
static size_t link_count;
static struct link *dead[LINKS];
static size_t dead_count;
static SSL_CTX *dialling, *serving;
static SSL_SESSION *session;
static int epoll = -1;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int poller(void)
{
	if (epoll < 0)
		epoll = epoll_create1(EPOLL_CLOEXEC);
	return epoll;
}

static void room(struct bytes *b, size_t more)
{
	if (b->start == b->end)
		b->start = b->end = 0;
	if (b->end + more <= b->size)
		return;
	b->size = 2 * (b->end + more);
	b->at = realloc(b->at, b->size);
	if (!b->at)
		die("realloc");
}

void link_put(struct link *l, const char *data, size_t length)
{
	room(&l->out, length);
	memcpy(l->out.at + l->out.end, data, length);
	l->out.end += length;
}

void link_say(struct link *l, const char *format, ...)
{
	char text[2048];
	va_list words;
	va_start(words, format);
	int length = vsnprintf(text, sizeof text, format, words);
	va_end(words);
	if (length < 0 || (size_t)length >= sizeof text)
		die("link_say");
	link_put(l, text, (size_t)length);
}

bool link_has(const struct link *l, const char *text)
{
	return l->in.end > l->in.start &&
	       memmem(l->in.at + l->in.start, l->in.end - l->in.start, text, strlen(text));
}

void link_forget(struct link *l)
{
	l->in.start = l->in.end = 0;
}

static struct sockaddr_in address(const char *where)
{
	char host[64];
	const char *colon = where ? strrchr(where, ':') : NULL;
	struct sockaddr_in found = {.sin_family = AF_INET};
	if (!colon || (size_t)(colon - where) >= sizeof host)
		die("an ADDRESS:PORT is missing");
	memcpy(host, where, (size_t)(colon - where));
	host[colon - where] = 0;
	found.sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, host, &found.sin_addr) != 1)
		die(where);
	return found;
}

static struct link *link_new(const struct part *part, int fd, long number)
{
	int one = 1;
	struct link *l = calloc(1, sizeof *l);
	if (!l || link_count == LINKS)
		die("too many connections");
	*l = (struct link){.part = part, .fd = fd, .used = true, .number = number};
	l->armed = EPOLLIN | EPOLLOUT;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	struct epoll_event wanted = {.events = l->armed, .data.ptr = l};
	epoll_ctl(poller(), EPOLL_CTL_ADD, fd, &wanted);
	links[link_count++] = l;
	return l;
}

/* Many source addresses, so that neither ports nor a share per address run out. */
static void choose_source(int fd)
{
	static uint32_t turn;
	int one = 1;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
	struct sockaddr_in source = {.sin_family = AF_INET};
	source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + turn++ % SOURCES);
	if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0)
		die("bind to a source address");
}

struct link *link_dial(const struct part *part, const char *where, bool tls, long number)
{
	struct sockaddr_in to = address(where);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (where == plan.server)
		choose_source(fd);
	else if (where == plan.egress) { /* the gate knows a backend by its address */
		struct sockaddr_in from = address(plan.backend);
		from.sin_port = 0;
		bind(fd, (struct sockaddr *)&from, sizeof from);
	}
	if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
		die(where);
	struct link *l = link_new(part, fd, number);
	l->plain_first = !tls;
	if (tls)
		link_begin_tls(l);
	return l;
}

void link_begin_tls(struct link *l)
{
	char name[256];
	l->tls = SSL_new(dialling);
	SSL_set_fd(l->tls, l->fd);
	SSL_set_connect_state(l->tls);
	snprintf(name, sizeof name, plan.tenant_format, l->number * plan.stride % plan.tenants);
	SSL_set_tlsext_host_name(l->tls, name);
	/* A TLS 1.3 session counts as used after one resumption; a copy does not. */
	SSL_SESSION *copy = plan.resume && session ? SSL_SESSION_dup(session) : NULL;
	if (copy)
		SSL_set_session(l->tls, copy);
	SSL_SESSION_free(copy);
	l->plain_first = l->is_up = false;
	link_forget(l);
}

void link_listen(const struct part *part, const char *where, bool tls)
{
	struct sockaddr_in here = address(where);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&here, sizeof here) != 0 || listen(fd, 4096) != 0)
		die(where);
	struct listener *one_more = &listeners[listener_count++];
	*one_more = (struct listener){part, tls, fd};
	struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = one_more};
	epoll_ctl(poller(), EPOLL_CTL_ADD, fd, &wanted);
}

static void accept_all(const struct listener *from)
{
	for (;;) {
		int fd = accept4(from->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		struct link *l = link_new(from->part, fd, -1);
		l->plain_first = !from->tls;
		if (!from->tls)
			continue;
		l->tls = SSL_new(serving);
		SSL_set_fd(l->tls, fd);
		SSL_set_accept_state(l->tls);
	}
}

/* The memory goes at the end of the turn: an event for it may still be in hand. */
void link_close(struct link *l)
{
	if (!l->used)
		return;
	l->used = false;
	if (l->tls && l->is_up)
		SSL_shutdown(l->tls);
	SSL_free(l->tls);
	ERR_clear_error();
	close(l->fd);
	dead[dead_count++] = l;
}

static void bury(void)
{
	if (!dead_count)
		return;
	size_t kept = 0;
	for (size_t i = 0; i < link_count; i++)
		if (links[i]->used)
			links[kept++] = links[i];
	link_count = kept;
	for (size_t i = 0; i < dead_count; i++) {
		free(dead[i]->in.at);
		free(dead[i]->out.at);
		free(dead[i]);
	}
	dead_count = 0;
}

void link_each(void (*call)(struct link *l))
{
	for (size_t i = 0, count = link_count; i < count; i++)
		if (links[i]->used)
			call(links[i]);
}

static void arm(struct link *l)
{
	bool writes = l->out.end > l->out.start || l->pumping || !l->is_up;
	if (l->tls && !l->is_up)
		writes = SSL_want_write(l->tls);
	uint32_t wanted = EPOLLIN | (writes ? (uint32_t)EPOLLOUT : 0U);
	if (wanted == l->armed)
		return;
	struct epoll_event event = {.events = wanted, .data.ptr = l};
	epoll_ctl(epoll, EPOLL_CTL_MOD, l->fd, &event);
	l->armed = wanted;
}

/* 1: it wants to be called again; -1: it is over. */
static int tls_wants(struct link *l, int result)
{
	int why = SSL_get_error(l->tls, result);
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 1 : -1;
}

static int flush_once(struct link *l)
{
	while (l->out.end > l->out.start) {
		const char *data = l->out.at + l->out.start;
		size_t length = l->out.end - l->out.start;
		ssize_t sent = l->tls ? SSL_write(l->tls, data, (int)length)
				      : send(l->fd, data, length, MSG_NOSIGNAL);
		if (sent <= 0 && l->tls)
			return tls_wants(l, (int)sent);
		if (sent < 0)
			return errno == EAGAIN ? 1 : -1;
		l->out.start += (size_t)sent;
	}
	return 0;
}

static int flush_all(struct link *l)
{
	for (int i = 0; i < READS_A_TURN; i++) {
		int status = flush_once(l);
		if (status != 0)
			return status < 0 ? -1 : 0;
		if (!l->pumping)
			return 0;
		if (l->part->more(l) != 0)
			return -1;
	}
	return 0;
}

static int read_all(struct link *l)
{
	for (int i = 0; l->used && (i < READS_A_TURN || (l->tls && SSL_pending(l->tls))); i++) {
		room(&l->in, CHUNK);
		char *free_ = l->in.at + l->in.end;
		ssize_t got =
			l->tls ? SSL_read(l->tls, free_, CHUNK) : recv(l->fd, free_, CHUNK, 0);
		if (got <= 0 && l->tls)
			return tls_wants(l, (int)got) < 0 ? -1 : 0;
		if (got <= 0)
			return got < 0 && errno == EAGAIN ? 0 : -1;
		l->in.end += (size_t)got;
		SSL *before = l->tls;
		if (l->part->input(l) != 0)
			return -1;
		if (l->tls != before)
			return 0;
	}
	return 0;
}

static int come_up(struct link *l)
{
	if (l->tls) {
		int result = SSL_do_handshake(l->tls);
		if (result != 1)
			return tls_wants(l, result) < 0 ? -1 : 0;
	}
	l->is_up = true;
	return l->part->up(l);
}

static void complain(const struct link *l)
{
	static int said;
	if (said++ >= 3)
		return;
	fprintf(stderr, "loadgen: %s %ld failed in state %d: %s; it had said: %.*s\n",
		l->part->name, l->number, l->state, ERR_reason_error_string(ERR_peek_error()),
		(int)(l->in.end - l->in.start > 600 ? 600 : l->in.end - l->in.start),
		l->in.at ? l->in.at + l->in.start : "");
}

static void handle(struct link *l)
{
	int status = l->is_up ? 0 : come_up(l);
	if (status == 0 && l->used && l->is_up)
		status = flush_all(l);
	if (status == 0 && l->used && l->is_up)
		status = read_all(l);
	if (status == 0 && l->used && !l->is_up)
		status = come_up(l);
	if (status == 0 && l->used && l->is_up)
		status = flush_all(l);
	if (!l->used)
		return;
	if (status == 0) {
		arm(l);
		return;
	}
	if (l->number >= 0 && !l->finished && l->part != &part_backend && l->part != &part_served) {
		complain(l);
		tally.failed++;
	}
	link_close(l);
}

void link_touch(struct link *l)
{
	if (l->used)
		handle(l);
}

bool link_turn(void)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(epoll, events, EVENTS, 20000);
	for (int i = 0; i < count; i++) {
		const void *who = events[i].data.ptr;
		if (who >= (void *)listeners && who < (void *)(listeners + LISTENERS))
			accept_all(who);
		else if (((struct link *)events[i].data.ptr)->used)
			handle(events[i].data.ptr);
	}
	bury();
	return count > 0;
}

static int keep_session(SSL *tls, SSL_SESSION *found)
{
	(void)tls;
	if (session)
		return 0;
	session = found;
	return 1;
}

static SSL_CTX *context(const SSL_METHOD *method)
{
	SSL_CTX *made = SSL_CTX_new(method);
	int version = plan.tls_version == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;
	SSL_CTX_set_min_proto_version(made, version);
	SSL_CTX_set_max_proto_version(made, version);
	SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_ciphersuites(made, "TLS_AES_128_GCM_SHA256");
	SSL_CTX_set_cipher_list(made, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256");
	/* P-256 too: TLS 1.2 wants the curve of an ECDSA certificate among the groups. */
	SSL_CTX_set1_groups_list(made, "X25519:P-256");
	if (plan.chain &&
		(SSL_CTX_use_certificate_chain_file(made, plan.chain) != 1 ||
			SSL_CTX_use_PrivateKey_file(made, plan.key, SSL_FILETYPE_PEM) != 1)) {
		ERR_print_errors_fp(stderr);
		exit(2);
	}
	return made;
}

static int choose_alpn(SSL *tls, const unsigned char **out, unsigned char *length,
	const unsigned char *in, unsigned int in_length, void *arg)
{
	(void)tls;
	(void)arg;
	if (in_length < 1 || in[0] + 1U > in_length)
		return SSL_TLSEXT_ERR_NOACK;
	*out = in + 1;
	*length = in[0];
	return SSL_TLSEXT_ERR_OK;
}

static int believe(int good, X509_STORE_CTX *store)
{
	(void)good;
	(void)store;
	return 1;
}

void link_make_contexts(void)
{
	dialling = context(TLS_client_method());
	if (plan.target == TARGET_GATE && !plan.starttls)
		SSL_CTX_set_alpn_protos(dialling, (const unsigned char *)"\013xmpp-server", 12);
	if (plan.resume) {
		SSL_CTX_set_session_cache_mode(
			dialling, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(dialling, keep_session);
	}
	if (!plan.chain || !plan.world)
		return;
	serving = context(TLS_server_method());
	SSL_CTX_set_alpn_select_cb(serving, choose_alpn, NULL);
	SSL_CTX_set_verify(serving, SSL_VERIFY_PEER, believe);
}
