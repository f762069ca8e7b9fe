/* Reading the configuration: strict, all faults at once (product.md; attack catalogue K).
 *
 * Every file is pre-read by a checking reader before inih sees it: UTF-8, no NUL, no CR alone, no
 * BOM, no line of 199 bytes or more, no indented line, no section over 48 bytes, no line that is
 * neither blank, comment, section nor `key = value`. Then inih hands over the settings; unknown
 * sections and keys (with "did you mean"), duplicates and bad values are faults with
 * file:line: key: sentence. */
#ifndef FEDGATE_TENANTS_LOAD_H
#define FEDGATE_TENANTS_LOAD_H

#include "base/buf.h"
#include "tenants/registry.h"

enum { FAULTS_SHOWN = 50 };

/* A report grows line by line: "file:line: key: sentence\n". */
struct faults {
	struct buf text;
	size_t count;	 /* all of them, also those over FAULTS_SHOWN per load */
	size_t warnings; /* lines that start with "warning: "; not counted in `count` */
};
void faults_init(struct faults *f);
void faults_fini(struct faults *f);

/* The gate's own file. NULL when it has faults. */
struct gate *load_gate(const char *path, struct faults *faults);

struct load_options {
	bool deep; /* also: key against certificate by a signature, chain order, CA flags */
	int64_t now; /* for expiry warnings */
};

/* Loads gate->tenants_dir into a new registry. A file with faults keeps `before`'s tenant of that
 * file's name (NULL before: it is left out); a domain claimed by two files stays with the one that
 * had it. An unreadable tenants_dir, or one that became empty while `before` had tenants, is a
 * fault and gives `before`'s tenants back. Unchanged files keep the same struct tenant (held). */
struct load_result {
	struct registry *registry; /* owned by the caller; never NULL */
	size_t files, kept_old, refused, changed, added, removed;
};
struct load_result load_tenants(const struct gate *gate, const struct registry *before,
	const struct load_options *options, struct faults *faults);

/* One tenant from text in memory (for the bundle and for tests). file_name is used in faults;
 * paths in it are taken relative to base_dir; files are not looked at when check_files is false
 * (the bundle: the supervisor has looked). NULL when there are faults. */
struct tenant *load_tenant_text(struct slice text, const char *file_name, const char *base_dir,
	bool check_files, const struct load_options *options, struct faults *faults);
/* Writes the tenant so that load_tenant_text(check_files false) gives an equal one, with the files'
 * identities as comment-free extra keys of section [bundle] that only the bundle may hold. */
void tenant_write(const struct tenant *t, struct buf *out);
/* The gate as text likewise. */
void gate_write(const struct gate *g, struct buf *out);
struct gate *load_gate_text(struct slice text, const char *file_name, const char *base_dir,
	struct faults *faults);

/* Reads a whole file, at most max bytes, and says which file it was. */
struct err file_read(const char *path, size_t max, struct buf *out, struct file_id *id);
struct err file_read_fd(int fd, size_t max, struct buf *out, struct file_id *id);
bool file_id_eq(const struct file_id *a, const struct file_id *b);
/* The generated reference (tenants/reference.md). */
void schema_reference(struct buf *out);

#endif
