/* However the bytes of a request arrive, they are read alike; a whole head has parts that are fit
 * to be compared and printed, and it ends where every reader sees its end (P21). */
#include "base/httphead.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum httphead_step read_in(struct httphead_reader *r, struct slice *all, size_t piece)
{
	enum httphead_step got = HTTPHEAD_MORE;
	httphead_reset(r);
	while (all->len && got == HTTPHEAD_MORE) {
		struct slice s = slice_sub(*all, 0, piece);
		size_t had = s.len;
		got = httphead_read(r, &s);
		*all = slice_sub(*all, had - s.len, all->len);
	}
	return got;
}

static void is_visible(struct slice s)
{
	assert(s.len > 0);
	for (size_t i = 0; i < s.len; i++)
		assert(s.ptr[i] > ' ' && s.ptr[i] <= '~');
}

/* The head ends at the first empty line behind the request line, and nowhere else. */
static void ends_where_everybody_sees_it(struct slice head)
{
	assert(head.len >= 4 && memcmp(head.ptr + head.len - 4, "\r\n\r\n", 4) == 0);
	size_t from = slice_starts(head, "\r\n") ? 2 : 0;
	for (size_t i = from; i + 4 < head.len; i++)
		assert(memcmp(head.ptr + i, "\r\n\r\n", 4) != 0);
	for (size_t i = 1; i < head.len; i++)
		assert((head.ptr[i] == '\n') == (head.ptr[i - 1] == '\r'));
	assert(!memchr(head.ptr, '\0', head.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct httphead_reader whole, pieces;
	struct slice all = slice_of(data, size), rest = all, rest2 = all;
	enum httphead_step got = read_in(&whole, &rest, size);
	assert(got == read_in(&pieces, &rest2, 1) && rest.len == rest2.len);
	if (got != HTTPHEAD_WHOLE)
		return 0;
	is_visible(whole.head.method);
	is_visible(whole.head.target);
	ends_where_everybody_sees_it(slice_sub(all, 0, all.len - rest.len));
	assert(slice_eq(whole.head.target, pieces.head.target));
	assert(slice_eq(whole.head.host, pieces.head.host));
	assert(whole.head.body == pieces.head.body && whole.head.close == pieces.head.close);
	return 0;
}
