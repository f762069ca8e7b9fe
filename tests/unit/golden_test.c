/* XEP-0238: every type of server dials every type. Both sides are our own machines, joined by two
 * byte queues; what a certificate proves and what a policy demands is played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "xmpp/scan.h"
#include "xmpp/stream_in.h"
#include "xmpp/stream_out.h"

/* XEP-0238 2. */
struct server_type {
	bool xmpp1, ca_issued, tls_required, trusted_required, dialback;
};

static const struct server_type types[] = {
	{.dialback = true},
	{.xmpp1 = true, .dialback = true},
	{.xmpp1 = true, .ca_issued = true, .dialback = true},
	{.xmpp1 = true, .tls_required = true, .dialback = true},
	{.xmpp1 = true, .ca_issued = true, .tls_required = true, .dialback = true},
	{.xmpp1 = true, .ca_issued = true, .tls_required = true, .trusted_required = true},
};

struct world {
	const struct server_type *dialling, *answering;
	struct stream_out out;
	struct stream_in in;
	struct scan *out_scan, *in_scan;
	struct buf to_in, to_out;
	bool out_tls, in_tls, ready, closed;
	enum pair_proof in_proof;
	bool out_proven;
};

static struct domain name(const char *text)
{
	struct domain d;
	assert_false(err_is(domain_parse(slice_str(text), &d)));
	return d;
}

/* What one server makes of the other's certificate. */
static struct verdict judge(const struct server_type *judge, const struct server_type *judged)
{
	struct verdict v = {.decision = VERDICT_ASK, .proof = PROOF_CERTIFICATE};
	if (judged->ca_issued)
		v.decision = VERDICT_PROVEN;
	else if (judge->trusted_required)
		v = (struct verdict){
			.decision = VERDICT_REFUSED, .why = err_make(ERR_CERT_UNTRUSTED)};
	return v;
}

static void in_actions(struct world *w, struct actions *a);

static void in_action(struct world *w, const struct act *act)
{
	struct actions next;
	actions_init(&next);
	switch (act->kind) {
	case ACT_START_TLS:
		w->in_tls = true;
		break;
	case ACT_RESTART:
		scan_reset(w->in_scan);
		break;
	case ACT_ASSESS_PEER:
		stream_in_peer_verdict(&w->in, judge(w->answering, w->dialling), &next);
		break;
	case ACT_ASSESS:
		stream_in_verdict(
			&w->in, act->pair, (struct verdict){.decision = VERDICT_ASK}, &next);
		break;
	case ACT_VERIFY:
		stream_in_verified(&w->in, act->pair, DB_VALID, "", &next);
		break;
	case ACT_PAIR_VALID:
		w->in_proof = act->pair->proof;
		break;
	case ACT_CLOSE:
		w->closed = true;
		break;
	default:
		break;
	}
	in_actions(w, &next);
	actions_fini(&next);
}

static void in_actions(struct world *w, struct actions *a)
{
	(void)buf_append(&w->to_out, buf_peek(&a->out));
	for (size_t i = 0; i < a->count; i++)
		in_action(w, &a->list[i]);
}

static void out_actions(struct world *w, struct actions *a);

static void out_action(struct world *w, const struct act *act)
{
	struct actions next;
	struct verdict v = judge(w->dialling, w->answering);
	actions_init(&next);
	switch (act->kind) {
	case ACT_START_TLS:
		w->out_tls = true;
		break;
	case ACT_RESTART:
		scan_reset(w->out_scan);
		break;
	case ACT_ASSESS_PEER:
		w->out_proven = v.decision == VERDICT_PROVEN;
		stream_out_peer_verdict(&w->out, v, &next);
		break;
	case ACT_DIALBACK:
		stream_out_send_key(&w->out, SLICE_LIT("KEY"), &next);
		break;
	case ACT_READY:
		w->ready = true;
		break;
	case ACT_CLOSE:
		w->closed = true;
		break;
	default:
		break;
	}
	out_actions(w, &next);
	actions_fini(&next);
}

static void out_actions(struct world *w, struct actions *a)
{
	(void)buf_append(&w->to_in, buf_peek(&a->out));
	for (size_t i = 0; i < a->count; i++)
		out_action(w, &a->list[i]);
}

static void read_header(const struct scan *scan, bool xmpp1, struct stream_header *h)
{
	assert_false(err_is(stream_header_read(scan_element(scan), h)));
	/* A type 1 server writes no version. */
	h->has_version = h->has_version && xmpp1;
}

static void in_event(struct world *w, enum scan_event e, struct actions *a)
{
	const struct stream_local local = {.served = true,
		.tls_required = w->answering->tls_required,
		.offer_tls = w->answering->xmpp1};
	struct stream_header h;
	struct err wrong;
	if (e == SCAN_HEADER) {
		read_header(w->in_scan, w->dialling->xmpp1 && w->answering->xmpp1, &h);
		stream_in_header(&w->in, &h, err_ok(), &local, "ID", a);
	} else if (e == SCAN_ELEMENT) {
		struct element *el = element_parse(scan_element(w->in_scan), &wrong);
		stream_in_element(&w->in, el, a);
		element_free(el);
	} else {
		stream_in_end(&w->in, a);
	}
}

static void out_event(struct world *w, enum scan_event e, struct actions *a)
{
	struct stream_header h;
	struct err wrong;
	if (e == SCAN_HEADER) {
		read_header(w->out_scan, w->answering->xmpp1, &h);
		stream_out_header(&w->out, &h, err_ok(), a);
	} else if (e == SCAN_ELEMENT) {
		struct element *el = element_parse(scan_element(w->out_scan), &wrong);
		stream_out_element(&w->out, el, a);
		element_free(el);
	} else {
		stream_out_end(&w->out, a);
	}
}

/* One event of one side; false when its queue holds no further one. */
static bool step(struct world *w, bool inbound)
{
	struct buf *queue = inbound ? &w->to_in : &w->to_out;
	struct slice bytes = buf_peek(queue);
	struct actions a;
	enum scan_event e = scan_next(inbound ? w->in_scan : w->out_scan, &bytes);
	assert_int_not_equal(e, SCAN_ERROR);
	actions_init(&a);
	if (e != SCAN_MORE && inbound)
		in_event(w, e, &a);
	else if (e != SCAN_MORE)
		out_event(w, e, &a);
	buf_consume(queue, buf_len(queue) - bytes.len);
	if (inbound)
		in_actions(w, &a);
	else
		out_actions(w, &a);
	actions_fini(&a);
	return e != SCAN_MORE;
}

static void handshake(struct world *w)
{
	struct actions a;
	assert_int_equal(buf_len(&w->to_in) + buf_len(&w->to_out), 0);
	w->in_tls = w->out_tls = false;
	scan_reset(w->in_scan);
	scan_reset(w->out_scan);
	actions_init(&a);
	stream_in_tls_up(&w->in);
	stream_out_tls_up(&w->out, &a);
	out_actions(w, &a);
	actions_fini(&a);
}

static void run(struct world *w)
{
	struct actions a;
	actions_init(&a);
	stream_out_start(&w->out, &a);
	out_actions(w, &a);
	actions_fini(&a);
	for (bool went = true; went && !w->closed;) {
		bool in_went = !w->in_tls && step(w, true);
		bool out_went = !w->closed && !w->out_tls && step(w, false);
		went = in_went || out_went;
		if (w->in_tls && w->out_tls) {
			handshake(w);
			went = true;
		}
	}
}

/* The lesser of what the two sides know of each other. */
static char level(const struct world *w)
{
	if (w->closed || !w->ready || w->in_proof == PROOF_NONE)
		return 'U';
	if (!w->out.secured || !w->in.secured)
		return 'V';
	return w->out_proven && w->in_proof == PROOF_EXTERNAL ? 'T' : 'E';
}

static char connect_types(size_t from, size_t to, bool attempt_tls)
{
	struct world w = {.dialling = &types[from], .answering = &types[to]};
	struct domain gate = name("gate.example");
	struct stream_out_config c = {.local = name("from.example"),
		.remote = name("to.example"),
		.attempt_tls = attempt_tls && w.dialling->xmpp1,
		.tls_required = w.dialling->tls_required,
		.may_external = true,
		.may_dialback = w.dialling->dialback};
	stream_out_init(&w.out, &c);
	stream_in_init(&w.in, false, false, &gate, "IDE");
	w.out_scan = scan_new(&scan_limits_stranger);
	w.in_scan = scan_new(&scan_limits_stranger);
	buf_init(&w.to_in, BUF_UNLIMITED);
	buf_init(&w.to_out, BUF_UNLIMITED);
	run(&w);
	char result = level(&w);
	stream_out_fini(&w.out);
	stream_in_fini(&w.in);
	scan_free(w.out_scan);
	scan_free(w.in_scan);
	buf_fini(&w.to_in);
	buf_fini(&w.to_out);
	return result;
}

static void check_matrix(const char *const rows[6], bool attempt_tls)
{
	for (size_t from = 0; from < 6; from++) {
		char got[7] = "";
		for (size_t to = 0; to < 6; to++)
			got[to] = connect_types(from, to, attempt_tls);
		if (strcmp(got, rows[from]) != 0)
			print_error("type %zu dials\n", from + 1);
		assert_string_equal(got, rows[from]);
	}
}

/* XEP-0238 4 to 9, as its flows go: TLS only where one side requires it. */
static void the_golden_matrix_comes_out_as_written(void **state)
{
	(void)state;
	static const char *const rows[6] = {
		"VVVUUU",
		"VVVEEU",
		"VVVETT",
		"UEEEEU",
		"UETETT",
		"UUTUTT",
	};
	check_matrix(rows, false);
}

/* RFC 7590 3.1: whoever can takes TLS; nobody comes out lower than above. */
static void with_tls_wherever_it_is_to_be_had_nobody_gets_less(void **state)
{
	(void)state;
	static const char *const rows[6] = {
		"VVVUUU",
		"VEEEEU",
		"VETETT",
		"UEEEEU",
		"UETETT",
		"UUTUTT",
	};
	check_matrix(rows, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_golden_matrix_comes_out_as_written),
		cmocka_unit_test(with_tls_wherever_it_is_to_be_had_nobody_gets_less),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
