/* `fedgate reload`: has the running gate read its files again, waits until that is over, and says
 * what came of it. SIGHUP does the same without a word; the unit's ExecReload is this. */
#include "cmd/cmd.h"
#include "cmd/explain.h"
#include "cmd/subject.h"

#include <stdio.h>
#include <string.h>

static const char usage_text[] = "usage: fedgate reload [--config FILE]\n"
				 "  --config FILE  the gate's own file (" CMD_DEFAULT_CONFIG ")\n";

static int report(const json_t *answer)
{
	const char *outcome = json_string_value(json_object_get(answer, "outcome"));
	const long long tenants = json_integer_value(json_object_get(answer, "tenants"));
	const long long faults = json_integer_value(json_object_get(answer, "faults"));
	bool fine = outcome && strcmp(outcome, "fine") == 0;
	printf("%s; tenants served: %lld\n", outcome ? outcome : "?", tenants);
	if (!fine)
		fprintf(stderr,
			"fedgate reload: %lld faults; what they are about stays as it was; "
			"`fedgate check` lists them\n",
			faults);
	return fine ? CMD_FINE : CMD_PROBLEM;
}

int cmd_reload(int argc, char **argv)
{
	const char *config = CMD_DEFAULT_CONFIG;
	const struct cmd_option options[] = {{"--config", &config, NULL}};
	struct cmd_arguments a = {.verb = "reload",
		.usage = usage_text,
		.options = options,
		.count = sizeof options / sizeof *options};
	if (!cmd_read_arguments(&a, argc, argv))
		return CMD_USAGE;
	if (a.help || a.operand) {
		fputs(usage_text, a.help ? stdout : stderr);
		return a.help ? CMD_FINE : CMD_USAGE;
	}
	json_t *answer = explain_ask_gate("reload", config, "reload\n");
	if (!answer)
		return CMD_CANNOT_RUN;
	int status = report(answer);
	json_decref(answer);
	return cmd_finish("reload", status);
}
