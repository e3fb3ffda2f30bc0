/*
 * What PostgreSQL's clients look up before they trust a server: the tables of
 * pg_catalog and information_schema, as far as psql and the drivers read them,
 * and the functions they call. Installed on the connections of PostgreSQL
 * sessions only. Tables are questions to SQLite's own descriptions (pragma
 * functions) under PostgreSQL's names; nothing is stored.
 */
#ifndef DAEMON_PG_CATALOG_H
#define DAEMON_PG_CATALOG_H

#include "sql/statement.h"

#include <stdint.h>

#define PG_SERVER_VERSION     "15.0"
#define PG_SERVER_VERSION_NUM "150000"

/* What the functions need to know of the session they run in. */
struct pg_identity {
	const char *user;     /* of the startup packet */
	const char *database; /* of the startup packet */
	int32_t backend_pid;  /* as in BackendKeyData */
	void *context;
	/* The value of a setting (SHOW, current_setting), or NULL; valid until the next call. */
	const char *(*setting)(void *context, const char *name);
};

/* From the `user` of a PostgreSQL session's sql_session. */
const struct pg_identity *pg_identity_of(void *user);

/* What struct sql_session_options wants. */
extern const struct sql_extension pg_catalog;

#endif
