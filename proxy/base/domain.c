/* Two libraries, because two generations of the standard must be asked: libidn2 speaks IDNA2008,
 * which we follow; libidn speaks nameprep (RFC 3491), by which Prosody and ejabberd read the same
 * letters. A list of the four deviation characters of UTS 46 would not do in libidn's place: what
 * nameprep maps away or refuses is a table of its own (bidirectional rules, Unicode 3.2). */
#include "base/domain.h"

#include <idn2.h>
#include <stringprep.h>
#include <string.h>

enum { LABEL_MAX = 63, NAMEPREP_ROOM = 4 * DOMAIN_UNICODE_MAX };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static struct slice next_label(struct slice *rest)
{
	size_t dot = slice_find(*rest, '.');
	struct slice label = slice_sub(*rest, 0, dot);
	*rest = slice_sub(*rest, dot + 1, rest->len);
	return label;
}

/* RFC 5890 2.3.1: letters, digits and inner hyphens; two hyphens at the third place are reserved
 * for A-labels, which are judged elsewhere. */
static bool is_ldh_label(struct slice l)
{
	if (l.len == 0 || l.len > LABEL_MAX || l.ptr[0] == '-' || l.ptr[l.len - 1] == '-')
		return false;
	for (size_t i = 0; i < l.len; i++) {
		if (!is_lower(l.ptr[i]) && !is_digit(l.ptr[i]) && l.ptr[i] != '-')
			return false;
	}
	bool reserved = l.len >= 4 && l.ptr[2] == '-' && l.ptr[3] == '-';
	return !reserved || slice_starts(l, "xn--");
}

/* What inet_aton() would read as the end of an IPv4 address: decimal, octal or hexadecimal. No
 * top-level domain looks like that (RFC 1123 2.1), so 127.1 and 0x7f000001 are no domains (ID-6).
 */
static bool is_number_label(struct slice l)
{
	bool hex = slice_starts(l, "0x");
	for (size_t i = hex ? 2 : 0; i < l.len; i++) {
		if (hex ? !is_hex(l.ptr[i]) : !is_digit(l.ptr[i]))
			return false;
	}
	return true;
}

static bool is_host_name(struct slice name)
{
	if (name.len == 0 || name.len > DOMAIN_MAX || name.ptr[name.len - 1] == '.')
		return false;
	struct slice label = SLICE_NONE;
	while (name.len) {
		label = next_label(&name);
		if (!is_ldh_label(label))
			return false;
	}
	return !is_number_label(label);
}

static bool has_a_label(struct slice name)
{
	while (name.len) {
		if (slice_starts(next_label(&name), "xn--"))
			return true;
	}
	return false;
}

/* Copies with ASCII letters in lower case and without one trailing dot (ID-5). False when the text
 * is too long, or when a NUL would hide its tail from the libraries. */
static bool copy_lower(struct slice text, char out[DOMAIN_UNICODE_MAX + 1], bool *ascii)
{
	if (text.len && text.ptr[text.len - 1] == '.')
		text.len--;
	if (text.len == 0 || text.len > DOMAIN_UNICODE_MAX)
		return false;
	*ascii = true;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '\0')
			return false;
		if ((unsigned char)c >= 0x80)
			*ascii = false;
		out[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	out[text.len] = '\0';
	return true;
}

static bool domain_set(struct domain *out, const char *name)
{
	struct slice s = slice_str(name);
	if (!is_host_name(s))
		return false;
	*out = (struct domain){.len = (uint8_t)s.len};
	memcpy(out->name, s.ptr, s.len);
	return true;
}

static bool to_a_labels(const char *text, int flags, struct domain *out)
{
	uint8_t *ascii = NULL;
	if (idn2_lookup_u8((const uint8_t *)text, &ascii, flags) != IDN2_OK)
		return false;
	bool ok = domain_set(out, (const char *)ascii);
	idn2_free(ascii);
	return ok;
}

static bool to_u_labels(const struct domain *d, char out[DOMAIN_UNICODE_MAX + 1])
{
	char *text = NULL;
	if (idn2_to_unicode_8z8z(d->name, &text, 0) != IDN2_OK)
		return false;
	size_t len = strlen(text);
	bool ok = len <= DOMAIN_UNICODE_MAX;
	if (ok)
		memcpy(out, text, len + 1);
	idn2_free(text);
	return ok;
}

/* ADR-5: whether Prosody and ejabberd take this U-label name for itself. A name that nameprep
 * refuses is no better: the backend would close the stream of all pairs over it. */
static bool nameprep_keeps(const char *unicode)
{
	char prepared[NAMEPREP_ROOM + 1];
	size_t len = strlen(unicode);
	memcpy(prepared, unicode, len + 1);
	return stringprep(prepared, sizeof prepared, 0, stringprep_nameprep) == STRINGPREP_OK &&
	       strcmp(prepared, unicode) == 0;
}

/* Map by UTS 46, then demand that the result is IDNA2008 without any mapping and comes back as
 * itself (RFC 5891 4.2, 5.4): a fake A-label, or one that decodes to something else's U-label,
 * does not. */
static struct err parse_idn(const char *text, struct domain *out)
{
	struct domain mapped, again;
	char unicode[DOMAIN_UNICODE_MAX + 1];
	if (!to_a_labels(text, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL, &mapped) ||
		!to_u_labels(&mapped, unicode) || !to_a_labels(unicode, IDN2_NO_TR46, &again) ||
		!domain_eq(&mapped, &again))
		return err_make(ERR_DOMAIN);
	if (!nameprep_keeps(unicode))
		return err_make(ERR_DOMAIN_FOLD);
	*out = mapped;
	return err_ok();
}

struct err domain_parse(struct slice text, struct domain *out)
{
	char lower[DOMAIN_UNICODE_MAX + 1];
	bool ascii;
	*out = (struct domain){0};
	if (!copy_lower(text, lower, &ascii))
		return err_make(ERR_DOMAIN);
	if (!ascii || has_a_label(slice_str(lower))) {
		struct err e = parse_idn(lower, out);
		out->ascii = ascii && !err_is(e);
		return e;
	}
	return domain_set(out, lower) ? err_ok() : err_make(ERR_DOMAIN);
}

struct domain domain_canonical(const struct domain *d)
{
	struct domain out = *d;
	out.ascii = false;
	return out;
}

bool domain_eq(const struct domain *a, const struct domain *b)
{
	return slice_eq(domain_slice(a), domain_slice(b));
}

struct slice domain_slice(const struct domain *d)
{
	return slice_of(d->name, d->len);
}

bool domain_is_set(const struct domain *d)
{
	return d->len > 0;
}

struct slice domain_unicode(const struct domain *d, char out[DOMAIN_UNICODE_MAX + 1])
{
	/* domain_parse() has converted every name once, so the A-labels as they are stand only for
	 * an unset domain or one without any IDN label. */
	if (!has_a_label(domain_slice(d)) || !to_u_labels(d, out))
		memcpy(out, d->name, (size_t)d->len + 1);
	return slice_str(out);
}

bool domain_is_canonical(const struct domain *d, struct slice text)
{
	char unicode[DOMAIN_UNICODE_MAX + 1];
	return slice_eq(domain_unicode(d, unicode), text);
}

/* Whether the name is `suffix` or under it. */
static bool is_under(const struct domain *d, struct slice suffix)
{
	if (d->len < suffix.len)
		return false;
	size_t at = d->len - suffix.len;
	return (at == 0 || d->name[at - 1] == '.') &&
	       slice_eq(slice_sub(domain_slice(d), at, d->len), suffix);
}

/* `.example` and its like are reserved too, but the public DNS can be asked about them: it says
 * that they are not there. */
enum domain_scope domain_scope(const struct domain *d)
{
	static const struct {
		struct slice suffix;
		enum domain_scope scope;
	} special[] = {
		{SLICE_LIT("localhost"), DOMAIN_NOWHERE}, /* RFC 6761 6.3 */
		{SLICE_LIT("invalid"), DOMAIN_NOWHERE},   /* RFC 6761 6.4 */
		{SLICE_LIT("onion"), DOMAIN_NOWHERE},     /* RFC 7686 2 */
		{SLICE_LIT("alt"), DOMAIN_NOWHERE},       /* RFC 9476 2 */
		{SLICE_LIT("local"), DOMAIN_LOCAL},       /* RFC 6762 */
		{SLICE_LIT("internal"), DOMAIN_LOCAL},    /* reserved by ICANN for private use */
		{SLICE_LIT("home.arpa"), DOMAIN_LOCAL},   /* RFC 8375 */
		{SLICE_LIT("test"), DOMAIN_LOCAL},        /* RFC 6761 6.2 */
	};
	for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
		if (is_under(d, special[i].suffix))
			return special[i].scope;
	}
	return slice_find(domain_slice(d), '.') == d->len ? DOMAIN_LOCAL : DOMAIN_PUBLIC;
}

/* FNV-1a. */
uint64_t domain_hash(const struct domain *d)
{
	uint64_t hash = 0xcbf29ce484222325;
	for (size_t i = 0; i < d->len; i++)
		hash = (hash ^ (unsigned char)d->name[i]) * 0x100000001b3;
	return hash;
}
