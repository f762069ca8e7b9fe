/* A report of what is wrong with a configuration: every fault, not only the first.
 *
 * Text: "file:line: key: sentence\n" or "warning: file:line: key: sentence\n". Line 0 and an empty
 * key are left out. What is quoted from files is made printable. */
#ifndef FEDGATE_TENANTS_FAULT_H
#define FEDGATE_TENANTS_FAULT_H

#include "base/buf.h"

enum { FAULTS_SHOWN = 50, FAULT_QUOTE_MAX = 80 };

struct fault {
	bool warning;
	unsigned line;    /* 0: the whole file */
	char *file, *key; /* owned; key may be empty */
	char *sentence;   /* owned */
};

/* The first FAULTS_SHOWN faults and the first FAULTS_SHOWN warnings are kept; all are counted. */
struct faults {
	struct buf text;
	size_t count;        /* faults, warnings not among them */
	size_t warnings;     /* lines that start with "warning: " */
	struct fault *items; /* owned: the lines of `text`, in parts */
	size_t item_count;
};

void faults_init(struct faults *f);
void faults_fini(struct faults *f);

/* What was found in one file by line, the files in the order in which they were first met. */
void faults_sort(struct faults *f);

/* Where in the configuration we are. */
struct place {
	const char *file;
	unsigned line;
	const char *key;
};
void fault_add(struct faults *f, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void fault_warn(struct faults *f, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Text of a file for quoting in a sentence: cut to FAULT_QUOTE_MAX at a character's border. */
struct slice fault_quote(struct slice s);
/* The word of `words` (NULL-terminated) that was probably meant, or NULL. */
const char *fault_did_you_mean(struct slice word, const char *const *words);
bool text_is_utf8(struct slice s);

#endif
