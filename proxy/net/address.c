#include "net/address.h"

#include <netinet/in.h>
#include <string.h>

struct range {
	unsigned char prefix[16];
	unsigned bits;
};

static bool in_ranges(const unsigned char *addr, const struct range *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned whole = list[i].bits / 8, rest = list[i].bits % 8;
		unsigned char mask = (unsigned char)(0xff00u >> rest);
		if (memcmp(addr, list[i].prefix, whole) == 0 &&
			(!rest || ((addr[whole] ^ list[i].prefix[whole]) & mask) == 0))
			return true;
	}
	return false;
}

/* The special-purpose registries of IANA, as far as no server of a stranger can live there. */
static bool v4_is_public(const unsigned char *a)
{
	static const struct range private[] = {
		{{0}, 8},
		{{10}, 8},
		{{100, 64}, 10},
		{{127}, 8},
		{{169, 254}, 16},
		{{172, 16}, 12},
		{{192, 0, 0}, 24},
		{{192, 0, 2}, 24},
		{{192, 88, 99}, 24},
		{{192, 168}, 16},
		{{198, 18}, 15},
		{{198, 51, 100}, 24},
		{{203, 0, 113}, 24},
		{{224}, 3},
	};
	return !in_ranges(a, private, sizeof private / sizeof *private);
}

static bool v6_is_public(const unsigned char *a)
{
	static const struct range global = {{0x20}, 3};
	static const struct range private[] = {
		{{0x20, 0x01, 0x00, 0x00}, 32},       /* Teredo */
		{{0x20, 0x01, 0x0d, 0xb8}, 32},       /* documentation */
		{{0x20, 0x01, 0x00, 0x10}, 28},       /* ORCHID */
		{{0x20, 0x01, 0x00, 0x20}, 28},       /* ORCHIDv2 */
		{{0x20, 0x01, 0x00, 0x02, 0, 0}, 48}, /* benchmarking */
		{{0x20, 0x02}, 16},                   /* 6to4: hides an IPv4 address */
		{{0x3f, 0xff}, 20},                   /* documentation */
	};
	return in_ranges(a, &global, 1) && !in_ranges(a, private, sizeof private / sizeof *private);
}

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

bool address_is_public(const struct sockaddr_storage *addr)
{
	if (addr->ss_family == AF_INET)
		return v4_is_public(
			(const unsigned char *)&((const struct sockaddr_in *)addr)->sin_addr);
	if (addr->ss_family != AF_INET6)
		return false;
	const unsigned char *a =
		(const unsigned char *)&((const struct sockaddr_in6 *)addr)->sin6_addr;
	if (memcmp(a, mapped, sizeof mapped) == 0)
		return false; /* nobody publishes these; they only serve to slip past filters */
	return v6_is_public(a);
}

struct address_source address_source(const struct sockaddr_storage *addr)
{
	struct address_source s = {.len = 4};
	const void *from = &((const struct sockaddr_in *)addr)->sin_addr;
	if (addr->ss_family != AF_INET) {
		const unsigned char *six =
			(const unsigned char *)&((const struct sockaddr_in6 *)addr)->sin6_addr;
		bool is_four = memcmp(six, mapped, sizeof mapped) == 0;
		from = is_four ? six + sizeof mapped : six;
		s.len = is_four ? 4 : 8;
	}
	memcpy(s.bytes, from, s.len);
	return s;
}
