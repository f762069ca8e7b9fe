#include "cmd/record_set.h"

#include "base/b64.h"
#include "base/mem.h"
#include "tenants/published.h"
#include "tenants/value.h"
#include "trust/posh.h"
#include "trust/tlsa.h"

#include <stdio.h>
#include <string.h>

enum { HTTPS_PORT = 443 };

/* A peer that can do both prefers TLS from the first byte (XEP-0368 3). */
enum { PRIORITY_DIRECT = 5, PRIORITY_STARTTLS = 10 };

static const char *const services[] = {"xmpp-server", "xmpp-client"};

/* ---- parts ---- */

static char *taken(struct buf *text)
{
	char *copy = mem_strdup(buf_cstr(text));
	buf_fini(text);
	return copy;
}

static void add(struct record_set *set, struct record r, struct buf *name, struct buf *value)
{
	r.name = taken(name);
	r.value = value ? taken(value) : NULL;
	set->records = mem_realloc(set->records, (set->record_count + 1) * sizeof *set->records);
	set->records[set->record_count++] = r;
}

/* ---- SRV ---- */

const struct domain *record_target(const struct record_set *set)
{
	return gate_target(set->gate, set->tenant->proof);
}

static void add_srv(struct record_set *set, struct record r, const struct domain *domain,
	const char *service, unsigned priority, unsigned port, const char *target)
{
	struct buf name, value;
	buf_init(&name, BUF_UNLIMITED);
	buf_init(&value, BUF_UNLIMITED);
	r.type = "SRV";
	r.by = BY_CUSTOMER;
	(void)buf_printf(&name, "_%s._tcp.%s.", service, domain->name);
	(void)buf_printf(&value, "%u 0 %u %s.", priority, port, target);
	add(set, r, &name, &value);
}

static void add_servers(struct record_set *set, const struct domain *domain)
{
	static const struct record direct = {.note = "other servers, with TLS from the first byte"};
	static const struct record starttls = {.note = "other servers, with STARTTLS"};
	unsigned ports[GATE_PORTS_MAX];
	size_t count = gate_ports(set->gate, ports);
	const char *target = record_target(set)->name;
	for (size_t i = 0; i < count; i++)
		add_srv(set, direct, domain, "xmpps-server", PRIORITY_DIRECT, ports[i], target);
	for (size_t i = 0; i < count; i++)
		add_srv(set, starttls, domain, "xmpp-server", PRIORITY_STARTTLS, ports[i], target);
}

/* Where clients connect is the backend's affair. */
static void add_clients(struct record_set *set, const struct domain *domain, const char *host)
{
	static const struct {
		const char *service, *note, *unknown;
		unsigned priority, port;
	} rows[] = {
		{"xmpps-client", "clients, with TLS from the first byte",
			"clients, with TLS from the first byte: --clients HOST says where they "
			"connect",
			PRIORITY_DIRECT, 5223},
		{"xmpp-client", "clients, with STARTTLS",
			"clients, with STARTTLS: --clients HOST says where they connect",
			PRIORITY_STARTTLS, 5222},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct record r = {.optional = true, .type = "SRV", .note = rows[i].note};
		struct buf name;
		if (host) {
			add_srv(set, r, domain, rows[i].service, rows[i].priority, rows[i].port,
				host);
			continue;
		}
		r.note = rows[i].unknown;
		buf_init(&name, BUF_UNLIMITED);
		(void)buf_printf(&name, "_%s._tcp.%s.", rows[i].service, domain->name);
		add(set, r, &name, NULL);
	}
}

/* ---- CAA ---- */

/* RFC 8659. Whoever can get a certificate for the domain's web server can publish a document. */
static void add_caa(struct record_set *set, const char *ca)
{
	struct record r = {.by = BY_CUSTOMER,
		.type = "CAA",
		.optional = true,
		.note = ca ? "no other authority may issue certificates for the domain"
			   : "which authority may issue certificates for the domain: --ca NAME "
			     "makes the record"};
	struct buf name, value;
	buf_init(&name, BUF_UNLIMITED);
	(void)buf_printf(&name, "%s.", set->tenant->domain.name);
	buf_init(&value, BUF_UNLIMITED);
	(void)buf_printf(&value, "0 issue \"%s\"", ca ? ca : "");
	add(set, r, &name, ca ? &value : NULL);
	buf_fini(&value);
}

/* ---- TLSA ---- */

static void add_tlsa(struct record_set *set, struct slice leaf, const char *note, unsigned port)
{
	struct tlsa_record t;
	struct record r = {.by = BY_HOST, .type = "TLSA", .note = note};
	char text[TLSA_TEXT_MAX];
	struct buf name, value;
	if (!tlsa_of_leaf(leaf, &t))
		return;
	buf_init(&name, BUF_UNLIMITED);
	buf_init(&value, BUF_UNLIMITED);
	tlsa_write(&t, text);
	(void)buf_printf(&name, "_%u._tcp.%s.", port, record_target(set)->name);
	(void)buf_append_str(&value, text);
	add(set, r, &name, &value);
}

static const char *add_tlsas(struct record_set *set, const char *path, const char *note)
{
	unsigned ports[GATE_PORTS_MAX];
	size_t count = gate_ports(set->gate, ports);
	struct buf der;
	const char *why = NULL;
	if (!path)
		return NULL;
	buf_init(&der, BUF_UNLIMITED);
	if (err_is(leaf_read(path, &der)))
		why = "a certificate of the host cannot be read; see `fedgate check`";
	for (size_t i = 0; !why && i < count; i++)
		add_tlsa(set, buf_peek(&der), note, ports[i]);
	buf_fini(&der);
	return why;
}

/* DANE-6, RFC 7671 5.1: the key that all DANE tenants show, at the target that they share. */
static const char *add_host_keys(struct record_set *set)
{
	const struct tenant *t = set->tenant;
	const char *why = add_tlsas(set, t->certificate, "the key in use");
	if (!why)
		why = add_tlsas(set, t->next_certificate, "the key that will follow");
	if (!why)
		why = add_tlsas(set, t->previous_certificate, "the key that was in use before");
	return why;
}

/* ---- POSH ---- */

bool record_publisher_url(
	const struct gate *gate, const struct domain *domain, const char *service, struct buf *out)
{
	if (!gate->publish_listen.count || !domain_is_set(&gate->host_name))
		return false;
	unsigned port = address_port(&gate->publish_listen.items[0].sa);
	(void)buf_printf(out, "https://%s", gate->host_name.name);
	if (port != HTTPS_PORT)
		(void)buf_printf(out, ":%u", port);
	(void)buf_printf(out, "/posh/%s/%s.json", domain->name, service);
	return true;
}

static void add_page(struct record_set *set, const struct domain *domain, const char *service)
{
	struct record_page p = {.domain = domain,
		.service = service,
		.optional = service != services[0] || set->tenant->proof == TENANT_CERTIFICATE};
	struct posh_url *where = MEM_NEW(struct posh_url);
	struct buf url;
	buf_init(&url, BUF_UNLIMITED);
	posh_url_of(domain, service, where);
	posh_url_write(where, &url);
	p.url = taken(&url);
	mem_free(where);
	buf_init(&url, BUF_UNLIMITED);
	if (record_publisher_url(set->gate, domain, service, &url))
		p.publisher = mem_strdup(buf_cstr(&url));
	buf_fini(&url);
	set->pages = mem_realloc(set->pages, (set->page_count + 1) * sizeof *set->pages);
	set->pages[set->page_count++] = p;
}

static const char *write_document(struct record_set *set, int64_t now)
{
	struct published p;
	const char *bad;
	struct err e = published_read(set->tenant, &p, &bad);
	bool fine = !err_is(e) && p.count;
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	if (fine)
		posh_write(p.leafs, p.count, published_expires(set->gate, &p, now), &text);
	set->document = taken(&text);
	published_fini(&p);
	return fine ? NULL : "a certificate of the tenant cannot be read; see `fedgate check`";
}

/* ---- the whole ---- */

static const struct domain *nth_domain(const struct tenant *t, size_t i)
{
	return i ? &t->further.items[i - 1] : &t->domain;
}

static const char *fill(struct record_set *set, const struct record_wish *wish)
{
	const struct tenant *t = set->tenant;
	for (size_t i = 0; i <= t->further.count; i++)
		add_servers(set, nth_domain(t, i));
	add_clients(set, &t->domain, wish->clients);
	add_caa(set, wish->ca);
	if (t->proof == TENANT_DANE)
		return add_host_keys(set);
	for (size_t i = 0; i <= t->further.count; i++) { /* POSH-10: each domain its own */
		add_page(set, nth_domain(t, i), services[0]);
		if (i == 0)
			add_page(set, nth_domain(t, i), services[1]);
	}
	return write_document(set, wish->now);
}

const char *record_set_make(struct record_set *set, const struct gate *gate,
	const struct tenant *tenant, const struct record_wish *wish)
{
	*set = (struct record_set){.gate = gate, .tenant = tenant};
	const char *why = !domain_is_set(record_target(set))
				  ? "`host_name` is missing from section [gate] of fedgate.ini: it "
				    "is where the records lead"
			  : !tenant->certificate
				  ? "there is no certificate yet; the gate makes it at its next "
				    "start or reload"
				  : fill(set, wish);
	if (why)
		record_set_fini(set);
	return why;
}

void record_set_fini(struct record_set *set)
{
	for (size_t i = 0; i < set->record_count; i++) {
		mem_free(set->records[i].name);
		mem_free(set->records[i].value);
	}
	for (size_t i = 0; i < set->page_count; i++) {
		mem_free(set->pages[i].url);
		mem_free(set->pages[i].publisher);
	}
	mem_free(set->records);
	mem_free(set->pages);
	mem_free(set->document);
	*set = (struct record_set){.gate = NULL};
}
