/* The handle is opened over a descriptor that listens already, so libuv never knows a path. */
#include "daemon/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the kernel keeps for us; it may be lower than asked for, see net.core.somaxconn. */
#define BACKLOG 511

static void on_connection(uv_stream_t *stream, int status)
{
	struct server *server = stream->data;

	if (status == 0)
		session_accept(server->service, stream, server->ops);
}

int server_open(struct server *server, struct listener *listener, struct service *service,
	const struct session_ops *ops, struct err *err)
{
	*server = (struct server){.listener = *listener, .service = service, .ops = ops};
	*listener = LISTENER_NONE;
	int rc = uv_pipe_init(service->loop, &server->uv.pipe, 0);
	server->uv.handle.data = server;
	if (rc == 0)
		rc = uv_pipe_open(&server->uv.pipe, server->listener.fd);
	if (rc != 0) {
		uv_close(&server->uv.handle, NULL);
		listener_close(&server->listener);
		return err_set(
			err, ERR_IO, "cannot open the listening socket: %s", uv_strerror(rc));
	}
	server->listener.fd = -1;
	server->is_open = true;
	return 0;
}

/* The address, with brackets around an IPv6 one, and the port behind the last colon. */
static int address_read(const char *text, struct sockaddr_storage *address)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	size_t len = (size_t)(colon - text);
	int port = atoi(colon + 1);

	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	}
	if (len >= sizeof(host))
		return UV_EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	if (strchr(host, ':') != NULL)
		return uv_ip6_addr(host, port, (struct sockaddr_in6 *)address);
	return uv_ip4_addr(host, port, (struct sockaddr_in *)address);
}

int server_open_tcp(struct server *server, const char *address, struct service *service,
	const struct session_ops *ops, struct err *err)
{
	struct sockaddr_storage storage = {0};

	*server = (struct server){.listener = LISTENER_NONE, .service = service, .ops = ops};
	int rc = address_read(address, &storage);
	if (rc != 0)
		return err_set(err, ERR_CONFIG, "http.listen: %s: %s", address, uv_strerror(rc));
	rc = uv_tcp_init(service->loop, &server->uv.tcp);
	server->uv.handle.data = server;
	if (rc == 0)
		rc = uv_tcp_bind(&server->uv.tcp, (const struct sockaddr *)&storage, 0);
	if (rc != 0) {
		uv_close(&server->uv.handle, NULL);
		return err_set(err, ERR_IO, "http.listen: %s: %s", address, uv_strerror(rc));
	}
	server->is_open = true;
	return 0;
}

int server_accept(struct server *server, struct err *err)
{
	int rc = uv_listen(&server->uv.stream, BACKLOG, on_connection);

	if (rc == 0)
		return 0;
	(void)err_set(err, ERR_IO, "cannot listen: %s", uv_strerror(rc));
	return err->code;
}

void server_close(struct server *server)
{
	if (!server->is_open)
		return;
	server->is_open = false;
	listener_remove(&server->listener);
	uv_close(&server->uv.handle, NULL);
}
