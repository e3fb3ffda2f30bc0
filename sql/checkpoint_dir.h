/*
 * The files of the checkpoint in the state directory: looked at, made, put in
 * each other's place so that a crash at any moment leaves one good one, and
 * moved aside. Knows the header of the database and nothing of its content.
 *
 *   lock             flock, held as long as the daemon lives
 *   checkpoint       the SQLite file; checkpoint-wal its WAL
 *   counted          which files were counted (sql/ledger.h)
 *   checkpoint.new   being written; removed at start
 *   checkpoint.next  whole and synced, about to take the place of `checkpoint`;
 *                    at start it does
 *   checkpoint.damaged-DATE   moved aside
 *   checkpoint.format-N       as it was before it was brought to a newer format
 */
#ifndef SQL_CHECKPOINT_DIR_H
#define SQL_CHECKPOINT_DIR_H

#include "base/buf.h"
#include "base/err.h"

#include <sqlite3.h>
#include <stdint.h>

struct checkpoint_dir {
	char *dir;
	char *path; /* dir/checkpoint */
};

/* False: no memory. */
bool checkpoint_dir_init(struct checkpoint_dir *dir, const char *path);
void checkpoint_dir_fini(struct checkpoint_dir *dir);

/* dir/name, owned by `buf`; NULL: no memory. */
const char *checkpoint_dir_path(
	const struct checkpoint_dir *dir, struct buf *buf, const char *name);

/* Makes the directory and takes the lock; ERR_BUSY names the holder. */
int checkpoint_dir_lock(const struct checkpoint_dir *dir, int *fd, struct err *err)
	__attribute__((warn_unused_result));

/* What a crash left half done. */
int checkpoint_dir_recover(const struct checkpoint_dir *dir, struct err *err)
	__attribute__((warn_unused_result));

enum checkpoint_finding { CHECKPOINT_MISSING, CHECKPOINT_GOOD, CHECKPOINT_DAMAGED };

/*
 * Judges the file by its kind and header; `reason` says what is wrong with a
 * damaged one. ERR_VERSION for a newer one, ERR_CONFIG for a directory, a link
 * or a file that may not be read: those are a person's to mend.
 */
int checkpoint_dir_inspect(const struct checkpoint_dir *dir, enum checkpoint_finding *finding,
	char reason[ERR_TEXT_BYTES], struct err *err) __attribute__((warn_unused_result));

/* ERR_VERSION: what to do about a checkpoint that a newer release wrote. */
int checkpoint_dir_refuse_newer(const struct checkpoint_dir *dir, int64_t version, struct err *err);

/* Makes an empty checkpoint; an older ledger goes. */
int checkpoint_dir_create(const struct checkpoint_dir *dir, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Keeps what `db` holds, of an older format, as checkpoint.format-VERSION for
 * whoever goes back to that release; `name` gets the file's name.
 */
int checkpoint_dir_keep_format(const struct checkpoint_dir *dir, sqlite3 *db, int64_t version,
	char name[96], struct err *err) __attribute__((warn_unused_result));

/*
 * Writes all that `db` holds into a new file, on disk as checkpoint.next; it
 * takes the old one's place with checkpoint_dir_recover(),
 * for which `db` must be closed.
 */
int checkpoint_dir_rewrite(const struct checkpoint_dir *dir, sqlite3 *db, struct err *err)
	__attribute__((warn_unused_result));

/* Renames the file and its WAL; `name` is what it is called now. */
int checkpoint_dir_move_aside(const struct checkpoint_dir *dir, int64_t now_us, char name[96],
	struct err *err) __attribute__((warn_unused_result));

#endif
