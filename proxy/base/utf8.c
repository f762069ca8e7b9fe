#include "base/utf8.h"

size_t utf8_take(struct slice s, uint32_t *c)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s.ptr;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	*c = n == 1 ? p[0] : n ? p[0] & (0x7fu >> n) : 0;
	bool ok = n > 0 && n <= s.len && p[0] < 0xf8;
	for (size_t i = 1; ok && i < n; i++) {
		ok = (p[i] & 0xc0) == 0x80;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	if (ok && *c >= least[n] && *c <= 0x10ffff && (*c & 0x1ff800) != 0xd800)
		return n;
	*c = 0xfffd;
	return 1;
}

bool utf8_is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0xfffd;
}
