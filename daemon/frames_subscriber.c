/* Rows stand in the set as they are told, but for their brackets. */
#include "daemon/frames_subscriber.h"

#include "daemon/frames_line.h"

#include <stdlib.h>

struct subscriber *subscriber_new(struct request *request)
{
	struct subscriber *subscriber = calloc(1, sizeof(*subscriber));

	if (subscriber != NULL)
		subscriber->request = request;
	return subscriber;
}

void subscriber_free(struct subscriber *subscriber)
{
	request_free(subscriber->request);
	subscription_sink_fini(&subscriber->sink);
	free(subscriber);
}

static void changes_add(
	struct buf *out, const struct subscriber *subscriber, const struct buf *changes)
{
	frames_line_begin(out, subscriber->request->id);
	buf_add_text(out, ",\"snapshot\":");
	buf_add_int(out, (int64_t)subscriber->snapshot);
	buf_add_text(out, ",\"changes\":[");
	buf_add(out, changes->data, changes->len);
	buf_add_text(out, "]}\n");
}

static void rows_page_add(struct buf *out, struct subscriber *subscriber)
{
	const struct subscription_set *set = &subscriber->sink.set;
	size_t page_end = out->len + PAGE_BYTES;
	size_t first = subscriber->n_told, i;

	frames_line_begin(out, subscriber->request->id);
	buf_add_text(out, ",\"rows\":[");
	for (i = first; i < set->n_rows && out->len < page_end; i++) {
		buf_add_text(out, i == first ? "[" : ",[");
		buf_add(out, set->bytes.data + set->rows[i].cells, set->rows[i].cells_len);
		buf_add_char(out, ']');
	}
	buf_add_text(out, "]}\n");
	subscriber->n_told = i;
}

/* False: there are more pages. */
static bool first_page_add(struct buf *out, struct subscriber *subscriber)
{
	const struct subscription_sink *sink = &subscriber->sink;
	const struct buf nothing = {0};

	if (subscriber->n_told == 0)
		frames_line_add_page(
			out, subscriber->request->id, sink->columns.data, sink->columns.len);
	if (subscriber->n_told < sink->set.n_rows)
		rows_page_add(out, subscriber);
	if (subscriber->n_told < sink->set.n_rows)
		return false;
	changes_add(out, subscriber, &nothing);
	return true;
}

bool subscriber_tell(struct subscriber *subscriber, struct buf *out)
{
	struct subscription_sink *sink = &subscriber->sink;

	if (!sink->has_seen && !first_page_add(out, subscriber))
		return false;
	if (sink->has_seen && sink->changes.len > 0)
		changes_add(out, subscriber, &sink->changes);
	subscription_sink_told(sink);
	return true;
}
