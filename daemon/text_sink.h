/* Rows as text: the sink of the plain-text protocol, also for `--available-now --sql`. */
#ifndef DAEMON_TEXT_SINK_H
#define DAEMON_TEXT_SINK_H

#include "daemon/execution.h"
#include "sql/print.h"

struct text_sink {
	const struct print_options *options; /* borrowed; stay as they are during a result */
	struct printer *printer;             /* during a result */
};

extern const struct execution_sink text_sink_ops; /* its context is a struct text_sink */

/* After a result that failed or was dropped. */
void text_sink_reset(struct text_sink *sink);

#endif
