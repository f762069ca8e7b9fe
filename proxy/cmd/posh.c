/* `fedgate posh DOMAIN`: the document for the domain's web server, or a reference to the one that
 * the gate publishes (RFC 7711 3.1, 3.2). */
#include "cmd/cmd.h"
#include "cmd/record_set.h"
#include "cmd/subject.h"

#include "tenants/published.h"
#include "trust/posh.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char usage_text[] =
	"usage: fedgate posh DOMAIN [--service xmpp-server|xmpp-client] [--reference] "
	"[--config FILE]\n"
	"  --service NAME  which of the two; both list the same certificates\n"
	"  --reference     a document that leads to the one under the host's name; some servers\n"
	"                  do not follow it, so the document itself is the better choice\n"
	"  --config FILE   the gate's own file (" CMD_DEFAULT_CONFIG ")\n";

static int say_unread(const struct tenant *t, const char *bad)
{
	if (bad)
		fprintf(stderr, "fedgate posh: %s: the certificate cannot be read\n", bad);
	else
		fprintf(stderr,
			"fedgate posh: %s has no certificate yet; the gate makes it at its next "
			"start or reload\n",
			t->domain.name);
	return CMD_PROBLEM;
}

static int print_document(const struct subject *s)
{
	struct published p;
	struct buf text;
	const char *bad;
	struct err e = published_read(s->tenant, &p, &bad);
	buf_init(&text, BUF_UNLIMITED);
	bool fine = !err_is(e) && p.count;
	if (fine)
		posh_write(p.leafs, p.count, published_expires(s->gate, &p, (int64_t)time(NULL)),
			&text);
	fputs(buf_cstr(&text), stdout);
	buf_fini(&text);
	published_fini(&p);
	return fine ? CMD_FINE : say_unread(s->tenant, bad);
}

static int print_reference(const struct subject *s, const char *service)
{
	struct buf url, text;
	buf_init(&url, BUF_UNLIMITED);
	buf_init(&text, BUF_UNLIMITED);
	bool published = record_publisher_url(s->gate, &s->domain, service, &url);
	if (published)
		posh_write_reference(buf_peek(&url), s->gate->publish_expires, &text);
	else
		fprintf(stderr, "fedgate posh: the gate publishes nothing that could be referred "
				"to: `listen` in section [publish] of fedgate.ini is empty\n");
	fputs(buf_cstr(&text), stdout);
	buf_fini(&url);
	buf_fini(&text);
	return published ? CMD_FINE : CMD_PROBLEM;
}

int cmd_posh(int argc, char **argv)
{
	const char *config = CMD_DEFAULT_CONFIG, *service = "xmpp-server";
	bool reference = false;
	const struct cmd_option options[] = {{"--config", &config, NULL},
		{"--service", &service, NULL}, {"--reference", NULL, &reference}};
	struct cmd_arguments a = {.verb = "posh",
		.usage = usage_text,
		.options = options,
		.count = sizeof options / sizeof *options};
	struct subject s;
	if (!cmd_read_arguments(&a, argc, argv))
		return CMD_USAGE;
	bool known = strcmp(service, "xmpp-server") == 0 || strcmp(service, "xmpp-client") == 0;
	if (a.help || !a.operand || !known) {
		fputs(usage_text, a.help ? stdout : stderr);
		return a.help ? CMD_FINE : CMD_USAGE;
	}
	int status = subject_load(&s, "posh", config, a.operand);
	if (status != CMD_FINE)
		return status;
	status = reference ? print_reference(&s, service) : print_document(&s);
	subject_fini(&s);
	return cmd_finish("posh", status);
}
