/* One INI file as a list of settings. A checking reader stands before inih, which would cut long
 * section names, read the tail of a long line as a new setting, take indented lines as
 * continuations and let a NUL hide the rest of a line (attack catalogue 0.6, 2.4, K03).
 *
 * A line is blank, a comment (`;` or `#` first), `[section]`, `key = value` or `key += value`.
 * UTF-8 without BOM, LF or CR LF, at most INI_LINE_MAX bytes a line. ` ;` begins a comment. */
#ifndef FEDGATE_TENANTS_INIFILE_H
#define FEDGATE_TENANTS_INIFILE_H

#include "tenants/fault.h"

enum { INI_LINE_MAX = 198, INI_SECTION_MAX = 48, INI_FILE_MAX = 1 << 18 };

struct setting {
	unsigned line;
	bool more;                   /* `+=` */
	char *section, *key, *value; /* owned */
};

struct heading {
	unsigned line;
	char *name; /* owned */
};

struct settings {
	struct setting *items; /* owned */
	size_t count;
	struct heading *headings; /* owned: every [section], also an empty one */
	size_t heading_count;
	bool broken; /* lines are missing: they could not be read */
};

/* Every line that is wrong is a fault; the others are read all the same. */
void inifile_read(struct slice text, const char *file, struct settings *out, struct faults *faults);
void settings_fini(struct settings *s);

#endif
