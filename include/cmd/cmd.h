/* The verbs of the command line. Each gets its own arguments (argv[0] is the verb) and returns the
 * exit status: 0 fine, 1 a problem was found, 2 usage, 3 cannot run. */
#ifndef FEDGATE_CMD_CMD_H
#define FEDGATE_CMD_CMD_H

#define CMD_DEFAULT_CONFIG "/etc/fedgate/fedgate.ini"

int cmd_check(int argc, char **argv);          /* check [--config FILE] [--deep] [--json] */
int cmd_backend_config(int argc, char **argv); /* backend-config prosody|ejabberd [--config FILE]
						  [--backend ADDRESS:PORT] [--part NAME] */
int cmd_records(int argc, char **argv);        /* records DOMAIN: what to publish */
int cmd_rotate(int argc, char **argv);         /* rotate DOMAIN|--host: the next certificate */
int cmd_posh(int argc, char **argv);           /* posh DOMAIN: the POSH document */
int cmd_probe(int argc, char **argv);          /* probe DOMAIN [--as TENANT] [--inbound] [--json]
						  [--config FILE] */
int cmd_explain(int argc, char **argv);        /* explain TENANT PEER|CODE [--last N] [--json]
						  [--config FILE] */
int cmd_reload(int argc, char **argv);         /* reload [--config FILE]: of the running gate */
int cmd_serve(int argc, char **argv);          /* serve [--config FILE] */
int cmd_reference(int argc, char **argv);      /* reference: tenants/reference.md on stdout */

#endif
