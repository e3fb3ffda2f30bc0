/*
 * The order of durable and visible stands here, and who is told what; the two
 * databases know themselves.
 *
 * A batch is applied to both (side by side where it is large), then committed
 * on disk, then published. Whatever fails before the disk has committed undoes
 * both; after it nothing can fail, because the mirror's commit has all its
 * memory by then.
 */
#include "sql/store.h"

#include "base/fault.h"
#include "base/mem.h"
#include "sql/catalog.h"
#include "sql/checkpoint.h"
#include "sql/db.h"
#include "sql/mirror.h"
#include "sql/notices.h"
#include "sql/restore.h"
#include "sql/side_by_side.h"
#include "sql/state.h"
#include "sql/tidier.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The pulse counts on with so many of SQLite's operations: about a millisecond. */
#define PULSE_OPS 100000

struct store {
	struct mirror *mirror;
	struct checkpoint *checkpoint; /* NULL: none */
	struct catalog *catalog;       /* NULL before store_load */
	struct setting *settings;      /* copies, for store_load */
	size_t n_settings;
	bool is_unseen; /* batches are not shown one by one */
	bool is_stale;  /* there was one since the mirror was filled */
	struct notices notices;
	struct tidier tidier; /* of the checkpoint */
	atomic_uint pulse;
};

static int64_t monotonic_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void free_settings(struct setting *settings, size_t n)
{
	size_t i;

	for (i = 0; settings != NULL && i < n; i++) {
		free((char *)settings[i].name);
		free((char *)settings[i].value);
		free((char *)settings[i].origin);
	}
	free(settings);
}

/* False: no memory. */
static bool copy_text(const char **copy, const char *text)
{
	*copy = text != NULL ? mem_copy_text(text, strlen(text)) : NULL;
	return *copy != NULL || text == NULL;
}

static int copy_settings(struct store *store, const struct store_options *options, struct err *err)
{
	size_t i;

	store->settings = mem_new_array(options->n_settings, sizeof(*store->settings));
	if (store->settings == NULL)
		return err_nomem(err);
	store->n_settings = options->n_settings;
	for (i = 0; i < options->n_settings; i++) {
		struct setting *copy = &store->settings[i];
		const struct setting *setting = &options->settings[i];

		if (!copy_text(&copy->name, setting->name) ||
			!copy_text(&copy->value, setting->value) ||
			!copy_text(&copy->origin, setting->origin))
			return err_nomem(err);
	}
	return 0;
}

/* The checkpoint is ours again. */
static void wait_for_tidier(struct store *store)
{
	struct err err = ERR_INIT;

	if (tidier_wait(&store->tidier, &err) < 0)
		notices_add(&store->notices, "%s; the checkpoint's WAL grows until it can be moved",
			err.text);
}

/* Filling reads every page of the checkpoint, which is how most damage is found. */
static int fill_mirror(struct store *store, struct err *err)
{
	char reason[ERR_TEXT_BYTES];
	int rc;

	if (store->checkpoint == NULL)
		return mirror_fill(store->mirror, NULL, err);
	rc = mirror_fill(store->mirror, checkpoint_db(store->checkpoint), err);
	if (rc != ERR_CORRUPT)
		return rc;
	memcpy(reason, err->text, sizeof(reason));
	rc = checkpoint_replace_damaged(store->checkpoint, reason, err);
	if (rc == 0)
		rc = mirror_fill(store->mirror, checkpoint_db(store->checkpoint), err);
	return rc;
}

int store_open(struct store **out, const struct store_options *options, struct err *err)
{
	struct store *store = calloc(1, sizeof(*store));
	int rc;

	*out = NULL;
	if (store == NULL)
		return err_nomem(err);
	store->is_unseen = options->is_unseen && options->state_dir != NULL;
	rc = copy_settings(store, options, err);
	if (rc == 0 && options->state_dir != NULL) {
		struct checkpoint_options checkpoint = {.dir = options->state_dir,
			.rebuild = options->rebuild,
			.now_us = options->now_us,
			.notices = &store->notices};

		rc = checkpoint_open(&store->checkpoint, &checkpoint, err);
	}
	if (rc == 0)
		rc = mirror_open(&store->mirror, err);
	if (rc == 0)
		rc = fill_mirror(store, err);
	if (rc < 0) {
		store_close(store);
		return rc;
	}
	*out = store;
	return 0;
}

void store_close(struct store *store)
{
	if (store == NULL)
		return;
	wait_for_tidier(store);
	mirror_close(store->mirror);
	checkpoint_close(store->checkpoint);
	catalog_free(store->catalog);
	free_settings(store->settings, store->n_settings);
	notices_fini(&store->notices);
	free(store);
}

/* Gives the catalog its numbers, from the checkpoint or from the catalog before. */
static int match_catalog(struct store *store, struct catalog *catalog, struct err *err)
{
	const char *loss;
	size_t i;
	int rc;

	if (store->checkpoint == NULL) {
		catalog_number(catalog, NULL, 0, 0);
		return 0;
	}
	rc = state_match(checkpoint_db(store->checkpoint), catalog, NULL, &store->notices, err);
	loss = checkpoint_loss(store->checkpoint);
	for (i = 0; loss != NULL && i < catalog->spec->n_queries; i++)
		catalog->queries[i].note = loss;
	return rc;
}

/* At a start: both databases go over to the catalog. */
static int set_catalog(struct store *store, struct catalog *catalog, struct err *err)
{
	sqlite3 *db = store->checkpoint != NULL ? checkpoint_db(store->checkpoint) : NULL;
	bool is_renamed = false;
	int rc = 0;

	if (db != NULL) {
		rc = db_begin(db, err);
		if (rc == 0)
			rc = db_end(db, state_adopt(db, catalog, 0, &is_renamed, err), err);
		if (rc == 0 && is_renamed)
			rc = fill_mirror(store, err);
	}
	if (rc == 0)
		rc = mirror_set_catalog(
			store->mirror, catalog, store->settings, store->n_settings, NULL, err);
	if (rc == 0 && db != NULL)
		rc = checkpoint_set_catalog(store->checkpoint, catalog, err);
	return rc;
}

/* The mirror shows the totals that go on. */
static int show_restored(struct store *store, const struct restored *restored, struct err *err)
{
	struct changes changes = {.queries = restored->queries, .n_queries = restored->n};
	int rc;

	if (restored->n == 0)
		return 0;
	rc = mirror_apply(store->mirror, &changes, err);
	if (rc == 0)
		rc = mirror_apply_progress(store->mirror, &changes, 0, err);
	if (rc == 0)
		mirror_commit(store->mirror);
	return rc;
}

int store_load(struct store *store, const struct spec *spec, struct stream *stream, struct err *err)
{
	struct restored restored = {0};
	struct catalog *catalog;
	int rc;

	assert(store->catalog == NULL);
	rc = catalog_new(&catalog, spec, err);
	if (rc < 0)
		return rc;
	rc = match_catalog(store, catalog, err);
	if (rc == 0)
		rc = set_catalog(store, catalog, err);
	/* Either database may refer to it from here on. */
	store->catalog = catalog;
	if (rc == 0 && store->checkpoint != NULL)
		rc = restore_stream(
			checkpoint_db(store->checkpoint), catalog, stream, &restored, err);
	if (rc == 0)
		rc = show_restored(store, &restored, err);
	restored_fini(&restored);
	if (rc == 0)
		rc = stream_restored(stream, err);
	return rc;
}

int store_show(struct store *store, struct err *err)
{
	struct restored restored = {0};
	int rc;

	if (!store->is_stale)
		return 0;
	wait_for_tidier(store);
	rc = checkpoint_make_trusted(store->checkpoint, err);
	if (rc < 0)
		return rc;
	/* The old version makes room for the new one. */
	mirror_close(store->mirror);
	rc = mirror_open(&store->mirror, err);
	if (rc == 0)
		rc = mirror_fill(store->mirror, checkpoint_db(store->checkpoint), err);
	if (rc == 0)
		rc = mirror_set_catalog(store->mirror, store->catalog, store->settings,
			store->n_settings, NULL, err);
	if (rc == 0)
		rc = restore_totals(
			checkpoint_db(store->checkpoint), store->catalog, &restored, err);
	if (rc == 0)
		rc = show_restored(store, &restored, err);
	restored_fini(&restored);
	if (rc == 0)
		store->is_stale = false;
	return rc;
}

void store_rest(struct store *store)
{
	wait_for_tidier(store);
	mirror_rest(store->mirror);
	if (store->checkpoint != NULL)
		(void)sqlite3_db_release_memory(checkpoint_db(store->checkpoint));
}

/*
 * What comes back is taken up in the checkpoint and told to the stream in one
 * transaction, so that a failure leaves it parked.
 */
static int take_back(struct store *store, struct catalog *catalog, struct stream *stream,
	struct restored *restored, struct err *err)
{
	sqlite3 *db = checkpoint_db(store->checkpoint);
	bool is_renamed;
	int rc = state_match(db, catalog, store->catalog, &store->notices, err);

	if (rc == 0)
		rc = db_begin(db, err);
	if (rc < 0)
		return rc;
	rc = state_adopt(db, catalog, stream_next_prefix_id(stream), &is_renamed, err);
	if (rc == 0)
		rc = restore_stream(db, catalog, stream, restored, err);
	if (rc == 0)
		rc = stream_restored(stream, err);
	return db_end(db, rc, err);
}

/* At a reload, with a checkpoint. */
static int reset_catalog(struct store *store, struct catalog *catalog, struct stream *stream,
	const struct setting *settings, size_t n_settings, struct err *err)
{
	struct restored restored = {0};
	int rc = checkpoint_make_trusted(store->checkpoint, err);

	if (rc == 0)
		rc = take_back(store, catalog, stream, &restored, err);
	if (rc == 0)
		rc = checkpoint_set_catalog(store->checkpoint, catalog, err);
	if (rc == 0) {
		const struct mirror_source back = {.checkpoint = checkpoint_db(store->checkpoint),
			.totals = {.queries = restored.queries, .n_queries = restored.n}};

		rc = mirror_set_catalog(store->mirror, catalog, settings, n_settings, &back, err);
		if (rc < 0)
			checkpoint_return_to_catalog(store->checkpoint, store->catalog);
	}
	restored_fini(&restored);
	return rc;
}

int store_set_spec(struct store *store, const struct spec *spec, struct stream *stream,
	const struct setting *settings, size_t n_settings, struct err *err)
{
	struct catalog *catalog;
	int rc = catalog_new(&catalog, spec, err);

	if (rc < 0)
		return rc;
	wait_for_tidier(store);
	catalog_inherit(catalog, store->catalog);
	if (store->checkpoint != NULL) {
		rc = reset_catalog(store, catalog, stream, settings, n_settings, err);
	} else {
		catalog_number(catalog, store->catalog, 0, 0);
		rc = stream_restored(stream, err);
		if (rc == 0)
			rc = mirror_set_catalog(
				store->mirror, catalog, settings, n_settings, NULL, err);
	}
	if (rc < 0) {
		catalog_free(catalog);
		return rc;
	}
	catalog_free(store->catalog);
	store->catalog = catalog;
	return 0;
}

static int apply(struct store *store, const struct changes *changes, struct err *err)
{
	if (store->checkpoint == NULL)
		return mirror_apply(store->mirror, changes, err);
	if (store->is_unseen)
		return checkpoint_apply(store->checkpoint, changes, err);
	return side_by_side_apply(store->checkpoint, store->mirror, changes, err);
}

/* Commits the disk's transaction if there is a disk; on failure both are undone. */
static int make_durable(
	struct store *store, const struct changes *changes, int64_t store_us, struct err *err)
{
	int rc;

	if (store->checkpoint == NULL)
		return 0;
	rc = checkpoint_apply_progress(store->checkpoint, changes, store_us, err);
	(void)fault_hit("before-commit");
	if (rc == 0)
		rc = checkpoint_commit(store->checkpoint, err);
	(void)fault_hit("after-commit");
	if (rc < 0 && !store->is_unseen)
		mirror_rollback(store->mirror);
	return rc;
}

static int on_progress(void *context)
{
	atomic_fetch_add_explicit((atomic_uint *)context, 1, memory_order_relaxed);
	return 0;
}

unsigned store_pulse(const struct store *store)
{
	return atomic_load_explicit(&store->pulse, memory_order_relaxed);
}

int store_commit(struct store *store, const struct changes *changes, struct err *err)
{
	int64_t begun_us = monotonic_us();
	int64_t store_us;
	size_t i;
	int rc;

	wait_for_tidier(store);
	/* With each batch, since a checkpoint may have been opened anew. */
	mirror_set_progress(store->mirror, PULSE_OPS, on_progress, &store->pulse);
	if (store->checkpoint != NULL && checkpoint_db(store->checkpoint) != NULL)
		sqlite3_progress_handler(
			checkpoint_db(store->checkpoint), PULSE_OPS, on_progress, &store->pulse);
	rc = apply(store, changes, err);
	if (rc < 0)
		return rc;
	store_us = monotonic_us() - begun_us;
	if (!store->is_unseen)
		rc = mirror_apply_progress(store->mirror, changes, store_us, err);
	if (rc < 0) {
		if (store->checkpoint != NULL)
			checkpoint_rollback(store->checkpoint);
		return rc;
	}
	rc = make_durable(store, changes, store_us, err);
	if (rc < 0)
		return rc;
	if (store->is_unseen)
		store->is_stale = true;
	else
		mirror_commit(store->mirror);
	(void)fault_hit("after-publish");
	for (i = 0; i < store->catalog->spec->n_sources; i++)
		store->catalog->sources[i].is_new = false;
	for (i = 0; i < store->catalog->spec->n_queries; i++)
		store->catalog->queries[i].is_new = false;
	if (store->checkpoint != NULL && checkpoint_is_untidy(store->checkpoint))
		tidier_start(&store->tidier, store->checkpoint);
	return 0;
}

int store_sync(struct store *store, struct err *err)
{
	int rc;

	if (store->checkpoint == NULL)
		return 0;
	wait_for_tidier(store);
	rc = checkpoint_sync(store->checkpoint, err);
	if (rc < 0)
		notices_add(&store->notices,
			"%s: nothing is archived or deleted until it can be synced", err->text);
	return rc;
}

int store_set_status(struct store *store, const struct query_status *status, struct err *err)
{
	return mirror_set_status(store->mirror, status, err);
}

struct snapshot_store *store_snapshots(struct store *store)
{
	return mirror_snapshots(store->mirror);
}

const char *store_next_notice(struct store *store)
{
	if (tidier_is_done(&store->tidier))
		wait_for_tidier(store);
	return notices_take(&store->notices);
}

int store_forget(struct store *store, const char *name, struct err *err)
{
	if (store->checkpoint == NULL)
		return err_set(err, ERR_MISSING, "there is no checkpoint that could hold %s", name);
	if (store->catalog != NULL && catalog_find_query(store->catalog, name) != SIZE_MAX)
		return err_set(err, ERR_INVALID,
			"%s is configured: only a removed query is forgotten", name);
	wait_for_tidier(store);
	return state_forget(checkpoint_db(store->checkpoint), name, err);
}
