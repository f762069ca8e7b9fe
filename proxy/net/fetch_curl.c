/* libcurl on the loop. Happy path: fetch_curl_start makes a handle and a multi handle for this one
 * request, so that nothing is shared with another; libcurl tells which sockets and which time it
 * waits for (on_socket, on_timer), the loop tells it when that has come (on_poll,
 * fetch_curl_timeout), and what it says is over goes to fetch_finish. Failure modes: any option
 * that cannot be set, and there is no request; the rest is translated by verdict_of. Who frees:
 * fetch_curl_stop all of it but the poll handles, which free themselves when they have closed; the
 * fetch outlives them (fetch_handle_closed).
 *
 * The last gate is on_open: no socket but to an address that was checked, and checked again. */
#include "net/fetch_inside.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum {
	DRIP_BYTES_PER_S = 100,
	OK = 200,
	CONNECT_MS = 1500, /* TLS included, when there are other addresses */
};

struct fetch_transfer {
	CURL *easy;
	CURLM *multi;
	struct curl_slist *resolved;
	bool blocked; /* on_open said no */
};

struct socket_poll {
	uv_poll_t uv;
	struct fetch *fetch; /* outlives it */
	int fd;
};

/* ---- memory: running out of it is fatal (base/mem.h), so that libcurl's own complaint about it
 * always means that something was too large ---- */

static void *zeroed(size_t count, size_t size)
{
	return mem_alloc(size && count > (size_t)-1 / size ? (size_t)-1 : count * size);
}

bool fetch_curl_init(void)
{
	return curl_global_init_mem(CURL_GLOBAL_SSL, mem_alloc, mem_free, mem_realloc, mem_strdup,
		       zeroed) == CURLE_OK;
}

void fetch_curl_fini(void)
{
	curl_global_cleanup();
}

/* ---- the verdict ---- */

static enum err_code code_of(CURLcode c)
{
	switch (c) {
	case CURLE_OPERATION_TIMEDOUT:
		return ERR_POSH_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
		return ERR_POSH_TLS;
	case CURLE_FILESIZE_EXCEEDED:
	case CURLE_OUT_OF_MEMORY: /* a line of headers over libcurl's maximum */
		return ERR_POSH_SIZE;
	default:
		return ERR_POSH_FETCH;
	}
}

static struct err verdict_of(const struct fetch *x, CURLcode c)
{
	const struct fetch_response *r = &x->response;
	if (x->transfer->blocked)
		return err_make(ERR_POSH_BLOCKED);
	if (err_is(r->refused))
		return r->refused;
	if (r->enough)
		return err_ok();
	if (c != CURLE_OK)
		return err_make(code_of(c));
	return r->status == OK ? err_ok() : err_make(ERR_POSH_FETCH);
}

static bool is_connected(const struct fetch_transfer *t)
{
	curl_off_t after_us = 0;
	return curl_easy_getinfo(t->easy, CURLINFO_APPCONNECT_TIME_T, &after_us) == CURLE_OK &&
	       after_us > 0;
}

static bool has_more(const struct fetch *x)
{
	return x->attempt + 1 < x->addr_count[0] || x->attempt + 1 < x->addr_count[1];
}

/* Nobody there, or nobody who speaks in time: others may. */
static bool wants_another(const struct fetch *x, CURLcode c)
{
	if (x->transfer->blocked || !has_more(x))
		return false;
	return c == CURLE_COULDNT_CONNECT ||
	       (c == CURLE_OPERATION_TIMEDOUT && !is_connected(x->transfer));
}

static void try_next(struct fetch *x)
{
	fetch_curl_stop(x);
	uv_timer_stop(&x->timer);
	x->attempt++;
	if (!fetch_curl_start(x))
		fetch_finish(x, err_make(ERR_POSH_FETCH));
}

/* x may be over afterwards. */
static void look_whether_over(struct fetch *x)
{
	int left = 0;
	char *address = NULL;
	struct fetch_transfer *t = x->transfer;
	const CURLMsg *m = curl_multi_info_read(t->multi, &left);
	if (!m || m->msg != CURLMSG_DONE)
		return;
	CURLcode c = m->data.result;
	if (wants_another(x, c)) {
		try_next(x);
		return;
	}
	struct err e = verdict_of(x, c);
	if (curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address)
		memcpy(x->address, address, strnlen(address, sizeof x->address - 1));
	fetch_finish(x, e);
}

/* ---- the loop ---- */

static void act(struct fetch *x, curl_socket_t fd, int what)
{
	int running = 0;
	if (curl_multi_socket_action(x->transfer->multi, fd, what, &running) == CURLM_OK)
		look_whether_over(x);
	else
		fetch_finish(x, err_make(ERR_POSH_FETCH));
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
	const struct socket_poll *p = uv->data;
	int what = status < 0 ? CURL_CSELECT_ERR : 0;
	what |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
	what |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
	act(p->fetch, p->fd, what);
}

static void on_fire(uv_timer_t *timer)
{
	act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct fetch *x = arg;
	(void)multi;
	if (timeout_ms < 0)
		uv_timer_stop(&x->timer);
	else
		uv_timer_start(&x->timer, on_fire, (uint64_t)timeout_ms, 0);
	return 0;
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct socket_poll *p = handle->data;
	struct fetch *x = p->fetch;
	mem_free(p);
	fetch_handle_closed(x);
}

static struct socket_poll *poll_new(struct fetch *x, curl_socket_t fd)
{
	struct socket_poll *p = MEM_NEW(struct socket_poll);
	p->fetch = x;
	p->fd = fd;
	p->uv.data = p;
	if (uv_poll_init_socket(x->fetcher->loop, &p->uv, fd) != 0) {
		mem_free(p);
		return NULL;
	}
	x->handles++;
	return p;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
	struct fetch *x = arg;
	struct socket_poll *p = of_socket;
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (p)
			uv_close((uv_handle_t *)&p->uv, on_poll_closed);
		return 0;
	}
	if (!p) {
		p = poll_new(x, fd);
		if (!p)
			return -1;
		curl_multi_assign(x->transfer->multi, fd, p);
	}
	int events =
		(what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	return uv_poll_start(&p->uv, events, on_poll) == 0 ? 0 : -1;
}

/* ---- what libcurl asks ---- */

static bool is_same(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)a, *w4 = (const void *)b;
		return v4->sin_addr.s_addr == w4->sin_addr.s_addr && v4->sin_port == w4->sin_port;
	}
	const struct sockaddr_in6 *v6 = (const void *)a, *w6 = (const void *)b;
	return memcmp(&v6->sin6_addr, &w6->sin6_addr, sizeof v6->sin6_addr) == 0 &&
	       v6->sin6_port == w6->sin6_port && v6->sin6_scope_id == w6->sin6_scope_id;
}

static bool may_connect(const struct fetch *x, const struct sockaddr_storage *to)
{
	const struct fetch_config *c = &x->fetcher->config;
	size_t family = to->ss_family == AF_INET6;
	for (size_t i = 0; i < x->addr_count[family]; i++) {
		if (is_same(&x->addrs[family][i], to))
			return c->allowed(c->arg, to);
	}
	return false;
}

/* POSH-9, P02: judged is what the kernel is going to get. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
	struct fetch *x = arg;
	struct sockaddr_storage to;
	memset(&to, 0, sizeof to);
	if (addr->addrlen <= sizeof to)
		memcpy(&to, &addr->addr, addr->addrlen);
	if (purpose == CURLSOCKTYPE_IPCXN && may_connect(x, &to))
		return socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
	x->transfer->blocked = true;
	return CURL_SOCKET_BAD;
}

/* libcurl has the addresses; should it ever want to look for some itself, it may not (P02). */
static int on_resolve(void *state, void *reserved, void *arg)
{
	struct fetch *x = arg;
	(void)state;
	(void)reserved;
	x->transfer->blocked = true;
	return 1;
}

static CURLcode on_tls(CURL *easy, void *ssl_ctx, void *arg)
{
	struct fetch *x = arg;
	(void)easy;
	return fetch_trust_apply(x->fetcher->trust, ssl_ctx, x->host.name) ? CURLE_OK
									   : CURLE_SSL_CERTPROBLEM;
}

static size_t on_header(char *ptr, size_t size, size_t count, void *arg)
{
	struct fetch *x = arg;
	size_t n = size * count;
	return fetch_response_header(&x->response, slice_of(ptr, n)) ? n : 0;
}

static size_t on_body(char *ptr, size_t size, size_t count, void *arg)
{
	struct fetch *x = arg;
	size_t n = size * count;
	return fetch_response_body(&x->response, slice_of(ptr, n)) ? n : 0;
}

/* ---- the request ---- */

static void write_address(const struct fetch *x, int family, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];
	bool v6 = family == AF_INET6;
	if (x->attempt >= x->addr_count[v6])
		return;
	const struct sockaddr_storage *a = &x->addrs[v6][x->attempt];
	const void *bytes = v6 ? (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr
			       : (const void *)&((const struct sockaddr_in *)a)->sin_addr;
	inet_ntop(family, bytes, text, sizeof text);
	bool first = buf_peek(out).ptr[buf_len(out) - 1] == ':';
	(void)buf_printf(out, v6 ? "%s[%s]" : "%s%s", first ? "" : ",", text);
}

/* "HOST:PORT:ADDRESS,ADDRESS": where libcurl looks before it asks DNS. The first one is tried
 * first, the other one a moment later (RFC 8305). */
static struct curl_slist *write_resolved(const struct fetch *x)
{
	struct buf text;
	buf_init(&text, 1024);
	(void)buf_printf(&text, "%s:%u:", x->host.name, x->port);
	write_address(x, AF_INET6, &text);
	write_address(x, AF_INET, &text);
	struct curl_slist *list = curl_slist_append(NULL, buf_cstr(&text));
	buf_fini(&text);
	return list;
}

/* What kind of request this is, and what it is not. 0: all options are set. */
static unsigned set_rules(CURL *c)
{
	unsigned bad = 0;
	bad |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	bad |= curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	bad |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	bad |= curl_easy_setopt(c, CURLOPT_HTTP09_ALLOWED, 0L);
	bad |= curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_USERAGENT, "fedgate");
	bad |= curl_easy_setopt(c, CURLOPT_PROXY, ""); /* not the environment's either */
	bad |= curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	bad |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_FORBID_REUSE, 1L);
	return bad;
}

/* POSH-1: TLS 1.2 or newer, the authorities we were given and no others. */
static unsigned set_tls(CURL *c, struct fetch *x)
{
	unsigned bad = 0;
	bad |= curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	bad |= curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
	bad |= curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	bad |= curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	bad |= curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, on_tls);
	bad |= curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, x);
	return bad;
}

/* The deadline is the loop's (fetch.c); libcurl's own comes after it. */
static unsigned set_times(CURL *c, const struct fetch *x)
{
	long left_ms = (long)uv_timer_get_due_in(&x->deadline) + 1;
	long connect_ms = left_ms / 2 + 1 < CONNECT_MS ? left_ms / 2 + 1 : CONNECT_MS;
	unsigned bad = 0;
	bad |= curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, left_ms + 1);
	bad |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, has_more(x) ? connect_ms : left_ms);
	if (x->fetcher->config.drip_s) {
		bad |= curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)DRIP_BYTES_PER_S);
		bad |= curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)x->fetcher->config.drip_s);
	}
	return bad;
}

static unsigned set_callbacks(CURL *c, struct fetch *x)
{
	unsigned bad = 0;
	bad |= curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open);
	bad |= curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, x);
	bad |= curl_easy_setopt(c, CURLOPT_RESOLVER_START_FUNCTION, on_resolve);
	bad |= curl_easy_setopt(c, CURLOPT_RESOLVER_START_DATA, x);
	bad |= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	bad |= curl_easy_setopt(c, CURLOPT_HEADERDATA, x);
	bad |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	bad |= curl_easy_setopt(c, CURLOPT_WRITEDATA, x);
	return bad;
}

static unsigned set_place(CURL *c, struct fetch *x)
{
	struct buf url;
	buf_init(&url, BUF_UNLIMITED);
	(void)buf_printf(&url, "https://%s:%u%s", x->host.name, x->port, x->target);
	unsigned bad = curl_easy_setopt(c, CURLOPT_URL, buf_cstr(&url));
	buf_fini(&url);
	x->transfer->resolved = write_resolved(x);
	bad |= !x->transfer->resolved;
	bad |= curl_easy_setopt(c, CURLOPT_RESOLVE, x->transfer->resolved);
	return bad;
}

static bool set_multi(CURLM *m, struct fetch *x)
{
	return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_SOCKETDATA, x) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
	       curl_multi_setopt(m, CURLMOPT_TIMERDATA, x) == CURLM_OK;
}

bool fetch_curl_start(struct fetch *x)
{
	struct fetch_transfer *t = MEM_NEW(struct fetch_transfer);
	x->transfer = t;
	t->easy = curl_easy_init();
	t->multi = curl_multi_init();
	if (!t->easy || !t->multi)
		return false;
	/* The last one asks for on_timer: the request begins in a later turn. */
	return !set_rules(t->easy) && !set_tls(t->easy, x) && !set_times(t->easy, x) &&
	       !set_callbacks(t->easy, x) && !set_place(t->easy, x) && set_multi(t->multi, x) &&
	       curl_multi_add_handle(t->multi, t->easy) == CURLM_OK;
}

void fetch_curl_stop(struct fetch *x)
{
	struct fetch_transfer *t = x->transfer;
	if (!t)
		return;
	if (t->easy && t->multi)
		curl_multi_remove_handle(t->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_multi_cleanup(t->multi); /* closes the connection: on_socket */
	curl_slist_free_all(t->resolved);
	mem_free(t);
	x->transfer = NULL;
}
