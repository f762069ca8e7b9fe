/* The values of settings: text to field and back, by the type that the schema gives. */
#ifndef FEDGATE_TENANTS_VALUE_H
#define FEDGATE_TENANTS_VALUE_H

#include "base/buf.h"
#include "tenants/fault.h"
#include "tenants/tenant.h"

enum {
	VALUE_WHY_MAX = 400,
	/* What is longer would not fit in a line of the bundle together with its key. */
	VALUE_ITEM_MAX = 176,
	INI_PATH_MAX = 4096,
};

enum config_type {
	TYPE_ADDRS,
	TYPE_NETS,
	TYPE_DOMAIN,
	TYPE_DOMAINS, /* the field is a struct domain_list */
	TYPE_PATH,
	TYPE_COUNT,
	TYPE_BOOL,
	TYPE_LEVEL,
	TYPE_LOG_FORMAT,
	TYPE_LOG_LEVEL,
	TYPE_USER,
	TYPE_FORWARD, /* ADDRESS or ADDRESS@PORT */
	TYPE_NAMES,   /* NAME=ADDRESS ... */
	TYPE_PROOF,
	TYPE_PINS, /* DOMAIN=sha256/BASE64 ... */
};

struct value_rules {
	const char *base_dir; /* relative paths start here */
	unsigned min, max;    /* of a count */
};

/* Reads text into the field; a list grows by what the text holds. False: `why` says what is wrong
 * and what to write instead. An empty text is an empty list, no path, no domain. */
bool value_parse(enum config_type type, struct slice text, const struct value_rules *rules,
	void *field, char why[VALUE_WHY_MAX]);
/* Writes "key = value\n", lists as one line and `+=` lines; value_parse() reads it back. Paths are
 * written as they are, absolute. */
void value_write(enum config_type type, const char *key, const void *field, struct buf *out);
void value_fini(enum config_type type, void *field);
void value_copy(enum config_type type, const void *from, void *to); /* `to` is let go first */
bool value_is_list(enum config_type type);
/* For the reference: "yes or no", "addresses", ... */
const char *value_type_words(enum config_type type);

/* The words of the types that have a choice, NULL-terminated. */
extern const char *const *const value_levels;
extern const char *const value_log_levels[], *const value_log_formats[], *const value_proofs[];
/* The next word of a list, and *rest behind it; empty at the end. */
struct slice value_next_word(struct slice *rest);
/* The shorter of a domain's two forms: the one that is sure to fit in a line again. */
struct slice value_short_form(const struct domain *d, char unicode[DOMAIN_UNICODE_MAX + 1]);

/* Parts of the above, for those who read addresses elsewhere. */
bool address_parse(struct slice text, struct address *out, char why[VALUE_WHY_MAX]);
bool network_parse(struct slice text, struct network *out, char why[VALUE_WHY_MAX]);
/* "127.0.0.1:5269", "[::1]:5269". */
enum { ADDRESS_TEXT_MAX = 64 };
void address_write(const struct address *a, char out[ADDRESS_TEXT_MAX]);
void network_write(const struct network *n, char out[ADDRESS_TEXT_MAX]);
bool address_eq(const struct address *a, const struct address *b);
/* The same IP address, whatever the port. */
bool address_same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
bool address_is_loopback(const struct sockaddr_storage *sa);
bool address_is_any(const struct sockaddr_storage *sa); /* 0.0.0.0 or [::] */
unsigned address_port(const struct sockaddr_storage *sa);

#endif
