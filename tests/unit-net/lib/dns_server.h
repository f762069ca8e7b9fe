/* The DNS server of tests/unit-net/dns_server.py, as a child of the test. */
#ifndef FEDGATE_TESTS_DNS_SERVER_H
#define FEDGATE_TESTS_DNS_SERVER_H

/* "ADDRESS@PORT", and the files with the right and a wrong trust anchor of signed.example. */
extern char dns_forward[40], dns_anchor[256], dns_wrong_anchor[256];

/* For cmocka's groups. */
int dns_server_start(void **state);
int dns_server_stop(void **state);

#endif
