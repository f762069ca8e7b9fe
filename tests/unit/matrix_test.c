/* S17: every place of both stream machines meets every kind of element. A cell says what comes of
 * it; whatever is in none of the cells cannot happen. No cell proves anybody: that a pair became
 * valid is a failure everywhere, that a stream became ready everywhere but where 'v' stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../lib/rig.h"

#define TLS(name)  "<" name " xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define SASL(name) "<" name " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
#define AUTH(mechanism)                                                                            \
	"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='" mechanism "'>=</auth>"
#define FEATURES(inside) "<stream:features>" inside "</stream:features>"
#define DB(rest)         "<db:" rest
/* Replaced by who speaks and to whom. */
#define PAIR "from='@F' to='@T'"

/* What came of an element. */
enum outcome {
	NOTHING = '-',    /* not a word: the stream is closed already */
	IGNORED = '.',    /* dropped and counted */
	ANSWERED = 'f',   /* a refusal or the next step of ours, and the stream goes on */
	UNEXPECTED = 'U', /* closed: unsupported-stanza-type */
	NOT_AUTHORIZED = 'N',
	ADDRESSING = 'A',
	THEIR_ERROR = 'E', /* closed, because they did */
	NO_TLS = 'R',
	NO_SASL = 'S',
	NO_KEY = 'X',
	START_TLS = 't',
	RESTART = 'r',
	ASSESS = 'a',
	CHECK_KEY = 'k',
	DIALBACK = 'd',
	READY = 'v',
	VERIFIED = 'q',
};

static char close_outcome(enum err_code why)
{
	switch (why) {
	case ERR_UNEXPECTED:
		return UNEXPECTED;
	case ERR_NOT_AUTHORIZED:
		return NOT_AUTHORIZED;
	case ERR_ADDRESS:
		return ADDRESSING;
	case ERR_PEER_STREAM_ERROR:
		return THEIR_ERROR;
	case ERR_STARTTLS_REFUSED:
		return NO_TLS;
	case ERR_SASL:
		return NO_SASL;
	case ERR_DB_REJECTED:
		return NO_KEY;
	default:
		return '?';
	}
}

static char outcome_of(const struct rig *r)
{
	static const struct {
		enum act_kind kind;
		char outcome;
	} acts[] = {
		{ACT_IGNORED, IGNORED},
		{ACT_START_TLS, START_TLS},
		{ACT_RESTART, RESTART},
		{ACT_ASSESS, ASSESS},
		{ACT_CHECK_KEY, CHECK_KEY},
		{ACT_DIALBACK, DIALBACK},
		{ACT_READY, READY},
		{ACT_VERIFIED, VERIFIED},
	};
	for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
		if (rig_did(r, acts[i].kind))
			return acts[i].outcome;
	}
	if (rig_did(r, ACT_CLOSE))
		return close_outcome(rig_why(r, ACT_CLOSE));
	return buf_len(&r->last.out) ? ANSWERED : NOTHING;
}

/* ---- the receiving machine ---- */

enum in_place {
	I_HEADER,     /* nothing read yet */
	I_PLAIN,      /* STARTTLS required */
	I_CLEAR,      /* STARTTLS or dialback in clear */
	I_TLS,        /* proceed is out */
	I_HEADER_TLS, /* the header behind TLS is awaited */
	I_ASSESS,     /* the certificate is being judged */
	I_EXTERNAL,   /* EXTERNAL and dialback offered */
	I_DIALBACK,   /* dialback offered */
	I_PENDING,    /* the pair's key is in question; EXTERNAL was offered too */
	I_RESTART,    /* success is out */
	I_OPEN,       /* proven by EXTERNAL */
	I_OPEN_DB,    /* proven by dialback */
	I_EGRESS,     /* a backend */
	I_EGRESS_PENDING,
	I_EGRESS_OPEN,
	I_CLOSED,
	I_PLACES,
};

static bool is_egress(enum in_place place)
{
	return place >= I_EGRESS && place <= I_EGRESS_OPEN;
}

static void ask(struct rig *r, const char *from, const char *to)
{
	char text[200];
	snprintf(text, sizeof text, "<db:result from='%s' to='%s'>K</db:result>", from, to);
	assert_true(rig_element(r, text));
	assert_true(rig_did(r, ACT_ASSESS));
}

static void go_egress(struct rig *r, enum in_place place)
{
	rig_in(r, true, false);
	rig_header(r, "shire.example", "rohan.example", NULL);
	if (place == I_EGRESS)
		return;
	ask(r, "shire.example", "rohan.example");
	if (place == I_EGRESS_OPEN)
		rig_pair(r, VERDICT_PROVEN);
}

/* Behind TLS, with the certificate judged. */
static void go_negotiated(struct rig *r, enum in_place place)
{
	rig_peer(r, place == I_DIALBACK || place == I_OPEN_DB ? VERDICT_ASK : VERDICT_PROVEN);
	if (place == I_PENDING || place == I_OPEN_DB) {
		ask(r, "rohan.example", "shire.example");
		rig_pair(r, place == I_OPEN_DB ? VERDICT_PROVEN : VERDICT_ASK);
	}
	if (place == I_RESTART || place == I_OPEN) {
		assert_true(rig_element(r, AUTH("EXTERNAL")));
		assert_true(rig_did(r, ACT_RESTART));
	}
	if (place == I_OPEN)
		rig_header(r, "rohan.example", "shire.example", NULL);
	if (place == I_CLOSED) {
		assert_true(rig_element(r, "<x xmlns='urn:x'/>"));
		assert_true(rig_did(r, ACT_CLOSE));
	}
}

static void go_in(struct rig *r, enum in_place place)
{
	if (is_egress(place)) {
		go_egress(r, place);
		return;
	}
	rig_in(r, false, false);
	r->local.tls_required = place != I_CLEAR;
	if (place == I_HEADER)
		return;
	rig_header(r, "rohan.example", "shire.example", NULL);
	if (place == I_PLAIN || place == I_CLEAR)
		return;
	assert_true(rig_element(r, TLS("starttls")));
	assert_true(rig_did(r, ACT_START_TLS));
	if (place == I_TLS)
		return;
	rig_tls_up(r);
	if (place == I_HEADER_TLS)
		return;
	rig_header(r, "rohan.example", "shire.example", NULL);
	assert_true(rig_did(r, ACT_ASSESS_PEER));
	if (place != I_ASSESS)
		go_negotiated(r, place);
}

/* ---- the initiating machine ---- */

enum out_place {
	O_HEADER,   /* our header is out */
	O_FEATURES, /* theirs is in */
	O_PROCEED,  /* starttls is out */
	O_TLS,
	O_ASSESS,
	O_HEADER_TLS,
	O_FEATURES_TLS,
	O_AUTH,
	O_HEADER_SASL,
	O_FEATURES_SASL,
	O_KEY,    /* the key is not made yet */
	O_RESULT, /* it is out */
	O_VERIFY, /* our question is out */
	O_OPEN_DB,
	O_OPEN,
	O_BACKEND_FEATURES,
	O_BACKEND_RESULT,
	O_BACKEND_OPEN,
	O_CLOSED,
	O_PLACES,
};

static bool is_backend(enum out_place place)
{
	return place >= O_BACKEND_FEATURES && place <= O_BACKEND_OPEN;
}

static void go_backend(struct rig *r, enum out_place place)
{
	struct stream_out_config c = {.local = rig_domain("rohan.example"),
		.remote = rig_domain("shire.example"),
		.backend = true,
		.may_dialback = true};
	rig_out(r, &c);
	rig_start(r);
	rig_header(r, "shire.example", "rohan.example", "B1");
	if (place == O_BACKEND_FEATURES)
		return;
	assert_true(rig_element(r, FEATURES("")));
	rig_key(r);
	if (place == O_BACKEND_OPEN)
		assert_true(rig_element(
			r, DB("result from='shire.example' to='rohan.example' type='valid'/>")));
}

static void go_external(struct rig *r, enum out_place place)
{
	assert_true(rig_element(r, FEATURES("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
					    "<mechanism>EXTERNAL</mechanism></mechanisms>")));
	if (place == O_AUTH)
		return;
	assert_true(rig_element(r, SASL("success")));
	if (place == O_HEADER_SASL)
		return;
	rig_header(r, "rohan.example", "shire.example", "R3");
	if (place == O_OPEN)
		assert_true(rig_element(r, FEATURES("")));
}

static void go_dialback(struct rig *r, enum out_place place)
{
	assert_true(rig_element(r, FEATURES("")));
	if (place == O_RESULT || place == O_OPEN_DB)
		rig_key(r);
	if (place == O_OPEN_DB)
		assert_true(rig_element(
			r, DB("result from='rohan.example' to='shire.example' type='valid'/>")));
	if (place == O_CLOSED)
		assert_true(rig_element(r, TLS("proceed")));
}

static void go_out(struct rig *r, enum out_place place)
{
	struct stream_out_config c = {.local = rig_domain("shire.example"),
		.remote = rig_domain("rohan.example"),
		.tls_required = true,
		.may_external = true,
		.may_dialback = true,
		.verify = place == O_VERIFY,
		.verify_id = "X1",
		.verify_key = "K"};
	if (is_backend(place)) {
		go_backend(r, place);
		return;
	}
	rig_out(r, &c);
	rig_start(r);
	if (place == O_HEADER)
		return;
	rig_header(r, "rohan.example", "shire.example", "R1");
	if (place == O_FEATURES)
		return;
	assert_true(rig_element(r, FEATURES("")));
	if (place == O_PROCEED)
		return;
	assert_true(rig_element(r, TLS("proceed")));
	if (place == O_TLS)
		return;
	rig_tls_up(r);
	if (place == O_ASSESS)
		return;
	rig_peer(r, VERDICT_PROVEN);
	if (place == O_HEADER_TLS)
		return;
	rig_header(r, "rohan.example", "shire.example", "R2");
	if (place == O_FEATURES_TLS)
		return;
	if (place == O_AUTH || place == O_HEADER_SASL || place == O_FEATURES_SASL ||
		place == O_OPEN)
		go_external(r, place);
	else
		go_dialback(r, place);
}

/* ---- the tables ---- */

struct row {
	const char *element;
	const char *in; /* one outcome for each place, in their order */
	const char *out;
};

/* What is no part of any negotiation: closes before anything is proven, is ignored afterwards. */
#define FOREIGN_IN  "NUUNNUUUUN.....-"
#define FOREIGN_OUT "UUUUUUUUUU.....U..-"
/* Only ever legal from the other role. */
#define ANSWER_IN "N..NNU...N.....-"
#define ASKED_OUT "U..UUU..U.........-"

static const struct row rows[] = {
	/* features: nobody sends them to a receiver */
	{FEATURES(""), FOREIGN_IN, "UfUUUUdUUvUUUUUdUU-"},
	{FEATURES("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), FOREIGN_IN,
		"UfUUUUdUUvUUUUUdUU-"},
	{FEATURES("<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL"
		  "</mechanism></mechanisms>"),
		FOREIGN_IN, "UfUUUUfUUvUUUUUdUU-"},
	{FEATURES("<dialback xmlns='urn:xmpp:features:dialback'/>"), FOREIGN_IN,
		"UfUUUUdUUvUUUUUdUU-"},
	{FEATURES("<bidi xmlns='urn:xmpp:features:bidi'/>"), FOREIGN_IN, "UfUUUUdUUvUUUUUdUU-"},
	/* the stream's own */
	{"<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
		"NEENNEEEENEEEEE-", "UEEUUUEEUEEEEEEEEE-"},
	{"<stream:stream to='shire.example'/>", FOREIGN_IN, FOREIGN_OUT},
	{"<stream:other/>", FOREIGN_IN, FOREIGN_OUT},
	/* TLS */
	{TLS("starttls"), "NttNNUUUUNUUUUU-", "UURUUUUUUUUUUUUUUU-"},
	{TLS("proceed"), FOREIGN_IN, "UUtUUUUUUUUUUUUUUU-"},
	{TLS("failure"), FOREIGN_IN, "UURUUUUUUUUUUUUUUU-"},
	/* SASL */
	{AUTH("EXTERNAL"), "NUUNNUrffN.....-", "UUUUUUUSUUUUUUUUUU-"},
	{AUTH("PLAIN"), "NUUNNUfffN.....-", "UUUUUUUSUUUUUUUUUU-"},
	{SASL("auth"), "NUUNNUfffN.....-", "UUUUUUUSUUUUUUUUUU-"},
	{SASL("success"), FOREIGN_IN, "UUUUUUUrUUUUUUUUUU-"},
	{SASL("failure"), FOREIGN_IN, "UUUUUUUdUUUUUUUUUU-"},
	{SASL("challenge"), FOREIGN_IN, "UUUUUUUSUUUUUUUUUU-"},
	{SASL("response"), FOREIGN_IN, "UUUUUUUSUUUUUUUUUU-"},
	{SASL("abort"), "NUUNNUfffN.....-", "UUUUUUUSUUUUUUUUUU-"},
	{"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='EXTERNAL'/>", FOREIGN_IN, FOREIGN_OUT},
	/* dialback, DB-1: requests on inbound streams, answers on outbound ones, asked for */
	{DB("result " PAIR ">K</db:result>"), "NfaNNUaa.Naaa.a-", ASKED_OUT},
	{DB("verify " PAIR " id='X1'>K</db:verify>"), "NfkNNUkkkNkkkkk-", ASKED_OUT},
	{DB("result " PAIR " type='valid'/>"), ANSWER_IN, "U..UUU..U..v....v.-"},
	{DB("result " PAIR " type='invalid'/>"), ANSWER_IN, "U..UUU..U..X....X.-"},
	{DB("result " PAIR " type='error'/>"), ANSWER_IN, "U..UUU..U..X....X.-"},
	{DB("verify " PAIR " id='X1' type='valid'/>"), ANSWER_IN, "U..UUU..U...q.....-"},
	{DB("verify " PAIR " id='X1' type='invalid'/>"), ANSWER_IN, "U..UUU..U...q.....-"},
	{DB("verify " PAIR " id='X1' type='error'/>"), ANSWER_IN, "U..UUU..U...q.....-"},
	{DB("verify " PAIR " id='X2' type='valid'/>"), ANSWER_IN, ASKED_OUT},
	{DB("verify " PAIR " type='valid'/>"), ANSWER_IN, ASKED_OUT},
	{DB("result from='mordor.example' to='@T' type='valid'/>"), ANSWER_IN, ASKED_OUT},
	{DB("result from='@T' to='@F' type='valid'/>"), ANSWER_IN, ASKED_OUT},
	{DB("result type='valid'/>"), ANSWER_IN, ASKED_OUT},
	{DB("result>K</db:result>"), "NAANNUAAANAAAAA-", ASKED_OUT},
	{DB("valid " PAIR "/>"), "NUUNNUUUUNUUUUU-", ASKED_OUT},
	/* other protocols */
	{"<compress xmlns='http://jabber.org/protocol/compress'/>", "NffNNffffNfffff-",
		FOREIGN_OUT},
	{"<compressed xmlns='http://jabber.org/protocol/compress'/>", FOREIGN_IN, FOREIGN_OUT},
	{"<bidi xmlns='urn:xmpp:bidi'/>", FOREIGN_IN, FOREIGN_OUT},
	{"<enable xmlns='urn:xmpp:sm:3'/>", FOREIGN_IN, FOREIGN_OUT},
	{"<resume xmlns='urn:xmpp:sm:3' previd='1' h='0'/>", FOREIGN_IN, FOREIGN_OUT},
	{"<handshake xmlns='jabber:component:accept'>x</handshake>", FOREIGN_IN, FOREIGN_OUT},
	{"<handshake/>", "NUUNNUUUUNUUUUU-", FOREIGN_OUT},
	{"<limits xmlns='urn:xmpp:stream-limits:0'/>", FOREIGN_IN, FOREIGN_OUT},
	{"<x xmlns=''/>", FOREIGN_IN, FOREIGN_OUT},
	/* stanzas: those of proven pairs never come here */
	{"<message " PAIR "/>", "NNNNNNNNNNNNNNN-", FOREIGN_OUT},
	{"<presence " PAIR "/>", "NNNNNNNNNNNNNNN-", FOREIGN_OUT},
	{"<iq " PAIR " type='get' id='1'/>", "NNNNNNNNNNNNNNN-", FOREIGN_OUT},
	{"<query " PAIR "/>", "NUUNNUUUUNUUUUU-", FOREIGN_OUT},
	{"<message xmlns='jabber:client' " PAIR "/>", FOREIGN_IN, FOREIGN_OUT},
};

enum { ROWS = sizeof rows / sizeof *rows };

static void put_names(const char *text, bool swapped, char *out, size_t size)
{
	size_t n = 0;
	for (; *text && n + 20 < size; text++) {
		if (*text == '@') {
			bool first = *++text == 'F';
			n += (size_t)snprintf(out + n, size - n, "%s",
				first != swapped ? "rohan.example" : "shire.example");
		} else {
			out[n++] = *text;
		}
	}
	out[n] = '\0';
}

static void check_cell(struct rig *r, const char *text, bool swapped, char want, int place)
{
	char element[400];
	size_t valid = r->valid, ready = r->ready;
	size_t proven = r->is_out ? 0 : pairs_valid_count(&r->in.pairs);
	put_names(text, swapped, element, sizeof element);
	assert_true(rig_element(r, element));
	char got = outcome_of(r);
	if (got != want)
		print_error("%s place %d: %s\n", r->is_out ? "out" : "in", place, element);
	assert_int_equal(got, want);
	assert_int_equal(r->valid, valid);
	assert_int_equal(r->ready - ready, want == READY);
	assert_true(xml_output_fine(buf_peek(&r->wrote)));
	if (r->is_out) {
		assert_int_equal(
			r->out.state == SOUT_CLOSED, rig_did(r, ACT_CLOSE) || want == NOTHING);
	} else {
		assert_int_equal(pairs_valid_count(&r->in.pairs), proven);
		assert_int_equal(
			r->in.state == SIN_CLOSED, rig_did(r, ACT_CLOSE) || want == NOTHING);
	}
}

/* S17, ST-7, ST-10, TLS-5, EXT-1, EXT-2, DB-1, BI-1, CMP-1, SM-1 */
static void every_place_of_a_receiver_meets_every_element(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		assert_int_equal(strlen(rows[i].in), I_PLACES);
		for (enum in_place place = I_HEADER; place < I_PLACES; place++) {
			struct rig r;
			go_in(&r, place);
			check_cell(&r, rows[i].element, is_egress(place), rows[i].in[place],
				(int)place);
			rig_fini(&r);
		}
	}
}

/* S17, TLS-5, DB-1, ST-15 */
static void every_place_of_an_initiator_meets_every_element(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		assert_int_equal(strlen(rows[i].out), O_PLACES);
		for (enum out_place place = O_HEADER; place < O_PLACES; place++) {
			struct rig r;
			go_out(&r, place);
			check_cell(&r, rows[i].element, is_backend(place), rows[i].out[place],
				(int)place);
			rig_fini(&r);
		}
	}
}

/* DB-1, ST-10: what is dropped is counted, and there is an end to it. */
static void a_thousand_ignored_elements_are_enough(void **state)
{
	(void)state;
	static const char *const dropped[] = {DB("result type='valid'/>"), "<x xmlns='urn:x'/>"};
	for (int i = 0; i < 4; i++) {
		struct rig r;
		if (i % 2)
			go_out(&r, O_OPEN);
		else
			go_in(&r, I_OPEN);
		for (int n = 0; n < 1000; n++) {
			assert_true(rig_element(&r, dropped[i / 2]));
			assert_true(rig_did(&r, ACT_IGNORED));
			assert_false(rig_did(&r, ACT_CLOSE));
		}
		assert_true(rig_element(&r, dropped[i / 2]));
		assert_int_equal(rig_why(&r, ACT_CLOSE), ERR_LIMIT);
		rig_fini(&r);
	}
}

/* RFC 6120 4.9.1.2: whatever the place, what we say at the end is XML. */
static void every_place_can_meet_the_end(void **state)
{
	(void)state;
	for (enum in_place place = I_HEADER; place < I_PLACES; place++) {
		struct rig r;
		go_in(&r, place);
		actions_clear(&r.last);
		stream_in_end(&r.in, &r.last);
		rig_note(&r);
		assert_int_equal(r.in.state, SIN_CLOSED);
		assert_true(xml_output_fine(buf_peek(&r.wrote)));
		rig_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_place_of_a_receiver_meets_every_element),
		cmocka_unit_test(every_place_of_an_initiator_meets_every_element),
		cmocka_unit_test(a_thousand_ignored_elements_are_enough),
		cmocka_unit_test(every_place_can_meet_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
