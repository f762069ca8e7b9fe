/* `fedgate explain` as a person or a program calls it, against a socket that is served from rings
 * of ours. */
#define _GNU_SOURCE
#include "cmd/cmd.h"

#include <stdint.h>

#include "../unit/config/site.h"
#include "lib/admin_host.h"
#include "lib/verb_run.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <grp.h>
#include <jansson.h>
#include <sys/wait.h>

enum { BEGAN = 1800000000, ARGS_MAX = 8 };

static char config[TREE_PATH_MAX];
static struct admin_host host;

/* ---- calling it ---- */

static int run(char **argv)
{
	int argc = 0;
	while (argv[argc])
		argc++;
	return verb_run(cmd_explain, argc, argv, site.tree.dir);
}

/* Words separated by spaces; --config is the site's file. */
static int explain(const char *words)
{
	char copy[500], *argv[ARGS_MAX + 4] = {(char[]){"explain"}, (char[]){"--config"}, config};
	size_t n = 3;
	snprintf(copy, sizeof copy, "%s", words);
	for (char *s = copy, *word; (word = strtok_r(s, " ", &s));)
		argv[n++] = word;
	return run(argv);
}

/* ---- what there is to explain ---- */

static void set(struct domain *d, const char *name)
{
	assert_false(err_is(domain_parse(slice_str(name), d)));
}

static struct decision *begun(bool inbound, const char *tenant, const char *peer, unsigned at_s)
{
	struct decision *d = decision_begin(inbound, "7f3a7f3a7f3a7f3a", BEGAN + at_s, 1000 * at_s);
	set(&d->tenant, tenant);
	set(&d->peer, peer);
	d->floor = LEVEL_TRUSTED;
	snprintf(d->address, sizeof d->address, "203.0.113.9:51822");
	return d;
}

static void keep(struct decision *d, unsigned worker)
{
	decision_keep(host.writer[worker], d);
	decision_free(d);
}

/* The one of the reference: the certificate is for somebody else. */
static void a_wrong_name(const char *tenant, const char *peer, unsigned at_s, unsigned worker)
{
	struct decision *d = begun(true, tenant, peer, at_s);
	uint64_t ms = 1000 * at_s;
	struct policy_case c = {.tls = true};
	struct policy_verdict v;
	decision_step(d, ms + 1, "header", STEP_FINE, err_ok(), "to=%s from=%s", tenant, peer);
	decision_step(d, ms + 24, "tls", STEP_FINE, err_ok(), "starttls, TLSv1.3");
	c.of[PROOF_DANE].why = err_make(ERR_DANE_INSECURE);
	c.of[PROOF_PKIX] = (struct evidence){.outcome = EVIDENCE_FAILS,
		.why = err_make(ERR_CERT_NAME),
		.detail = "barad-dur.example"};
	c.of[PROOF_POSH] =
		(struct evidence){.outcome = EVIDENCE_NONE, .why = err_make(ERR_POSH_NONE)};
	c.of[PROOF_ASKED].outcome = EVIDENCE_PENDING;
	policy_decide(&c, LEVEL_TRUSTED, BEGAN, &v);
	assert_int_equal(v.decision, POLICY_REFUSE);
	decision_evidence(d, ms + 25, &c, &v);
	keep(d, worker);
}

static void an_accepted_one(const char *tenant, const char *peer, unsigned at_s, unsigned worker)
{
	struct decision *d = begun(false, tenant, peer, at_s);
	struct policy_case c = {.tls = true};
	struct policy_verdict v;
	d->floor = LEVEL_SECURE;
	c.of[PROOF_PKIX].outcome = EVIDENCE_PROVES;
	policy_decide(&c, LEVEL_SECURE, BEGAN, &v);
	assert_int_equal(v.decision, POLICY_ACCEPT);
	decision_evidence(d, 1000 * at_s + 30, &c, &v);
	keep(d, worker);
}

static void serve_again(void)
{
	char path[TREE_PATH_MAX];
	snprintf(path, sizeof path, "%s", tree_path(&site.tree, "admin.sock"));
	admin_host_start(&host, path, site.registry, 3000);
}

static int start(void **state)
{
	int r = site_make(state);
	snprintf(config, sizeof config, "%s", tree_path(&site.tree, "fedgate.ini"));
	tree_write(&site.tree, "fedgate.ini",
		"[gate]\nca_file = root.pem\nadmin_socket = admin.sock\n");
	site_tenant("shire.example", "[tenant]\ndomains = conference.shire.example b\xc3\xbc"
				     "cher.example\n[policy]\ninbound = trusted\n");
	site_reload();
	serve_again();
	return r;
}

static int stop(void **state)
{
	admin_host_stop(&host);
	return site_take_away(state);
}

/* ---- tests ---- */

static void a_refusal_is_told_step_by_step_with_the_line_that_decided(void **state)
{
	(void)state;
	a_wrong_name("shire.example", "mordor.example", 7, 1);
	assert_int_equal(explain("shire.example mordor.example"), 0);
	assert_string_equal(verb_complaint, "");
	assert_string_equal(verb_out,
		"2027-01-15 08:00:07Z  REFUSED  inbound  mordor.example \xe2\x86\x92 "
		"shire.example\n"
		"    203.0.113.9:51822  id 7f3a7f3a7f3a7f3a  worker 1\n"
		"  1 \xe2\x9c\x93 fine    header             1 ms  to=shire.example "
		"from=mordor.example\n"
		"  2 \xe2\x9c\x93 fine    tls               24 ms  starttls, TLSv1.3\n"
		"  3 \xe2\x80\x93 skipped dane              25 ms  the domain's DNS is not signed, "
		"so there is no DANE [FG-D09]\n"
		"  4 \xe2\x9c\x97 bad     certificate       25 ms  the certificate is for another "
		"domain (barad-dur.example) [FG-C05]\n"
		"  5 \xe2\x80\x93 skipped posh              25 ms  the domain publishes no POSH "
		"document [FG-P01]\n"
		"  6 \xe2\x80\x93 skipped dialback          25 ms  decided without it\n"
		" => policy \"trusted\" (tenants.d/shire.example.ini:10)\n"
		"    Would pass: none; if dialback succeeds: secure, verified.\n"
		"    Reason: the certificate is for another domain [FG-C05]\n"
		"    Who must act: the other side, mordor.example.\n"
		"    Fix: Get a certificate that names the domain, or publish POSH or DANE.\n");
}

static void an_acceptance_names_its_proof_and_a_default_is_called_one(void **state)
{
	(void)state;
	an_accepted_one("shire.example", "gondor.example", 9, 0);
	assert_int_equal(explain("shire.example gondor.example"), 0);
	assert_non_null(strstr(verb_out, "ACCEPTED  outbound  shire.example \xe2\x86\x92 gondor"));
	assert_non_null(strstr(verb_out, "fine    certificate "));
	assert_non_null(strstr(verb_out,
		" => policy \"secure\" (the default; tenants.d/shire.example.ini does not set "
		"[policy] outbound)\n    Proven: trusted, by its certificate.\n"));
	assert_null(strstr(verb_out, "Fix:"));
	assert_null(strstr(verb_out, "dane")); /* what says nothing is no step */
}

static void what_was_never_looked_at_would_not_pass(void **state)
{
	(void)state;
	struct decision *d = begun(false, "shire.example", "mordor.example", 7);
	d->outcome = DECISION_REFUSED;
	d->code = ERR_CONNECT;
	d->level = d->level_asked = LEVEL_VERIFIED;
	decision_step(d, 7001, "tcp", STEP_BAD, err_make(ERR_CONNECT), "%s", "");
	keep(d, 0);
	assert_int_equal(explain("shire.example mordor.example"), 0);
	assert_non_null(strstr(verb_out, "REFUSED  outbound  shire.example"));
	assert_non_null(strstr(verb_out, "tcp                1 ms  no server of the domain accepts "
					 "connections [FG-N01]\n"));
	assert_null(strstr(verb_out, "Would pass"));
	assert_int_equal(explain("shire.example mordor.example --json"), 0);
	assert_non_null(strstr(verb_out, "\"would_pass\": []"));
	assert_non_null(strstr(verb_out, "\"would_pass_with_dialback\": []"));
}

/* Both directions, all workers and all of the tenant's domains. */
static void the_newest_come_first_from_all_workers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		bool sub = i % 2;
		a_wrong_name(sub ? "conference.shire.example" : "shire.example", "mordor.example",
			10 + i, i % HOST_RINGS);
	}
	a_wrong_name("shire.example", "other.example", 30, 2);
	an_accepted_one("shire.example", "mordor.example", 15, 2);
	json_error_t e;
	static const struct {
		const char *words;
		int ms[12];
		size_t count;
	} rows[] = {
		{"shire.example mordor.example --json", {18, 17, 16}, 3},
		{"shire.example mordor.example --json --last 1", {18}, 1},
		{"shire.example mordor.example --json --last=50",
			{18, 17, 16, 15, 15, 14, 13, 12, 11, 10}, 10},
		{"conference.shire.example mordor.example --json --last 5", {17, 15, 13, 11}, 4},
		{"SHIRE.example. other.example --json", {30}, 1},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(explain(rows[i].words), 0);
		json_t *o = json_loads(verb_out, 0, &e), *list = json_object_get(o, "decisions");
		assert_int_equal(json_array_size(list), rows[i].count);
		for (size_t k = 0; k < rows[i].count; k++) {
			char want[40];
			const char *time =
				json_string_value(json_object_get(json_array_get(list, k), "time"));
			snprintf(want, sizeof want, "2027-01-15T08:00:%02dZ", rows[i].ms[k]);
			assert_string_equal(time, want);
		}
		json_decref(o);
	}
}

/* The keys are documented: they stay. */
static void the_object_for_programs_has_its_keys(void **state)
{
	(void)state;
	static const char *const of_answer[] = {
		"decisions", "ok", "peer", "served", "tenant", NULL};
	static const char *const of_decision[] = {"address", "blame", "code", "direction", "fix",
		"level", "outcome", "peer", "policy", "policy_file", "policy_key", "policy_line",
		"policy_now", "proof", "sentence", "session", "steps", "tenant", "time", "worker",
		"would_pass", "would_pass_with_dialback", NULL};
	static const char *const of_step[] = {
		"at_ms", "code", "detail", "mark", "name", "sentence", NULL};
	a_wrong_name("shire.example", "mordor.example", 7, 1);
	assert_int_equal(explain("shire.example mordor.example --json"), 0);
	json_t *o = json_loads(verb_out, 0, NULL);
	json_t *d = json_array_get(json_object_get(o, "decisions"), 0);
	json_t *step = json_array_get(json_object_get(d, "steps"), 0);
	const struct {
		json_t *object;
		const char *const *keys;
	} all[] = {{o, of_answer}, {d, of_decision}, {step, of_step}};
	for (size_t i = 0; i < 3; i++) {
		size_t n = 0;
		for (; all[i].keys[n]; n++)
			assert_non_null(json_object_get(all[i].object, all[i].keys[n]));
		assert_int_equal(json_object_size(all[i].object), n);
	}
	assert_string_equal(json_string_value(json_object_get(d, "code")), "FG-C05");
	assert_int_equal(json_integer_value(json_object_get(d, "policy_line")), 10);
	assert_true(json_is_null(json_object_get(d, "proof")));
	json_decref(o);
}

static void domains_are_shown_as_people_write_them(void **state)
{
	(void)state;
	a_wrong_name("xn--bcher-kva.example", "xn--mnchen-3ya.example", 7, 1);
	/* In octal, which ends by itself: "c" would be a digit of the hexadecimal one. */
	static const char *const ways[] = {"b\303\274cher.example m\303\274nchen.example",
		"xn--bcher-kva.example xn--mnchen-3ya.example",
		"shire.example M\xc3\x9cnchen.example"};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(explain(ways[i]), 0);
		assert_non_null(strstr(verb_out, "m\xc3\xbcnchen.example \xe2\x86\x92 b\xc3\xbc"
						 "cher.example\n"));
		assert_non_null(strstr(verb_out, "the other side, m\xc3\xbcnchen.example."));
	}
}

/* The decision was made under the policy of then; the file may say something else since. */
static void a_policy_that_has_changed_since_is_told_apart(void **state)
{
	(void)state;
	struct decision *d = begun(true, "shire.example", "mordor.example", 7);
	d->floor = LEVEL_SECURE;
	keep(d, 0);
	d = begun(true, "gone.example", "mordor.example", 7);
	keep(d, 0);
	assert_int_equal(explain("shire.example mordor.example"), 0);
	assert_non_null(strstr(verb_out, " => policy \"secure\" then; now inbound = trusted "
					 "(tenants.d/shire.example.ini:10)\n"));
	assert_non_null(strstr(verb_out, "NOT DECIDED"));
	assert_int_equal(explain("gone.example mordor.example"), 0);
	assert_non_null(
		strstr(verb_out, " => policy \"trusted\" (the tenant is not served any more)"));
}

static void none_found_is_one_and_says_what_that_means(void **state)
{
	(void)state;
	assert_int_equal(explain("shire.example nobody.example"), 1);
	assert_non_null(
		strstr(verb_out, "No decision between shire.example and nobody.example is known.\n"
				 "Since the gate was started neither side has tried"));
	assert_int_equal(explain("bree.example nobody.example"), 1);
	assert_non_null(strstr(verb_out, "bree.example is not served here; `fedgate check`"));
	assert_int_equal(explain("bree.example nobody.example --json"), 1);
	assert_non_null(strstr(verb_out, "\"decisions\": []"));
	assert_string_equal(verb_complaint, "");
}

static void a_wrong_call_is_two_and_says_how(void **state)
{
	(void)state;
	static const struct {
		const char *words, *says;
	} rows[] = {
		{"", "what is to be explained?"},
		{"a.example b.example c.example", "one word too many: c.example"},
		{"a.example", "this is no reason code"},
		{"FG-C99", "this is no reason code"},
		{"a..example b.example", "not a valid domain name: a..example"},
		{"a.example romeo@b.example", "not a valid domain name: romeo@b.example"},
		{"a.example b.example --lasts 3", "there is no option --lasts"},
		{"a.example b.example --last", "--last needs a number from 1 to 50"},
		{"a.example b.example --last 0", "--last needs a number from 1 to 50: 0"},
		{"a.example b.example --last 51", "--last needs a number from 1 to 50: 51"},
		{"a.example b.example --last=3x", "--last needs a number from 1 to 50: 3x"},
		{"a.example b.example --last -3", "--last needs a number from 1 to 50: -3"},
		{"a.example b.example --config", "--config needs a file behind it"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(explain(rows[i].words), 2);
		if (!strstr(verb_complaint, rows[i].says) ||
			!strstr(verb_complaint, "usage: fedgate explain"))
			fail_msg("%s: %s", rows[i].words, verb_complaint);
		assert_string_equal(verb_out, "");
	}
	assert_int_equal(explain("--help"), 0);
	assert_non_null(strstr(verb_out, "usage: fedgate explain TENANT PEER"));
}

/* ux: each says what to do. */
static void without_a_gate_it_is_three_and_says_what_to_do(void **state)
{
	(void)state;
	static const char words[] = "shire.example mordor.example";
	admin_host_stop(&host);
	assert_int_equal(explain(words), 3);
	assert_non_null(strstr(verb_complaint, "admin.sock: No such file or directory; is the gate "
					       "running? (systemctl status fedgate;"));
	serve_again();
	kill(host.pid, SIGKILL);
	waitpid(host.pid, NULL, 0);
	assert_int_equal(explain(words), 3);
	assert_non_null(
		strstr(verb_complaint, "admin.sock: Connection refused; is the gate running?"));
	tree_write(&site.tree, "fedgate.ini", "[gate]\nca_file = root.pem\nadmin_socket =\n");
	assert_int_equal(explain(words), 3);
	assert_non_null(
		strstr(verb_complaint, "admin_socket is empty, so the gate cannot be asked"));
	tree_unlink(&site.tree, "fedgate.ini");
	assert_int_equal(explain(words), 3);
	assert_non_null(strstr(verb_complaint, "--config FILE says where the file is."));
	assert_string_equal(verb_out, "");
}

/* Others are told who may; their own mistakes in the file are not in the way. */
static void without_the_right_it_is_three_and_says_who_may(void **state)
{
	(void)state;
	int status;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(site.tree.dir, 0755), 0);
	assert_int_equal(chmod(config, 0644), 0);
	for (int opened = 0; opened < 2; opened++) {
		assert_int_equal(chmod(host.path, opened ? 0666 : 0660), 0);
		fflush(NULL);
		pid_t pid = fork();
		if (pid == 0) {
			bool fine =
				setgroups(0, NULL) == 0 && setgid(1234) == 0 && setuid(1234) == 0 &&
				explain("shire.example mordor.example") == 3 &&
				strstr(verb_complaint, "run this as root, or as a member of the "
						       "gate's group");
			_exit(fine ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void a_code_is_explained_without_a_gate(void **state)
{
	(void)state;
	admin_host_stop(&host);
	assert_int_equal(explain("fg-c05"), 0);
	assert_string_equal(verb_out,
		"FG-C05: the certificate is for another domain\n"
		"Who must act: the other side.\n"
		"Fix: Get a certificate that names the domain, or publish POSH or DANE.\n"
		"The other side sees: <not-authorized/> with the text \"the certificate is for "
		"another domain [FG-C05]\".\n");
	for (int i = 0; i < ERR_COUNT; i++) {
		const struct err_row *row = err_row((enum err_code)i);
		assert_int_equal(explain(row->id), 0);
		assert_non_null(strstr(verb_out, row->sentence));
		assert_non_null(strstr(verb_out, err_fix((enum err_code)i)));
		char json[40];
		snprintf(json, sizeof json, "%s --json", row->id);
		assert_int_equal(explain(json), 0);
		json_t *o = json_loads(verb_out, 0, NULL);
		assert_int_equal(json_object_size(o), 5);
		json_decref(o);
	}
	serve_again();
}

#define hosted(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hosted(a_refusal_is_told_step_by_step_with_the_line_that_decided),
		hosted(an_acceptance_names_its_proof_and_a_default_is_called_one),
		hosted(what_was_never_looked_at_would_not_pass),
		hosted(the_newest_come_first_from_all_workers),
		hosted(the_object_for_programs_has_its_keys),
		hosted(domains_are_shown_as_people_write_them),
		hosted(a_policy_that_has_changed_since_is_told_apart),
		hosted(none_found_is_one_and_says_what_that_means),
		hosted(a_wrong_call_is_two_and_says_how),
		hosted(without_a_gate_it_is_three_and_says_what_to_do),
		hosted(without_the_right_it_is_three_and_says_who_may),
		hosted(a_code_is_explained_without_a_gate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
