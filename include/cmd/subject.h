/* What verbs about one domain begin with: their arguments, the configuration, the tenant. */
#ifndef FEDGATE_CMD_SUBJECT_H
#define FEDGATE_CMD_SUBJECT_H

#include "tenants/fault.h"
#include "tenants/registry.h"

/* The exit statuses of every verb. */
enum { CMD_FINE = 0, CMD_PROBLEM = 1, CMD_USAGE = 2, CMD_CANNOT_RUN = 3 };

/* One option: with a value behind it, or a flag. */
struct cmd_option {
	const char *name;
	const char **value;
	bool *flag;
};
/* Reads options and at most one operand (operand NULL: none may stand there). --help and -h set
 * *help. What cannot be understood is said with `usage`; then false. */
struct cmd_arguments {
	const char *verb, *usage;
	const struct cmd_option *options;
	size_t count;
	const char *operand;
	bool help;
};
bool cmd_read_arguments(struct cmd_arguments *a, int argc, char **argv);

struct subject {
	struct gate *gate;         /* owned */
	struct registry *registry; /* owned */
	struct tenant *tenant;     /* borrowed; NULL: the host was asked for */
	struct domain domain;      /* as asked for: the tenant's, or a further one */
};

/* domain NULL: the host itself. Anything but CMD_FINE was said on stderr and leaves nothing to be
 * freed. */
int subject_load(struct subject *s, const char *verb, const char *config_path, const char *domain);
void subject_fini(struct subject *s);
/* When stdout could not be written, CMD_CANNOT_RUN, and that was said; else `status`. */
int cmd_finish(const char *verb, int status);

#endif
