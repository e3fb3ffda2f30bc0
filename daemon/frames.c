/*
 * The lane of requests. One execution serves all: the oldest request first,
 * then subscriptions whose snapshot is old. `current` says for whom it runs.
 * The first rows of a subscription, of which there may be many, are told page
 * by page before anything else is run: `telling` says whose.
 *
 * An answer is `{"id":…` and the lines of its pages; what belongs to the end of
 * a request (ok, error) is made here.
 */
#include "daemon/frames.h"

#include "daemon/frames_line.h"
#include "daemon/frames_request.h"
#include "daemon/frames_sink.h"
#include "daemon/frames_subscriber.h"

#include <stdlib.h>
#include <string.h>

struct frames {
	struct session *session;
	void (*on_idle)(struct session *session);
	struct request *first, *last; /* they wait */
	size_t n_waiting, waiting_bytes;
	struct request *current;       /* runs; owned */
	struct subscriber *refreshing; /* runs; in the list */
	struct subscriber *telling;    /* its answer is going out; in the list */
	struct subscriber *subscribers;
	size_t n_subscribers;
	bool is_cancelled; /* what runs */
	bool is_pumping;
	struct execution execution;
	struct frames_sink sink;
	struct buf out;
};

static void flush(struct frames *frames)
{
	session_flush(frames->session, &frames->out);
}

static void lines_add(struct frames *frames, const char *id, const struct buf *page)
{
	frames_line_add_page(&frames->out, id, page->data, page->len);
}

static void execution_error_add(struct frames *frames, const struct request *request)
{
	const struct execution *e = &frames->execution;
	bool is_stopping = frames->session->service->is_stopping;

	frames_line_add_error(&frames->out, request->id, frames_line_code(&e->err, e->sql_code),
		is_stopping ? "tallyd is shutting down" : e->err.text,
		e->offset < 0 ? -1 : e->offset + (int)request->sql_skipped);
}

static void subscriber_remove(struct frames *frames, struct subscriber *subscriber)
{
	struct subscriber **link = &frames->subscribers;

	while (*link != subscriber)
		link = &(*link)->next;
	*link = subscriber->next;
	if (frames->telling == subscriber)
		frames->telling = NULL;
	frames->n_subscribers--;
	subscriber_free(subscriber);
}

/* The subscription that was looked at the longest ago, if there is a newer snapshot; a transaction
 * holds all of them back. */
static struct subscriber *subscriber_due(const struct frames *frames)
{
	uint64_t oldest = snapshot_newest_number(frames->session->service->snapshots);
	struct subscriber *due = NULL;

	if (sql_session_in_transaction(frames->session->sql))
		return NULL;
	for (struct subscriber *s = frames->subscribers; s != NULL; s = s->next)
		if (s->snapshot < oldest) {
			oldest = s->snapshot;
			due = s;
		}
	return due;
}

static bool subscriber_add(struct frames *frames, struct request *request)
{
	struct subscriber *subscriber = subscriber_new(request);

	if (subscriber == NULL)
		return false;
	subscriber->next = frames->subscribers;
	frames->subscribers = subscriber;
	frames->n_subscribers++;
	return true;
}

static void tell(struct frames *frames)
{
	if (subscriber_tell(frames->telling, &frames->out))
		frames->telling = NULL;
}

static void execution_ended(struct frames *frames)
{
	struct execution *e = &frames->execution;
	struct request *request = frames->current;
	struct subscriber *subscriber = frames->refreshing;

	frames->current = NULL;
	frames->refreshing = NULL;
	if (subscriber != NULL) {
		buf_clear(&e->page);
		if (e->end == EXECUTION_DONE && !frames->is_cancelled) {
			if (subscriber->snapshot < e->snapshot)
				subscriber->snapshot = e->snapshot;
			frames->telling = subscriber;
			tell(frames);
			return;
		}
		execution_error_add(frames, subscriber->request);
		subscriber_remove(frames, subscriber);
		return;
	}
	frames_sink_close(&frames->sink, &e->page);
	if (frames->sink.id != NULL)
		buf_add(&frames->out, e->page.data, e->page.len);
	else
		lines_add(frames, request->id, &e->page);
	buf_shrink(&e->page);
	if (e->end == EXECUTION_FAILED)
		execution_error_add(frames, request);
	else
		frames_line_add_ok(&frames->out, request->id, e);
	request_free(request);
}

/* Returns false when it is under way. */
static bool run(struct frames *frames, const struct request *request)
{
	struct execution *e = &frames->execution;
	struct session *session = frames->session;

	e->sql = session->sql;
	e->text = request->sql;
	e->len = request->sql_len;
	e->params = request->params;
	e->n_params = request->n_params;
	frames->is_cancelled = false;
	frames->sink = (struct frames_sink){0};
	if (!session_execute(session, e))
		return false;
	execution_ended(frames);
	return true;
}

/* What is answered without running anything now. */
static void special_take(struct frames *frames, struct request *request)
{
	const char *sentence = NULL;

	if (request->kind == REQUEST_BROKEN)
		sentence = request->sentence != NULL ? request->sentence : "out of memory";
	else if (frames->session->lost_transaction)
		sentence = SESSION_LOST_TRANSACTION;
	else if (sql_session_in_transaction(frames->session->sql))
		sentence = "a subscription cannot begin inside a transaction, which stays at one "
			   "snapshot";
	else if (frames->n_subscribers == FRAMES_MAX_SUBSCRIPTIONS)
		sentence = "a session can have 100 subscriptions; cancel one of them first";
	else if (subscriber_add(frames, request))
		return;
	else
		sentence = "out of memory";
	frames->session->lost_transaction = false;
	frames_line_add_error(&frames->out, request->id, SQLITE_ERROR, sentence, -1);
	request_free(request);
}

static bool run_request(struct frames *frames)
{
	struct execution *e = &frames->execution;
	struct request *request = frames->first;

	frames->first = request->next;
	if (frames->first == NULL)
		frames->last = NULL;
	frames->n_waiting--;
	frames->waiting_bytes -= request->size;
	if (request->kind != REQUEST_STATEMENT || frames->session->lost_transaction) {
		special_take(frames, request);
		return true;
	}
	frames->current = request;
	e->sink = &frames_sink_ops;
	e->sink_context = &frames->sink;
	e->cache = frames->session->service->cache;
	return run(frames, request);
}

static bool run_refresh(struct frames *frames, struct subscriber *subscriber)
{
	struct execution *e = &frames->execution;

	frames->refreshing = subscriber;
	/* A statement that reads no table sees no snapshot; it has been looked at all the same. */
	subscriber->snapshot = snapshot_newest_number(frames->session->service->snapshots);
	e->sink = &subscription_sink_ops;
	e->sink_context = &subscriber->sink;
	e->cache = NULL;
	return run(frames, subscriber->request);
}

/* False: there is nothing to do, or it is under way. */
static bool do_next(struct frames *frames)
{
	struct subscriber *due;

	if (frames->telling != NULL) {
		tell(frames);
		return true;
	}
	if (frames->first != NULL)
		return run_request(frames);
	due = subscriber_due(frames);
	return due != NULL && run_refresh(frames, due);
}

/*
 * Does what waits until something is under way, be it a statement in plain text, the peer must
 * read, or the turn is over.
 */
static void pump(struct frames *frames)
{
	struct session *session = frames->session;
	uint64_t turn = session_turn_begin();

	if (frames->is_pumping)
		return;
	frames->is_pumping = true;
	while (!session->wants_turn && session->n_under_way == 0 && session_is_open(session) &&
		!session_is_clogged(session) && do_next(frames)) {
		if (frames->out.len >= PAGE_BYTES)
			session_write(session, &frames->out);
		session_turn_look(session, turn);
	}
	frames->is_pumping = false;
	flush(frames);
}

static struct frames *frames_of(struct execution *e)
{
	return (struct frames *)((char *)e - offsetof(struct frames, execution));
}

static void on_page(struct execution *e)
{
	struct frames *frames = frames_of(e);
	const struct request *request =
		frames->current != NULL ? frames->current : frames->refreshing->request;

	frames_sink_close(&frames->sink, &e->page);
	if (frames->sink.id != NULL) {
		session_write(frames->session, &e->page);
	} else {
		lines_add(frames, request->id, &e->page);
		buf_clear(&e->page);
		flush(frames);
		frames->sink.id = request->id;
	}
	session_page_written(frames->session, e);
}

static void on_ended(struct execution *e)
{
	struct frames *frames = frames_of(e);
	struct session *session = frames->session;

	if (!session_ran(session))
		return;
	execution_ended(frames);
	/* Lines that waited for this go before the next look at a snapshot. */
	if (frames->first != NULL || frames->telling != NULL)
		pump(frames);
	flush(frames);
	if (!frames_is_busy(frames))
		frames->on_idle(session);
}

struct frames *frames_new(struct session *session, void (*on_idle)(struct session *session))
{
	struct frames *frames = calloc(1, sizeof(*frames));

	if (frames == NULL)
		return NULL;
	frames->session = session;
	frames->on_idle = on_idle;
	execution_init(&frames->execution);
	frames->execution.needs_all_params = true;
	frames->execution.snapshots = session->service->snapshots;
	frames->execution.format = "frames";
	frames->execution.format_len = 6;
	frames->execution.on_page = on_page;
	frames->execution.on_ended = on_ended;
	return frames;
}

void frames_free(struct frames *frames)
{
	if (frames == NULL)
		return;
	execution_fini(&frames->execution);
	request_free(frames->current);
	while (frames->first != NULL) {
		struct request *next = frames->first->next;
		request_free(frames->first);
		frames->first = next;
	}
	while (frames->subscribers != NULL)
		subscriber_remove(frames, frames->subscribers);
	buf_fini(&frames->out);
	free(frames);
}

bool frames_is_busy(const struct frames *frames)
{
	return frames->first != NULL || frames->current != NULL || frames->telling != NULL ||
	       (frames->refreshing != NULL && !frames->refreshing->sink.has_seen);
}

bool frames_is_full(const struct frames *frames)
{
	return frames->n_waiting >= FRAMES_MAX_WAITING ||
	       frames->waiting_bytes >= FRAMES_MAX_WAITING_BYTES;
}

bool frames_has_subscriptions(const struct frames *frames)
{
	return frames->subscribers != NULL;
}

static void interrupted_add(struct frames *frames, const char *id)
{
	bool is_stopping = frames->session->service->is_stopping;

	frames_line_add_error(&frames->out, id, SQLITE_INTERRUPT,
		is_stopping ? "tallyd is shutting down" : "interrupted", -1);
}

/* One that waits is answered at its cancel, ahead of its turn. */
static bool cancel_waiting(struct frames *frames, const char *id)
{
	struct request **link = &frames->first;
	struct request *before = NULL;

	for (; *link != NULL; before = *link, link = &(*link)->next) {
		struct request *request = *link;
		if (strcmp(request->id, id) != 0)
			continue;
		*link = request->next;
		if (frames->last == request)
			frames->last = before;
		frames->n_waiting--;
		frames->waiting_bytes -= request->size;
		interrupted_add(frames, id);
		request_free(request);
		return true;
	}
	return false;
}

static void cancel(struct frames *frames, const char *id)
{
	if (frames->current != NULL && strcmp(frames->current->id, id) == 0) {
		execution_cancel(&frames->execution);
		return;
	}
	if (cancel_waiting(frames, id))
		return;
	for (struct subscriber *s = frames->subscribers; s != NULL; s = s->next) {
		if (strcmp(s->request->id, id) != 0)
			continue;
		if (s == frames->refreshing) {
			frames->is_cancelled = true;
			execution_cancel(&frames->execution);
			return;
		}
		interrupted_add(frames, id);
		subscriber_remove(frames, s);
		return;
	}
	/* It was answered already: the cancel came too late, and that is all. */
}

static void request_add(struct frames *frames, struct request *request)
{
	if (frames->last != NULL)
		frames->last->next = request;
	else
		frames->first = request;
	frames->last = request;
	frames->n_waiting++;
	frames->waiting_bytes += request->size;
}

void frames_take(struct frames *frames, const char *line, size_t len)
{
	struct request *request = request_parse(line, len);

	if (request == NULL) {
		session_close(frames->session);
		return;
	}
	if (request->kind == REQUEST_CANCEL) {
		cancel(frames, request->id);
		request_free(request);
		flush(frames);
		return;
	}
	request_add(frames, request);
	pump(frames);
}

void frames_on_drained(struct frames *frames)
{
	(void)execution_resume(&frames->execution);
}

void frames_go_on(struct frames *frames)
{
	if (frames->subscribers != NULL || frames->first != NULL)
		pump(frames);
}

void frames_cancel_all(struct frames *frames)
{
	while (frames->first != NULL)
		(void)cancel_waiting(frames, frames->first->id);
	if (frames->telling != NULL) {
		interrupted_add(frames, frames->telling->request->id);
		subscriber_remove(frames, frames->telling);
	}
	flush(frames);
	frames->is_cancelled = true;
	execution_cancel(&frames->execution);
}
