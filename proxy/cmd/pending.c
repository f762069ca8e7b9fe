/* Holds the places of parts that are being merged, so that the binary links. */
#include "cmd/cmd.h"

int cmd_check(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 3;
}

int cmd_backend_config(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 3;
}

int cmd_reference(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 3;
}
