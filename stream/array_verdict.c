/* A reader and a judge of their own, from the array's first byte to its end. */
#include "stream/array_verdict.h"

#include "base/buf.h"

#define READ_BYTES ((size_t)256 * 1024)

/* What a callback ends the feed with. */
#define TOLD 1

static int on_event(void *context, const struct event *event)
{
	(void)context;
	(void)event;
	return 0;
}

static int on_reject(void *context, const struct reject *reject)
{
	(void)context;
	(void)reject;
	return 0;
}

static int on_array(void *context, enum judge_array what)
{
	*(bool *)context = what == JUDGE_ARRAY_KEEP;
	return what == JUDGE_ARRAY_BEGIN ? 0 : TOLD;
}

static int judge_on(const struct array_reading *reading, struct reader *reader, struct judge *judge,
	bool *is_kept, struct err *err)
{
	const struct judge_sink sink = {.context = is_kept,
		.on_event = on_event,
		.on_reject = on_reject,
		.on_array = on_array};
	struct buf data = {0};
	size_t n = 1;
	int rc = 0;

	while (rc == 0 && n > 0) {
		char *room = buf_reserve(&data, READ_BYTES);
		struct err trouble = ERR_INIT;
		size_t consumed = 0;

		if (reading->cancelled != NULL && reading->cancelled(reading->context)) {
			rc = err_set(err, ERR_INTERRUPTED, "interrupted");
			break;
		}
		if (room == NULL) {
			rc = err_nomem(err);
			break;
		}
		/* What cannot be read has no end. */
		if (reader_read(reader, room, READ_BYTES, &n, &trouble) != 0)
			n = 0;
		data.len += n;
		rc = judge_feed(judge, data.data, data.len, n == 0, &consumed, &sink, err);
		buf_drop(&data, consumed);
	}
	if (rc == 0)
		*is_kept = false;
	buf_fini(&data);
	return rc == TOLD ? 0 : rc;
}

/* The array's first byte, where the judge stands as long as it is inside. */
static struct position array_start(const struct array_reading *reading)
{
	struct position at;
	int64_t settled = judge_settled(reading->judge, &at);

	reader_position(reading->reader, settled, &at);
	return at;
}

int array_verdict(const struct array_reading *reading, bool *is_kept, struct err *err)
{
	struct position start = array_start(reading);
	struct reader *reader = reader_new();
	struct judge *judge = judge_new(reading->shape);
	bool is_compressed = start.skip > 0 || start.unpacked > 0;
	int rc = reader == NULL || judge == NULL ? err_nomem(err) : 0;

	*is_kept = false;
	if (rc == 0)
		rc = reader_open_again(reader, reading->reader, &start, err);
	if (rc == 0) {
		judge_begin(judge, &start, position_in_stream(&start, is_compressed));
		rc = judge_on(reading, reader, judge, is_kept, err);
	}
	reader_free(reader);
	judge_free(judge);
	return rc;
}
