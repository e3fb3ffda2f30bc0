/*
 * SIGINT is blocked but for the moment of waiting: so it cannot fall between
 * the look at the count and the wait.
 */
#include "client/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static volatile sig_atomic_t presses;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	if (presses < 1000)
		presses++;
}

void interrupt_start(void)
{
	struct sigaction action = {.sa_handler = on_interrupt};

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGINT, &action, NULL);
}

int interrupt_count(void)
{
	return presses;
}

void interrupt_clear(void)
{
	presses = 0;
}

int interrupt_wait(int fd, bool for_write, int seen, int timeout_ms)
{
	struct pollfd wanted = {.fd = fd, .events = for_write ? POLLOUT : POLLIN};
	struct timespec timeout = {
		.tv_sec = timeout_ms / 1000, .tv_nsec = (timeout_ms % 1000) * 1000000L};
	sigset_t blocked;
	sigset_t before;
	int ready = -1;

	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &blocked, &before);
	while (presses <= seen) {
		ready = ppoll(&wanted, 1, timeout_ms < 0 ? NULL : &timeout, &before);
		if (ready >= 0 || errno != EINTR)
			break;
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	/* A failed poll is left to the read that follows: it says what is wrong. */
	return ready >= 0 ? ready > 0 : presses > seen ? -1 : 1;
}
