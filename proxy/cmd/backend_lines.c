#include "cmd/backend_lines.h"

#include "tenants/value.h"

#include <string.h>

/* ---- both ---- */

static void write_name(struct buf *out, const char *front, const struct domain *d)
{
	char name[DOMAIN_UNICODE_MAX + 1];
	(void)buf_printf(out, "%s \"%.*s\"\n", front, SLICE_ARG(domain_unicode(d, name)));
}

static void write_tenants(
	const struct backend_plan *plan, struct buf *out, const char *first, const char *further)
{
	for (size_t i = 0; i < registry_count(plan->tenants); i++) {
		const struct tenant *t = registry_at(plan->tenants, i);
		if (!backend_serves(plan, t))
			continue;
		write_name(out, first, &t->domain);
		for (size_t j = 0; j < t->further.count; j++)
			write_name(out, further, &t->further.items[j]);
	}
}

static void write_listener_note(
	const struct backend_plan *plan, const char *comment, struct buf *out)
{
	char address[ADDRESS_TEXT_MAX];
	address_write(&plan->listener, address);
	(void)buf_printf(out,
		"%sWhere the gate dials in, in plain text. Never reachable from\n"
		"%soutside: whoever gets there may speak for any domain.\n",
		comment, comment);
	if (!plan->is_configured)
		(void)buf_printf(out, "%sIn the tenants' files: backend = %s\n", comment, address);
}

/* ---- Prosody ---- */

static void write_forward(const struct backend_plan *plan, struct buf *out)
{
	const struct address_list *list = &plan->gate->steer_listen;
	for (size_t i = 0; i < list->count; i++) {
		struct sockaddr_storage sa = backend_resolver(&list->items[i]);
		char ip[64];
		unsigned port = backend_ip(&sa, ip);
		(void)buf_printf(out, "%s\"%s@%u\"", i ? ", " : "", ip, port);
	}
}

static void write_prosody(const struct backend_plan *plan, struct buf *out)
{
	char ip[64];
	unsigned port = backend_ip(&plan->listener.sa, ip);
	bool several = plan->gate->steer_listen.count > 1;
	(void)buf_append_str(out,
		"-- The gate speaks TLS with the world and proves who is who. Prosody\n"
		"-- speaks plain text with the gate and authenticates it by dialback.\n"
		"s2s_require_encryption = false\n"
		"s2s_secure_auth = false\n"
		"s2s_allow_encryption = false\n\n");
	write_listener_note(plan, "-- ", out);
	(void)buf_printf(out,
		"s2s_interfaces = { \"%s\" }\n"
		"s2s_ports = { %u }\n"
		"s2s_stanza_size_limit = %u\n\n",
		ip, port, plan->gate->stanza_bytes);
	(void)buf_append_str(out,
		"-- Where Prosody finds its peers: the gate's DNS responder leads every\n"
		"-- domain to the gate. Needs the package lua-unbound; without it Prosody\n"
		"-- asks the system's resolver and dials past the gate. No trusted and no\n"
		"-- trustfile here: what the responder says is not signed.\n"
		"unbound = { resolvconf = false; hoststxt = false; forward = ");
	(void)buf_append_str(out, several ? "{ " : "");
	write_forward(plan, out);
	(void)buf_append_str(out, several ? " } }\n\n" : " }\n\n");
	(void)buf_append_str(out,
		"-- All peers come by the gate now. With Debian's 30 kB/s for one of them\n"
		"-- a stanza of 300 kB takes ten seconds; the gate has its own limits.\n"
		"-- Clients' limits stand here because this replaces the whole option.\n"
		"limits = {\n"
		"\tc2s = { rate = \"10kb/s\" };\n"
		"\ts2sin = { rate = \"10mb/s\" };\n"
		"}\n");
	if (plan->is_configured)
		(void)buf_append_str(out,
			"\n-- The domains of the gate's tenants here: a VirtualHost for each,\n"
			"-- below the Include or in conf.d. Chat rooms and the like are\n"
			"-- domains too: a Component for each.\n");
	write_tenants(plan, out, "-- VirtualHost", "-- Component");
}

static void write_prosody_firewall(const struct backend_plan *plan, struct buf *out)
{
	backend_firewall(plan, "prosody", out);
}

static const struct backend_part prosody_parts[] = {
	{"config", "/etc/prosody/fedgate.cfg.lua",
		"In /etc/prosody/prosody.cfg.lua write, ABOVE the first VirtualHost:\n"
		"    Include \"fedgate.cfg.lua\"\n"
		"Below a VirtualHost these options would be that host's own and not be\n"
		"heeded. Above it they replace what was set before, as s2s_secure_auth.\n"
		"Keep \"dialback\" in modules_enabled. Where something in front speaks TLS\n"
		"with clients too, take \"tls\" out there: they would be offered it again.",
		write_prosody},
	{"firewall", "/etc/fedgate/egress-prosody.nft",
		"Load it with `nft -f /etc/fedgate/egress-prosody.nft`, and at every\n"
		"start by this line at the end of /etc/nftables.conf, with\n"
		"`systemctl enable nftables`:\n"
		"    include \"/etc/fedgate/egress-prosody.nft\"",
		write_prosody_firewall},
	{0},
};

const struct backend_kind backend_prosody = {"prosody", "-- ", prosody_parts};

/* ---- ejabberd ---- */

static void write_hosts_key(const struct backend_plan *plan, struct buf *out)
{
	if (!plan->is_configured)
		return;
	(void)buf_append_str(out,
		"# The domains of the gate's tenants here; they are added to those of\n"
		"# ejabberd.yml. Chat rooms and the like, in comments, are their modules'.\n"
		"hosts:\n");
	write_tenants(plan, out, "  -", "  #");
	(void)buf_append_str(out, "\n");
}

static void write_ejabberd(const struct backend_plan *plan, struct buf *out)
{
	char ip[64];
	unsigned port = backend_ip(&plan->listener.sa, ip);
	write_hosts_key(plan, out);
	write_listener_note(plan, "# ", out);
	(void)buf_printf(out,
		"# The backlog matters: with the default of 5 a burst of peers stalls.\n"
		"listen:\n"
		"  -\n"
		"    port: %u\n"
		"    ip: \"%s\"\n"
		"    module: ejabberd_s2s_in\n"
		"    max_stanza_size: %u\n"
		"    backlog: 128\n\n",
		port, ip, plan->gate->stanza_bytes);
	(void)buf_append_str(out,
		"# The gate speaks TLS with the world and proves who is who. ejabberd\n"
		"# speaks plain text with the gate and authenticates it by dialback.\n"
		"s2s_use_starttls: false\n"
		"# The gate tries again by itself. By default ejabberd bounces for up to\n"
		"# five minutes after one failure, answers included.\n"
		"s2s_max_retry_delay: 1\n"
		"s2s_dns_timeout: 3\n"
		"s2s_dns_retries: 2\n"
		"# Longer than the gate takes to reach a peer or to give up.\n"
		"negotiation_timeout: 120\n");
}

static void write_erlang_ip(const struct sockaddr_storage *sa, struct buf *out)
{
	const unsigned char *b =
		sa->ss_family == AF_INET
			? (const unsigned char *)&((const struct sockaddr_in *)sa)->sin_addr
			: (const unsigned char *)&((const struct sockaddr_in6 *)sa)->sin6_addr;
	if (sa->ss_family == AF_INET) {
		(void)buf_printf(out, "{%u,%u,%u,%u}", b[0], b[1], b[2], b[3]);
		return;
	}
	for (size_t i = 0; i < 8; i++)
		(void)buf_printf(
			out, "%s%u", i ? "," : "{", (unsigned)b[2 * i] << 8 | b[2 * i + 1]);
	(void)buf_append_str(out, "}");
}

static void write_inetrc(const struct backend_plan *plan, struct buf *out)
{
	(void)buf_append_str(out,
		"%% Where ejabberd finds SRV records: the gate's DNS responder leads\n"
		"%% every domain to the gate. Without the empty resolv_conf Erlang goes\n"
		"%% on asking the system's resolver.\n"
		"{lookup,[\"file\",\"native\"]}.\n"
		"{host,{127,0,0,1}, [\"localhost\",\"hostalias\"]}.\n"
		"{resolv_conf,\"\"}.\n");
	for (size_t i = 0; i < plan->gate->steer_listen.count; i++) {
		struct sockaddr_storage sa = backend_resolver(&plan->gate->steer_listen.items[i]);
		char ip[64];
		unsigned port = backend_ip(&sa, ip);
		(void)buf_append_str(out, "{nameserver,");
		write_erlang_ip(&sa, out);
		(void)buf_printf(out, ",%u}.\n", port);
	}
}

static void write_hosts_lines(const struct backend_plan *plan, struct buf *out)
{
	const struct dnsserve_config *dns = &plan->table.dns;
	for (size_t i = 0; i < dns->egress_addr_count; i++) {
		char ip[64];
		backend_ip(&dns->egress_addr[i], ip);
		(void)buf_printf(out, "%s %s\n", ip, dns->egress_name.name);
	}
}

static void write_ejabberd_firewall(const struct backend_plan *plan, struct buf *out)
{
	backend_firewall(plan, "ejabberd", out);
}

static const struct backend_part ejabberd_parts[] = {
	{"config", "/etc/ejabberd/fedgate.yml",
		"In /etc/ejabberd/ejabberd.yml write, at the left margin:\n"
		"    include_config_file: /etc/ejabberd/fedgate.yml\n"
		"Take out there: `s2s_use_starttls`, because an option given twice is\n"
		"refused, and the listener with `module: ejabberd_s2s_in` on port 5269:\n"
		"the port is the gate's. Keep `mod_s2s_dialback: {}` under `modules`.\n"
		"mod_fail2ban sees the gate's address in place of every peer's.",
		write_ejabberd},
	{"resolver", "/etc/ejabberd/inetrc",
		"In place of Debian's file; ejabberdctl hands it to Erlang (ERL_INETRC).\n"
		"Start the gate before ejabberd, whose start takes seconds longer when\n"
		"nobody answers.",
		write_inetrc},
	{"hosts", "/etc/hosts",
		"Lines to add: ejabberd asks the system, not the resolver above, for\n"
		"addresses, and has to find the gate's egress name there.",
		write_hosts_lines},
	{"firewall", "/etc/fedgate/egress-ejabberd.nft",
		"Load it with `nft -f /etc/fedgate/egress-ejabberd.nft`, and at every\n"
		"start by this line at the end of /etc/nftables.conf, with\n"
		"`systemctl enable nftables`:\n"
		"    include \"/etc/fedgate/egress-ejabberd.nft\"",
		write_ejabberd_firewall},
	{0},
};

const struct backend_kind backend_ejabberd = {"ejabberd", "# ", ejabberd_parts};
