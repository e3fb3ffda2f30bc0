/*
 * What tally does instead of being a shell, each returning the exit status.
 */
#ifndef CLIENT_ACTIONS_H
#define CLIENT_ACTIONS_H

#include "client/options.h"
#include "client/shell.h"

#include <stdint.h>

int action_watch(struct shell *shell, const struct options *options);
int action_follow(struct shell *shell, const struct options *options);

/* 0 and a line on standard output, or 1 and the reason. */
int action_ping(struct shell *shell, const struct options *options);

/* Nagios' conventions: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. */
int action_check(struct shell *shell, const struct options *options);

/* 0, or 1 and the reason; the file then is as it was. */
int action_prometheus(struct shell *shell, const struct options *options);

/* 0 equal, 1 different, 2 cannot be compared and why. */
int action_verify(struct shell *shell);

/* `.watch` and `.follow`: until Ctrl-C. False: told on standard error. */
bool watch_run(struct shell *shell, const char *sql, int64_t interval_us);
bool follow_run(struct shell *shell, const char *sql);

#endif
