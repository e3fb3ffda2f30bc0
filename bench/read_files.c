/*
 * The yardstick: reads files with read() into one reused buffer of 256 KiB a
 * thread and does nothing with the bytes. Prints seconds and bytes.
 *
 *     read_files [THREADS] < LIST     one path a line
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)
#define MAX_FILES    2000000

static char **paths;
static size_t n_paths;
static atomic_size_t next_path;
static atomic_llong n_bytes;

static void *read_some(void *unused)
{
	/* Aligned: copies out of the kernel to an odd address are several times slower on some
	 * CPUs. */
	char *buffer = aligned_alloc(4096, BUFFER_BYTES);
	size_t i;

	while (buffer != NULL && (i = atomic_fetch_add(&next_path, 1)) < n_paths) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		ssize_t n;

		while (fd >= 0 && (n = read(fd, buffer, BUFFER_BYTES)) > 0)
			atomic_fetch_add(&n_bytes, n);
		if (fd >= 0)
			close(fd);
	}
	free(buffer);
	return unused;
}

int main(int argc, char **argv)
{
	int n_threads = argc > 1 ? atoi(argv[1]) : 1;
	pthread_t threads[64];
	struct timespec start, end;
	char line[4096];

	paths = calloc(MAX_FILES, sizeof(*paths));
	while (paths != NULL && n_paths < MAX_FILES && fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		paths[n_paths++] = strdup(line);
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < n_threads && i < 64; i++)
		pthread_create(&threads[i], NULL, read_some, NULL);
	for (int i = 0; i < n_threads && i < 64; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.6f %lld\n",
		(double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9,
		(long long)n_bytes);
	return 0;
}
