/* fedgate: the federation gate. One binary; the first word says what it is to do. */
#include "base/version.h"
#include "cmd/cmd.h"
#include "core/supervisor.h"

#include <stdio.h>
#include <string.h>

struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *sentence; /* NULL: not for people */
};

static int help(int argc, char **argv);
static int version(int argc, char **argv);

static const struct verb verbs[] = {
	{"serve", cmd_serve, "run the gate in the foreground"},
	{"reload", cmd_reload, "have the running gate read its files again, and wait for that"},
	{"check", cmd_check, "read the whole configuration and report every fault; starts nothing"},
	{"explain", cmd_explain, "say what was decided about a peer and why, or what a code means"},
	{"backend-config", cmd_backend_config,
		"print what Prosody or ejabberd needs behind this gate"},
	{"records", cmd_records, "print what a domain's owner and the host have to publish"},
	{"posh", cmd_posh, "print a domain's POSH document"},
	{"probe", cmd_probe, "do what a peer of a domain does, and say what is wrong"},
	{"rotate", cmd_rotate, "go from a certificate to the next, when it is safe"},
	{"reference", cmd_reference, "print every key of the configuration"},
	{"help", help, "print this"},
	{"version", version, "print the version"},
	{"child", supervisor_child, NULL},
};

enum { VERBS = sizeof verbs / sizeof *verbs };

static int help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("fedgate: the federation gate in front of XMPP servers\n\n");
	for (size_t i = 0; i < VERBS; i++) {
		if (verbs[i].sentence)
			printf("  fedgate %-15s %s\n", verbs[i].name, verbs[i].sentence);
	}
	printf("\nThe configuration is " CMD_DEFAULT_CONFIG
	       " unless --config FILE says otherwise.\n"
	       "Exit status: 0 fine, 1 a problem was found, 2 usage, 3 cannot run.\n");
	return 0;
}

static int version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("fedgate " FEDGATE_VERSION "\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	if (strncmp(word, "--", 2) == 0)
		word += 2; /* --help, --version */
	for (size_t i = 0; i < VERBS; i++) {
		if (strcmp(word, verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	}
	if (*word)
		fprintf(stderr, "fedgate: there is no verb `%s`\n", word);
	fprintf(stderr, "usage: fedgate VERB ...; `fedgate help` lists the verbs\n");
	return 2;
}
