/*
 * The running service: loop, engine, sessions, sockets, signals, from the
 * first descriptor to the last. main calls it once.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "base/err.h"
#include "daemon/config.h"
#include "daemon/options.h"

/*
 * Before the configuration is read: a SIGHUP from now on waits until daemon_run hears it, so that
 * what was written too late for this start is read again.
 */
void daemon_keep_hangup(void);

/*
 * Serves until a signal ends it. Takes the reference to `config`. The error
 * decides the exit status; it was not logged.
 */
int daemon_run(struct config *config, const struct options *options, struct err *err)
	__attribute__((warn_unused_result));

#endif
