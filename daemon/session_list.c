/* Who is there, whose turn it is, and what all of them are told. */
#include "daemon/session_private.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often a session that needs it is looked at; the second while the daemon stops. */
#define WATCH_MS      250
#define DRAIN_LOOK_MS 10

struct session_list *session_list_new(struct service *service, uv_timer_cb look)
{
	struct session_list *list = calloc(1, sizeof(*list));

	if (list == NULL)
		return NULL;
	list->service = service;
	list->next_id = 1;
	list->look = look;
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

void session_list_add(struct session_list *list, struct session *session)
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

void session_list_remove(struct session_list *list, struct session *session)
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
	list->n_counted -= session->place == SESSION_COUNTED;
	list->n_guests -= session->place == SESSION_COUNTED && session->ops->is_guest;
	list->n_surplus -= session->place == SESSION_SURPLUS;
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
		if (s->place == SESSION_COUNTED)
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

void session_list_tell_if_empty(struct session_list *list)
{
	if (list->n == 0 && list->is_stopping && list->emptied != NULL)
		list->emptied(list->emptied_context);
}

void session_list_watch(struct session_list *list)
{
	if (!uv_is_active((uv_handle_t *)&list->watch) &&
		!uv_is_closing((uv_handle_t *)&list->watch))
		uv_timer_start(
			&list->watch, list->look, list->is_stopping ? DRAIN_LOOK_MS : WATCH_MS, 0);
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

void session_list_published(struct session_list *list)
{
	for (struct session *s = list->first, *next; s != NULL; s = next) {
		next = s->next;
		if (s->ops->on_snapshot != NULL && s->place == SESSION_COUNTED &&
			session_is_open(s))
			s->ops->on_snapshot(s);
	}
}
