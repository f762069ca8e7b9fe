#include "tenants/config.h"
#include "tenants/schema.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

enum { START = 0, LIVE = 1 };

struct name {
	const char *section, *key;
};

#define NAME(section, key) {section, key},
static const struct name gate_required[] = {GATE_REQUIRED(NAME){0}};
static const struct name tenant_required[] = {TENANT_REQUIRED(NAME){0}};
static const struct name tenant_required_as_proof[] = {TENANT_REQUIRED_AS_PROOF(NAME){0}};
#undef NAME

static const struct {
	struct name name;
	unsigned min, max;
} bounds[] = {
#define BOUND(section, key, min, max) {{section, key}, min, max},
	GATE_BOUNDS(BOUND)
#undef BOUND
};

static const struct config_row gate_rows[] = {
#define ROW(section, key, type, field, fallback, reload, sentence)                                 \
	{section, key, TYPE_##type, offsetof(struct gate, field), fallback, reload, sentence},
	GATE_SCHEMA(ROW)
#undef ROW
};

static const struct config_row tenant_rows[] = {
#define ROW(section, key, type, field, fallback, reload, sentence)                                 \
	{section, key, TYPE_##type, offsetof(struct tenant, field), fallback, reload, sentence},
	TENANT_SCHEMA(ROW)
#undef ROW
};

enum {
	GATE_ROWS = sizeof gate_rows / sizeof *gate_rows,
	TENANT_ROWS = sizeof tenant_rows / sizeof *tenant_rows
};
_Static_assert((int)GATE_ROWS <= (int)CONFIG_ROWS_MAX && (int)TENANT_ROWS <= (int)CONFIG_ROWS_MAX,
	"config_file.lines has a place for every row");

const struct config gate_config = {gate_rows, GATE_ROWS, "fedgate.ini", &tenant_config};
const struct config tenant_config = {tenant_rows, TENANT_ROWS, "a tenant's file", &gate_config};

static bool is_row(const struct name *n, const struct config_row *row)
{
	return strcmp(n->section, row->section) == 0 && strcmp(n->key, row->key) == 0;
}

static bool is_among(const struct name *names, const struct config_row *row)
{
	for (; names->key; names++) {
		if (is_row(names, row))
			return true;
	}
	return false;
}

bool config_required(const struct config *c, const struct config_row *row)
{
	return is_among(c == &gate_config ? gate_required : tenant_required, row);
}

bool config_required_here(const struct config *c, const struct config_row *row, const void *object)
{
	const struct tenant *t = c == &tenant_config ? object : NULL;
	bool by_proof = c == &tenant_config && is_among(tenant_required_as_proof, row);
	return config_required(c, row) || (by_proof && (!t || t->proof == TENANT_CERTIFICATE));
}

void config_bounds(const struct config_row *row, unsigned *min, unsigned *max)
{
	*min = 0;
	*max = UINT_MAX;
	for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
		if (is_row(&bounds[i].name, row)) {
			*min = bounds[i].min;
			*max = bounds[i].max;
		}
	}
}

void *config_field(const struct config_row *row, void *object)
{
	return (char *)object + row->offset;
}
