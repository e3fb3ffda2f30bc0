/*
 * What known and new files cost: the source and the reader against the bare
 * system calls on the same directory of small files.
 *
 *   bench_files DIR [N]   makes N (100000) files of 20 lines in DIR if they are not there
 *
 * Prints microseconds a file, the best of some passes: listing, looking and
 * reading by hand; the same through source and reader, fingerprints and
 * bookkeeping included; a full scan when all is known; one notice; the memory
 * a known file takes. The first pass, which warms the caches, is thrown away.
 */
#include "stream/reader.h"
#include "stream/source.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PASSES     4
#define READ_BYTES (256 * 1024)

static char data[READ_BYTES];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void check(int rc, const struct err *err)
{
	if (rc < 0) {
		(void)fprintf(stderr, "%s\n", err->text);
		exit(1);
	}
}

static double now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int64_t wall_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void make_files(const char *dir, long n)
{
	char path[512];
	long i;
	int line;

	(void)mkdir(dir, 0777);
	(void)snprintf(path, sizeof(path), "%s/file-%ld.json", dir, n - 1);
	if (access(path, F_OK) == 0)
		return;
	for (i = 0; i < n; i++) {
		FILE *file;

		(void)snprintf(path, sizeof(path), "%s/file-%ld.json", dir, i);
		file = fopen(path, "w");
		if (file == NULL)
			die(path);
		for (line = 0; line < 20; line++)
			(void)fprintf(file, "{\"time\":%ld,\"action\":\"Open\"}\n",
				1469501107 + i * 20 + line);
		(void)fclose(file);
	}
}

/* List, stat, open, read, close: nobody can do with less. */
static int64_t read_by_hand(const char *dir)
{
	DIR *entries = opendir(dir);
	const struct dirent *entry;
	struct stat status;
	int64_t n_bytes = 0;
	ssize_t n;
	int fd;

	if (entries == NULL)
		die(dir);
	while ((entry = readdir(entries)) != NULL) {
		if (fstatat(dirfd(entries), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
			!S_ISREG(status.st_mode))
			continue;
		fd = openat(dirfd(entries), entry->d_name, O_RDONLY | O_CLOEXEC);
		n = read(fd, data, sizeof(data));
		n_bytes += n > 0 ? n : 0;
		(void)close(fd);
	}
	(void)closedir(entries);
	return n_bytes;
}

static const struct source *sorted; /* for compare_slots, which qsort gives no context */

static int compare_slots(const void *a, const void *b)
{
	return source_compare(sorted, *(const size_t *)a, *(const size_t *)b);
}

static int64_t read_one(struct source *source, struct reader *reader, size_t slot)
{
	const struct file *file = source_file(source, slot);
	struct reader_target target = {
		.dir_fd = source_dir_fd(source),
		.path = file->path,
		.identity = &file->identity,
		.limit = file->size,
	};
	struct file_identity identity;
	struct err err = ERR_INIT;
	int64_t n_bytes = 0;
	size_t n;

	check(reader_open(reader, &target, &err), &err);
	do {
		check(reader_read(reader, data, sizeof(data), &n, &err), &err);
		n_bytes += (int64_t)n;
	} while (n > 0);
	check(reader_fingerprint(reader, n_bytes, &identity, &err), &err);
	reader_close(reader);
	source_consumed(source, slot, target.limit, &identity, true);
	return n_bytes;
}

/* Everything but the events. */
static int64_t read_by_source(struct source *source, struct reader *reader)
{
	struct err err = ERR_INIT;
	int64_t n_bytes = 0;
	size_t *slots;
	size_t n;
	size_t i;

	check(source_scan(source, true, wall_us(), &err), &err);
	check(source_take_changed(source, &slots, &n, &err), &err);
	sorted = source;
	qsort(slots, n, sizeof(*slots), compare_slots);
	for (i = 0; i < n; i++)
		n_bytes += read_one(source, reader, slots[i]);
	free(slots);
	return n_bytes;
}

static void report(const char *what, double seconds, size_t n)
{
	(void)printf("%-52s %8.3f s %8.3f us a file\n", what, seconds, seconds * 1e6 / (double)n);
}

static double best_of(double best, double seconds, int pass)
{
	return pass <= 1 || seconds < best ? seconds : best;
}

int main(int argc, char **argv)
{
	static char glob[] = "*";
	struct source_spec spec = {.name = "events", .glob = glob, .max_file_age_us = -1};
	struct err err = ERR_INIT;
	struct source *source = NULL;
	struct reader *reader = reader_new();
	double hand = 0, all = 0, again = 0, notice = 0, start;
	size_t memory = 0, n = 0;
	long n_files = argc > 2 ? atol(argv[2]) : 100000;
	int pass;

	if (argc < 2) {
		(void)fprintf(stderr, "usage: bench_files DIR [N]\n");
		return 64;
	}
	make_files(argv[1], n_files);
	spec.path = argv[1];
	for (pass = 0; pass < PASSES; pass++) {
		start = now_s();
		(void)read_by_hand(argv[1]);
		hand = best_of(hand, now_s() - start, pass);

		source_close(source);
		memory = mallinfo2().uordblks + mallinfo2().hblkhd;
		start = now_s();
		check(source_open(&source, &spec, &err), &err);
		(void)read_by_source(source, reader);
		all = best_of(all, now_s() - start, pass);
		memory = mallinfo2().uordblks + mallinfo2().hblkhd - memory;
		n = source_n_slots(source);

		start = now_s();
		check(source_scan(source, true, wall_us(), &err), &err);
		again = best_of(again, now_s() - start, pass);

		(void)source_notice(source, source_file(source, n / 2)->path);
		start = now_s();
		check(source_scan(source, false, wall_us(), &err), &err);
		notice = best_of(notice, now_s() - start, pass);
	}
	report("list, stat, open, read, close", hand, n);
	report("source and reader, sorted, with fingerprints", all, n);
	report("full scan, all known", again, n);
	(void)printf("%-52s %8.1f us\n", "one notice among them", notice * 1e6);
	(void)printf("%-52s %8zu bytes\n", "a known file takes", memory / n);
	source_close(source);
	reader_free(reader);
	return 0;
}
