/* Which kinds of sessions there are beside plain text; NULL: this build does not have it. */
#ifndef DAEMON_PROTOCOLS_H
#define DAEMON_PROTOCOLS_H

#include "daemon/session.h"

const struct session_ops *protocol_postgres(void);
const struct session_ops *protocol_http(void);

#endif
