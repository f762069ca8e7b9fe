/* A network of the test's own: the machine's servers and their ports are not in it. */
#ifndef FEDGATE_TESTS_OWN_NETWORK_H
#define FEDGATE_TESTS_OWN_NETWORK_H

/* Before the first socket and thread. Where the system does not allow it (neither root nor user
 * namespaces), the test goes on in the machine's network. For use as a group's setup. */
int own_network(void **state);

#endif
