/* Files are made with plain system calls; whatever fails ends the test. */
#include "tests/stream/source_fixture.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void open_source(struct fixture *f)
{
	struct err err = ERR_INIT;
	int rc = source_open(&f->source, &f->spec, &err);

	ck_assert_msg(rc == 0, "source_open: %s", err.text);
}

void fixture_open(struct fixture *f)
{
	static char glob[] = "*";

	memset(f, 0, sizeof(*f));
	strcpy(f->root, "/tmp/tallyd-source-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(f->root));
	ck_assert_int_eq(chmod(f->root, 0755), 0);
	snprintf(f->dir, sizeof(f->dir), "%s/events", f->root);
	snprintf(f->archive, sizeof(f->archive), "%s/archive", f->root);
	ck_assert_int_eq(mkdir(f->dir, 0777), 0);
	strcpy(f->spec.name, "events");
	f->spec.path = f->dir;
	f->spec.glob = glob;
	f->spec.poll_interval_us = 1000000;
	f->spec.max_file_age_us = -1;
	f->spec.archive_dir = f->archive;
	f->reader = reader_new();
	ck_assert_ptr_nonnull(f->reader);
	open_source(f);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

void fixture_close(struct fixture *f)
{
	source_close(f->source);
	reader_free(f->reader);
	buf_fini(&f->got);
	(void)nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fixture_path(struct fixture *f, const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", f->dir, name);
	return path;
}

static void write_file(const char *path, int flags, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0666);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	ck_assert_int_eq(close(fd), 0);
}

void fixture_write_bytes(struct fixture *f, const char *name, const void *bytes, size_t len)
{
	write_file(fixture_path(f, name), O_TRUNC, bytes, len);
}

void fixture_write(struct fixture *f, const char *name, const char *text)
{
	fixture_write_bytes(f, name, text, strlen(text));
}

void fixture_append(struct fixture *f, const char *name, const char *text)
{
	write_file(fixture_path(f, name), O_APPEND, text, strlen(text));
}

void fixture_rename(struct fixture *f, const char *from, const char *to)
{
	ck_assert_int_eq(rename(fixture_path(f, from), fixture_path(f, to)), 0);
}

void fixture_remove(struct fixture *f, const char *name)
{
	ck_assert_int_eq(remove(fixture_path(f, name)), 0);
}

void fixture_mkdir(struct fixture *f, const char *name)
{
	ck_assert_int_eq(mkdir(fixture_path(f, name), 0777), 0);
}

void fixture_set_mtime(struct fixture *f, const char *name, int64_t seconds)
{
	struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};

	ck_assert_int_eq(utimensat(AT_FDCWD, fixture_path(f, name), times, 0), 0);
}

static void take_notes(struct fixture *f)
{
	char *note;

	while ((note = source_take_note(f->source)) != NULL) {
		ck_assert_ptr_null(strchr(note, '\n'));
		strncat(f->notes, note, sizeof(f->notes) - strlen(f->notes) - 2);
		strcat(f->notes, "\n");
		free(note);
	}
}

static void scan(struct fixture *f, bool full)
{
	struct err err = ERR_INIT;
	struct timespec now;
	int rc;

	clock_gettime(CLOCK_REALTIME, &now);
	f->now_us = now.tv_sec * 1000000 + now.tv_nsec / 1000;
	rc = source_scan(f->source, full, f->now_us, &err);
	ck_assert_msg(rc == 0, "source_scan: %s", err.text);
	take_notes(f);
}

void fixture_scan(struct fixture *f)
{
	scan(f, true);
}

void fixture_look(struct fixture *f, const char *name)
{
	source_notice(f->source, name);
	scan(f, false);
}

static struct file *next_waiting(struct fixture *f, size_t *slot)
{
	struct file *file;
	size_t best = SIZE_MAX;
	size_t i;

	for (i = 0; i < source_n_slots(f->source); i++) {
		file = source_file(f->source, i);
		if (file != NULL && file->state == FILE_WAITING &&
			(best == SIZE_MAX || source_compare(f->source, i, best) < 0))
			best = i;
	}
	*slot = best;
	return best == SIZE_MAX ? NULL : source_file(f->source, best);
}

/* Reads to the limit; *delivered bytes were new. */
static int read_file(struct fixture *f, int64_t *delivered, struct err *err)
{
	char data[97];
	size_t n;
	int rc;

	*delivered = 0;
	while ((rc = reader_read(f->reader, data, sizeof(data), &n, err)) == 0 && n > 0) {
		buf_add(&f->got, data, n);
		*delivered += (int64_t)n;
	}
	return rc;
}

static void consume(struct fixture *f, size_t slot, struct file *file)
{
	struct position *at = &f->at[file->id];
	struct reader_target target = {
		.dir_fd = source_dir_fd(f->source),
		.path = file->path,
		.identity = &file->identity,
		.at = *at,
		.limit = file->size,
	};
	struct err err = ERR_INIT;
	struct file_identity identity = {0};
	int64_t delivered = 0;
	int rc = reader_open(f->reader, &target, &err);

	if (rc == ERR_MISSING) {
		source_gone(f->source, slot);
		scan(f, false);
		return;
	}
	if (rc == 0) {
		rc = read_file(f, &delivered, &err);
		reader_position(f->reader, delivered, at);
		file->batch_id = 0;
		ck_assert_int_eq(identity_fingerprint(reader_fd(f->reader),
					 reader_file_bytes(f->reader, delivered), &identity, &err),
			0);
		source_consumed(
			f->source, slot, target.limit, &identity, !reader_is_mid_frame(f->reader));
		reader_close(f->reader);
	}
	if (rc != 0)
		source_failed(f->source, slot, err.text, f->now_us);
}

void fixture_read(struct fixture *f)
{
	struct file *file;
	size_t slot;
	int rounds = 0;

	while ((file = next_waiting(f, &slot)) != NULL) {
		ck_assert_int_lt(file->id, FIXTURE_MAX_FILES);
		ck_assert_int_lt(++rounds, 1000);
		consume(f, slot, file);
	}
}

void fixture_got(struct fixture *f, const char *expected)
{
	buf_add_char(&f->got, '\0');
	ck_assert_str_eq(f->got.data, expected);
	buf_clear(&f->got);
}

void fixture_expect(struct fixture *f, const char *expected)
{
	fixture_scan(f);
	fixture_read(f);
	fixture_got(f, expected);
}

static struct file *find(struct fixture *f, const char *name, bool is_gone)
{
	struct file *found = NULL;
	struct file *file;
	size_t i;

	for (i = 0; i < source_n_slots(f->source); i++) {
		file = source_file(f->source, i);
		if (file != NULL && file_is_gone(file) == is_gone &&
			strcmp(file->path, name) == 0 && (found == NULL || file->id > found->id))
			found = file;
	}
	return found;
}

struct file *fixture_file(struct fixture *f, const char *name)
{
	return find(f, name, false);
}

struct file *fixture_gone(struct fixture *f, const char *name)
{
	return find(f, name, true);
}

size_t fixture_slot(struct fixture *f, const struct file *file)
{
	size_t i = 0;

	while (source_file(f->source, i) != file)
		i++;
	return i;
}

size_t fixture_n_live(struct fixture *f)
{
	const struct file *file;
	size_t n = 0;
	size_t i;

	for (i = 0; i < source_n_slots(f->source); i++) {
		file = source_file(f->source, i);
		n += file != NULL && !file_is_gone(file);
	}
	return n;
}

void fixture_noted(struct fixture *f, const char *part)
{
	take_notes(f);
	ck_assert_msg(strstr(f->notes, part) != NULL, "no note with \"%s\" in: %s", part, f->notes);
	f->notes[0] = '\0';
}

void fixture_noted_nothing(struct fixture *f)
{
	take_notes(f);
	ck_assert_str_eq(f->notes, "");
}

void fixture_restart(struct fixture *f, uint32_t device_shift)
{
	struct source *old = f->source;
	struct err err = ERR_INIT;
	struct file file;
	size_t i;

	open_source(f);
	for (i = 0; i < source_n_slots(old); i++) {
		if (source_file(old, i) == NULL)
			continue;
		file = *source_file(old, i);
		file.identity.device += device_shift;
		ck_assert_int_eq(source_restore(f->source, &file, &err), 0);
	}
	source_close(old);
}
