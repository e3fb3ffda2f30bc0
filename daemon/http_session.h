/*
 * A session that speaks HTTP: GET and HEAD of `/`, `/metrics`, `/healthz` and
 * `/query?sql=…[&format=json|csv|ndjson]`. Read-only, behind the same guard as
 * any session; the Host must be this machine's, so that no web page can ask
 * through a name of its own. The loop's.
 */
#ifndef DAEMON_HTTP_SESSION_H
#define DAEMON_HTTP_SESSION_H

#include "daemon/session.h"

extern const struct session_ops http_session_ops;

#endif
