/*
 * What all sessions share: limits, the zone, and the pool of connections.
 */
#include "sql/connection.h"

#include <assert.h>
#include <stdlib.h>

int sql_init(struct err *err)
{
	return allocator_install(err);
}

int sql_env_new(struct sql_env **env, const struct sql_env_options *options, struct err *err)
{
	struct sql_env *new = calloc(1, sizeof(*new));
	int status;

	if (new == NULL)
		return err_nomem(err);
	new->options = *options;
	(void)pthread_mutex_init(&new->mutex, NULL);
	status = guard_unlisted_init(&new->unlisted, err);
	if (status == 0)
		status = sql_env_set_limits(new, options->query_timeout_us,
			options->query_memory_bytes, options->max_result_bytes, options->timezone,
			err);
	if (status != 0) {
		sql_env_free(new);
		return status;
	}
	*env = new;
	return 0;
}

void sql_env_free(struct sql_env *env)
{
	struct connection *next;

	if (env == NULL)
		return;
	assert(atomic_load(&env->n_sessions) == 0);
	for (struct connection *idle = env->idle; idle != NULL; idle = next) {
		next = idle->next;
		connection_close(idle);
	}
	guard_unlisted_fini(&env->unlisted);
	zone_unref(env->zone);
	(void)pthread_mutex_destroy(&env->mutex);
	free(env);
}

int sql_env_set_limits(struct sql_env *env, int64_t query_timeout_us, int64_t query_memory_bytes,
	int64_t max_result_bytes, const char *zone_name, struct err *err)
{
	struct zone *zone;
	struct zone *old;
	int status = zone_new(&zone, zone_name != NULL ? zone_name : "UTC", err);

	if (status != 0)
		return status;
	(void)pthread_mutex_lock(&env->mutex);
	old = env->zone;
	env->zone = zone;
	env->limits = (struct limits){
		.query_timeout_us = query_timeout_us,
		.query_memory_bytes = query_memory_bytes,
		.max_result_bytes = max_result_bytes,
	};
	(void)pthread_mutex_unlock(&env->mutex);
	zone_unref(old);
	return 0;
}
