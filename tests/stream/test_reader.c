/*
 * The bytes of one file: plain and compressed, in pieces of every size, cut and
 * gone on with at every position, growing and broken.
 */
#include "stream/reader.h"

#include "base/buf.h"
#include "tests/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static char dir[64];
static int dir_fd;
static struct reader *reader;
static struct buf got;

/* What the next reads do: fail with an errno, or give one byte only. */
static int read_failures[8];
static size_t n_read_failures;
static bool reads_are_short;

ssize_t pread(int fd, void *data, size_t n, off_t offset)
{
	if (n_read_failures > 0) {
		errno = read_failures[--n_read_failures];
		return -1;
	}
	return (ssize_t)syscall(SYS_pread64, fd, data, reads_are_short && n > 1 ? 1 : n, offset);
}

static void setup(void)
{
	strcpy(dir, "/tmp/tallyd-reader-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY);
	reader = reader_new();
	ck_assert_ptr_nonnull(reader);
}

static void teardown(void)
{
	reader_free(reader);
	buf_fini(&got);
	(void)unlinkat(dir_fd, "f", 0);
	(void)unlinkat(dir_fd, "sub/f", 0);
	(void)unlinkat(dir_fd, "link", 0);
	(void)unlinkat(dir_fd, "sub", AT_REMOVEDIR);
	close(dir_fd);
	rmdir(dir);
}

static void write_file(const void *bytes, size_t len)
{
	int fd = openat(dir_fd, "f", O_WRONLY | O_CREAT | O_TRUNC, 0666);

	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

static void put_byte(char c, int64_t at)
{
	int fd = openat(dir_fd, "f", O_WRONLY);

	ck_assert_int_eq(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void add_gzip(struct buf *buf, const char *text, size_t len)
{
	unsigned char out[65536];
	z_stream z = {.next_in = (unsigned char *)(uintptr_t)text,
		.avail_in = (unsigned)len,
		.next_out = out,
		.avail_out = sizeof(out)};

	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_add(buf, out, z.total_out);
	deflateEnd(&z);
}

static void add_zstd(struct buf *buf, const char *text, size_t len)
{
	char out[65536];
	size_t n;
	ZSTD_CCtx *context = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(context, out, sizeof(out), text, len);
	ck_assert(!ZSTD_isError(n));
	buf_add(buf, out, n);
	ZSTD_freeCCtx(context);
}

static void open_at(struct position at, int64_t limit)
{
	struct reader_target target = {.dir_fd = dir_fd, .path = "f", .at = at, .limit = limit};
	struct err err = ERR_INIT;

	ck_assert_msg(reader_open(reader, &target, &err) == 0, "%s", err.text);
}

/* Reads all there is in pieces of `room`; the code of the end. */
static int read_all(size_t room, struct err *err)
{
	char data[4096];
	size_t n;
	int rc;

	while ((rc = reader_read(reader, data, room, &n, err)) == 0 && n > 0)
		buf_add(&got, data, n);
	return rc;
}

static void got_text(const char *expected, size_t len)
{
	ck_assert_uint_eq(got.len, len);
	ck_assert_int_eq(memcmp(got.data == NULL ? "" : got.data, expected, len), 0);
	buf_clear(&got);
}

static const char TEXT[] = "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\nabcdefghijklmnopqrstuvwxyz";

#define TEXT_LEN (sizeof(TEXT) - 1)

/* The text in three parts, one of them empty, each a member or frame. */
static void make_packed(struct buf *buf, enum reader_format format)
{
	void (*add)(struct buf *, const char *, size_t) =
		format == READER_GZIP ? add_gzip : add_zstd;

	add(buf, TEXT, 20);
	add(buf, TEXT, 0);
	add(buf, TEXT + 20, 10);
	add(buf, TEXT + 30, TEXT_LEN - 30);
}

START_TEST(a_plain_file_is_read_from_any_byte_to_the_limit)
{
	struct err err = ERR_INIT;
	struct position at = POSITION_START;
	int64_t from;
	int64_t limit;

	write_file(TEXT, TEXT_LEN);
	for (from = 0; from <= (int64_t)TEXT_LEN; from++) {
		for (limit = from; limit <= (int64_t)TEXT_LEN; limit++) {
			open_at((struct position){.offset = from}, limit);
			ck_assert_int_eq(read_all(7, &err), 0);
			got_text(TEXT + from, (size_t)(limit - from));
			reader_position(reader, limit - from, &at);
			ck_assert_int_eq(at.offset, limit);
			ck_assert_int_eq(at.skip, 0);
			ck_assert_int_eq(reader_file_bytes(reader, limit - from), limit);
			ck_assert(!reader_is_mid_frame(reader));
		}
	}
}
END_TEST

START_TEST(tiny_plain_files_are_plain)
{
	static const char *const texts[] = {"", "1", "{}", "\n", "123", "1\n23"};
	enum reader_format format;
	struct err err = ERR_INIT;
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		write_file(texts[i], strlen(texts[i]));
		open_at(POSITION_START, (int64_t)strlen(texts[i]));
		ck_assert_int_eq(reader_format(reader, &format, &err), 0);
		ck_assert_int_eq(format, READER_PLAIN);
		ck_assert_int_eq(read_all(100, &err), 0);
		ck_assert(!reader_is_mid_frame(reader));
		got_text(texts[i], strlen(texts[i]));
	}
}
END_TEST

START_TEST(several_members_or_frames_are_read_in_pieces_of_any_size)
{
	enum reader_format format = _i == 0 ? READER_GZIP : READER_ZSTD;
	enum reader_format found;
	struct buf packed = {0};
	struct err err = ERR_INIT;
	size_t room;

	make_packed(&packed, format);
	write_file(packed.data, packed.len);
	for (room = 1; room < 80; room++) {
		open_at(POSITION_START, (int64_t)packed.len);
		ck_assert_int_eq(read_all(room, &err), 0);
		got_text(TEXT, TEXT_LEN);
		ck_assert(!reader_is_mid_frame(reader));
		ck_assert_int_eq(reader_format(reader, &found, &err), 0);
		ck_assert_int_eq(found, format);
		ck_assert_int_eq(reader_file_bytes(reader, 0), (int64_t)packed.len);
	}
	buf_fini(&packed);
}
END_TEST

START_TEST(reading_goes_on_at_every_position_of_a_compressed_file)
{
	struct buf packed = {0};
	struct err err = ERR_INIT;
	struct position at = POSITION_START;
	struct position again = POSITION_START;
	size_t cut;

	make_packed(&packed, _i == 0 ? READER_GZIP : READER_ZSTD);
	write_file(packed.data, packed.len);
	for (cut = 0; cut <= TEXT_LEN; cut++) {
		open_at(POSITION_START, (int64_t)packed.len);
		ck_assert_int_eq(read_all(5, &err), 0);
		got_text(TEXT, TEXT_LEN);
		reader_position(reader, (int64_t)cut, &at);
		if (cut >= 30)
			ck_assert_int_gt(at.offset, 0);
		open_at(at, (int64_t)packed.len);
		ck_assert_int_eq(read_all(6, &err), 0);
		got_text(TEXT + cut, TEXT_LEN - cut);
		/* And what the second opening says about the rest is right as well. */
		reader_position(reader, (int64_t)(TEXT_LEN - cut), &again);
		open_at(again, (int64_t)packed.len);
		ck_assert_int_eq(read_all(6, &err), 0);
		got_text("", 0);
	}
	buf_fini(&packed);
}
END_TEST

START_TEST(a_file_growing_mid_frame_waits_for_the_rest_at_every_byte)
{
	struct buf packed = {0};
	struct err err = ERR_INIT;
	struct position at;
	size_t first;
	size_t cut;

	make_packed(&packed, _i == 0 ? READER_GZIP : READER_ZSTD);
	write_file(packed.data, packed.len);
	for (cut = 0; cut <= packed.len; cut++) {
		open_at(POSITION_START, (int64_t)cut);
		ck_assert_int_eq(read_all(9, &err), 0);
		first = got.len;
		ck_assert_int_eq(memcmp(TEXT, got.data == NULL ? "" : got.data, first), 0);
		ck_assert(cut == packed.len ? !reader_is_mid_frame(reader)
					    : first < TEXT_LEN || reader_is_mid_frame(reader));
		at = POSITION_START;
		reader_position(reader, (int64_t)first, &at);
		open_at(at, (int64_t)packed.len);
		ck_assert_int_eq(read_all(9, &err), 0);
		got_text(TEXT, TEXT_LEN);
	}
	buf_fini(&packed);
}
END_TEST

START_TEST(asking_again_in_the_middle_of_a_frame_is_harmless)
{
	struct buf packed = {0};
	struct err err = ERR_INIT;
	char data[64];
	size_t n;
	int i;

	make_packed(&packed, _i == 0 ? READER_GZIP : READER_ZSTD);
	write_file(packed.data, packed.len);
	open_at(POSITION_START, (int64_t)packed.len - 3);
	ck_assert_int_eq(read_all(9, &err), 0);
	for (i = 0; i < 100; i++) {
		ck_assert_int_eq(reader_read(reader, data, sizeof(data), &n, &err), 0);
		ck_assert_uint_eq(n, 0);
	}
	ck_assert(reader_is_mid_frame(reader));
	buf_fini(&packed);
}
END_TEST

START_TEST(garbage_behind_a_member_is_broken_compression_and_what_was_read_counts)
{
	struct buf packed = {0};
	struct err err = ERR_INIT;
	struct position at = POSITION_START;

	make_packed(&packed, _i == 0 ? READER_GZIP : READER_ZSTD);
	buf_add_text(&packed, "garbage behind it");
	write_file(packed.data, packed.len);
	open_at(POSITION_START, (int64_t)packed.len);
	ck_assert_int_eq(read_all(1000, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, _i == 0 ? "broken gzip data" : "broken zstd data"));
	ck_assert_int_eq(strncmp(err.text, "f near byte ", 12), 0);
	got_text(TEXT, TEXT_LEN);
	reader_position(reader, (int64_t)TEXT_LEN, &at);
	open_at(at, (int64_t)packed.len);
	ck_assert_int_eq(read_all(1000, &err), ERR_INVALID);
	got_text("", 0);
	buf_fini(&packed);
}
END_TEST

START_TEST(a_flipped_bit_never_gives_other_bytes_without_a_failure)
{
	struct buf packed = {0};
	struct err err = ERR_INIT;
	size_t i;
	int rc;

	make_packed(&packed, _i == 0 ? READER_GZIP : READER_ZSTD);
	/* A flip in gzip's header (time, system, flags) changes nothing that counts; start behind
	 * the magic. */
	for (i = 4; i < packed.len; i++) {
		packed.data[i] ^= 0x10;
		write_file(packed.data, packed.len);
		open_at(POSITION_START, (int64_t)packed.len);
		rc = read_all(100, &err);
		ck_assert(rc == ERR_INVALID || rc == 0);
		if (rc == 0 && !reader_is_mid_frame(reader))
			got_text(TEXT, TEXT_LEN);
		buf_clear(&got);
		packed.data[i] ^= 0x10;
	}
	buf_fini(&packed);
}
END_TEST

START_TEST(zeros_behind_gzip_members_are_padding)
{
	static const char zeros[700];
	struct buf packed = {0};
	struct err err = ERR_INIT;

	make_packed(&packed, READER_GZIP);
	buf_add(&packed, zeros, sizeof(zeros));
	write_file(packed.data, packed.len);
	open_at(POSITION_START, (int64_t)packed.len);
	ck_assert_int_eq(read_all(100, &err), 0);
	ck_assert(!reader_is_mid_frame(reader));
	got_text(TEXT, TEXT_LEN);
	buf_fini(&packed);
}
END_TEST

START_TEST(skippable_frames_of_zstd_pass_without_output)
{
	static const char skippable[] = {0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z'};
	struct buf packed = {0};
	struct err err = ERR_INIT;

	buf_add(&packed, skippable, sizeof(skippable));
	add_zstd(&packed, TEXT, TEXT_LEN);
	buf_add(&packed, skippable, sizeof(skippable));
	write_file(packed.data, packed.len);
	open_at(POSITION_START, (int64_t)packed.len);
	ck_assert_int_eq(read_all(100, &err), 0);
	got_text(TEXT, TEXT_LEN);
	buf_fini(&packed);
}
END_TEST

START_TEST(the_beginning_of_a_magic_number_alone_waits)
{
	struct err err = ERR_INIT;
	enum reader_format format;

	write_file("\x1f", 1);
	open_at(POSITION_START, 1);
	ck_assert_int_eq(read_all(100, &err), 0);
	got_text("", 0);
	ck_assert(reader_is_mid_frame(reader));
	ck_assert_int_eq(reader_format(reader, &format, &err), 0);
	ck_assert_int_eq(format, READER_GZIP);
	/* It was only a bracket after all. */
	write_file("[{}]", 4);
	open_at(POSITION_START, 1);
	ck_assert_int_eq(read_all(100, &err), 0);
	got_text("", 0);
	open_at(POSITION_START, 4);
	ck_assert_int_eq(read_all(100, &err), 0);
	got_text("[{}]", 4);
}
END_TEST

START_TEST(very_many_members_keep_positions_right)
{
	struct buf packed = {0};
	struct buf text = {0};
	struct err err = ERR_INIT;
	struct position at = POSITION_START;
	char line[32];
	size_t cut;
	int i;

	for (i = 0; i < 1100; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		buf_add_text(&text, line);
		add_gzip(&packed, line, strlen(line));
	}
	write_file(packed.data, packed.len);
	for (cut = 0; cut < text.len; cut += 1997) {
		open_at(POSITION_START, (int64_t)packed.len);
		ck_assert_int_eq(read_all(4096, &err), 0);
		got_text(text.data, text.len);
		reader_position(reader, (int64_t)cut, &at);
		open_at(at, (int64_t)packed.len);
		ck_assert_int_eq(read_all(4096, &err), 0);
		got_text(text.data + cut, text.len - cut);
	}
	/* The newest frame start is never forgotten. */
	open_at(POSITION_START, (int64_t)packed.len);
	ck_assert_int_eq(read_all(4096, &err), 0);
	reader_position(reader, (int64_t)text.len, &at);
	ck_assert_int_eq(at.offset, (int64_t)packed.len);
	ck_assert_int_eq(at.skip, 0);
	buf_fini(&packed);
	buf_fini(&text);
}
END_TEST

static int try_open(const char *path, const struct file_identity *identity, struct err *err)
{
	struct reader_target target = {
		.dir_fd = dir_fd, .path = path, .identity = identity, .limit = 100};

	return reader_open(reader, &target, err);
}

START_TEST(what_is_no_regular_file_is_refused_without_blocking)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(mkfifoat(dir_fd, "f", 0666), 0);
	ck_assert_int_eq(try_open("f", NULL, &err), ERR_INVALID);
	ck_assert_int_eq(unlinkat(dir_fd, "f", 0), 0);
	ck_assert_int_eq(symlinkat("/etc/passwd", dir_fd, "f"), 0);
	ck_assert_int_eq(try_open("f", NULL, &err), ERR_INVALID);
	ck_assert_int_eq(unlinkat(dir_fd, "f", 0), 0);
	ck_assert_int_eq(mkdirat(dir_fd, "sub", 0777), 0);
	ck_assert_int_eq(try_open("sub", NULL, &err), ERR_INVALID);
	ck_assert_int_eq(try_open("gone", NULL, &err), ERR_MISSING);
	ck_assert_int_eq(try_open("sub/gone", NULL, &err), ERR_MISSING);
}
END_TEST

START_TEST(a_link_on_the_way_down_is_not_followed)
{
	struct err err = ERR_INIT;
	int fd;

	ck_assert_int_eq(mkdirat(dir_fd, "sub", 0777), 0);
	fd = openat(dir_fd, "sub/f", O_CREAT | O_WRONLY, 0666);
	close(fd);
	ck_assert_int_eq(symlinkat("sub", dir_fd, "link"), 0);
	ck_assert_int_eq(try_open("sub/f", NULL, &err), 0);
	ck_assert_int_eq(try_open("link/f", NULL, &err), ERR_INVALID);
}
END_TEST

START_TEST(another_or_a_rewritten_file_under_the_name_is_missing)
{
	struct file_identity identity = {0};
	struct entry_status status;
	struct err err = ERR_INIT;

	write_file(TEXT, TEXT_LEN);
	ck_assert_int_eq(entry_stat(dir_fd, "f", &status), 0);
	identity.inode = status.inode;
	identity.device = status.device;
	identity.birth_ns = status.birth_ns;
	ck_assert_int_eq(try_open("f", &identity, &err), 0);
	ck_assert_int_eq(identity_fingerprint(reader_fd(reader), 20, &identity, &err), 0);
	ck_assert_int_eq(try_open("f", &identity, &err), 0);
	write_file(TEXT + 1, TEXT_LEN - 1);
	ck_assert_int_eq(try_open("f", &identity, &err), ERR_MISSING);
	ck_assert_str_eq(err.text, "f: was rewritten in place");
	write_file(TEXT, 19);
	ck_assert_int_eq(try_open("f", &identity, &err), ERR_MISSING);
	write_file(TEXT, TEXT_LEN);
	ck_assert_int_eq(try_open("f", &identity, &err), 0);
	identity.inode++;
	ck_assert_int_eq(try_open("f", &identity, &err), ERR_MISSING);
	ck_assert_str_eq(err.text, "f: another file has that name now");
}
END_TEST

START_TEST(interrupted_and_short_reads_are_gone_on_with)
{
	struct err err = ERR_INIT;
	struct file_identity identity = {0};
	struct buf packed = {0};

	make_packed(&packed, READER_GZIP);
	reads_are_short = true;
	write_file(packed.data, packed.len);
	open_at(POSITION_START, (int64_t)packed.len);
	read_failures[0] = read_failures[1] = EINTR;
	n_read_failures = 2;
	ck_assert_int_eq(read_all(100, &err), 0);
	got_text(TEXT, TEXT_LEN);
	write_file(TEXT, TEXT_LEN);
	open_at(POSITION_START, (int64_t)TEXT_LEN);
	n_read_failures = 2;
	ck_assert_int_eq(read_all(100, &err), 0);
	got_text(TEXT, TEXT_LEN);
	n_read_failures = 1;
	ck_assert_int_eq(identity_fingerprint(reader_fd(reader), 20, &identity, &err), 0);
	reads_are_short = false;
	ck_assert_int_eq(identity_fits(reader_fd(reader), &identity, &err), 1);
	buf_fini(&packed);
}
END_TEST

START_TEST(an_error_of_reading_is_said_and_reading_goes_on_behind_what_was_delivered)
{
	struct err err = ERR_INIT;
	struct position at = POSITION_START;
	char data[10];
	size_t n;

	write_file(TEXT, TEXT_LEN);
	open_at(POSITION_START, (int64_t)TEXT_LEN);
	ck_assert_int_eq(reader_read(reader, data, sizeof(data), &n, &err), 0);
	ck_assert_uint_eq(n, sizeof(data));
	read_failures[0] = EIO;
	n_read_failures = 1;
	ck_assert_int_eq(reader_read(reader, data, sizeof(data), &n, &err), ERR_IO);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(err.sys_errno, EIO);
	ck_assert_str_eq(err.text, "cannot read f at byte 10: Input/output error");
	reader_position(reader, 10, &at);
	open_at(at, (int64_t)TEXT_LEN);
	ck_assert_int_eq(read_all(100, &err), 0);
	got_text(TEXT + 10, TEXT_LEN - 10);
}
END_TEST

START_TEST(a_file_that_became_shorter_ends_early)
{
	struct err err = ERR_INIT;

	write_file(TEXT, TEXT_LEN);
	open_at(POSITION_START, (int64_t)TEXT_LEN);
	write_file(TEXT, 10);
	ck_assert_int_eq(read_all(100, &err), 0);
	got_text(TEXT, 10);
}
END_TEST

/* Of a file whose last line is unfinished less is counted than was read. */
START_TEST(the_fingerprint_of_a_small_file_is_of_the_bytes_that_were_read)
{
	static const int64_t counted[] = {5, 20, 40};
	struct file_identity before = {0}, taken = {0};
	struct err err = ERR_INIT;

	write_file(TEXT, 40);
	open_at(POSITION_START, 40);
	ck_assert_int_eq(identity_fingerprint(reader_fd(reader), counted[_i], &before, &err), 0);
	ck_assert_int_eq(read_all(100, &err), 0);
	put_byte('?', 1);
	ck_assert_int_eq(reader_fingerprint(reader, counted[_i], &taken, &err), 0);
	ck_assert_int_eq(taken.fp_offset, counted[_i]);
	ck_assert_uint_eq(taken.fp_head, before.fp_head);
	ck_assert_uint_eq(taken.fp_tail, before.fp_tail);
	ck_assert_int_eq(identity_fits(reader_fd(reader), &taken, &err), 0);
}
END_TEST

START_TEST(fingerprints_cover_the_first_and_the_last_4096_bytes_before_the_offset)
{
	static const int64_t offsets[] = {0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 20000};
	static char bytes[20001];
	struct file_identity identity = {0};
	struct err err = ERR_INIT;
	size_t i;
	int64_t at;

	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		memset(bytes, 'x', sizeof(bytes));
		write_file(bytes, sizeof(bytes));
		open_at(POSITION_START, 1);
		ck_assert_int_eq(
			identity_fingerprint(reader_fd(reader), offsets[i], &identity, &err), 0);
		ck_assert_int_eq(identity.fp_offset, offsets[i]);
		for (at = 0; at < 20001; at += at < 8200 || at > 15800 ? 1 : 500) {
			bool is_covered = at < offsets[i] && (at < 4096 || at >= offsets[i] - 4096);

			if (at % 97 != 0 && at != 4095 && at != 4096 && at != offsets[i] - 1 &&
				at != offsets[i] && at != offsets[i] - 4096 &&
				at != offsets[i] - 4097)
				continue;
			put_byte('y', at);
			ck_assert_int_eq(identity_fits(reader_fd(reader), &identity, &err),
				is_covered ? 0 : 1);
			put_byte('x', at);
		}
	}
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("reader");
	TCase *tc = tcase_create("reader");

	tcase_set_timeout(tc, 600);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_plain_file_is_read_from_any_byte_to_the_limit);
	tcase_add_test(tc, tiny_plain_files_are_plain);
	tcase_add_loop_test(tc, several_members_or_frames_are_read_in_pieces_of_any_size, 0, 2);
	tcase_add_loop_test(tc, reading_goes_on_at_every_position_of_a_compressed_file, 0, 2);
	tcase_add_loop_test(tc, a_file_growing_mid_frame_waits_for_the_rest_at_every_byte, 0, 2);
	tcase_add_loop_test(tc, asking_again_in_the_middle_of_a_frame_is_harmless, 0, 2);
	tcase_add_loop_test(
		tc, garbage_behind_a_member_is_broken_compression_and_what_was_read_counts, 0, 2);
	tcase_add_loop_test(tc, a_flipped_bit_never_gives_other_bytes_without_a_failure, 0, 2);
	tcase_add_test(tc, zeros_behind_gzip_members_are_padding);
	tcase_add_test(tc, skippable_frames_of_zstd_pass_without_output);
	tcase_add_test(tc, the_beginning_of_a_magic_number_alone_waits);
	tcase_add_test(tc, very_many_members_keep_positions_right);
	tcase_add_test(tc, what_is_no_regular_file_is_refused_without_blocking);
	tcase_add_test(tc, a_link_on_the_way_down_is_not_followed);
	tcase_add_test(tc, another_or_a_rewritten_file_under_the_name_is_missing);
	tcase_add_test(tc, interrupted_and_short_reads_are_gone_on_with);
	tcase_add_test(
		tc, an_error_of_reading_is_said_and_reading_goes_on_behind_what_was_delivered);
	tcase_add_test(tc, a_file_that_became_shorter_ends_early);
	tcase_add_loop_test(
		tc, the_fingerprint_of_a_small_file_is_of_the_bytes_that_were_read, 0, 3);
	tcase_add_test(tc, fingerprints_cover_the_first_and_the_last_4096_bytes_before_the_offset);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(make_suite());
}
