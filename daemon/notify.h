/*
 * The service manager's two protocols, by hand: messages to $NOTIFY_SOCKET
 * (sd_notify(3)) and sockets that it opened for us ($LISTEN_FDS,
 * sd_listen_fds(3)). Without a service manager every call does nothing.
 */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H

#include <stdint.h>

/* Remembers $NOTIFY_SOCKET and $WATCHDOG_USEC and takes them from the environment. Once, before threads. */
void notify_init(void);

/* One message: lines of NAME=VALUE. Never blocks; for what is said again and again, so one may be lost. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * READY=1 after a start or a reload; the latter begins with notify_reloading. The
 * manager acts on each of these once: where its queue is full they wait, for
 * seconds at most.
 */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);

/* The watchdog's period if it means this process, else 0. */
int64_t notify_watchdog_us(void);

/* Descriptors passed by the manager. */
struct notify_fds {
	int sql;      /* named sql, or the only one; -1: none */
	int postgres; /* named pg; -1: none */
	int n_others; /* closed: names that mean nothing here */
};

/* Takes $LISTEN_FDS from the environment; the descriptors get FD_CLOEXEC. */
void notify_take_fds(struct notify_fds *fds);

#endif
