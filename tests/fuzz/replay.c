/*
 * Runs a fuzz target over stored inputs, with any compiler: the files and
 * directories named as arguments, or else the corpus that the target was built
 * with (REPLAY_CORPUS, below the source directory). A target that finds
 * something aborts; the name of the input then stands last on standard error.
 */
#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define INPUT_MAX_BYTES (64u << 20)
#define PATH_BYTES      4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	struct err err = ERR_INIT;
	struct buf buf = {0};

	if (file_read_all(path, INPUT_MAX_BYTES, &buf, &err) != 0) {
		(void)fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	(void)fprintf(stderr, "%s\n", path);
	(void)LLVMFuzzerTestOneInput((const uint8_t *)buf.data, buf.len);
	buf_fini(&buf);
	return 1;
}

/* How many inputs were run, or -1. */
static int replay_dir(const char *dir)
{
	char path[PATH_BYTES];
	const struct dirent *entry;
	DIR *stream = opendir(dir);
	int n = 0;

	if (stream == NULL) {
		perror(dir);
		return -1;
	}
	while ((entry = readdir(stream)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (replay_file(path) < 0) {
			n = -1;
			break;
		}
		n++;
	}
	(void)closedir(stream);
	return n;
}

static int replay(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return replay_dir(path);
	return replay_file(path);
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	char corpus[PATH_BYTES];
	int n = 0, more = 0;
	int i;

	if (argc > 1) {
		for (i = 1; i < argc && more >= 0; i++) {
			more = replay(argv[i]);
			n += more;
		}
	} else {
		(void)snprintf(corpus, sizeof(corpus), "%s/%s", srcdir != NULL ? srcdir : ".",
			REPLAY_CORPUS);
		more = replay(corpus);
		n = more;
	}
	if (more < 0 || n == 0)
		return EXIT_FAILURE;
	printf("%d inputs\n", n);
	return EXIT_SUCCESS;
}
