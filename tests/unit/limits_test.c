/* XEP-0478: what a peer says of its limits (LIM-1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>

#include <cmocka.h>

#include "../lib/rig.h"

#define LIMITS(inside) "<limits xmlns='urn:xmpp:stream-limits:0'>" inside "</limits>"
#define BYTES(text)    LIMITS("<max-bytes>" text "</max-bytes>")

static void features(struct rig *r, const char *inside)
{
	char text[400];
	snprintf(text, sizeof text, "<stream:features>%s</stream:features>", inside);
	assert_true(rig_element(r, text));
}

/* A backend's stream: features come at once. */
static void open_out(struct rig *r)
{
	struct stream_out_config c = {.local = rig_domain("rohan.example"),
		.remote = rig_domain("shire.example"),
		.backend = true,
		.may_dialback = true};
	rig_out(r, &c);
	rig_start(r);
	rig_header(r, "shire.example", "rohan.example", "B1");
}

/* LIM-1; 0: nothing that could be obeyed was said */
static void limits_are_numbers_or_nothing(void **state)
{
	(void)state;
	static const struct {
		const char *inside;
		size_t bytes;
		unsigned seconds;
	} rows[] = {
		{"", 0, 0},
		{LIMITS(""), 0, 0},
		{BYTES("10000"), 10000, 0},
		{LIMITS("<idle-seconds>840</idle-seconds>"), 0, 840},
		{LIMITS("<idle-seconds>1</idle-seconds><max-bytes>2</max-bytes>"), 2, 1},
		{BYTES("0"), 0, 0},
		{BYTES(""), 0, 0},
		{BYTES("-1"), 0, 0},
		{BYTES("+5"), 0, 0},
		{BYTES(" 5"), 0, 0},
		{BYTES("5 "), 0, 0},
		{BYTES("1e6"), 0, 0},
		{BYTES("0x10"), 0, 0},
		{BYTES("4294967295"), UINT_MAX, 0},
		{BYTES("4294967296"), UINT_MAX, 0},
		{BYTES("99999999999999999999999999"), UINT_MAX, 0},
		{LIMITS("<idle-seconds>4294967297</idle-seconds>"), 0, UINT_MAX},
		{"<limits xmlns='urn:x'><max-bytes>5</max-bytes></limits>", 0, 0},
		{LIMITS("<max-bytes xmlns='urn:x'>5</max-bytes>"), 0, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct rig r;
		open_out(&r);
		features(&r, rows[i].inside);
		assert_int_equal(r.out.peer_max_bytes, rows[i].bytes);
		assert_int_equal(r.out.peer_idle_seconds, rows[i].seconds);
		rig_fini(&r);
	}
}

/* XEP-0478 4, TLS-2: only the newest features count. */
static void limits_of_earlier_features_are_forgotten(void **state)
{
	(void)state;
	struct stream_out_config c = {.local = rig_domain("shire.example"),
		.remote = rig_domain("rohan.example"),
		.tls_required = true,
		.may_external = true};
	struct rig r;
	rig_out(&r, &c);
	rig_start(&r);
	rig_header(&r, "rohan.example", "shire.example", "R1");
	features(&r, BYTES("1"));
	assert_int_equal(r.out.peer_max_bytes, 1);
	assert_true(rig_element(&r, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"));
	rig_tls_up(&r);
	assert_int_equal(r.out.peer_max_bytes, 0);
	rig_peer(&r, VERDICT_PROVEN);
	rig_header(&r, "rohan.example", "shire.example", "R2");
	features(&r, BYTES("2") "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
				"<mechanism>EXTERNAL</mechanism></mechanisms>");
	assert_int_equal(r.out.peer_max_bytes, 2);
	assert_true(rig_element(&r, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"));
	rig_header(&r, "rohan.example", "shire.example", "R3");
	features(&r, "");
	assert_true(rig_did(&r, ACT_READY));
	assert_int_equal(r.out.peer_max_bytes, 0);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_numbers_or_nothing),
		cmocka_unit_test(limits_of_earlier_features_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
