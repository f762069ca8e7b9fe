/* The responder's answers, as bytes in and bytes out (BE-S1). Queries are written here by hand, so
 * that what cannot be written by a library can be asked as well. */
#include "net/dnsserve.h"

#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { A = 1, NS = 2, SOA = 6, PTR = 12, MX = 15, TXT = 16, AAAA = 28, SRV = 33, TLSA = 52 };
enum { TKEY = 249, IXFR = 251, AXFR = 252, ANY = 255, IN = 1, CH = 3, CLASS_ANY = 255 };
enum { NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED };

static struct dnsserve_host extra[3];
static struct dnsserve_config config;

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage sa = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&sa;
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
		sa.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
		sa.ss_family = AF_INET6;
	return sa;
}

static struct dnsserve_host host(const char *name, const char *addr)
{
	struct dnsserve_host h = {.addr = address(addr)};
	assert_false(err_is(domain_parse(slice_str(name), &h.name)));
	return h;
}

static int set_up(void **state)
{
	(void)state;
	extra[0] = host("db.hosting.example", "10.0.0.7");
	extra[1] = host("db.hosting.example", "10.0.0.8");
	extra[2] = host("push.hosting.example", "2001:db8::7");
	config = (struct dnsserve_config){.egress_port = 5275,
		.egress_addr = {address("127.0.0.1"), address("10.1.1.1")},
		.egress_addr_count = 2,
		.extra = extra,
		.extra_count = 3,
		.ttl = 30};
	assert_false(
		err_is(domain_parse(SLICE_LIT("egress.fedgate.example"), &config.egress_name)));
	return 0;
}

/* ---- queries ---- */

struct query {
	unsigned char bytes[2000];
	size_t len;
};

static void put16(struct query *q, unsigned n)
{
	q->bytes[q->len++] = (unsigned char)(n >> 8);
	q->bytes[q->len++] = (unsigned char)n;
}

static void put_name(struct query *q, const char *name)
{
	while (*name) {
		size_t label = strcspn(name, ".");
		q->bytes[q->len++] = (unsigned char)label;
		memcpy(q->bytes + q->len, name, label);
		q->len += label;
		name += label + (name[label] == '.');
	}
	q->bytes[q->len++] = 0;
}

/* RD set, one question. */
static struct query ask(const char *name, unsigned type, unsigned class)
{
	struct query q = {.len = 0};
	put16(&q, 0xbeef);
	put16(&q, 0x0100);
	put16(&q, 1);
	for (int i = 0; i < 3; i++)
		put16(&q, 0);
	put_name(&q, name);
	put16(&q, type);
	put16(&q, class);
	return q;
}

static struct query with_edns(struct query q, unsigned size, unsigned version, bool do_bit)
{
	q.bytes[11]++; /* ARCOUNT */
	q.bytes[q.len++] = 0;
	put16(&q, 41);
	put16(&q, size);
	put16(&q, version);
	put16(&q, do_bit ? 0x8000 : 0);
	put16(&q, 0);
	return q;
}

/* ---- replies ---- */

struct reply {
	enum dnsserve_result result;
	struct buf bytes;
	ldns_pkt *pkt; /* NULL when there is none */
};

static struct reply get_max(struct query q, size_t max)
{
	struct reply r = {.pkt = NULL};
	buf_init(&r.bytes, BUF_UNLIMITED);
	r.result = dnsserve_answer(&config, slice_of(q.bytes, q.len), max, &r.bytes);
	struct slice s = buf_peek(&r.bytes);
	if (r.result == DNSSERVE_ANSWER) {
		assert_int_equal(
			ldns_wire2pkt(&r.pkt, (const uint8_t *)s.ptr, s.len), LDNS_STATUS_OK);
		/* What every reply is: a response to that id, never authentic data. */
		assert_memory_equal(s.ptr, q.bytes, 2);
		assert_true(ldns_pkt_qr(r.pkt));
		assert_false(ldns_pkt_ad(r.pkt));
	}
	return r;
}

static struct reply get(struct query q)
{
	return get_max(q, DNSSERVE_UDP_MAX);
}

static void drop(struct reply *r)
{
	buf_fini(&r->bytes);
	ldns_pkt_free(r->pkt);
}

/* The answer section as "TYPE DATA; TYPE DATA". */
static const char *answers(const struct reply *r)
{
	static char text[1000];
	text[0] = '\0';
	ldns_rr_list *list = ldns_pkt_answer(r->pkt);
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		ldns_rr *rr = ldns_rr_list_rr(list, i);
		char *type = ldns_rr_type2str(ldns_rr_get_type(rr));
		size_t at = strlen(text);
		snprintf(text + at, sizeof text - at, "%s%s", i ? "; " : "", type);
		for (size_t j = 0; j < ldns_rr_rd_count(rr); j++) {
			char *data = ldns_rdf2str(ldns_rr_rdf(rr, j));
			at = strlen(text);
			snprintf(text + at, sizeof text - at, " %s", data);
			free(data);
		}
		free(type);
	}
	return text;
}

static bool has_soa(const struct reply *r)
{
	ldns_rr_list *list = ldns_pkt_authority(r->pkt);
	return ldns_rr_list_rr_count(list) == 1 &&
	       ldns_rr_get_type(ldns_rr_list_rr(list, 0)) == LDNS_RR_TYPE_SOA;
}

/* ---- tests ---- */

/* BE-S1, and backends.md's finding that an AAAA asked for must be empty, not refused. */
static void names_of_the_table_are_answered(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned type;
		int rcode;
		const char *answers; /* "": none, and an SOA stands in the authority section */
	} rows[] = {
		{"_xmpp-server._tcp.mordor.example", SRV, NOERROR,
			"SRV 0 0 5275 egress.fedgate.example."},
		{"_xmpp-server._tcp.example", SRV, NOERROR, "SRV 0 0 5275 egress.fedgate.example."},
		{"_xmpp-server._tcp.a.b.c.d.mordor.example", SRV, NOERROR,
			"SRV 0 0 5275 egress.fedgate.example."},
		{"_XMPP-Server._TCP.mordor.example", SRV, NOERROR,
			"SRV 0 0 5275 egress.fedgate.example."},
		{"_xmpp-server._tcp.mordor.example", A, NOERROR, ""},
		{"_xmpp-server._tcp.mordor.example", TXT, NOERROR, ""},
		{"_xmpps-server._tcp.mordor.example", SRV, NXDOMAIN, ""},
		{"_xmpps-server._tcp.mordor.example", A, NXDOMAIN, ""},
		{"_5275._tcp.egress.fedgate.example", TLSA, NXDOMAIN, ""},
		{"_5269._tcp.mordor.example", TLSA, NXDOMAIN, ""},
		{"egress.fedgate.example", A, NOERROR, "A 127.0.0.1; A 10.1.1.1"},
		{"EGRESS.Fedgate.Example", A, NOERROR, "A 127.0.0.1; A 10.1.1.1"},
		{"egress.fedgate.example", AAAA, NOERROR, ""},
		{"egress.fedgate.example", MX, NOERROR, ""},
		{"egress.fedgate.example", SOA, NOERROR, ""},
		{"db.hosting.example", A, NOERROR, "A 10.0.0.7; A 10.0.0.8"},
		{"db.hosting.example", AAAA, NOERROR, ""},
		{"push.hosting.example", AAAA, NOERROR, "AAAA 2001:db8::7"},
		{"push.hosting.example", A, NOERROR, ""},
		{"push.hosting.example", TXT, NOERROR, ""},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct reply r = get(ask(rows[i].name, rows[i].type, IN));
		assert_int_equal(r.result, DNSSERVE_ANSWER);
		assert_int_equal(ldns_pkt_get_rcode(r.pkt), rows[i].rcode);
		assert_string_equal(answers(&r), rows[i].answers);
		assert_int_equal(has_soa(&r), !*rows[i].answers);
		assert_true(ldns_pkt_aa(r.pkt));
		assert_true(ldns_pkt_ra(r.pkt));
		assert_false(ldns_pkt_tc(r.pkt));
		drop(&r);
	}
}

static void other_names_are_the_callers_to_decide(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned type;
	} rows[] = {
		{"mordor.example", A},
		{"mordor.example", AAAA},
		{"mordor.example", TXT},
		{"_xmpp-client._tcp.mordor.example", SRV},
		{"_xmpp-server._udp.mordor.example", SRV},
		{"x_xmpp-server._tcp.mordor.example", SRV},
		{"_xmpp-server._tcp", SRV}, /* no name behind the service */
		{"_tcp.mordor.example", A},
		{"fedgate.example", A},
		{"x.egress.fedgate.example", A},
		{"egress.fedgate.example.example", A},
		{"xdb.hosting.example", A},
		{"1.0.0.127.in-addr.arpa", PTR},
		{"", NS},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct query q = ask(rows[i].name, rows[i].type, IN);
		struct reply r = get(q);
		assert_int_equal(r.result, DNSSERVE_ASK);
		assert_int_equal(
			dnsserve_refuse(slice_of(q.bytes, q.len), &r.bytes), DNSSERVE_ANSWER);
		struct slice s = buf_peek(&r.bytes);
		ldns_pkt *pkt;
		assert_int_equal(
			ldns_wire2pkt(&pkt, (const uint8_t *)s.ptr, s.len), LDNS_STATUS_OK);
		assert_int_equal(ldns_pkt_get_rcode(pkt), REFUSED);
		assert_int_equal(ldns_pkt_ancount(pkt), 0);
		assert_int_equal(ldns_pkt_qdcount(pkt), 1);
		assert_false(ldns_pkt_aa(pkt));
		ldns_pkt_free(pkt);
		drop(&r);
	}
}

static void what_is_never_answered_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned type, class;
	} rows[] = {
		{"egress.fedgate.example", A, CH},
		{"egress.fedgate.example", A, CLASS_ANY},
		{"egress.fedgate.example", A, 0},
		{"version.bind", TXT, CH},
		{"egress.fedgate.example", ANY, IN}, /* no amplifier */
		{"_xmpp-server._tcp.mordor.example", ANY, IN},
		{"egress.fedgate.example", AXFR, IN},
		{"egress.fedgate.example", IXFR, IN},
		{"egress.fedgate.example", TKEY, IN},
		{"_xmpp-server._tcp.mordor.example", SRV, CH},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct reply r = get(ask(rows[i].name, rows[i].type, rows[i].class));
		assert_int_equal(r.result, DNSSERVE_ANSWER);
		assert_int_equal(ldns_pkt_get_rcode(r.pkt), REFUSED);
		assert_int_equal(ldns_pkt_ancount(r.pkt), 0);
		assert_false(ldns_pkt_aa(r.pkt));
		drop(&r);
	}
}

/* Each row changes one byte of a good query, or its length. */
static void what_is_no_query_is_dropped_or_named(void **state)
{
	(void)state;
	enum { KEEP = -1, DROPPED = -2 };
	static const struct {
		int at; /* byte to change; KEEP: none */
		int value;
		int cut;    /* length; KEEP: all of it */
		int result; /* rcode or DROPPED */
	} rows[] = {
		{KEEP, 0, KEEP, NOERROR}, {KEEP, 0, 0, DROPPED},
		{KEEP, 0, 11, DROPPED},    /* less than a header */
		{2, 0x81, KEEP, DROPPED},  /* a response: two responders would talk for ever */
		{2, 0xa1, KEEP, DROPPED},  /* a response of another opcode */
		{2, 0x09, KEEP, NOTIMP},   /* IQUERY */
		{2, 0x11, KEEP, NOTIMP},   /* STATUS */
		{2, 0x21, KEEP, NOTIMP},   /* NOTIFY */
		{2, 0x29, KEEP, NOTIMP},   /* UPDATE */
		{2, 0x79, KEEP, NOTIMP},   /* opcode 15 */
		{5, 0, KEEP, FORMERR},     /* no question */
		{5, 2, KEEP, FORMERR},     /* two questions promised, one there */
		{7, 1, KEEP, FORMERR},     /* an answer promised */
		{9, 1, KEEP, FORMERR},     /* an authority promised */
		{11, 1, KEEP, FORMERR},    /* an additional record promised */
		{12, 64, KEEP, FORMERR},   /* a label of a reserved kind */
		{12, 0xc0, KEEP, FORMERR}, /* a pointer out of the message */
		{KEEP, 0, 12, FORMERR},    /* a header alone */
		{KEEP, 0, 20, FORMERR},    /* the name is cut */
		{KEEP, 0, 39, FORMERR},    /* the class is cut */
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct query q = ask("egress.fedgate.example", A, IN);
		assert_int_equal(q.len, 40);
		if (rows[i].at != KEEP)
			q.bytes[rows[i].at] = (unsigned char)rows[i].value;
		if (rows[i].cut != KEEP)
			q.len = (size_t)rows[i].cut;
		struct reply r = get(q);
		if (rows[i].result == DROPPED) {
			assert_int_equal(r.result, DNSSERVE_DROP);
		} else {
			assert_int_equal(r.result, DNSSERVE_ANSWER);
			assert_int_equal(ldns_pkt_get_rcode(r.pkt), rows[i].result);
			assert_int_equal(ldns_pkt_get_opcode(r.pkt), q.bytes[2] >> 3 & 15);
			assert_true(ldns_pkt_rd(r.pkt));
		}
		if (rows[i].result == FORMERR || rows[i].result == NOTIMP)
			assert_int_equal(buf_len(&r.bytes), 12);
		drop(&r);
	}
}

/* RFC 9619: a query has one question. */
static void two_whole_questions_are_a_format_error(void **state)
{
	(void)state;
	struct query q = ask("egress.fedgate.example", A, IN);
	q.bytes[5] = 2;
	put_name(&q, "mordor.example");
	put16(&q, A);
	put16(&q, IN);
	struct reply r = get(q);
	assert_int_equal(r.result, DNSSERVE_ANSWER);
	assert_int_equal(ldns_pkt_get_rcode(r.pkt), FORMERR);
	drop(&r);
}

static void a_query_with_an_answer_or_authority_in_it_is_a_format_error(void **state)
{
	(void)state;
	for (int counter = 7; counter <= 9; counter += 2) { /* low bytes of ANCOUNT, NSCOUNT */
		struct query q = ask("egress.fedgate.example", A, IN);
		q.bytes[counter] = 1;
		put16(&q, 0xc00c);
		put16(&q, A);
		put16(&q, IN);
		for (int i = 0; i < 2; i++)
			put16(&q, 0);
		put16(&q, 4);
		for (int i = 0; i < 2; i++)
			put16(&q, 0x7f00);
		struct reply r = get(q);
		assert_int_equal(r.result, DNSSERVE_ANSWER);
		assert_int_equal(ldns_pkt_get_rcode(r.pkt), FORMERR);
		drop(&r);
	}
}

static void a_name_that_points_at_itself_ends(void **state)
{
	(void)state;
	struct query q = ask("", A, IN);
	q.len = 12;
	put16(&q, 0xc00c);
	put16(&q, A);
	put16(&q, IN);
	struct reply r = get(q);
	assert_int_equal(r.result, DNSSERVE_ANSWER);
	assert_int_equal(ldns_pkt_get_rcode(r.pkt), FORMERR);
	drop(&r);
}

/* Resolvers mix the case of letters to make forging harder, and want it back. */
static void the_question_comes_back_in_its_own_letters(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned type;
	} rows[] = {
		{"_xMpP-sErVer._TcP.MoRdOr.ExAmPlE", SRV},
		{"_xMpPs-sErVer._TcP.MoRdOr.ExAmPlE", SRV},
		{"EgResS.fEdGaTe.ExAmPlE", A},
		{"EgResS.fEdGaTe.ExAmPlE", AAAA},
		{"EgResS.fEdGaTe.ExAmPlE", AXFR},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct query q = ask(rows[i].name, rows[i].type, IN);
		struct reply r = get(q);
		assert_int_equal(r.result, DNSSERVE_ANSWER);
		assert_true(buf_len(&r.bytes) >= q.len);
		assert_memory_equal(buf_peek(&r.bytes).ptr + 12, q.bytes + 12, q.len - 12);
		drop(&r);
	}
}

static const char *longest_name(char *out, size_t size)
{
	snprintf(out, size, "_xmpp-server._tcp.");
	for (int i = 0; i < 3; i++) {
		size_t at = strlen(out);
		memset(out + at, 'a' + i, 63);
		snprintf(out + at + 63, size - at - 63, ".");
	}
	size_t at = strlen(out);
	memset(out + at, 'z', 253 - at);
	out[253] = '\0';
	return out;
}

static void set_longest_egress_name(void)
{
	char name[300];
	longest_name(name, sizeof name);
	assert_false(err_is(domain_parse(slice_str(name + 18), &config.egress_name)));
}

/* Two names of full length do not fit into 512 bytes. */
static void what_does_not_fit_is_cut_and_says_so(void **state)
{
	(void)state;
	char name[300];
	longest_name(name, sizeof name);
	set_longest_egress_name();
	static const struct {
		size_t max;
		unsigned edns; /* 0: none */
		bool whole;
	} rows[] = {
		{DNSSERVE_UDP_MAX, 0, false}, /* RFC 1035 4.2.1: 512 */
		{DNSSERVE_UDP_MAX, 512, false},
		{DNSSERVE_UDP_MAX, 16, false}, /* RFC 6891 6.2.3: as 512 */
		{DNSSERVE_UDP_MAX, 1232, true},
		{DNSSERVE_UDP_MAX, 65535, true},
		{DNSSERVE_TCP_MAX, 0, true},
		{DNSSERVE_TCP_MAX, 512, true},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct query q = ask(name, SRV, IN);
		if (rows[i].edns)
			q = with_edns(q, rows[i].edns, 0, false);
		struct reply r = get_max(q, rows[i].max);
		assert_int_equal(r.result, DNSSERVE_ANSWER);
		assert_int_equal(ldns_pkt_get_rcode(r.pkt), NOERROR);
		assert_int_equal(ldns_pkt_tc(r.pkt), !rows[i].whole);
		assert_int_equal(ldns_pkt_ancount(r.pkt), rows[i].whole);
		assert_true(rows[i].whole || buf_len(&r.bytes) <= 512);
		drop(&r);
	}
}

/* 100 addresses: 1,600 bytes and more, and the client says that it could take them. */
static void no_datagram_is_longer_than_1232_bytes(void **state)
{
	(void)state;
	struct sockaddr_storage many[100];
	for (size_t i = 0; i < 100; i++)
		many[i] = address("10.0.0.1");
	struct dnsserve_found found = {DNSSERVE_FOUND, many, 100, 60};
	struct query q = with_edns(ask("mordor.example", A, IN), 65535, 0, false);
	struct buf reply;
	buf_init(&reply, BUF_UNLIMITED);
	assert_int_equal(
		dnsserve_looked_up(slice_of(q.bytes, q.len), &found, DNSSERVE_UDP_MAX, &reply),
		DNSSERVE_ANSWER);
	assert_true(buf_len(&reply) <= 1232);
	assert_true(buf_peek(&reply).ptr[2] & 0x02); /* TC */
	assert_int_equal(
		dnsserve_looked_up(slice_of(q.bytes, q.len), &found, DNSSERVE_TCP_MAX, &reply),
		DNSSERVE_ANSWER);
	assert_true(buf_len(&reply) > 1600);
	buf_fini(&reply);
}

static void a_negative_answer_fits_always(void **state)
{
	(void)state;
	char name[300];
	longest_name(name, sizeof name);
	set_longest_egress_name();
	struct reply r = get(ask(name, A, IN));
	assert_int_equal(r.result, DNSSERVE_ANSWER);
	assert_false(ldns_pkt_tc(r.pkt));
	assert_true(has_soa(&r));
	drop(&r);
}

static void edns_is_answered_in_kind(void **state)
{
	(void)state;
	struct reply r = get(ask("egress.fedgate.example", A, IN));
	assert_false(ldns_pkt_edns(r.pkt));
	drop(&r);
	r = get(with_edns(ask("egress.fedgate.example", A, IN), 4096, 0, true));
	assert_true(ldns_pkt_edns(r.pkt));
	assert_int_equal(ldns_pkt_edns_udp_size(r.pkt), 1232);
	assert_true(ldns_pkt_edns_do(r.pkt)); /* RFC 3225 3 */
	drop(&r);
	r = get(with_edns(ask("egress.fedgate.example", A, IN), 4096, 0, false));
	assert_false(ldns_pkt_edns_do(r.pkt));
	drop(&r);
}

/* RFC 6891 6.1.3 and 6.1.1. */
static void another_edns_version_or_two_of_them_are_errors(void **state)
{
	(void)state;
	struct reply r = get(with_edns(ask("egress.fedgate.example", A, IN), 4096, 1, false));
	assert_int_equal(r.result, DNSSERVE_ANSWER);
	assert_int_equal(ldns_pkt_edns_extended_rcode(r.pkt), 1); /* 16: BADVERS */
	assert_int_equal(ldns_pkt_get_rcode(r.pkt), 0);
	assert_int_equal(ldns_pkt_edns_version(r.pkt), 0);
	assert_int_equal(ldns_pkt_ancount(r.pkt), 0);
	drop(&r);
	struct query q = with_edns(ask("egress.fedgate.example", A, IN), 4096, 0, false);
	r = get(with_edns(q, 4096, 0, false));
	assert_int_equal(r.result, DNSSERVE_ANSWER);
	assert_int_equal(ldns_pkt_get_rcode(r.pkt), FORMERR);
	drop(&r);
}

/* RFC 2308 5: the lesser of the SOA's TTL and its last field. */
static void answers_and_their_absence_are_kept_for_30_seconds(void **state)
{
	(void)state;
	struct reply r = get(ask("egress.fedgate.example", A, IN));
	assert_int_equal(ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(r.pkt), 0)), 30);
	drop(&r);
	r = get(ask("_xmpps-server._tcp.mordor.example", SRV, IN));
	ldns_rr *soa = ldns_rr_list_rr(ldns_pkt_authority(r.pkt), 0);
	assert_int_equal(ldns_rr_ttl(soa), 30);
	assert_int_equal(ldns_rdf2native_int32(ldns_rr_rdf(soa, 6)), 30);
	assert_int_equal(ldns_rdf_size(ldns_rr_owner(soa)), 1); /* the root is above every name */
	drop(&r);
}

static void checking_disabled_is_given_back_and_ad_is_not(void **state)
{
	(void)state;
	struct query q = ask("egress.fedgate.example", A, IN);
	q.bytes[3] = 0x30; /* AD and CD (RFC 4035 3.2.2, 3.2.3) */
	struct reply r = get(q);
	assert_true(ldns_pkt_cd(r.pkt));
	assert_false(ldns_pkt_ad(r.pkt));
	drop(&r);
}

static void what_was_looked_up_is_told_without_ad(void **state)
{
	(void)state;
	struct sockaddr_storage both[2] = {address("192.0.2.7"), address("2001:db8::1")};
	static const struct {
		unsigned type;
		int status, rcode;
		const char *answers;
		bool soa;
	} rows[] = {
		{A, DNSSERVE_FOUND, NOERROR, "A 192.0.2.7", false},
		{AAAA, DNSSERVE_FOUND, NOERROR, "AAAA 2001:db8::1", false},
		{A, DNSSERVE_NO_DATA, NOERROR, "", true},
		{A, DNSSERVE_NO_NAME, NXDOMAIN, "", true},
		{A, DNSSERVE_FAILED, SERVFAIL, "", false},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct query q = ask("Mordor.example", rows[i].type, IN);
		q.bytes[3] = 0x20; /* AD */
		struct dnsserve_found found = {.addr = both, .count = 2, .ttl = 77};
		found.status = (unsigned)rows[i].status;
		struct reply r = {.pkt = NULL};
		buf_init(&r.bytes, BUF_UNLIMITED);
		assert_int_equal(dnsserve_looked_up(slice_of(q.bytes, q.len), &found,
					 DNSSERVE_UDP_MAX, &r.bytes),
			DNSSERVE_ANSWER);
		struct slice s = buf_peek(&r.bytes);
		assert_int_equal(
			ldns_wire2pkt(&r.pkt, (const uint8_t *)s.ptr, s.len), LDNS_STATUS_OK);
		assert_int_equal(ldns_pkt_get_rcode(r.pkt), rows[i].rcode);
		assert_string_equal(answers(&r), rows[i].answers);
		assert_int_equal(has_soa(&r), rows[i].soa);
		assert_false(ldns_pkt_ad(r.pkt));
		assert_false(ldns_pkt_aa(r.pkt));
		if (*rows[i].answers)
			assert_int_equal(
				ldns_rr_ttl(ldns_rr_list_rr(ldns_pkt_answer(r.pkt), 0)), 77);
		drop(&r);
	}
}

static void only_hosts_can_be_looked_up(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned type;
		int family; /* 0: not */
	} rows[] = {
		{"Mordor.example", A, AF_INET},
		{"mordor.example", AAAA, AF_INET6},
		{"mordor.example", TXT, 0},
		{"_xmpp-client._tcp.mordor.example", SRV, 0},
		{"mor\\dor.example", A, 0},
		{"mor dor.example", A, 0},
		{"", A, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct query q = ask(rows[i].name, rows[i].type, IN);
		struct domain d;
		int family;
		bool can = dnsserve_asks_address(slice_of(q.bytes, q.len), &d, &family);
		assert_int_equal(can, rows[i].family != 0);
		if (can) {
			assert_int_equal(family, rows[i].family);
			assert_string_equal(d.name, "mordor.example");
		}
	}
}

/* xorshift: the same bytes at every run. */
static uint32_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return (uint32_t)(*s >> 16);
}

static void check_any(struct query q)
{
	struct buf reply;
	struct domain d;
	int family;
	struct slice s = slice_of(q.bytes, q.len);
	buf_init(&reply, BUF_UNLIMITED);
	enum dnsserve_result result = dnsserve_answer(&config, s, DNSSERVE_UDP_MAX, &reply);
	if (result == DNSSERVE_ANSWER) {
		assert_in_range(buf_len(&reply), 12, DNSSERVE_UDP_MAX);
		assert_memory_equal(buf_peek(&reply).ptr, q.bytes, 2);
		assert_true(buf_peek(&reply).ptr[2] & 0x80);
	} else if (result == DNSSERVE_ASK) {
		assert_int_equal(dnsserve_refuse(s, &reply), DNSSERVE_ANSWER);
		(void)dnsserve_asks_address(s, &d, &family);
	} else {
		assert_true(q.len < 12 || q.bytes[2] & 0x80);
	}
	buf_fini(&reply);
}

/* Bytes of nobody's making, and good queries with a few bytes spoilt, which get further. */
static void random_bytes_get_a_bounded_reply_or_none(void **state)
{
	(void)state;
	uint64_t seed = 0x5eed5eed5eed5eed;
	for (int i = 0; i < 100000; i++) {
		struct query q = {.len = next_random(&seed) % 100};
		for (size_t j = 0; j < q.len; j++)
			q.bytes[j] = (unsigned char)next_random(&seed);
		if (q.len > 5 && i % 2)
			q.bytes[2] = q.bytes[3] = q.bytes[4] = 0, q.bytes[5] = 1;
		check_any(q);
	}
	for (int i = 0; i < 100000; i++) {
		struct query q =
			ask(i % 2 ? "_xmpp-server._tcp.mordor.example" : "egress.fedgate.example",
				i % 3 ? SRV : A, IN);
		q = i % 5 ? with_edns(q, next_random(&seed) & 0xffff, 0, true) : q;
		for (uint32_t n = next_random(&seed) % 4; n > 0; n--)
			q.bytes[next_random(&seed) % q.len] = (unsigned char)next_random(&seed);
		if (i % 7 == 0)
			q.len = next_random(&seed) % (q.len + 1);
		check_any(q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(names_of_the_table_are_answered, set_up),
		cmocka_unit_test_setup(other_names_are_the_callers_to_decide, set_up),
		cmocka_unit_test_setup(what_is_never_answered_is_refused, set_up),
		cmocka_unit_test_setup(what_is_no_query_is_dropped_or_named, set_up),
		cmocka_unit_test_setup(two_whole_questions_are_a_format_error, set_up),
		cmocka_unit_test_setup(
			a_query_with_an_answer_or_authority_in_it_is_a_format_error, set_up),
		cmocka_unit_test_setup(a_name_that_points_at_itself_ends, set_up),
		cmocka_unit_test_setup(the_question_comes_back_in_its_own_letters, set_up),
		cmocka_unit_test_setup(what_does_not_fit_is_cut_and_says_so, set_up),
		cmocka_unit_test_setup(no_datagram_is_longer_than_1232_bytes, set_up),
		cmocka_unit_test_setup(a_negative_answer_fits_always, set_up),
		cmocka_unit_test_setup(edns_is_answered_in_kind, set_up),
		cmocka_unit_test_setup(another_edns_version_or_two_of_them_are_errors, set_up),
		cmocka_unit_test_setup(answers_and_their_absence_are_kept_for_30_seconds, set_up),
		cmocka_unit_test_setup(checking_disabled_is_given_back_and_ad_is_not, set_up),
		cmocka_unit_test_setup(what_was_looked_up_is_told_without_ad, set_up),
		cmocka_unit_test_setup(only_hosts_can_be_looked_up, set_up),
		cmocka_unit_test_setup(random_bytes_get_a_bounded_reply_or_none, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
