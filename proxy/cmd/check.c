/* `fedgate check`: reads the whole configuration as a start would, and judges every certificate
 * and key besides. Nothing is started or written. The report is what was asked for, so it goes to
 * standard output; usage errors go to standard error. */
#include "cmd/cmd.h"

#include "tenants/certificate.h"
#include "tenants/load.h"
#include "tenants/published.h"

#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FINE = 0, PROBLEM = 1, USAGE = 2, CANNOT_RUN = 3, SPKI_LEN = 32 };

static const char usage_text[] =
	"usage: fedgate check [--config FILE] [--deep] [--json]\n"
	"  --config FILE  the gate's own file (" CMD_DEFAULT_CONFIG ")\n"
	"  --deep         also: sign with every key, follow every chain to an authority\n"
	"  --json         the report as one JSON object\n";

struct wish {
	const char *config;
	bool deep, json, help;
};

struct report {
	struct faults faults;
	size_t tenants; /* files of tenants that were read */
};

/* --- what is wanted --- */

static bool complain(const char *what, const char *which, const char *meant)
{
	fprintf(stderr, "fedgate check: %s%s", what, which);
	if (meant)
		fprintf(stderr, "; did you mean %s?", meant);
	fprintf(stderr, "\n%s", usage_text);
	return false;
}

static bool refuse(const char *argument)
{
	static const char *const options[] = {"--config", "--deep", "--json", "--help", NULL};
	if (argument[0] != '-')
		return complain("takes options only; what is ", argument, NULL);
	return complain(
		"there is no option ", argument, fault_did_you_mean(slice_str(argument), options));
}

static bool read_arguments(int argc, char **argv, struct wish *w)
{
	static const char config[] = "--config", config_is[] = "--config=";
	*w = (struct wish){.config = CMD_DEFAULT_CONFIG};
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		if (strcmp(a, config) == 0 && !argv[++i])
			return complain(config, " needs a file behind it", NULL);
		if (strcmp(a, config) == 0)
			w->config = argv[i];
		else if (strncmp(a, config_is, sizeof config_is - 1) == 0)
			w->config = a + sizeof config_is - 1;
		else if (strcmp(a, "--deep") == 0)
			w->deep = true;
		else if (strcmp(a, "--json") == 0)
			w->json = true;
		else if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)
			w->help = true;
		else
			return refuse(a);
	}
	return true;
}

/* --- the check --- */

static void check_user(const struct gate *g, struct place at, struct faults *faults)
{
	if (!g->user)
		return;
	const struct passwd *user = getpwnam(g->user);
	if (user && user->pw_uid == 0)
		fault_warn(faults, at, "workers would have all rights as %s; name another user",
			g->user);
	else if (!user && geteuid() == 0)
		fault_add(faults, at,
			"there is no user %s; run: useradd --system --user-group "
			"--no-create-home --shell /usr/sbin/nologin %s",
			g->user, g->user);
	else if (!user)
		fault_warn(faults, at, "there is no user %s; needed when root starts fedgate",
			g->user);
}

/* A file that is missing was reported with the gate's other files. */
static struct cert_set *check_authorities(
	const struct gate *g, struct place at, struct faults *faults)
{
	struct file_id id;
	struct file_rights rights;
	if (!g->ca_file || err_is(file_look(g->ca_file, &id, &rights)))
		return NULL;
	return certificate_authorities(g->ca_file, at, &id, faults);
}

/* The key that a tenant shows first; false when that cannot be read, which was reported. */
static bool read_key(const struct tenant *t, unsigned char spki_sha256[SPKI_LEN])
{
	struct buf der;
	struct cert_facts facts;
	buf_init(&der, CERT_CHAIN_MAX_BYTES);
	bool fine = t->certificate && !err_is(leaf_read(t->certificate, &der)) &&
		    !err_is(cert_read(buf_peek(&der), &facts));
	if (fine)
		memcpy(spki_sha256, facts.spki_sha256, SPKI_LEN);
	buf_fini(&der);
	return fine;
}

/* DANE-6: TLSA records belong to a target and a port, not to a tenant. Those that the DANE tenants
 * need at the host's name say that nobody there shows another key. */
static void check_shared_target(
	const struct gate *g, const struct registry *r, struct place at, struct faults *faults)
{
	unsigned char host[SPKI_LEN], own[SPKI_LEN];
	const struct tenant *first = NULL, *dane = NULL;
	size_t others = 0, count = registry_count(r);
	for (size_t i = 0; i < count && !dane; i++) {
		if (registry_at(r, i)->proof == TENANT_DANE)
			dane = registry_at(r, i);
	}
	if (!dane || !domain_eq(gate_target(g, TENANT_DANE), &g->host_name) ||
		!read_key(dane, host))
		return;
	for (size_t i = 0; i < count; i++) {
		const struct tenant *t = registry_at(r, i);
		if (t->proof == TENANT_DANE || !read_key(t, own) ||
			memcmp(own, host, SPKI_LEN) == 0)
			continue;
		first = first ? first : t;
		others++;
	}
	if (first)
		fault_warn(faults, at,
			"the TLSA records of %s name only the key of tenants with `proof = dane`; "
			"%zu with another key, as %s, cannot be reached there by peers who look "
			"at DANE if their zones are signed; `name` in section [host] gives the "
			"former a target of their own",
			g->host_name.name, others, first->domain.name);
}

static void check_tenants(const struct gate *g, struct place host_name,
	const struct cert_set *authorities, bool deep, struct report *r)
{
	struct load_options options = {.certificates = true,
		.deep = deep,
		.now = (int64_t)time(NULL),
		.authorities = authorities};
	struct load_result loaded = load_tenants(g, NULL, &options, &r->faults);
	r->tenants = loaded.files;
	check_shared_target(g, loaded.registry, host_name, &r->faults);
	registry_free(loaded.registry);
}

/* False when there is nothing to check: the file itself cannot be read. */
static bool check(const struct wish *w, struct report *r)
{
	struct gate_places places;
	struct gate *g = load_gate_leniently(w->config, &places, &r->faults);
	if (!g)
		return false;
	check_user(g, places.user, &r->faults);
	struct cert_set *authorities = check_authorities(g, places.ca_file, &r->faults);
	if (g->tenants_dir)
		check_tenants(g, places.host_name, authorities, w->deep, r);
	cert_set_release(authorities);
	gate_free(g);
	return true;
}

/* --- the report --- */

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static void print_count(size_t n, const char *what)
{
	if (n)
		printf("%zu %s%s", n, what, plural(n));
	else
		printf("no %ss", what);
}

static void print_hints(const struct report *r)
{
	if (r->faults.count > FAULTS_SHOWN || r->faults.warnings > FAULTS_SHOWN)
		printf("The first %d of each kind are shown; correct them and check again.\n",
			FAULTS_SHOWN);
	if (r->faults.count && geteuid() != 0)
		printf("Files that only root may read count as faults here; root sees more.\n");
	if (r->tenants == 0 && r->faults.count == 0)
		printf("There are no tenants yet: a tenant is a file DOMAIN.ini in the directory "
		       "`tenants`.\n");
}

static void print_text(const struct wish *w, struct report *r)
{
	fputs(buf_cstr(&r->faults.text), stdout);
	printf("%s and %zu tenant%s: ", w->config, r->tenants, plural(r->tenants));
	print_count(r->faults.count, "fault");
	printf(", ");
	print_count(r->faults.warnings, "warning");
	printf("\n");
	print_hints(r);
}

static json_t *finding(const struct fault *f)
{
	json_t *o = json_pack("{ss ss ss}", "severity", f->warning ? "warning" : "fault", "file",
		f->file, "sentence", f->sentence);
	if (f->line)
		json_object_set_new(o, "line", json_integer(f->line));
	if (*f->key)
		json_object_set_new(o, "key", json_string(f->key));
	return o;
}

static void print_json(const struct wish *w, const struct report *r)
{
	json_t *findings = json_array();
	for (size_t i = 0; i < r->faults.item_count; i++)
		json_array_append_new(findings, finding(&r->faults.items[i]));
	bool utf8 = text_is_utf8(slice_str(w->config));
	json_t *all = json_pack("{ss sb sI sI sI so}", "config", utf8 ? w->config : "?", "fine",
		r->faults.count == 0, "tenants", (json_int_t)r->tenants, "faults",
		(json_int_t)r->faults.count, "warnings", (json_int_t)r->faults.warnings, "findings",
		findings);
	json_dumpf(all, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(all);
}

static int finish(bool ran, bool fine)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "fedgate check: the report cannot be written\n");
		return CANNOT_RUN;
	}
	return !ran ? CANNOT_RUN : fine ? FINE : PROBLEM;
}

int cmd_check(int argc, char **argv)
{
	struct wish w;
	struct report r = {.tenants = 0};
	if (!read_arguments(argc, argv, &w))
		return USAGE;
	if (w.help) {
		fputs(usage_text, stdout);
		return FINE;
	}
	faults_init(&r.faults);
	bool ran = check(&w, &r);
	faults_sort(&r.faults);
	if (w.json)
		print_json(&w, &r);
	else if (ran)
		print_text(&w, &r);
	else
		fprintf(stderr, "%sNothing was checked; --config FILE says where the file is.\n",
			buf_cstr(&r.faults.text));
	int status = finish(ran, r.faults.count == 0);
	faults_fini(&r.faults);
	return status;
}
