/* What the supervisor writes, its workers read as the same thing: property tests over every key.
 * The numbers are drawn from a fixed seed, so that a failure comes back. */
#include "base/mem.h"
#include "tenants/config.h"
#include "tenants/load.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define LONG_LABEL "a-label-of-sixty-three-octets-is-the-longest-that-dns-can-carry"

#define PIN_A "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define PIN_B "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

enum { ROUNDS = 3000, POOL = 8 };

static uint64_t seed = 0x5269;

static size_t draw(size_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)(seed % below);
}

/* Good values of every type; none of them is a default or stands twice. */
static const char *const pools[][POOL] = {
	[TYPE_ADDRS] = {"127.0.0.1:1", "[::1]:65535", "192.0.2.7:5269", "[2001:db8::7]:5280",
		"[::ffff:192.0.2.9]:7", "0.0.0.0:8", "[::]:9", "127.0.0.9:10"},
	[TYPE_NETS] = {"10.0.0.0/8", "::/0", "0.0.0.0/0", "192.0.2.7", "2001:db8::/33",
		"::ffff:10.0.0.0/104", "fd00::/8", "198.51.100.128/25"},
	[TYPE_DOMAIN] = {"shire.example", "BREE.example", "m\xc3\xbcnchen.example",
		"xn--mnchen-3ya.example", LONG_LABEL ".example", "\xe4\xbe\x8b.example",
		"a.b.c.d.e.f.example", "x1.example."},
	[TYPE_DOMAINS] = {"one.example", "two.example",
		"b\xc3\xbc"
		"cher.example",
		LONG_LABEL ".example", "\xe4\xbe\x8b.example", "conference.shire.example",
		"x.example.", "Y.example"},
	[TYPE_PATH] = {"a", "/a/b", "../up/one.pem", "with space.pem", "semi;colon.pem", "=",
		"\xc3\xa4.pem", "/a[b]#c"},
	[TYPE_COUNT] = {"1", "2", "16", "100", "10000", "65536", "3600", "60"},
	[TYPE_BOOL] = {"yes", "no", "yes", "no", "yes", "no", "yes", "no"},
	[TYPE_LEVEL] = {"verified", "secure", "trusted", "verified", "secure", "trusted",
		"verified", "secure"},
	[TYPE_LOG_FORMAT] = {"json", "logfmt", "json", "logfmt", "json", "logfmt", "json",
		"logfmt"},
	[TYPE_LOG_LEVEL] = {"error", "warn", "info", "debug", "error", "warn", "info", "debug"},
	[TYPE_USER] = {"nobody", "_gate", "fg-1", "a", "b", "c", "d", "e"},
	[TYPE_FORWARD] = {"127.0.0.1", "127.0.0.1@5300", "::1", "::1@53", "192.0.2.1@65535",
		"2001:db8::1@1", "192.0.2.1", "192.0.2.2"},
	[TYPE_NAMES] = {"db.example=10.0.0.7", "db.example=fd00::7",
		"m\xc3\xbcnchen.example=10.0.0.8", "a.example=10.0.0.9", "b.example=::1",
		"c.example=192.0.2.1", "d.example=192.0.2.2", "e.example=192.0.2.3"},
	[TYPE_PROOF] = {"certificate", "posh", "dane", "certificate", "posh", "dane", "certificate",
		"posh"},
	[TYPE_PINS] = {"mordor.example=" PIN_A, "mordor.example=" PIN_B,
		"m\xc3\xbcnchen.example=" PIN_A, LONG_LABEL ".example=" PIN_A,
		"xn--mnchen-3ya.example=" PIN_B, "Y.example=" PIN_B, "a.example=" PIN_A,
		"b.example=" PIN_A},
};

static size_t scalar_size(enum config_type type)
{
	switch (type) {
	case TYPE_COUNT:
		return sizeof(unsigned);
	case TYPE_BOOL:
		return sizeof(bool);
	case TYPE_LEVEL:
		return sizeof(enum level);
	case TYPE_PROOF:
		return sizeof(enum tenant_proof);
	case TYPE_LOG_FORMAT:
		return sizeof(enum log_format);
	case TYPE_LOG_LEVEL:
		return sizeof(enum log_level);
	default:
		return 0;
	}
}

static bool items_eq(const void *a, size_t a_count, const void *b, size_t b_count, size_t size)
{
	return a_count == b_count && (a_count == 0 || memcmp(a, b, a_count * size) == 0);
}

static bool text_eq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool field_eq(enum config_type type, const void *a, const void *b)
{
	const struct address_list *aa = a, *ab = b;
	const struct network_list *na = a, *nb = b;
	const struct domain_list *da = a, *db = b;
	const struct pin_list *pa = a, *pb = b;
	if (type == TYPE_ADDRS)
		return items_eq(aa->items, aa->count, ab->items, ab->count, sizeof *aa->items);
	if (type == TYPE_NETS)
		return items_eq(na->items, na->count, nb->items, nb->count, sizeof *na->items);
	if (type == TYPE_DOMAINS)
		return items_eq(da->items, da->count, db->items, db->count, sizeof *da->items);
	if (type == TYPE_PINS)
		return items_eq(pa->items, pa->count, pb->items, pb->count, sizeof *pa->items);
	if (type == TYPE_DOMAIN)
		return domain_eq(a, b);
	if (scalar_size(type))
		return memcmp(a, b, scalar_size(type)) == 0;
	return text_eq(*(char *const *)a, *(char *const *)b);
}

static size_t differing(const struct config *c, const void *a, const void *b, size_t *which)
{
	size_t n = 0;
	for (size_t i = 0; i < c->count; i++) {
		size_t at = c->rows[i].offset;
		if (!field_eq(c->rows[i].type, (const char *)a + at, (const char *)b + at)) {
			*which = i;
			n++;
		}
	}
	return n;
}

static void put(struct buf *out, const char *section, const char *key, bool more, const char *value)
{
	assert_false(
		err_is(buf_printf(out, "[%s]\n%s %s= %s\n", section, key, more ? "+" : "", value)));
}

/* A count must keep within its bounds. */
static const char *draw_value(const struct config_row *row)
{
	unsigned min, max;
	config_bounds(row, &min, &max);
	for (;;) {
		const char *value = pools[row->type][draw(POOL)];
		unsigned long n = row->type == TYPE_COUNT ? strtoul(value, NULL, 10) : min;
		if (n >= min && n <= max)
			return value;
	}
}

static void draw_row(const struct config_row *row, struct buf *out)
{
	size_t first = draw(POOL), count = value_is_list(row->type) ? 1 + draw(POOL) : 1;
	if (count == 1) {
		put(out, row->section, row->key, false, draw_value(row));
		return;
	}
	for (size_t i = 0; i < count; i++)
		put(out, row->section, row->key, i > 0, pools[row->type][(first + i) % POOL]);
}

static void draw_text(const struct config *c, struct buf *out)
{
	bool second = draw(2), next = draw(2);
	for (size_t i = 0; i < c->count; i++) {
		bool pair = strstr(c->rows[i].key, "_2") != NULL;
		bool follows = c == &tenant_config && strstr(c->rows[i].key, "next_") != NULL;
		bool must = config_required_here(c, &c->rows[i], NULL);
		if (pair ? second : follows ? next : must || draw(2))
			draw_row(&c->rows[i], out);
	}
}

static void draw_id(struct file_id *id)
{
	*id = (struct file_id){draw(UINT32_MAX), draw(SIZE_MAX), draw(SIZE_MAX),
		(int64_t)draw(SIZE_MAX), -(int64_t)draw(UINT32_MAX)};
}

static struct tenant *read_tenant(struct buf *text, const char *base_dir)
{
	struct faults f;
	faults_init(&f);
	struct tenant *t = load_tenant_text(buf_peek(text), "x.ini", base_dir, false, NULL, &f);
	if (!t)
		print_error("%s\n%s\n", buf_cstr(text), buf_cstr(&f.text));
	faults_fini(&f);
	return t;
}

/* A domain that is drawn for `domain` may be drawn for `domains` too, which is a fault. */
static struct tenant *draw_tenant(void)
{
	for (;;) {
		struct faults f;
		struct buf text;
		buf_init(&text, BUF_UNLIMITED);
		faults_init(&f);
		draw_text(&tenant_config, &text);
		struct tenant *t =
			load_tenant_text(buf_peek(&text), "x.ini", "/base", false, NULL, &f);
		bool twice = f.count == 1 && strstr(buf_cstr(&f.text), "which `domain` holds");
		if (!t && !twice)
			print_error("%s\n%s\n", buf_cstr(&text), buf_cstr(&f.text));
		assert_true(t || twice);
		buf_fini(&text);
		faults_fini(&f);
		if (t)
			return t;
	}
}

static void a_tenant_is_read_as_it_was_written(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		struct buf text;
		size_t which = 0;
		struct tenant *t = draw_tenant();
		t->number = (uint32_t)draw(UINT32_MAX);
		draw_id(&t->certificate_id);
		draw_id(&t->key_id);
		draw_id(&t->certificate2_id);
		draw_id(&t->key2_id);
		draw_id(&t->ca_id);
		draw_id(&t->next_certificate_id);
		draw_id(&t->next_key_id);
		draw_id(&t->previous_certificate_id);
		if (draw(2))
			t->previous_certificate = mem_strdup("/state/previous.pem");
		buf_init(&text, BUF_UNLIMITED);
		tenant_write(t, &text);
		struct tenant *again = read_tenant(&text, "/elsewhere");
		assert_non_null(again);
		assert_int_equal(differing(&tenant_config, t, again, &which), 0);
		assert_int_equal(again->number, t->number);
		assert_true(file_id_eq(&again->certificate_id, &t->certificate_id));
		assert_true(file_id_eq(&again->key_id, &t->key_id));
		assert_true(file_id_eq(&again->certificate2_id, &t->certificate2_id));
		assert_true(file_id_eq(&again->key2_id, &t->key2_id));
		assert_true(file_id_eq(&again->ca_id, &t->ca_id));
		assert_true(file_id_eq(&again->next_certificate_id, &t->next_certificate_id));
		assert_true(file_id_eq(&again->next_key_id, &t->next_key_id));
		assert_true(
			file_id_eq(&again->previous_certificate_id, &t->previous_certificate_id));
		assert_true(text_eq(again->previous_certificate, t->previous_certificate));
		tenant_release(again);
		tenant_release(t);
		buf_fini(&text);
	}
}

static void a_gate_is_read_as_it_was_written(void **state)
{
	(void)state;
	size_t loaded = 0;
	for (int i = 0; i < ROUNDS; i++) {
		struct faults f;
		struct buf drawn, text;
		size_t which = 0;
		faults_init(&f);
		buf_init(&drawn, BUF_UNLIMITED);
		buf_init(&text, BUF_UNLIMITED);
		draw_text(&gate_config, &drawn);
		/* Two listeners may have been drawn alike; that is refused and drawn anew. */
		struct gate *g = load_gate_text(buf_peek(&drawn), "x.ini", "/base", &f);
		if (!g)
			assert_non_null(strstr(buf_cstr(&f.text), "is taken by"));
		if (g) {
			gate_write(g, &text);
			struct gate *again =
				load_gate_text(buf_peek(&text), "x.ini", "/elsewhere", &f);
			assert_non_null(again);
			assert_int_equal(differing(&gate_config, g, again, &which), 0);
			gate_free(again);
			loaded++;
		}
		gate_free(g);
		buf_fini(&drawn);
		buf_fini(&text);
		faults_fini(&f);
	}
	assert_true(loaded > ROUNDS / 40);
}

/* Every key reaches its own field and no other. */
static void every_key_of_the_gate_sets_one_field(void **state)
{
	(void)state;
	static const char *const odd[] = {
		[TYPE_COUNT] = "10000", [TYPE_LOG_FORMAT] = "logfmt", [TYPE_LOG_LEVEL] = "debug"};
	struct faults f;
	faults_init(&f);
	struct gate *plain = load_gate_text(SLICE_NONE, "x.ini", "/base", &f);
	assert_non_null(plain);
	for (size_t i = 0; i < gate_config.count; i++) {
		const struct config_row *row = &gate_config.rows[i];
		struct buf text;
		size_t which = SIZE_MAX;
		buf_init(&text, BUF_UNLIMITED);
		bool scalar = row->type < sizeof odd / sizeof *odd && odd[row->type];
		bool workers = strcmp(row->key, "workers") == 0;
		bool small = strstr(row->key, "_seconds") || strstr(row->key, "_per_") ||
			     strcmp(row->key, "posh_fetches") == 0;
		bool off = row->type == TYPE_BOOL && strcmp(row->fallback, "no") == 0;
		put(&text, row->section, row->key, false,
			workers                  ? "3"
			: small                  ? "61"
			: off                    ? "yes"
			: row->type == TYPE_BOOL ? "no"
			: scalar                 ? odd[row->type]
						 : pools[row->type][0]);
		struct gate *g = load_gate_text(buf_peek(&text), "x.ini", "/base", &f);
		assert_string_equal(buf_cstr(&f.text), "");
		assert_int_equal(differing(&gate_config, plain, g, &which), 1);
		assert_int_equal(which, i);
		gate_free(g);
		buf_fini(&text);
	}
	gate_free(plain);
	faults_fini(&f);
}

static struct tenant *tenant_with(const char *more)
{
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	assert_false(err_is(buf_printf(&text,
		"[tenant]\ndomain = shire.example\nbackend = 127.0.0.1:5280\n[tls]\n"
		"certificate = shire.pem\nkey = shire.key\n%s",
		more)));
	struct tenant *t = read_tenant(&text, "/base");
	assert_non_null(t);
	buf_fini(&text);
	return t;
}

static void every_key_of_a_tenant_changes_its_version(void **state)
{
	(void)state;
	static const char *const rows[] = {
		"[tenant]\ndomains = a.example\n",
		"[tenant]\nbackend += 127.0.0.2:5280\n",
		"[tenant]\negress_from = 127.0.0.1\n",
		"[tenant]\nbackend_check = no\n",
		"[tls]\ncertificate_2 = a\nkey_2 = b\n",
		"[tls]\ncertificate_2 = a\nkey_2 = c\n",
		"[policy]\ninbound = trusted\n",
		"[policy]\noutbound = trusted\n",
		"[policy]\nca_file = ca.pem\n",
		"[policy]\nother_names = yes\n",
		"[policy]\npins = mordor.example=" PIN_A "\n",
		"[policy]\npins = mordor.example=" PIN_B "\n",
		"[tenant]\nproof = posh\n",
		"[tenant]\nproof = dane\n",
		"[tls]\nnext_certificate = a\nnext_key = b\n",
		"[tls]\nnext_certificate = a\nnext_key = c\n",
		"[bundle]\nprevious_certificate = /a\n",
		"[bundle]\nprevious_certificate = /b\n",
		"[bundle]\nnext_certificate_id = 1 2 3 4 5\n",
		"[bundle]\nnext_key_id = 1 2 3 4 5\n",
		"[bundle]\nprevious_certificate_id = 1 2 3 4 5\n",
		"[bundle]\ncertificate_id = 1 2 3 4 5\n",
		"[bundle]\nkey_id = 1 2 3 4 5\n",
		"[bundle]\ncertificate_2_id = 1 2 3 4 5\n",
		"[bundle]\nkey_2_id = 1 2 3 4 5\n",
		"[bundle]\nca_id = 1 2 3 4 5\n",
		"[bundle]\nca_id = 1 2 3 4 6\n",
	};
	enum { COUNT = sizeof rows / sizeof *rows };
	uint64_t seen[COUNT + 1];
	struct tenant *t = tenant_with("");
	seen[COUNT] = t->version;
	tenant_release(t);
	for (size_t i = 0; i < COUNT; i++) {
		t = tenant_with(rows[i]);
		seen[i] = t->version;
		tenant_release(t);
		for (size_t j = 0; j < i; j++)
			assert_true(seen[i] != seen[j]);
		assert_true(seen[i] != seen[COUNT]);
	}
}

static void comments_order_and_number_do_not_change_a_version(void **state)
{
	(void)state;
	struct tenant *a = tenant_with("[policy]\ninbound = trusted\noutbound = verified\n");
	struct tenant *b = tenant_with("; words\n[policy]\noutbound=verified ; words\n\n"
				       "inbound = trusted\n[bundle]\nnumber = 77\n");
	assert_true(a->version == b->version);
	assert_int_equal(b->number, 77);
	tenant_release(a);
	tenant_release(b);
}

static void a_bundle_that_was_meddled_with_is_refused(void **state)
{
	(void)state;
	static const char *const rows[] = {"number = -1", "number = 4294967296", "number = 7x",
		"number = 77 7", "key_id = 1 2 3 4", "key_id = 1 2 3 4 5 6", "key_id = a b c d e",
		"previous_certificate = up.pem", "colour = red"};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf text;
		struct faults f;
		faults_init(&f);
		buf_init(&text, BUF_UNLIMITED);
		struct tenant *t = tenant_with("");
		tenant_write(t, &text);
		assert_false(err_is(buf_printf(&text, "%s\n", rows[i])));
		assert_null(load_tenant_text(buf_peek(&text), "x.ini", "/", false, NULL, &f));
		assert_int_equal(f.count, 1);
		tenant_release(t);
		buf_fini(&text);
		faults_fini(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tenant_is_read_as_it_was_written),
		cmocka_unit_test(a_gate_is_read_as_it_was_written),
		cmocka_unit_test(every_key_of_the_gate_sets_one_field),
		cmocka_unit_test(every_key_of_a_tenant_changes_its_version),
		cmocka_unit_test(comments_order_and_number_do_not_change_a_version),
		cmocka_unit_test(a_bundle_that_was_meddled_with_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
