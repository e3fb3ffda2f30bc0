/* The common life of sessions, and the list they stand in. */
#include "daemon/session.h"

#include "base/mem.h"
#include "base/timestamp.h"
#include "daemon/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* How often what nobody announces is looked at while a session needs it: a peer gone or stuck, an
 * idle transaction. */
#define WATCH_MS 250
/* A peer that was told the end has this long to say its own. */
#define LINGER_MS 1000
/* A statement that takes longer is worth a line in the log. */
#define SLOW_US INT64_C(1000000)
/* Peers of TCP have no uid: nobody's. */
#define UID_NONE 65534

struct session_list {
	struct service *service;
	struct session *first;
	struct session *first_turn, *last_turn;
	uv_timer_t watch; /* runs only while a session needs it */
	uv_idle_t turns;  /* runs only while a session wants a turn */
	size_t n, n_counted;
	int64_t next_id;
	int n_handles; /* not closed yet, of a list that is being freed */
	bool is_stopping;
	void (*emptied)(void *context);
	void *emptied_context;
	struct log_limiter refusals;
	pthread_mutex_t lock; /* guards the list's links and what `sessions` shows */
};

static int64_t wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

/* --- the list ------------------------------------------------------------ */

static void on_watch(uv_timer_t *timer);
static void on_turns(uv_idle_t *idle);
static void watch_start(struct session_list *list);

struct session_list *session_list_new(struct service *service)
{
	struct session_list *list = calloc(1, sizeof(*list));

	if (list == NULL)
		return NULL;
	list->service = service;
	list->next_id = 1;
	uv_timer_init(service->loop, &list->watch);
	uv_idle_init(service->loop, &list->turns);
	list->watch.data = list;
	list->turns.data = list;
	pthread_mutex_init(&list->lock, NULL);
	return list;
}

static void on_list_closed(uv_handle_t *handle)
{
	struct session_list *list = handle->data;

	if (--list->n_handles > 0)
		return;
	pthread_mutex_destroy(&list->lock);
	free(list);
}

void session_list_free(struct session_list *list)
{
	if (list == NULL)
		return;
	assert(list->n == 0);
	list->n_handles = 2;
	uv_close((uv_handle_t *)&list->watch, on_list_closed);
	uv_close((uv_handle_t *)&list->turns, on_list_closed);
}

size_t session_list_count(const struct session_list *list)
{
	return list->n;
}

static void list_add(struct session_list *list, struct session *session)
{
	pthread_mutex_lock(&list->lock);
	session->next = list->first;
	if (list->first != NULL)
		list->first->previous = session;
	list->first = session;
	list->n++;
	pthread_mutex_unlock(&list->lock);
}

static void turn_remove(struct session_list *list, struct session *session)
{
	struct session **link = &list->first_turn;
	struct session *before = NULL;

	if (!session->wants_turn)
		return;
	while (*link != session) {
		before = *link;
		link = &(*link)->next_turn;
	}
	*link = session->next_turn;
	if (list->last_turn == session)
		list->last_turn = before;
	session->wants_turn = false;
}

static void list_remove(struct session_list *list, struct session *session)
{
	turn_remove(list, session);
	pthread_mutex_lock(&list->lock);
	if (session->previous != NULL)
		session->previous->next = session->next;
	else
		list->first = session->next;
	if (session->next != NULL)
		session->next->previous = session->previous;
	list->n--;
	if (session->is_counted)
		list->n_counted--;
	pthread_mutex_unlock(&list->lock);
}

struct session *session_list_find(struct session_list *list, int64_t id)
{
	for (struct session *s = list->first; s != NULL; s = s->next)
		if (s->id == id)
			return s;
	return NULL;
}

static const char *state_name(enum session_state state)
{
	static const char *const names[] = {
		[SESSION_IDLE] = "idle",
		[SESSION_RUNNING] = "running",
		[SESSION_IN_TRANSACTION] = "idle in transaction",
	};

	return names[state];
}

static bool view_fill(struct session_view *view, const struct session *session)
{
	*view = (struct session_view){.id = session->id,
		.pid = session->pid,
		.uid = session->uid,
		.since_us = session->since_us};
	snprintf(view->protocol, sizeof(view->protocol), "%s", session->protocol);
	snprintf(view->state, sizeof(view->state), "%s", state_name(session->state));
	if (session->query_len == 0)
		return true;
	view->query = mem_copy_text(session->query, session->query_len);
	return view->query != NULL;
}

int session_list_view(
	struct session_list *list, struct session_view **rows, size_t *n, struct err *err)
{
	bool is_whole = true;

	*n = 0;
	pthread_mutex_lock(&list->lock);
	*rows = mem_new_array(list->n + 1, sizeof(**rows));
	for (struct session *s = list->first; *rows != NULL && is_whole && s != NULL; s = s->next)
		if (s->is_counted)
			is_whole = view_fill(&(*rows)[(*n)++], s);
	pthread_mutex_unlock(&list->lock);
	if (*rows != NULL && is_whole)
		return 0;
	for (size_t i = 0; *rows != NULL && i < *n; i++)
		free((*rows)[i].query);
	free(*rows);
	return err_nomem(err);
}

void session_list_on_empty(struct session_list *list, void (*emptied)(void *context), void *context)
{
	list->emptied = emptied;
	list->emptied_context = context;
}

/* --- dying --------------------------------------------------------------- */

static bool session_free_if_done(struct session *session)
{
	struct session_list *list = session->service->sessions;

	if (session->transport.state != TRANSPORT_CLOSED || session->n_under_way > 0)
		return false;
	list_remove(list, session);
	if (session->is_counted)
		session->ops->fini(session);
	sql_session_free(session->sql);
	free(session);
	if (list->n == 0 && list->is_stopping && list->emptied != NULL)
		list->emptied(list->emptied_context);
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

/* When the daemon stops nobody is waited for. */
void session_finish(struct session *session)
{
	transport_finish(&session->transport, !session->service->is_stopping);
	session->finished_ms = uv_now(session->service->loop);
	if (session->transport.state < TRANSPORT_CLOSING)
		watch_start(session->service->sessions);
}

void session_list_stop(struct session_list *list, bool at_once)
{
	list->is_stopping = true;
	for (struct session *s = list->first, *next; s != NULL; s = next) {
		next = s->next;
		if (s->n_under_way > 0)
			s->ops->on_cancel(s);
		else if (!at_once)
			session_finish(s);
		if (at_once || s->transport.state == TRANSPORT_LINGERING)
			session_close(s);
	}
	if (list->n == 0 && list->emptied != NULL)
		list->emptied(list->emptied_context);
}

/* --- what nobody announces ----------------------------------------------- */

static bool needs_watch(const struct session *session)
{
	return session->n_under_way > 0 || session_is_clogged(session) ||
	       session->state == SESSION_IN_TRANSACTION ||
	       session->transport.state == TRANSPORT_LINGERING;
}

static void watch_start(struct session_list *list)
{
	if (!uv_is_active((uv_handle_t *)&list->watch) &&
		!uv_is_closing((uv_handle_t *)&list->watch))
		uv_timer_start(&list->watch, on_watch, WATCH_MS, 0);
}

/* A peer that takes nothing holds a page and a snapshot: after the time of an idle transaction it
 * goes. */
static bool is_stuck_too_long(struct session *session, uint64_t now_ms, uint64_t timeout_ms)
{
	if (transport_has_moved(&session->transport)) {
		session->stuck_since_ms = 0;
		return false;
	}
	if (session->stuck_since_ms == 0)
		session->stuck_since_ms = now_ms;
	return timeout_ms > 0 && now_ms - session->stuck_since_ms >= timeout_ms;
}

/* Where unasked-for bytes would be taken for an answer the peer learns of it from its next
 * statement. */
static void transaction_end(struct session *session)
{
	struct session_list *list = session->service->sessions;

	sql_session_reset(session->sql, false);
	pthread_mutex_lock(&list->lock);
	session->state = SESSION_IDLE;
	session->since_us = wall_us();
	pthread_mutex_unlock(&list->lock);
	if (session->ops->on_transaction_timeout != NULL)
		session->ops->on_transaction_timeout(session, SESSION_LOST_TRANSACTION);
	else
		session->lost_transaction = true;
}

static void session_watch(struct session *session, uint64_t now_ms)
{
	uint64_t timeout_ms =
		(uint64_t)session->service->config->idle_transaction_timeout_us / 1000;

	bool has_lingered = session->transport.state == TRANSPORT_LINGERING &&
			    now_ms - session->finished_ms >= LINGER_MS;

	if (transport_peer_is_gone(&session->transport) || has_lingered) {
		session_close(session);
		return;
	}
	if (is_stuck_too_long(session, now_ms, timeout_ms)) {
		log_info("session %" PRId64 ": closed, its peer (pid %" PRId64
			 ") took nothing for %" PRIu64 " seconds",
			session->id, session->pid, timeout_ms / 1000);
		session_close(session);
		return;
	}
	if (session->state == SESSION_IN_TRANSACTION && session->n_under_way == 0 &&
		timeout_ms > 0 && now_ms - session->idle_since_ms >= timeout_ms)
		transaction_end(session);
}

static void on_watch(uv_timer_t *timer)
{
	struct session_list *list = timer->data;
	uint64_t now_ms = uv_now(timer->loop);
	bool again = false;

	for (struct session *s = list->first, *next; s != NULL; s = next) {
		next = s->next;
		if (s->transport.state >= TRANSPORT_CLOSING || !needs_watch(s))
			continue;
		session_watch(s, now_ms);
		again = true;
	}
	if (again)
		watch_start(list);
}

/* --- turns --------------------------------------------------------------- */

void session_want_turn(struct session *session)
{
	struct session_list *list = session->service->sessions;

	if (session->wants_turn || session->transport.state >= TRANSPORT_CLOSING)
		return;
	session->wants_turn = true;
	session->next_turn = NULL;
	if (list->last_turn != NULL)
		list->last_turn->next_turn = session;
	else
		list->first_turn = session;
	list->last_turn = session;
	uv_idle_start(&list->turns, on_turns);
}

/* One turn each; who wants another one stands behind the others, after the loop has looked at its
 * sockets. */
static void on_turns(uv_idle_t *idle)
{
	struct session_list *list = idle->data;
	struct session *last = list->last_turn;

	for (bool more = list->first_turn != NULL; more;) {
		struct session *session = list->first_turn;
		more = session != last && session->next_turn != NULL;
		turn_remove(list, session);
		session->ops->on_turn(session);
	}
	if (list->first_turn == NULL)
		uv_idle_stop(idle);
}

/* --- work ---------------------------------------------------------------- */

void session_write(struct session *session, struct buf *bytes)
{
	transport_write(&session->transport, bytes);
	if (session_is_clogged(session))
		watch_start(session->service->sessions);
}

void session_runs(struct session *session, const char *text, size_t len)
{
	struct session_list *list = session->service->sessions;
	size_t shown = len < SESSION_QUERY_BYTES ? len : SESSION_QUERY_BYTES;
	int64_t now_us = wall_us();

	session->n_under_way++;
	pthread_mutex_lock(&list->lock);
	session->state = SESSION_RUNNING;
	session->since_us = now_us;
	session->query_len = shown;
	memcpy(session->query, text, shown);
	pthread_mutex_unlock(&list->lock);
	watch_start(list);
}

bool session_ran(struct session *session)
{
	struct session_list *list = session->service->sessions;
	bool in_transaction = sql_session_in_transaction(session->sql);
	int64_t now_us = wall_us();
	int64_t started_us = session->since_us;

	assert(session->n_under_way > 0);
	session->n_under_way--;
	session->idle_since_ms = uv_now(session->service->loop);
	if (now_us - started_us >= SLOW_US)
		log_info("session %" PRId64 ": a statement took %.3f seconds: %.*s", session->id,
			(double)(now_us - started_us) / 1e6,
			(int)(session->query_len < 200 ? session->query_len : 200), session->query);
	pthread_mutex_lock(&list->lock);
	session->state = in_transaction ? SESSION_IN_TRANSACTION : SESSION_IDLE;
	session->since_us = now_us;
	pthread_mutex_unlock(&list->lock);
	return !session_free_if_done(session);
}

void session_set_protocol(struct session *session, const char *protocol)
{
	struct session_list *list = session->service->sessions;

	pthread_mutex_lock(&list->lock);
	session->protocol = protocol;
	pthread_mutex_unlock(&list->lock);
}

/* --- being born ---------------------------------------------------------- */

static void on_bytes(struct transport *transport, const char *bytes, size_t len)
{
	struct session *session = (struct session *)transport;

	session->ops->on_bytes(session, bytes, len);
}

static void on_end(struct transport *transport)
{
	struct session *session = (struct session *)transport;

	session->ops->on_end(session);
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

static void refuse(struct session *session)
{
	struct session_list *list = session->service->sessions;
	int limit = session->service->max_sessions;
	char sentence[96];
	uint32_t left_out;

	snprintf(sentence, sizeof(sentence), "too many sessions: there may be %d (max_sessions)",
		limit);
	if (log_limiter_pass(&list->refusals, (int64_t)uv_hrtime() / 1000, &left_out))
		log_warning(
			"a connection of pid %" PRId64 " was refused: %s", session->pid, sentence);
	session->ops->refuse(session, sentence);
	session_finish(session);
}

void session_accept(struct service *service, uv_stream_t *listener, const struct session_ops *ops)
{
	struct session_list *list = service->sessions;
	struct session *session = calloc(1, ops->size);
	struct err err = ERR_INIT;

	if (session == NULL)
		return; /* the connection waits in the kernel until there is memory */
	session->ops = ops;
	session->protocol = ops->protocol;
	session->service = service;
	session->id = list->next_id++;
	session->since_us = wall_us();
	int rc = transport_accept(&session->transport, listener, &transport_ops, &err);
	list_add(list, session);
	if (rc != 0)
		return;
	peer_find(session);
	if (list->n_counted >= (size_t)service->max_sessions) {
		refuse(session);
		return;
	}
	session->is_counted = true;
	list->n_counted++;
	struct sql_session_options options = {
		.uid = (unsigned)session->uid, .extension = ops->extension, .user = session};
	if (sql_session_new(&session->sql, service->env, &options, &err) != 0 ||
		ops->open(session, &err) != 0) {
		log_warning("session %" PRId64 ": %s", session->id, err.text);
		session_close(session);
		return;
	}
	transport_read_start(&session->transport);
}

void session_list_published(struct session_list *list)
{
	for (struct session *s = list->first, *next; s != NULL; s = next) {
		next = s->next;
		if (s->ops->on_snapshot != NULL && s->is_counted && session_is_open(s))
			s->ops->on_snapshot(s);
	}
}
