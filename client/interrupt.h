/*
 * Ctrl-C as a number to look at: how often it was pressed since the last look.
 *
 * The count is the one variable a signal handler may touch. Waiting for input
 * goes through interrupt_wait, which sees a Ctrl-C however late it comes.
 */
#ifndef CLIENT_INTERRUPT_H
#define CLIENT_INTERRUPT_H

#include <stdbool.h>

/* Catches SIGINT from now on. */
void interrupt_start(void);

/* How often Ctrl-C was pressed since interrupt_clear(). */
int interrupt_count(void);
void interrupt_clear(void);

/*
 * Waits until `fd` can be read (or written, with `for_write`), Ctrl-C was
 * pressed more than `seen` times, or `timeout_ms` passed (-1: no limit).
 * Returns 1 when the descriptor is ready, 0 when the time is over, -1 for Ctrl-C.
 */
int interrupt_wait(int fd, bool for_write, int seen, int timeout_ms);

#endif
