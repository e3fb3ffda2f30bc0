/* How a session comes to life, what goes around its work, and how it dies. */
#include "daemon/session_private.h"

#include "base/timestamp.h"
#include "daemon/log.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* A statement that takes longer is worth a line in the log. */
#define SLOW_US INT64_C(1000000)
/* What one session may do on the loop before the others have their turn. */
#define TURN_NS UINT64_C(1000000)
/* Peers of TCP have no uid: one that nobody can have, not even the daemon's own user. */
#define UID_NONE UINT32_MAX
/* Connections over max_sessions that are heard at a time, each for as long as its protocol says. */
#define MAX_SURPLUS 32

int64_t session_wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

static bool session_free_if_done(struct session *session)
{
	struct session_list *list = session->service->sessions;

	if (session->transport.state != TRANSPORT_CLOSED || session->n_under_way > 0)
		return false;
	session_list_remove(list, session);
	if (session->place == SESSION_COUNTED)
		session->ops->fini(session);
	sql_session_free(session->sql);
	free(session);
	session_list_tell_if_empty(list);
	return true;
}

static void on_closed(struct transport *transport)
{
	struct session *session = (struct session *)transport;

	/* Whatever closed it: what runs for nobody ends. */
	if (session->n_under_way > 0)
		session->ops->on_cancel(session);
	(void)session_free_if_done(session);
}

void session_close(struct session *session)
{
	transport_close(&session->transport);
}

/*
 * When the daemon stops only those are waited for who are not at rest: what they have sent
 * meanwhile would make the kernel take back what they were told.
 */
void session_finish(struct session *session)
{
	uint64_t now_ms = uv_now(session->service->loop);

	transport_finish(&session->transport,
		!session_is_draining(session) || !session_is_at_rest(session, now_ms));
	session->finished_ms = now_ms;
	if (session->transport.state < TRANSPORT_CLOSING)
		session_list_watch(session->service->sessions);
}

void session_write(struct session *session, struct buf *bytes)
{
	transport_write(&session->transport, bytes);
	if (session_is_clogged(session))
		session_list_watch(session->service->sessions);
}

void session_flush(struct session *session, struct buf *bytes)
{
	session_write(session, bytes);
	buf_shrink(bytes);
}

void session_page_written(struct session *session, struct execution *execution)
{
	if (!session_is_open(session))
		execution_cancel(execution);
	else if (!session_is_clogged(session))
		execution_continue(execution);
}

/* From now on `sessions` shows it, and the session is not freed. */
static void runs(struct session *session, const char *text, size_t len)
{
	struct session_list *list = session->service->sessions;
	size_t shown = len < SESSION_QUERY_BYTES ? len : SESSION_QUERY_BYTES;
	int64_t now_us = session_wall_us();

	assert(session->n_under_way == 0);
	session->n_under_way = 1;
	sql_session_hold(session->sql, true);
	transport_expect_more(&session->transport, true);
	pthread_mutex_lock(&list->lock);
	session->state = SESSION_RUNNING;
	session->since_us = now_us;
	session->query_len = shown;
	memcpy(session->query, text, shown);
	pthread_mutex_unlock(&list->lock);
	session_list_watch(list);
}

static void slow_note(struct session *session, int64_t took_us)
{
	struct session_list *list = session->service->sessions;
	size_t len = session->query_len < 200 ? session->query_len : 200;
	uint32_t left_out;

	while (len > 0 && isspace((unsigned char)session->query[len - 1]))
		len--;
	if (!log_limiter_pass(&list->slow, (int64_t)uv_hrtime() / 1000, &left_out))
		return;
	log_left_out(left_out, "slow statements");
	log_info("session %" PRId64 ": a statement took %.3f seconds: %.*s", session->id,
		(double)took_us / 1e6, (int)len, session->query);
}

bool session_ran(struct session *session)
{
	struct session_list *list = session->service->sessions;
	bool in_transaction = sql_session_in_transaction(session->sql);
	int64_t now_us = session_wall_us();
	int64_t started_us = session->since_us;

	assert(session->n_under_way == 1);
	session->n_under_way = 0;
	sql_session_hold(session->sql, false);
	transport_expect_more(&session->transport, false);
	session->idle_since_ms = uv_now(session->service->loop);
	if (now_us - started_us >= SLOW_US)
		slow_note(session, now_us - started_us);
	pthread_mutex_lock(&list->lock);
	session->state = in_transaction ? SESSION_IN_TRANSACTION : SESSION_IDLE;
	session->since_us = now_us;
	pthread_mutex_unlock(&list->lock);
	return !session_free_if_done(session);
}

/* No session is freed from within its own turn. */
static bool ran_at_once(struct session *session)
{
	bool is_there = session_ran(session);

	assert(is_there);
	return true;
}

bool session_execute(struct session *session, struct execution *execution)
{
	runs(session, execution->text, execution->len);
	return execution_start(execution, session->service->executor) && ran_at_once(session);
}

bool session_work(struct session *session, struct work *work, const char *text, size_t len)
{
	runs(session, text, len);
	return executor_try(session->service->executor, work) && ran_at_once(session);
}

uint64_t session_turn_begin(void)
{
	return uv_hrtime();
}

void session_turn_look(struct session *session, uint64_t turn)
{
	if (uv_hrtime() - turn >= TURN_NS)
		session_want_turn(session);
}

bool session_is_draining(const struct session *session)
{
	return session->service->sessions->is_stopping;
}

void session_set_protocol(struct session *session, const char *protocol)
{
	struct session_list *list = session->service->sessions;

	pthread_mutex_lock(&list->lock);
	session->protocol = protocol;
	pthread_mutex_unlock(&list->lock);
}

void session_set_deadline(struct session *session, uint64_t after_ms)
{
	session->deadline_ms = after_ms > 0 ? uv_now(session->service->loop) + after_ms : 0;
	if (after_ms > 0)
		session_list_watch(session->service->sessions);
}

static void on_bytes(struct transport *transport, const char *bytes, size_t len)
{
	struct session *session = (struct session *)transport;

	session->has_spoken = true;
	session->idle_since_ms = uv_now(session->service->loop);
	session->ops->on_bytes(session, bytes, len);
}

/* A peer that sends no more may still read, or be gone soon after: the watch sees which. */
static void on_end(struct transport *transport)
{
	struct session *session = (struct session *)transport;

	session->ops->on_end(session);
	if (session_is_open(session))
		session_list_watch(session->service->sessions);
}

static void on_drained(struct transport *transport)
{
	struct session *session = (struct session *)transport;

	session->stuck_since_ms = 0;
	session->ops->on_drained(session);
}

static const struct transport_ops transport_ops = {
	.on_bytes = on_bytes,
	.on_end = on_end,
	.on_drained = on_drained,
	.on_closed = on_closed,
};

static void peer_find(struct session *session)
{
	struct ucred peer = {.uid = UID_NONE};
	socklen_t len = sizeof(peer);
	int fd;

	if (session->transport.uv.handle.type == UV_NAMED_PIPE &&
		uv_fileno(&session->transport.uv.handle, &fd) == 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	session->pid = peer.pid;
	session->uid = peer.uid;
}

static int max_guests(const struct service *service)
{
	return service->max_sessions - service->max_sessions / 4;
}

void session_refuse(struct session *session)
{
	const struct service *service = session->service;
	struct session_list *list = service->sessions;
	char guests[32] = "";
	char sentence[96];
	uint32_t left_out;

	if (session->ops->is_guest)
		snprintf(guests, sizeof(guests), ", %d by %s", max_guests(service),
			session->ops->protocol);
	snprintf(sentence, sizeof(sentence), "too many sessions: there may be %d%s (max_sessions)",
		service->max_sessions, guests);
	if (log_limiter_pass(&list->refusals, (int64_t)uv_hrtime() / 1000, &left_out)) {
		log_left_out(left_out, "refused connections");
		log_warning(
			"a connection of pid %" PRId64 " was refused: %s", session->pid, sentence);
	}
	session_set_deadline(session, 0);
	session->ops->refuse(session, sentence);
	session_finish(session);
}

/* What a session is that takes part. */
static int open_counted(struct session *session, struct err *err)
{
	struct service *service = session->service;
	struct sql_session_options options = {.uid = (unsigned)session->uid,
		.extension = session->ops->extension,
		.user = session};

	session->place = SESSION_COUNTED;
	service->sessions->n_counted++;
	service->sessions->n_guests += session->ops->is_guest;
	if (sql_session_new(&session->sql, service->env, &options, err) != 0)
		return err->code;
	return session->ops->open(session, err);
}

static int open_surplus(struct session *session, struct err *err)
{
	session->place = SESSION_SURPLUS;
	session->service->sessions->n_surplus++;
	return session->ops->open(session, err);
}

bool session_accept(struct service *service, uv_stream_t *listener, const struct session_ops *ops)
{
	struct session_list *list = service->sessions;
	bool is_over = list->n_counted >= (size_t)service->max_sessions ||
		       (ops->is_guest && list->n_guests >= (size_t)max_guests(service));
	bool is_heard = is_over && ops->surplus != NULL && list->n_surplus < MAX_SURPLUS;
	struct session *session;
	struct err err = ERR_INIT;

	if (is_heard)
		ops = ops->surplus;
	session = calloc(1, ops->size);
	if (session == NULL)
		return false;
	session->ops = ops;
	session->protocol = ops->protocol;
	session->service = service;
	session->id = list->next_id++;
	session->since_us = session_wall_us();
	session->idle_since_ms = uv_now(service->loop);
	int rc = transport_accept(&session->transport, listener, &transport_ops, &err);
	session_list_add(list, session);
	if (rc != 0)
		return true;
	peer_find(session);
	if (is_over && !is_heard) {
		session_refuse(session);
		return true;
	}
	if ((is_heard ? open_surplus : open_counted)(session, &err) != 0) {
		log_warning("session %" PRId64 ": %s", session->id, err.text);
		session_close(session);
		return true;
	}
	transport_read_start(&session->transport);
	return true;
}
