/*
 * What strangers may do on a connection: read, and have TEMP tables, views and
 * indexes of their own. Everything else is refused by default, by SQLite's
 * authorizer, its defensive switches and lowered limits; the refusal names what
 * was refused.
 *
 * The authorizer alone is no wall (it does not hear of every table that is
 * joined, nor of VACUUM before it runs), so modules that reach outside are taken
 * away, the connection is read-only, and what is not readonly and not
 * recognised is refused after preparing. Knows no session.
 */
#ifndef SQL_GUARD_H
#define SQL_GUARD_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one statement was seen to do while it was prepared. */
enum guard_saw {
	GUARD_SAW_TEMP_WRITE = 1,   /* INSERT, UPDATE, DELETE on a TEMP table */
	GUARD_SAW_TEMP_SCHEMA = 2,  /* CREATE or DROP of a TEMP object */
	GUARD_SAW_TRANSACTION = 4,  /* BEGIN, COMMIT, SAVEPOINT and kin */
	GUARD_SAW_PRAGMA = 8,
	/* A function not for the loop: waits, controls, or makes much from nothing. */
	GUARD_SAW_SLOW = 16,
	GUARD_SAW_FICKLE = 32,      /* a function whose answer does not follow from its arguments */
	GUARD_SAW_CREATE_VIEW = 64, /* its names are not resolved yet */
	GUARD_SAW_TEMP_READ = 128,  /* reads a TEMP object */
	GUARD_SAW_CONTROL = 256,    /* start, stop, process_all_available */
	GUARD_SAW_TEMP_GROWTH = 512, /* makes TEMP objects that hold more */
	/* A function whose one call takes many times longer than others' for the length of what it is given. */
	GUARD_SAW_DEAR = 1024
};

struct guard {
	unsigned saw;     /* GUARD_SAW_ bits since guard_begin */
	char denied[256]; /* the first refusal's sentence; "" : none */
	bool is_open;     /* our own statements, on the way to a connection: everything passes */
	const char *const *functions; /* beside the list; ends with NULL; NULL: none */
};

/* SQLite's functions that are not on the guard's list; the same for every connection of the process. */
struct guard_unlisted {
	struct guard_function {
		char *name;
		int argc;
	} * functions;
	size_t n;
};

int guard_unlisted_init(struct guard_unlisted *unlisted, struct err *err)
	__attribute__((warn_unused_result));
void guard_unlisted_fini(struct guard_unlisted *unlisted);

/* Between the guard's two files: the list, by GUARD_SAW_ bits, and the stand-ins for the rest. */
bool guard_knows_function(const char *name, unsigned *bits);
int guard_cover_functions(sqlite3 *db, const struct guard_unlisted *unlisted, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Takes the dangerous modules and functions away and sets switches and limits:
 * before our own are registered. `unlisted` outlives the connection.
 */
int guard_prepare(sqlite3 *db, const struct guard_unlisted *unlisted, struct err *err)
	__attribute__((warn_unused_result));
/* Sets the authorizer, last. The guard outlives the connection. */
int guard_arm(sqlite3 *db, struct guard *guard, struct err *err)
	__attribute__((warn_unused_result));

/* The longest text or blob a statement may make, from its share of memory. */
void guard_limit_values(sqlite3 *db, int64_t query_memory_bytes);

/* Before a statement is prepared. */
void guard_begin(struct guard *guard);

/*
 * After it was prepared: refuses what changes something and was not recognised
 * (VACUUM). `text`: the statement's. False with guard->denied.
 */
bool guard_judge(struct guard *guard, sqlite3_stmt *stmt, const char *text, size_t len);

#endif
