#include "tenants/tenantfile.h"

#include "base/mem.h"
#include "tenants/bundle.h"
#include "tenants/provided.h"

#include <errno.h>
#include <string.h>

enum { MODE_OTHERS_READ = 0004, MODE_OTHERS_WRITE = 0002 };

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool tenant_file_domain(const char *file_name, struct domain *out)
{
	struct slice name = slice_str(last_part(file_name));
	struct slice suffix = SLICE_LIT(".ini");
	*out = (struct domain){0};
	return name.len > suffix.len &&
	       slice_eq(slice_sub(name, name.len - suffix.len, name.len), suffix) &&
	       !err_is(domain_parse(slice_sub(name, 0, name.len - suffix.len), out));
}

static void check_name(const struct config_file *f, const struct tenant *t)
{
	struct domain named;
	struct place at = config_place(f, "tenant", "domain");
	if (!domain_is_set(&t->domain))
		return;
	if (!tenant_file_domain(f->name, &named))
		fault_add(f->faults, at, "the file must be called %s.ini, after its domain",
			t->domain.name);
	else if (!domain_eq(&named, &t->domain))
		fault_add(f->faults, at,
			"the file is called after %s; rename it to %s.ini or correct the domain",
			named.name, t->domain.name);
}

static void check_domains(const struct config_file *f, const struct tenant *t)
{
	for (size_t i = 0; i < t->further.count; i++) {
		if (domain_eq(&t->further.items[i], &t->domain))
			fault_add(f->faults, config_place(f, "tenant", "domains"),
				"names %s again, which `domain` holds already", t->domain.name);
	}
}

/* Whether a connection to `a` ends at this listener of ours: the backend would be the gate. */
static bool listens_at(const struct address *listener, const struct address *a)
{
	return address_eq(listener, a) ||
	       (address_is_any(&listener->sa) && address_is_loopback(&a->sa) &&
		       address_port(&listener->sa) == address_port(&a->sa));
}

static void check_loop(const struct config_file *f, const struct address *backend,
	const struct address_list *listeners, const char *section)
{
	for (size_t i = 0; i < listeners->count; i++) {
		char text[ADDRESS_TEXT_MAX];
		if (!listens_at(&listeners->items[i], backend))
			continue;
		address_write(backend, text);
		fault_add(f->faults, config_place(f, "tenant", "backend"),
			"%s is where the gate itself listens ([%s] in fedgate.ini)", text, section);
		return;
	}
}

static void check_backends(
	const struct config_file *f, const struct tenant *t, const struct gate *gate)
{
	for (size_t i = 0; i < t->backends.count; i++) {
		check_loop(f, &t->backends.items[i], &gate->listen, "gate");
		check_loop(f, &t->backends.items[i], &gate->egress_listen, "egress");
	}
}

/* --- files --- */

struct used_file {
	struct place at;
	const char *path; /* borrowed from the tenant; NULL: not used */
	struct file_id *id;
	bool secret;
};

static void warn_rights(struct faults *faults, struct place at, const struct used_file *u,
	const struct file_rights *rights)
{
	if (u->secret && (rights->mode & MODE_OTHERS_READ))
		fault_warn(faults, at,
			"%s: everybody on this machine can read the key; run: chmod o-rwx %s",
			u->path, u->path);
	else if (rights->mode & MODE_OTHERS_WRITE)
		fault_warn(faults, at,
			"%s: everybody on this machine can change the file; run: chmod o-w %s",
			u->path, u->path);
	if (u->secret && rights->strange_owner)
		fault_warn(faults, at,
			"%s: the key belongs to another user, who can exchange it; run: chown root "
			"%s",
			u->path, u->path);
	if (rights->open_directory)
		fault_warn(faults, at,
			"%s: everybody on this machine can exchange the file; run: chmod o-w "
			"\"$(dirname %s)\"",
			u->path, u->path);
}

/* Is it there, which one is it, and who may read it (K05)? */
static void look(const struct config_file *f, const struct used_file *u)
{
	struct place at = u->at;
	struct file_rights rights;
	if (!u->path)
		return;
	struct err e = file_look(u->path, u->id, &rights);
	if (err_is(e))
		fault_add(f->faults, at, "%s: %s", u->path, file_why(e));
	else
		warn_rights(f->faults, at, u, &rights);
}

static bool same_file(const char *path, const struct file_id *id, const char *old_path,
	const struct file_id *old_id)
{
	return path && old_path && strcmp(path, old_path) == 0 && file_id_eq(id, old_id);
}

/* Where the file is asked for: by a key of its own, or by `proof`. */
static struct place file_place(const struct config_file *f, const struct tenant *t, const char *key)
{
	return t->proof == TENANT_CERTIFICATE ? config_place(f, "tls", key)
					      : config_place(f, "tenant", "proof");
}

/* The first of the DANE tenants is told what is wrong, the others that something is. */
static void judge_shared(const struct config_file *f, const struct certificate_pair *p,
	const struct tenant *t, const struct tenant_source *src)
{
	size_t before = f->faults->count;
	if (!src->shared->judged) {
		certificate_judge(p, t, &src->rules, f->faults);
		src->shared->judged = true;
		src->shared->fine = f->faults->count == before;
	} else if (!src->shared->fine) {
		fault_add(f->faults, p->chain_at,
			"%s: the host's certificate cannot be used, as was reported before",
			p->chain_path);
	}
}

static void judge_pair(
	const struct config_file *f, struct tenant *t, const struct tenant_source *src, bool second)
{
	const struct tenant *old = src->before;
	struct certificate_pair p = {
		.chain_path = second ? t->certificate2 : t->certificate,
		.key_path = second ? t->key2 : t->key,
		.chain_at = file_place(f, t, second ? "certificate_2" : "certificate"),
		.key_at = file_place(f, t, second ? "key_2" : "key"),
		.chain_id = second ? &t->certificate2_id : &t->certificate_id,
		.key_id = second ? &t->key2_id : &t->key_id,
	};
	if (!p.chain_path || !p.key_path)
		return;
	bool known =
		old &&
		same_file(p.chain_path, p.chain_id, second ? old->certificate2 : old->certificate,
			second ? &old->certificate2_id : &old->certificate_id) &&
		same_file(p.key_path, p.key_id, second ? old->key2 : old->key,
			second ? &old->key2_id : &old->key_id);
	if (src->certificates == JUDGE_NONE || (src->certificates == JUDGE_CHANGED && known))
		return;
	if (t->proof == TENANT_DANE && src->shared)
		judge_shared(f, &p, t, src);
	else
		certificate_judge(&p, t, &src->rules, f->faults);
}

static void judge_authorities(
	const struct config_file *f, struct tenant *t, const struct tenant_source *src)
{
	const struct tenant *old = src->before;
	if (!t->ca_file)
		return;
	bool known = old && same_file(t->ca_file, &t->ca_id, old->ca_file, &old->ca_id);
	if (src->certificates == JUDGE_ALL || (src->certificates == JUDGE_CHANGED && !known))
		cert_set_release(certificate_authorities(
			t->ca_file, config_place(f, "policy", "ca_file"), &t->ca_id, f->faults));
}

static void check_pair(const struct config_file *f, const char *certificate_key,
	const char *certificate, const char *key_key, const char *key)
{
	if (certificate && !key)
		fault_add(f->faults, config_place(f, "tls", certificate_key),
			"needs `%s` beside it", key_key);
	else if (key && !certificate)
		fault_add(f->faults, config_place(f, "tls", key_key), "needs `%s` beside it",
			certificate_key);
}

/* --- what the gate provides --- */

/* Who has no certificate of his own names none: he would think that it is shown. */
static void refuse_own_files(const struct config_file *f, const struct tenant *t)
{
	static const char *const keys[] = {
		"certificate", "key", "certificate_2", "key_2", "next_certificate", "next_key"};
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
		struct place at = config_place(f, "tls", keys[i]);
		if (at.line && t->proof == TENANT_POSH)
			fault_add(f->faults, at,
				"the gate makes the certificate and the key of a tenant with "
				"`proof = posh`; remove this line");
		else if (at.line)
			fault_add(f->faults, at,
				"a tenant with `proof = dane` shows the host's certificate; "
				"remove this line");
	}
}

static bool is_missing(const char *path)
{
	struct file_id id;
	struct file_rights rights;
	return file_look(path, &id, &rights).native == ENOENT;
}

static const char *make(const struct tenant *t, const struct tenant_source *src)
{
	const struct domain *own;
	(void)provided_is_made(src->gate, t, &own);
	size_t count = own ? 1 + t->further.count : 1;
	const struct domain **names = mem_alloc(count * sizeof *names);
	names[0] = own ? own : gate_target(src->gate, TENANT_DANE);
	for (size_t i = 1; i < count; i++)
		names[i] = &t->further.items[i - 1];
	char *directory = provided_directory(src->gate, own);
	const char *why = src->make(directory, names, count, src->rules.now);
	mem_free(directory);
	mem_free(names);
	return why;
}

/* One of the two alone is missing: that is for a person to look at, and a fault later on. */
static void make_if_missing(
	const struct config_file *f, struct tenant *t, const struct tenant_source *src)
{
	const struct domain *unused;
	struct place at = config_place(f, "tenant", "proof");
	if (!provided_is_made(src->gate, t, &unused) || !is_missing(t->certificate) ||
		!is_missing(t->key))
		return;
	if (!src->make) {
		fault_warn(f->faults, at,
			"%s: is not there yet; it is made at the next start or reload",
			t->certificate);
		provided_none(t);
		return;
	}
	const char *why = make(t, src);
	if (why)
		fault_add(f->faults, at, "%s: cannot be made: %s", t->certificate, why);
}

/* False when it was reported that it cannot be. */
static bool provide(const struct config_file *f, struct tenant *t, const struct tenant_source *src)
{
	if (t->proof == TENANT_CERTIFICATE)
		return true;
	size_t before = f->faults->count;
	refuse_own_files(f, t);
	const char *why = src->gate ? provided_fill(src->gate, t) : NULL;
	if (why)
		fault_add(f->faults, config_place(f, "tenant", "proof"), "%s", why);
	else if (src->gate && f->faults->count == before)
		make_if_missing(f, t, src);
	return f->faults->count == before;
}

static void check_files(
	const struct config_file *f, struct tenant *t, const struct tenant_source *src)
{
	size_t before = f->faults->count;
	const struct used_file files[] = {
		{file_place(f, t, "certificate"), t->certificate, &t->certificate_id, false},
		{file_place(f, t, "key"), t->key, &t->key_id, true},
		{file_place(f, t, "certificate_2"), t->certificate2, &t->certificate2_id, false},
		{file_place(f, t, "key_2"), t->key2, &t->key2_id, true},
		{file_place(f, t, "next_certificate"), t->next_certificate, &t->next_certificate_id,
			false},
		{file_place(f, t, "next_key"), t->next_key, &t->next_key_id, true},
		{file_place(f, t, "previous_certificate"), t->previous_certificate,
			&t->previous_certificate_id, false},
		{config_place(f, "policy", "ca_file"), t->ca_file, &t->ca_id, false},
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		look(f, &files[i]);
	if (f->faults->count > before)
		return; /* the same files would be reported again */
	judge_pair(f, t, src, false);
	judge_pair(f, t, src, true);
	judge_authorities(f, t, src);
}

struct tenant *tenant_file_read(struct slice text, const struct tenant_source *src,
	struct tenant_lines *lines, struct faults *faults)
{
	struct config_file f = {.config = &tenant_config,
		.name = src->file_name,
		.base_dir = src->base_dir,
		.faults = faults};
	size_t faults_before = faults->count;
	struct settings settings;
	struct tenant *t = MEM_NEW(struct tenant);
	t->refs = 1;
	inifile_read(text, src->file_name, &settings, faults);
	config_read(&f, &settings, src->check_files ? NULL : BUNDLE_SECTION, t);
	check_domains(&f, t);
	check_pair(&f, "certificate_2", t->certificate2, "key_2", t->key2);
	check_pair(&f, "next_certificate", t->next_certificate, "next_key", t->next_key);
	if (src->gate)
		check_backends(&f, t, src->gate);
	if (src->check_files) {
		check_name(&f, t);
		if (provide(&f, t, src))
			check_files(&f, t, src);
	} else {
		bundle_read(&settings, &f, t);
	}
	settings_fini(&settings);
	*lines = (struct tenant_lines){config_place(&f, "tenant", "domain").line,
		config_place(&f, "tenant", "domains").line,
		config_place(&f, "policy", "inbound").line,
		config_place(&f, "policy", "outbound").line};
	if (faults->count > faults_before) {
		tenant_release(t);
		return NULL;
	}
	t->version = bundle_version(t);
	return t;
}

struct tenant *load_tenant_text(struct slice text, const char *file_name, const char *base_dir,
	bool check_files_too, const struct load_options *options, struct faults *faults)
{
	struct tenant_lines lines;
	struct tenant_source src = {
		.file_name = file_name, .base_dir = base_dir, .check_files = check_files_too};
	if (options) {
		src.certificates = options->certificates || options->deep ? JUDGE_ALL : JUDGE_NONE;
		src.rules = (struct certificate_rules){
			options->deep, options->now, options->authorities};
	}
	return tenant_file_read(text, &src, &lines, faults);
}
