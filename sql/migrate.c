/* A table of steps and the loop over them. */
#include "sql/migrate.h"

#include "sql/db.h"
#include "sql/schema.h"

#include <stdio.h>

/* What each version is made of the one before. */
static const char *const steps[SCHEMA_VERSION] = {
	/* What was counted of a compressed file before says nothing of it; rejects of its rest have
	   offsets that begin where they went on. */
	[1] = "ALTER TABLE \"state:offsets\" ADD COLUMN unpacked INTEGER",
	/* How many files a query could not count was not kept before. */
	[2] = "ALTER TABLE \"state:queries\" ADD COLUMN n_missed INTEGER",
};

bool migrate_knows(int64_t version)
{
	return version > 0 && version < SCHEMA_VERSION;
}

static int run_steps(sqlite3 *db, int64_t version, struct err *err)
{
	char mark[48];
	int rc = 0;

	for (; rc == 0 && version < SCHEMA_VERSION; version++) {
		rc = db_exec(db, steps[version], err);
		/* Tables that do not fit their number were never written by a release. */
		if (rc == ERR_SQL)
			rc = err->code = ERR_CORRUPT;
	}
	(void)snprintf(mark, sizeof(mark), "PRAGMA user_version=%d", SCHEMA_VERSION);
	return rc == 0 ? db_exec(db, mark, err) : rc;
}

int migrate(sqlite3 *db, int64_t version, struct err *err)
{
	int rc = db_exec(db, "BEGIN IMMEDIATE", err);

	if (rc < 0)
		return rc;
	rc = run_steps(db, version, err);
	if (rc == 0)
		rc = db_exec(db, "COMMIT", err);
	if (rc < 0 && sqlite3_get_autocommit(db) == 0)
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}
