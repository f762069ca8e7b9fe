/* `fedgate probe DOMAIN`: does what a peer of the domain does and says it step by step, then what
 * is wrong, who must act, and how far the domain is proven. For a tenant of this gate it also knows
 * what should be published. Nothing of it needs the daemon, and nothing is changed. */
#include "cmd/cmd.h"
#include "cmd/probe_inside.h"
#include "cmd/subject.h"

#include "base/mem.h"
#include "core/assess.h"
#include "core/secret.h"
#include "tenants/load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PEM_MAX = 256 * 1024, CA_MAX = 16 * 1024 * 1024 };

static const char usage_text[] =
	"usage: fedgate probe DOMAIN [--as TENANT] [--inbound] [--json] [--config FILE]\n"
	"  --as TENANT    prove ourselves as this tenant (needs the right to read its key)\n"
	"  --inbound      judge the domain as if it had called us, not we it\n"
	"  --json         everything as one JSON object\n"
	"  --config FILE  the gate's own file (" CMD_DEFAULT_CONFIG "); without one: defaults\n";

struct wish {
	const char *domain, *as, *config;
	bool inbound, json, help;
};

static bool read_arguments(int argc, char **argv, struct wish *w)
{
	const struct cmd_option options[] = {{"--as", &w->as, NULL}, {"--config", &w->config, NULL},
		{"--inbound", NULL, &w->inbound}, {"--json", NULL, &w->json}};
	struct cmd_arguments a = {.verb = "probe",
		.usage = usage_text,
		.options = options,
		.count = sizeof options / sizeof *options};
	if (!cmd_read_arguments(&a, argc, argv))
		return false;
	w->domain = a.operand;
	w->help = a.help;
	if (!w->help && !w->domain)
		fputs(usage_text, stderr);
	return w->help || w->domain;
}

static int cannot(const char *what, const char *why)
{
	fprintf(stderr, "fedgate probe: %s: %s\n", what, why);
	return CMD_CANNOT_RUN;
}

/* ---- the gate's configuration, if there is one ---- */

static bool load(struct probe *p, const struct wish *w)
{
	struct faults faults;
	const struct load_options options = {.now = (int64_t)time(NULL)};
	faults_init(&faults);
	const char *path = w->config ? w->config : CMD_DEFAULT_CONFIG;
	bool there = w->config || access(path, R_OK) == 0;
	if (!there && errno != ENOENT)
		probe_say(p->report, SAY_NONE, "probe", err_ok(),
			"%s may not be read by this user: defaults, and no tenant is known", path);
	p->gate = there ? load_gate(path, &faults)
			: load_gate_text(SLICE_LIT(""), "defaults", "/", &faults);
	if (p->gate && there)
		p->tenants = load_tenants(p->gate, NULL, &options, &faults).registry;
	if (!p->gate)
		fputs(buf_cstr(&faults.text), stderr);
	faults_fini(&faults);
	if (!p->tenants)
		p->tenants = registry_new();
	return p->gate != NULL;
}

static struct cert_set *read_authorities(const char *path)
{
	struct buf pem;
	struct file_id id;
	struct err e;
	struct cert_set *set = NULL;
	buf_init(&pem, CA_MAX);
	if (path && !err_is(file_read(path, CA_MAX, &pem, &id)))
		set = cert_set_new(buf_peek(&pem), NULL, &e);
	buf_fini(&pem);
	return set;
}

static void read_leafs(struct probe *p)
{
	for (size_t i = 0; i < PUBLISHED_MAX; i++) {
		const char *path = published_path(p->own, (enum published_file)i);
		struct probe_leaf *l = &p->leafs[i];
		buf_init(&l->der, PEM_MAX);
		l->known = path && !err_is(leaf_read(path, &l->der));
	}
}

/* ---- who we are ---- */

static struct err add_pair(
	struct credential *c, const struct tenant *t, const char *certificate, const char *key_file)
{
	struct buf chain, key;
	struct file_id id;
	buf_init(&chain, PEM_MAX);
	buf_init(&key, PEM_MAX);
	key.secret = true;
	struct err e = file_read(certificate, PEM_MAX, &chain, &id);
	if (!err_is(e))
		e = file_read(key_file, PEM_MAX, &key, &id);
	if (!err_is(e))
		e = assess_name_chain(t, buf_peek(&key), &chain);
	if (!err_is(e))
		e = credential_add(c, buf_peek(&chain), buf_peek(&key));
	buf_fini(&chain);
	buf_fini(&key);
	return e;
}

/* What the gate shows when the tenant dials. */
static struct err read_credential(const struct tenant *t, struct credential **out)
{
	if (!t->certificate)
		return err_make(ERR_TLS_CREDENTIAL);
	*out = credential_new();
	struct err e = add_pair(*out, t, t->certificate, t->key);
	if (!err_is(e) && t->certificate2)
		e = add_pair(*out, t, t->certificate2, t->key2);
	return e;
}

/* The daemon answers the question that our dialback key causes: it has the same secret. */
static void read_secret(struct probe *p)
{
	struct secrets s;
	const char *why;
	if (access(p->gate->secret_file, R_OK) != 0) /* never made here */
		return;
	p->has_secret = secrets_load(p->gate->secret_file, &s, &why);
	p->secret = s.now;
	mem_wipe(&s, sizeof s);
}

static int become(struct probe *p, const char *name)
{
	struct err e = domain_parse(slice_str(name), &p->from);
	p->as = err_is(e) ? NULL : registry_find(p->tenants, &p->from);
	if (!p->as)
		return cannot(name, "is no tenant of this gate; --as wants one of tenants.d");
	e = read_credential(p->as, &p->credential);
	if (err_is(e))
		return cannot(name, "its certificate and key cannot be read; root can");
	p->authorities[0] = read_authorities(p->as->ca_file);
	read_secret(p);
	return CMD_FINE;
}

/* Some name has to stand in the stream's header. */
static void be_nobody(struct probe *p)
{
	char host[256] = "";
	(void)gethostname(host, sizeof host - 1);
	p->from = p->gate->host_name;
	if (!domain_is_set(&p->from) && err_is(domain_parse(slice_str(host), &p->from)))
		(void)domain_parse(SLICE_LIT("probe.invalid"), &p->from);
}

/* ---- the probe ---- */

/* A resolver may refuse the root, and a domain be silent; both together it is the resolver. */
static int check_resolver(struct probe *p)
{
	enum resolve_status root = lookup_root(p->lookup)->status;
	if (p->gate->dns_trust_anchor && root == RESOLVE_BOGUS)
		return cannot(err_row(ERR_DNS_ROOT)->sentence,
			"the resolver takes signatures away, or the trust anchor is another "
			"root's; see `forward` and `trust_anchor` in section [dns]");
	if (root != RESOLVE_TIMEOUT && root != RESOLVE_FAILED)
		return CMD_FINE;
	enum resolve_status any =
		lookup_srv(p->lookup, probe_services[PROBE_STARTTLS], &p->domain)->status;
	return any == RESOLVE_TIMEOUT || any == RESOLVE_FAILED
		       ? cannot("DNS", "the resolver does not answer; see `forward` in section "
				       "[dns] or /etc/resolv.conf")
		       : CMD_FINE;
}

static void expect_records(struct probe *p)
{
	const struct record_wish all = {.now = (int64_t)time(NULL)};
	const char *why = record_set_make(&p->records, p->gate, p->own, &all);
	if (why)
		probe_say(p->report, SAY_NONE, "probe", err_ok(),
			"what should be published is not known: %s", why);
}

static int set_up(struct probe *p, const struct wish *w)
{
	struct err e = domain_parse(slice_str(w->domain), &p->domain);
	if (err_is(e)) {
		fprintf(stderr, "fedgate probe: %s: %s\n", w->domain, err_row(e.code)->sentence);
		return CMD_USAGE;
	}
	if (!load(p, w))
		return cannot("the configuration", "cannot be used; run: fedgate check");
	p->own = registry_find(p->tenants, &p->domain);
	p->authorities[1] = read_authorities(p->gate->ca_file);
	if (p->own)
		read_leafs(p);
	if (!w->as)
		be_nobody(p);
	int status = w->as ? become(p, w->as) : CMD_FINE;
	if (status != CMD_FINE)
		return status;
	p->lookup = lookup_new(p->gate, &e);
	if (!p->lookup)
		return cannot("DNS and HTTPS", err_row(e.code)->sentence);
	return check_resolver(p);
}

static void tear_down(struct probe *p)
{
	for (size_t i = 0; i < sizeof p->zones / sizeof *p->zones; i++)
		probe_zone_free(p->zones[i]);
	if (p->lookup)
		lookup_free(p->lookup);
	probe_report_free(p->report);
	record_set_fini(&p->records);
	credential_release(p->credential);
	cert_set_release(p->authorities[0]);
	cert_set_release(p->authorities[1]);
	registry_free(p->tenants);
	gate_free(p->gate);
	for (size_t i = 0; p->own && i < PUBLISHED_MAX; i++)
		buf_fini(&p->leafs[i].der);
	proofs_dane_clear(&p->published);
	mem_wipe(&p->secret, sizeof p->secret);
	mem_free(p);
}

static int run(struct probe *p)
{
	char name[DOMAIN_UNICODE_MAX + 1];
	struct slice unicode = domain_unicode(&p->domain, name);
	probe_say(p->report, SAY_INFO, "probe", err_ok(), "%s%s, as %s", unicode.ptr,
		p->own ? " (a tenant of this gate)" : "", p->from.name);
	if (!slice_eq(unicode, domain_slice(&p->domain)))
		probe_find(p->report, FIND_TWO_SPELLINGS, unicode.ptr, p->domain.name, NULL, NULL);
	if (p->own)
		expect_records(p);
	probe_dns(p);
	probe_web(p);
	probe_peers(p);
	probe_backend(p);
	return probe_report_close(p->report, &p->domain);
}

int cmd_probe(int argc, char **argv)
{
	struct wish w = {.config = NULL};
	if (!read_arguments(argc, argv, &w))
		return CMD_USAGE;
	if (w.help) {
		fputs(usage_text, stdout);
		return CMD_FINE;
	}
	struct probe *p = MEM_NEW(struct probe);
	p->inbound = w.inbound;
	p->report = probe_report_new(w.json);
	int status = set_up(p, &w);
	if (status == CMD_FINE)
		status = run(p);
	tear_down(p);
	return status;
}
