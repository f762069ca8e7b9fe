#include "tenants/provided.h"

#include "base/buf.h"
#include "base/mem.h"
#include "tenants/load.h"
#include "tenants/value.h"

#include <string.h>

/* The buffers have no limit, so nothing here can fail. */
static char *joined(const char *a, const char *b, const char *c)
{
	struct buf path;
	buf_init(&path, BUF_UNLIMITED);
	(void)buf_append_str(&path, a);
	(void)buf_append_str(&path, b);
	(void)buf_append_str(&path, c);
	char *copy = mem_strdup(buf_cstr(&path));
	buf_fini(&path);
	return copy;
}

char *provided_directory(const struct gate *g, const struct domain *domain)
{
	return domain ? joined(g->state_dir, "/tenants/", domain->name)
		      : joined(g->state_dir, "/host", "");
}

bool provided_is_made(const struct gate *g, const struct tenant *t, const struct domain **domain)
{
	*domain = t->proof == TENANT_POSH ? &t->domain : NULL;
	return t->proof == TENANT_POSH || (t->proof == TENANT_DANE && !g->host_certificate);
}

static void set(char **path, const char *dir, const char *name)
{
	mem_free(*path);
	*path = dir ? joined(dir, "/", name) : mem_strdup(name);
}

static bool is_there(const char *dir, const char *name)
{
	char *path = joined(dir, "/", name);
	struct file_id id;
	struct file_rights rights;
	bool there = !err_is(file_look(path, &id, &rights));
	mem_free(path);
	return there;
}

static const char *fill_made(const char *dir, struct tenant *t)
{
	static const char longest[] = "/previous.pem";
	if (strlen(dir) + sizeof longest > VALUE_ITEM_MAX)
		return "the path of `state_dir` and this domain are too long together";
	set(&t->certificate, dir, "current.pem");
	set(&t->key, dir, "current.key");
	if (is_there(dir, "next.pem")) {
		set(&t->next_certificate, dir, "next.pem");
		set(&t->next_key, dir, "next.key");
	}
	if (is_there(dir, "previous.pem"))
		set(&t->previous_certificate, dir, "previous.pem");
	return NULL;
}

static void fill_host(const struct gate *g, struct tenant *t)
{
	set(&t->certificate, NULL, g->host_certificate);
	set(&t->key, NULL, g->host_key);
	if (g->host_next_certificate && g->host_next_key) {
		set(&t->next_certificate, NULL, g->host_next_certificate);
		set(&t->next_key, NULL, g->host_next_key);
	}
}

const char *provided_fill(const struct gate *g, struct tenant *t)
{
	const struct domain *domain;
	if (t->proof == TENANT_CERTIFICATE)
		return NULL;
	if (t->proof == TENANT_DANE && !domain_is_set(gate_target(g, TENANT_DANE)))
		return "`dane` needs `host_name` in fedgate.ini, or `name` in its section [host]: "
		       "the TLSA records stand under it";
	if (provided_is_made(g, t, &domain)) {
		char *dir = provided_directory(g, domain);
		const char *why = fill_made(dir, t);
		mem_free(dir);
		return why;
	}
	if (!g->host_key)
		return "`dane` needs `key` beside `certificate` in section [host] of fedgate.ini";
	fill_host(g, t);
	return NULL;
}

void provided_none(struct tenant *t)
{
	mem_free(t->certificate);
	mem_free(t->key);
	t->certificate = t->key = NULL;
}
