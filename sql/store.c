/*
 * The order of durable and visible stands here, and who is told what; the two
 * databases know themselves.
 */
#include "sql/store.h"

#include "base/mem.h"
#include "sql/catalog.h"
#include "sql/mirror.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct store {
	struct mirror *mirror;
	struct catalog *catalog;  /* NULL before store_load */
	struct setting *settings; /* copies, until store_load */
	size_t n_settings;
};

static int64_t monotonic_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- life -------------------------------------------------------------------- */

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

static char *copy_text(const char *text)
{
	return text != NULL ? mem_copy_text(text, strlen(text)) : NULL;
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

		copy->name = copy_text(setting->name);
		copy->value = copy_text(setting->value);
		copy->origin = copy_text(setting->origin);
		if ((copy->name == NULL && setting->name != NULL) ||
			(copy->value == NULL && setting->value != NULL) ||
			(copy->origin == NULL && setting->origin != NULL))
			return err_nomem(err);
	}
	return 0;
}

int store_open(struct store **out, const struct store_options *options, struct err *err)
{
	struct store *store = calloc(1, sizeof(*store));
	int rc;

	*out = NULL;
	if (store == NULL)
		return err_nomem(err);
	rc = copy_settings(store, options, err);
	if (rc == 0)
		rc = mirror_open(&store->mirror, err);
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
	mirror_close(store->mirror);
	catalog_free(store->catalog);
	free_settings(store->settings, store->n_settings);
	free(store);
}

/* --- what is counted ----------------------------------------------------------- */

int store_load(struct store *store, const struct spec *spec, struct stream *stream, struct err *err)
{
	int rc;

	assert(store->catalog == NULL);
	rc = catalog_new(&store->catalog, spec, err);
	if (rc < 0)
		return rc;
	catalog_number(store->catalog, NULL);
	rc = mirror_fill(store->mirror, NULL, err);
	if (rc == 0)
		rc = mirror_set_catalog(
			store->mirror, store->catalog, store->settings, store->n_settings, err);
	if (rc == 0)
		rc = stream_restored(stream, err);
	return rc;
}

int store_set_spec(struct store *store, const struct spec *spec, const struct setting *settings,
	size_t n_settings, struct err *err)
{
	struct catalog *catalog;
	int rc = catalog_new(&catalog, spec, err);

	if (rc < 0)
		return rc;
	catalog_inherit(catalog, store->catalog);
	catalog_number(catalog, store->catalog);
	rc = mirror_set_catalog(store->mirror, catalog, settings, n_settings, err);
	if (rc < 0) {
		catalog_free(catalog);
		return rc;
	}
	catalog_free(store->catalog);
	store->catalog = catalog;
	return 0;
}

/* --- batches -------------------------------------------------------------------- */

int store_commit(struct store *store, const struct changes *changes, struct err *err)
{
	int64_t begun_us = monotonic_us();
	int rc = mirror_apply(store->mirror, changes, err);

	if (rc == 0)
		rc = mirror_apply_progress(store->mirror, changes, monotonic_us() - begun_us, err);
	if (rc < 0)
		return rc;
	mirror_commit(store->mirror);
	return 0;
}

int store_sync(struct store *store, struct err *err)
{
	(void)store;
	(void)err;
	return 0;
}

int store_set_status(struct store *store, const struct query_status *status, struct err *err)
{
	return mirror_set_status(store->mirror, status, err);
}

struct snapshot_store *store_snapshots(struct store *store)
{
	return mirror_snapshots(store->mirror);
}

/* --- what a person should know ---------------------------------------------------- */

const char *store_next_notice(struct store *store)
{
	(void)store;
	return NULL;
}

const char *const *store_removed_queries(const struct store *store, size_t *n)
{
	(void)store;
	*n = 0;
	return NULL;
}

int store_forget(struct store *store, const char *name, struct err *err)
{
	(void)store;
	return err_set(err, ERR_MISSING, "the checkpoint holds no query named %s", name);
}
