#include "cmd/subject.h"

#include "tenants/load.h"
#include "tenants/tenantfile.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { OPTIONS_MAX = 16 };

/* ---- arguments ---- */

static bool refuse(const struct cmd_arguments *a, const char *what, const char *which)
{
	const char *names[OPTIONS_MAX + 2] = {"--help"};
	size_t n = 1;
	for (size_t i = 0; i < a->count && n <= OPTIONS_MAX; i++)
		names[n++] = a->options[i].name;
	names[n] = NULL;
	const char *meant = which ? fault_did_you_mean(slice_str(which), names) : NULL;
	fprintf(stderr, "fedgate %s: %s%s", a->verb, what, which ? which : "");
	if (meant)
		fprintf(stderr, "; did you mean %s?", meant);
	fprintf(stderr, "\n%s", a->usage);
	return false;
}

static const struct cmd_option *find_option(const struct cmd_arguments *a, const char *name)
{
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->options[i].name, name) == 0)
			return &a->options[i];
	}
	return NULL;
}

bool cmd_read_arguments(struct cmd_arguments *a, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const struct cmd_option *o = find_option(a, argv[i]);
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			a->help = true;
		else if (o && o->flag)
			*o->flag = true;
		else if (o && i + 1 < argc)
			*o->value = argv[++i];
		else if (o)
			return refuse(a, "something must stand behind ", o->name);
		else if (argv[i][0] == '-')
			return refuse(a, "there is no option ", argv[i]);
		else if (a->operand)
			return refuse(a, "one domain at a time; what is ", argv[i]);
		else
			a->operand = argv[i];
	}
	return true;
}

int cmd_finish(const char *verb, int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "fedgate %s: the output cannot be written\n", verb);
	return CMD_CANNOT_RUN;
}

/* ---- the configuration ---- */

/* What keeps the domain's own file from being a tenant. */
static bool print_faults_of(const struct domain *d, const struct faults *faults)
{
	bool any = false;
	for (size_t i = 0; i < faults->item_count; i++) {
		const struct fault *f = &faults->items[i];
		struct domain of;
		if (f->warning || !tenant_file_domain(f->file, &of) || !domain_eq(&of, d))
			continue;
		fprintf(stderr, "%s:%u: %s: %s\n", f->file, f->line, f->key, f->sentence);
		any = true;
	}
	return any;
}

static bool find_tenant(struct subject *s, const char *verb, const char *domain,
	const char *config_path, const struct faults *faults)
{
	if (err_is(domain_parse(slice_str(domain), &s->domain))) {
		fprintf(stderr, "fedgate %s: `%s` is not a domain name\n", verb, domain);
		return false;
	}
	s->tenant = registry_find(s->registry, &s->domain);
	if (s->tenant)
		return true;
	if (print_faults_of(&s->domain, faults))
		return false;
	fprintf(stderr, "fedgate %s: %s is no tenant's domain\n", verb, domain);
	if (faults->count)
		fprintf(stderr,
			"Some tenants are left out because of faults; see `fedgate check --config "
			"%s`.\n",
			config_path);
	return false;
}

int subject_load(struct subject *s, const char *verb, const char *config_path, const char *domain)
{
	struct faults faults;
	const struct load_options options = {.now = (int64_t)time(NULL)};
	int status = CMD_FINE;
	*s = (struct subject){.gate = NULL};
	faults_init(&faults);
	s->gate = load_gate(config_path, &faults);
	if (s->gate)
		s->registry = load_tenants(s->gate, NULL, &options, &faults).registry;
	if (!s->gate) {
		fprintf(stderr, "%s", buf_cstr(&faults.text));
		status = CMD_CANNOT_RUN;
	} else if (domain && !find_tenant(s, verb, domain, config_path, &faults)) {
		status = CMD_PROBLEM;
	}
	faults_fini(&faults);
	if (status != CMD_FINE)
		subject_fini(s);
	return status;
}

void subject_fini(struct subject *s)
{
	registry_free(s->registry);
	gate_free(s->gate);
	*s = (struct subject){.gate = NULL};
}
