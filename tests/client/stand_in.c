/*
 * A stand-in for the daemon: JSON frames over an SQLite file, one process a
 * connection. The comparison with sqlite3's shell gets the same rows, codes
 * and offsets through it as that shell gets from the file itself.
 *
 *   stand_in SOCKET FILE [die-after BYTES]
 *
 * With die-after it closes each connection when it has sent so many bytes.
 */
#include "base/buf.h"
#include "base/json.h"
#include "base/json_write.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PAGE_BYTES 32768

static int sock;
static long bytes_left = -1;
static int64_t running_id;

static void send_out(struct buf *out)
{
	size_t len = out->len;
	size_t sent = 0;

	if (bytes_left >= 0 && (long)len > bytes_left)
		len = (size_t)bytes_left;
	while (sent < len) {
		ssize_t n = send(sock, out->data + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			exit(0);
		sent += (size_t)n;
	}
	if (bytes_left >= 0) {
		bytes_left -= (long)len;
		if (len < out->len)
			exit(0);
	}
	buf_clear(out);
}

static void add_value(struct buf *out, sqlite3_stmt *stmt, int i)
{
	double real;

	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER: buf_add_int(out, sqlite3_column_int64(stmt, i)); break;
	case SQLITE_FLOAT:
		real = sqlite3_column_double(stmt, i);
		if (isinf(real))
			buf_printf(out, "{\"real\":\"%sInfinity\"}", real < 0 ? "-" : "");
		else
			json_write_double(out, real);
		break;
	case SQLITE_TEXT:
		json_write_string(out, (const char *)sqlite3_column_text(stmt, i),
			(size_t)sqlite3_column_bytes(stmt, i));
		break;
	case SQLITE_BLOB:
		json_write_blob(
			out, sqlite3_column_blob(stmt, i), (size_t)sqlite3_column_bytes(stmt, i));
		break;
	default: buf_add_text(out, "null"); break;
	}
}

static void send_error(struct buf *out, sqlite3 *db, int64_t id)
{
	const char *message = sqlite3_errmsg(db);

	buf_printf(out, "{\"id\":%" PRId64 ",\"error\":{\"code\":%d,\"message\":", id,
		sqlite3_errcode(db));
	json_write_string(out, message, strlen(message));
	buf_printf(out, ",\"offset\":%d}}\n", sqlite3_error_offset(db));
	send_out(out);
}

/* A string's text, for free(). */
static char *copy_string(const struct json_value *string, size_t *len)
{
	char *text = malloc(string->len + 1);

	if (text == NULL)
		exit(1);
	*len = json_unescape(string, text);
	text[*len] = '\0';
	return text;
}

static void bind_param(sqlite3_stmt *stmt, int i, const struct json_value *param)
{
	if (param->type == JSON_STRING) {
		size_t len;
		char *text = copy_string(param, &len);

		(void)sqlite3_bind_text(stmt, i, text, (int)len, free);
	} else if (param->type == JSON_NUMBER) {
		char *end;
		long long integer = strtoll(param->text, &end, 10);

		if (end == param->text + param->len)
			(void)sqlite3_bind_int64(stmt, i, integer);
		else
			(void)sqlite3_bind_double(stmt, i, strtod(param->text, NULL));
	}
}

/* `params` is an array, or its text is NULL. */
static void bind_params(sqlite3_stmt *stmt, const struct json_value *params)
{
	struct json_scan scan;
	struct json_value param;

	if (params->text == NULL)
		return;
	scan = (struct json_scan){.at = params->text + 1, .end = params->text + params->len};
	for (int i = 1; *scan.at != ']'; i++) {
		if (json_read_value(&scan, &param) != JSON_OK)
			exit(1);
		bind_param(stmt, i, &param);
		if (*scan.at == ',')
			scan.at++;
	}
}

static void send_columns(struct buf *out, sqlite3_stmt *stmt, int64_t id)
{
	int n = sqlite3_column_count(stmt);

	buf_printf(out, "{\"id\":%" PRId64 ",\"columns\":[", id);
	for (int i = 0; i < n; i++) {
		buf_add_text(out, i > 0 ? "," : "");
		json_write_string(
			out, sqlite3_column_name(stmt, i), strlen(sqlite3_column_name(stmt, i)));
	}
	buf_add_text(out, "],\"types\":[");
	for (int i = 0; i < n; i++)
		buf_add_text(out, i > 0 ? ",\"\"" : "\"\"");
	buf_add_text(out, "]}\n");
}

/* Moves when another process writes to the file, as the daemon's snapshots do with each batch. */
static int data_version(sqlite3 *db)
{
	sqlite3_stmt *stmt;
	int version = 0;

	if (sqlite3_prepare_v2(db, "PRAGMA data_version", -1, &stmt, NULL) == SQLITE_OK &&
		sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return version;
}

static void run(sqlite3 *db, int64_t id, const char *sql, const struct json_value *params)
{
	struct buf out = {0};
	sqlite3_stmt *stmt = NULL;
	int64_t n_rows = 0;
	bool open = false;
	int rc;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
		send_error(&out, db, id);
		buf_fini(&out);
		return;
	}
	bind_params(stmt, params);
	send_columns(&out, stmt, id);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (!open)
			buf_printf(&out, "{\"id\":%" PRId64 ",\"rows\":[", id);
		buf_add_text(&out, open ? ",[" : "[");
		open = true;
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			if (i > 0)
				buf_add_char(&out, ',');
			add_value(&out, stmt, i);
		}
		buf_add_char(&out, ']');
		n_rows++;
		if (out.len >= PAGE_BYTES) {
			buf_add_text(&out, "]}\n");
			send_out(&out);
			open = false;
		}
	}
	if (open)
		buf_add_text(&out, "]}\n");
	if (sqlite3_finalize(stmt) != SQLITE_OK) {
		send_error(&out, db, id);
	} else {
		buf_printf(&out,
			"{\"id\":%" PRId64 ",\"ok\":true,\"count\":%" PRId64
			",\"snapshot\":%d,\"ms\":0.1}\n",
			id, n_rows, data_version(db));
		send_out(&out);
	}
	buf_fini(&out);
}

/* A cancel arrives while a statement runs: it is looked for now and then. */
static int on_progress(void *context)
{
	struct pollfd wanted = {.fd = sock, .events = POLLIN};
	char text[256];
	ssize_t n;

	(void)context;
	if (poll(&wanted, 1, 0) <= 0)
		return 0;
	n = recv(sock, text, sizeof(text) - 1, MSG_PEEK);
	if (n <= 0)
		return 1;
	text[n] = '\0';
	if (strncmp(text, "{\"cancel\":", 10) != 0 || strtoll(text + 10, NULL, 10) != running_id)
		return 0;
	(void)!recv(sock, text, strcspn(text, "\n") + 1, 0);
	return 1;
}

static void serve(const char *path)
{
	FILE *in = fdopen(dup(sock), "r");
	char *line = NULL;
	size_t cap = 0;
	sqlite3 *db;

	/* Unbuffered, so that on_progress sees what comes next. */
	(void)setvbuf(in, NULL, _IONBF, 0);
	if (sqlite3_open(path, &db) != SQLITE_OK)
		exit(1);
	sqlite3_progress_handler(db, 1000, on_progress, NULL);
	while (getline(&line, &cap, in) > 0) {
		struct json_scan scan = {.at = line, .end = line + strlen(line)};
		struct json_member members[] = {
			{.name = "id", .name_len = 2},
			{.name = "sql", .name_len = 3},
			{.name = "params", .name_len = 6},
		};
		size_t len;
		char *sql;

		if (json_read_object(&scan, members, 3) != JSON_OK || members[1].value.text == NULL)
			continue;
		running_id = strtoll(members[0].value.text, NULL, 10);
		sql = copy_string(&members[1].value, &len);
		run(db, running_id, sql, &members[2].value);
		free(sql);
	}
	exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener;

	if (argc < 3)
		return 64;
	if (argc == 5)
		bytes_left = strtol(argv[4], NULL, 10);
	(void)signal(SIGCHLD, SIG_IGN);
	/* The socket appears under its name when it listens: who waits for it may connect. */
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s.new", argv[1]);
	(void)unlink(address.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(listener, 64) < 0 || rename(address.sun_path, argv[1]) < 0)
		return 1;
	for (;;) {
		sock = accept(listener, NULL, NULL);
		if (sock >= 0 && fork() == 0) {
			(void)close(listener);
			(void)signal(SIGCHLD, SIG_DFL);
			serve(argv[2]);
		}
		(void)close(sock);
	}
}
