/*
 * One request line of the JSON frames: `{"id":1,"sql":"…","params":[…]}` or
 * `{"cancel":1}`. Strict JSON; integers keep all their digits.
 */
#ifndef DAEMON_FRAMES_REQUEST_H
#define DAEMON_FRAMES_REQUEST_H

#include "base/err.h"
#include "sql/value.h"

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_ID_BYTES   64
#define REQUEST_MAX_PARAMS 1000

enum request_kind {
	REQUEST_STATEMENT,
	REQUEST_SUBSCRIBE,
	REQUEST_CANCEL,
	REQUEST_BROKEN, /* no request; `sentence` says why, in its turn */
};

struct request {
	struct request *next; /* in whatever list it stands; the owner's */
	enum request_kind kind;
	char id[REQUEST_ID_BYTES]; /* source text: a number or a string; `null` where none was readable */
	const char *sql;           /* without SUBSCRIBE; points into `texts` */
	size_t sql_len;
	size_t sql_skipped;        /* bytes of SUBSCRIBE in front of it, for offsets */
	struct value *params;
	size_t n_params;
	char *sentence; /* REQUEST_BROKEN; NULL: no memory for it */
	size_t size;    /* bytes of memory, for the queue's limit */
	char *texts;
};

/*
 * NULL: no memory. A line that is no request becomes a REQUEST_BROKEN, with the
 * id if that could be read.
 */
struct request *request_parse(const char *line, size_t len);
void request_free(struct request *request);

#endif
