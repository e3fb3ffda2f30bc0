/*
 * Any bytes, as a file that may be compressed: read at once, in small pieces,
 * gone on with at any position, and while it grows. All ways deliver the same
 * bytes, and fail or do not fail alike; what fails has delivered a beginning.
 * Where the reading is cut follows from the bytes.
 */
#include "base/buf.h"
#include "stream/reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A small input may unpack to very much; what lies behind this is not looked at. */
#define MAX_BYTES (1u << 20)
#define N_CUTS    4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/tallyd-fuzz-XXXXXX";
static int dir_fd = -1;

static void remove_dir(void)
{
	(void)unlinkat(dir_fd, "f", 0);
	(void)rmdir(dir);
}

static void must(bool truth, const char *what)
{
	if (!truth) {
		(void)fprintf(stderr, "%s\n", what);
		abort();
	}
}

static void write_file(const uint8_t *data, size_t size)
{
	int fd;

	if (dir_fd < 0) {
		must(mkdtemp(dir) != NULL, "mkdtemp");
		dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
		must(dir_fd >= 0 && atexit(remove_dir) == 0, "directory");
	}
	fd = openat(dir_fd, "f", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	must(fd >= 0 && write(fd, data, size) == (ssize_t)size && close(fd) == 0, "write");
}

static void open_at(struct reader *reader, struct position at, size_t limit)
{
	struct reader_target target = {
		.dir_fd = dir_fd, .path = "f", .at = at, .limit = (int64_t)limit};
	struct err err = ERR_INIT;

	must(reader_open(reader, &target, &err) == 0, "open");
}

/* Reads on to the end; false: it failed. */
static bool read_all(struct reader *reader, size_t room, struct buf *got)
{
	static char data[65536];
	struct err err = ERR_INIT;
	size_t n = 0;
	int rc = 0;

	buf_clear(got);
	while (got->len < MAX_BYTES) {
		rc = reader_read(reader, data, room, &n, &err);
		if (rc != 0 || n == 0)
			break;
		buf_add(got, data, n);
	}
	must(buf_ok(got), "memory");
	return rc == 0;
}

/* `got` came from `from` on. What was cut off at MAX_BYTES is compared as far as it goes. */
static void compare(const struct buf *whole, bool is_whole_ok, size_t from, const struct buf *got,
	bool is_ok, const char *how)
{
	size_t wanted = whole->len - from;
	size_t n = got->len < wanted ? got->len : wanted;
	bool is_cut = whole->len >= MAX_BYTES || got->len >= MAX_BYTES;

	must(n == 0 || memcmp(whole->data + from, got->data, n) == 0, how);
	if (is_cut)
		return;
	must(is_ok == is_whole_ok, how);
	must(!is_ok || got->len == wanted, how);
}

static void read_in_every_way(struct reader *reader, size_t size, uint64_t random)
{
	struct buf whole = {0}, got = {0};
	struct position at;
	bool is_whole_ok, is_ok;

	open_at(reader, POSITION_START, size);
	is_whole_ok = read_all(reader, 65536, &whole);
	for (int i = 0; i < N_CUTS; i++) {
		size_t cut, limit;

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		cut = (random >> 33) % (whole.len + 1);
		limit = (random >> 20) % (size + 1);
		open_at(reader, POSITION_START, size);
		is_ok = read_all(reader, 1 + (random >> 40) % 100, &got);
		compare(&whole, is_whole_ok, 0, &got, is_ok, "in pieces");
		if (cut > got.len)
			cut = got.len;
		at = POSITION_START;
		reader_position(reader, (int64_t)cut, &at);
		open_at(reader, at, size);
		is_ok = read_all(reader, 4096, &got);
		compare(&whole, is_whole_ok, cut, &got, is_ok, "gone on with");
		open_at(reader, POSITION_START, limit);
		is_ok = read_all(reader, 4096, &got);
		must(is_ok || !is_whole_ok, "a beginning fails");
		cut = got.len < whole.len ? got.len : whole.len;
		must(cut == 0 || memcmp(whole.data, got.data, cut) == 0, "a beginning");
		at = POSITION_START;
		reader_position(reader, (int64_t)cut, &at);
		open_at(reader, at, size);
		is_ok = read_all(reader, 4096, &got);
		compare(&whole, is_whole_ok, cut, &got, is_ok, "grown");
	}
	buf_fini(&whole);
	buf_fini(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader *reader = reader_new();
	uint64_t random = size;

	must(reader != NULL, "memory");
	for (size_t i = 0; i < size; i++)
		random = random * 31 + data[i];
	write_file(data, size);
	read_in_every_way(reader, size, random);
	reader_free(reader);
	return 0;
}
