/* The scout's whole process, forked, with a supervisor and two workers that the test plays, against
 * a real DNS server on loopback. */
#include "core/scout.h"

#include "base/mem.h"
#include "core/ask.h"
#include "core/channel.h"
#include "core/wire.h"
#include "lib/dns_server.h"
#include "lib/fake_worker.h"
#include "tenants/load.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, TOLD_MAX = 3000 };

/* A worker, as far as the scout knows. */
struct player {
	struct asker *asker;
	size_t told;
	enum resolve_status statuses[TOLD_MAX];
	struct answer last;
};

static struct {
	struct fake_worker *f;
	pid_t pid;
	int channel; /* the supervisor's end */
	char log[40];
	const char *authorities; /* file; NULL: there is none */
	struct player workers[WORKERS];
} the;

/* ---- the supervisor ---- */

static struct gate *gate_of(const char *anchor)
{
	char text[600];
	struct faults faults;
	faults_init(&faults);
	snprintf(
		text, sizeof text, "[dns]\nforward = %s\ntrust_anchor = %s\n", dns_forward, anchor);
	struct gate *g = load_gate_text(slice_str(text), "fedgate.ini", "/", &faults);
	if (!g)
		fprintf(stderr, "%s", buf_cstr(&faults.text));
	faults_fini(&faults);
	return g;
}

static void be_scout(int channel, const char *anchor)
{
	int log = open(the.log, O_WRONLY | O_APPEND);
	struct scout_boot boot = {
		.gate = gate_of(anchor), .channel_fd = channel, .workers = WORKERS};
	dup2(log, 2);
	log_setup(2, LOG_JSON, LOG_DEBUG, "scout", 0);
	_exit(boot.gate ? scout_run(&boot) : 9);
}

/* What it asks for as it starts: the authorities of the web, and nothing else. */
static void give_authorities(const struct wire *question)
{
	struct wire answer = {.type = WIRE_OPENED, .serial = question->serial};
	struct wire_fds fds = {.count = the.authorities != NULL};
	assert_int_equal(question->file, CHANNEL_WEB_CA);
	assert_int_equal(question->number, 0);
	if (the.authorities)
		fds.fds[0] = open(the.authorities, O_RDONLY);
	else
		answer.error = ENOENT;
	assert_false(err_is(wire_send(the.channel, &answer, &fds)));
	wire_close_fds(&fds);
}

static bool is_ready(int ms)
{
	struct pollfd p = {.fd = the.channel, .events = POLLIN};
	struct wire m;
	struct wire_fds fds;
	while (poll(&p, 1, ms) == 1 && wire_receive(the.channel, &m, &fds) == WIRE_OK) {
		if (m.type == WIRE_READY)
			return true;
		assert_int_equal(m.type, WIRE_OPEN);
		give_authorities(&m);
	}
	return false;
}

static void start(const char *anchor)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	the.pid = fork();
	if (the.pid == 0) {
		close(pair[0]);
		be_scout(pair[1], anchor);
	}
	close(pair[1]);
	the.channel = pair[0];
	assert_true(is_ready(5000));
}

static int ended(void)
{
	int status = -1;
	for (int i = 0; i < 200; i++) {
		if (waitpid(the.pid, &status, WNOHANG) == the.pid) {
			the.pid = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
		}
		poll(NULL, 0, 10);
	}
	return -1;
}

static void give_line(unsigned number, unsigned as)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	const struct wire m = {.type = WIRE_SCOUT, .number = as};
	const struct wire_fds fds = {.fds = {pair[0]}, .count = 1};
	assert_false(err_is(wire_send(the.channel, &m, &fds)));
	close(pair[0]);
	asker_connect(the.workers[number].asker, pair[1]);
}

/* How often the scout's log holds this. */
static unsigned logged(const char *text)
{
	static char bytes[200000];
	int fd = open(the.log, O_RDONLY);
	ssize_t n = read(fd, bytes, sizeof bytes - 1);
	unsigned count = 0;
	close(fd);
	bytes[n > 0 ? n : 0] = '\0';
	for (const char *at = bytes; (at = strstr(at, text)); at++)
		count++;
	return count;
}

/* ---- the workers ---- */

static void on_done(void *arg, const struct answer *answer)
{
	struct player *p = arg;
	p->statuses[p->told++] = answer->dns.status;
	p->last = *answer;
}

static int set_up(void **state)
{
	(void)state;
	memset(&the, 0, sizeof the);
	the.authorities = "/etc/ssl/certs/ca-certificates.crt";
	snprintf(the.log, sizeof the.log, "/tmp/fedgate-scout-XXXXXX");
	close(mkstemp(the.log));
	the.f = fake_worker_new();
	for (unsigned i = 0; i < WORKERS; i++)
		the.workers[i].asker = asker_new(&the.f->loop, on_done, &the.workers[i]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (the.pid) {
		kill(the.pid, SIGKILL);
		waitpid(the.pid, NULL, 0);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		asker_free(the.workers[i].asker);
	close(the.channel);
	unlink(the.log);
	fake_worker_free(the.f);
	return 0;
}

static void turn(uint64_t ms)
{
	(void)fake_worker_run(the.f, NULL, NULL, ms);
}

struct until {
	const struct player *p;
	size_t count;
};

static bool is_told(void *arg)
{
	const struct until *u = arg;
	return u->p->told >= u->count;
}

static bool told_within(const struct player *p, size_t count, uint64_t ms)
{
	struct until u = {p, count};
	return fake_worker_run(the.f, is_told, &u, ms);
}

static void ask(struct player *p, enum ask_kind kind, const char *name, uint16_t port)
{
	struct domain d = {.len = (uint8_t)strlen(name)};
	memcpy(d.name, name, d.len);
	struct ticket t = {1, 1};
	if (kind == ASK_SRV)
		ask_srv(p->asker, "_xmpp-server._tcp", &d, t, 0);
	else if (kind == ASK_ADDR)
		ask_addr(p->asker, &d, AF_INET, t, 0);
	else if (kind == ASK_TLSA)
		ask_tlsa(p->asker, &d, port, t, 0);
	else
		ask_posh(p->asker, &d, t, 0);
}

static const struct answer *answer_to(
	struct player *p, enum ask_kind kind, const char *name, uint16_t port)
{
	size_t told = p->told;
	ask(p, kind, name, port);
	assert_true(told_within(p, told + 1, 7000));
	return &p->last;
}

/* ---- answers ---- */

/* DNS-3, D01, D07, D10, DANE-2: the same classes as at the resolver, through all the messages. */
static void every_class_of_answer_reaches_the_worker(void **state)
{
	(void)state;
	static const struct {
		enum ask_kind kind;
		const char *name;
		uint16_t port;
		enum resolve_status status;
		bool secure;
		size_t records, left_out;
	} rows[] = {
		{ASK_SRV, "full.example", 0, RESOLVE_DATA, false, 2, 0},
		{ASK_SRV, "signed.example", 0, RESOLVE_DATA, true, 1, 0},
		{ASK_SRV, "many.example", 0, RESOLVE_DATA, false, RESOLVE_SRV_MAX,
			1900 - RESOLVE_SRV_MAX},
		{ASK_SRV, "nowhere.example", 0, RESOLVE_NONE, false, 0, 0},
		{ASK_SRV, "x.servfail.example", 0, RESOLVE_FAILED, false, 0, 0},
		{ASK_ADDR, "x.full.example", 0, RESOLVE_DATA, false, 2, 0},
		{ASK_ADDR, "www.signed.example", 0, RESOLVE_DATA, true, 1, 0},
		{ASK_ADDR, "nothing.signed.example", 0, RESOLVE_NONE, true, 0, 0},
		{ASK_ADDR, "bogus.signed.example", 0, RESOLVE_BOGUS, false, 0, 0},
		{ASK_ADDR, "expired.signed.example", 0, RESOLVE_BOGUS, false, 0, 0},
		{ASK_TLSA, "www.signed.example", 5269, RESOLVE_DATA, true, 2, 0},
		{ASK_TLSA, "www.signed.example", 5270, RESOLVE_DATA, true, 0, 1}, /* unusable */
		{ASK_TLSA, "www.signed.example", 5271, RESOLVE_DATA, true, TLSA_RECORDS_MAX,
			40 - TLSA_RECORDS_MAX},
		{ASK_TLSA, "www.signed.example", 5272, RESOLVE_NONE, true, 0, 0},
		{ASK_TLSA, "x.full.example", 5269, RESOLVE_DATA, false, 0, 0}, /* not signed */
		{ASK_TLSA, "record-60000.example", 5269, RESOLVE_DATA, false, 0, 0},
		{ASK_TLSA, "stripped.signed.example", 5269, RESOLVE_BOGUS, false, 0, 0},
	};
	start(dns_anchor);
	give_line(0, 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct answer *a =
			answer_to(&the.workers[0], rows[i].kind, rows[i].name, rows[i].port);
		size_t records = a->dns.srv_count + a->dns.addr_count + a->tlsa.count;
		size_t left_out = a->dns.srv_dropped + a->tlsa.unusable;
		if (a->kind != rows[i].kind || a->dns.status != rows[i].status ||
			a->dns.secure != rows[i].secure || records != rows[i].records ||
			left_out != rows[i].left_out)
			fail_msg("%s: status %d secure %d, %zu records, %zu left out", rows[i].name,
				a->dns.status, a->dns.secure, records, left_out);
	}
	assert_int_equal(logged("FG-D14"), 0);
}

/* D12: which of the two depends on how fast the resolver was before. */
static void who_gets_no_answer_is_told_so_in_time(void **state)
{
	(void)state;
	start(dns_anchor);
	give_line(0, 0);
	uint64_t began = uv_now(&the.f->loop);
	const struct answer *a = answer_to(&the.workers[0], ASK_TLSA, "x.slow.example", 5269);
	assert_true(a->dns.status == RESOLVE_TIMEOUT || a->dns.status == RESOLVE_FAILED);
	assert_true(uv_now(&the.f->loop) - began < ASK_DNS_MS);
}

static void aliases_reach_the_worker(void **state)
{
	(void)state;
	start(dns_anchor);
	give_line(0, 0);
	const struct answer *a = answer_to(&the.workers[0], ASK_ADDR, "alias.signed.example", 0);
	assert_true(a->dns.aliased);
	assert_true(a->dns.secure);
	assert_string_equal(a->dns.canonical.name, "www.signed.example");
}

/* What a web server says is core/scout_posh's matter; here: that it is asked, and by which rules.
 */
static void posh_is_looked_for_on_the_web_and_nowhere_private(void **state)
{
	(void)state;
	start(dns_anchor);
	give_line(0, 0);
	struct player *p = &the.workers[0];
	/* DNS is asked, and what it says decides. */
	const struct answer *a = answer_to(p, ASK_POSH, "private.example", 0);
	assert_int_equal(a->kind, ASK_POSH);
	assert_int_equal(a->posh.e.code, ERR_POSH_BLOCKED);
	assert_string_equal(
		a->posh.url, "https://private.example/.well-known/posh/xmpp-server.json");
	assert_true(a->posh.not_after > 0);
	assert_true(err_is(answer_to(p, ASK_POSH, "nowhere.example", 0)->posh.e));
	assert_true(err_is(answer_to(p, ASK_POSH, "hidden.onion", 0)->posh.e)); /* P16 */
	/* Others are answered meanwhile: nobody lives at 192.0.2.1. Where the system knows of no
	 * way to it, the document's answer may be there first, or in the same turn. */
	size_t told = p->told;
	ask(p, ASK_POSH, "x.full.example", 0);
	ask(p, ASK_ADDR, "x.full.example", 0);
	assert_true(told_within(p, told + 1, 2000));
	if (p->told == told + 1 && p->last.kind != ASK_ADDR)
		assert_true(told_within(p, told + 2, 2000));
}

static void without_authorities_no_document_is_believed(void **state)
{
	(void)state;
	the.authorities = NULL;
	start(dns_anchor);
	give_line(0, 0);
	assert_int_equal(logged("web-authorities"), 1);
	assert_int_equal(logged("FG-K02"), 1);
	const struct answer *a = answer_to(&the.workers[0], ASK_POSH, "private.example", 0);
	assert_int_equal(a->posh.e.code, ERR_POSH_TLS);
	a = answer_to(&the.workers[0], ASK_ADDR, "x.full.example", 0);
	assert_int_equal(a->dns.status, RESOLVE_DATA);
}

/* ---- workers among each other ---- */

static void workers_do_not_get_each_others_answers(void **state)
{
	(void)state;
	start(dns_anchor);
	for (unsigned i = 0; i < WORKERS; i++)
		give_line(i, i);
	for (int n = 0; n < 20; n++) {
		ask(&the.workers[0], ASK_ADDR, "x.full.example", 0);
		ask(&the.workers[1], ASK_ADDR, "nodata.example", 0);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		assert_true(told_within(&the.workers[i], 20, 3000));
	for (int n = 0; n < 20; n++) {
		assert_int_equal(the.workers[0].statuses[n], RESOLVE_DATA);
		assert_int_equal(the.workers[1].statuses[n], RESOLVE_NONE);
	}
}

/* A share is a worker's, not a connection's: coming again and again gives it no more. */
static void a_worker_that_asks_too_much_harms_itself_alone(void **state)
{
	(void)state;
	struct player *greedy = &the.workers[0], *other = &the.workers[1];
	char name[40];
	start(dns_anchor);
	give_line(0, 0);
	give_line(1, 1);
	for (int i = 0; i < ASK_OPEN_MAX; i++) {
		snprintf(name, sizeof name, "n%d.slow.example", i);
		ask(greedy, ASK_ADDR, name, 0);
	}
	turn(500);
	/* As a worker that died and was started again: nothing open at its side. */
	asker_free(greedy->asker);
	greedy->asker = asker_new(&the.f->loop, on_done, greedy);
	give_line(0, 0);
	assert_int_equal(
		answer_to(greedy, ASK_ADDR, "x.full.example", 0)->dns.status, RESOLVE_FAILED);
	assert_int_equal(
		answer_to(greedy, ASK_POSH, "x.full.example", 0)->posh.e.code, ERR_POSH_BUSY);
	uint64_t began = uv_now(&the.f->loop);
	assert_int_equal(answer_to(other, ASK_ADDR, "x.full.example", 0)->dns.status, RESOLVE_DATA);
	assert_true(uv_now(&the.f->loop) - began < 1500);
	turn(5500); /* the old questions' deadline */
	assert_int_equal(
		answer_to(greedy, ASK_ADDR, "x.full.example", 0)->dns.status, RESOLVE_DATA);
}

/* A worker that was started again counts from the start, as the dead one did. */
static void what_a_dead_worker_asked_is_not_told_to_the_next(void **state)
{
	(void)state;
	struct player *p = &the.workers[0];
	start(dns_anchor);
	give_line(0, 0);
	ask(p, ASK_ADDR, "late-1.example", 0);
	turn(300);
	asker_free(p->asker);
	p->asker = asker_new(&the.f->loop, on_done, p);
	give_line(0, 0);
	const struct answer *a = answer_to(p, ASK_ADDR, "late-2.example", 0);
	assert_int_equal(a->dns.addr_count, 1);
	const struct sockaddr_in *sa = (const struct sockaddr_in *)&a->dns.addr[0];
	assert_int_equal(ntohl(sa->sin_addr.s_addr), 0xc0000202);
}

static void a_line_in_place_of_another_is_the_worker(void **state)
{
	(void)state;
	start(dns_anchor);
	give_line(0, 0);
	ask(&the.workers[0], ASK_ADDR, "x.full.example", 0);
	give_line(1, 0); /* the same worker, as the scout sees it */
	assert_int_equal(answer_to(&the.workers[1], ASK_ADDR, "x.full.example", 0)->dns.status,
		RESOLVE_DATA);
	assert_false(asker_connected(the.workers[0].asker));
}

static void a_worker_that_cannot_be_is_not_served(void **state)
{
	(void)state;
	start(dns_anchor);
	give_line(0, 256);
	give_line(1, 1);
	turn(100);
	assert_false(asker_connected(the.workers[0].asker));
	assert_int_equal(answer_to(&the.workers[1], ASK_ADDR, "x.full.example", 0)->dns.status,
		RESOLVE_DATA);
}

/* ---- the root ---- */

static void a_root_that_fails_validation_is_the_operators_to_know(void **state)
{
	(void)state;
	start("/usr/share/dns/root.key"); /* the relay knows another root */
	give_line(0, 0);
	assert_int_equal(answer_to(&the.workers[0], ASK_ADDR, "x.full.example", 0)->dns.status,
		RESOLVE_BOGUS);
	for (int i = 0; i < 100 && !logged("FG-D14"); i++)
		turn(20);
	assert_int_equal(logged("FG-D14"), 1);
	assert_int_equal(logged("\"level\":\"error\""), 1);
	assert_int_equal(logged("name a resolver that passes DNSSEC on"), 1);
}

static void without_an_anchor_nothing_is_validated_and_nothing_complained_about(void **state)
{
	(void)state;
	start("");
	give_line(0, 0);
	const struct answer *a = answer_to(&the.workers[0], ASK_ADDR, "bogus.signed.example", 0);
	assert_int_equal(a->dns.status, RESOLVE_DATA);
	assert_false(a->dns.secure);
	turn(200);
	assert_int_equal(logged("\"level\":\"error\""), 0);
	assert_int_equal(logged("\"validation\":\"off\""), 1);
}

/* ---- ends ---- */

static void tell_to_stop(void)
{
	const struct wire m = {.type = WIRE_STOP, .within_ms = 1500};
	assert_false(err_is(wire_send(the.channel, &m, NULL)));
}

static void workers_are_served_until_they_have_ended(void **state)
{
	(void)state;
	start(dns_anchor);
	give_line(0, 0);
	turn(50);
	tell_to_stop();
	assert_int_equal(answer_to(&the.workers[0], ASK_ADDR, "x.full.example", 0)->dns.status,
		RESOLVE_DATA);
	asker_free(the.workers[0].asker);
	the.workers[0].asker = asker_new(&the.f->loop, on_done, &the.workers[0]);
	turn(50);
	assert_int_equal(ended(), 0);
}

static void a_worker_that_does_not_end_is_left_in_time(void **state)
{
	(void)state;
	start(dns_anchor);
	give_line(0, 0);
	turn(50);
	tell_to_stop();
	turn(1700);
	assert_int_equal(ended(), 0);
}

static void without_a_supervisor_and_workers_it_ends(void **state)
{
	(void)state;
	start(dns_anchor);
	shutdown(the.channel, SHUT_RDWR);
	assert_int_equal(ended(), 0);
}

#define SCOUT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCOUT_TEST(every_class_of_answer_reaches_the_worker),
		SCOUT_TEST(who_gets_no_answer_is_told_so_in_time),
		SCOUT_TEST(aliases_reach_the_worker),
		SCOUT_TEST(posh_is_looked_for_on_the_web_and_nowhere_private),
		SCOUT_TEST(without_authorities_no_document_is_believed),
		SCOUT_TEST(workers_do_not_get_each_others_answers),
		SCOUT_TEST(a_worker_that_asks_too_much_harms_itself_alone),
		SCOUT_TEST(what_a_dead_worker_asked_is_not_told_to_the_next),
		SCOUT_TEST(a_line_in_place_of_another_is_the_worker),
		SCOUT_TEST(a_worker_that_cannot_be_is_not_served),
		SCOUT_TEST(a_root_that_fails_validation_is_the_operators_to_know),
		SCOUT_TEST(without_an_anchor_nothing_is_validated_and_nothing_complained_about),
		SCOUT_TEST(workers_are_served_until_they_have_ended),
		SCOUT_TEST(a_worker_that_does_not_end_is_left_in_time),
		SCOUT_TEST(without_a_supervisor_and_workers_it_ends),
	};
	return cmocka_run_group_tests(tests, dns_server_start, dns_server_stop);
}
