/* `fedgate records DOMAIN`: everything that has to be published for a tenant, by whom, ready to be
 * copied: as a table for people, as lines for zone files, as JSON for programs. */
#include "cmd/cmd.h"
#include "cmd/record_set.h"
#include "cmd/subject.h"

#include "tenants/value.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char usage_text[] =
	"usage: fedgate records DOMAIN [--format FORMAT] [--for customer|host]\n"
	"                       [--clients HOST] [--ca NAME] [--config FILE]\n"
	"  --format FORMAT table: all of it, for people; zone: lines for zone files; json;\n"
	"                  nginx, apache or caddy: lines for the customer's web server\n"
	"  --for WHO       only what the customer or the host has to publish\n"
	"  --clients HOST  where clients of the domain connect, for their records\n"
	"  --ca NAME       the authority that may issue for the domain, as letsencrypt.org\n"
	"  --config FILE   the gate's own file (" CMD_DEFAULT_CONFIG ")\n";

static const char *const who_words[] = {"customer", "host"};

struct view {
	const struct record_set *set;
	const char *config, *format;
	bool shows[2]; /* by enum record_by */
};

/* ---- words ---- */

static const char *advice(const struct tenant *t)
{
	switch (t->proof) {
	case TENANT_POSH:
		return "The document on the web server is what proves the domain: it must be "
		       "answered with status 200, without a redirect, by a site with a public "
		       "certificate. No key leaves the customer, and none comes from him.";
	case TENANT_DANE:
		return "The zones of the domain and of the host must both be signed (DNSSEC), or "
		       "nobody looks at the TLSA records. They list the host's key: no key leaves "
		       "the customer, and none comes from him.";
	case TENANT_CERTIFICATE:
		break;
	}
	return "The tenant's certificate proves the domain; the documents are for servers that do "
	       "not "
	       "know its authority. A TLSA record under the host's name would contradict it, "
	       "unless "
	       "it is for this key.";
}

static bool has_records(const struct view *v, enum record_by by)
{
	for (size_t i = 0; i < v->set->record_count; i++) {
		if (v->set->records[i].by == by)
			return true;
	}
	return false;
}

static bool has_pages(const struct view *v)
{
	return v->set->page_count > 0 && v->shows[BY_CUSTOMER];
}

/* ---- zone ---- */

static void print_zone_line(const struct record *r)
{
	printf("; %s%s\n", r->optional ? "optional: " : "", r->note);
	printf(r->value ? "%s %d IN %s %s\n" : "; %s %d IN %s ...%s\n", r->name, RECORD_TTL_S,
		r->type, r->value ? r->value : "");
}

static const char *zone_owner(const struct view *v, enum record_by by)
{
	return by == BY_CUSTOMER ? v->set->tenant->domain.name : record_target(v->set)->name;
}

static void print_zone(const struct view *v)
{
	printf("; made by `fedgate records %s --config %s`\n", v->set->tenant->domain.name,
		v->config);
	for (enum record_by by = BY_CUSTOMER; by <= BY_HOST; by++) {
		if (!v->shows[by] || !has_records(v, by))
			continue;
		printf(";\n; ---- by the %s, in the zone of %s\n;\n", who_words[by],
			zone_owner(v, by));
		for (size_t i = 0; i < v->set->record_count; i++) {
			if (v->set->records[i].by == by)
				print_zone_line(&v->set->records[i]);
		}
	}
	if (has_pages(v))
		printf(";\n; Beside the zone documents stand on web servers; see --format "
		       "table.\n");
}

/* ---- table ---- */

static void print_wrapped(const char *text)
{
	size_t column = 0;
	struct slice rest = slice_str(text);
	for (struct slice w = value_next_word(&rest); w.len; w = value_next_word(&rest)) {
		if (column && column + 1 + w.len > 78) {
			printf("\n");
			column = 0;
		}
		column += (size_t)printf("%s%.*s", column ? " " : "", SLICE_ARG(w));
	}
	printf("\n");
}

static void print_records(const struct view *v, enum record_by by)
{
	printf("\nIn the zone of %s, by the %s:\n", zone_owner(v, by), who_words[by]);
	for (size_t i = 0; i < v->set->record_count; i++) {
		const struct record *r = &v->set->records[i];
		if (r->by != by)
			continue;
		printf("\n  %s%s\n", r->optional ? "optional: " : "", r->note);
		printf("    %s  %d  %s  %s\n", r->name, RECORD_TTL_S, r->type,
			r->value ? r->value : "...");
	}
}

static void print_block(struct slice text)
{
	while (text.len) {
		size_t end = slice_find(text, '\n');
		printf("    %.*s\n", (int)end, text.ptr);
		text = slice_sub(text, end + 1, text.len);
	}
}

static void print_pages(const struct view *v)
{
	const struct record_set *set = v->set;
	bool published = set->pages[0].publisher != NULL;
	printf("\nOn web servers, by the customer:\n\n");
	for (size_t i = 0; i < set->page_count; i++)
		printf("  %s%s\n", set->pages[i].url,
			i && strcmp(set->pages[i].service, set->pages[0].service) != 0
				? "  (optional: for clients)"
				: "");
	printf("\n  each answers with this document, as `fedgate posh %s` prints it, anew after "
	       "every rollover:\n\n",
		set->tenant->domain.name);
	print_block(slice_str(set->document));
	printf(published ? "\n  or, better, passes the question on to the gate, which always has "
			   "the "
			   "newest:\n"
			 : "\n  from a file; [publish] in fedgate.ini would let the gate keep "
			   "it:\n");
	for (size_t i = 0; web_servers[i]; i++) {
		struct buf lines;
		buf_init(&lines, BUF_UNLIMITED);
		web_lines(set, web_servers[i], &lines);
		printf("\n  %s\n", web_servers[i]);
		print_block(buf_peek(&lines));
		buf_fini(&lines);
	}
}

static void print_table(const struct view *v)
{
	const struct tenant *t = v->set->tenant;
	printf("%s, proven by %s, served at %s\n\n", t->domain.name, value_proofs[t->proof],
		record_target(v->set)->name);
	print_wrapped(advice(t));
	for (enum record_by by = BY_CUSTOMER; by <= BY_HOST; by++) {
		if (v->shows[by] && has_records(v, by))
			print_records(v, by);
	}
	if (has_pages(v))
		print_pages(v);
}

/* ---- JSON ---- */

static json_t *json_of_record(const struct record *r)
{
	return json_pack("{ss ss ss si ss* sb ss}", "by", who_words[r->by], "type", r->type, "name",
		r->name, "ttl", RECORD_TTL_S, "value", r->value, "optional", (int)r->optional,
		"note", r->note);
}

static json_t *json_of_page(const struct record_page *p)
{
	return json_pack("{ss ss ss ss ss* sb}", "by", who_words[BY_CUSTOMER], "domain",
		p->domain->name, "service", p->service, "url", p->url, "publisher", p->publisher,
		"optional", (int)p->optional);
}

static json_t *json_of_web_lines(const struct record_set *set)
{
	json_t *all = json_object();
	for (size_t i = 0; web_servers[i]; i++) {
		struct buf lines;
		buf_init(&lines, BUF_UNLIMITED);
		web_lines(set, web_servers[i], &lines);
		json_object_set_new(all, web_servers[i], json_string(buf_cstr(&lines)));
		buf_fini(&lines);
	}
	return all;
}

static void print_json(const struct view *v)
{
	const struct record_set *set = v->set;
	const struct tenant *t = set->tenant;
	json_t *records = json_array(), *pages = json_array();
	for (size_t i = 0; i < set->record_count; i++) {
		if (v->shows[set->records[i].by])
			json_array_append_new(records, json_of_record(&set->records[i]));
	}
	for (size_t i = 0; has_pages(v) && i < set->page_count; i++)
		json_array_append_new(pages, json_of_page(&set->pages[i]));
	json_t *all = json_pack("{ss ss ss so so}", "domain", t->domain.name, "proof",
		value_proofs[t->proof], "host", record_target(set)->name, "records", records,
		"documents", pages);
	if (has_pages(v)) {
		json_object_set_new(all, "document", json_loads(set->document, 0, NULL));
		json_object_set_new(all, "web_servers", json_of_web_lines(set));
	}
	json_dumpf(all, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(all);
}

/* ---- web servers ---- */

static bool is_web_server(const char *name)
{
	size_t i = 0;
	while (web_servers[i] && strcmp(web_servers[i], name) != 0)
		i++;
	return web_servers[i] != NULL;
}

static void print_web(const struct view *v)
{
	struct buf lines;
	buf_init(&lines, BUF_UNLIMITED);
	web_lines(v->set, v->format, &lines);
	fputs(buf_cstr(&lines), stdout);
	buf_fini(&lines);
}

/* ---- the verb ---- */

static void (*printer_of(const char *format))(const struct view *)
{
	return strcmp(format, "table") == 0  ? print_table
	       : strcmp(format, "zone") == 0 ? print_zone
	       : strcmp(format, "json") == 0 ? print_json
	       : is_web_server(format)       ? print_web
					     : NULL;
}

/* What is put into records must be able to stand there. */
static bool is_host(const char *name, struct domain *out)
{
	return !name || !err_is(domain_parse(slice_str(name), out));
}

static int print_with(const struct view *v, void (*print)(const struct view *))
{
	const struct tenant *t = v->set->tenant;
	if (print != print_web || v->set->page_count > 0) {
		print(v);
		return CMD_FINE;
	}
	fprintf(stderr, "fedgate records: %s: proven by %s, so no web server shows anything\n",
		t->domain.name, value_proofs[t->proof]);
	return CMD_PROBLEM;
}

static int run(const struct subject *s, struct view v, const struct record_wish *wish,
	void (*print)(const struct view *))
{
	struct record_set set;
	const char *why = record_set_make(&set, s->gate, s->tenant, wish);
	if (why) {
		fprintf(stderr, "fedgate records: %s: %s\n", s->tenant->domain.name, why);
		return CMD_PROBLEM;
	}
	v.set = &set;
	int status = print_with(&v, print);
	record_set_fini(&set);
	return status;
}

int cmd_records(int argc, char **argv)
{
	const char *config = CMD_DEFAULT_CONFIG, *format = "table", *who = NULL;
	struct record_wish wish = {.now = (int64_t)time(NULL)};
	const struct cmd_option options[] = {{"--config", &config, NULL},
		{"--format", &format, NULL}, {"--for", &who, NULL},
		{"--clients", &wish.clients, NULL}, {"--ca", &wish.ca, NULL}};
	struct cmd_arguments a = {.verb = "records",
		.usage = usage_text,
		.options = options,
		.count = sizeof options / sizeof *options};
	struct domain clients, ca;
	struct subject s;
	if (!cmd_read_arguments(&a, argc, argv))
		return CMD_USAGE;
	struct view v = {.config = config,
		.format = format,
		.shows = {!who || strcmp(who, who_words[BY_CUSTOMER]) == 0,
			!who || strcmp(who, who_words[BY_HOST]) == 0}};
	bool fine = a.operand && printer_of(format) && (v.shows[0] || v.shows[1]) &&
		    is_host(wish.clients, &clients) && is_host(wish.ca, &ca);
	if (a.help || !fine) {
		fputs(usage_text, a.help ? stdout : stderr);
		return a.help ? CMD_FINE : CMD_USAGE;
	}
	wish.clients = wish.clients ? clients.name : NULL;
	wish.ca = wish.ca ? ca.name : NULL;
	int status = subject_load(&s, "records", config, a.operand);
	if (status != CMD_FINE)
		return status;
	status = run(&s, v, &wish, printer_of(format));
	subject_fini(&s);
	return cmd_finish("records", status);
}
