/*
 * One subscription of a session of frames: what its peer knows, and the lines
 * that tell it more. Knows no session and no execution.
 */
#ifndef DAEMON_FRAMES_SUBSCRIBER_H
#define DAEMON_FRAMES_SUBSCRIBER_H

#include "base/buf.h"
#include "daemon/frames_request.h"
#include "daemon/subscription.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct subscriber {
	struct subscriber *next; /* the owner's */
	struct request *request; /* owned */
	struct subscription_sink sink;
	uint64_t snapshot; /* where it was last looked at */
	size_t n_told;     /* of the first rows */
};

/* Takes the request; NULL: no memory, and it is the caller's still. */
struct subscriber *subscriber_new(struct request *request);
void subscriber_free(struct subscriber *subscriber);

/*
 * The lines of the answer that arrived: what changed since the last, if anything; of the first its
 * columns, rows, and a line without changes that says of which snapshot they are. That one comes
 * page by page: false, there is more to tell, which is the next call's.
 */
bool subscriber_tell(struct subscriber *subscriber, struct buf *out);

#endif
