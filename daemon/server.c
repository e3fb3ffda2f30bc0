/* The handle is opened over a descriptor that listens already, so libuv never knows a path. */
#include "daemon/server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the kernel keeps for us; it may be lower than asked for, see net.core.somaxconn. */
#define BACKLOG 511

union any_stream {
	uv_handle_t handle;
	uv_stream_t stream;
	uv_pipe_t pipe;
	uv_tcp_t tcp;
};

struct server {
	union any_stream uv;
	union any_stream
		unwanted; /* a connection that there is no memory for, while it is closed */
	bool has_unwanted;
	bool has_waiting;         /* the next one came meanwhile */
	bool is_closed;           /* but for `unwanted` */
	struct listener listener; /* LISTENER_NONE: an address */
	struct service *service;
	const struct session_ops *ops;
};

static void on_connection(uv_stream_t *stream, int status);

static void on_unwanted_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;

	server->has_unwanted = false;
	if (server->is_closed) {
		free(server);
		return;
	}
	if (!server->has_waiting || uv_is_closing(&server->uv.handle))
		return;
	server->has_waiting = false;
	on_connection(&server->uv.stream, 0);
}

/* libuv tells of no further connection before this one is taken: so it is, and closed. */
static void turn_away(struct server *server)
{
	uv_stream_t *listener = &server->uv.stream;
	int rc;

	if (server->has_unwanted) {
		server->has_waiting = true;
		return;
	}
	if (listener->type == UV_TCP)
		rc = uv_tcp_init(listener->loop, &server->unwanted.tcp);
	else
		rc = uv_pipe_init(listener->loop, &server->unwanted.pipe, 0);
	assert(rc == 0);
	server->has_unwanted = true;
	server->unwanted.handle.data = server;
	(void)uv_accept(listener, &server->unwanted.stream);
	uv_close(&server->unwanted.handle, on_unwanted_closed);
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct server *server = stream->data;

	if (status == 0 && !session_accept(server->service, stream, server->ops))
		turn_away(server);
}

static struct server *server_new(
	struct listener *listener, struct service *service, const struct session_ops *ops)
{
	struct server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return NULL;
	server->listener = *listener;
	*listener = LISTENER_NONE;
	server->service = service;
	server->ops = ops;
	server->uv.handle.data = server;
	return server;
}

static void on_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;

	server->is_closed = true;
	if (!server->has_unwanted)
		free(server);
}

void server_close(struct server *server)
{
	if (server == NULL)
		return;
	listener_close(&server->listener);
	uv_close(&server->uv.handle, on_closed);
}

/* What to do where an address is not to be had, and whether only a person can. */
static const char *way_out(int rc, int *code)
{
	*code = rc == UV_EACCES || rc == UV_EAFNOSUPPORT ? ERR_CONFIG : ERR_IO;
	switch (rc) {
	case UV_EACCES: return "; a port below 1024 wants a privilege, name a higher one";
	case UV_EADDRINUSE: return "; name another port, or stop who has this one";
	case UV_EADDRNOTAVAIL: return "; it is no address of this machine";
	case UV_EAFNOSUPPORT:
		return getenv("INVOCATION_ID") != NULL
			       ? " (the unit's RestrictAddressFamilies= forbids it: the drop-in "
				 "http-tcp.conf opens what is needed)"
			       : "";
	default: return "";
	}
}

/* Clients come from now on, or, where `rc` says that the socket was not to be had, never. */
static int server_listen(
	struct server **out, struct server *server, int rc, const char *what, struct err *err)
{
	int code;

	if (rc == 0)
		rc = uv_listen(&server->uv.stream, BACKLOG, on_connection);
	if (rc == 0) {
		*out = server;
		return 0;
	}
	server_close(server);
	const char *hint = way_out(rc, &code);
	return err_set(err, code, "%s: %s%s", what, uv_strerror(rc), hint);
}

int server_open(struct server **out, struct listener *listener, struct service *service,
	const struct session_ops *ops, struct err *err)
{
	struct server *server = server_new(listener, service, ops);

	if (server == NULL) {
		listener_close(listener);
		return err_nomem(err);
	}
	int rc = uv_pipe_init(service->loop, &server->uv.pipe, 0);
	if (rc == 0)
		rc = uv_pipe_open(&server->uv.pipe, server->listener.fd);
	if (rc == 0)
		server->listener.fd = -1;
	return server_listen(out, server, rc, "cannot open the listening socket", err);
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

int server_open_tcp(struct server **out, const char *address, struct service *service,
	const struct session_ops *ops, struct err *err)
{
	struct sockaddr_storage storage = {0};
	struct listener none = LISTENER_NONE;
	char what[128];
	int rc = address_read(address, &storage);

	snprintf(what, sizeof(what), "http.listen: %s", address);
	if (rc != 0)
		return err_set(err, ERR_CONFIG, "%s: %s", what, uv_strerror(rc));
	struct server *server = server_new(&none, service, ops);
	if (server == NULL)
		return err_nomem(err);
	rc = uv_tcp_init(service->loop, &server->uv.tcp);
	if (rc == 0)
		rc = uv_tcp_bind(&server->uv.tcp, (const struct sockaddr *)&storage, 0);
	return server_listen(out, server, rc, what, err);
}

bool server_has_path(const struct server *server)
{
	return server->listener.path != NULL;
}
