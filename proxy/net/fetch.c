/* Happy path: fetch_start puts a request into the queue; in a later turn it gets a place
 * (give_places), both families of addresses are asked for, the allowed ones are kept, and libcurl
 * makes the request (fetch_curl.c), whose end is told by fetch_finish. Failure modes: no place in
 * time, or given to others (ERR_POSH_BUSY); no address, or none that is allowed; the deadline; what
 * libcurl says. Who frees: fetch_finish and fetch_cancel let go of all but the handles; the last
 * handle that has closed frees the fetch, which knows no fetcher any more. The fetcher is freed
 * when its own handle has closed, so a callback may free it. */
#include "net/fetch_inside.h"

#include "base/mem.h"

#include <netinet/in.h>
#include <string.h>

enum {
	OTHER_FAMILY_MS = 300, /* how long it is waited for when one has addresses (RFC 8305 3) */
	SLOW_PART = 4,         /* of the places, for the slow when others wait */
};

/* ---- lists ---- */

static void list_init(struct fetch *head)
{
	head->next = head->prev = head;
}

static bool list_is_empty(const struct fetch *head)
{
	return head->next == head;
}

static void list_take(struct fetch *x)
{
	x->prev->next = x->next;
	x->next->prev = x->prev;
	x->next = x->prev = x;
}

static void list_append(struct fetch *head, struct fetch *x)
{
	x->since_ms = uv_now(x->fetcher->loop);
	x->next = head;
	x->prev = head->prev;
	x->prev->next = head->prev = x;
}

/* ---- the end ---- */

void fetch_handle_closed(struct fetch *x)
{
	if (--x->handles)
		return;
	fetch_response_fini(&x->response);
	mem_free(x->target);
	mem_free(x);
}

static void on_closed(uv_handle_t *handle)
{
	fetch_handle_closed(handle->data);
}

static void turn_soon(struct fetcher *f, uint64_t in_ms);

/* Out of the list, without its connection; x itself lives until its handles have closed. */
static void let_go(struct fetch *x)
{
	struct fetcher *f = x->fetcher;
	f->waiting_count -= x->state == FETCH_WAITING;
	f->running_count -= x->state == FETCH_RESOLVING || x->state == FETCH_REQUESTING;
	x->state = FETCH_OVER;
	list_take(x);
	fetch_curl_stop(x);
	x->fetcher = NULL;
	uv_close((uv_handle_t *)&x->deadline, on_closed);
	uv_close((uv_handle_t *)&x->timer, on_closed);
	if (!f->closing && !list_is_empty(&f->waiting))
		turn_soon(f, 0);
}

void fetch_finish(struct fetch *x, struct err e)
{
	struct fetch_response *r = &x->response;
	struct fetch_answer *a = MEM_NEW(struct fetch_answer);
	let_go(x);
	a->e = e;
	a->status = r->status;
	a->body = err_is(e) ? SLICE_NONE : buf_peek(&r->body);
	memcpy(a->location, r->location, sizeof a->location);
	memcpy(a->type, r->type, sizeof a->type);
	memcpy(a->address, x->address, sizeof a->address);
	x->done(x->arg, a);
	mem_free(a);
}

static void on_deadline(uv_timer_t *timer)
{
	struct fetch *x = timer->data;
	/* Who has not even had a place may be a fine server. */
	bool waited = x->state == FETCH_WAITING;
	fetch_finish(x, err_make(waited ? ERR_POSH_BUSY : ERR_POSH_TIMEOUT));
}

void fetch_cancel(struct fetch *x)
{
	let_go(x);
}

/* ---- addresses ---- */

/* Neither family has an address; the reason that says most. */
static enum err_code no_address(const struct fetch *x)
{
	static const struct {
		enum resolve_status status;
		enum err_code code;
	} rows[] = {
		{RESOLVE_BOGUS, ERR_DNS_BOGUS},
		{RESOLVE_TIMEOUT, ERR_DNS_TIMEOUT},
		{RESOLVE_FAILED, ERR_DNS_FAILED},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (x->dns[0] == rows[i].status || x->dns[1] == rows[i].status)
			return rows[i].code;
	}
	return ERR_DNS_NONE;
}

static void have_addresses(struct fetch *x)
{
	x->tags[0] = x->tags[1] = 0;
	uv_timer_stop(&x->timer);
	if (!x->addr_count[0] && !x->addr_count[1]) {
		fetch_finish(x, err_make(x->blocked ? ERR_POSH_BLOCKED : no_address(x)));
		return;
	}
	x->state = FETCH_REQUESTING;
	if (!fetch_curl_start(x))
		fetch_finish(x, err_make(ERR_POSH_FETCH));
}

static void on_other_late(uv_timer_t *timer)
{
	have_addresses(timer->data);
}

static void add_address(struct fetch *x, size_t family, const struct sockaddr_storage *from)
{
	const struct fetch_config *c = &x->fetcher->config;
	struct sockaddr_storage a = *from;
	if (a.ss_family != (family ? AF_INET6 : AF_INET))
		return;
	if (family)
		((struct sockaddr_in6 *)&a)->sin6_port = htons(x->port);
	else
		((struct sockaddr_in *)&a)->sin_port = htons(x->port);
	if (!c->allowed(c->arg, &a)) /* POSH-9, P01: after resolution, each of them */
		x->blocked++;
	else if (x->addr_count[family] < FETCH_ADDR_MAX)
		x->addrs[family][x->addr_count[family]++] = a;
}

static void take_answer(struct fetch *x, size_t family, const struct resolve_answer *answer)
{
	x->tags[family] = 0;
	x->dns[family] = answer->status;
	for (size_t i = 0; answer->status == RESOLVE_DATA && i < answer->addr_count; i++)
		add_address(x, family, &answer->addr[i]);
	if (!x->tags[0] && !x->tags[1])
		have_addresses(x);
	else if (x->addr_count[family])
		uv_timer_start(&x->timer, on_other_late, OTHER_FAMILY_MS, 0);
}

void fetcher_resolved(struct fetcher *f, int tag, const struct resolve_answer *answer)
{
	for (struct fetch *x = f->running.next; tag && x != &f->running; x = x->next) {
		for (size_t family = 0; family < 2; family++) {
			if (x->tags[family] == tag) {
				take_answer(x, family, answer);
				return;
			}
		}
	}
}

static int next_tag(struct fetcher *f)
{
	f->next_tag = f->next_tag == INT32_MAX ? 1 : f->next_tag + 1;
	return f->next_tag;
}

static void resolve(struct fetch *x)
{
	struct fetcher *f = x->fetcher;
	x->state = FETCH_RESOLVING;
	x->tags[0] = next_tag(f);
	x->tags[1] = next_tag(f);
	f->config.resolve(f->config.arg, &x->host, AF_INET, x->tags[0]);
	f->config.resolve(f->config.arg, &x->host, AF_INET6, x->tags[1]);
}

/* ---- places ---- */

static bool is_slow(const struct fetcher *f, const struct fetch *x)
{
	return uv_now(f->loop) >= x->since_ms + f->config.patience_ms;
}

/* In turn, unless the first has waited so long that a queue would serve nobody in time. */
static struct fetch *next_waiting(struct fetcher *f)
{
	return is_slow(f, f->waiting.next) ? f->waiting.prev : f->waiting.next;
}

/* Gives up the longest of those that hold more than the share of the slow; the first that is not
 * slow yet decides when this is looked at again. */
static bool make_place(struct fetcher *f)
{
	unsigned slow = 0;
	struct fetch *x = f->running.next;
	for (; x != &f->running && is_slow(f, x); x = x->next)
		slow++;
	if (slow > f->config.max_running / SLOW_PART) {
		fetch_finish(f->running.next, err_make(ERR_POSH_BUSY));
		return true;
	}
	if (x != &f->running)
		turn_soon(f, x->since_ms + f->config.patience_ms - uv_now(f->loop));
	return false;
}

static void give_place(struct fetcher *f, struct fetch *x)
{
	list_take(x);
	f->waiting_count--;
	f->running_count++;
	list_append(&f->running, x);
	resolve(x);
}

/* Whoever is told anything may free the fetcher. */
static void give_places(uv_timer_t *timer)
{
	struct fetcher *f = timer->data;
	while (!f->closing && !list_is_empty(&f->refused))
		fetch_finish(f->refused.next, f->refused.next->verdict);
	while (!f->closing && !list_is_empty(&f->waiting)) {
		if (f->running_count < f->config.max_running)
			give_place(f, next_waiting(f));
		else if (!make_place(f))
			return;
	}
}

static void turn_soon(struct fetcher *f, uint64_t in_ms)
{
	uv_timer_start(&f->turn, give_places, in_ms, 0);
}

/* ---- a request ---- */

static void refuse(struct fetch *x, enum err_code code)
{
	list_take(x);
	x->fetcher->waiting_count--;
	x->state = FETCH_OVER;
	x->verdict = err_make(code);
	list_append(&x->fetcher->refused, x);
}

/* The caller has read it by posh_url_parse(); this is the last look at what goes into the request
 * line (P16). */
static bool is_target(const char *target)
{
	if (*target != '/')
		return false;
	for (; *target; target++) {
		if (*target <= ' ' || *target > '~' || *target == '#')
			return false;
	}
	return true;
}

struct fetch *fetch_start(
	struct fetcher *f, const struct fetch_request *request, fetch_done done, void *arg)
{
	struct fetch *x = MEM_NEW(struct fetch);
	x->fetcher = f;
	x->host = request->host;
	x->port = request->port;
	x->target = mem_strdup(request->target);
	x->done = done;
	x->arg = arg;
	x->handles = 2;
	fetch_response_init(&x->response, f->config.max_bytes);
	uv_timer_init(f->loop, &x->deadline);
	uv_timer_init(f->loop, &x->timer);
	x->deadline.data = x->timer.data = x;
	uv_timer_start(&x->deadline, on_deadline,
		request->timeout_ms ? request->timeout_ms : f->config.timeout_ms, 0);
	list_append(&f->waiting, x);
	f->waiting_count++;
	if (!is_target(x->target))
		refuse(x, ERR_POSH_FETCH);
	else if (f->waiting_count > f->config.max_waiting)
		refuse(f->waiting.next, ERR_POSH_BUSY);
	turn_soon(f, 0);
	return x;
}

size_t fetcher_running(const struct fetcher *f)
{
	return f->running_count;
}

/* ---- life ---- */

struct fetcher *fetcher_new(uv_loop_t *loop, const struct fetch_config *config, struct err *e)
{
	struct fetch_trust *trust = fetch_trust_new(config->authorities_pem);
	*e = err_make(trust ? ERR_INTERNAL : ERR_FILE);
	if (!trust || !fetch_curl_init()) {
		if (trust)
			fetch_trust_free(trust);
		return NULL;
	}
	struct fetcher *f = MEM_NEW(struct fetcher);
	f->loop = loop;
	f->config = *config;
	f->config.authorities_pem = SLICE_NONE;
	f->trust = trust;
	list_init(&f->running);
	list_init(&f->waiting);
	list_init(&f->refused);
	uv_timer_init(loop, &f->turn);
	f->turn.data = f;
	*e = err_ok();
	return f;
}

static void on_turn_closed(uv_handle_t *handle)
{
	struct fetcher *f = handle->data;
	fetch_trust_free(f->trust);
	fetch_curl_fini();
	mem_free(f);
}

void fetcher_free(struct fetcher *f)
{
	struct fetch *lists[] = {&f->running, &f->waiting, &f->refused};
	f->closing = true;
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		while (!list_is_empty(lists[i]))
			fetch_cancel(lists[i]->next);
	}
	uv_close((uv_handle_t *)&f->turn, on_turn_closed);
}
