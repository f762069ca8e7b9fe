/* Stanzas: what they are, whose they are, and how one is answered with an error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xmpp/stanza.h"

#include "../lib/scanned.h"
#include "../lib/xmlcheck.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define ERR_NS       "urn:ietf:params:xml:ns:xmpp-stanzas"
#define ERROR(kind)                                                                                \
	"<error type='" kind "'><%s xmlns='" ERR_NS "'/><text xmlns='" ERR_NS                      \
	"' xml:lang='en'>no &lt;way&gt;</text></error>"

static bool bounce(const char *stanza, const char *condition, struct buf *out)
{
	buf_init(out, BUF_UNLIMITED);
	return stanza_bounce(slice_str(stanza), condition, "no <way>", out);
}

struct answer {
	const char *stanza, *start; /* NULL: not answered */
};

/* RFC 6120 8.3.1: addresses swapped, id kept; ADR-9 */
static void an_error_goes_back_to_the_sender_with_the_same_id(void **state)
{
	(void)state;
	static const struct answer rows[] = {
		{"<message from='a@x.example/r' to='b@y.example' id='1'><body>hi</body></message>",
			"<message from='b@y.example' to='a@x.example/r' id='1' type='error'>"},
		{"<message from='a@x.example' to='b@y.example'/>",
			"<message from='b@y.example' to='a@x.example' type='error'>"},
		{"<iq type='get' to='y.example' from='x.example' id='&lt;&apos;&quot;&gt;'><q "
		 "xmlns='urn:q'/></iq>",
			"<iq from='y.example' to='x.example' id='&lt;&apos;&quot;&gt;' "
			"type='error'>"},
		{"<presence type='subscribe' from='a@x.example' to='b@y.example' id='p'/>",
			"<presence from='b@y.example' to='a@x.example' id='p' type='error'>"},
		{"<message from='&#228;@x.example/a&amp;b' to='b@y.example'/>",
			"<message from='b@y.example' to='\xc3\xa4@x.example/a&amp;b' "
			"type='error'>"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out;
		char want[600];
		assert_true(bounce(rows[i].stanza, "remote-server-timeout", &out));
		int n = snprintf(want, sizeof want, "%s" ERROR("wait"), rows[i].start,
			"remote-server-timeout");
		assert_memory_equal(buf_cstr(&out), want, (size_t)n);
		assert_true(xml_document_fine(buf_peek(&out)));
		buf_fini(&out);
	}
}

struct wanted {
	const char *stanza;
	bool answered;
};

/* ADR-9: no answer to answers, presence only where somebody waits for one */
static void what_is_an_answer_itself_is_not_answered(void **state)
{
	(void)state;
	static const struct wanted rows[] = {
		{"<message %s/>", true},
		{"<message type='chat' %s/>", true},
		{"<message type='groupchat' %s/>", true},
		{"<message type='an-unknown-and-very-long-type' %s/>", true},
		{"<message type='error' %s/>", false},
		{"<message type='e&#114;ror' %s/>", false},
		{"<message type='&#x65;rror' %s/>", false},
		{"<iq type='get' %s/>", true},
		{"<iq type='set' %s/>", true},
		{"<iq type='&#115;et' %s/>", true},
		{"<iq type='result' %s/>", false},
		{"<iq type='error' %s/>", false},
		{"<iq type='' %s/>", false},
		{"<iq %s/>", false},
		{"<presence %s/>", false},
		{"<presence type='unavailable' %s/>", false},
		{"<presence type='subscribe' %s/>", true},
		{"<presence type='subscribed' %s/>", true},
		{"<presence type='unsubscribe' %s/>", true},
		{"<presence type='unsubscribed' %s/>", true},
		{"<presence type='probe' %s/>", true},
		{"<presence type='error' %s/>", false},
		{"<presence type='probe ' %s/>", false},
		{"<presence xmlns:x='urn:x' x:type='probe' %s/>", false},
		{"<message xmlns='jabber:client' %s/>", false},
		{"<x xmlns='urn:x' %s/>", false},
		{"<query %s/>", false},
		{"<message %s>", false},
		{"<message %s", false},
		{"", false},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out;
		char text[200] = "";
		const char *gap = strstr(rows[i].stanza, "%s");
		if (gap)
			snprintf(text, sizeof text, "%.*s%s%s", (int)(gap - rows[i].stanza),
				rows[i].stanza, "from='a@x.example' to='b@y.example' id='1'",
				gap + 2);
		bool answered = bounce(text, "remote-server-timeout", &out);
		if (answered != rows[i].answered)
			print_error("%s\n", text);
		assert_int_equal(answered, rows[i].answered);
		assert_int_equal(buf_len(&out) > 0, answered);
		buf_fini(&out);
	}
}

/* Never an error about an error, however often it goes round. */
static void an_error_of_ours_is_never_answered(void **state)
{
	(void)state;
	struct buf first, second;
	assert_true(bounce(
		"<message from='a@x.example' to='b@y.example'/>", "remote-server-timeout", &first));
	assert_false(bounce(buf_cstr(&first), "remote-server-timeout", &second));
	buf_fini(&first);
	buf_fini(&second);
}

/* What was let in can be answered, however large repair has made it. */
static void a_large_stanza_is_answered_too(void **state)
{
	(void)state;
	enum { BODY = 600 * 1024, TAG = 40 * 1024 };
	char *text = malloc(BODY + TAG + 200);
	struct buf out;
	int n = snprintf(text, 200, "<message from='a@x.example' to='b@y.example' id='1' x='");
	memset(text + n, 'x', TAG);
	n += TAG;
	n += snprintf(text + n, 100, "'><body>");
	memset(text + n, 'b', BODY);
	snprintf(text + n + BODY, 100, "</body></message>");
	assert_true(bounce(text, "policy-violation", &out));
	assert_in_range(buf_len(&out), 100, 1000);
	buf_fini(&out);
	free(text);
}

struct reason {
	enum err_code code;
	const char *condition, *type;
};

/* RFC 6120 10.4.3; XEP-0478 4: policy-violation without `by` */
static void each_reason_has_its_stanza_error(void **state)
{
	(void)state;
	static const struct reason rows[] = {
		{ERR_DNS_NONE, "remote-server-not-found", "cancel"},
		{ERR_DNS_NO_SERVICE, "remote-server-not-found", "cancel"},
		{ERR_DNS_FAILED, "remote-server-timeout", "wait"},
		{ERR_CONNECT, "remote-server-timeout", "wait"},
		{ERR_CERT_EXPIRED, "remote-server-timeout", "wait"},
		{ERR_BACKEND_DOWN, "remote-server-timeout", "wait"},
		{ERR_QUEUE_TIMEOUT, "remote-server-timeout", "wait"},
		{ERR_STANZA_SIZE, "policy-violation", "cancel"},
		{ERR_POLICY, "policy-violation", "cancel"},
		{ERR_ROUTE_PAIR, "policy-violation", "cancel"},
		{ERR_QUEUE_FULL, "resource-constraint", "cancel"},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf out;
		char part[100];
		assert_string_equal(stanza_condition(rows[i].code), rows[i].condition);
		assert_true(bounce("<message from='a@x.example' to='b@y.example'/>",
			stanza_condition(rows[i].code), &out));
		snprintf(part, sizeof part, "<error type='%s'><%s ", rows[i].type,
			rows[i].condition);
		assert_non_null(strstr(buf_cstr(&out), part));
		assert_null(strstr(buf_cstr(&out), " by="));
		buf_fini(&out);
	}
}

/* ADR-6 */
static void what_is_a_stanza_is_told_by_namespace_and_name(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum stanza_kind kind;
	} rows[] = {
		{"<message/>", STANZA_MESSAGE},
		{"<presence/>", STANZA_PRESENCE},
		{"<iq/>", STANZA_IQ},
		{"<p:iq xmlns:p='jabber:server'/>", STANZA_IQ},
		{"<iq xmlns='jabber:client'/>", STANZA_NONE},
		{"<IQ/>", STANZA_NONE},
		{"<iqs/>", STANZA_NONE},
		{"<message xmlns=''/>", STANZA_NONE},
		{"<db:message/>", STANZA_NONE},
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct scan *scan;
		const struct scan_element *e = scanned(&scan, rows[i].text);
		assert_non_null(e);
		assert_int_equal(stanza_kind(e), rows[i].kind);
		scan_free(scan);
	}
}

static void prove(struct pairs *pairs, const char *from, const char *to, enum pair_state how)
{
	struct domain f, t;
	assert_false(err_is(domain_parse(slice_str(from), &f)));
	assert_false(err_is(domain_parse(slice_str(to), &t)));
	pairs_add(pairs, &f, &t)->state = how;
}

struct passing {
	const char *stanza;
	enum err_code want;
	const char *from, *to; /* rewritten, when they are */
};

/* ADR-1..ADR-5, ADR-8, BE-3, ST-9, M02..M04 */
static void a_stanza_goes_only_with_its_own_proven_pair(void **state)
{
	(void)state;
	static const struct passing rows[] = {
		{"<message from='a@x.example' to='b@y.example'/>", ERR_OK, NULL, NULL},
		{"<message from='x.example' to='y.example'/>", ERR_OK, NULL, NULL},
		{"<message from='a@x.example/@/@' to='b@y.example/r@z'/>", ERR_OK, NULL, NULL},
		/* rewritten to the canonical domain, the rest untouched */
		{"<message from='A@X.example/R' to='b@y.example'/>", ERR_OK, "A@x.example/R", NULL},
		{"<message from='a@x.example.' to='b@Y.EXAMPLE./Q'/>", ERR_OK, "a@x.example",
			"b@y.example/Q"},
		/* nothing of the one before sticks to the next */
		{"<message from='a@x.example' to='b@y.example'/>", ERR_OK, NULL, NULL},
		{"<message from='a@x&#46;example' to='b@y.example'/>", ERR_OK, NULL, NULL},
		{"<message from='a@xn--mller-kva.example' to='b@y.example'/>", ERR_OK,
			"a@m\xc3\xbcller.example", NULL},
		{"<message from='a@m\xc3\xbcller.example' to='b@y.example'/>", ERR_OK, NULL, NULL},
		{"<message from='&quot;&apos;&lt;@X.example' to='b@y.example'/>", ERR_OK,
			"\"'<@x.example", NULL},
		/* ADR-2, ADR-4 */
		{"<message from='a@z.example' to='b@y.example'/>", ERR_INVALID_FROM, NULL, NULL},
		{"<message from='a@sub.x.example' to='b@y.example'/>", ERR_INVALID_FROM, NULL,
			NULL},
		{"<message from='a@example' to='b@y.example'/>", ERR_INVALID_FROM, NULL, NULL},
		{"<message from='a@y.example' to='b@x.example'/>", ERR_INVALID_FROM, NULL, NULL},
		{"<message from='a@y.example' to='b@y.example'/>", ERR_INVALID_FROM, NULL, NULL},
		{"<message from='a@x.example.y.example' to='b@y.example'/>", ERR_INVALID_FROM, NULL,
			NULL},
		/* a slash or an at sign that is only seen once its reference is read */
		{"<message from='z.example&#47;@x.example' to='b@y.example'/>", ERR_INVALID_FROM,
			NULL, NULL},
		{"<message from='z.example&#x2F;x@x.example/r' to='b@y.example'/>",
			ERR_INVALID_FROM, NULL, NULL},
		{"<message from='a@x.example' to='z.example&#47;@y.example'/>", ERR_PAIR_TO, NULL,
			NULL},
		{"<message from='a&#64;x.example' to='b@y.example'/>", ERR_OK, NULL, NULL},
		/* asked for and not proven: pending, failed */
		{"<message from='a@pending.example' to='b@y.example'/>", ERR_INVALID_FROM, NULL,
			NULL},
		{"<message from='a@verifying.example' to='b@y.example'/>", ERR_INVALID_FROM, NULL,
			NULL},
		{"<message from='a@failed.example' to='b@y.example'/>", ERR_INVALID_FROM, NULL,
			NULL},
		/* ADR-3: the sender is proven, for another `to` */
		{"<message from='a@x.example' to='b@z.example'/>", ERR_PAIR_TO, NULL, NULL},
		{"<message from='a@x.example' to='b@x.example'/>", ERR_PAIR_TO, NULL, NULL},
		{"<message from='a@x.example' to='b@muc.y.example'/>", ERR_PAIR_TO, NULL, NULL},
		/* ADR-1 */
		{"<message to='b@y.example'/>", ERR_ADDRESS, NULL, NULL},
		{"<message from='a@x.example'/>", ERR_ADDRESS, NULL, NULL},
		{"<message from='' to='b@y.example'/>", ERR_ADDRESS, NULL, NULL},
		{"<message from='a@x.example' to=''/>", ERR_ADDRESS, NULL, NULL},
		{"<message from='@x.example' to='b@y.example'/>", ERR_ADDRESS, NULL, NULL},
		{"<message from='a@' to='b@y.example'/>", ERR_ADDRESS, NULL, NULL},
		{"<message from='a@/r' to='b@y.example'/>", ERR_ADDRESS, NULL, NULL},
		{"<message from='/x.example' to='b@y.example'/>", ERR_ADDRESS, NULL, NULL},
		{"<message from='a@x.example/' to='b@y.example'/>", ERR_ADDRESS, NULL, NULL},
		{"<message xmlns:q='urn:q' q:from='a@x.example' to='b@y.example'/>", ERR_ADDRESS,
			NULL, NULL},
		{"<message from='a@b@x.example' to='b@y.example'/>", ERR_DOMAIN, NULL, NULL},
		{"<message from=' a@x.example ' to='b@y.example'/>", ERR_DOMAIN, NULL, NULL},
		{"<message from='a@192.0.2.1' to='b@y.example'/>", ERR_DOMAIN, NULL, NULL},
		{"<message from='a@[::1]' to='b@y.example'/>", ERR_DOMAIN, NULL, NULL},
		{"<message from='a@fa\xc3\x9f.example' to='b@y.example'/>", ERR_DOMAIN_FOLD, NULL,
			NULL},
		/* ST-9 */
		{"<p:message xmlns:p='jabber:server' from='a@x.example' to='b@y.example'/>",
			ERR_STREAM_PREFIX, NULL, NULL},
	};
	struct pairs pairs;
	struct stanza_addresses a;
	pairs_init(&pairs);
	stanza_addresses_init(&a);
	prove(&pairs, "x.example", "y.example", PAIR_VALID);
	prove(&pairs, "m\xc3\xbcller.example", "y.example", PAIR_VALID);
	prove(&pairs, "pending.example", "y.example", PAIR_ASSESSING);
	prove(&pairs, "verifying.example", "y.example", PAIR_VERIFYING);
	prove(&pairs, "failed.example", "y.example", PAIR_FAILED);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct scan *scan;
		struct pair *pair;
		const struct scan_element *e = scanned(&scan, rows[i].stanza);
		assert_non_null(e);
		struct err wrong = stanza_find_pair(e, &pairs, &a, &pair);
		if (wrong.code != rows[i].want)
			print_error("%s: %s\n", rows[i].stanza, err_row(wrong.code)->symbol);
		assert_int_equal(wrong.code, rows[i].want);
		assert_int_equal(pair != NULL, rows[i].want == ERR_OK);
		if (pair) {
			assert_string_equal(
				buf_cstr(&a.from_text), rows[i].from ? rows[i].from : "");
			assert_string_equal(buf_cstr(&a.to_text), rows[i].to ? rows[i].to : "");
		}
		scan_free(scan);
	}
	stanza_addresses_fini(&a);
	pairs_fini(&pairs);
}

/* X30: RFC 7622 3.3, 3.4: 1023 octets are the most of a part. */
static void parts_of_an_address_have_their_limit(void **state)
{
	(void)state;
	static const struct {
		size_t local, resource;
		enum err_code want;
	} rows[] = {
		{1, 1, ERR_OK},
		{1023, 1023, ERR_OK},
		{1024, 1, ERR_ADDRESS},
		{1, 1024, ERR_ADDRESS},
		{8000, 1, ERR_ADDRESS},
	};
	static char local[8001], resource[8001], text[17000];
	struct stanza_addresses a;
	stanza_addresses_init(&a);
	memset(local, 'a', 8000);
	memset(resource, 'r', 8000);
	for (size_t i = 0; i < COUNT(rows); i++) {
		for (int upper = 0; upper < 2; upper++) {
			struct scan *scan;
			snprintf(text, sizeof text, "<iq from='%.*s@%s/%.*s' to='y.example'/>",
				(int)rows[i].local, local, upper ? "X.example" : "x.example",
				(int)rows[i].resource, resource);
			const struct scan_element *e = scanned(&scan, text);
			assert_non_null(e);
			assert_int_equal(stanza_addresses_read(e, &a).code, rows[i].want);
			scan_free(scan);
		}
	}
	stanza_addresses_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_goes_back_to_the_sender_with_the_same_id),
		cmocka_unit_test(what_is_an_answer_itself_is_not_answered),
		cmocka_unit_test(an_error_of_ours_is_never_answered),
		cmocka_unit_test(a_large_stanza_is_answered_too),
		cmocka_unit_test(each_reason_has_its_stanza_error),
		cmocka_unit_test(what_is_a_stanza_is_told_by_namespace_and_name),
		cmocka_unit_test(a_stanza_goes_only_with_its_own_proven_pair),
		cmocka_unit_test(parts_of_an_address_have_their_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
