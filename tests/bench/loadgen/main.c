/* loadgen TARGET JOB option=value ...       prints one line of JSON
 *
 *   TARGET    proxy   a TLS proxy in front of our plain backend
 *             gate    fedgate, between our backend and our peers
 *             server  an XMPP server, with our clients on it
 *   JOB       handshake, roundtrip, up, down, idle (which holds until its input ends)
 *   server= backend= egress= world= c2s=   ADDRESS:PORT of those
 *   chain= key=          what we show
 *   peers= tenants=      names with %ld in them; pairs= tenant_count= stride= which of them
 *   count= at_once= size= window=          units in all, connections, bytes of one, on their way
 *   tls=12|13 starttls=1 external=1 resume=1 pids=1,2,3
 */
#include "loadgen.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { QUIET_NS = 50000000, OPENING_AT_ONCE = 32 };

struct plan plan = {.count = 1,
	.at_once = 1,
	.size = 500,
	.tenants = 1,
	.stride = 1,
	.tls_version = 13,
	.peer_format = "p%ld.example",
	.tenant_format = "t%ld.example"};
struct tally tally;
static long pairs = 1;
static double cpu_before, wall_before;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* What the scheduler has counted, which is utime + stime in nanoseconds instead of ticks. */
static double cpu_of_thread(int pid, const char *thread)
{
	char path[320];
	unsigned long long ns = 0;
	snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, thread);
	FILE *file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &ns) != 1)
		ns = 0;
	fclose(file);
	return (double)ns * 1e-9;
}

static double cpu_of_servers(void)
{
	double sum = 0;
	for (size_t i = 0; i < plan.pid_count; i++) {
		char path[64];
		snprintf(path, sizeof path, "/proc/%d/task", plan.pids[i]);
		DIR *threads = opendir(path);
		if (!threads) {
			fprintf(stderr, "loadgen: process %d is gone\n", plan.pids[i]);
			exit(2);
		}
		for (const struct dirent *d; (d = readdir(threads));)
			if (d->d_name[0] != '.')
				sum += cpu_of_thread(plan.pids[i], d->d_name);
		closedir(threads);
	}
	return sum;
}

static void wait_a_moment(void)
{
	nanosleep(&(struct timespec){.tv_nsec = QUIET_NS}, NULL);
}

static void start_clock(void)
{
	wait_a_moment();
	tally.going = true;
	cpu_before = cpu_of_servers();
	wall_before = now();
}

static void next_opening(void)
{
	const struct part *part = plan.target == TARGET_PROXY ? &part_tunnel : &part_peer;
	long number = tally.started++ % pairs;
	link_dial(part, plan.server, plan.target == TARGET_PROXY || !plan.starttls, number);
}

void work_ready(struct link *l)
{
	(void)l;
	tally.ready++;
}

void work_done(long units)
{
	tally.done += units;
}

void work_finished(struct link *l)
{
	if (l->finished)
		return;
	l->finished = true;
	tally.done++;
	if (plan.job == JOB_HANDSHAKE)
		link_close(l);
	if (tally.started < plan.count)
		next_opening();
}

static void start_link(struct link *l)
{
	if (l->part == &part_tunnel)
		tunnel_start(l);
	else
		xmpp_start(l);
}

static void dial_pair(long number, bool caller, bool peer)
{
	if (caller)
		link_dial(&part_caller, plan.egress, false, number);
	if (plan.target == TARGET_SERVER)
		link_dial(&part_client, plan.c2s, false, number);
	else if (peer)
		link_dial(plan.target == TARGET_PROXY ? &part_tunnel : &part_peer, plan.server,
			plan.target == TARGET_PROXY || !plan.starttls, number);
}

/* The connections that the job wants, a few at a time: it is not the opening that is measured.
 * Which of them count as ready is up to the parts. */
static void dial_some(void)
{
	bool caller =
		plan.target == TARGET_GATE && (plan.job == JOB_DOWN || plan.job == JOB_ROUNDTRIP);
	bool peer = plan.target != TARGET_GATE || plan.job != JOB_DOWN;
	for (; tally.started < plan.at_once && tally.wanted < tally.ready + OPENING_AT_ONCE;
		tally.started++) {
		dial_pair(tally.started, caller, peer);
		tally.wanted += caller + peer;
	}
}

static bool run_openings(void)
{
	start_clock();
	while (tally.started < plan.at_once && tally.started < plan.count)
		next_opening();
	while (tally.done + tally.failed < plan.count)
		if (!link_turn())
			return false;
	return true;
}

static bool run_traffic(void)
{
	for (dial_some(); tally.ready < tally.wanted; dial_some())
		if (!link_turn() || tally.failed)
			return false;
	start_clock();
	link_each(start_link);
	while (tally.done < plan.count)
		if (!link_turn() || tally.failed)
			return false;
	return true;
}

struct option {
	const char *name;
	const char **text;
	long *number;
};

static long tls_version = 13, starttls, external, resume;
static const char *pid_list;

static const struct option options[] = {
	{"server", &plan.server, NULL},
	{"backend", &plan.backend, NULL},
	{"egress", &plan.egress, NULL},
	{"world", &plan.world, NULL},
	{"c2s", &plan.c2s, NULL},
	{"chain", &plan.chain, NULL},
	{"key", &plan.key, NULL},
	{"peers", &plan.peer_format, NULL},
	{"tenants", &plan.tenant_format, NULL},
	{"pids", &pid_list, NULL},
	{"count", NULL, &plan.count},
	{"at_once", NULL, &plan.at_once},
	{"size", NULL, &plan.size},
	{"window", NULL, &plan.window},
	{"pairs", NULL, &pairs},
	{"tenant_count", NULL, &plan.tenants},
	{"stride", NULL, &plan.stride},
	{"tls", NULL, &tls_version},
	{"starttls", NULL, &starttls},
	{"external", NULL, &external},
	{"resume", NULL, &resume},
};

static void take_option(char *word)
{
	char *equals = strchr(word, '=');
	for (size_t i = 0; equals && i < sizeof options / sizeof options[0]; i++) {
		const struct option *o = &options[i];
		if (strncmp(o->name, word, (size_t)(equals - word)) != 0 ||
			o->name[equals - word] != 0)
			continue;
		if (o->text)
			*o->text = equals + 1;
		else
			*o->number = strtol(equals + 1, NULL, 10);
		return;
	}
	fprintf(stderr, "loadgen: %s?\n", word);
	exit(2);
}

static int index_of(const char *const *names, int count, const char *word)
{
	for (int i = 0; i < count; i++)
		if (strcmp(names[i], word) == 0)
			return i;
	fprintf(stderr, "loadgen: %s?\n", word);
	exit(2);
}

static void take_words(int count, char **words)
{
	static const char *const targets[] = {"proxy", "gate", "server"};
	static const char *const jobs[] = {"handshake", "roundtrip", "up", "down", "idle"};
	if (count < 3) {
		fputs("usage: loadgen TARGET JOB option=value ...\n", stderr);
		exit(2);
	}
	plan.target = (enum target)index_of(targets, 3, words[1]);
	plan.job = (enum job)index_of(jobs, 5, words[2]);
	for (int i = 3; i < count; i++)
		take_option(words[i]);
	plan.tls_version = (int)tls_version;
	plan.starttls = starttls;
	plan.external = external;
	plan.resume = resume;
	for (const char *at = pid_list; at && *at && plan.pid_count < 256;) {
		char *end;
		plan.pids[plan.pid_count++] = (int)strtol(at, &end, 10);
		at = *end == ',' ? end + 1 : "";
	}
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	take_words(argc, argv);
	link_make_contexts();
	xmpp_make_filler();
	if (plan.backend)
		link_listen(plan.target == TARGET_PROXY ? &part_served : &part_backend,
			plan.backend, false);
	if (plan.world)
		link_listen(&part_world, plan.world, true);
	bool openings = plan.job == JOB_HANDSHAKE || plan.job == JOB_IDLE;
	bool good = openings ? run_openings() : run_traffic();
	double wall = now() - wall_before;
	wait_a_moment(); /* a process's time is only known exactly when it sleeps */
	double cpu = cpu_of_servers() - cpu_before;
	printf("{\"good\": %s, \"done\": %ld, \"failed\": %ld, \"ready\": %ld, \"wall_s\": %.6f, "
	       "\"cpu_s\": %.9f, \"own_cpu_s\": %.3f}\n",
		good && !tally.failed ? "true" : "false", tally.done, tally.failed, tally.ready,
		wall, cpu, (double)clock() / CLOCKS_PER_SEC);
	fflush(stdout);
	if (plan.job == JOB_IDLE && good) /* the driver looks at the server's memory meanwhile */
		(void)getchar();
	return good && !tally.failed ? 0 : 1;
}
