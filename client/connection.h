/*
 * The socket: found, opened, spoken through in JSON frames.
 *
 * One request at a time; its answer is read to the end before the next. The
 * sentences of failures say what is wrong and what to look at. Knows nothing
 * of what the statements mean.
 */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include "base/err.h"
#include "client/frame.h"
#include "sql/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;

/*
 * The socket that is meant when none is named: $TALLY_SOCKET, else the user's
 * own where it exists, else /run/tallyd/tallyd.sock.
 */
void connection_default_path(char *path, size_t size);

/* `text` may be read as a socket and not as SQL: it is one, or holds a slash and no blank. */
bool connection_is_path(const char *text);

int connection_open(struct connection **connection, const char *path, struct err *err)
	__attribute__((warn_unused_result));
void connection_close(struct connection *connection);

/* A request: one statement and its parameters. *id is what connection_cancel wants. */
int connection_send(struct connection *connection, const char *sql, size_t len,
	const struct value *params, size_t n_params, int64_t *id, struct err *err)
	__attribute__((warn_unused_result));

/* Asks to end the request; its answer still comes, most likely an error. */
int connection_cancel(struct connection *connection, int64_t id, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The next frame. Waits at most `timeout_ms` (-1: as long as it takes).
 * ERR_INTERRUPTED: Ctrl-C was pressed more than `seen` times, nothing is lost.
 * ERR_BUSY: the time is over. Anything else: the connection is of no use any more.
 */
int connection_next(struct connection *connection, int seen, int timeout_ms, struct frame **frame,
	struct err *err) __attribute__((warn_unused_result));

/* Bytes of answers so far: for the progress bar. */
uint64_t connection_bytes(const struct connection *connection);

/*
 * The process that sent the last answer, as the kernel tells it, from the next
 * request on; 0: unknown. Who listens is no help: that may be systemd.
 */
void connection_watch_peer(struct connection *connection);
long connection_peer_pid(const struct connection *connection);

#endif
