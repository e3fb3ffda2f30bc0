/*
 * The document in the order in which Spark writes its keys; maps are sorted by
 * key, and what has no value is left out, as there.
 */
#include "sql/progress.h"

#include "base/json_write.h"
#include "base/timestamp.h"

#include <math.h>
#include <string.h>

static double rounded(double rate)
{
	return floor(rate * 10.0 + 0.5) / 10.0;
}

bool progress_input_rate(const struct progress *progress, double *rate)
{
	int64_t us;

	if (progress->previous_timestamp_us == INT64_MIN)
		return false;
	us = progress->timestamp_us - progress->previous_timestamp_us;
	if (us <= 0)
		return false;
	*rate = rounded((double)progress->n_rows * 1e6 / (double)us);
	return true;
}

double progress_processed_rate(const struct progress *progress, int64_t trigger_us)
{
	int64_t us = trigger_us > US_PER_MS ? trigger_us : US_PER_MS;

	return rounded((double)progress->n_rows * 1e6 / (double)us);
}

static void add_key(struct buf *buf, const char *key)
{
	buf_printf(buf, "\"%s\":", key);
}

static void add_int(struct buf *buf, const char *key, int64_t value)
{
	add_key(buf, key);
	buf_add_int(buf, value);
}

static void add_text(struct buf *buf, const char *key, const char *value)
{
	add_key(buf, key);
	json_write_string(buf, value, strlen(value));
}

/* `yyyy-MM-ddTHH:mm:ss.SSSZ` */
static void add_time(struct buf *buf, const char *key, int64_t us)
{
	struct civil civil;

	civil_from_us(us, &civil);
	add_key(buf, key);
	buf_printf(buf, "\"%04lld-%02d-%02dT%02d:%02d:%02d.%03dZ\"", (long long)civil.year,
		civil.month, civil.day, civil.hour, civil.minute, civil.second, civil.us / 1000);
}

static void add_rates(struct buf *buf, const struct progress *progress, int64_t trigger_us)
{
	double rate;

	add_int(buf, "numInputRows", progress->n_rows);
	if (progress_input_rate(progress, &rate))
		buf_printf(buf, ",\"inputRowsPerSecond\":%.1f", rate);
	buf_printf(buf, ",\"processedRowsPerSecond\":%.1f",
		progress_processed_rate(progress, trigger_us));
}

static void add_durations(struct buf *buf, const struct progress *progress, int64_t store_us)
{
	add_key(buf, "durationMs");
	buf_add_char(buf, '{');
	add_int(buf, "addBatch", (progress->scan_us + progress->fold_us) / US_PER_MS);
	buf_add_char(buf, ',');
	add_int(buf, "commitOffsets", 0); /* offsets and counts are one transaction here */
	buf_add_char(buf, ',');
	add_int(buf, "getBatch", 0);
	buf_add_char(buf, ',');
	add_int(buf, "latestOffset", 0);
	buf_add_char(buf, ',');
	add_int(buf, "queryPlanning", progress->plan_us / US_PER_MS);
	buf_add_char(buf, ',');
	add_int(buf, "triggerExecution", (progress->trigger_us + store_us) / US_PER_MS);
	buf_add_char(buf, ',');
	add_int(buf, "walCommit", store_us / US_PER_MS);
	buf_add_char(buf, '}');
}

static void add_event_time(struct buf *buf, const struct progress *progress)
{
	add_key(buf, "eventTime");
	buf_add_char(buf, '{');
	if (progress->max_time_us != INT64_MIN) {
		add_time(buf, "max", progress->max_time_us);
		buf_add_char(buf, ',');
		add_time(buf, "min", progress->min_time_us);
		buf_add_char(buf, ',');
	}
	add_time(buf, "watermark", progress->watermark_us);
	buf_add_char(buf, '}');
}

static void add_state(struct buf *buf, const struct progress *progress, int64_t store_us)
{
	add_key(buf, "stateOperators");
	buf_add_text(buf, "[{");
	add_text(buf, "operatorName", "stateStoreSave");
	buf_add_char(buf, ',');
	add_int(buf, "numRowsTotal", progress->n_groups);
	buf_add_char(buf, ',');
	add_int(buf, "numRowsUpdated", progress->n_groups_updated);
	buf_add_char(buf, ',');
	add_int(buf, "allUpdatesTimeMs", progress->fold_us / US_PER_MS);
	buf_add_char(buf, ',');
	add_int(buf, "numRowsRemoved", progress->n_groups_removed);
	buf_add_char(buf, ',');
	add_int(buf, "allRemovalsTimeMs", 0);
	buf_add_char(buf, ',');
	add_int(buf, "commitTimeMs", store_us / US_PER_MS);
	buf_add_char(buf, ',');
	add_int(buf, "memoryUsedBytes", progress->state_bytes);
	buf_add_char(buf, ',');
	add_int(buf, "numRowsDroppedByWatermark", progress->n_late);
	buf_add_char(buf, ',');
	add_int(buf, "numShufflePartitions", 1);
	buf_add_char(buf, ',');
	add_int(buf, "numStateStoreInstances", 1);
	buf_add_char(buf, ',');
	add_key(buf, "customMetrics");
	buf_add_char(buf, '{');
	add_int(buf, "loadedMapCacheHitCount", 0);
	buf_add_char(buf, ',');
	add_int(buf, "loadedMapCacheMissCount", 0);
	buf_add_char(buf, ',');
	add_int(buf, "stateOnCurrentVersionSizeBytes", progress->state_bytes);
	buf_add_text(buf, "}}]");
}

static void add_offset(struct buf *buf, const char *key, int64_t batch_id)
{
	add_key(buf, key);
	if (batch_id < 0)
		buf_add_text(buf, "null");
	else
		buf_printf(buf, "{\"logOffset\":%lld}", (long long)batch_id);
}

static void add_source(struct buf *buf, const struct source_spec *source,
	const struct progress *progress, int64_t trigger_us)
{
	struct buf description = {0};

	buf_printf(&description, "FileStreamSource[file:%s]", source->path);
	buf->failed |= description.failed;
	add_key(buf, "sources");
	buf_add_text(buf, "[{");
	add_key(buf, "description");
	json_write_string(buf, description.data, description.len);
	buf_add_char(buf, ',');
	add_offset(buf, "startOffset", progress->batch_id - 1);
	buf_add_char(buf, ',');
	add_offset(buf, "endOffset", progress->batch_id);
	buf_add_text(buf, ",\"latestOffset\":null,");
	add_rates(buf, progress, trigger_us);
	buf_add_text(buf, "}]");
	buf_fini(&description);
}

void progress_write_json(struct buf *buf, const struct catalog *catalog, size_t query,
	const struct progress *progress, int64_t store_us)
{
	const struct query_spec *spec = &catalog->spec->queries[query];
	int64_t trigger_us = progress->trigger_us + store_us;

	buf_add_char(buf, '{');
	add_text(buf, "id", catalog->queries[query].uuid);
	buf_add_char(buf, ',');
	add_text(buf, "runId", catalog->queries[query].run_uuid);
	buf_add_char(buf, ',');
	add_text(buf, "name", spec->name);
	buf_add_char(buf, ',');
	add_time(buf, "timestamp", progress->timestamp_us);
	buf_add_char(buf, ',');
	add_int(buf, "batchId", progress->batch_id);
	buf_add_char(buf, ',');
	add_int(buf, "batchDuration", trigger_us / US_PER_MS);
	buf_add_char(buf, ',');
	add_rates(buf, progress, trigger_us);
	buf_add_char(buf, ',');
	add_durations(buf, progress, store_us);
	buf_add_char(buf, ',');
	if (spec->watermark_us >= 0) {
		add_event_time(buf, progress);
		buf_add_char(buf, ',');
	}
	add_state(buf, progress, store_us);
	buf_add_char(buf, ',');
	add_source(buf, &catalog->spec->sources[spec->source], progress, trigger_us);
	buf_add_char(buf, ',');
	add_key(buf, "sink");
	buf_add_char(buf, '{');
	add_text(buf, "description", "MemorySink");
	buf_add_char(buf, ',');
	add_int(buf, "numOutputRows",
		spec->output_mode == OUTPUT_COMPLETE ? progress->n_groups
						     : progress->n_groups_updated);
	buf_add_text(buf, "}}");
}
