/* What `fedgate backend-config` prints, and its exit statuses. That servers and nft take the lines
 * is shown on real ones: tests/wire/firewall_test.py. */
#include "base/buf.h"
#include "cmd/cmd.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { CONFIG_MAX = 1024, OUTPUT_MAX = 64 * 1024, NAMED_FILES = 8, PATH_LEN = 200 };

#ifndef FIXTURE_DIR
#define FIXTURE_DIR "tests/unit/config"
#endif

struct place {
	char dir[64], config[PATH_LEN];
	char files[NAMED_FILES][PATH_LEN / 2];
	size_t count;
};

static void put_file(struct place *p, const char *name, const char *text)
{
	char path[PATH_LEN];
	assert_true(p->count < NAMED_FILES);
	snprintf(p->files[p->count++], PATH_LEN / 2, "%s", name);
	snprintf(path, sizeof path, "%.60s/%.100s", p->dir, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void copy_fixture(struct place *p, const char *name)
{
	char path[PATH_LEN], text[4096];
	snprintf(path, sizeof path, "%s/%s", FIXTURE_DIR, name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	put_file(p, name, text);
}

static void open_place(struct place *p, const char *config)
{
	*p = (struct place){.dir = "/tmp/fedgate-test-XXXXXX"};
	assert_non_null(mkdtemp(p->dir));
	char tenants[PATH_LEN];
	snprintf(tenants, sizeof tenants, "%s/tenants.d", p->dir);
	assert_int_equal(mkdir(tenants, 0700), 0);
	put_file(p, "fedgate.ini", config);
	snprintf(p->config, sizeof p->config, "%s/fedgate.ini", p->dir);
	copy_fixture(p, "shire.pem");
	copy_fixture(p, "shire.key");
}

static void put_tenant(
	struct place *p, const char *domain, const char *further, const char *backend)
{
	char name[100], text[CONFIG_MAX];
	snprintf(name, sizeof name, "tenants.d/%s.ini", domain);
	snprintf(text, sizeof text,
		"[tenant]\ndomain = %s\ndomains = %s\nbackend = %s\n"
		"[tls]\ncertificate = ../shire.pem\nkey = ../shire.key\n",
		domain, further, backend);
	put_file(p, name, text);
}

static void close_place(struct place *p)
{
	char tenants[PATH_LEN];
	snprintf(tenants, sizeof tenants, "%s/tenants.d", p->dir);
	for (size_t i = 0; i < p->count; i++) {
		char path[PATH_LEN];
		snprintf(path, sizeof path, "%.60s/%.100s", p->dir, p->files[i]);
		unlink(path);
	}
	rmdir(tenants);
	assert_int_equal(rmdir(p->dir), 0);
}

/* ---- running it ---- */

static char out[OUTPUT_MAX], complaint[OUTPUT_MAX];

struct catch
{
	int fd, kept;
	FILE *file;
};

static struct catch catch_fd(int fd)
{
	struct catch c = {.fd = fd, .kept = dup(fd), .file = tmpfile()};
	assert_non_null(c.file);
	dup2(fileno(c.file), fd);
	return c;
}

static void caught(struct catch *c, char *text)
{
	dup2(c->kept, c->fd);
	close(c->kept);
	rewind(c->file);
	text[fread(text, 1, OUTPUT_MAX - 1, c->file)] = '\0';
	fclose(c->file);
}

/* Words separated by blanks; "@" is the configuration's path. */
static int run(const struct place *p, const char *words)
{
	char copy[CONFIG_MAX], *argv[16];
	int argc = 0;
	snprintf(copy, sizeof copy, "backend-config %s", words);
	for (char *w = copy, *end; *w; w = end + strspn(end, " ")) {
		end = w + strcspn(w, " ");
		if (*end)
			*end++ = '\0';
		argv[argc++] = strcmp(w, "@") == 0 ? (char *)p->config : w;
	}
	argv[argc] = NULL;
	fflush(stdout);
	struct catch o = catch_fd(STDOUT_FILENO), e = catch_fd(STDERR_FILENO);
	int status = cmd_backend_config(argc, argv);
	fflush(stdout);
	caught(&o, out);
	caught(&e, complaint);
	return status;
}

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);
	for (const char *at = strstr(text, line); at; at = strstr(at + 1, line)) {
		if ((at == text || at[-1] == '\n') && (at[len] == '\n' || !at[len]))
			return true;
	}
	return false;
}

static void assert_lines(const char *const *lines)
{
	for (; *lines; lines++) {
		if (!has_line(out, *lines))
			fail_msg("there is no line `%s` in:\n%s", *lines, out);
	}
}

/* Nothing is left to fill in, nothing is cut, nothing speaks of addresses nobody configured. */
static void assert_complete(void)
{
	static const char *const bad[] = {"%s", "%u", "%.*s", "(null)", "0.0.0.0", NULL};
	for (size_t i = 0; bad[i]; i++) {
		if (strstr(out, bad[i]))
			fail_msg("`%s` is left in:\n%s", bad[i], out);
	}
	size_t len = strlen(out);
	assert_true(len > 0 && out[len - 1] == '\n');
}

static const char one_backend[] = "[gate]\nlisten = [::]:5269 0.0.0.0:6269\n"
				  "[egress]\nlisten = 127.0.0.1:5290 [::1]:5290\n"
				  "dns_listen = 127.0.0.1:5399\nname = out.hosting.example\n"
				  "names = db.hosting.example=10.0.0.7\n"
				  "[limits]\nstanza_bytes = 300000\n";

/* ---- tests ---- */

/* Protocol sheet 20.1; each of these was needed in a run with the real server. */
static void prosody_gets_the_lines_that_were_seen_to_work(void **state)
{
	(void)state;
	struct place p;
	open_place(&p, one_backend);
	put_tenant(&p, "shire.example", "conference.shire.example", "127.0.0.1:15280");
	assert_int_equal(run(&p, "prosody --config @"), 0);
	assert_string_equal(complaint, "");
	static const char *const lines[] = {"s2s_require_encryption = false",
		"s2s_secure_auth = false", "s2s_allow_encryption = false",
		"s2s_interfaces = { \"127.0.0.1\" }", "s2s_ports = { 15280 }",
		"s2s_stanza_size_limit = 300000",
		"unbound = { resolvconf = false; hoststxt = false; forward = \"127.0.0.1@5399\" }",
		"\ts2sin = { rate = \"10mb/s\" };", "--     Include \"fedgate.cfg.lua\"",
		"-- VirtualHost \"shire.example\"", "-- Component \"conference.shire.example\"",
		"-- ==== /etc/prosody/fedgate.cfg.lua", "-- ==== /etc/fedgate/egress-prosody.nft",
		"-- \t\tmeta skuid \"prosody\" jump backend", NULL};
	assert_lines(lines);
	assert_non_null(strstr(out, "\"dialback\""));
	assert_non_null(strstr(out, "lua-unbound"));
	assert_complete();
	close_place(&p);
}

static void ejabberd_gets_the_lines_that_were_seen_to_work(void **state)
{
	(void)state;
	struct place p;
	open_place(&p, one_backend);
	put_tenant(&p, "shire.example", "conference.shire.example", "127.0.0.1:15280");
	assert_int_equal(run(&p, "ejabberd --config @"), 0);
	static const char *const lines[] = {"hosts:", "  - \"shire.example\"",
		"  # \"conference.shire.example\"", "listen:", "    port: 15280",
		"    ip: \"127.0.0.1\"", "    module: ejabberd_s2s_in",
		"    max_stanza_size: 300000", "    backlog: 128", "s2s_use_starttls: false",
		"s2s_max_retry_delay: 1", "#     include_config_file: /etc/ejabberd/fedgate.yml",
		"# {resolv_conf,\"\"}.", "# {nameserver,{127,0,0,1},5399}.",
		"# 127.0.0.1 out.hosting.example", "# ::1 out.hosting.example",
		"# \t\tmeta skuid \"ejabberd\" jump backend", NULL};
	assert_lines(lines);
	assert_non_null(strstr(out, "mod_s2s_dialback"));
	assert_complete();
	close_place(&p);
}

/* Every line outside the main part is a comment of the main part's language. */
static void the_whole_output_is_one_file_of_the_backends(void **state)
{
	(void)state;
	static const struct {
		const char *words, *comment, *second;
	} rows[] = {
		{"prosody --config @", "-- ", "-- ==== /etc/fedgate"},
		{"ejabberd --config @", "# ", "# ==== /etc/ejabberd/inetrc"},
	};
	struct place p;
	open_place(&p, one_backend);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(run(&p, rows[i].words), 0);
		const char *at = strstr(out, rows[i].second);
		assert_non_null(at);
		for (; *at; at = strchr(at, '\n') + 1)
			assert_memory_equal(at, rows[i].comment, strlen(rows[i].comment));
	}
	close_place(&p);
}

static void a_part_alone_has_no_marks_in_front(void **state)
{
	(void)state;
	static const struct {
		const char *words, *first, *some;
	} rows[] = {
		{"prosody --config @ --part config",
			"-- The gate speaks TLS with the world and proves who is who. Prosody",
			"s2s_ports = { 15269 }"},
		{"prosody --config @ --part firewall", "#!/usr/sbin/nft -f",
			"\t\tip daddr 127.0.0.1 tcp dport 5290 counter name to_gate accept"},
		{"ejabberd --part config --config @",
			"# Where the gate dials in, in plain text. Never reachable from",
			"    port: 15269"},
		{"ejabberd --part resolver --config @",
			"%% Where ejabberd finds SRV records: the gate's DNS responder leads",
			"{nameserver,{127,0,0,1},5399}."},
		{"ejabberd --part hosts --config @", "127.0.0.1 out.hosting.example",
			"::1 out.hosting.example"},
		{"--part firewall ejabberd --config @", "#!/usr/sbin/nft -f",
			"\t\tip6 daddr ::1 tcp dport 5290 counter name to_gate accept"},
	};
	struct place p;
	open_place(&p, one_backend);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(run(&p, rows[i].words), 0);
		const char *const lines[] = {rows[i].some, NULL};
		assert_memory_equal(out, rows[i].first, strlen(rows[i].first));
		assert_lines(lines);
		assert_complete();
	}
	close_place(&p);
}

/* BE-S3: what is let through is what the configuration names, and s2s on loopback is not. */
static void the_firewall_knows_the_gates_addresses(void **state)
{
	(void)state;
	struct place p;
	open_place(&p, one_backend);
	put_tenant(&p, "shire.example", "", "127.0.0.1:15280");
	put_tenant(&p, "rivendell.example", "", "127.0.0.2:15281");
	assert_int_equal(
		run(&p, "prosody --config @ --part firewall --backend 127.0.0.1:15280"), 0);
	static const char *const lines[] = {"\t\tct direction reply accept",
		"\t\tip daddr 127.0.0.1 udp dport 5399 accept",
		"\t\tip daddr 127.0.0.1 tcp dport 5399 accept", "\t\tip daddr 10.0.0.7 accept",
		"\t\toifname \"lo\" tcp dport { 5269, 5270, 6269, 15280, 15281 } counter name "
		"past_gate reject with tcp reset",
		"\t\tcounter name past_gate reject with icmpx admin-prohibited", NULL};
	assert_lines(lines);
	/* Refusing s2s on loopback comes before allowing loopback, or it would do nothing. */
	assert_true(strstr(out, "oifname \"lo\" tcp") < strstr(out, "oifname \"lo\" accept"));
	assert_true(strstr(out, "to_gate accept") < strstr(out, "oifname \"lo\" tcp"));
	close_place(&p);
}

static void only_the_tenants_of_that_backend_are_named(void **state)
{
	(void)state;
	struct place p;
	open_place(&p, one_backend);
	put_tenant(&p, "shire.example", "", "127.0.0.1:15280");
	put_tenant(&p, "rivendell.example", "", "127.0.0.2:15281");
	assert_int_equal(run(&p, "ejabberd --config @ --backend 127.0.0.2:15281"), 0);
	static const char *const lines[] = {
		"  - \"rivendell.example\"", "    port: 15281", "    ip: \"127.0.0.2\"", NULL};
	assert_lines(lines);
	assert_null(strstr(out, "shire.example"));
	assert_null(strstr(out, "In the tenants' files"));
	/* One that no tenant has yet: said what to write there. */
	assert_int_equal(run(&p, "ejabberd --config @ --backend [::1]:15300"), 0);
	static const char *const fresh[] = {"# In the tenants' files: backend = [::1]:15300",
		"    ip: \"::1\"", "    port: 15300", NULL};
	assert_lines(fresh);
	assert_null(strstr(out, "hosts:\n"));
	close_place(&p);
}

static void everywhere_is_told_as_an_address_that_can_be_dialled(void **state)
{
	(void)state;
	struct place p;
	open_place(&p, "[egress]\nlisten = 0.0.0.0:5275\ndns_listen = 0.0.0.0:53 10.0.0.5:53\n");
	assert_int_equal(run(&p, "prosody --config @ --part config"), 0);
	assert_non_null(strstr(out, "forward = { \"127.0.0.1@53\", \"10.0.0.5@53\" } }\n"));
	assert_int_equal(run(&p, "ejabberd --config @ --part hosts"), 0);
	assert_string_equal(out, "10.0.0.5 egress.fedgate.example\n");
	close_place(&p);
}

static void the_exit_status_tells_usage_from_trouble(void **state)
{
	(void)state;
	static const struct {
		const char *config, *words;
		int status;
		const char *complaint;
	} rows[] = {
		{one_backend, "", 2, "usage:"},
		{one_backend, "openfire --config @", 2, "usage:"},
		{one_backend, "prosody ejabberd --config @", 2, "usage:"},
		{one_backend, "prosody --config", 2, "usage:"},
		{one_backend, "prosody --config @ --part resolver", 2, "usage:"},
		{one_backend, "ejabberd --config @ --part nothing", 2, "usage:"},
		{one_backend, "ejabberd --verbose --config @", 2, "usage:"},
		{one_backend, "prosody --config @ --backend localhost:5269", 2, "not ADDRESS:PORT"},
		{one_backend, "prosody --config /nowhere/fedgate.ini", 3, "/nowhere/fedgate.ini"},
		{"[gate]\nlisten = here\n", "prosody --config @", 3, "fedgate.ini:2: listen:"},
		{"[egress]\ndns_listen =\n", "prosody --config @", 3, "dns_listen: is empty"},
		{"[egress]\nlisten = 0.0.0.0:5275\ndns_listen = 0.0.0.0:53\n", "prosody --config @",
			3, "names no address"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct place p;
		open_place(&p, rows[i].config);
		assert_int_equal(run(&p, rows[i].words), rows[i].status);
		assert_string_equal(out, "");
		if (!strstr(complaint, rows[i].complaint))
			fail_msg("`%s` is not in: %s", rows[i].complaint, complaint);
		close_place(&p);
	}
}

static void several_backends_want_a_choice(void **state)
{
	(void)state;
	struct place p;
	open_place(&p, one_backend);
	put_tenant(&p, "shire.example", "", "127.0.0.1:15280 127.0.0.1:15281");
	assert_int_equal(run(&p, "prosody --config @"), 2);
	assert_string_equal(out, "");
	assert_non_null(strstr(complaint, "  --backend 127.0.0.1:15280\n"));
	assert_non_null(strstr(complaint, "  --backend 127.0.0.1:15281\n"));
	close_place(&p);
}

static void a_broken_tenant_is_told_and_the_others_go_on(void **state)
{
	(void)state;
	struct place p;
	open_place(&p, one_backend);
	put_tenant(&p, "shire.example", "", "127.0.0.1:15280");
	put_file(&p, "tenants.d/moria.example.ini", "[tenant]\ndomain = other.example\n");
	assert_int_equal(run(&p, "prosody --config @ --part config"), 0);
	assert_non_null(strstr(out, "-- VirtualHost \"shire.example\"\n"));
	assert_null(strstr(out, "moria"));
	assert_non_null(strstr(complaint, "left out"));
	close_place(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prosody_gets_the_lines_that_were_seen_to_work),
		cmocka_unit_test(ejabberd_gets_the_lines_that_were_seen_to_work),
		cmocka_unit_test(the_whole_output_is_one_file_of_the_backends),
		cmocka_unit_test(a_part_alone_has_no_marks_in_front),
		cmocka_unit_test(the_firewall_knows_the_gates_addresses),
		cmocka_unit_test(only_the_tenants_of_that_backend_are_named),
		cmocka_unit_test(everywhere_is_told_as_an_address_that_can_be_dialled),
		cmocka_unit_test(the_exit_status_tells_usage_from_trouble),
		cmocka_unit_test(several_backends_want_a_choice),
		cmocka_unit_test(a_broken_tenant_is_told_and_the_others_go_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
