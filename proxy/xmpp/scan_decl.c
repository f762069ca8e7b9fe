/* The XML declaration. */
#include "xmpp/scan_inside.h"

#include <string.h>

enum { DECL_MAX = 120 };

/* `<?xml version='1.0'?>` with an encoding that is UTF-8 or none, and standalone='yes' at most:
 * both parsers behind us take these, and nothing else is worth taking (X07, X08, X35). */
static bool skip_word(struct slice *s, const char *word)
{
	if (!slice_starts(*s, word))
		return false;
	*s = slice_sub(*s, strlen(word), s->len);
	return true;
}

static bool skip_space(struct slice *s)
{
	size_t n = 0;
	while (n < s->len && scan_is_space(s->ptr[n]))
		n++;
	*s = slice_sub(*s, n, s->len);
	return n > 0;
}

/* Skips all of name='value', or nothing. */
static bool skip_value(struct slice *s, const char *name, struct slice *value)
{
	struct slice at = *s;
	if (!skip_word(&at, name))
		return false;
	skip_space(&at);
	if (!skip_word(&at, "="))
		return false;
	skip_space(&at);
	if (!at.len || (at.ptr[0] != '\'' && at.ptr[0] != '"'))
		return false;
	struct slice quoted = slice_sub(at, 1, at.len);
	size_t end = slice_find(quoted, at.ptr[0]);
	if (end == quoted.len)
		return false;
	*value = slice_sub(quoted, 0, end);
	*s = slice_sub(quoted, end + 1, quoted.len);
	return true;
}

static enum err_code check_declaration(struct slice d)
{
	struct slice value;
	if (!skip_word(&d, "<?xml") || !skip_space(&d) || !skip_value(&d, "version", &value))
		return ERR_XML_RESTRICTED;
	if (!slice_eq_str(value, "1.0"))
		return ERR_XML;
	bool space = skip_space(&d);
	if (space && skip_value(&d, "encoding", &value)) {
		if (!slice_ieq_str(value, "utf-8"))
			return ERR_XML_ENCODING; /* RFC 6120 11.6 */
		space = skip_space(&d);
	}
	if (space && skip_value(&d, "standalone", &value)) {
		if (!slice_eq_str(value, "yes"))
			return ERR_XML_RESTRICTED;
		skip_space(&d);
	}
	return slice_eq_str(d, "?>") ? ERR_OK : ERR_XML;
}

bool scan_declaration(struct scan *s, const char *base, char c)
{
	if ((unsigned char)c >= 0x80 || s->offset > DECL_MAX)
		return scan_refuse(s, ERR_XML_RESTRICTED);
	/* As soon as it cannot be `<?xml ` any more it is a processing instruction. */
	static const char start[] = "<?xml";
	if (s->offset < sizeof start - 1 && c != start[s->offset])
		return scan_refuse(s, ERR_XML_RESTRICTED);
	if (s->offset == sizeof start - 1 && !scan_is_space(c))
		return scan_refuse(s, ERR_XML_RESTRICTED);
	if (c != '>' || s->offset < 6)
		return true;
	enum err_code bad = check_declaration(slice_of(base, s->offset + 1));
	if (bad != ERR_OK)
		return scan_refuse(s, bad);
	s->declaration_allowed = false;
	s->declared = s->offset + 1;
	s->state = ST_BETWEEN;
	return true;
}
