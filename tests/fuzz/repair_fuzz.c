/* Fuzzing of the repair: whatever an element's own stream header binds, the repaired element means
 * the same under ours, for libxml2 and for expat.
 *
 * The first byte of the input says how: bits 6 and 7 choose what header stands before the rest
 * (none, a usual one, a hostile one, one without a default namespace), bits 0 and 1 that `from`
 * and `to` are replaced, bit 2 that it is by something hostile. */
#include "repaircheck.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const headers[] = {
	"",
	"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
	"xmlns:db='jabber:server:dialback' xmlns:x='urn:x' xml:lang='en'>",
	"<stream:s xmlns='urn:d' xmlns:stream='jabber:server' xmlns:db='jabber:server' "
	"xmlns:x='a&amp;&apos;b' xml:lang='de'>",
	"<s xmlns:stream='urn:s' xmlns:db='http://etherx.jabber.org/streams'>",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	struct slice value =
		data[0] & 4 ? SLICE_LIT("a'\"&lt;<>\t\r\n\xe2\x82\xac/r") : SLICE_LIT("a.example");
	struct repaircheck check = {
		.from = data[0] & 1 ? value : SLICE_NONE,
		.to = data[0] & 2 ? value : SLICE_NONE,
	};
	struct buf stream;
	buf_init(&stream, BUF_UNLIMITED);
	(void)buf_append_str(&stream, headers[data[0] >> 6]);
	(void)buf_append(&stream, slice_of(data + 1, size - 1));
	repaircheck_run(&check, buf_peek(&stream));
	if (check.bad) {
		fprintf(stderr, "repair_fuzz: %s\n", check.bad);
		abort();
	}
	buf_fini(&stream);
	return 0;
}
