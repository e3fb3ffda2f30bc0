/*
 * The plain-text protocol: SQL in, rows out as sqlite3 prints them, for people
 * and scripts with nothing but a socket. A line that begins with `{` where no
 * statement is pending goes to the JSON frames (frames.h), which share the
 * connection.
 */
#ifndef DAEMON_TEXT_SESSION_H
#define DAEMON_TEXT_SESSION_H

#include "daemon/session.h"

/* The longest statement, and the longest line. */
#define TEXT_MAX_BYTES (1024 * 1024)

extern const struct session_ops text_session_ops;

#endif
