/*
 * Runs a fuzz target over stored inputs, with any compiler: the files and
 * directories named as arguments, or else the corpus that the target was built
 * with (REPLAY_CORPUS, below the source directory). Behind each input come
 * copies of it with some bytes changed: REPLAY_CHANGES of them, or
 * `--changes N`; the same every time, for `--seed N` others. A target that
 * finds something aborts; the input, the seed and the number of the copy then
 * stand last on standard error.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_MAX_BYTES (64u << 20)
#define PATH_BYTES      4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct replay {
	uint64_t seed, random;
	long n_changes; /* copies of each input */
	int n;          /* inputs run */
};

/* Where the target is, for who wants to see that again. */
static char place[PATH_BYTES + 64];

static void on_crash(int number)
{
	(void)!write(STDERR_FILENO, place, strlen(place));
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

static uint64_t draw(struct replay *replay, uint64_t below)
{
	replay->random = replay->random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (replay->random >> 33) % below;
}

/* Takes n_out bytes out and puts n_in others in. */
static void splice(struct buf *bytes, size_t at, size_t n_out, const char *in, size_t n_in)
{
	struct buf changed = {0};

	buf_add(&changed, bytes->data, at);
	buf_add(&changed, in, n_in);
	buf_add(&changed, bytes->data + at + n_out, bytes->len - at - n_out);
	if (!buf_ok(&changed))
		abort();
	buf_fini(bytes);
	*bytes = changed;
}

static void change(struct replay *replay, struct buf *bytes, const struct buf *whole)
{
	static const char likely[] =
		"\"\\{}[],:;'0123456789.-+eE \n\r\ttfn\x00\x1f\x7f\x80\xc3\xff";
	size_t at = draw(replay, bytes->len);
	size_t n = 1 + draw(replay, bytes->len - at < 40 ? bytes->len - at : 40);
	char byte =
		draw(replay, 2) ? likely[draw(replay, sizeof(likely))] : (char)draw(replay, 256);
	size_t from;

	switch (draw(replay, 6)) {
	case 0: bytes->data[at] = byte; break;
	case 1: bytes->data[at] = (char)(bytes->data[at] ^ 1 << draw(replay, 8)); break;
	case 2: splice(bytes, at, 0, &byte, 1); break;
	case 3: splice(bytes, at, n < bytes->len ? n : 0, NULL, 0); break;
	case 4: splice(bytes, at, 0, whole->data, n < whole->len ? n : whole->len); break;
	default:
		from = draw(replay, whole->len);
		splice(bytes, at, n < bytes->len ? n : 0, whole->data + from,
			n < whole->len - from ? n : whole->len - from);
		break;
	}
}

static void run(const struct buf *bytes)
{
	/* In memory that ends where the bytes end. */
	uint8_t *copy = malloc(bytes->len + 1);

	if (copy == NULL)
		abort();
	if (bytes->len > 0)
		memcpy(copy + 1, bytes->data, bytes->len);
	(void)LLVMFuzzerTestOneInput(copy + 1, bytes->len);
	free(copy);
}

static void run_changed(struct replay *replay, const char *path, const struct buf *whole)
{
	replay->random = replay->seed;
	for (long i = 0; i < replay->n_changes && whole->len > 0; i++) {
		struct buf bytes = {0};

		(void)snprintf(place, sizeof(place), "%s, seed %llu, copy %ld\n", path,
			(unsigned long long)replay->seed, i);
		buf_add(&bytes, whole->data, whole->len);
		for (uint64_t n = 1 + draw(replay, 1 << draw(replay, 5)); n > 0; n--)
			change(replay, &bytes, whole);
		run(&bytes);
		buf_fini(&bytes);
	}
}

static int replay_file(struct replay *replay, const char *path)
{
	struct err err = ERR_INIT;
	struct buf buf = {0};

	if (file_read_all(path, INPUT_MAX_BYTES, &buf, &err) != 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	(void)snprintf(place, sizeof(place), "%s\n", path);
	run(&buf);
	run_changed(replay, path, &buf);
	buf_fini(&buf);
	replay->n++;
	return 0;
}

static int replay_dir(struct replay *replay, const char *dir)
{
	char path[PATH_BYTES];
	const struct dirent *entry;
	DIR *stream = opendir(dir);
	int rc = 0;

	if (stream == NULL) {
		perror(dir);
		return -1;
	}
	while (rc == 0 && (entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		rc = replay_file(replay, path);
	}
	(void)closedir(stream);
	return rc;
}

static int replay_path(struct replay *replay, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return replay_dir(replay, path);
	return replay_file(replay, path);
}

int main(int argc, char **argv)
{
	struct replay replay = {.seed = 1, .n_changes = REPLAY_CHANGES};
	const char *srcdir = getenv("srcdir");
	char corpus[PATH_BYTES];
	int rc = 0;
	int i = 1;

	(void)signal(SIGABRT, on_crash);
	(void)signal(SIGSEGV, on_crash);
	for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--changes") == 0)
			replay.n_changes = strtol(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--seed") == 0)
			replay.seed = strtoull(argv[i + 1], NULL, 10);
	}
	if (i == argc) {
		(void)snprintf(corpus, sizeof(corpus), "%s/%s", srcdir != NULL ? srcdir : ".",
			REPLAY_CORPUS);
		rc = replay_path(&replay, corpus);
	}
	for (; i < argc && rc == 0; i++)
		rc = replay_path(&replay, argv[i]);
	if (rc < 0 || replay.n == 0)
		return EXIT_FAILURE;
	printf("%d inputs, %ld changed copies of each\n", replay.n, replay.n_changes);
	return EXIT_SUCCESS;
}
