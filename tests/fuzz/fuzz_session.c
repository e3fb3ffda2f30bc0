/*
 * Any bytes, sent by a PostgreSQL client to a live session on a real socket and
 * loop. An even first byte: a proper start-up goes ahead, and what comes back
 * must be whole messages; an odd one: the bytes are all that is sent. A byte
 * 0xFE ends what is sent in one piece. Then the client hangs up, the session
 * must end, and the one beside it must still know the answer.
 */
#include "base/buf.h"
#include "base/err.h"
#include "daemon/pg_session.h"
#include "daemon/session.h"
#include "daemon/session_list.h"
#include "daemon/session_watch.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define OUT_MAX_BYTES (1 << 20)
#define PIECE_END     0xFE

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char startup[] = "\0\0\0\x13\0\3\0\0user\0fuzz\0";
static const char question[] = "Q\0\0\0\x22select sum(count) from counts";

/* What a daemon has, as far as sessions need it; made once a process. */
static struct world {
	uv_loop_t loop;
	uv_pipe_t listener;
	struct sockaddr_un address;
	struct executor executor;
	struct config config;
	struct service service;
	sqlite3 *writer; /* held, so that no leak is seen in it */
	int neighbour;
	bool is_made;
	char read_buffer[TRANSPORT_READ_BYTES];
} world;

static void must(bool condition, const char *what, const struct err *err)
{
	if (!condition) {
		(void)fprintf(stderr, "%s: %s\n", what, err->text);
		abort();
	}
}

static void on_connection(uv_stream_t *stream, int status)
{
	assert(status == 0);
	if (!session_accept(&world.service, stream, &pg_session_ops))
		abort();
}

/* A socket without a path: its name is in the abstract namespace. */
static void make_listener(void)
{
	struct sockaddr_un *address = &world.address;
	socklen_t len = sizeof(*address);
	struct err err = ERR_INIT;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address->sun_family = AF_UNIX;
	must(fd >= 0 && bind(fd, (struct sockaddr *)address, sizeof(address->sun_family)) == 0 &&
			getsockname(fd, (struct sockaddr *)address, &len) == 0 &&
			listen(fd, 8) == 0,
		"listen", &err);
	must(uv_pipe_init(&world.loop, &world.listener, 0) == 0 &&
			uv_pipe_open(&world.listener, fd) == 0 &&
			uv_listen((uv_stream_t *)&world.listener, 8, on_connection) == 0,
		"listener", &err);
}

static int connect_to_us(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err err = ERR_INIT;
	/* An autobind name is a NUL and five digits. */
	socklen_t len = sizeof(world.address.sun_family) + 6;

	must(fd >= 0 && connect(fd, (struct sockaddr *)&world.address, len) == 0, "connect", &err);
	return fd;
}

/* What the neighbour is told up to the next ReadyForQuery; returns its length. */
static size_t hear_neighbour(char *bytes, size_t max)
{
	struct err err = ERR_INIT;
	size_t n = 0;
	ssize_t got;

	while (n < 6 || memcmp(bytes + n - 6, "Z\0\0\0\5I", 6) != 0) {
		(void)uv_run(&world.loop, UV_RUN_NOWAIT);
		got = recv(world.neighbour, bytes + n, max - n, MSG_DONTWAIT);
		must(got > 0 || (got < 0 && errno == EAGAIN), "the neighbour is gone", &err);
		n += got > 0 ? (size_t)got : 0;
	}
	return n;
}

/* On a machine that is busy even its question may take longer than the timeout: it asks again. */
static void ask_neighbour(void)
{
	static const char answer[] = "197C\0\0\0\rSELECT 1\0Z\0\0\0\5I";
	struct err err = ERR_INIT;
	char bytes[4096];
	size_t n;

	do {
		must(send(world.neighbour, question, sizeof(question), 0) == sizeof(question),
			"ask", &err);
		n = hear_neighbour(bytes, sizeof(bytes));
	} while (memmem(bytes, n, "C57014", 6) != NULL);
	must(n >= sizeof(answer) - 1 &&
			memcmp(bytes + n - (sizeof(answer) - 1), answer, sizeof(answer) - 1) == 0,
		"the neighbour's answer", &err);
}

static void make_sql(struct err *err)
{
	struct sql_env_options options = {.query_timeout_us = 50000,
		.query_memory_bytes = 4 << 20,
		.max_result_bytes = OUT_MAX_BYTES,
		.timezone = "UTC",
		.daemon_uid = 1000};

	must(sql_init(err) == 0, "init", err);
	options.snapshots = snapshot_store_new();
	must(options.snapshots != NULL, "store", err);
	must(snapshot_open_writer(options.snapshots, &world.writer, err) == 0, "writer", err);
	must(sqlite3_exec(world.writer,
		     "CREATE TABLE counts(action TEXT, window_start TIMESTAMP TEXT, "
		     "window_end TIMESTAMP TEXT, count INTEGER);"
		     "CREATE TABLE queries(name TEXT, batch_id INTEGER);"
		     "INSERT INTO queries VALUES('counts', 7);"
		     "INSERT INTO counts VALUES('Close','2016-07-26 02:00:00',"
		     "'2016-07-26 03:00:00',11),('Open','2016-07-26 02:00:00',"
		     "'2016-07-26 03:00:00',179),(NULL,NULL,NULL,7)",
		     NULL, NULL, NULL) == SQLITE_OK,
		"rows", err);
	must(sql_env_new(&world.service.env, &options, err) == 0, "env", err);
	world.service.snapshots = options.snapshots;
}

static void make_world(void)
{
	struct err err = ERR_INIT;
	char greeting[4096];

	if (world.is_made)
		return;
	world.is_made = true;
	(void)signal(SIGPIPE, SIG_IGN);
	must(uv_loop_init(&world.loop) == 0, "loop", &err);
	world.loop.data = world.read_buffer;
	make_sql(&err);
	must(executor_open(&world.executor, &world.loop, 1, &err) == 0, "executor", &err);
	world.config = (struct config){.max_sessions = 100,
		.idle_transaction_timeout_us = INT64_C(60000000),
		.query_timeout_us = 50000};
	world.service.loop = &world.loop;
	world.service.executor = &world.executor;
	world.service.config = &world.config;
	world.service.max_sessions = 100;
	world.service.cache = answer_cache_new();
	world.service.sessions = session_list_new(&world.service, session_watch_look);
	must(world.service.cache != NULL && world.service.sessions != NULL, "service", &err);
	make_listener();
	world.neighbour = connect_to_us();
	must(send(world.neighbour, startup, sizeof(startup), 0) == sizeof(startup), "start", &err);
	(void)hear_neighbour(greeting, sizeof(greeting));
}

/* Turns the loop once and takes what came; false: the session has closed. */
static bool turn(int fd, struct buf *out)
{
	char bytes[65536];
	ssize_t n;

	(void)uv_run(&world.loop, UV_RUN_NOWAIT);
	n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n > 0 && out->len < OUT_MAX_BYTES)
		buf_add(out, bytes, (size_t)n);
	return n > 0 || (n < 0 && errno == EAGAIN);
}

static size_t count_sessions(void)
{
	struct session_view *rows;
	struct err err = ERR_INIT;
	size_t n;

	if (session_list_view(world.service.sessions, &rows, &n, &err) < 0)
		abort();
	for (size_t i = 0; i < n; i++)
		free(rows[i].query);
	free(rows);
	return n;
}

/* A client that is not listened to any more goes on sending all the same. */
static void send_all(int fd, const char *bytes, size_t n, struct buf *out)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			return;
		if (sent > 0) {
			bytes += sent;
			n -= (size_t)sent;
		}
		if (!turn(fd, out))
			return;
	}
}

/* What a server may send, as a type and a length that counts itself. */
static void check_messages(const struct buf *out)
{
	struct err err = ERR_INIT;
	size_t at = 0;

	while (at < out->len) {
		uint32_t len = 0;

		must(out->len - at >= 5, "a message is cut", &err);
		must(strchr("RKSZTDCIENA123tnsHdc", out->data[at]) != NULL, "an unknown type",
			&err);
		for (size_t i = 1; i <= 4; i++)
			len = len << 8 | (unsigned char)out->data[at + i];
		must(len >= 4 && len <= out->len - at - 1, "a wrong length", &err);
		at += 1 + len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf out = {0};
	bool is_started = size > 0 && data[0] % 2 == 0;
	const char *at = (const char *)data + 1;
	const char *end = (const char *)data + size;
	int fd;

	if (size == 0)
		return 0;
	make_world();
	fd = connect_to_us();
	if (is_started)
		send_all(fd, startup, sizeof(startup), &out);
	while (at < end) {
		const char *stop = memchr(at, PIECE_END, (size_t)(end - at));

		stop = stop == NULL ? end : stop;
		send_all(fd, at, (size_t)(stop - at), &out);
		at = stop + 1;
	}
	(void)shutdown(fd, SHUT_WR);
	while (turn(fd, &out))
		;
	(void)close(fd);
	while (count_sessions() > 1)
		(void)uv_run(&world.loop, UV_RUN_NOWAIT);
	if (is_started && out.len < OUT_MAX_BYTES)
		check_messages(&out);
	buf_fini(&out);
	ask_neighbour();
	return 0;
}
