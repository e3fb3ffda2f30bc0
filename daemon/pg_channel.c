/*
 * What was told last stands in each channel; a new snapshot makes the session
 * look at `queries` again, when nothing else runs.
 */
#include "daemon/pg_channel.h"

#include "daemon/pg_answer.h"
#include "daemon/pg_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void pg_channels_drop(struct pg_session *pg, const char *name)
{
	struct pg_channel **link = &pg->channels;

	while (*link != NULL) {
		struct pg_channel *channel = *link;

		if (name != NULL && strcmp(channel->name, name) != 0) {
			link = &channel->next;
			continue;
		}
		*link = channel->next;
		free(channel);
	}
}

void pg_channel_listen(struct pg_session *pg, const struct pg_command *command)
{
	struct pg_channel *channel;
	int n = 0;

	for (channel = pg->channels; channel != NULL; channel = channel->next, n++)
		if (strcmp(channel->name, command->name) == 0)
			break;
	if (channel == NULL) {
		channel = n < PG_MAX_OBJECTS ? calloc(1, sizeof(*channel)) : NULL;
		if (channel == NULL) {
			pg_refuse(pg, "53400", "too many channels, or out of memory");
			return;
		}
		(void)snprintf(channel->name, sizeof(channel->name), "%.63s", command->name);
		channel->batch_id = INT64_MIN;
		channel->next = pg->channels;
		pg->channels = channel;
		pg->wants_channels = true;
	}
	pg_write_complete(&pg->out, command->tag);
}

static int channels_begin(
	void *context, const struct statement *statement, struct buf *page, struct err *err)
{
	(void)context;
	(void)statement;
	(void)page;
	(void)err;
	return 0;
}

static void tell(
	const struct pg_session *pg, struct pg_channel *channel, int64_t batch_id, struct buf *page)
{
	size_t mark = pg_begin(page, 'A');

	pg_add_int32(page, pg->identity.backend_pid);
	pg_add_text(page, channel->name);
	buf_add_int(page, batch_id);
	buf_add_char(page, '\0');
	pg_end(page, mark);
	channel->batch_id = batch_id;
}

/*
 * A query, its newest batch, and one that may not be told yet, oldest first. The
 * loop leaves `channels` alone meanwhile.
 */
static int channels_row(
	void *context, const struct value *values, struct buf *page, struct err *err)
{
	const struct pg_session *pg = ((struct pg_rows *)context)->owner;
	const int64_t newest = values[1].integer;

	(void)err;
	for (struct pg_channel *channel = pg->channels; channel != NULL; channel = channel->next) {
		if (values[0].len != strlen(channel->name) ||
			strncasecmp(values[0].data, channel->name, values[0].len) != 0)
			continue;
		if (channel->batch_id == INT64_MIN)
			channel->batch_id = newest;
		else if (values[2].type == VALUE_INTEGER && values[2].integer > channel->batch_id)
			tell(pg, channel, values[2].integer, page);
		else if (newest < channel->batch_id ||
			 (newest > channel->batch_id && values[2].type == VALUE_NULL))
			tell(pg, channel, newest, page); /* it began anew, or more than are kept */
	}
	return 0;
}

static const struct execution_sink channels_sink = {.begin = channels_begin, .row = channels_row};

void pg_channels_look(struct pg_session *pg)
{
	pg->wants_channels = false;
	pg->told = (struct value){.type = VALUE_INTEGER, .integer = INT64_MAX};
	for (const struct pg_channel *channel = pg->channels; channel != NULL;
		channel = channel->next)
		if (channel->batch_id != INT64_MIN && channel->batch_id < pg->told.integer)
			pg->told.integer = channel->batch_id;
	pg_run_sink(pg,
		"SELECT name, coalesce(queries.batch_id, -1), progress.batch_id FROM queries "
		"LEFT JOIN progress ON progress.query = name AND progress.batch_id > ?1 "
		"ORDER BY progress.batch_id",
		&channels_sink, &pg->told, 1);
}
