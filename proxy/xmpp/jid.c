#include "xmpp/jid.h"

enum { JID_PART_MAX = 1023 }; /* RFC 7622 3.2..3.4 */

bool jid_domainpart(struct slice jid, struct slice *domainpart)
{
	size_t slash = slice_find(jid, '/');
	struct slice resource = slice_sub(jid, slash + 1, jid.len);
	if (slash < jid.len && (resource.len == 0 || resource.len > JID_PART_MAX))
		return false;
	struct slice bare = slice_sub(jid, 0, slash);
	size_t at = slice_find(bare, '@');
	if (at < bare.len) {
		if (at == 0 || at > JID_PART_MAX)
			return false;
		bare = slice_sub(bare, at + 1, bare.len);
	}
	*domainpart = bare;
	return bare.len > 0 && bare.len <= JID_PART_MAX;
}

struct err jid_domain_only(struct slice text, struct domain *out)
{
	if (slice_find(text, '@') < text.len || slice_find(text, '/') < text.len)
		return err_make(ERR_ADDRESS);
	return domain_parse(text, out);
}
