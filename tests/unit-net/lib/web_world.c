#include "web_world.h"

#include "own_network.h"

#include <openssl/ssl.h>

#include <signal.h>
#include <string.h>

static struct made ca, other_ca, good, self_signed, expired, other_name, common_name, untrusted,
	partial, rsa;

static void make_all(void)
{
	const char *names = "*.web.example,DNS:web.example";
	ca = make_certificate((struct made_as){.name = "The Web", .ca = true});
	other_ca = make_certificate((struct made_as){.name = "Another Web", .ca = true});
	good = make_certificate((struct made_as){.name = names, .issuer = &ca});
	self_signed = make_certificate((struct made_as){.name = names});
	expired = make_certificate((struct made_as){.name = names, .issuer = &ca, .days = -1});
	other_name = make_certificate((struct made_as){.name = "web.example.org", .issuer = &ca});
	common_name = make_certificate((struct made_as){
		.name = "cn.web.example", .issuer = &ca, .only_common_name = true});
	untrusted = make_certificate((struct made_as){.name = names, .issuer = &other_ca});
	rsa = make_certificate((struct made_as){.key = MADE_RSA, .name = names, .issuer = &ca});
	partial = make_certificate((struct made_as){.name = "par*.web.example", .issuer = &ca});
}

int web_world_start(void **state)
{
	if (own_network(state))
		return -1;
	signal(SIGPIPE, SIG_IGN);
	make_all();
	struct web_site sites[] = {
		{.address = WEB_GOOD, .shows = &good},
		{.address = WEB_GOOD, .port = 8443, .shows = &good},
		{.address = WEB_GOOD, .port = 444, .shows = &good},
		{.address = "::1", .shows = &good},
		{.address = WEB_PRIVATE, .shows = &good},
		{.address = WEB_SILENT},
		{.address = WEB_FULL, .full = true},
		{.address = "127.0.1.2", .shows = &self_signed},
		{.address = "127.0.1.3", .shows = &expired},
		{.address = "127.0.1.4", .shows = &other_name},
		{.address = "127.0.1.5", .shows = &common_name},
		{.address = "127.0.1.6", .shows = &good, .version = TLS1_1_VERSION},
		{.address = "127.0.1.7", .shows = &untrusted, .issuer = &other_ca},
		{.address = "127.0.1.9", .shows = &good, .version = TLS1_2_VERSION},
		{.address = "127.0.1.10", .shows = &partial},
		{.address = "127.0.1.11", .shows = &good, .asks_cert = true},
		{.address = "127.0.1.13", .shows = &rsa},
		{.address = "127.0.1.14",
			.shows = &rsa,
			.version = TLS1_2_VERSION,
			.ciphers = "DHE-RSA-AES256-GCM-SHA384"},
		{.address = "127.0.1.15", .shows = &good, .groups = "ffdhe8192"},
		{.address = "127.0.1.16",
			.shows = &rsa,
			.version = TLS1_2_VERSION,
			.ciphers = "ECDHE-RSA-AES256-SHA384"},
	};
	web_start(sites, sizeof sites / sizeof *sites);
	return 0;
}

int web_world_stop(void **state)
{
	struct made *all[] = {&ca, &other_ca, &good, &self_signed, &expired, &other_name,
		&common_name, &untrusted, &partial, &rsa};
	(void)state;
	web_stop();
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		made_free(all[i]);
	return 0;
}

struct slice web_world_authorities(void)
{
	return slice_str(ca.chain_pem);
}
