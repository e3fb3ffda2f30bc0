/* The one place that knows which protocols were built in. */
#include "daemon/protocols.h"

#include "daemon/http_session.h"
#include "daemon/pg_session.h"

const struct session_ops *protocol_postgres(void)
{
	return &pg_session_ops;
}

const struct session_ops *protocol_http(void)
{
	return &http_session_ops;
}
