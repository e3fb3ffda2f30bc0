/*
 * What libuv itself can do: answers each line with the same bytes, on one loop,
 * in one write. The yardstick of bench/sql.py for an answer that costs nothing.
 *
 *     echo SOCKET ANSWER     the end line is added
 *
 * A line that begins with a dot is not answered, like a dot-command.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct peer {
	uv_pipe_t pipe;
	bool is_command, is_within; /* of the line that is read */
};

static char answer[65536];
static char bytes[65536];

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_buffer_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	(void)handle;
	(void)suggested;
	*buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct peer *peer = stream->data;

	if (n < 0) {
		uv_close((uv_handle_t *)stream, on_closed);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (!peer->is_within)
			peer->is_command = buf->base[i] == '.';
		peer->is_within = buf->base[i] != '\n';
		if (peer->is_within || peer->is_command)
			continue;
		uv_buf_t out = uv_buf_init(answer, (unsigned)strlen(answer));
		/* Such short answers go out whole, or the peer has gone. */
		if (uv_try_write(stream, &out, 1) != (int)out.len) {
			uv_close((uv_handle_t *)stream, on_closed);
			return;
		}
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (status != 0 || peer == NULL)
		exit(1);
	uv_pipe_init(listener->loop, &peer->pipe, 0);
	peer->pipe.data = peer;
	if (uv_accept(listener, (uv_stream_t *)&peer->pipe) != 0)
		exit(1);
	uv_read_start((uv_stream_t *)&peer->pipe, on_buffer_wanted, on_read);
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_pipe_t listener;

	if (argc != 3) {
		(void)fprintf(stderr, "usage: echo SOCKET ANSWER\n");
		return 64;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(answer, sizeof(answer), "%s=end\n", argv[2]);
	uv_pipe_init(loop, &listener, 0);
	if (uv_pipe_bind(&listener, argv[1]) != 0 ||
		uv_listen((uv_stream_t *)&listener, 128, on_connection) != 0) {
		(void)fprintf(stderr, "echo: cannot listen on %s\n", argv[1]);
		return 1;
	}
	return uv_run(loop, UV_RUN_DEFAULT);
}
