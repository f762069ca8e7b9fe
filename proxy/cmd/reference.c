/* `fedgate reference`: tenants/reference.md, made from the schema. */
#include "cmd/cmd.h"

#include "tenants/load.h"

#include <stdio.h>

enum { FINE = 0, USAGE = 2, CANNOT_RUN = 3 };

int cmd_reference(int argc, char **argv)
{
	if (argc > 1) {
		fprintf(stderr,
			"fedgate reference: what is %s?\nusage: fedgate reference, without "
			"arguments: every key of the configuration as Markdown\n",
			argv[1]);
		return USAGE;
	}
	struct buf text;
	buf_init(&text, BUF_UNLIMITED);
	schema_reference(&text);
	fputs(buf_cstr(&text), stdout);
	buf_fini(&text);
	return fflush(stdout) == 0 && !ferror(stdout) ? FINE : CANNOT_RUN;
}
