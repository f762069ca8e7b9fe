/* One element or header, scanned: for tests of what reads them. */
#ifndef FEDGATE_TESTS_SCANNED_H
#define FEDGATE_TESTS_SCANNED_H

#include "xmpp/scan.h"

#define STREAM_NS "xmlns:stream='http://etherx.jabber.org/streams'"
#define PLAIN_HEADER                                                                               \
	"<stream:stream xmlns='jabber:server' " STREAM_NS " xmlns:db='jabber:server:dialback'>"

/* Valid until scan_free(*scan). NULL when the scanner refuses either. */
static inline const struct scan_element *scanned_in(
	struct scan **scan, const char *header, const char *text)
{
	struct slice head = slice_str(header), rest = slice_str(text);
	*scan = scan_new(&scan_limits_proven);
	if (scan_next(*scan, &head) != SCAN_HEADER || scan_next(*scan, &rest) != SCAN_ELEMENT)
		return NULL;
	return scan_element(*scan);
}

static inline const struct scan_element *scanned(struct scan **scan, const char *text)
{
	return scanned_in(scan, PLAIN_HEADER, text);
}

static inline const struct scan_element *scanned_header(struct scan **scan, const char *text)
{
	struct slice head = slice_str(text);
	*scan = scan_new(&scan_limits_stranger);
	return scan_next(*scan, &head) == SCAN_HEADER ? scan_element(*scan) : NULL;
}

#endif
