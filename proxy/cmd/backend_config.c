/* backend-config: what to write into an unmodified server's configuration so that it stands behind
 * this gate. */
#include "cmd/backend_lines.h"
#include "cmd/cmd.h"

#include "tenants/load.h"
#include "tenants/value.h"

#include <stdio.h>
#include <string.h>

enum { FINE = 0, USAGE = 2, CANNOT = 3, LISTENERS_SHOWN = 16 };

struct request {
	const struct backend_kind *kind;
	const char *config_path, *part, *backend; /* part, backend: NULL when not given */
};

/* ---- arguments ---- */

static int usage(void)
{
	fprintf(stderr,
		"usage: fedgate backend-config prosody|ejabberd [--config FILE] [--backend "
		"ADDRESS:PORT] [--part NAME]\n"
		"Prints the lines for the server's configuration; with --part one file's alone:\n"
		"  prosody: config, firewall\n"
		"  ejabberd: config, resolver, hosts, firewall\n");
	return USAGE;
}

static const struct backend_kind *kind_named(const char *name)
{
	if (strcmp(name, backend_prosody.name) == 0)
		return &backend_prosody;
	return strcmp(name, backend_ejabberd.name) == 0 ? &backend_ejabberd : NULL;
}

static const struct backend_part *part_named(const struct backend_kind *kind, const char *name)
{
	const struct backend_part *p = kind->parts;
	while (p->name && strcmp(p->name, name) != 0)
		p++;
	return p->name ? p : NULL;
}

static bool read_arguments(int argc, char **argv, struct request *r)
{
	*r = (struct request){.config_path = CMD_DEFAULT_CONFIG};
	for (int i = 1; i < argc; i++) {
		const char **value = strcmp(argv[i], "--config") == 0    ? &r->config_path
				     : strcmp(argv[i], "--part") == 0    ? &r->part
				     : strcmp(argv[i], "--backend") == 0 ? &r->backend
									 : NULL;
		if (value && i + 1 < argc)
			*value = argv[++i];
		else if (!value && !r->kind && kind_named(argv[i]))
			r->kind = kind_named(argv[i]);
		else
			return false;
	}
	return r->kind && (!r->part || part_named(r->kind, r->part));
}

/* ---- which backend ---- */

/* The listeners that tenants name, each once; enough of them to show. */
struct listeners {
	struct address items[LISTENERS_SHOWN];
	size_t count;
};

static void add_listener(struct listeners *l, const struct address *a)
{
	for (size_t i = 0; i < l->count; i++) {
		if (address_eq(&l->items[i], a))
			return;
	}
	if (l->count < LISTENERS_SHOWN)
		l->items[l->count++] = *a;
}

static struct listeners listeners_of(const struct registry *tenants)
{
	struct listeners l = {.count = 0};
	for (size_t i = 0; i < registry_count(tenants); i++) {
		const struct address_list *list = &registry_at(tenants, i)->backends;
		for (size_t j = 0; j < list->count; j++)
			add_listener(&l, &list->items[j]);
	}
	return l;
}

static int say_choice(const struct listeners *l)
{
	fprintf(stderr, "fedgate: the tenants have several backends; say which:\n");
	for (size_t i = 0; i < l->count; i++) {
		char text[ADDRESS_TEXT_MAX];
		address_write(&l->items[i], text);
		fprintf(stderr, "  --backend %s\n", text);
	}
	return USAGE;
}

static int choose_listener(const struct request *r, struct backend_plan *plan)
{
	char why[VALUE_WHY_MAX];
	const char *wanted = r->backend ? r->backend : BACKEND_DEFAULT_LISTENER;
	struct listeners known = listeners_of(plan->tenants);
	if (!r->backend && known.count > 1)
		return say_choice(&known);
	if (!r->backend && known.count == 1) {
		plan->listener = known.items[0];
	} else if (!address_parse(slice_str(wanted), &plan->listener, why)) {
		fprintf(stderr, "fedgate: --backend: %s\n", why);
		return USAGE;
	}
	for (size_t i = 0; i < registry_count(plan->tenants) && !plan->is_configured; i++)
		plan->is_configured = backend_serves(plan, registry_at(plan->tenants, i));
	return FINE;
}

/* ---- output ---- */

static void print_lines(struct slice text, const char *prefix)
{
	while (text.len) {
		size_t end = slice_find(text, '\n');
		printf("%s%.*s\n", prefix, (int)end, text.ptr);
		text = slice_sub(text, end < text.len ? end + 1 : end, text.len);
	}
}

static void print_part(
	const struct backend_plan *plan, const struct backend_part *part, const char *prefix)
{
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	part->write(plan, &text);
	print_lines(buf_peek(&text), prefix);
	buf_fini(&text);
}

/* The first part as it is, and the others, which belong in other files, as comments of it: so the
 * whole is one file that can be pasted. */
static void print_all(const struct request *r, const struct backend_plan *plan)
{
	const char *comment = r->kind->comment;
	printf("%sMade by `fedgate backend-config %s --config %s`.\n", comment, r->kind->name,
		r->config_path);
	for (const struct backend_part *p = r->kind->parts; p->name; p++) {
		bool first = p == r->kind->parts;
		printf("%s\n%s==== %s\n", comment, comment, p->file);
		if (!first)
			printf("%sPrinted alone, without the marks in front, by --part %s.\n",
				comment, p->name);
		print_lines(slice_str(p->how), comment);
		printf("%s\n", first ? "" : comment);
		print_part(plan, p, first ? "" : comment);
	}
}

static int print_plan(const struct request *r, struct backend_plan *plan)
{
	int status = choose_listener(r, plan);
	if (status != FINE)
		return status;
	if (plan->gate->steer_listen.count == 0) {
		fprintf(stderr,
			"fedgate: %s: dns_listen: is empty, but backends find the gate by DNS\n",
			r->config_path);
		return CANNOT;
	}
	if (plan->table.dns.egress_addr_count == 0) {
		fprintf(stderr,
			"fedgate: %s: listen: [egress] names no address that a backend could "
			"dial\n",
			r->config_path);
		return CANNOT;
	}
	if (r->part)
		print_part(plan, part_named(r->kind, r->part), "");
	else
		print_all(r, plan);
	return fflush(stdout) == 0 ? FINE : CANNOT;
}

static int run(const struct request *r, const struct gate *gate, struct faults *faults)
{
	struct load_options options = {.certificates = false};
	struct load_result loaded = load_tenants(gate, NULL, &options, faults);
	struct backend_plan plan = {
		.config_path = r->config_path, .gate = gate, .tenants = loaded.registry};
	/* Tenants may be added later: what is wrong with them is for `check` to judge. */
	if (loaded.refused || faults->count)
		fprintf(stderr,
			"fedgate: some tenants are left out because of faults; see `fedgate check "
			"--config %s`\n",
			r->config_path);
	steer_table_init(&plan.table, gate);
	int status = print_plan(r, &plan);
	steer_table_fini(&plan.table);
	registry_free(loaded.registry);
	return status;
}

int cmd_backend_config(int argc, char **argv)
{
	struct request r;
	struct faults faults;
	if (!read_arguments(argc, argv, &r))
		return usage();
	faults_init(&faults);
	struct gate *gate = load_gate(r.config_path, &faults);
	int status = CANNOT;
	if (gate)
		status = run(&r, gate, &faults);
	else
		fprintf(stderr, "%s", buf_cstr(&faults.text));
	gate_free(gate);
	faults_fini(&faults);
	return status;
}
