#include "base/b64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool b64_encode(struct slice in, struct buf *out)
{
	size_t len = (in.len + 2) / 3 * 4;
	char *room = buf_reserve(out, len);
	if (!room)
		return false;
	for (size_t i = 0; i < in.len; i += 3) {
		size_t n = in.len - i < 3 ? in.len - i : 3;
		unsigned bits = 0;
		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? (unsigned char)in.ptr[i + k] : 0u);
		for (size_t k = 0; k < 4; k++)
			*room++ = k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=';
	}
	buf_commit(out, len);
	return true;
}

static int value(char c)
{
	for (int i = 0; i < 64; i++) {
		if (digits[i] == c)
			return i;
	}
	return -1;
}

static bool decode_quad(const char *quad, bool last, struct buf *out)
{
	size_t pad = 0;
	if (last)
		pad = quad[3] != '=' ? 0 : quad[2] != '=' ? 1 : 2;
	unsigned bits = 0;
	for (size_t k = 0; k < 4; k++) {
		int v = k >= 4 - pad ? 0 : value(quad[k]);
		if (v < 0)
			return false;
		bits = bits << 6 | (unsigned)v;
	}
	/* Bits behind the last byte must be zero, or two texts would mean the same bytes. */
	if ((pad == 1 && (bits & 0xff)) || (pad == 2 && (bits & 0xffff)))
		return false;
	char bytes[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
	return !err_is(buf_append(out, slice_of(bytes, 3 - pad)));
}

bool b64_decode(struct slice in, struct buf *out)
{
	if (in.len % 4 != 0)
		return false;
	for (size_t i = 0; i < in.len; i += 4) {
		if (!decode_quad(in.ptr + i, i + 4 == in.len, out))
			return false;
	}
	return true;
}

void hex_encode(const unsigned char *in, size_t len, char *out)
{
	static const char hex[] = "0123456789abcdef";
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex[in[i] >> 4];
		out[2 * i + 1] = hex[in[i] & 15];
	}
	out[2 * len] = '\0';
}
