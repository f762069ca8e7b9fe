/* Happy path: a path is asked for -> its tenant is looked up -> the document is made from the
 * tenant's certificates at first use, and kept until the next configuration. Failure modes: a file
 * cannot be had (503, tried again after a moment; a certificate that is only to come or has gone
 * is left out), the web site's own certificate is broken (the one before stays in use), the
 * supervisor is gone (told as stop). Who frees: everything goes in tear_down. */
#include "core/publisher.h"

#include "base/map.h"
#include "base/mem.h"
#include "core/channel.h"
#include "net/httpserve.h"
#include "tenants/published.h"
#include "tenants/value.h"
#include "trust/posh.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>
#include <time.h>

enum {
	READ_DEADLINE_MS = 500,
	PEM_MAX = 256 * 1024,
	AGAIN_S = 2,   /* after a file could not be had */
	RENEW_S = 600, /* the less time a certificate has left, the shorter is `expires` */
	CONNECTIONS_MAX = 1024,
	PER_ADDRESS_MAX = CONNECTIONS_MAX / 8,
	REQUEST_MS = 10000,
	IDLE_MS = 5000,
};

/* A tenant's document, or why there is none. */
struct kept {
	struct published published;
	struct buf json;
	unsigned expires_s;
	struct err why;
	int64_t again_s; /* when the files are read, or the document is written, again */
};

struct publisher {
	uv_loop_t *loop;
	struct gate *gate;         /* owned */
	struct registry *registry; /* owned */
	struct channel *channel;
	struct httpserve *serve;
	struct map *kept;              /* tenant's domain -> struct kept */
	struct credential *credential; /* of the web site; NULL: never had */
	bool is_current;               /* the credential is that of the gate's files */
	int64_t again_s;
};

static int64_t wall_s(void)
{
	return (int64_t)time(NULL);
}

/* F04: a clock that leaps back must not make us wait for it. */
static bool is_due(int64_t again_s)
{
	int64_t now = wall_s();
	return now >= again_s || again_s - now > RENEW_S;
}

/* ---- documents ---- */

static const char *todo(struct err e)
{
	if (e.code != ERR_FILE)
		return NULL;
	if (e.native == ESTALE)
		return "the file was replaced since it was checked; reload to publish it";
	if (e.native == EPERM)
		return "the file holds the key as well, which the publisher must not see; keep "
		       "them "
		       "in two files";
	return NULL;
}

static struct err get_file(
	void *arg, const struct tenant *t, enum published_file file, struct buf *pem)
{
	static const enum channel_file names[PUBLISHED_MAX] = {
		[PUBLISHED_NEXT] = CHANNEL_NEXT_CERTIFICATE,
		[PUBLISHED_CURRENT] = CHANNEL_CERTIFICATE,
		[PUBLISHED_CURRENT_2] = CHANNEL_CERTIFICATE_2,
		[PUBLISHED_PREVIOUS] = CHANNEL_PREVIOUS_CERTIFICATE};
	struct publisher *p = arg;
	return channel_read_file(p->channel, t, names[file], READ_DEADLINE_MS, pem);
}

/* Without what is shown now there is no document; one without the next or the previous certificate
 * serves all who come now. */
static struct err judge_files(const struct tenant *t, const struct published *l)
{
	char name[DOMAIN_UNICODE_MAX + 1];
	for (unsigned i = 0; i < PUBLISHED_MAX; i++) {
		if (err_is(l->why[i]))
			log_reason(l->why[i], "document",
				log_s("tenant", domain_unicode(&t->domain, name)),
				log_c("file", published_path(t, i)), log_c("todo", todo(l->why[i])),
				log_end());
	}
	if (err_is(l->why[PUBLISHED_CURRENT]))
		return l->why[PUBLISHED_CURRENT];
	if (err_is(l->why[PUBLISHED_CURRENT_2]))
		return l->why[PUBLISHED_CURRENT_2];
	return l->count ? err_ok() : err_make(ERR_CERT_NONE);
}

static void read_files(struct publisher *p, const struct tenant *t, struct kept *k)
{
	published_fini(&k->published);
	published_read_by(t, get_file, p, &k->published);
	k->why = judge_files(t, &k->published);
}

/* From what was read, as of now. */
static void write_document(struct publisher *p, const struct tenant *t, struct kept *k, bool first)
{
	const struct published *l = &k->published;
	char name[DOMAIN_UNICODE_MAX + 1];
	k->expires_s = published_expires(p->gate, l, wall_s());
	buf_clear(&k->json);
	posh_write(l->leafs, l->count, k->expires_s, &k->json);
	if (!first)
		return;
	log_event(LOG_INFO, "document", log_s("tenant", domain_unicode(&t->domain, name)),
		log_n("certificates", (int64_t)l->count), log_n("expires", k->expires_s),
		log_end());
}

static struct kept *document_of(struct publisher *p, const struct tenant *t)
{
	struct kept *k = map_get(p->kept, domain_slice(&t->domain));
	bool fresh = !k;
	if (fresh) {
		k = MEM_NEW(struct kept);
		buf_init(&k->published.der, 0);
		buf_init(&k->json, BUF_UNLIMITED);
		map_put(p->kept, domain_slice(&t->domain), k);
	}
	if (!fresh && !is_due(k->again_s))
		return k;
	bool to_read = fresh || err_is(k->why);
	if (to_read)
		read_files(p, t, k);
	if (!err_is(k->why))
		write_document(p, t, k, to_read);
	k->again_s = wall_s() + (err_is(k->why) ? AGAIN_S : RENEW_S);
	return k;
}

static void forget_documents(struct publisher *p)
{
	for (size_t i = map_count(p->kept); i-- > 0;) {
		struct kept *k = map_value_at(p->kept, i);
		map_remove(p->kept, map_key_at(p->kept, i));
		published_fini(&k->published);
		buf_fini(&k->json);
		mem_free(k);
	}
}

/* ---- what the server asks ---- */

/* P21: a domain has one path, its A-labels in small letters. */
static bool domain_of(struct slice path, struct domain *out)
{
	static const char before[] = "/posh/";
	if (!slice_starts(path, before))
		return false;
	struct slice name = slice_sub(path, sizeof before - 1, path.len);
	size_t len = slice_find(name, '/');
	struct slice service = slice_sub(name, len, name.len);
	name = slice_sub(name, 0, len);
	return (slice_eq_str(service, "/xmpp-server.json") ||
		       slice_eq_str(service, "/xmpp-client.json")) &&
	       !err_is(domain_parse(name, out)) && slice_eq(domain_slice(out), name);
}

static unsigned max_age_of(unsigned expires_s)
{
	unsigned tenth = expires_s / 10;
	return tenth < PUBLISHER_MAX_AGE_S ? tenth : PUBLISHER_MAX_AGE_S;
}

static struct err give_document(void *arg, struct slice path, struct httpserve_document *out)
{
	struct publisher *p = arg;
	struct domain d;
	const struct tenant *t = domain_of(path, &d) ? registry_find(p->registry, &d) : NULL;
	if (!t || t->proof == TENANT_DANE)
		return err_make(ERR_HTTP_PATH);
	const struct kept *k = document_of(p, t);
	out->json = buf_peek(&k->json);
	out->max_age_s = max_age_of(k->expires_s);
	return k->why;
}

static struct err read_web_file(struct publisher *p, enum channel_file which, struct buf *out)
{
	buf_init(out, PEM_MAX);
	out->secret = which == CHANNEL_WEB_KEY;
	return channel_read_file(p->channel, NULL, which, READ_DEADLINE_MS, out);
}

/* A broken renewal leaves what was fine in use (M10). */
static void renew_credential(struct publisher *p)
{
	struct buf chain, key;
	struct credential *c = credential_new();
	struct err e = read_web_file(p, CHANNEL_WEB_CERTIFICATE, &chain);
	struct err e2 = read_web_file(p, CHANNEL_WEB_KEY, &key);
	if (!err_is(e))
		e = e2;
	if (!err_is(e))
		e = credential_add(c, buf_peek(&chain), buf_peek(&key));
	buf_fini(&chain);
	buf_fini(&key);
	p->is_current = !err_is(e);
	p->again_s = wall_s() + AGAIN_S;
	if (err_is(e))
		log_reason(e, "web-credential", log_c("file", p->gate->publish_certificate),
			log_end());
	credential_release(err_is(e) ? c : p->credential);
	p->credential = err_is(e) ? p->credential : c;
}

static struct credential *give_credential(void *arg, struct err *why)
{
	struct publisher *p = arg;
	if (!p->is_current && is_due(p->again_s))
		renew_credential(p);
	*why = err_make(ERR_TLS_CREDENTIAL);
	return p->credential;
}

static void take_note(void *arg, const struct httpserve_note *n)
{
	struct address from = {.sa = *n->from};
	char text[ADDRESS_TEXT_MAX];
	(void)arg;
	address_write(&from, text);
	if (err_is(n->why))
		log_reason(n->why, "web-refused", log_c("from", text), log_n("status", n->status),
			log_s("target", n->target), log_end());
	else
		log_event(LOG_DEBUG, "web-served", log_c("from", text), log_s("target", n->target),
			log_end());
}

static const struct httpserve_events serve_events = {
	.credential = give_credential, .document = give_document, .note = take_note};

/* ---- what the supervisor says ---- */

static void configure(struct publisher *p)
{
	const struct gate *g = p->gate;
	const struct httpserve_settings settings = {.host = g->host_name,
		.connections = CONNECTIONS_MAX,
		.per_address =
			g->max_per_address < PER_ADDRESS_MAX ? g->max_per_address : PER_ADDRESS_MAX,
		.per_second = g->connections_per_second,
		.request_ms = REQUEST_MS,
		.idle_ms = IDLE_MS};
	httpserve_configure(p->serve, &settings);
	renew_credential(p);
}

static void on_reload(void *arg, struct gate *gate, struct registry *registry)
{
	struct publisher *p = arg;
	forget_documents(p);
	registry_free(p->registry);
	gate_free(p->gate);
	p->gate = gate;
	p->registry = registry;
	log_set_level(gate->log_level);
	configure(p);
}

static void on_stop(void *arg, uint64_t within_ms)
{
	struct publisher *p = arg;
	(void)within_ms; /* an answer takes no time, and whoever got none asks again */
	uv_stop(p->loop);
}

static const struct channel_events channel_events = {.reload = on_reload, .stop = on_stop};

/* ---- life ---- */

static uint64_t random_seed(void)
{
	uint64_t seed;
	ssize_t got = getrandom(&seed, sizeof seed, 0);
	assert(got == (ssize_t)sizeof seed);
	return seed;
}

static void tear_down(struct publisher *p)
{
	httpserve_close(p->serve);
	channel_close(p->channel);
	uv_run(p->loop, UV_RUN_DEFAULT); /* until all have said closed */
	forget_documents(p);
	map_free(p->kept);
	credential_release(p->credential);
	registry_free(p->registry);
	gate_free(p->gate);
	mem_free(p);
}

int publisher_run(const struct publisher_boot *boot)
{
	struct publisher *p = MEM_NEW(struct publisher);
	p->loop = uv_default_loop();
	p->gate = boot->gate;
	p->registry = boot->registry;
	p->kept = map_new(random_seed());
	p->channel = channel_open(p->loop, boot->channel_fd, &channel_events, p);
	p->serve = httpserve_new(p->loop, &serve_events, p);
	configure(p);
	for (size_t i = 0; i < boot->listen_count; i++) {
		struct err e = httpserve_listen(p->serve, boot->listen_fds[i]);
		if (err_is(e))
			log_reason(e, "publisher-listen", log_end());
	}
	channel_ready(p->channel);
	log_event(LOG_INFO, "publisher-up", log_s("name", domain_slice(&p->gate->host_name)),
		log_end());
	uv_run(p->loop, UV_RUN_DEFAULT);
	log_event(LOG_INFO, "publisher-down", log_end());
	tear_down(p);
	return 0;
}
