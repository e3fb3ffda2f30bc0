/* One lock and one condition for all: calls are rare. */
#include "daemon/call.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ASK_AGAIN_NS 100000000L

static void call_free(struct call *call)
{
	free(call->query);
	free(call);
}

static void on_wake(uv_async_t *wake)
{
	struct call_desk *desk = wake->data;

	for (;;) {
		pthread_mutex_lock(&desk->lock);
		struct call *call = desk->first;
		if (call != NULL) {
			desk->first = call->next;
			if (desk->first == NULL)
				desk->last = NULL;
			call->next = NULL;
		}
		pthread_mutex_unlock(&desk->lock);
		if (call == NULL)
			return;
		desk->on_call(desk->context, call);
	}
}

void call_desk_open(struct call_desk *desk, uv_loop_t *loop,
	void (*on_call)(void *context, struct call *call), void *context)
{
	pthread_condattr_t attr;

	memset(desk, 0, sizeof(*desk));
	desk->on_call = on_call;
	desk->context = context;
	pthread_mutex_init(&desk->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&desk->answered, &attr);
	pthread_condattr_destroy(&attr);
	int rc = uv_async_init(loop, &desk->wake, on_wake);
	assert(rc == 0);
	desk->wake.data = desk;
	uv_unref((uv_handle_t *)&desk->wake);
}

void call_desk_close(struct call_desk *desk)
{
	pthread_mutex_lock(&desk->lock);
	desk->is_closed = true;
	pthread_mutex_unlock(&desk->lock);
	on_wake(&desk->wake);
	uv_close((uv_handle_t *)&desk->wake, NULL);
}

void call_desk_fini(struct call_desk *desk)
{
	assert(desk->first == NULL);
	pthread_cond_destroy(&desk->answered);
	pthread_mutex_destroy(&desk->lock);
}

static struct call *call_new(enum call_kind kind, const char *query)
{
	struct call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->kind = kind;
	if (query != NULL) {
		call->query = mem_copy_text(query, strlen(query));
		if (call->query == NULL) {
			free(call);
			return NULL;
		}
	}
	return call;
}

static bool desk_put(struct call_desk *desk, struct call *call)
{
	if (desk->is_closed)
		return false;
	if (desk->last != NULL)
		desk->last->next = call;
	else
		desk->first = call;
	desk->last = call;
	(void)uv_async_send(&desk->wake);
	return true;
}

/* With the lock held. False: the caller does not want to wait any longer. */
static bool answer_wait(
	struct call_desk *desk, const struct call *call, bool (*cancelled)(void *), void *arg)
{
	struct timespec until;

	while (!call->is_answered) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += ASK_AGAIN_NS;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000L;
		}
		(void)pthread_cond_timedwait(&desk->answered, &desk->lock, &until);
		if (!call->is_answered && cancelled != NULL && cancelled(arg))
			return false;
	}
	return true;
}

int call_make(struct call_desk *desk, enum call_kind kind, const char *query,
	bool (*cancelled)(void *), void *arg, char state[16], int64_t *batch_id, struct err *err)
{
	struct call *call = call_new(kind, query);

	if (call == NULL)
		return err_nomem(err);
	pthread_mutex_lock(&desk->lock);
	if (!desk_put(desk, call)) {
		pthread_mutex_unlock(&desk->lock);
		call_free(call);
		return err_set(err, ERR_INTERRUPTED, "tallyd is shutting down");
	}
	if (!answer_wait(desk, call, cancelled, arg)) {
		call->is_abandoned = true;
		pthread_mutex_unlock(&desk->lock);
		return err_set(err, ERR_INTERRUPTED, "interrupted");
	}
	pthread_mutex_unlock(&desk->lock);
	if (state != NULL)
		snprintf(state, sizeof(call->state), "%s", call->state);
	if (batch_id != NULL)
		*batch_id = call->batch_id;
	if (call->err.code != 0)
		*err = call->err;
	int rc = call->err.code;
	call_free(call);
	return rc;
}

void call_answer(struct call_desk *desk, struct call *call, const struct err *err,
	const char *state, int64_t batch_id)
{
	pthread_mutex_lock(&desk->lock);
	bool is_abandoned = call->is_abandoned;
	call->err = *err;
	snprintf(call->state, sizeof(call->state), "%s", state != NULL ? state : "");
	call->batch_id = batch_id;
	call->is_answered = true;
	pthread_cond_broadcast(&desk->answered);
	pthread_mutex_unlock(&desk->lock);
	if (is_abandoned)
		call_free(call);
}

bool call_is_abandoned(struct call_desk *desk, const struct call *call)
{
	pthread_mutex_lock(&desk->lock);
	bool is_abandoned = call->is_abandoned;
	pthread_mutex_unlock(&desk->lock);
	return is_abandoned;
}
