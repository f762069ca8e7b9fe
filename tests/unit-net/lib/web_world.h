/* A web of evil and of honest servers, their certificates and their names, on loopback addresses of
 * a network of the test's own. 127.0.1.* and ::1 are public, 127.0.2.1 is private. */
#ifndef FEDGATE_TESTS_WEB_WORLD_H
#define FEDGATE_TESTS_WEB_WORLD_H

#include "web.h"
#include "web_names.h"

#define WEB_GOOD    "127.0.1.1"  /* also at port 8443: for *.web.example and web.example */
#define WEB_PRIVATE "127.0.2.1"  /* the same */
#define WEB_SILENT  "127.0.1.8"  /* takes connections, says nothing */
#define WEB_FULL    "127.0.1.12" /* drops who wants to connect */
#define WEB_NOBODY  "127.0.1.250"

/* For a group. The servers run, without pages. */
int web_world_start(void **state);
int web_world_stop(void **state);
struct slice web_world_authorities(void); /* PEM */

#endif
