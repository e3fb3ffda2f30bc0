/*
 * One stream to one peer: bytes in, bytes out, half-close, and a written way
 * to die. Knows no protocol and no session.
 *
 * Reading and writing happen on the loop alone. What is written goes out at
 * once as far as the kernel takes it; the rest waits here, and the writer is
 * told when it is gone: whoever makes bytes asks transport_is_clogged() first
 * and makes no more until on_drained, so a peer that does not read costs what
 * was made, not what could be.
 *
 *   OPEN ──end of file──▶ PEER_DONE            (the peer may still read)
 *     │                      │
 *     └──transport_finish────┴──▶ FINISHING    (the rest goes out)
 *                                    └──▶ LINGERING  (until the peer closes too)
 *     any ──transport_close, error──▶ CLOSING ──▶ on_closed: the last call
 *
 * Closing while the peer's bytes are unread would take from it what it has not
 * read yet; so it lingers, reads and forgets. How long is the owner's to say.
 */
#ifndef DAEMON_TRANSPORT_H
#define DAEMON_TRANSPORT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum transport_state {
	TRANSPORT_OPEN,
	TRANSPORT_PEER_DONE,
	TRANSPORT_FINISHING,
	TRANSPORT_LINGERING,
	TRANSPORT_CLOSING,
	TRANSPORT_CLOSED,
};

struct transport;

struct transport_ops {
	/* `bytes` is valid during the call. */
	void (*on_bytes)(struct transport *transport, const char *bytes, size_t len);
	/* The peer sends no more; it may still read. */
	void (*on_end)(struct transport *transport);
	/* Everything written is with the kernel, after it was clogged. */
	void (*on_drained)(struct transport *transport);
	/* No call follows; the memory is the owner's again. */
	void (*on_closed)(struct transport *transport);
};

struct transport {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_pipe_t pipe;
		uv_tcp_t tcp;
	} uv;
	const struct transport_ops *ops;
	uv_write_t write; /* one at a time; its bytes are in `writing` */
	struct buf writing;
	struct buf waiting; /* written while a write was under way */
	size_t last_queue_bytes; /* at the last transport_has_moved */
	enum transport_state state;
	bool is_writing;
	bool is_reading;
	bool has_ended; /* the peer sends no more */
	bool lingers;   /* after the rest went out; else it closes */
	bool expects_more; /* `writing` keeps its memory for the next write */
};

/* Bytes read at once; one buffer serves all transports of a loop, which has it as its `data`. */
#define TRANSPORT_READ_BYTES 65536

/*
 * Takes the next connection of `listener`, a pipe or TCP listener. On failure
 * on_closed is still called.
 */
int transport_accept(struct transport *transport, uv_stream_t *listener,
	const struct transport_ops *ops, struct err *err) __attribute__((warn_unused_result));

void transport_read_start(struct transport *transport);
/* The peer then waits in its own send(); transport_peer_is_gone still tells. */
void transport_read_stop(struct transport *transport);

/*
 * Takes the bytes; `bytes` is left empty. In CLOSING they are dropped. A failed
 * buffer closes the transport.
 */
void transport_write(struct transport *transport, struct buf *bytes);

/*
 * Whether many writes follow one another: their memory is kept between them then, which otherwise
 * the kernel would have to give and take with each.
 */
void transport_expect_more(struct transport *transport, bool expects_more);

static inline bool transport_is_clogged(const struct transport *transport)
{
	return transport->is_writing;
}

/* What was written goes out; then it lingers if `lingers`, else it closes. */
void transport_finish(struct transport *transport, bool lingers);

/* At once; what was not sent is lost. */
void transport_close(struct transport *transport);

/* The peer has closed its whole end, which nobody notices who is not reading. */
bool transport_peer_is_gone(const struct transport *transport);

/* Bytes of the peer wait with the kernel. */
bool transport_has_input(const struct transport *transport);

/* False when nothing of what waits was taken since the last call. */
bool transport_has_moved(struct transport *transport);

#endif
