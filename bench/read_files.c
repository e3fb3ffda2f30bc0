/*
 * The yardstick: reads files with read() into one reused buffer of 256 KiB a
 * thread and does nothing with the bytes. Prints seconds, bytes, and seconds of
 * CPU time.
 *
 *     read_files [THREADS] < LIST     one path a line; the listing is not measured
 *     read_files THREADS DIR          lists DIR, looks at each file, reads each: all measured
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES (256 * 1024)
#define MAX_FILES    2000000

static int dir_fd = AT_FDCWD;
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
		int fd = openat(dir_fd, paths[i], O_RDONLY | O_CLOEXEC);
		ssize_t n;

		while (fd >= 0 && (n = read(fd, buffer, BUFFER_BYTES)) > 0)
			atomic_fetch_add(&n_bytes, n);
		if (fd >= 0)
			close(fd);
	}
	free(buffer);
	return unused;
}

static void take_list(FILE *list)
{
	char line[4096];

	while (n_paths < MAX_FILES && fgets(line, sizeof(line), list) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		paths[n_paths++] = strdup(line);
	}
}

static void take_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	struct stat status;

	if (dir == NULL) {
		perror(path);
		exit(1);
	}
	dir_fd = dirfd(dir);
	while (n_paths < MAX_FILES && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' &&
			fstatat(dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
			paths[n_paths++] = strdup(entry->d_name);
	}
}

static double seconds(struct timespec time)
{
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int n_threads = argc > 1 ? atoi(argv[1]) : 1;
	pthread_t threads[64];
	struct timespec start, end, cpu_start, cpu_end;

	paths = calloc(MAX_FILES, sizeof(*paths));
	if (paths == NULL)
		return 1;
	if (argc <= 2)
		take_list(stdin);
	clock_gettime(CLOCK_MONOTONIC, &start);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_start);
	if (argc > 2)
		take_directory(argv[2]);
	for (int i = 0; i < n_threads && i < 64; i++)
		pthread_create(&threads[i], NULL, read_some, NULL);
	for (int i = 0; i < n_threads && i < 64; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_end);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.6f %lld %.6f\n", seconds(end) - seconds(start), (long long)n_bytes,
		seconds(cpu_end) - seconds(cpu_start));
	return 0;
}
