/*
 * The workers of a pass, each with a reader of its own, and how they read a
 * plan: slices are taken in order by a counter, counted into the taker's cells,
 * and the plan is cut and read again where a file did not hold what it
 * promised. Knows no queries: what the cells mean is the caller's.
 */
#ifndef STREAM_CREW_H
#define STREAM_CREW_H

#include "base/err.h"
#include "stream/plan.h"
#include "stream/reader.h"
#include "stream/scan.h"
#include "stream/slice.h"
#include "stream/workers.h"

#include <stdint.h>

struct crew {
	struct workers *workers;
	struct reader **readers; /* by worker */
	int n;
};

int crew_open(struct crew *crew, int n, struct err *err) __attribute__((warn_unused_result));
void crew_close(struct crew *crew);

/* The scans of one shape, by worker: made when they are needed, kept from pass to pass. */
struct scans {
	struct scan **list; /* of crew.n; NULL members: not needed yet */
	int n;
	int64_t bucket_us;
	enum scan_level level;
};

int scans_init(struct scans *scans, int n, enum scan_level level, struct err *err)
	__attribute__((warn_unused_result));
void scans_fini(struct scans *scans);

/* Forgets the scans: their shape is another one from now on. */
void scans_drop(struct scans *scans);

/*
 * Forgets what was counted, and the names of groups too where a scan knows
 * more than 64 Ki of them and more than twice the `n_known` that are in use.
 */
void scans_clear(struct scans *scans, uint32_t n_known);

/*
 * What the workers counted each for itself is added up in the cells of one of
 * them where that is cheap: whoever folds looks up a cell once and not once for
 * each worker. The others are clear then. ERR_NOMEM: some counts are lost.
 */
int scans_gather(struct scans *scans, struct err *err) __attribute__((warn_unused_result));

/*
 * Reads the plan until it stands; what was run is then told by its files. The
 * cells must be clear before. Fails only for lack of memory, or with
 * ERR_INTERRUPTED when stop->poll said so; what was counted is dropped then.
 */
int crew_read(struct crew *crew, struct plan *plan, const struct event_shape *shape,
	struct scans *scans, int64_t bucket_us, struct slice_stop *stop, struct err *err)
	__attribute__((warn_unused_result));

#endif
