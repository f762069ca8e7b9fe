/* A whole configuration in a directory: fedgate.ini, tenants.d, shire.pem with its key. */
#ifndef FEDGATE_TESTS_SITE_H
#define FEDGATE_TESTS_SITE_H

#include "tree.h"
#include "tenants/load.h"

enum { SITE_NOW = 1800000000 /* 2027: the fixtures are valid */ };

struct site {
	struct tree tree;
	struct gate *gate;
	struct registry *registry; /* of the last load */
	struct load_result result;
	struct faults faults;
};

/* Tests of one file share it: a group runs one after another. */
static struct site site;

#define SITE_TLS "[tls]\ncertificate = ../shire.pem\nkey = ../shire.key\n"

static inline void site_tenant(const char *domain, const char *more)
{
	char name[TREE_PATH_MAX], text[2000];
	snprintf(name, sizeof name, "tenants.d/%s.ini", domain);
	snprintf(text, sizeof text,
		"[tenant]\ndomain = %s\nbackend = 127.0.0.1:5280\n" SITE_TLS "%s", domain, more);
	tree_write(&site.tree, name, text);
}

static inline void site_remove(const char *domain)
{
	char name[TREE_PATH_MAX];
	snprintf(name, sizeof name, "tenants.d/%s.ini", domain);
	tree_unlink(&site.tree, name);
}

static inline void site_reset_faults(void)
{
	faults_fini(&site.faults);
}

/* With what was loaded before, as a reload does. */
static inline void site_load(const struct load_options *options)
{
	struct registry *before = site.registry;
	site_reset_faults();
	site.result = load_tenants(site.gate, before, options, &site.faults);
	site.registry = site.result.registry;
	faults_sort(&site.faults);
	registry_free(before);
}

static inline void site_reload(void)
{
	const struct load_options options = {.now = SITE_NOW};
	site_load(&options);
}

static inline struct tenant *site_find(const char *domain)
{
	struct domain d;
	return err_is(domain_parse(slice_str(domain), &d)) ? NULL
							   : registry_find(site.registry, &d);
}

/* The report with the directory's changing name taken out. Borrowed until the next call. */
static inline const char *site_report(void)
{
	static char out[8000];
	size_t len = 0, dir = strlen(site.tree.dir);
	for (const char *s = buf_cstr(&site.faults.text); *s && len + 1 < sizeof out;) {
		if (strncmp(s, site.tree.dir, dir) == 0)
			s += dir + (s[dir] == '/');
		else
			out[len++] = *s++;
	}
	out[len] = '\0';
	return out;
}

static inline int site_make(void **state)
{
	(void)state;
	tree_make(&site.tree);
	tree_mkdir(&site.tree, "tenants.d");
	tree_copy(&site.tree, FIXTURES "shire.pem", "shire.pem", SIZE_MAX);
	tree_copy(&site.tree, FIXTURES "shire.key", "shire.key", SIZE_MAX);
	tree_copy(&site.tree, FIXTURES "root.pem", "root.pem", SIZE_MAX);
	tree_write(&site.tree, "fedgate.ini", "[gate]\nca_file = root.pem\n");
	faults_init(&site.faults);
	site.registry = NULL;
	site.gate = load_gate(tree_path(&site.tree, "fedgate.ini"), &site.faults);
	return site.gate && site.faults.count == 0 ? 0 : -1;
}

static inline int site_take_away(void **state)
{
	(void)state;
	registry_free(site.registry);
	gate_free(site.gate);
	faults_fini(&site.faults);
	tree_remove(&site.tree);
	return 0;
}

#define site_test(f) cmocka_unit_test_setup_teardown(f, site_make, site_take_away)

#endif
