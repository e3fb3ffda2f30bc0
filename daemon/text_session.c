/*
 * A session that reads lines.
 *
 * Of what has come, complete lines move to `pending` until they end a statement, then all of
 * `pending` is run, one statement after the other (`at` is where the next begins). Answers gather
 * in `out` and leave in one write at the end of a turn. While a statement runs nothing of `pending`
 * changes, so a worker may read it.
 *
 *   READY ──line completes a statement──▶ RUNNING ──answered──▶ READY
 *     └──.quit, .bail, end of input and all answered──▶ the session is finished
 *
 * Frames on the same connection run with the same SQL session, so one waits for the other. A turn
 * on the loop is short, and reading stops while enough is here to work on.
 */
#include "daemon/text_session.h"

#include "daemon/frames.h"
#include "daemon/frames_line.h"
#include "daemon/sql_text.h"
#include "daemon/text_command.h"
#include "daemon/text_lines.h"
#include "daemon/text_sink.h"

#include <string.h>

/* With more than this here, the peer waits. */
#define READ_AHEAD_BYTES (64 * 1024)
#define TOO_LONG         "a statement or line of more than 1048576 bytes; goodbye"
#define STOPPING         "tallyd is shutting down"

enum text_state { TEXT_READY, TEXT_RUNNING, TEXT_OVER };

struct text_session {
	struct session session; /* first */
	enum text_state state;
	struct text_lines lines;
	struct buf pending;   /* lines of a statement that is not complete, or that runs */
	size_t at;            /* in `pending`, while it runs */
	struct sql_text scan; /* of `pending` */
	struct buf out;
	struct text_settings settings;
	struct text_sink sink;
	struct execution execution;
	struct frames *frames; /* NULL before the first frame */
	size_t format_len;
	char format[TEXT_FORMAT_BYTES];
};

static struct text_session *text_of(struct session *session)
{
	return (struct text_session *)session;
}

static void flush(struct text_session *t)
{
	session_flush(&t->session, &t->out);
}

/* What was answered goes out, and that is all. */
static void leave(struct text_session *t)
{
	t->state = TEXT_OVER;
	flush(t);
	session_finish(&t->session);
}

/* One line, whatever the sentence holds. */
static void error_add(struct text_session *t, const char *sentence)
{
	buf_add_text(&t->out, "Error: ");
	for (const char *c = sentence; *c != '\0'; c++)
		buf_add_char(&t->out, *c == '\n' || *c == '\r' ? ' ' : *c);
	buf_add_char(&t->out, '\n');
}

static void end_add(struct text_session *t)
{
	if (t->settings.end[0] == '\0')
		return;
	buf_add_text(&t->out, t->settings.end);
	buf_add_char(&t->out, '\n');
}

static void pending_drop(struct text_session *t)
{
	buf_shrink(&t->pending);
	t->at = 0;
	t->scan = (struct sql_text){0};
	t->state = TEXT_READY;
}

/* The rest of the lines is lost with the statement that failed, as in sqlite3. */
static void fail(struct text_session *t, const char *sentence)
{
	error_add(t, sentence);
	end_add(t);
	pending_drop(t);
	if (t->settings.bail)
		leave(t);
}

static void statement_ended(struct text_session *t)
{
	struct execution *e = &t->execution;

	if (t->out.len == 0) {
		struct buf swap = t->out;
		t->out = e->page;
		e->page = swap;
	} else {
		buf_add(&t->out, e->page.data, e->page.len);
	}
	buf_shrink(&e->page);
	text_sink_reset(&t->sink);
	if (e->end == EXECUTION_FAILED) {
		fail(t, t->session.service->is_stopping ? STOPPING : e->err.text);
		return;
	}
	if (e->end == EXECUTION_EMPTY) {
		pending_drop(t);
		return;
	}
	end_add(t);
	t->at += e->tail;
	/* The end of the last line is no statement. */
	while (t->at < t->pending.len && strchr(" \t\r\n;", t->pending.data[t->at]) != NULL)
		t->at++;
	t->state = TEXT_READY;
}

/* Returns false when the statement is under way. */
static bool statement_start(struct text_session *t)
{
	struct execution *e = &t->execution;

	e->sql = t->session.sql;
	e->text = t->pending.data + t->at;
	e->len = t->pending.len - t->at;
	e->format = t->format;
	e->format_len = t->format_len;
	t->state = TEXT_RUNNING;
	if (!session_execute(&t->session, e))
		return false;
	statement_ended(t);
	return true;
}

/* False: it was refused, and said so. */
static bool pending_judge(struct text_session *t)
{
	char sentence[SQL_TEXT_SENTENCE_BYTES];

	if (t->session.lost_transaction) {
		t->session.lost_transaction = false;
		fail(t, SESSION_LOST_TRANSACTION);
		return false;
	}
	if (!sql_text_judge(t->pending.data, t->pending.len, sentence)) {
		fail(t, sentence);
		return false;
	}
	return true;
}

static void frame_take(struct text_session *t, const char *line, size_t len);

/* A line where no statement is pending: a dot-command or a frame. False: it is neither. */
static bool line_special(struct text_session *t, char *line, size_t len)
{
	if (line[0] == '{') {
		frame_take(t, line, len);
		return true;
	}
	if (line[0] != '.')
		return false;
	line[len] = '\0'; /* over the newline, which every line has */
	switch (text_command_run(&t->settings, line, &t->out)) {
	case TEXT_COMMAND_DONE:
		t->format_len = text_settings_format(&t->settings, t->format);
		break;
	case TEXT_COMMAND_FAILED:
		if (t->settings.bail)
			leave(t);
		break;
	case TEXT_COMMAND_QUIT: leave(t); break;
	}
	return true;
}

/* `len` bytes, the newline with them. */
static void line_take(struct text_session *t, char *line, size_t len)
{
	size_t bare = len - 1;

	if (bare > 0 && line[bare - 1] == '\r')
		bare--;
	if (t->pending.len == 0 && bare > 0 && line_special(t, line, bare))
		return;
	if (t->pending.len + len > TEXT_MAX_BYTES) {
		error_add(t, TOO_LONG);
		leave(t);
		return;
	}
	if (t->lines.is_cut)
		len--;
	sql_text_feed(&t->scan, line, len);
	buf_add(&t->pending, line, len);
	if (!buf_ok(&t->pending))
		session_close(&t->session);
	else if (sql_text_is_blank(&t->scan))
		pending_drop(t);
}

/* The peer sends no more, and all lines were taken. */
static bool has_ended(const struct text_session *t)
{
	return t->lines.has_ended && text_lines_len(&t->lines) == 0;
}

static bool is_frame(const struct text_session *t)
{
	return t->pending.len == 0 && text_lines_peek(&t->lines) == '{';
}

static bool frames_are_busy(const struct text_session *t)
{
	return t->frames != NULL && frames_is_busy(t->frames);
}

/* While frames are answered, or look at a new snapshot, only more frames may come in between. */
static bool must_wait(const struct text_session *t)
{
	if (t->session.n_under_way == 0 && !frames_are_busy(t))
		return false;
	return !is_frame(t) || frames_is_full(t->frames);
}

/* One thing; false when there is nothing more to do now. */
static bool do_next(struct text_session *t)
{
	if (t->state != TEXT_READY || !session_is_open(&t->session))
		return false;
	if (t->at > 0 && t->at == t->pending.len)
		pending_drop(t);
	if (must_wait(t))
		return false;
	if (t->at > 0)
		return statement_start(t);
	size_t len;
	char *line = text_lines_take(&t->lines, &len);
	if (line != NULL) {
		line_take(t, line, len);
		if (!sql_text_is_complete(&t->scan))
			return true;
	} else if (text_lines_len(&t->lines) > TEXT_MAX_BYTES) {
		/* Nobody knows its id: that may be in what is not here. */
		if (is_frame(t))
			frames_line_add_error(&t->out, "null", SQLITE_TOOBIG, TOO_LONG, -1);
		else
			error_add(t, TOO_LONG);
		leave(t);
		return false;
	} else if (!has_ended(t) || t->pending.len == 0) {
		return false;
	}
	/* Complete, or the end of the input: what is there is run as it is. */
	if (t->pending.len == 0 || t->state != TEXT_READY)
		return true;
	return pending_judge(t) ? statement_start(t) : true;
}

static void reading_adjust(struct text_session *t)
{
	if (!session_is_open(&t->session) || t->lines.has_ended)
		return;
	/* More than that and nothing to wait for means a line that is not all here. */
	if (text_lines_len(&t->lines) > READ_AHEAD_BYTES &&
		(t->session.n_under_way > 0 || t->session.wants_turn ||
			session_is_clogged(&t->session) || frames_are_busy(t)))
		transport_read_stop(&t->session.transport);
	else
		transport_read_start(&t->session.transport);
}

static bool is_over(const struct text_session *t)
{
	return has_ended(t) && t->state == TEXT_READY && t->pending.len == 0 &&
	       (t->frames == NULL ||
		       (!frames_is_busy(t->frames) && !frames_has_subscriptions(t->frames)));
}

/*
 * Requests that wait, rows of a subscription that are still to be told, and a snapshot that came
 * while a statement ran or a transaction held it back. Plain text may have waited for them.
 */
static void frames_turn(struct text_session *t)
{
	bool was_busy = frames_are_busy(t);

	if (t->frames == NULL || t->session.wants_turn)
		return;
	frames_go_on(t->frames);
	if (was_busy && !frames_are_busy(t))
		session_want_turn(&t->session);
}

/* Works until there is nothing to do, the peer must read first, or the turn is over. */
static void turn(struct text_session *t)
{
	uint64_t begun = session_turn_begin();

	while (!t->session.wants_turn && !session_is_clogged(&t->session) && do_next(t)) {
		if (t->out.len >= PAGE_BYTES)
			flush(t);
		session_turn_look(&t->session, begun);
	}
	if (!session_is_open(&t->session))
		return;
	flush(t);
	text_lines_rest(&t->lines);
	frames_turn(t);
	if (t->session.service->is_stopping && t->state == TEXT_READY && !frames_are_busy(t))
		leave(t);
	else if (is_over(t) && !t->session.wants_turn)
		leave(t);
	else
		reading_adjust(t);
}

static struct text_session *text_of_execution(struct execution *e)
{
	return (struct text_session *)((char *)e - offsetof(struct text_session, execution));
}

static void on_page(struct execution *e)
{
	struct text_session *t = text_of_execution(e);

	flush(t);
	session_write(&t->session, &e->page);
	session_page_written(&t->session, e);
}

static void on_statement_ended(struct execution *e)
{
	struct text_session *t = text_of_execution(e);

	if (!session_ran(&t->session))
		return;
	statement_ended(t);
	turn(t);
}

static int text_open(struct session *session, struct err *err)
{
	struct text_session *t = text_of(session);

	(void)err;
	text_settings_init(&t->settings);
	t->format_len = text_settings_format(&t->settings, t->format);
	t->sink.options = &t->settings.print;
	execution_init(&t->execution);
	t->execution.sink = &text_sink_ops;
	t->execution.sink_context = &t->sink;
	t->execution.cache = session->service->cache;
	t->execution.snapshots = session->service->snapshots;
	t->execution.on_page = on_page;
	t->execution.on_ended = on_statement_ended;
	return 0;
}

static void text_refuse(struct session *session, const char *sentence)
{
	struct buf line = {0};

	buf_printf(&line, "Error: %s\n", sentence);
	session_write(session, &line);
	buf_fini(&line);
}

static void text_on_bytes(struct session *session, const char *bytes, size_t len)
{
	struct text_session *t = text_of(session);

	if (text_lines_add(&t->lines, bytes, len))
		turn(t);
	else
		session_close(session);
}

static void text_on_end(struct session *session)
{
	struct text_session *t = text_of(session);

	t->lines.has_ended = true;
	turn(t);
}

static void text_on_drained(struct session *session)
{
	struct text_session *t = text_of(session);

	if (execution_resume(&t->execution))
		return;
	if (t->frames != NULL)
		frames_on_drained(t->frames);
	turn(t);
}

static void text_on_snapshot(struct session *session)
{
	struct text_session *t = text_of(session);

	if (t->frames != NULL)
		frames_go_on(t->frames);
}

static void text_on_turn(struct session *session)
{
	turn(text_of(session));
}

/* Whoever asks next reads it as the answer. */
static void text_on_stop(struct session *session)
{
	struct text_session *t = text_of(session);

	if (t->frames == NULL) {
		error_add(t, STOPPING);
	} else {
		frames_cancel_all(t->frames);
		frames_line_add_error(&t->out, "null", SQLITE_INTERRUPT, STOPPING, -1);
	}
	leave(t);
}

static void text_on_cancel(struct session *session)
{
	struct text_session *t = text_of(session);

	execution_cancel(&t->execution);
	if (t->frames != NULL)
		frames_cancel_all(t->frames);
}

static void text_fini(struct session *session)
{
	struct text_session *t = text_of(session);

	frames_free(t->frames);
	execution_fini(&t->execution);
	text_sink_reset(&t->sink);
	text_lines_fini(&t->lines);
	buf_fini(&t->pending);
	buf_fini(&t->out);
}

static void on_frames_idle(struct session *session)
{
	session_want_turn(session);
}

static void frame_take(struct text_session *t, const char *line, size_t len)
{
	flush(t);
	if (t->frames == NULL) {
		t->frames = frames_new(&t->session, on_frames_idle);
		if (t->frames == NULL) {
			session_close(&t->session);
			return;
		}
		session_set_protocol(&t->session, "frames");
	}
	frames_take(t->frames, line, len);
}

const struct session_ops text_session_ops = {
	.protocol = "text",
	.size = sizeof(struct text_session),
	.open = text_open,
	.refuse = text_refuse,
	.on_bytes = text_on_bytes,
	.on_end = text_on_end,
	.on_drained = text_on_drained,
	.on_snapshot = text_on_snapshot,
	.on_turn = text_on_turn,
	.on_cancel = text_on_cancel,
	.on_stop = text_on_stop,
	.fini = text_fini,
};
