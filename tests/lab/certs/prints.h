/* Reading prints.tsv (dane.py): what another library says that certificates of the corpus hash to.
 * Include it behind corpus.h. */
#ifndef FEDGATE_TESTS_PRINTS_H
#define FEDGATE_TESTS_PRINTS_H

struct print {
	unsigned char sha256[32], sha384[48], sha512[64];
};

static inline struct slice take_field(struct slice *line)
{
	struct slice field = slice_sub(*line, 0, slice_find(*line, '\t'));
	*line = slice_sub(*line, field.len + 1, line->len);
	return field;
}

static inline void read_hex(struct slice text, unsigned char *out, size_t len)
{
	assert_int_equal(text.len, 2 * len);
	for (size_t i = 0; i < len; i++) {
		char pair[] = {text.ptr[2 * i], text.ptr[2 * i + 1], '\0'};
		out[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
}

/* what: "certificate" or "key"; place: in the chain, '0' is the leaf. */
static inline struct print read_print(const char *chain, char place, const char *what)
{
	struct buf text;
	struct print p = {{0}, {0}, {0}};
	bool found = false;
	read_file("prints", ".tsv", &text);
	struct slice rest = buf_peek(&text);
	while (rest.len && !found) {
		struct slice line = slice_sub(rest, 0, slice_find(rest, '\n'));
		rest = slice_sub(rest, line.len + 1, rest.len);
		bool same = slice_eq_str(take_field(&line), chain);
		same = slice_eq(take_field(&line), slice_of(&place, 1)) && same;
		found = slice_eq_str(take_field(&line), what) && same;
		if (!found)
			continue;
		read_hex(take_field(&line), p.sha256, sizeof p.sha256);
		read_hex(take_field(&line), p.sha384, sizeof p.sha384);
		read_hex(take_field(&line), p.sha512, sizeof p.sha512);
	}
	buf_fini(&text);
	if (!found)
		fail_msg("no print of %s, %c, %s", chain, place, what);
	return p;
}

#endif
