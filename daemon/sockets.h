/*
 * The sockets that the daemon listens on: SQL as text and frames, PostgreSQL,
 * HTTP. Where each comes from (its own path, the service manager, an address),
 * when it is claimed and when it accepts. Knows no byte of what is spoken
 * there. The loop's.
 */
#ifndef DAEMON_SOCKETS_H
#define DAEMON_SOCKETS_H

#include "base/err.h"
#include "daemon/config.h"
#include "daemon/listener.h"
#include "daemon/server.h"
#include "daemon/session.h"

struct sockets {
	struct listener sql_listener, postgres_listener; /* until their servers have them */
	char path[128]; /* where SQL is served: the service manager's, which may not be the configured */
	struct server *sql_server, *postgres_server, *http_server; /* NULL: not served */
};

/* Nothing is claimed yet; sockets_close is allowed. */
void sockets_init(struct sockets *sockets);

/*
 * Takes the names, or what the service manager holds for us, so that a second
 * daemon fails before it touches the state; clients wait in the kernel. A name
 * of PostgreSQL's that another server holds is a warning, no error. On failure
 * nothing stays claimed.
 */
int sockets_claim(struct sockets *sockets, const struct config *config, struct err *err)
	__attribute__((warn_unused_result));

/* Accepts from now on, HTTP too if the configuration of the service wants it. */
int sockets_serve(struct sockets *sockets, struct service *service, struct err *err)
	__attribute__((warn_unused_result));

/* A protocol's socket that came, went or moved since `before`. What does not work is a warning. */
void sockets_reload(
	struct sockets *sockets, struct service *service, const struct config *before);

/* No new clients. The handles go with the loop's next turn. */
void sockets_close(struct sockets *sockets);

#endif
