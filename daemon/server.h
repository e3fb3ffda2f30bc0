/*
 * One listening socket on the loop, and the kind of session it makes. Knows
 * where the socket came from (its own path, the service manager, an address)
 * only as far as to give it up rightly.
 */
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

#include "base/err.h"
#include "daemon/listener.h"
#include "daemon/session.h"

#include <stdbool.h>
#include <uv.h>

struct server {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	} uv;
	struct listener listener;
	struct service *service;
	const struct session_ops *ops;
	bool is_open;
};

/* Takes the listener over, also on failure. Connections wait in the kernel until server_accept. */
int server_open(struct server *server, struct listener *listener, struct service *service,
	const struct session_ops *ops, struct err *err) __attribute__((warn_unused_result));

/* HOST:PORT with a numeric address. */
int server_open_tcp(struct server *server, const char *address, struct service *service,
	const struct session_ops *ops, struct err *err) __attribute__((warn_unused_result));

int server_accept(struct server *server, struct err *err) __attribute__((warn_unused_result));

/* The path goes at once, the handle with the loop's next turn. A server that is not open is accepted. */
void server_close(struct server *server);

#endif
