/* What workers and the scout say to each other: whole, and nothing else. */
#include "core/scout_wire.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static struct domain domain(const char *text)
{
	struct domain d = {0};
	assert_false(err_is(domain_parse(slice_str(text), &d)));
	return d;
}

/* ---- samples: one of each kind, and the largest ---- */

static struct answer samples[8];
enum { LARGEST_SRV = 4 };

static void sample_srv(struct answer *a, size_t count)
{
	char name[DOMAIN_MAX + 1];
	memset(name, 'a', sizeof name);
	for (size_t i = 60; i < DOMAIN_MAX; i += 61)
		name[i] = '.';
	name[DOMAIN_MAX] = '\0';
	a->kind = ASK_SRV;
	a->dns = (struct resolve_answer){.status = RESOLVE_DATA,
		.secure = true,
		.ttl = 3600,
		.srv_count = count,
		.srv_dropped = 10000};
	for (size_t i = 0; i < count; i++)
		a->dns.srv[i] = (struct resolve_srv){.priority = 1,
			.weight = 65535,
			.port = (uint16_t)(5269 + i),
			.target = domain(name)};
}

static void sample_addresses(struct answer *a)
{
	a->kind = ASK_ADDR;
	a->dns = (struct resolve_answer){.status = RESOLVE_DATA,
		.secure = true,
		.aliased = true,
		.canonical = domain("canonical.example"),
		.addr_count = 2};
	for (int i = 0; i < 2; i++)
		a->dns.addr[i].ss_family = i ? AF_INET6 : AF_INET;
	inet_pton(AF_INET, "192.0.2.1", &((struct sockaddr_in *)&a->dns.addr[0])->sin_addr);
	inet_pton(AF_INET6, "2001:db8::1", &((struct sockaddr_in6 *)&a->dns.addr[1])->sin6_addr);
}

static void sample_tlsa(struct answer *a)
{
	a->kind = ASK_TLSA;
	a->dns = (struct resolve_answer){.status = RESOLVE_DATA, .secure = true, .ttl = 60};
	a->tlsa.unusable = 7;
	a->tlsa.count = TLSA_RECORDS_MAX;
	for (size_t i = 0; i < a->tlsa.count; i++) {
		a->tlsa.records[i] =
			(struct tlsa_record){.usage = 3, .selector = 1, .mtype = 2, .len = 64};
		memset(a->tlsa.records[i].data, (int)i, 64);
	}
}

static void sample_posh(struct answer *a)
{
	a->kind = ASK_POSH;
	a->posh.not_after = 1900000000;
	memset(a->posh.url, 'u', sizeof a->posh.url - 1);
	a->posh.document.kind = POSH_FINGERPRINTS;
	a->posh.document.expires_s = 86400;
	a->posh.document.weak = 3;
	a->posh.document.count = POSH_PRINTS_MAX;
	for (size_t i = 0; i < POSH_PRINTS_MAX; i++) {
		struct posh_print *p = &a->posh.document.prints[i];
		p->has_256 = i % 3 == 0;
		p->has_384 = i % 3 == 1;
		p->has_512 = i % 3 > 0;
		if (p->has_256)
			memset(p->sha256, 1, sizeof p->sha256);
		if (p->has_384)
			memset(p->sha384, 2, sizeof p->sha384);
		if (p->has_512)
			memset(p->sha512, 3, sizeof p->sha512);
	}
}

static int make_samples(void **state)
{
	(void)state;
	sample_srv(&samples[0], 2);
	samples[0].dns.srv[1].no_service = true;
	samples[0].dns.srv[1].target = (struct domain){0};
	sample_addresses(&samples[1]);
	sample_tlsa(&samples[2]);
	sample_posh(&samples[3]);
	sample_srv(&samples[LARGEST_SRV], RESOLVE_SRV_MAX);
	samples[5].kind = ASK_POSH;
	samples[5].posh.e = err_native(ERR_POSH_NONE, -5);
	samples[6].kind = ASK_ADDR;
	samples[6].dns = (struct resolve_answer){
		.status = RESOLVE_NONE, .secure = true, .nxdomain = true, .ttl = 300};
	samples[7].kind = ASK_TLSA;
	samples[7].dns.status = RESOLVE_BOGUS;
	return 0;
}

static struct slice written(uint32_t serial, const struct answer *a)
{
	static struct buf out;
	buf_fini(&out);
	buf_init(&out, SCOUT_ANSWER_MAX);
	scout_answer_write(serial, a, &out);
	return buf_peek(&out);
}

static void same_srv(const struct resolve_answer *a, const struct resolve_answer *b)
{
	assert_int_equal(a->srv_dropped, b->srv_dropped);
	assert_int_equal(a->srv_count, b->srv_count);
	for (size_t i = 0; i < a->srv_count; i++) {
		assert_int_equal(a->srv[i].priority, b->srv[i].priority);
		assert_int_equal(a->srv[i].weight, b->srv[i].weight);
		assert_int_equal(a->srv[i].port, b->srv[i].port);
		assert_int_equal(a->srv[i].no_service, b->srv[i].no_service);
		assert_string_equal(a->srv[i].target.name, b->srv[i].target.name);
	}
}

static void same(const struct answer *a, const struct answer *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->dns.status, b->dns.status);
	assert_int_equal(a->dns.secure, b->dns.secure);
	assert_int_equal(a->dns.nxdomain, b->dns.nxdomain);
	assert_int_equal(a->dns.ttl, b->dns.ttl);
	assert_int_equal(a->dns.aliased, b->dns.aliased);
	assert_string_equal(a->dns.canonical.name, b->dns.canonical.name);
	assert_int_equal(a->dns.addr_count, b->dns.addr_count);
	assert_memory_equal(a->dns.addr, b->dns.addr, sizeof a->dns.addr);
	same_srv(&a->dns, &b->dns);
	assert_memory_equal(&a->tlsa, &b->tlsa, sizeof a->tlsa);
	assert_memory_equal(&a->posh, &b->posh, sizeof a->posh);
}

/* ---- tests ---- */

static void an_answer_arrives_as_it_was_sent(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct answer got;
		uint32_t serial = 0;
		struct slice m = written(0xfedcba98 + (uint32_t)i, &samples[i]);
		assert_true(scout_answer_read(m, &serial, &got));
		assert_int_equal(serial, 0xfedcba98 + (uint32_t)i);
		same(&samples[i], &got);
	}
}

static void the_largest_answer_fits(void **state)
{
	(void)state;
	assert_in_range(written(1, &samples[LARGEST_SRV]).len, 16000, SCOUT_ANSWER_MAX - 1000);
}

static void a_question_arrives_as_it_was_asked(void **state)
{
	(void)state;
	static const struct {
		enum ask_kind kind;
		uint16_t which;
	} rows[] = {{ASK_SRV, 0}, {ASK_SRV, 3}, {ASK_ADDR, 4}, {ASK_ADDR, 6}, {ASK_TLSA, 1},
		{ASK_TLSA, 65535}, {ASK_POSH, 0}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct buf out;
		struct scout_question got, q = {.serial = 0x80000001,
						   .kind = rows[i].kind,
						   .which = rows[i].which,
						   .name = domain("a.example")};
		buf_init(&out, SCOUT_QUESTION_MAX);
		scout_question_write(&q, &out);
		assert_true(scout_question_read(buf_peek(&out), &got));
		assert_int_equal(got.serial, q.serial);
		assert_int_equal(got.kind, q.kind);
		assert_int_equal(got.which, q.which);
		assert_string_equal(got.name.name, q.name.name);
		buf_fini(&out);
	}
}

static void every_service_has_a_number(void **state)
{
	(void)state;
	for (uint16_t n = 0; scout_service(n); n++)
		assert_int_equal(scout_service_number(scout_service(n)), n);
	assert_string_equal(scout_service(0), "_xmpp-server._tcp");
	assert_null(scout_service(UINT16_MAX));
}

/* 'Q', kind, serial, which, length, name */
static void questions_that_no_worker_would_ask_are_refused(void **state)
{
	(void)state;
#define BAD(text, why)                                                                             \
	{                                                                                          \
		{text, sizeof(text) - 1}, why                                                      \
	}
	static const struct {
		struct slice message;
		const char *why;
	} rows[] = {
		BAD("", "nothing"),
		BAD("A\0\0\0\0\1\0\0\11a.example", "an answer"),
		BAD("Q\4\0\0\0\1\0\0\11a.example", "an unknown kind"),
		BAD("Q\0\0\0\0\1\0\4\11a.example", "an unknown service"),
		BAD("Q\1\0\0\0\1\0\5\11a.example", "an unknown family"),
		BAD("Q\2\0\0\0\1\0\0\11a.example", "port 0"),
		BAD("Q\3\0\0\0\1\0\1\11a.example", "POSH with a port"),
		BAD("Q\0\0\0\0\1\0\0\0", "no name"),
		BAD("Q\0\0\0\0\1\0\0\11a.exampl", "a name cut short"),
		BAD("Q\0\0\0\0\1\0\0\11a.examplee", "something behind the name"),
		BAD("Q\0\0\0\0\1\0\0\11A.example", "a name that is not in its one form"),
		BAD("Q\0\0\0\0\1\0\0\11a..ample.", "empty labels"),
		BAD("Q\0\0\0\0\1\0\0\11a.exa\0ple", "a NUL in the name"),
		BAD("Q\0\0\0\0\1\0\0\11a/b?c#d:e", "a URL in place of a name"), /* P16 */
		BAD("Q\0\0\0\0\1\0\0\11192.0.2.1", "an address in place of a name"),
	};
#undef BAD
	struct scout_question q;
	assert_true(scout_question_read(SLICE_LIT("Q\0\0\0\0\1\0\0\11a.example"), &q));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (scout_question_read(rows[i].message, &q))
			fail_msg("%s: taken", rows[i].why);
	}
}

/* Each row spoils one byte of a good answer. */
static void answers_that_no_scout_would_give_are_refused(void **state)
{
	(void)state;
	enum { SRV, ADDR, TLSA, POSH };
	static const struct {
		int sample;
		size_t at;
		unsigned char value;
		const char *why;
	} rows[] = {
		{SRV, 0, 'Q', "a question"},
		{SRV, 1, 4, "an unknown kind"},
		{SRV, 6, 5, "an unknown status"},
		{SRV, 6, RESOLVE_BOGUS, "bogus, and secure"},
		{SRV, 7, 9, "an unknown flag"},
		{SRV, 16, RESOLVE_SRV_MAX + 1, "too many records"},
		{SRV, 23, 2, "an unknown flag of a record"},
		{SRV, 23, 1, "no service, and a target"},
		{SRV, 25, '.', "a target that is no name"},
		{ADDR, 12, 16, "a shorter name"},
		{ADDR, 30, RESOLVE_ADDR_MAX + 1, "too many addresses"},
		{ADDR, 31, 5, "an address of five bytes"},
		{TLSA, 7, 0, "TLSA without DNSSEC"},
		{TLSA, 16, TLSA_RECORDS_MAX + 1, "too many records"},
		{TLSA, 17, 4, "an unknown usage"},
		{TLSA, 18, 2, "an unknown selector"},
		{TLSA, 19, 3, "an unknown matching type"},
		{TLSA, 19, 1, "a SHA-256 of 64 bytes"},
		{TLSA, 20, 0, "a record without data"},
		{TLSA, 20, TLSA_DATA_MAX + 1, "a record of 65 bytes"},
		{POSH, 6, 0xff, "an unknown reason"},
		{POSH, 282, POSH_PRINTS_MAX + 1, "too many certificates"},
		{POSH, 283, 0, "a certificate without a hash"},
		{POSH, 283, 8, "an unknown hash"},
		{POSH, 282, 0, "a document without certificates"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct slice m = written(1, &samples[rows[i].sample]);
		struct answer got;
		uint32_t serial;
		((unsigned char *)(uintptr_t)m.ptr)[rows[i].at] = rows[i].value;
		if (scout_answer_read(m, &serial, &got))
			fail_msg("%s: taken", rows[i].why);
	}
}

/* Well formed, and impossible. */
static void answers_that_say_nothing_are_refused(void **state)
{
	(void)state;
	struct answer rows[] = {
		{.kind = ASK_POSH},                           /* a document without certificates */
		{.kind = ASK_POSH, .posh.document.count = 1}, /* a certificate without a hash */
		{.kind = ASK_TLSA, .dns.secure = true, .tlsa.count = 1}, /* a record without data */
		{.kind = ASK_TLSA, .tlsa.unusable = 1},                  /* without DNSSEC */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct answer got;
		uint32_t serial;
		assert_false(scout_answer_read(written(1, &rows[i]), &serial, &got));
	}
}

static void no_piece_of_an_answer_is_an_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		struct slice m = written(1, &samples[i]);
		struct answer got;
		uint32_t serial;
		for (size_t n = 0; n < m.len; n++)
			assert_false(scout_answer_read(slice_sub(m, 0, n), &serial, &got));
		char more[SCOUT_ANSWER_MAX];
		memcpy(more, m.ptr, m.len);
		more[m.len] = '\0';
		assert_false(scout_answer_read(slice_of(more, m.len + 1), &serial, &got));
	}
}

/* What is read stays in its bounds, whatever the bytes are. */
static void within_bounds(const struct answer *a)
{
	assert_in_range(a->kind, 0, ASK_POSH);
	assert_in_range(a->dns.status, 0, RESOLVE_BOGUS);
	assert_in_range(a->dns.srv_count, 0, RESOLVE_SRV_MAX);
	assert_in_range(a->dns.addr_count, 0, RESOLVE_ADDR_MAX);
	assert_in_range(a->tlsa.count, 0, TLSA_RECORDS_MAX);
	assert_in_range(a->posh.document.count, 0, POSH_PRINTS_MAX);
	assert_in_range(a->posh.e.code, 0, ERR_COUNT - 1);
	assert_non_null(memchr(a->posh.url, '\0', sizeof a->posh.url));
	for (size_t i = 0; i < a->tlsa.count; i++) {
		const struct tlsa_record *r = &a->tlsa.records[i];
		assert_in_range(r->usage, 0, 3);
		assert_in_range(r->selector, 0, 1);
		assert_in_range(r->mtype, 0, 2);
		assert_int_equal(r->len, r->mtype == 2 ? 64 : 32);
	}
	for (size_t i = 0; i < a->dns.srv_count; i++)
		assert_int_equal(strlen(a->dns.srv[i].target.name), a->dns.srv[i].target.len);
}

static void spoilt_bytes_never_lead_out_of_bounds(void **state)
{
	(void)state;
	static struct answer got;
	unsigned taken = 0;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		char bytes[SCOUT_ANSWER_MAX];
		struct slice m = written(1, &samples[round % 4]);
		memcpy(bytes, m.ptr, m.len);
		for (int n = rand() % 4; n >= 0; n--)
			bytes[(size_t)rand() % m.len] = (char)rand();
		uint32_t serial;
		if (!scout_answer_read(slice_of(bytes, m.len), &serial, &got))
			continue;
		taken++;
		within_bounds(&got);
	}
	assert_in_range(taken, 100, 19900); /* the test looked at both */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_arrives_as_it_was_sent),
		cmocka_unit_test(the_largest_answer_fits),
		cmocka_unit_test(a_question_arrives_as_it_was_asked),
		cmocka_unit_test(every_service_has_a_number),
		cmocka_unit_test(questions_that_no_worker_would_ask_are_refused),
		cmocka_unit_test(answers_that_no_scout_would_give_are_refused),
		cmocka_unit_test(answers_that_say_nothing_are_refused),
		cmocka_unit_test(no_piece_of_an_answer_is_an_answer),
		cmocka_unit_test(spoilt_bytes_never_lead_out_of_bounds),
	};
	return cmocka_run_group_tests(tests, make_samples, NULL);
}
