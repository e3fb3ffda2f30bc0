/* One job for the workers: take the next slice until there is none. */
#include "stream/crew.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define GROUPS_KEPT 65536u

int crew_open(struct crew *crew, int n, struct err *err)
{
	int rc;

	*crew = (struct crew){.n = n};
	rc = workers_new(&crew->workers, n, err);
	if (rc != 0)
		return rc;
	crew->readers = mem_new_array((size_t)n, sizeof(struct reader *));
	for (int i = 0; crew->readers != NULL && i < n; i++) {
		crew->readers[i] = reader_new();
		if (crew->readers[i] == NULL) {
			crew_close(crew);
			return err_nomem(err);
		}
	}
	if (crew->readers != NULL)
		return 0;
	crew_close(crew);
	return err_nomem(err);
}

void crew_close(struct crew *crew)
{
	for (int i = 0; crew->readers != NULL && i < crew->n; i++)
		reader_free(crew->readers[i]);
	free(crew->readers);
	workers_free(crew->workers);
	*crew = (struct crew){0};
}

int scans_init(struct scans *scans, int n, enum scan_level level, struct err *err)
{
	*scans = (struct scans){.n = n, .level = level};
	scans->list = mem_new_array((size_t)n, sizeof(struct scan *));
	return scans->list != NULL ? 0 : err_nomem(err);
}

void scans_drop(struct scans *scans)
{
	for (int i = 0; scans->list != NULL && i < scans->n; i++) {
		scan_free(scans->list[i]);
		scans->list[i] = NULL;
	}
}

void scans_fini(struct scans *scans)
{
	scans_drop(scans);
	free(scans->list);
	*scans = (struct scans){0};
}

void scans_clear(struct scans *scans, uint32_t n_known)
{
	for (int i = 0; i < scans->n; i++) {
		struct scan **scan = &scans->list[i];
		uint32_t n;

		if (*scan == NULL)
			continue;
		cells_clear(scan_cells(*scan));
		n = cells_n_groups(scan_cells(*scan));
		if (n > GROUPS_KEPT && n / 2 > n_known) {
			scan_free(*scan);
			*scan = NULL;
		}
	}
}

int scans_gather(struct scans *scans, struct err *err)
{
	struct cells *all = NULL;

	for (int i = 0; i < scans->n; i++) {
		struct cells *own = scans->list[i] != NULL ? scan_cells(scans->list[i]) : NULL;

		if (own == NULL || !cells_are_dense(own))
			continue;
		if (all == NULL) {
			all = own;
			continue;
		}
		if (cells_merge(all, own, err) < 0)
			return err->code;
		cells_clear(own);
	}
	return 0;
}

static int prepare(struct scans *scans, int n, const struct event_shape *shape, int64_t bucket_us,
	struct err *err)
{
	if (bucket_us != scans->bucket_us)
		scans_drop(scans);
	scans->bucket_us = bucket_us;
	for (int i = 0; i < n; i++) {
		if (scans->list[i] != NULL)
			continue;
		scans->list[i] = scan_new(shape, bucket_us, scans->level);
		if (scans->list[i] == NULL)
			return err_nomem(err);
	}
	return 0;
}

struct pass {
	struct crew *crew;
	struct plan *plan;
	struct scans *scans;
	const struct slice_stop *stop;
	atomic_size_t next; /* slice */
	atomic_bool has_failed;
	struct err *errs; /* by worker */
	pthread_mutex_t lock;
	size_t first_kept; /* under the lock: rows of rejects of the slices before it are not wanted
			    */
};

/*
 * A batch keeps the newest rows of rejects, as the tables do. Under the lock a
 * slice that was run tells how many it has, and older ones that are not needed
 * any more lose theirs, so that the memory does not grow with what was read.
 */
static void keep_newest_rejects(struct pass *pass, size_t i)
{
	struct plan *plan = pass->plan;
	size_t n = 0;
	size_t first;

	if (plan->slices[i].rejects == NULL)
		return;
	pthread_mutex_lock(&pass->lock);
	plan->slices[i].has_told = true;
	/* Judged before, so no row comes of it. */
	if (plan->files[plan->slices[i].file].is_catch_up || i < pass->first_kept)
		slice_drop_reject_rows(&plan->slices[i]);
	first = pass->first_kept;
	for (size_t k = plan->n_slices; k > pass->first_kept; k--) {
		struct slice *slice = &plan->slices[k - 1];

		if (!slice->has_told)
			continue;
		if (n >= REJECT_ROWS_MAX) {
			slice_drop_reject_rows(slice);
			continue;
		}
		n += reject_rows_count(slice->rejects);
		if (n >= REJECT_ROWS_MAX)
			first = k - 1;
	}
	pass->first_kept = first;
	pthread_mutex_unlock(&pass->lock);
}

/*
 * Slices are taken in order and a taken slice is
 * finished, so what was run is a prefix of the plan.
 */
static void run_worker(void *context, int worker)
{
	struct pass *pass = context;
	struct plan *plan = pass->plan;
	struct slice_stop stop = *pass->stop;

	/* Only the calling thread may be asked. */
	if (worker != 0)
		stop.poll = NULL;
	while (!slice_is_stopped(&stop) && !atomic_load(&pass->has_failed)) {
		size_t i = atomic_fetch_add(&pass->next, 1);
		struct slice *slice;

		if (i >= plan->n_slices)
			return;
		if (!plan_has_slice(plan, i))
			continue;
		slice = &plan->slices[i];
		if (slice_run(slice, &plan->files[slice->file].read, pass->crew->readers[worker],
			    pass->scans->list[worker], &stop, &pass->errs[worker]) != 0)
			atomic_store(&pass->has_failed, true);
		keep_newest_rejects(pass, i);
	}
}

static int read_once(struct pass *pass, int n, struct err *err)
{
	int rc = 0;

	pass->errs = mem_new_array((size_t)n, sizeof(*pass->errs));
	if (pass->errs == NULL)
		return err_nomem(err);
	pass->first_kept = 0;
	atomic_init(&pass->next, 0);
	atomic_init(&pass->has_failed, false);
	workers_run(pass->crew->workers, n, run_worker, pass);
	for (int i = 0; atomic_load(&pass->has_failed) && rc == 0 && i < n; i++) {
		rc = pass->errs[i].code;
		*err = pass->errs[i];
	}
	free(pass->errs);
	if (rc == 0 && pass->stop->poll != NULL && slice_is_stopped(pass->stop))
		return err_set(err, ERR_INTERRUPTED, "interrupted");
	return rc;
}

/* Of a file that is left between two slices nobody has told what it is recognised by. */
static void recognise_stopped(const struct crew *crew, struct plan_file *file)
{
	struct reader *reader = crew->readers[0];
	struct reader_target target = slice_file_target(&file->read);
	struct file_identity identity = *file->read.known;
	struct err ignored = ERR_INIT;

	/* Where that fails the old fingerprints stand: they cover less, and are as true. */
	if (reader_open(reader, &target, &ignored) == 0 &&
		reader_fingerprint(reader, file->at.offset, &identity, &ignored) == 0)
		file->read.identity = identity;
	reader_close(reader);
}

/*
 * Whether the file begins with other bytes now than when it was read: it was rewritten meanwhile,
 * and fingerprints taken behind that are not those of what was counted.
 */
static bool has_other_head(const struct slice_file *read)
{
	const struct file_identity *before = read->head.fp_offset > 0 ? &read->head : read->known;

	return before->fp_offset >= FINGERPRINT_BYTES &&
	       read->identity.fp_offset >= FINGERPRINT_BYTES &&
	       read->identity.fp_head != before->fp_head;
}

static void recognise_files(const struct crew *crew, struct plan *plan)
{
	for (size_t i = 0; i < plan->n_files; i++) {
		struct plan_file *file = &plan->files[i];

		if (file->end == SLICE_STOPPED && !file->read.is_compressed)
			recognise_stopped(crew, file);
		if (has_other_head(&file->read))
			identity_fit_nothing(&file->read.identity);
	}
}

int crew_read(struct crew *crew, struct plan *plan, const struct event_shape *shape,
	struct scans *scans, int64_t bucket_us, struct slice_stop *stop, struct err *err)
{
	struct pass pass = {.crew = crew,
		.plan = plan,
		.scans = scans,
		.stop = stop,
		.lock = PTHREAD_MUTEX_INITIALIZER};
	int n = (size_t)crew->n < plan->n_slices ? crew->n : (int)plan->n_slices;
	int rc;

	if (n == 0)
		return 0;
	rc = prepare(scans, n, shape, bucket_us, err);
	if (rc == 0)
		rc = read_once(&pass, n, err);
	while (rc == 0 && plan_settle(plan)) {
		for (int i = 0; i < n; i++)
			cells_clear(scan_cells(scans->list[i]));
		rc = read_once(&pass, n, err);
	}
	/* One that broke off may hold counts that have not reached its cells; they would be added
	 * to those of the next batch. */
	if (rc != 0)
		scans_drop(scans);
	else
		recognise_files(crew, plan);
	return rc;
}
