/*
 * A disk that fails and loses power, under SQLite: the default VFS of the test's
 * process, over the system's own.
 *
 * It passes everything through, and remembers for each file what was synced and
 * what was written since, so that a power cut can be played: what was synced
 * stays, and of the rest any part may have reached the disk, in any order, or
 * been torn in the middle of a page.
 */
#ifndef TESTS_SQL_FAULTY_VFS_H
#define TESTS_SQL_FAULTY_VFS_H

#include <stdbool.h>

/* Before the first connection. Once per process. */
void faulty_install(void);

enum faulty_operation { FAULTY_WRITE = 1, FAULTY_SYNC = 2, FAULTY_TRUNCATE = 4 };

/*
 * The n-th operation of these kinds from now on fails with `rc`, and with
 * `and_on` all later ones. n = 0: none.
 */
void faulty_fail(int operations, long n, int rc, bool and_on);

/* Operations of these kinds since faulty_fail(). */
long faulty_passed(void);

/* Writes into `to` what a power cut at this moment leaves of the files of `from`. */
void faulty_cut(const char *from, const char *to, unsigned seed);

#endif
