/*
 * Signals as something to look at: how often Ctrl-C was pressed since the last
 * look, and whether the screen must be drawn again.
 *
 * The two variables are the only ones a signal handler may touch. Waiting for
 * input goes through the functions here, which see a signal however late it comes.
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

/*
 * Waits for what a screen can be interested in: a key (`fd`, -1: none), Ctrl-C
 * at all, the time's end, or that the window changed or the program goes on
 * after Ctrl-Z, which also counts while nobody waits. Catches the signals of
 * these from the first call on.
 */
enum interrupt_reason { INTERRUPT_KEY, INTERRUPT_CTRL_C, INTERRUPT_TIME, INTERRUPT_REDRAW };
enum interrupt_reason interrupt_wait_screen(int fd, int timeout_ms);

#endif
