/*
 * The load generator of bench/sql.py: connections that each ask one question
 * again and again over the plain-text protocol, the next when the last is
 * answered. The same program asks tallyd and bench/echo.
 *
 *     ask SOCKET CONNECTIONS SECONDS SQL [connect] [frames]
 *
 * `connect`: a connection for each question. `frames`: in JSON frames, so SQL
 * must need no escape in JSON. An answer ends with the line "=end", in frames
 * with one that says "ok". Prints questions a second, and median, 99th
 * percentile and maximum of the time to an answer in microseconds.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define END        "=end"
#define END_FRAMES "{\"id\":1,\"ok\""
#define MAX_US     10000000

struct connection {
	int fd;
	int64_t asked_us;
	size_t len;     /* of `tail` */
	char tail[256]; /* the end of what has come, longer than the last line of any answer */
};

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static uint32_t *histogram;           /* answers by microseconds */
static char first[4096], again[4096]; /* what a connection says first, and then */
static const char *end = END;         /* how the last line of an answer begins */
static int64_t n_answers;

static int64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

__attribute__((noreturn)) static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void send_all(const struct connection *connection, const char *text)
{
	if (write(connection->fd, text, strlen(text)) != (ssize_t)strlen(text))
		die("write");
}

static void connection_open(struct connection *connection)
{
	connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0 ||
		connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("connect");
	connection->len = 0;
}

static void ask(struct connection *connection, bool is_first)
{
	connection->asked_us = now_us();
	connection->len = 0;
	if (is_first && connection->fd < 0)
		connection_open(connection);
	send_all(connection, is_first ? first : again);
}

/* True when the answer is whole: its last line is the end's. */
static bool take(struct connection *connection)
{
	static char bytes[1 << 16];
	ssize_t n = read(connection->fd, bytes, sizeof(bytes));
	size_t keep = sizeof(connection->tail);
	size_t from_bytes, from_tail;
	const char *line;

	if (n <= 0)
		die("the server has closed");
	from_bytes = (size_t)n < keep ? (size_t)n : keep;
	from_tail = keep - from_bytes < connection->len ? keep - from_bytes : connection->len;
	memmove(connection->tail, connection->tail + connection->len - from_tail, from_tail);
	memcpy(connection->tail + from_tail, bytes + n - from_bytes, from_bytes);
	connection->len = from_tail + from_bytes;
	if (connection->tail[connection->len - 1] != '\n')
		return false;
	line = memrchr(connection->tail, '\n', connection->len - 1);
	line = line == NULL ? connection->tail : line + 1;
	return strncmp(line, end, strlen(end)) == 0;
}

static void answered(struct connection *connection, bool reconnects)
{
	int64_t us = now_us() - connection->asked_us;

	histogram[us < MAX_US ? us : MAX_US - 1]++;
	n_answers++;
	if (reconnects) {
		(void)close(connection->fd);
		connection->fd = -1;
	}
	ask(connection, reconnects);
}

static int percentile(double part)
{
	int64_t wanted = (int64_t)((double)n_answers * part), seen = 0;

	for (int us = 0; us < MAX_US; us++) {
		seen += histogram[us];
		if (seen > wanted)
			return us;
	}
	return MAX_US;
}

/* Writes the questions; false for words it does not know. */
static bool read_words(int argc, char **argv, bool *reconnects)
{
	bool frames = false;

	for (int i = 5; i < argc; i++) {
		bool connect = strcmp(argv[i], "connect") == 0;

		if (!connect && strcmp(argv[i], "frames") != 0)
			return false;
		*(connect ? reconnects : &frames) = true;
	}
	if (frames) {
		end = END_FRAMES;
		(void)snprintf(again, sizeof(again), "{\"id\":1,\"sql\":\"%s\"}\n", argv[4]);
		(void)strcpy(first, again);
		return strpbrk(argv[4], "\"\\") == NULL;
	}
	(void)snprintf(first, sizeof(first), ".end " END "\n%s;\n", argv[4]);
	(void)snprintf(again, sizeof(again), "%s;\n", argv[4]);
	return true;
}

int main(int argc, char **argv)
{
	int n = argc > 4 ? atoi(argv[2]) : 0;
	bool reconnects = false;
	struct connection *connections = calloc((size_t)n + 1, sizeof(*connections));
	struct pollfd *polls = calloc((size_t)n + 1, sizeof(*polls));

	histogram = calloc(MAX_US, sizeof(*histogram));
	if (n <= 0 || connections == NULL || polls == NULL || histogram == NULL ||
		!read_words(argc, argv, &reconnects)) {
		(void)fprintf(
			stderr, "usage: ask SOCKET CONNECTIONS SECONDS SQL [connect] [frames]\n");
		return 64;
	}
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	int64_t started_us = now_us(), end_us = started_us + (int64_t)(atof(argv[3]) * 1e6);
	for (int i = 0; i < n; i++) {
		connections[i].fd = -1;
		ask(&connections[i], true);
	}
	while (now_us() < end_us) {
		for (int i = 0; i < n; i++)
			polls[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
		if (poll(polls, (nfds_t)n, 1000) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < n; i++)
			if (polls[i].revents != 0 && take(&connections[i]))
				answered(&connections[i], reconnects);
	}
	printf("%.0f %d %d %d\n", (double)n_answers / ((double)(now_us() - started_us) / 1e6),
		percentile(0.5), percentile(0.99), percentile(1 - 1e-12));
	free(connections);
	free(polls);
	free(histogram);
	return 0;
}
