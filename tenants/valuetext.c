/* The other way: fields as text, and what else is done with them by type. */
#include "tenants/value.h"

#include "base/b64.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

const char *const *const value_levels = level_words + LEVEL_VERIFIED;
const char *const value_log_levels[] = {"error", "warn", "info", "debug", NULL};
const char *const value_proofs[] = {"certificate", "posh", "dane", NULL};
const char *const value_log_formats[] = {"json", "logfmt", NULL};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice value_next_word(struct slice *rest)
{
	size_t start = 0;
	while (start < rest->len && is_blank(rest->ptr[start]))
		start++;
	size_t end = start;
	while (end < rest->len && !is_blank(rest->ptr[end]))
		end++;
	struct slice word = slice_sub(*rest, start, end);
	*rest = slice_sub(*rest, end, rest->len);
	return word;
}

struct slice value_short_form(const struct domain *d, char unicode[DOMAIN_UNICODE_MAX + 1])
{
	struct slice u = domain_unicode(d, unicode);
	return u.len < d->len ? u : domain_slice(d);
}

static void put(struct buf *out, const char *key, size_t i, struct slice value)
{
	/* Without printf, which is a third of a start's time otherwise. The bundle's buffer has no
	 * limit, so nothing here can fail. */
	(void)buf_append_str(out, key);
	(void)buf_append_str(out, i ? " += " : " = ");
	(void)buf_append(out, value);
	(void)buf_append(out, SLICE_LIT("\n"));
}

static void put_str(struct buf *out, const char *key, const char *value)
{
	put(out, key, 0, slice_str(value ? value : ""));
}

static void put_domain(struct buf *out, const char *key, size_t i, const struct domain *d)
{
	char unicode[DOMAIN_UNICODE_MAX + 1];
	put(out, key, i, value_short_form(d, unicode));
}

static void write_list(enum config_type type, const char *key, const void *field, struct buf *out)
{
	char text[ADDRESS_TEXT_MAX];
	const struct address_list *addresses = field;
	const struct network_list *networks = field;
	const struct domain_list *domains = field;
	size_t count = type == TYPE_ADDRS  ? addresses->count
		       : type == TYPE_NETS ? networks->count
					   : domains->count;
	if (count == 0)
		put_str(out, key, "");
	for (size_t i = 0; i < count; i++) {
		if (type == TYPE_DOMAINS) {
			put_domain(out, key, i, &domains->items[i]);
			continue;
		}
		if (type == TYPE_ADDRS)
			address_write(&addresses->items[i], text);
		else
			network_write(&networks->items[i], text);
		put(out, key, i, slice_str(text));
	}
}

static void write_names(const char *key, const char *names, struct buf *out)
{
	struct slice rest = slice_str(names);
	size_t i = 0;
	for (struct slice w = value_next_word(&rest); w.len; w = value_next_word(&rest))
		put(out, key, i++, w);
	if (i == 0)
		put_str(out, key, "");
}

static void write_pins(const char *key, const struct pin_list *pins, struct buf *out)
{
	if (pins->count == 0)
		put_str(out, key, "");
	for (size_t i = 0; i < pins->count; i++) {
		const struct pin *p = &pins->items[i];
		char unicode[DOMAIN_UNICODE_MAX + 1];
		struct buf text;
		buf_init(&text, BUF_UNLIMITED);
		(void)buf_append(&text, value_short_form(&p->domain, unicode));
		(void)buf_append(&text, SLICE_LIT("=sha256/"));
		(void)b64_encode(slice_of(p->spki_sha256, sizeof p->spki_sha256), &text);
		put(out, key, i, buf_peek(&text));
		buf_fini(&text);
	}
}

void value_write(enum config_type type, const char *key, const void *field, struct buf *out)
{
	char number[16];
	switch (type) {
	case TYPE_ADDRS:
	case TYPE_NETS:
	case TYPE_DOMAINS:
		write_list(type, key, field, out);
		break;
	case TYPE_DOMAIN:
		put_domain(out, key, 0, field);
		break;
	case TYPE_PATH:
	case TYPE_USER:
	case TYPE_FORWARD:
		put_str(out, key, *(char *const *)field);
		break;
	case TYPE_NAMES:
		write_names(key, *(char *const *)field, out);
		break;
	case TYPE_PINS:
		write_pins(key, field, out);
		break;
	case TYPE_PROOF:
		put_str(out, key, value_proofs[*(const enum tenant_proof *)field]);
		break;
	case TYPE_COUNT:
		snprintf(number, sizeof number, "%u", *(const unsigned *)field);
		put_str(out, key, number);
		break;
	case TYPE_BOOL:
		put_str(out, key, *(const bool *)field ? "yes" : "no");
		break;
	case TYPE_LEVEL:
		put_str(out, key, level_words[*(const enum level *)field]);
		break;
	case TYPE_LOG_FORMAT:
		put_str(out, key, value_log_formats[*(const enum log_format *)field]);
		break;
	case TYPE_LOG_LEVEL:
		put_str(out, key, value_log_levels[*(const enum log_level *)field]);
		break;
	}
}

static bool is_text(enum config_type type)
{
	return type == TYPE_PATH || type == TYPE_USER || type == TYPE_FORWARD || type == TYPE_NAMES;
}

void value_fini(enum config_type type, void *field)
{
	if (type == TYPE_ADDRS) {
		mem_free(((struct address_list *)field)->items);
		*(struct address_list *)field = (struct address_list){0};
	} else if (type == TYPE_NETS) {
		mem_free(((struct network_list *)field)->items);
		*(struct network_list *)field = (struct network_list){0};
	} else if (type == TYPE_DOMAINS) {
		mem_free(((struct domain_list *)field)->items);
		*(struct domain_list *)field = (struct domain_list){0};
	} else if (type == TYPE_PINS) {
		mem_free(((struct pin_list *)field)->items);
		*(struct pin_list *)field = (struct pin_list){0};
	} else if (is_text(type)) {
		mem_free(*(char **)field);
		*(char **)field = NULL;
	}
}

bool value_is_list(enum config_type type)
{
	return type == TYPE_ADDRS || type == TYPE_NETS || type == TYPE_DOMAINS ||
	       type == TYPE_NAMES || type == TYPE_PINS;
}

const char *value_type_words(enum config_type type)
{
	static const char *const words[] = {
		[TYPE_ADDRS] = "addresses with ports",
		[TYPE_NETS] = "networks",
		[TYPE_DOMAIN] = "domain",
		[TYPE_DOMAINS] = "domains",
		[TYPE_PATH] = "path",
		[TYPE_COUNT] = "number",
		[TYPE_BOOL] = "yes or no",
		[TYPE_LEVEL] = "verified, secure or trusted",
		[TYPE_LOG_FORMAT] = "json or logfmt",
		[TYPE_LOG_LEVEL] = "error, warn, info or debug",
		[TYPE_USER] = "user",
		[TYPE_FORWARD] = "address of a resolver",
		[TYPE_NAMES] = "names with addresses",
		[TYPE_PROOF] = "certificate, posh or dane",
		[TYPE_PINS] = "domains with keys",
	};
	return words[type];
}

static void *copy_items(const void *items, size_t count, size_t size)
{
	return count ? mem_dup(items, count * size) : NULL;
}

static size_t scalar_size(enum config_type type)
{
	switch (type) {
	case TYPE_DOMAIN:
		return sizeof(struct domain);
	case TYPE_COUNT:
		return sizeof(unsigned);
	case TYPE_BOOL:
		return sizeof(bool);
	case TYPE_LEVEL:
		return sizeof(enum level);
	case TYPE_PROOF:
		return sizeof(enum tenant_proof);
	case TYPE_LOG_FORMAT:
		return sizeof(enum log_format);
	case TYPE_LOG_LEVEL:
		return sizeof(enum log_level);
	default:
		return 0;
	}
}

void value_copy(enum config_type type, const void *from, void *to)
{
	value_fini(type, to);
	if (type == TYPE_ADDRS) {
		struct address_list *list = to;
		*list = *(const struct address_list *)from;
		list->items = copy_items(list->items, list->count, sizeof *list->items);
	} else if (type == TYPE_NETS) {
		struct network_list *list = to;
		*list = *(const struct network_list *)from;
		list->items = copy_items(list->items, list->count, sizeof *list->items);
	} else if (type == TYPE_DOMAINS) {
		struct domain_list *list = to;
		*list = *(const struct domain_list *)from;
		list->items = copy_items(list->items, list->count, sizeof *list->items);
	} else if (type == TYPE_PINS) {
		struct pin_list *list = to;
		*list = *(const struct pin_list *)from;
		list->items = copy_items(list->items, list->count, sizeof *list->items);
	} else if (is_text(type)) {
		*(char **)to = mem_strdup(*(char *const *)from);
	} else {
		memcpy(to, from, scalar_size(type));
	}
}
