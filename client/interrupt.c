/*
 * The signals are blocked but for the moment of waiting: so none can fall
 * between the look at its variable and the wait.
 */
#include "client/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static volatile sig_atomic_t presses;
static volatile sig_atomic_t must_redraw;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	if (presses < 1000)
		presses++;
}

static void on_redraw(int signal_number)
{
	(void)signal_number;
	must_redraw = 1;
}

static void take_signal(int signal_number, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(signal_number, &action, NULL);
}

void interrupt_start(void)
{
	take_signal(SIGINT, on_interrupt, 0);
}

int interrupt_count(void)
{
	return presses;
}

void interrupt_clear(void)
{
	presses = 0;
}

static void block(sigset_t *before)
{
	sigset_t blocked;

	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGINT);
	(void)sigaddset(&blocked, SIGWINCH);
	(void)sigaddset(&blocked, SIGCONT);
	(void)sigprocmask(SIG_BLOCK, &blocked, before);
}

static int wait_once(struct pollfd *wanted, int timeout_ms, const sigset_t *mask)
{
	struct timespec timeout = {
		.tv_sec = timeout_ms / 1000, .tv_nsec = (timeout_ms % 1000) * 1000000L};

	return ppoll(wanted, 1, timeout_ms < 0 ? NULL : &timeout, mask);
}

int interrupt_wait(int fd, bool for_write, int seen, int timeout_ms)
{
	struct pollfd wanted = {.fd = fd, .events = for_write ? POLLOUT : POLLIN};
	sigset_t before;
	int ready = -1;

	block(&before);
	while (presses <= seen) {
		ready = wait_once(&wanted, timeout_ms, &before);
		if (ready >= 0 || errno != EINTR)
			break;
	}
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	/* A failed poll is left to the read that follows: it says what is wrong. */
	return ready >= 0 ? ready > 0 : presses > seen ? -1 : 1;
}

enum interrupt_reason interrupt_wait_screen(int fd, int timeout_ms)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};
	enum interrupt_reason reason = INTERRUPT_KEY;
	sigset_t before;
	int ready = -1;

	/* What else is going on need not know of these. */
	take_signal(SIGWINCH, on_redraw, SA_RESTART);
	take_signal(SIGCONT, on_redraw, SA_RESTART);
	block(&before);
	while (presses == 0 && !must_redraw) {
		ready = wait_once(&wanted, timeout_ms, &before);
		if (ready >= 0 || errno != EINTR)
			break;
	}
	if (presses > 0)
		reason = INTERRUPT_CTRL_C;
	else if (must_redraw)
		reason = INTERRUPT_REDRAW;
	else if (ready == 0)
		reason = INTERRUPT_TIME;
	must_redraw = 0;
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return reason;
}
