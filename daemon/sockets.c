/* What the three have in common is a server's; what is here is what each of them is spared. */
#include "daemon/sockets.h"

#include "daemon/http_session.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/pg_session.h"
#include "daemon/text_session.h"

#include <stdio.h>
#include <string.h>

void sockets_init(struct sockets *sockets)
{
	*sockets =
		(struct sockets){.sql_listener = LISTENER_NONE, .postgres_listener = LISTENER_NONE};
}

static const char *socket_origin(const struct config *config)
{
	for (size_t i = 0; i < config->n_settings; i++)
		if (strcmp(config->settings[i].name, "tallyd.socket") == 0)
			return config->settings[i].origin;
	return "";
}

static bool is_default_socket(const struct config *config)
{
	return strcmp(socket_origin(config), "default") == 0;
}

static int path_claim(
	const struct config *config, const char *path, struct listener *listener, struct err *err)
{
	struct listener_options options = {.path = path,
		.mode = config->socket_mode,
		.group = config->socket_group,
		.must_have_group = config->is_socket_group_written,
		.makes_directory = is_default_socket(config)};

	return listener_open(listener, &options, err);
}

/* Another server's name is no reason not to serve the rest. */
static void postgres_claim(struct sockets *sockets, const struct config *config)
{
	struct err err = ERR_INIT;

	if (config->postgres == NULL)
		return;
	if (path_claim(config, config->postgres, &sockets->postgres_listener, &err) != 0)
		log_warning("no PostgreSQL protocol: %s", err.text);
}

/* Whoever moved it in the configuration would look for it there. */
static void path_learn(struct sockets *sockets, const struct config *config)
{
	if (sockets->sql_listener.path != NULL) {
		snprintf(sockets->path, sizeof(sockets->path), "%s", config->socket);
		return;
	}
	listener_name(sockets->sql_listener.fd, sockets->path, sizeof(sockets->path));
	bool is_written = !is_default_socket(config) && socket_origin(config)[0] != '$';
	if (is_written && strcmp(sockets->path, config->socket) != 0)
		log_warning("socket = %s is not used: the service manager holds %s", config->socket,
			sockets->path);
}

int sockets_claim(struct sockets *sockets, const struct config *config, struct err *err)
{
	struct notify_fds fds;

	notify_take_fds(&fds);
	if (fds.n_others > 0)
		log_warning("%d sockets from the service manager are neither named sql nor pg; "
			    "they are not used",
			fds.n_others);
	int rc = fds.sql >= 0 ? listener_adopt(&sockets->sql_listener, fds.sql, err)
			      : path_claim(config, config->socket, &sockets->sql_listener, err);
	if (rc == 0 && fds.postgres >= 0)
		rc = listener_adopt(&sockets->postgres_listener, fds.postgres, err);
	else if (rc == 0)
		postgres_claim(sockets, config);
	if (rc != 0)
		sockets_close(sockets);
	else
		path_learn(sockets, config);
	return rc;
}

static int listener_serve(struct listener *listener, struct server **server,
	struct service *service, const struct session_ops *ops, struct err *err)
{
	return listener->fd < 0 ? 0 : server_open(server, listener, service, ops, err);
}

static int postgres_serve(struct sockets *sockets, struct service *service, struct err *err)
{
	return listener_serve(&sockets->postgres_listener, &sockets->postgres_server, service,
		&pg_session_ops, err);
}

/* Claimed as late as this: it holds no name that a second daemon could take from us. */
static int http_serve(struct sockets *sockets, struct service *service, struct err *err)
{
	const char *where = service->config->http_listen;
	struct listener listener = LISTENER_NONE;

	if (where == NULL)
		return 0;
	if (where[0] == '/') {
		if (path_claim(service->config, where, &listener, err) != 0)
			return err->code;
		return listener_serve(
			&listener, &sockets->http_server, service, &http_session_ops, err);
	}
	return server_open_tcp(&sockets->http_server, where, service, &http_session_ops, err);
}

int sockets_serve(struct sockets *sockets, struct service *service, struct err *err)
{
	if (listener_serve(&sockets->sql_listener, &sockets->sql_server, service, &text_session_ops,
		    err) != 0 ||
		postgres_serve(sockets, service, err) != 0)
		return err->code;
	return http_serve(sockets, service, err);
}

static void server_end(struct server **server)
{
	server_close(*server);
	*server = NULL;
}

/* One that could not be had the last time is tried again. */
static bool is_to_change(const struct server *server, const char *was, const char *is)
{
	if (is == NULL)
		return was != NULL;
	return server == NULL || was == NULL || strcmp(was, is) != 0;
}

void sockets_reload(struct sockets *sockets, struct service *service, const struct config *before)
{
	const struct config *config = service->config;
	const struct server *postgres = sockets->postgres_server;
	bool was_given = postgres != NULL && !server_has_path(postgres);
	struct err err = ERR_INIT;

	if (!was_given && is_to_change(postgres, before->postgres, config->postgres)) {
		server_end(&sockets->postgres_server);
		postgres_claim(sockets, config);
		if (postgres_serve(sockets, service, &err) != 0)
			log_warning("no PostgreSQL protocol: %s", err.text);
	}
	if (!is_to_change(sockets->http_server, before->http_listen, config->http_listen))
		return;
	server_end(&sockets->http_server);
	err = (struct err)ERR_INIT;
	if (http_serve(sockets, service, &err) != 0)
		log_warning("no HTTP: %s", err.text);
}

void sockets_close(struct sockets *sockets)
{
	server_end(&sockets->sql_server);
	server_end(&sockets->postgres_server);
	server_end(&sockets->http_server);
	listener_close(&sockets->sql_listener);
	listener_close(&sockets->postgres_listener);
}
