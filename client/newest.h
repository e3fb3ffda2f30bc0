/* The time of the newest event, which the daemon tells in its progress documents. */
#ifndef CLIENT_NEWEST_H
#define CLIENT_NEWEST_H

#include "client/shell.h"

#include <stdbool.h>
#include <stdint.h>

/* `eventTime.max` of a progress document; false: it has none. */
bool newest_in_progress(const char *json, int64_t *time_us);

/*
 * The newest event of `query` (NULL: of all) in the recent batches, or, where
 * they do not tell, the end of the newest window, which is later. *found is
 * false where there was no event yet.
 */
int newest_event(struct shell *shell, const char *query, int64_t *time_us, bool *found,
	struct err *err) __attribute__((warn_unused_result));

#endif
