#include "tenants/value.h"

#include "base/b64.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static bool say(char *why, const char *fmt, struct slice text)
{
	struct slice q = fault_quote(text);
	snprintf(why, VALUE_WHY_MAX, fmt, SLICE_ARG(q));
	return false;
}

/* --- lists --- */

static bool no_comma(struct slice word, char *why)
{
	bool comma = slice_find(word, ',') < word.len || slice_find(word, ';') < word.len;
	return comma ? say(why, "`%.*s`: a list is separated by spaces", word) : true;
}

static bool parse_addresses(struct slice text, struct address_list *list, char *why)
{
	for (struct slice w = value_next_word(&text); w.len; w = value_next_word(&text)) {
		struct address a;
		if (!no_comma(w, why) || !address_parse(w, &a, why))
			return false;
		for (size_t i = 0; i < list->count; i++) {
			if (address_eq(&list->items[i], &a))
				return say(why, "`%.*s` is named twice", w);
		}
		list->items = mem_realloc(list->items, (list->count + 1) * sizeof *list->items);
		list->items[list->count++] = a;
	}
	return true;
}

static bool parse_networks(struct slice text, struct network_list *list, char *why)
{
	for (struct slice w = value_next_word(&text); w.len; w = value_next_word(&text)) {
		struct network n;
		if (!no_comma(w, why) || !network_parse(w, &n, why))
			return false;
		list->items = mem_realloc(list->items, (list->count + 1) * sizeof *list->items);
		list->items[list->count++] = n;
	}
	return true;
}

static bool parse_domain(struct slice text, struct domain *out, char *why)
{
	struct err e = domain_parse(text, out);
	char unicode[DOMAIN_UNICODE_MAX + 1];
	if (e.code == ERR_DOMAIN_FOLD)
		return say(why,
			"`%.*s`: Prosody and ejabberd read names by an older standard (IDNA 2003) "
			"and would take this one for another domain; it cannot be served",
			text);
	if (slice_starts(text, "*"))
		return say(why, "`%.*s`: there are no wildcards; list every domain", text);
	if (err_is(e))
		return say(why, "`%.*s` is not a domain name", text);
	if (value_short_form(out, unicode).len > VALUE_ITEM_MAX)
		return say(why, "`%.*s` is too long for a configuration line", text);
	return true;
}

static bool parse_one_domain(struct slice text, struct domain *out, char *why)
{
	*out = (struct domain){0};
	struct slice first = value_next_word(&text);
	struct slice second = value_next_word(&text);
	if (second.len)
		return say(why, "only one domain may stand here; `%.*s` is too many", second);
	return first.len == 0 || parse_domain(first, out, why);
}

static bool parse_domains(struct slice text, struct domain_list *list, char *why)
{
	for (struct slice w = value_next_word(&text); w.len; w = value_next_word(&text)) {
		struct domain d;
		if (!no_comma(w, why) || !parse_domain(w, &d, why))
			return false;
		for (size_t i = 0; i < list->count; i++) {
			if (domain_eq(&list->items[i], &d))
				return say(why, "`%.*s` is named twice", w);
		}
		list->items = mem_realloc(list->items, (list->count + 1) * sizeof *list->items);
		list->items[list->count++] = d;
	}
	return true;
}

/* --- single values --- */

/* The file that is given on must be able to stand in a line of the bundle. */
static bool path_fits(const char *path, char *why)
{
	struct slice p = slice_str(path);
	bool odd = !text_is_utf8(p) || strstr(path, " ;") || strstr(path, "\t;") ||
		   strstr(path, " #") || strstr(path, "\t#");
	for (size_t i = 0; i < p.len; i++)
		odd = odd || (unsigned char)p.ptr[i] < 0x20 || p.ptr[i] == 0x7f;
	if (odd)
		return say(why, "`%.*s`: the path holds characters a setting cannot hold", p);
	if (p.len > VALUE_ITEM_MAX) {
		snprintf(why, VALUE_WHY_MAX,
			"the whole path has %zu bytes, but at most %d fit: %.*s", p.len,
			VALUE_ITEM_MAX, SLICE_ARG(fault_quote(p)));
		return false;
	}
	return true;
}

static bool parse_path(struct slice text, const char *base_dir, char **out, char *why)
{
	mem_free(*out);
	*out = NULL;
	if (text.len == 0)
		return true;
	if (text.ptr[0] == '~')
		return say(why, "`%.*s`: `~` is not expanded; write the whole path", text);
	struct buf path;
	buf_init(&path, INI_PATH_MAX);
	bool relative = text.ptr[0] != '/' && base_dir && *base_dir;
	bool slash = relative && base_dir[strlen(base_dir) - 1] != '/';
	struct err e = relative ? buf_append_str(&path, base_dir) : err_ok();
	if (!err_is(e) && slash)
		e = buf_append_str(&path, "/");
	if (!err_is(e))
		e = buf_append(&path, text);
	bool ok = err_is(e) ? say(why, "`%.*s`: the path is too long", text)
			    : path_fits(buf_cstr(&path), why);
	if (ok)
		*out = mem_strdup(buf_cstr(&path));
	buf_fini(&path);
	return ok;
}

static bool parse_count(
	struct slice text, const struct value_rules *rules, unsigned *out, char *why)
{
	struct slice q = fault_quote(text);
	uint64_t n = 0;
	bool digits = text.len > 0;
	for (size_t i = 0; i < text.len && digits; i++) {
		digits = text.ptr[i] >= '0' && text.ptr[i] <= '9';
		if (digits && n <= UINT32_MAX)
			n = n * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	if (!digits || n < rules->min || n > rules->max) {
		snprintf(why, VALUE_WHY_MAX, "`%.*s` is not a plain number from %u to %u",
			SLICE_ARG(q), rules->min, rules->max);
		return false;
	}
	*out = (unsigned)n;
	return true;
}

static bool parse_bool(struct slice text, bool *out, char *why)
{
	*out = slice_eq_str(text, "yes");
	if (*out || slice_eq_str(text, "no"))
		return true;
	static const char *const true_words[] = {"true", "on", "1", "yes", "enabled", NULL};
	bool meant = false;
	for (size_t i = 0; true_words[i]; i++)
		meant = meant || slice_ieq_str(text, true_words[i]);
	return say(why,
		meant ? "`%.*s`: did you mean `yes`? Only yes and no are understood"
		      : "`%.*s` is neither yes nor no",
		text);
}

/* `what` as in "`%.*s` is not a level". */
static bool say_word(struct slice text, const char *what, const char *const *words, char *why)
{
	struct slice q = fault_quote(text);
	const char *meant = fault_did_you_mean(text, words);
	int n = snprintf(why, VALUE_WHY_MAX, "`%.*s` is not a %s: ", SLICE_ARG(q), what);
	for (size_t i = 0; words[i] && n < VALUE_WHY_MAX; i++)
		n += snprintf(why + n, (size_t)(VALUE_WHY_MAX - n), "%s%s", words[i],
			!words[i + 1]   ? ""
			: !words[i + 2] ? " or "
					: ", ");
	if (meant && n < VALUE_WHY_MAX)
		snprintf(why + n, (size_t)(VALUE_WHY_MAX - n), "; did you mean `%s`?", meant);
	return false;
}

static bool parse_level(struct slice text, enum level *out, char *why)
{
	for (enum level l = LEVEL_VERIFIED; l <= LEVEL_TRUSTED; l++) {
		if (slice_eq_str(text, level_name(l))) {
			*out = l;
			return true;
		}
	}
	return say_word(text, "level", value_levels, why);
}

static bool parse_user(struct slice text, char **out, char *why)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool ok = (c >= 'a' && c <= 'z') || c == '_' ||
			  (i && ((c >= '0' && c <= '9') || c == '-'));
		if (!ok)
			return say(why, "`%.*s` is not the name of a user", text);
	}
	if (text.len == 0 || text.len > 32)
		return say(why, "`%.*s` is not the name of a user", text);
	mem_free(*out);
	*out = mem_dup(text.ptr, text.len);
	return true;
}

static bool is_ip_text(struct slice text)
{
	struct network n;
	char unused[VALUE_WHY_MAX];
	return slice_find(text, '/') == text.len && network_parse(text, &n, unused);
}

static bool parse_forward(struct slice text, char **out, char *why)
{
	size_t at = slice_find(text, '@');
	unsigned port = 53;
	struct value_rules rules = {.min = 1, .max = 65535};
	bool ok = text.len == 0 ||
		  (is_ip_text(slice_sub(text, 0, at)) &&
			  (at == text.len || parse_count(slice_sub(text, at + 1, text.len), &rules,
						     &port, why)));
	if (!ok)
		return say(why, "`%.*s` is not ADDRESS or ADDRESS@PORT, as 127.0.0.1@5300", text);
	mem_free(*out);
	*out = text.len ? mem_dup(text.ptr, text.len) : NULL;
	return true;
}

static bool check_name(struct slice word, char *why)
{
	size_t equals = slice_find(word, '=');
	struct domain d;
	char reason[VALUE_WHY_MAX];
	if (equals == word.len || !is_ip_text(slice_sub(word, equals + 1, word.len)))
		return say(why, "`%.*s` is not NAME=ADDRESS, as db.example=10.0.0.7", word);
	if (!parse_domain(slice_sub(word, 0, equals), &d, reason))
		return say(why, "`%.*s` does not begin with a domain name", word);
	return true;
}

/* Kept as text, words separated by one space. */
static bool parse_names(struct slice text, char **out, char *why)
{
	struct buf all;
	buf_init(&all, BUF_UNLIMITED);
	struct err e = *out ? buf_append_str(&all, *out) : err_ok();
	bool ok = !err_is(e);
	for (struct slice w = value_next_word(&text); w.len && ok; w = value_next_word(&text)) {
		ok = no_comma(w, why) && check_name(w, why);
		if (buf_len(&all))
			(void)buf_append_str(&all, " ");
		(void)buf_append(&all, w);
	}
	if (ok) {
		mem_free(*out);
		*out = buf_len(&all) ? mem_strdup(buf_cstr(&all)) : NULL;
	}
	buf_fini(&all);
	return ok;
}

static bool parse_proof(struct slice text, enum tenant_proof *out, char *why)
{
	for (int i = 0; value_proofs[i]; i++) {
		if (slice_eq_str(text, value_proofs[i])) {
			*out = (enum tenant_proof)i;
			return true;
		}
	}
	return say_word(text, "proof", value_proofs, why);
}

static bool parse_pin(struct slice word, struct pin *out, char *why)
{
	struct slice label = SLICE_LIT("sha256/");
	size_t equals = slice_find(word, '=');
	struct slice value = slice_sub(word, equals + 1, word.len);
	struct buf key;
	char reason[VALUE_WHY_MAX];
	buf_init(&key, sizeof out->spki_sha256);
	bool ok = equals < word.len && slice_starts(value, "sha256/") &&
		  b64_decode(slice_sub(value, label.len, value.len), &key) &&
		  buf_len(&key) == sizeof out->spki_sha256;
	if (ok)
		memcpy(out->spki_sha256, buf_peek(&key).ptr, sizeof out->spki_sha256);
	buf_fini(&key);
	if (!ok)
		return say(why,
			"`%.*s` is not DOMAIN=sha256/BASE64, the base64 of the 32 bytes of the "
			"public key's SHA-256",
			word);
	if (!parse_domain(slice_sub(word, 0, equals), &out->domain, reason))
		return say(why, "`%.*s` does not begin with a domain name", word);
	out->domain = domain_canonical(&out->domain);
	/* It must fit in a line of the bundle. */
	return word.len <= VALUE_ITEM_MAX ? true : say(why, "`%.*s` is too long", word);
}

static bool parse_pins(struct slice text, struct pin_list *list, char *why)
{
	for (struct slice w = value_next_word(&text); w.len; w = value_next_word(&text)) {
		struct pin p = {0};
		if (!no_comma(w, why) || !parse_pin(w, &p, why))
			return false;
		if (pin_list_has(list, &p.domain, p.spki_sha256))
			return say(why, "`%.*s` is named twice", w);
		list->items = mem_realloc(list->items, (list->count + 1) * sizeof *list->items);
		list->items[list->count++] = p;
	}
	return true;
}

bool value_parse(enum config_type type, struct slice text, const struct value_rules *rules,
	void *field, char why[VALUE_WHY_MAX])
{
	why[0] = '\0';
	switch (type) {
	case TYPE_ADDRS:
		return parse_addresses(text, field, why);
	case TYPE_NETS:
		return parse_networks(text, field, why);
	case TYPE_DOMAIN:
		return parse_one_domain(text, field, why);
	case TYPE_DOMAINS:
		return parse_domains(text, field, why);
	case TYPE_PATH:
		return parse_path(text, rules->base_dir, field, why);
	case TYPE_COUNT:
		return parse_count(text, rules, field, why);
	case TYPE_BOOL:
		return parse_bool(text, field, why);
	case TYPE_LEVEL:
		return parse_level(text, field, why);
	case TYPE_LOG_FORMAT:
		return log_format_parse(text, field) ||
		       say_word(text, "log format", value_log_formats, why);
	case TYPE_LOG_LEVEL:
		return log_level_parse(text, field) ||
		       say_word(text, "log level", value_log_levels, why);
	case TYPE_USER:
		return parse_user(text, field, why);
	case TYPE_FORWARD:
		return parse_forward(text, field, why);
	case TYPE_NAMES:
		return parse_names(text, field, why);
	case TYPE_PROOF:
		return parse_proof(text, field, why);
	case TYPE_PINS:
		return parse_pins(text, field, why);
	}
	return say(why, "`%.*s`: no such type", text);
}
