/* Telling the service manager how we are (sd_notify(3)): one datagram to $NOTIFY_SOCKET, nothing
 * when that is not set. */
#ifndef FEDGATE_CORE_NOTIFY_H
#define FEDGATE_CORE_NOTIFY_H

void notify_manager(const char *state); /* "READY=1\nSTATUS=..." */

#endif
