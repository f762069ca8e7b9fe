#include "https_rig.h"

#include "base/mem.h"
#include "certs.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the server's process ---- */

struct server {
	uv_loop_t loop;
	uv_poll_t control;
	struct httpserve *serve;
	struct credential *credential;
	struct made made[2];
	int control_fd, notes_fd;
};

static struct credential *give_credential(void *arg, struct err *why)
{
	(void)why;
	return ((struct server *)arg)->credential;
}

static struct err give_document(void *arg, struct slice path, struct httpserve_document *out)
{
	(void)arg;
	if (slice_eq_str(path, "/broken"))
		return err_make(ERR_FILE);
	if (!slice_eq_str(path, RIG_PATH))
		return err_make(ERR_HTTP_PATH);
	*out = (struct httpserve_document){SLICE_LIT(RIG_JSON), RIG_MAX_AGE};
	return err_ok();
}

static void take_note(void *arg, const struct httpserve_note *n)
{
	char line[300];
	int len = snprintf(line, sizeof line, "%u %s %.*s\n", n->status, err_row(n->why.code)->id,
		(int)(n->target.len > 200 ? 200 : n->target.len),
		n->target.ptr ? n->target.ptr : "");
	(void)!write(((struct server *)arg)->notes_fd, line, (size_t)len);
}

static const struct httpserve_events events = {give_credential, give_document, take_note};

static void on_control(uv_poll_t *poll, int status, int what)
{
	struct server *s = poll->data;
	char c = 'q';
	(void)status, (void)what;
	if (read(s->control_fd, &c, 1) == 1 && c == 'n') {
		credential_release(s->credential);
		s->credential = made_credential(&s->made[1], NULL);
		(void)!write(s->notes_fd, "renewed\n", 8);
		return;
	}
	httpserve_close(s->serve);
	uv_close((uv_handle_t *)poll, NULL);
}

static int serve(int fd, int control, int notes, const struct httpserve_settings *settings)
{
	struct server s = {.control_fd = control, .notes_fd = notes};
	for (size_t i = 0; i < 2; i++)
		s.made[i] = make_certificate((struct made_as){.name = RIG_HOST, .days = 9});
	s.credential = made_credential(&s.made[0], NULL);
	uv_loop_init(&s.loop);
	s.serve = httpserve_new(&s.loop, &events, &s);
	httpserve_configure(s.serve, settings);
	if (err_is(httpserve_listen(s.serve, fd)))
		return 9;
	uv_poll_init(&s.loop, &s.control, control);
	s.control.data = &s;
	uv_poll_start(&s.control, UV_READABLE, on_control);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	credential_release(s.credential);
	made_free(&s.made[0]);
	made_free(&s.made[1]);
	return uv_loop_close(&s.loop) == 0 ? 0 : 8; /* no handle may be left */
}

/* ---- the test's side ---- */

static struct sockaddr_in at(const char *ip, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fine = inet_pton(AF_INET, ip, &sa.sin_addr);
	assert(fine == 1);
	return sa;
}

static int bound(const char *ip)
{
	struct sockaddr_in sa = at(ip, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int failed = bind(fd, (struct sockaddr *)&sa, sizeof sa);
	assert(fd >= 0 && !failed);
	return fd;
}

struct httpserve_settings rig_settings(void)
{
	struct httpserve_settings s = {.connections = 1000,
		.per_address = 1000,
		.per_second = 1000,
		.request_ms = 20000,
		.idle_ms = 20000};
	struct err e = domain_parse(SLICE_LIT(RIG_HOST), &s.host);
	assert(!err_is(e));
	return s;
}

struct https_rig rig_start(const struct httpserve_settings *settings)
{
	struct https_rig r;
	struct sockaddr_in sa;
	socklen_t len = sizeof sa;
	int control[2], notes[2], fd = bound("127.0.0.1");
	int failed = listen(fd, 64) || getsockname(fd, (struct sockaddr *)&sa, &len) ||
		     pipe(control) || pipe(notes);
	assert(!failed);
	r.port = ntohs(sa.sin_port);
	r.pid = fork();
	assert(r.pid >= 0);
	if (r.pid == 0) {
		signal(SIGPIPE, SIG_IGN);
		close(control[1]);
		close(notes[0]);
		exit(serve(fd, control[0], notes[1], settings));
	}
	signal(SIGPIPE, SIG_IGN);
	close(fd);
	close(control[0]);
	close(notes[1]);
	r.control = control[1];
	r.notes = notes[0];
	return r;
}

static bool is_readable(int fd, int ms)
{
	struct pollfd p = {fd, POLLIN, 0};
	return poll(&p, 1, ms) == 1;
}

bool rig_note(struct https_rig *r, char *out, size_t room)
{
	size_t n = 0;
	while (n + 1 < room && is_readable(r->notes, RIG_SOON_MS) &&
		read(r->notes, out + n, 1) == 1) {
		if (out[n] == '\n') {
			out[n] = '\0';
			return true;
		}
		n++;
	}
	return false;
}

void rig_renew(struct https_rig *r)
{
	char line[300];
	ssize_t n = write(r->control, "n", 1);
	assert(n == 1);
	do
		n = rig_note(r, line, sizeof line);
	while (n && strcmp(line, "renewed") != 0);
	assert(n);
}

void rig_stop(struct https_rig *r)
{
	int status = -1;
	close(r->control);
	pid_t pid = waitpid(r->pid, &status, 0);
	assert(pid == r->pid);
	close(r->notes);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "the server ended with %d\n", status);
		abort();
	}
}

int rig_dial(const struct https_rig *r, const char *from)
{
	struct sockaddr_in to = at("127.0.0.1", r->port);
	const struct timeval patience = {RIG_SOON_MS / 1000, 0};
	int fd = bound(from ? from : "127.0.0.1"), on = 1;
	int failed = connect(fd, (struct sockaddr *)&to, sizeof to);
	assert(!failed);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	return fd;
}

static int on_asked_for_certificate(SSL *ssl, void *arg)
{
	(void)ssl;
	((struct client *)arg)->certificate_asked = true;
	return 1;
}

bool client_open(struct client *c, const struct https_rig *r, struct client_as as)
{
	*c = (struct client){.fd = rig_dial(r, as.from), .ctx = SSL_CTX_new(TLS_client_method())};
	SSL_CTX_set_cert_cb(c->ctx, on_asked_for_certificate, c);
	SSL_CTX_set_security_level(c->ctx, 0); /* so that it would speak what we must refuse */
	if (as.max_version)
		SSL_CTX_set_max_proto_version(c->ctx, as.max_version);
	if (as.alpn)
		SSL_CTX_set_alpn_protos(
			c->ctx, (const unsigned char *)as.alpn, (unsigned)strlen(as.alpn));
	c->ssl = SSL_new(c->ctx);
	if (as.sni)
		SSL_set_tlsext_host_name(c->ssl, as.sni);
	SSL_set_fd(c->ssl, c->fd);
	ERR_clear_error();
	return SSL_connect(c->ssl) == 1;
}

bool client_say(struct client *c, struct slice bytes)
{
	ERR_clear_error();
	for (int n; bytes.len; bytes = slice_sub(bytes, (size_t)n, bytes.len)) {
		n = SSL_write(c->ssl, bytes.ptr, (int)bytes.len);
		if (n <= 0)
			return false;
	}
	return true;
}

static size_t length_in(const char *head)
{
	const char *at = strstr(head, "\r\nContent-Length: ");
	return at ? strtoul(at + 18, NULL, 10) : 0;
}

int client_hear(struct client *c, bool head, char *out, size_t room)
{
	size_t n = 0, want = 0;
	ERR_clear_error();
	while (n + 1 < room && (!want || n < want)) {
		if (SSL_read(c->ssl, out + n, 1) != 1)
			return 0;
		out[++n] = '\0';
		if (!want && n >= 4 && memcmp(out + n - 4, "\r\n\r\n", 4) == 0)
			want = n + (head ? 0 : length_in(out));
	}
	return strncmp(out, "HTTP/1.1 ", 9) == 0 ? (int)strtol(out + 9, NULL, 10) : -1;
}

bool client_is_over(struct client *c, int within_ms)
{
	char byte;
	ERR_clear_error();
	if (!SSL_pending(c->ssl) && !is_readable(c->fd, within_ms))
		return false;
	int n = SSL_read(c->ssl, &byte, 1);
	return n <= 0 && SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ;
}

void client_close(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
}
