/* The gate's own file. */
#include "tenants/load.h"

#include "base/mem.h"
#include "tenants/config.h"

#include <string.h>
#include <unistd.h>

/* The directory of a file, absolute, without asking where symbolic links lead: what lies beside
 * the link is meant. Owned by the caller. */
static char *directory_of(const char *path)
{
	char cwd[INI_PATH_MAX] = "";
	struct buf dir;
	buf_init(&dir, BUF_UNLIMITED);
	if (*path != '/' && !getcwd(cwd, sizeof cwd))
		*cwd = '\0';
	struct err e = buf_append_str(&dir, cwd);
	const char *slash = strrchr(path, '/');
	if (slash && *path != '/')
		e = buf_append_str(&dir, "/");
	if (slash)
		e = buf_append(&dir, slice_of(path, (size_t)(slash - path)));
	if (buf_len(&dir) == 0)
		e = buf_append_str(&dir, "/");
	(void)e; /* no limit, no failure */
	char *copy = mem_strdup(buf_cstr(&dir));
	buf_fini(&dir);
	return copy;
}

/* --- what must fit together --- */

struct listener {
	const char *section, *key;
	const struct address_list *list;
};

static bool has_address(const struct address_list *list, const struct address *a)
{
	for (size_t i = 0; i < list->count; i++) {
		if (address_eq(&list->items[i], a))
			return true;
	}
	return false;
}

/* Blamed is the one that was written down: the other may be a default. */
static void check_apart(
	const struct config_file *f, const struct listener *a, const struct listener *b)
{
	struct place at = config_place(f, a->section, a->key);
	const struct listener *other = at.line ? b : a;
	if (!at.line)
		at = config_place(f, b->section, b->key);
	for (size_t i = 0; i < a->list->count; i++) {
		char text[ADDRESS_TEXT_MAX];
		address_write(&a->list->items[i], text);
		if (has_address(b->list, &a->list->items[i]))
			fault_add(f->faults, at, "%s is taken by `%s` in [%s] already", text,
				other->key, other->section);
	}
}

static void check_listeners(const struct config_file *f, const struct gate *g)
{
	const struct listener peers = {"gate", "listen", &g->listen};
	const struct listener egress = {"egress", "listen", &g->egress_listen};
	const struct listener dns = {"egress", "dns_listen", &g->steer_listen};
	const struct listener web = {"publish", "listen", &g->publish_listen};
	check_apart(f, &egress, &peers);
	check_apart(f, &dns, &peers);
	check_apart(f, &dns, &egress);
	check_apart(f, &web, &peers);
	check_apart(f, &web, &egress);
}

/* BE-S3, attack catalogue 2.5: what is plaintext or answers questions belongs on loopback. */
static void warn_exposed(const struct config_file *f, const struct address_list *list,
	const char *key, const char *what)
{
	for (size_t i = 0; i < list->count; i++) {
		char text[ADDRESS_TEXT_MAX];
		address_write(&list->items[i], text);
		if (!address_is_loopback(&list->items[i].sa))
			fault_warn(f->faults, config_place(f, "egress", key),
				"%s is not a loopback address: %s; let a firewall admit the "
				"backends "
				"alone",
				text, what);
	}
}

static void warn_open(const struct config_file *f, const struct gate *g)
{
	warn_exposed(f, &g->egress_listen, "listen", "whoever reaches it speaks in plaintext here");
	warn_exposed(f, &g->steer_listen, "dns_listen", "whoever reaches it may ask for names");
	for (size_t i = 0; i < g->steer_allow.count; i++) {
		if (g->steer_allow.items[i].bits == 0)
			fault_warn(f->faults, config_place(f, "egress", "dns_allow"),
				"answers the whole Internet; name the backends' networks");
	}
	if (g->allow_private.count)
		fault_warn(f->faults, config_place(f, "dns", "allow_private"),
			"peers can make the gate connect into these networks; for labs and VPNs "
			"only");
}

/* A default that is not there is warned about: `without` says what it means. */
static bool check_file(const struct config_file *f, const char *section, const char *key,
	const char *path, const char *without)
{
	struct file_id id;
	struct file_rights rights;
	struct place at = config_place(f, section, key);
	struct err e = path ? file_look(path, &id, &rights) : err_ok();
	if (err_is(e) && at.line)
		fault_add(f->faults, at, "%s: %s", path, file_why(e));
	else if (err_is(e))
		fault_warn(f->faults, at, "%s: %s; %s", path, file_why(e), without);
	return !err_is(e);
}

static void check_pair(const struct config_file *f, const char *section, const char *first_key,
	const char *first, const char *second_key, const char *second)
{
	if (first && !second)
		fault_add(f->faults, config_place(f, section, first_key), "needs `%s` beside it",
			second_key);
	else if (second && !first)
		fault_add(f->faults, config_place(f, section, second_key), "needs `%s` beside it",
			first_key);
	else if (first && check_file(f, section, first_key, first, ""))
		check_file(f, section, second_key, second, "");
}

static void check_proofs(const struct config_file *f, struct gate *g)
{
	check_file(f, "gate", "ca_file", g->ca_file,
		"no public authority can prove a peer (is ca-certificates installed?)");
	if (!check_file(f, "dns", "trust_anchor", g->dns_trust_anchor,
		    "DNSSEC is not looked at, and DANE proves nobody (is dns-root-data "
		    "installed?)")) {
		mem_free(g->dns_trust_anchor);
		g->dns_trust_anchor = NULL;
	}
	if (g->proofs_posh)
		check_file(f, "proofs", "web_ca_file", g->web_ca_file,
			"no web server can be believed, and POSH proves nobody (is ca-certificates "
			"installed?)");
	check_pair(f, "host", "certificate", g->host_certificate, "key", g->host_key);
	check_pair(f, "host", "next_certificate", g->host_next_certificate, "next_key",
		g->host_next_key);
	check_pair(f, "publish", "certificate", g->publish_certificate, "key", g->publish_key);
}

static void check_publisher(const struct config_file *f, const struct gate *g)
{
	struct place at = config_place(f, "publish", "listen");
	if (g->publish_listen.count && !g->publish_certificate)
		fault_add(f->faults, at,
			"needs `certificate` and `key` of the web site in section [publish]");
	if (g->publish_listen.count && !domain_is_set(&g->host_name))
		fault_add(f->faults, at,
			"needs `host_name` in section [gate]: the documents stand under that name");
}

/* K05: who knows it can forge the answers to every dialback. It need not be there yet. */
static void check_secret(const struct config_file *f, const char *path)
{
	struct file_id id;
	struct file_rights rights;
	if (path && !err_is(file_look(path, &id, &rights)) && (rights.mode & 0007))
		fault_warn(f->faults, config_place(f, "gate", "secret_file"),
			"%s: everybody on this machine can read or change the secret; run: chmod "
			"o-rwx %s",
			path, path);
}

/* Never NULL. `places` NULL: for the bundle, whose files the supervisor has looked at. */
static struct gate *read_gate(struct slice text, const char *name, const char *base_dir,
	struct gate_places *places, struct faults *faults)
{
	struct config_file f = {
		.config = &gate_config, .name = name, .base_dir = base_dir, .faults = faults};
	struct settings settings;
	struct gate *g = MEM_NEW(struct gate);
	inifile_read(text, name, &settings, faults);
	config_read(&f, &settings, NULL, g);
	settings_fini(&settings);
	check_listeners(&f, g);
	if (places) {
		check_proofs(&f, g);
		check_publisher(&f, g);
		check_secret(&f, g->secret_file);
		warn_open(&f, g);
		places->user = config_place(&f, "gate", "user");
		places->host_name = config_place(&f, "gate", "host_name");
		places->ca_file = config_place(&f, "gate", "ca_file");
	}
	return g;
}

static struct gate *only_without_faults(struct gate *g, bool fine)
{
	if (!fine)
		gate_free(g);
	return fine ? g : NULL;
}

struct gate *load_gate_text(
	struct slice text, const char *file_name, const char *base_dir, struct faults *faults)
{
	size_t before = faults->count;
	struct gate *g = read_gate(text, file_name, base_dir, NULL, faults);
	return only_without_faults(g, faults->count == before);
}

struct gate *load_gate_leniently(
	const char *path, struct gate_places *places, struct faults *faults)
{
	struct gate *g = NULL;
	struct buf text;
	struct file_id id;
	buf_init(&text, INI_FILE_MAX);
	struct err e = file_read(path, INI_FILE_MAX, &text, &id);
	if (err_is(e)) {
		fault_add(faults, (struct place){.file = path}, "%s", file_why(e));
	} else {
		char *base_dir = directory_of(path);
		g = read_gate(buf_peek(&text), path, base_dir, places, faults);
		mem_free(base_dir);
	}
	buf_fini(&text);
	return g;
}

struct gate *load_gate(const char *path, struct faults *faults)
{
	size_t before = faults->count;
	struct gate_places unused;
	struct gate *g = load_gate_leniently(path, &unused, faults);
	return only_without_faults(g, faults->count == before);
}

static bool same_value(const struct config_row *row, const struct gate *a, const struct gate *b)
{
	struct buf x, y;
	buf_init(&x, BUF_UNLIMITED);
	buf_init(&y, BUF_UNLIMITED);
	value_write(row->type, row->key, (const char *)a + row->offset, &x);
	value_write(row->type, row->key, (const char *)b + row->offset, &y);
	bool same = slice_eq(buf_peek(&x), buf_peek(&y));
	buf_fini(&x);
	buf_fini(&y);
	return same;
}

void gate_keep_started(
	struct gate *fresh, const struct gate *running, const char *path, struct faults *faults)
{
	for (size_t i = 0; i < gate_config.count; i++) {
		const struct config_row *row = &gate_config.rows[i];
		if (row->live || same_value(row, fresh, running))
			continue;
		fault_warn(faults, (struct place){path, 0, row->key},
			"has changed in [%s]; it takes effect at the next start", row->section);
		value_copy(
			row->type, (const char *)running + row->offset, config_field(row, fresh));
	}
}
