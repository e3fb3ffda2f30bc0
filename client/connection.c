/*
 * Requests go out in one write. Answers are cut at their newlines out of one
 * buffer; a frame is decoded where it stands and dropped with the next call.
 */
#include "client/connection.h"

#include "base/buf.h"
#include "base/json_write.h"
#include "client/clock.h"
#include "client/interrupt.h"
#include "client/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/tallyd/tallyd.sock"
#define READ_BYTES    65536

struct connection {
	int fd;
	int64_t last_id;
	struct buf out;   /* the request being written */
	struct buf in;    /* bytes read and not yet dropped */
	size_t used;      /* of `in`: the line that the last frame points into, with its newline */
	size_t searched;  /* of `in`: no newline before here */
	uint64_t n_bytes; /* received in all */
	long peer_pid;    /* 0: not told */
	struct frame frame;
};

static bool is_socket(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

/*
 * In /tmp anybody may have made the directory that bears this user's number,
 * with a socket in it that answers what its maker likes.
 */
static bool is_own_directory(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == getuid();
}

void connection_default_path(char *path, size_t size)
{
	const char *named = getenv("TALLY_SOCKET");
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	bool has_runtime = runtime != NULL && runtime[0] != '\0';
	char own[PATH_MAX];

	if (named != NULL && named[0] != '\0') {
		(void)snprintf(path, size, "%s", named);
		return;
	}
	if (!has_runtime)
		(void)snprintf(own, sizeof(own), "/tmp/tallyd-%u", (unsigned)getuid());
	else
		(void)snprintf(own, sizeof(own), "%s/tallyd", runtime);
	(void)snprintf(path, size, "%s/tallyd.sock", own);
	if (!is_socket(path) || (!has_runtime && !is_own_directory(own)))
		(void)snprintf(path, size, "%s", SYSTEM_SOCKET);
}

bool connection_is_path(const char *text)
{
	if (is_socket(text))
		return true;
	return strchr(text, '/') != NULL && strpbrk(text, " \t\r\n") == NULL;
}

/* Who may connect, where the permissions say no. */
static void say_denied(const char *path, struct err *err)
{
	struct group *group = NULL;
	struct stat status;
	bool is_known = stat(path, &status) == 0;

	/* root's group is no way in that anybody should be told of. */
	if (is_known && status.st_gid != 0 && (status.st_mode & S_IWGRP) != 0)
		group = getgrgid(status.st_gid);
	if (group != NULL)
		(void)err_set(err, ERR_DENIED,
			"unable to connect to \"%s\": permission denied; the socket is open to the "
			"group %s (usermod -aG %s %s, then log in again)",
			path, group->gr_name, group->gr_name,
			getenv("USER") != NULL ? getenv("USER") : "USER");
	else if (is_known)
		(void)err_set(err, ERR_DENIED,
			"unable to connect to \"%s\": permission denied; only its owner may "
			"(socket_group and socket_mode in tallyd.conf open it to a group)",
			path);
	else
		(void)err_set(err, ERR_DENIED,
			"unable to connect to \"%s\": permission denied; ls -ld shows which part "
			"of the path is closed to you",
			path);
}

static int say_unable(const char *path, int sys_errno, struct err *err)
{
	struct stat status;

	/* What is no socket is so for everybody; who may write to it is beside the point. */
	if (sys_errno == EACCES && stat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
		sys_errno = ENOTSOCK;
	switch (sys_errno) {
	case EACCES:
	case EPERM: say_denied(path, err); break;
	case ENOENT:
		(void)err_set(err, ERR_MISSING,
			"unable to connect to \"%s\": no such file; is tallyd running (systemctl "
			"status tallyd), and is this its socket ($TALLY_SOCKET, -s, or the first "
			"argument)?",
			path);
		break;
	case ECONNREFUSED:
		(void)err_set(err, ERR_IO,
			"unable to connect to \"%s\": nobody listens there; is tallyd running "
			"(systemctl status tallyd)?",
			path);
		break;
	case EAGAIN:
		(void)err_set(err, ERR_BUSY,
			"unable to connect to \"%s\": tallyd accepts no connection; systemctl "
			"status tallyd says whether it hangs",
			path);
		break;
	case ENOTSOCK:
	case EPROTOTYPE:
		(void)err_set(err, ERR_INVALID,
			"unable to connect to \"%s\": not tallyd's socket; which one it is stands "
			"in tallyd's log (journalctl -u tallyd) and in tallyd --print-config",
			path);
		break;
	default: (void)err_set_errno(err, sys_errno, "unable to connect to \"%s\"", path); break;
	}
	err->sys_errno = sys_errno;
	return err->code;
}

static int open_socket(const char *path, int *fd, struct err *err)
{
	static const struct timeval limit = {.tv_sec = 10};
	static const struct timeval no_limit = {0};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int sock;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ERR_LIMIT,
			"unable to connect to \"%s\": a socket's path has at most %zu bytes", path,
			sizeof(address.sun_path) - 1);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return say_unable(path, errno, err);
	/* While the queue of a daemon that hangs is full, connect() waits. */
	(void)setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int reason = errno;
		struct stat status;

		(void)close(sock);
		/* Linux says "refused" for a file that is no socket at all. */
		if (reason == ECONNREFUSED && stat(path, &status) == 0 && !S_ISSOCK(status.st_mode))
			reason = ENOTSOCK;
		return say_unable(path, reason, err);
	}
	(void)setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &no_limit, sizeof(no_limit));
	*fd = sock;
	return 0;
}

int connection_open(struct connection **connection, const char *path, struct err *err)
{
	struct connection *new = calloc(1, sizeof(*new));
	int rc;

	if (new == NULL)
		return err_nomem(err);
	rc = open_socket(path, &new->fd, err);
	if (rc < 0) {
		free(new);
		return rc;
	}
	*connection = new;
	return 0;
}

void connection_close(struct connection *connection)
{
	if (connection == NULL)
		return;
	(void)close(connection->fd);
	buf_fini(&connection->out);
	buf_fini(&connection->in);
	frame_fini(&connection->frame);
	free(connection);
}

static int say_gone(int sys_errno, struct err *err)
{
	if (sys_errno == 0 || sys_errno == EPIPE || sys_errno == ECONNRESET)
		return err_set(err, ERR_IO,
			"tallyd closed the connection before the answer was whole; systemctl "
			"status tallyd says why");
	return err_set_errno(err, sys_errno, "the connection to tallyd broke");
}

static int send_all(struct connection *connection, struct err *err)
{
	size_t sent = 0;

	if (!buf_ok(&connection->out))
		return err_nomem(err);
	while (sent < connection->out.len) {
		ssize_t n = send(connection->fd, connection->out.data + sent,
			connection->out.len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR && interrupt_count() > 0)
			return err_set(err, ERR_INTERRUPTED, "interrupted");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return say_gone(errno, err);
		sent += (size_t)n;
	}
	return 0;
}

static void add_param(struct buf *out, const struct value *value)
{
	switch (value->type) {
	case VALUE_NULL: buf_add_text(out, "null"); break;
	case VALUE_INTEGER: buf_add_int(out, value->integer); break;
	case VALUE_REAL:
		if (value->real - value->real != 0)
			buf_printf(out, "{\"real\":\"%sInfinity\"}", value->real < 0 ? "-" : "");
		else
			json_write_double(out, value->real);
		break;
	case VALUE_TEXT: json_write_string(out, value->data, value->len); break;
	case VALUE_BLOB: json_write_blob(out, value->data, value->len); break;
	}
}

int connection_send(struct connection *connection, const char *sql, size_t len,
	const struct value *params, size_t n_params, int64_t *id, struct err *err)
{
	struct buf *out = &connection->out;

	*id = ++connection->last_id;
	buf_clear(out);
	buf_printf(out, "{\"id\":%" PRId64 ",\"sql\":", *id);
	json_write_string(out, sql, len);
	for (size_t i = 0; i < n_params; i++) {
		buf_add_text(out, i == 0 ? ",\"params\":[" : ",");
		add_param(out, &params[i]);
	}
	buf_add_text(out, n_params > 0 ? "]}\n" : "}\n");
	return send_all(connection, err);
}

int connection_cancel(struct connection *connection, int64_t id, struct err *err)
{
	buf_clear(&connection->out);
	buf_printf(&connection->out, "{\"cancel\":%" PRId64 "}\n", id);
	return send_all(connection, err);
}

/* recv(), and who sent it where the kernel was asked to say so. */
static ssize_t receive(struct connection *connection, char *room, size_t size)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec part = {.iov_base = room, .iov_len = size};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(connection->fd, &message, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	struct ucred peer;

	if (header != NULL && header->cmsg_level == SOL_SOCKET &&
		header->cmsg_type == SCM_CREDENTIALS) {
		memcpy(&peer, CMSG_DATA(header), sizeof(peer));
		connection->peer_pid = peer.pid;
	}
	return n;
}

/* Reads what is there, once. A line that comes in drops is waited for no longer than one that
 * does not come. */
static int read_some(struct connection *connection, int seen, int64_t deadline_ms, struct err *err)
{
	bool is_late = clock_now_ms() > deadline_ms;
	struct buf *in = &connection->in;
	char *room;
	ssize_t n;

	if (is_late)
		return err_set(err, ERR_BUSY, "no answer in time");
	switch (interrupt_wait(connection->fd, false, seen, clock_left_ms(deadline_ms))) {
	case -1: return err_set(err, ERR_INTERRUPTED, "interrupted");
	case 0: return err_set(err, ERR_BUSY, "no answer in time");
	default: break;
	}
	/* One byte more than is read: a decoder may put its zero behind the last. */
	room = buf_reserve(in, READ_BYTES + 1);
	if (room == NULL)
		return err_nomem(err);
	n = receive(connection, room, READ_BYTES);
	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return say_gone(n < 0 ? errno : 0, err);
	in->len += (size_t)n;
	connection->n_bytes += (uint64_t)n;
	return 0;
}

int connection_next(struct connection *connection, int seen, int timeout_ms, struct frame **frame,
	struct err *err)
{
	int64_t deadline_ms = timeout_ms < 0 ? CLOCK_NEVER : clock_deadline_ms(timeout_ms);
	struct buf *in = &connection->in;
	char sentence[sizeof(err->text)];
	char *newline = NULL;
	size_t len;

	if (connection->used > 0) {
		buf_drop(in, connection->used);
		connection->used = 0;
		connection->searched = 0;
	}
	for (;;) {
		if (in->len > connection->searched)
			newline = memchr(in->data + connection->searched, '\n',
				in->len - connection->searched);
		if (newline != NULL)
			break;
		connection->searched = in->len;
		if (read_some(connection, seen, deadline_ms, err) < 0)
			return err->code;
	}
	len = (size_t)(newline - in->data);
	connection->used = len + 1;
	/* A session that is turned away at the door is told so in plain text. */
	if (len > 7 && strncmp(in->data, "Error: ", 7) == 0) {
		terminal_escape(in->data + 7, len - 7, sentence, sizeof(sentence));
		return err_set(err, ERR_DENIED, "%s", sentence);
	}
	if (frame_decode(&connection->frame, in->data, len, err) < 0)
		return err->code;
	*frame = &connection->frame;
	return 0;
}

uint64_t connection_bytes(const struct connection *connection)
{
	return connection->n_bytes;
}

void connection_watch_peer(struct connection *connection)
{
	int on = 1;

	(void)setsockopt(connection->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

long connection_peer_pid(const struct connection *connection)
{
	return connection->peer_pid;
}
