/* The stream's life on libuv; see the picture in the header. */
#include "daemon/transport.h"

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static void on_closed(uv_handle_t *handle)
{
	struct transport *transport = handle->data;

	transport->state = TRANSPORT_CLOSED;
	buf_fini(&transport->writing);
	buf_fini(&transport->waiting);
	transport->ops->on_closed(transport);
}

void transport_close(struct transport *transport)
{
	if (transport->state >= TRANSPORT_CLOSING)
		return;
	transport->state = TRANSPORT_CLOSING;
	transport->is_reading = false;
	uv_close(&transport->uv.handle, on_closed);
}

int transport_accept(struct transport *transport, uv_stream_t *listener,
	const struct transport_ops *ops, struct err *err)
{
	int rc;

	memset(transport, 0, sizeof(*transport));
	transport->ops = ops;
	if (listener->type == UV_TCP)
		rc = uv_tcp_init(listener->loop, &transport->uv.tcp);
	else
		rc = uv_pipe_init(listener->loop, &transport->uv.pipe, 0);
	assert(rc == 0);
	transport->uv.handle.data = transport;
	rc = uv_accept(listener, &transport->uv.stream);
	if (rc == 0)
		return 0;
	(void)err_set(err, ERR_IO, "cannot accept a connection: %s", uv_strerror(rc));
	transport_close(transport);
	return err->code;
}

static void on_buffer_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)suggested;
	*buf = uv_buf_init(handle->loop->data, TRANSPORT_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct transport *transport = stream->data;

	if (n > 0) {
		if (transport->state != TRANSPORT_LINGERING)
			transport->ops->on_bytes(transport, buf->base, (size_t)n);
		return;
	}
	if (n == 0)
		return;
	transport_read_stop(transport);
	if (n != UV_EOF || transport->state == TRANSPORT_LINGERING) {
		transport_close(transport);
		return;
	}
	transport->has_ended = true;
	if (transport->state == TRANSPORT_OPEN) {
		transport->state = TRANSPORT_PEER_DONE;
		transport->ops->on_end(transport);
	}
}

static void read_start(struct transport *transport)
{
	if (transport->is_reading)
		return;
	transport->is_reading = true;
	if (uv_read_start(&transport->uv.stream, on_buffer_wanted, on_read) != 0)
		transport_close(transport);
}

void transport_read_start(struct transport *transport)
{
	if (transport->state == TRANSPORT_OPEN)
		read_start(transport);
}

void transport_read_stop(struct transport *transport)
{
	if (!transport->is_reading)
		return;
	transport->is_reading = false;
	(void)uv_read_stop(&transport->uv.stream);
}

/* Everything went out: the peer sees the end, and we wait for its. */
static void linger_or_close(struct transport *transport)
{
	int fd;

	if (!transport->lingers || transport->has_ended ||
		uv_fileno(&transport->uv.handle, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
		transport_close(transport);
		return;
	}
	transport->state = TRANSPORT_LINGERING;
	read_start(transport);
}

static void write_start(struct transport *transport);

static void on_written(uv_write_t *request, int status)
{
	struct transport *transport = request->handle->data;

	transport->is_writing = false;
	if (transport->expects_more)
		buf_clear(&transport->writing);
	else
		buf_shrink(&transport->writing);
	if (transport->state >= TRANSPORT_CLOSING)
		return;
	if (status != 0) {
		transport_close(transport);
		return;
	}
	if (transport->waiting.len > 0) {
		struct buf swap = transport->writing;
		transport->writing = transport->waiting;
		transport->waiting = swap;
		write_start(transport);
		return;
	}
	if (transport->state == TRANSPORT_FINISHING)
		linger_or_close(transport);
	else
		transport->ops->on_drained(transport);
}

static void write_start(struct transport *transport)
{
	uv_buf_t bytes = uv_buf_init(transport->writing.data, (unsigned)transport->writing.len);

	transport->is_writing = true;
	transport->last_queue_bytes = transport->writing.len;
	if (uv_write(&transport->write, &transport->uv.stream, &bytes, 1, on_written) != 0) {
		transport->is_writing = false;
		transport_close(transport);
	}
}

void transport_write(struct transport *transport, struct buf *bytes)
{
	if (!buf_ok(bytes))
		transport_close(transport);
	if (transport->state >= TRANSPORT_FINISHING || bytes->len == 0) {
		buf_clear(bytes);
		return;
	}
	if (transport->is_writing) {
		buf_add(&transport->waiting, bytes->data, bytes->len);
		if (!buf_ok(&transport->waiting))
			transport_close(transport);
		buf_clear(bytes);
		return;
	}
	uv_buf_t all = uv_buf_init(bytes->data, (unsigned)bytes->len);
	int n = uv_try_write(&transport->uv.stream, &all, 1);
	if (n < 0 && n != UV_EAGAIN) {
		buf_clear(bytes);
		transport_close(transport);
		return;
	}
	if (n > 0 && (size_t)n == bytes->len) {
		buf_clear(bytes);
		return;
	}
	if (n > 0)
		buf_drop(bytes, (size_t)n);
	struct buf swap = transport->writing;
	transport->writing = *bytes;
	*bytes = swap;
	write_start(transport);
}

void transport_expect_more(struct transport *transport, bool expects_more)
{
	transport->expects_more = expects_more;
	if (!expects_more && !transport->is_writing)
		buf_shrink(&transport->writing);
}

void transport_finish(struct transport *transport, bool lingers)
{
	if (transport->state >= TRANSPORT_FINISHING)
		return;
	transport_read_stop(transport);
	transport->state = TRANSPORT_FINISHING;
	transport->lingers = lingers;
	if (!transport->is_writing)
		linger_or_close(transport);
}

bool transport_peer_is_gone(const struct transport *transport)
{
	struct pollfd peer = {0};

	if (transport->state >= TRANSPORT_CLOSING ||
		uv_fileno(&transport->uv.handle, &peer.fd) != 0)
		return false;
	return poll(&peer, 1, 0) == 1 && (peer.revents & (POLLHUP | POLLERR)) != 0;
}

bool transport_has_input(const struct transport *transport)
{
	char byte;
	int fd;

	return transport->state < TRANSPORT_CLOSING && uv_fileno(&transport->uv.handle, &fd) == 0 &&
	       recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

bool transport_has_moved(struct transport *transport)
{
	size_t now = uv_stream_get_write_queue_size(&transport->uv.stream);
	bool has_moved = !transport->is_writing || now != transport->last_queue_bytes;

	transport->last_queue_bytes = now;
	return has_moved;
}
