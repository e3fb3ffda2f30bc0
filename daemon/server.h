/*
 * One listening socket on the loop, and the kind of session it makes. Knows
 * where the socket came from (its own path, the service manager, an address)
 * only as far as to give it up rightly. On the heap, for its handle outlives
 * server_close by a turn of the loop, when a reload has its successor already.
 */
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

#include "base/err.h"
#include "daemon/listener.h"
#include "daemon/session.h"

#include <stdbool.h>

struct server;

/* Takes the listener over, also on failure, and accepts from now on. */
int server_open(struct server **server, struct listener *listener, struct service *service,
	const struct session_ops *ops, struct err *err) __attribute__((warn_unused_result));

/* HOST:PORT with a numeric address; ERR_CONFIG where it is none, ERR_IO where it cannot be had. */
int server_open_tcp(struct server **server, const char *address, struct service *service,
	const struct session_ops *ops, struct err *err) __attribute__((warn_unused_result));

/* Its socket has a path of ours: it did not come from the service manager, and is no address. */
bool server_has_path(const struct server *server);

/* The path goes at once, the handle with the loop's next turn. NULL is accepted. */
void server_close(struct server *server);

#endif
