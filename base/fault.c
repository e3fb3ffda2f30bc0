/*
 * The plan is read once, at the first point passed. This is the one module with
 * state of its own in the program, and it is there for tests only.
 */
#include "base/fault.h"

#ifdef ENABLE_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_FAULTS 16

enum { ACTION_KILL = -2 };

struct fault {
	char point[48];
	long at;     /* the pass that it happens at */
	bool and_on; /* and at all later ones */
	int action;  /* an errno, FAULT_SHORT or ACTION_KILL */
	long n_passed;
};

static struct fault faults[MAX_FAULTS];
static size_t n_faults;
static bool is_planned;
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool parse_action(const char *text, int *action)
{
	static const struct {
		const char *name;
		int action;
	} actions[] = {{"kill", ACTION_KILL}, {"short", FAULT_SHORT}, {"EIO", EIO},
		{"ENOSPC", ENOSPC}, {"EROFS", EROFS}, {"EACCES", EACCES}, {"ENOMEM", ENOMEM},
		{"EDQUOT", EDQUOT}};
	size_t i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(text, actions[i].name) == 0) {
			*action = actions[i].action;
			return true;
		}
	}
	return false;
}

static bool parse_fault(char *text, struct fault *fault)
{
	char *colon = strrchr(text, ':');
	char *end;

	*fault = (struct fault){0};
	if (colon == NULL || !parse_action(colon + 1, &fault->action))
		return false;
	*colon = '\0';
	colon = strrchr(text, ':');
	if (colon == NULL || (size_t)(colon - text) >= sizeof(fault->point))
		return false;
	fault->at = strtol(colon + 1, &end, 10);
	fault->and_on = *end == '+';
	memcpy(fault->point, text, (size_t)(colon - text));
	return fault->at > 0;
}

static bool parse_plan(const char *text)
{
	char *copy, *rest, *one;
	bool is_good;

	n_faults = 0;
	is_planned = true;
	/* A test may allow no memory by now. */
	if (text == NULL)
		return true;
	copy = rest = strdup(text);
	is_good = copy != NULL;
	while (is_good && (one = strsep(&rest, ",")) != NULL) {
		if (*one == '\0')
			continue;
		is_good = n_faults < MAX_FAULTS && parse_fault(one, &faults[n_faults]);
		n_faults += is_good;
	}
	free(copy);
	return is_good;
}

bool fault_plan(const char *text)
{
	bool is_good;

	pthread_mutex_lock(&lock);
	is_good = parse_plan(text);
	pthread_mutex_unlock(&lock);
	return is_good;
}

static void plan_from_environment(void)
{
	const char *log_path = getenv("TALLYD_FAULT_LOG");

	if (!parse_plan(getenv("TALLYD_FAULT"))) {
		static const char sentence[] = "TALLYD_FAULT is not understood\n";

		(void)!write(STDERR_FILENO, sentence, sizeof(sentence) - 1);
		abort();
	}
	if (log_path != NULL)
		log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void log_point(const char *point)
{
	char line[64];
	int n = snprintf(line, sizeof(line), "%s\n", point);

	if (log_fd >= 0 && n > 0)
		(void)!write(log_fd, line, (size_t)n);
}

/* Allocations are many, and none of them is a step on disk: they want to be named. */
static bool is_meant(const struct fault *fault, const char *point)
{
	if (strcmp(fault->point, "*") == 0)
		return strcmp(point, "alloc") != 0;
	return strcmp(fault->point, point) == 0;
}

int fault_hit(const char *point)
{
	int action = 0;
	size_t i;

	pthread_mutex_lock(&lock);
	if (!is_planned)
		plan_from_environment();
	log_point(point);
	for (i = 0; i < n_faults; i++) {
		struct fault *fault = &faults[i];

		if (!is_meant(fault, point))
			continue;
		fault->n_passed++;
		if (fault->n_passed == fault->at || (fault->and_on && fault->n_passed > fault->at))
			action = fault->action;
	}
	pthread_mutex_unlock(&lock);
	if (action == ACTION_KILL)
		(void)kill(getpid(), SIGKILL);
	return action;
}

#else

/* A translation unit is not to be empty. */
typedef int fault_is_compiled_out;

#endif
