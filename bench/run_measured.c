/*
 * Runs a command and prints, behind what it printed itself, one line: seconds
 * of wall time, seconds of CPU time, peak resident bytes. A small program in
 * between, because a process inherits the peak of whoever started it.
 *
 *	run_measured COMMAND [ARGUMENT]…
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec * 1e-6;
}

int main(int argc, char **argv)
{
	struct timespec begun, ended;
	struct rusage usage;
	int status = 0;
	pid_t child;

	if (argc < 2)
		return 64;
	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	child = fork();
	if (child == 0) {
		(void)execv(argv[1], argv + 1);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child)
		return 1;
	(void)clock_gettime(CLOCK_MONOTONIC, &ended);
	printf("%.6f %.6f %lld\n",
		(double)(ended.tv_sec - begun.tv_sec) +
			(double)(ended.tv_nsec - begun.tv_nsec) * 1e-9,
		seconds(&usage.ru_utime) + seconds(&usage.ru_stime),
		(long long)usage.ru_maxrss * 1024);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
