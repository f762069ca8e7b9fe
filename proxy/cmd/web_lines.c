/* The lines for other people's web servers: the exact path, as JSON, passed on to the gate's
 * publisher with its certificate checked, or from a file where the gate publishes nothing
 * (POSH-11). */
#include "cmd/record_set.h"

#include <string.h>

const char *const web_servers[] = {"nginx", "apache", "caddy", NULL};

/* Once for each domain, and once for each document. $D: domain, $S: service, $U: the publisher's
 * URL, $A: its host and port. */
struct pattern {
	const char *server, *head, *page;
};

static const struct pattern passed_on[] = {
	{"nginx", "# in the server block of $D\n",
		"location = /.well-known/posh/$S.json {\n"
		"\tproxy_pass $U;\n"
		"\tproxy_ssl_server_name on;\n"
		"\tproxy_ssl_verify on;\n"
		"\tproxy_ssl_verify_depth 3;\n"
		"\tproxy_ssl_trusted_certificate /etc/ssl/certs/ca-certificates.crt;\n"
		"}\n"},
	{"apache",
		"# in the VirtualHost of $D; modules: proxy, proxy_http, ssl\n"
		"SSLProxyEngine on\n"
		"SSLProxyVerify require\n"
		"SSLProxyVerifyDepth 3\n"
		"SSLProxyCheckPeerName on\n"
		"SSLProxyCACertificateFile /etc/ssl/certs/ca-certificates.crt\n",
		"ProxyPass \"/.well-known/posh/$S.json\" \"$U\"\n"},
	{"caddy", "# in the block of $D\n",
		"handle /.well-known/posh/$S.json {\n"
		"\trewrite * /posh/$D/$S.json\n"
		"\treverse_proxy https://$A {\n"
		"\t\theader_up Host {upstream_hostport}\n"
		"\t}\n"
		"}\n"},
};

/* What `fedgate posh` prints is to be put into the file, anew at every rollover. */
static const struct pattern from_file[] = {
	{"nginx", "# in the server block of $D\n",
		"location = /.well-known/posh/$S.json {\n"
		"\tdefault_type application/json;\n"
		"\tadd_header X-Content-Type-Options nosniff;\n"
		"\talias /srv/posh/$D.json;\n"
		"}\n"},
	{"apache", "# in the VirtualHost of $D; modules: alias, headers\n",
		"Alias \"/.well-known/posh/$S.json\" \"/srv/posh/$D.json\"\n"
		"<Location \"/.well-known/posh/$S.json\">\n"
		"\tForceType application/json\n"
		"\tHeader set X-Content-Type-Options nosniff\n"
		"\tRequire all granted\n"
		"</Location>\n"},
	{"caddy", "# in the block of $D\n",
		"handle /.well-known/posh/$S.json {\n"
		"\troot * /srv/posh\n"
		"\trewrite * /$D.json\n"
		"\theader Content-Type application/json\n"
		"\theader X-Content-Type-Options nosniff\n"
		"\tfile_server\n"
		"}\n"},
};

/* https://HOST:PORT/...: what stands between. */
static struct slice authority_of(const struct record_page *p)
{
	struct slice url = slice_str(p->publisher);
	struct slice rest = slice_sub(url, strlen("https://"), url.len);
	return slice_sub(rest, 0, slice_find(rest, '/'));
}

static struct slice value_of(char which, const struct record_page *p)
{
	switch (which) {
	case 'D':
		return domain_slice(p->domain);
	case 'S':
		return slice_str(p->service);
	case 'U':
		return slice_str(p->publisher);
	default:
		return authority_of(p);
	}
}

static void put(const char *pattern, const struct record_page *p, struct buf *out)
{
	struct slice rest = slice_str(pattern);
	while (rest.len) {
		size_t dollar = slice_find(rest, '$');
		(void)buf_append(out, slice_sub(rest, 0, dollar));
		if (dollar + 1 < rest.len)
			(void)buf_append(out, value_of(rest.ptr[dollar + 1], p));
		rest = slice_sub(rest, dollar + 2, rest.len);
	}
}

void web_lines(const struct record_set *set, const char *server, struct buf *out)
{
	size_t which = 0;
	while (web_servers[which + 1] && strcmp(web_servers[which], server) != 0)
		which++;
	for (size_t i = 0; i < set->page_count; i++) {
		const struct record_page *p = &set->pages[i];
		const struct pattern *pattern =
			p->publisher ? &passed_on[which] : &from_file[which];
		if (i == 0 || set->pages[i - 1].domain != p->domain)
			put(pattern->head, p, out);
		put(pattern->page, p, out);
	}
}
