#include "web.h"

#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { SITES_MAX = 24, HOSTS_MAX = 400, THREADS_MAX = 4096, REQUEST_MAX = 8192, DRIP_MS = 20 };

struct site {
	struct web_site is;
	int listener;
	SSL_CTX *ctx;
	unsigned connections;
};

struct visit {
	struct site *site;
	int fd;
};

static struct {
	pthread_mutex_t lock; /* of all that is below */
	struct site sites[SITES_MAX];
	size_t site_count;
	const struct web_page *pages;
	size_t page_count;
	struct {
		char host[64];
		unsigned asked;
	} hosts[HOSTS_MAX];
	size_t host_count;
	unsigned at_once, most;
	char request[REQUEST_MAX];
	pthread_t accepting, threads[THREADS_MAX];
	size_t thread_count;
	int stop[2];
	atomic_bool stopping;
	int fill[4]; /* what the full site is full of */
} web = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void pause_ms(unsigned ms)
{
	struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
	nanosleep(&t, NULL);
}

/* ---- answers ---- */

static void count_host(const char *host, const char *request)
{
	pthread_mutex_lock(&web.lock);
	size_t i = 0;
	while (i < web.host_count && strcmp(web.hosts[i].host, host) != 0)
		i++;
	assert(i < HOSTS_MAX);
	if (i == web.host_count)
		snprintf(web.hosts[web.host_count++].host, sizeof web.hosts[i].host, "%s", host);
	web.hosts[i].asked++;
	snprintf(web.request, sizeof web.request, "%s", request);
	pthread_mutex_unlock(&web.lock);
}

static const struct web_page *page_of(const char *host, const char *path)
{
	static const struct web_page none = {
		.text = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"};
	for (size_t i = 0; i < web.page_count; i++) {
		const struct web_page *p = &web.pages[i];
		if (strcmp(p->host, host) == 0 && (!p->path || strcmp(p->path, path) == 0))
			return p;
	}
	return &none;
}

/* False: the client is gone, or the test is over. */
static bool say(SSL *ssl, const char *bytes, size_t len)
{
	return !web.stopping && (len == 0 || SSL_write(ssl, bytes, (int)len) > 0);
}

/* Waits for up to 10 ms. A client has no more to say than that it goes. */
static bool is_gone(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	return poll(&p, 1, 10) > 0;
}

static bool drip(SSL *ssl, const struct web_page *p)
{
	const char *parts[] = {p->text, p->unit};
	for (size_t part = 0, times = 1; part < 2; times = p->times, part++) {
		for (size_t t = 0; t < times; t++) {
			for (const char *c = parts[part]; *c; c++) {
				if (!say(ssl, c, 1) || is_gone(SSL_get_fd(ssl)))
					return false;
				pause_ms(DRIP_MS);
			}
		}
	}
	return true;
}

static bool send_all(SSL *ssl, const struct web_page *p)
{
	static char blanks[16384];
	if (blanks[0] == '\0')
		memset(blanks, ' ', sizeof blanks);
	if (p->manner == WEB_DRIP)
		return drip(ssl, p);
	bool there = say(ssl, p->text, strlen(p->text));
	for (unsigned i = 0; there && i < p->times; i++)
		there = p->unit ? say(ssl, p->unit, strlen(p->unit))
				: say(ssl, blanks, sizeof blanks);
	return there;
}

/* Whoever waits is being fetched for sure; who was answered may be gone already. */
static void count_waiting(int change)
{
	pthread_mutex_lock(&web.lock);
	web.at_once += (unsigned)change;
	if (web.at_once > web.most)
		web.most = web.at_once;
	pthread_mutex_unlock(&web.lock);
}

static void serve(SSL *ssl, int fd, const struct web_page *p)
{
	count_waiting(+1);
	for (unsigned ms = 0; ms < p->wait_ms && !is_gone(fd); ms += 10)
		continue;
	count_waiting(-1);
	bool there = send_all(ssl, p);
	while (there && p->manner == WEB_HANG && !web.stopping)
		there = !is_gone(fd);
	if (p->manner == WEB_RESET) {
		struct linger at_once = {1, 0};
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	} else if (p->manner != WEB_EOF) {
		SSL_shutdown(ssl);
	}
}

static void read_request(SSL *ssl, int fd)
{
	char text[REQUEST_MAX], path[512] = "", host[64] = "";
	size_t len = 0;
	text[0] = '\0';
	while (!strstr(text, "\r\n\r\n")) {
		int n = SSL_read(ssl, text + len, (int)(sizeof text - len - 1));
		if (n <= 0)
			return;
		len += (size_t)n;
		text[len] = '\0';
	}
	const char *field = strstr(text, "\r\nHost: ");
	if (sscanf(text, "GET %511s ", path) == 1 && field &&
		sscanf(field, "\r\nHost: %63[^:\r\n]", host) == 1) {
		count_host(host, text);
		serve(ssl, fd, page_of(host, path));
	}
}

static void stay_silent(int fd)
{
	char bytes[4096];
	while (!web.stopping && (!is_gone(fd) || read(fd, bytes, sizeof bytes) > 0))
		continue;
}

static void *on_visit(void *arg)
{
	struct visit *v = arg;
	SSL *ssl = v->site->ctx ? SSL_new(v->site->ctx) : NULL;
	if (ssl) {
		SSL_set_fd(ssl, v->fd);
		if (SSL_accept(ssl) == 1)
			read_request(ssl, v->fd);
		SSL_free(ssl);
	} else {
		stay_silent(v->fd);
	}
	close(v->fd);
	free(v);
	return NULL;
}

/* ---- connections ---- */

static void take(struct site *s)
{
	struct timeval limit = {5, 0};
	struct visit *v = calloc(1, sizeof *v);
	v->site = s;
	v->fd = accept(s->listener, NULL, NULL);
	assert(v->fd >= 0);
	setsockopt(v->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(v->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	pthread_mutex_lock(&web.lock);
	s->connections++;
	assert(web.thread_count < THREADS_MAX);
	int failed = pthread_create(&web.threads[web.thread_count++], NULL, on_visit, v);
	pthread_mutex_unlock(&web.lock);
	assert(!failed);
	(void)failed;
}

static void *on_accepting(void *arg)
{
	struct pollfd p[SITES_MAX + 1];
	(void)arg;
	for (size_t i = 0; i < web.site_count; i++)
		p[i] = (struct pollfd){
			web.sites[i].is.full ? -1 : web.sites[i].listener, POLLIN, 0};
	p[web.site_count] = (struct pollfd){web.stop[0], POLLIN, 0};
	while (poll(p, (nfds_t)web.site_count + 1, -1) >= 0 && !p[web.site_count].revents) {
		for (size_t i = 0; i < web.site_count; i++) {
			if (p[i].revents)
				take(&web.sites[i]);
		}
	}
	return NULL;
}

static int listen_at(const struct web_site *is)
{
	struct sockaddr_storage at = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&at;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&at;
	int one = 1;
	unsigned short port = htons((unsigned short)(is->port ? is->port : WEB_PORT));
	bool six = strchr(is->address, ':') != NULL;
	at.ss_family = six ? AF_INET6 : AF_INET;
	if (six)
		v6->sin6_port = port;
	else
		v4->sin_port = port;
	inet_pton(at.ss_family, is->address, six ? (void *)&v6->sin6_addr : &v4->sin_addr);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	socklen_t len = six ? sizeof *v6 : sizeof *v4;
	int ok = bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, is->full ? 0 : 512) == 0;
	assert(ok);
	(void)ok;
	for (size_t i = 0; is->full && i < sizeof web.fill / sizeof *web.fill; i++) {
		web.fill[i] = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(web.fill[i], (struct sockaddr *)&at, len);
	}
	return fd;
}

static SSL_CTX *context(const struct web_site *is)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, is->version);
	SSL_CTX_set_max_proto_version(ctx, is->version);
	SSL_CTX_use_certificate(ctx, is->shows->cert);
	SSL_CTX_use_PrivateKey(ctx, is->shows->key);
	if (is->issuer)
		SSL_CTX_add1_chain_cert(ctx, is->issuer->cert);
	SSL_CTX_set_dh_auto(ctx, 1);
	if (is->ciphers)
		SSL_CTX_set_cipher_list(ctx, is->ciphers);
	if (is->groups)
		SSL_CTX_set1_groups_list(ctx, is->groups);
	if (is->asks_cert)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ctx;
}

void web_start(const struct web_site *sites, size_t site_count)
{
	assert(site_count <= SITES_MAX);
	web.site_count = site_count;
	web.stopping = false;
	for (size_t i = 0; i < site_count; i++) {
		web.sites[i] = (struct site){.is = sites[i]};
		web.sites[i].listener = listen_at(&sites[i]);
		web.sites[i].ctx = sites[i].shows ? context(&sites[i]) : NULL;
	}
	int failed = pipe(web.stop) || pthread_create(&web.accepting, NULL, on_accepting, NULL);
	assert(!failed);
	(void)failed;
}

void web_pages(const struct web_page *pages, size_t count)
{
	pthread_mutex_lock(&web.lock);
	web.pages = pages;
	web.page_count = count;
	web.host_count = 0;
	memset(web.hosts, 0, sizeof web.hosts);
	web.most = web.at_once;
	pthread_mutex_unlock(&web.lock);
}

void web_stop(void)
{
	web.stopping = true;
	close(web.stop[1]);
	pthread_join(web.accepting, NULL);
	close(web.stop[0]);
	for (size_t i = 0; i < web.thread_count; i++)
		pthread_join(web.threads[i], NULL);
	web.thread_count = 0;
	for (size_t i = 0; i < web.site_count; i++) {
		close(web.sites[i].listener);
		SSL_CTX_free(web.sites[i].ctx);
	}
	for (size_t i = 0; i < sizeof web.fill / sizeof *web.fill; i++)
		close(web.fill[i]);
}

/* ---- what was seen ---- */

unsigned web_asked(const char *host)
{
	unsigned asked = 0;
	pthread_mutex_lock(&web.lock);
	for (size_t i = 0; i < web.host_count; i++) {
		if (strcmp(web.hosts[i].host, host) == 0)
			asked = web.hosts[i].asked;
	}
	pthread_mutex_unlock(&web.lock);
	return asked;
}

unsigned web_connections(const char *address)
{
	unsigned connections = 0;
	pthread_mutex_lock(&web.lock);
	for (size_t i = 0; i < web.site_count; i++) {
		if (strcmp(web.sites[i].is.address, address) == 0)
			connections += web.sites[i].connections;
	}
	pthread_mutex_unlock(&web.lock);
	return connections;
}

unsigned web_most_at_once(void)
{
	pthread_mutex_lock(&web.lock);
	unsigned most = web.most;
	pthread_mutex_unlock(&web.lock);
	return most;
}

const char *web_request(void)
{
	return web.request;
}
