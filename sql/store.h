/*
 * Mirror and checkpoint: the two SQLite databases of one schema.
 *
 * The checkpoint is a file in state_dir (WAL, pages checksummed by our VFS);
 * the mirror is in memory (sql/snapshot.h). One apply serves both: one
 * transaction a batch, first durable, then visible. On start the mirror is
 * filled from the checkpoint, so the tables are right at once. Without a
 * state_dir (tests) there is only the mirror.
 *
 * One thread at a time calls in, but for store_snapshots(), whose readers are
 * free-threaded.
 */
#ifndef SQL_STORE_H
#define SQL_STORE_H

#include "base/err.h"
#include "sql/snapshot.h"
#include "stream/changes.h"
#include "stream/spec.h"
#include "stream/stream.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct store;

/* A row of `settings`. */
struct setting {
	const char *name, *value, *origin;
};

struct store_options {
	const char *state_dir;  /* NULL: no checkpoint */
	bool rebuild;           /* --rebuild: accept that counted files are gone */
	bool is_unseen;         /* nobody looks at the mirror before store_show(); with a state_dir */
	const struct setting *settings;
	size_t n_settings;
	int64_t now_us;         /* for the dated name of a file moved aside */
};

/*
 * Takes the lock on state_dir (ERR_BUSY names the holder), verifies every page,
 * migrates an older schema, moves a corrupt file aside. ERR_VERSION for a newer
 * one, ERR_CONFIG for what only a person can mend. What happened and is worth
 * saying is in store_next_notice().
 */
int store_open(struct store **store, const struct store_options *options, struct err *err)
	__attribute__((warn_unused_result));
void store_close(struct store *store);

/*
 * Compares definitions, tells `stream` what the checkpoint remembers (up to and
 * including stream_restored), fills the mirror and makes the tables of `spec`.
 * Publishes the first snapshot. The spec must outlive the store or the next
 * store_set_spec. A query that will be rebuilt is announced by a notice; its
 * old counts stay in the checkpoint until its first new batch is committed.
 */
int store_load(struct store *store, const struct spec *spec, struct stream *stream,
	struct err *err) __attribute__((warn_unused_result));

/*
 * At a reload, which `stream` has prepared: the tables of new queries come,
 * those of removed ones go (their counts stay in the checkpoint), and what
 * comes back is told to the stream, up to and including stream_restored, and
 * shown as if it had never been away. A changed definition is announced by a
 * notice. Then the stream takes the spec, or after a failure drops it.
 */
int store_set_spec(struct store *store, const struct spec *spec, struct stream *stream,
	const struct setting *settings, size_t n_settings, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Durable, then visible. On failure neither database has changed and the old
 * snapshot stands. Where the checkpoint's WAL has grown long it is moved into
 * the file behind the caller's back, by a thread that the next call waits for.
 */
int store_commit(struct store *store, const struct changes *changes, struct err *err)
	__attribute__((warn_unused_result));

/*
 * With is_unseen batches are only made durable, and the mirror is filled from
 * the checkpoint once, as at a start: here. No reader is open. After a failure
 * it may be tried again.
 */
int store_show(struct store *store, struct err *err) __attribute__((warn_unused_result));

/*
 * Counts on while a batch is applied to the databases, for whoever watches that
 * a long one moves. Any thread.
 */
unsigned store_pulse(const struct store *store);

/* Everything committed survives a power cut when this returns 0. */
int store_sync(struct store *store, struct err *err) __attribute__((warn_unused_result));

/*
 * Nothing is expected for a while: the pages that both databases keep only to
 * find them faster are freed.
 */
void store_rest(struct store *store);

/* What `queries` shows and no batch changed. Texts are copied. */
struct query_status {
	const char *message;   /* NULL: stays as it is */
	const char *exception; /* NULL: none */
	int64_t n_files_behind;
	int64_t n_missed;      /* files that it could not count; said behind each message */
	enum query_state state;
	bool is_data_available, is_trigger_active;
};

/*
 * `status` has one entry per query of the spec, in its order. Mirror only;
 * publishes a snapshot only if something differs.
 */
int store_set_status(struct store *store, const struct query_status *status, struct err *err)
	__attribute__((warn_unused_result));

struct snapshot_store *store_snapshots(struct store *store);

/*
 * Sentences for the log since the last call, one at a time; NULL: no more.
 * Valid until the next call.
 */
const char *store_next_notice(struct store *store);

/*
 * Drops the counts of a removed query (sql/removed.h): ERR_MISSING, or
 * ERR_INVALID for one that is configured. Works from store_open on.
 */
int store_forget(struct store *store, const char *name, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Writes the newest snapshot as a plain SQLite file that a stock sqlite3 reads:
 * beside it, then renamed. `readers` is what its mode has beyond the umask's.
 */
int store_save(struct snapshot_store *snapshots, const char *path, mode_t readers, struct err *err)
	__attribute__((warn_unused_result));

#endif
