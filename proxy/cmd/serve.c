#include "cmd/cmd.h"
#include "core/supervisor.h"

#include <stdio.h>
#include <string.h>

int cmd_serve(int argc, char **argv)
{
	const char *config = CMD_DEFAULT_CONFIG;
	if (argc == 3 && strcmp(argv[1], "--config") == 0) {
		config = argv[2];
	} else if (argc != 1) {
		fprintf(stderr, "usage: fedgate serve [--config FILE]\n");
		return 2;
	}
	return supervisor_run(config);
}
