#include "dns_server.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

char dns_forward[40], dns_anchor[256], dns_wrong_anchor[256];

static pid_t server;
static int server_stdin;

int dns_server_start(void **state)
{
	int in[2], out[2], port = 0;
	(void)state;
	if (pipe(in) || pipe(out))
		return -1;
	server = fork();
	if (server == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		execl("/usr/bin/python3", "python3", "tests/unit-net/dns_server.py", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	server_stdin = in[1];
	FILE *f = fdopen(out[0], "r");
	int n = fscanf(f, "%d %255s %255s", &port, dns_anchor, dns_wrong_anchor);
	fclose(f);
	snprintf(dns_forward, sizeof dns_forward, "127.0.0.1@%d", port);
	return n == 3 ? 0 : -1;
}

int dns_server_stop(void **state)
{
	(void)state;
	close(server_stdin);
	return waitpid(server, NULL, 0) == server ? 0 : -1;
}
