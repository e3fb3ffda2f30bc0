/* What one thread does is nothing to the other: they share only the changes, which nobody writes.
 */
#include "sql/side_by_side.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* A batch with more changed rows is applied by two threads: starting one costs what 50 rows do. */
#define PARALLEL_ROWS 2000

struct mirror_job {
	struct mirror *mirror;
	const struct changes *changes;
	struct err err;
	int rc;
};

static void *apply_to_mirror(void *arg)
{
	struct mirror_job *job = arg;

	job->rc = mirror_apply(job->mirror, job->changes, &job->err);
	return NULL;
}

static size_t count_rows(const struct changes *changes)
{
	size_t n = changes->n_files + changes->n_offsets + changes->n_rejects;
	size_t i;

	for (i = 0; i < changes->n_queries; i++)
		n += changes->queries[i].n_rows + changes->queries[i].n_open_rows;
	return n;
}

int side_by_side_apply(struct checkpoint *checkpoint, struct mirror *mirror,
	const struct changes *changes, struct err *err)
{
	struct mirror_job job = {.mirror = mirror, .changes = changes, .err = ERR_INIT};
	pthread_t thread;
	bool is_parallel = count_rows(changes) >= PARALLEL_ROWS &&
			   pthread_create(&thread, NULL, apply_to_mirror, &job) == 0;
	int rc = checkpoint_apply(checkpoint, changes, err);

	if (is_parallel)
		(void)pthread_join(thread, NULL);
	else if (rc == 0)
		(void)apply_to_mirror(&job);
	else
		return rc;
	if (rc == 0 && job.rc == 0)
		return 0;
	if (job.rc == 0)
		mirror_rollback(mirror);
	if (rc < 0)
		return rc;
	checkpoint_rollback(checkpoint);
	*err = job.err;
	return job.rc;
}
