/* How each test program ends: runs its suite in Check's fork mode, exit status 1 when a test failed. */
#ifndef TESTS_RUN_H
#define TESTS_RUN_H

#include <check.h>

static inline int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int n_failed;

	srunner_run_all(runner, CK_ENV);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? 0 : 1;
}

#endif
