/* Reading the configuration: strict, all faults at once (attack catalogue K).
 *
 * Every file is pre-read by a checking reader before inih sees it: UTF-8, no NUL, no CR alone, no
 * BOM, no line of 199 bytes or more, no indented line, no section over 48 bytes, no line that is
 * neither blank, comment, section nor `key = value`. Then inih hands over the settings; unknown
 * sections and keys (with "did you mean"), duplicates and bad values are faults with
 * file:line: key: sentence. */
#ifndef FEDGATE_TENANTS_LOAD_H
#define FEDGATE_TENANTS_LOAD_H

#include "base/buf.h"
#include "tenants/fault.h"
#include "tenants/registry.h"
#include "trust/cert.h"

/* The gate's own file. NULL when it has faults. */
struct gate *load_gate(const char *path, struct faults *faults);
/* For `fedgate check`: what could be read in spite of the faults, so that the tenants can be looked
 * at as well. Only what may be missing after a fault is NULL or empty. NULL when the file itself
 * cannot be read. `user` and `ca_file` say where these keys stand (line 0: defaults); their `file`
 * is `path`. */
struct gate_places {
	struct place user, ca_file, host_name;
};
struct gate *load_gate_leniently(
	const char *path, struct gate_places *places, struct faults *faults);
/* For a reload: START keys that differ from the running gate's are warned about and put back. */
void gate_keep_started(
	struct gate *fresh, const struct gate *running, const char *path, struct faults *faults);

/* What is done with certificates and keys. Their files are always looked at (there, readable,
 * permissions, which file). They are read and judged
 *   - at `fedgate check`: all (`certificates`), with `deep` by a signature as well;
 *   - at a reload: those whose files changed since `before` or are new, so that a broken renewal
 *     keeps the tenant's last good version (M10, F07);
 *   - at start: none; a worker reads them at first use. */
struct load_options {
	/* Makes current.pem and current.key in a directory of tenants/provided.h for these names;
	 * NULL, or why it cannot be. Without it (a check) such a tenant has no certificate yet, and
	 * a warning says that it will be made. */
	const char *(*make)(const char *directory, const struct domain *const *names, size_t count,
		int64_t now);
	bool certificates;
	bool deep;   /* also: key by a signature, chain order, CA flags, the way to an authority */
	int64_t now; /* for expiry */
	const struct cert_set *authorities; /* borrowed; NULL: `deep` asks for no way to one */
};

/* Loads gate->tenants_dir into a new registry. A file with faults keeps `before`'s tenant of that
 * file's name (NULL before: it is left out); a domain claimed by two files stays with the one that
 * had it. An unreadable tenants_dir, or one that became empty while `before` had tenants, is a
 * fault and gives `before`'s tenants back. Unchanged files keep the same struct tenant (held).
 *
 * Removing more than a tenth of the tenants (and more than three) at once is a fault too, and the
 * removed ones stay, unless the file `.confirm-removal` in tenants_dir holds exactly the number of
 * tenants to be removed. Such a file that nothing asks for is warned about: it could confirm what
 * nobody meant. */
struct load_result {
	struct registry *registry; /* owned by the caller; never NULL */
	size_t files;
	size_t kept_old; /* broken or unconfirmed: `before`'s version goes on */
	size_t refused;  /* broken and never served before: left out */
	size_t changed, added, removed;
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
struct gate *load_gate_text(
	struct slice text, const char *file_name, const char *base_dir, struct faults *faults);

/* Reads a whole file, at most max bytes, and says which file it was. */
struct err file_read(const char *path, size_t max, struct buf *out, struct file_id *id);
struct err file_read_fd(int fd, size_t max, struct buf *out, struct file_id *id);
bool file_id_eq(const struct file_id *a, const struct file_id *b);
/* The same without reading. */
struct file_rights {
	unsigned mode;       /* permission bits */
	bool strange_owner;  /* neither root nor the user we run as */
	bool open_directory; /* everybody may put another file in its place */
};
struct err file_look(const char *path, struct file_id *id, struct file_rights *rights);
/* Why it failed, as a sentence for the report. */
const char *file_why(struct err e);
/* The generated reference (tenants/reference.md). */
void schema_reference(struct buf *out);

#endif
