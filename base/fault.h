/*
 * Faults on demand: named points in the code at which a test lets the process
 * die or a system call fail.
 *
 * Compiled in by --enable-faults only; otherwise fault_hit() is the constant 0
 * and nothing of this is in the program. The environment says what happens:
 *
 *	TALLYD_FAULT=POINT:N:ACTION[,POINT:N:ACTION…]
 *
 * at the N-th pass of POINT (1 is the first; `N+`: from then on; POINT `*`:
 * any point but `alloc`, which is each growing allocation of base/), where ACTION is `kill` (SIGKILL, as from outside), the name of an
 * error (EIO, ENOSPC, EROFS, EACCES, ENOMEM, EDQUOT), or `short` (half of a write
 * lands, then ENOSPC). TALLYD_FAULT_LOG=FILE appends the name of each point as
 * it is passed, so that a harness learns which there are. Any thread.
 */
#ifndef BASE_FAULT_H
#define BASE_FAULT_H

#include <stdbool.h>

#define FAULT_SHORT (-1)

#ifdef ENABLE_FAULTS

/* 0: go on. Else the errno to fail with, or FAULT_SHORT where a write is about to happen. */
int fault_hit(const char *point);

/*
 * Replaces the plan of the environment, for tests in one process; NULL: no
 * faults. False: not understood.
 */
bool fault_plan(const char *plan);

#else

static inline int fault_hit(const char *point)
{
	(void)point;
	return 0;
}

#endif

#endif
