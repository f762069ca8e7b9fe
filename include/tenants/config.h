/* The schema as data, and settings read by it into a struct. */
#ifndef FEDGATE_TENANTS_CONFIG_H
#define FEDGATE_TENANTS_CONFIG_H

#include "tenants/inifile.h"
#include "tenants/value.h"

enum { CONFIG_ROWS_MAX = 64 };

struct config_row {
	const char *section, *key;
	enum config_type type;
	size_t offset; /* of the field in struct gate or struct tenant */
	const char *fallback;
	bool live;
	const char *sentence;
};

struct config {
	const struct config_row *rows;
	size_t count;
	const char *where; /* "fedgate.ini" or "a tenant's file" */
	const struct config *other;
};

extern const struct config gate_config, tenant_config;

bool config_required(const struct config *c, const struct config_row *row);
/* What must be there only in some objects: NULL object: in any of them? */
bool config_required_here(const struct config *c, const struct config_row *row, const void *object);
void config_bounds(const struct config_row *row, unsigned *min, unsigned *max);
void *config_field(const struct config_row *row, void *object);

/* One file being read. */
struct config_file {
	const struct config *config;
	const char *name;     /* for faults */
	const char *base_dir; /* for relative paths */
	struct faults *faults;
	unsigned lines[CONFIG_ROWS_MAX]; /* where each row was set; 0: it was not */
	bool emptied[CONFIG_ROWS_MAX];   /* set to nothing */
};

/* Reads the settings into the zeroed object. Settings of a section called `skip` (NULL: none) are
 * left alone. Defaults are filled in; what is required and missing is a fault, unless a line could
 * not be read at all: it may have been that one. */
void config_read(struct config_file *f, const struct settings *s, const char *skip, void *object);
struct place config_place(const struct config_file *f, const char *section, const char *key);

void config_fini(const struct config *c, void *object);
/* All of it as text that config_read() takes. */
void config_write(const struct config *c, const void *object, struct buf *out);

#endif
