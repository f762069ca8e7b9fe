/* The supervisor: opens files, binds sockets, starts the others by re-exec, restarts the dead,
 * reloads on SIGHUP, stops on SIGTERM. `fedgate serve` ends up here; the hidden verb `child` is
 * what it executes for its children (role and number in argv, descriptors at fixed places). */
#ifndef FEDGATE_CORE_SUPERVISOR_H
#define FEDGATE_CORE_SUPERVISOR_H

/* Exit status: 0 stopped as asked, 3 cannot run (the reason was printed or logged). */
int supervisor_run(const char *config_path);
int supervisor_child(int argc, char **argv);

#endif
