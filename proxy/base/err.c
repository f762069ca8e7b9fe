#include "base/err.h"

static const struct err_row rows[ERR_COUNT] = {
#define ERR_ROW(symbol, id, blame, condition, sentence)                                            \
	[symbol] = {#symbol, id, BLAME_##blame, condition, sentence},
	ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

struct err err_ok(void)
{
	return (struct err){ERR_OK, 0};
}

struct err err_make(enum err_code code)
{
	return (struct err){code, 0};
}

struct err err_native(enum err_code code, int native)
{
	return (struct err){code, native};
}

bool err_is(struct err e)
{
	return e.code != ERR_OK;
}

const struct err_row *err_row(enum err_code code)
{
	return &rows[(unsigned)code < ERR_COUNT ? code : ERR_INTERNAL];
}

const char *blame_name(enum blame blame)
{
	static const char *const names[] = {"nobody", "peer", "us", "operator", "tenant"};
	return names[blame];
}
