/* The shelf keeps what it promises: every example loads, every key stands in one, and the reference
 * is the table's. */
#include "tenants/config.h"
#include "tenants/load.h"
#include "tenants/tenantfile.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define EXAMPLES "tenants/examples"

struct seen {
	size_t gates, tenants;
	bool gate_keys[CONFIG_ROWS_MAX], tenant_keys[CONFIG_ROWS_MAX];
};

static void read_file(const char *path, struct buf *text)
{
	struct file_id id;
	buf_init(text, BUF_UNLIMITED);
	if (err_is(file_read(path, 1 << 20, text, &id)))
		print_error("%s cannot be read; run from the top of the tree\n", path);
	assert_true(buf_len(text) > 0);
}

static void note_keys(const struct config *c, struct slice text, bool seen[CONFIG_ROWS_MAX])
{
	struct settings s;
	struct faults f;
	faults_init(&f);
	inifile_read(text, "x.ini", &s, &f);
	for (size_t i = 0; i < c->count; i++) {
		for (size_t j = 0; j < s.count; j++) {
			if (strcmp(s.items[j].section, c->rows[i].section) == 0 &&
				strcmp(s.items[j].key, c->rows[i].key) == 0)
				seen[i] = true;
		}
	}
	settings_fini(&s);
	faults_fini(&f);
}

static void load_tenant_example(
	const char *path, const struct domain *named, struct slice text, struct seen *seen)
{
	struct faults f;
	faults_init(&f);
	struct tenant *t = load_tenant_text(text, path, "/etc/fedgate/tenants.d", false, NULL, &f);
	assert_string_equal(buf_cstr(&f.text), "");
	assert_non_null(t);
	assert_true(domain_eq(&t->domain, named));
	note_keys(&tenant_config, text, seen->tenant_keys);
	seen->tenants++;
	tenant_release(t);
	faults_fini(&f);
}

static void load_gate_example(const char *path, struct slice text, struct seen *seen)
{
	struct faults f;
	faults_init(&f);
	struct gate *g = load_gate_text(text, path, "/etc/fedgate", &f);
	assert_string_equal(buf_cstr(&f.text), "");
	assert_non_null(g);
	note_keys(&gate_config, text, seen->gate_keys);
	seen->gates++;
	gate_free(g);
	faults_fini(&f);
}

static void load_example(const char *name, struct seen *seen)
{
	char path[400];
	struct buf text;
	struct domain named;
	snprintf(path, sizeof path, EXAMPLES "/%s", name);
	read_file(path, &text);
	/* A tenant's file is called after a domain, and domains here have a dot. */
	if (tenant_file_domain(name, &named) && strchr(named.name, '.'))
		load_tenant_example(path, &named, buf_peek(&text), seen);
	else
		load_gate_example(path, buf_peek(&text), seen);
	buf_fini(&text);
}

static void every_example_loads_and_every_key_stands_in_one(void **state)
{
	(void)state;
	struct seen seen = {.gates = 0};
	DIR *dir = opendir(EXAMPLES);
	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] != '.')
			load_example(e->d_name, &seen);
	}
	closedir(dir);
	assert_int_equal(seen.gates, 2);
	assert_int_equal(seen.tenants, 5);
	for (size_t i = 0; i < gate_config.count; i++) {
		if (!seen.gate_keys[i])
			print_error("%s\n", gate_config.rows[i].key);
		assert_true(seen.gate_keys[i]);
	}
	for (size_t i = 0; i < tenant_config.count; i++) {
		if (!seen.tenant_keys[i])
			print_error("%s\n", tenant_config.rows[i].key);
		assert_true(seen.tenant_keys[i]);
	}
}

static void the_reference_is_what_the_table_says(void **state)
{
	(void)state;
	struct buf page, made;
	read_file("tenants/reference.md", &page);
	buf_init(&made, BUF_UNLIMITED);
	schema_reference(&made);
	if (!slice_eq(buf_peek(&page), buf_peek(&made)))
		print_error("make it anew: fedgate reference > tenants/reference.md\n");
	assert_true(slice_eq(buf_peek(&page), buf_peek(&made)));
	buf_fini(&page);
	buf_fini(&made);
}

static void the_reference_has_a_line_for_every_key(void **state)
{
	(void)state;
	struct buf made;
	buf_init(&made, BUF_UNLIMITED);
	schema_reference(&made);
	const struct config *configs[] = {&gate_config, &tenant_config};
	for (size_t c = 0; c < 2; c++) {
		for (size_t i = 0; i < configs[c]->count; i++) {
			char key[60];
			snprintf(key, sizeof key, "\n| `%s` | ", configs[c]->rows[i].key);
			assert_non_null(strstr(buf_cstr(&made), key));
			assert_non_null(strstr(buf_cstr(&made), configs[c]->rows[i].sentence));
		}
	}
	buf_fini(&made);
}

static void every_default_is_a_value_its_key_takes(void **state)
{
	(void)state;
	for (size_t i = 0; i < gate_config.count; i++) {
		const struct config_row *row = &gate_config.rows[i];
		struct faults f;
		char text[300];
		if (!*row->fallback)
			continue;
		faults_init(&f);
		snprintf(text, sizeof text, "[%s]\n%s = %s\n", row->section, row->key,
			row->fallback);
		struct gate *g = load_gate_text(slice_str(text), "x.ini", "/", &f);
		assert_string_equal(buf_cstr(&f.text), "");
		gate_free(g);
		faults_fini(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_example_loads_and_every_key_stands_in_one),
		cmocka_unit_test(the_reference_is_what_the_table_says),
		cmocka_unit_test(the_reference_has_a_line_for_every_key),
		cmocka_unit_test(every_default_is_a_value_its_key_takes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
