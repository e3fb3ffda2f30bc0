/*
 * sd_notify and sd_listen_fds as their manual pages define them. The module
 * keeps the manager's address, which is part of the process as its environment
 * is; it is set once, before there are threads.
 */
#include "daemon/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define FIRST_FD 3
/* So long a state waits for room in the queue of a manager that is busy. */
#define ROOM_SECONDS 5

static struct {
	struct sockaddr_un address;
	socklen_t len; /* 0: no manager */
	int64_t watchdog_us;
} manager;

/* The value is copied and the variable taken away, so that no child believes it is meant. */
static const char *variable_take(const char *name, char *value, size_t room)
{
	const char *text = getenv(name);

	if (text == NULL || strlen(text) >= room)
		return NULL;
	strcpy(value, text);
	unsetenv(name);
	return value;
}

void notify_init(void)
{
	char text[sizeof(manager.address.sun_path)];
	char number[32];

	manager.len = 0;
	manager.watchdog_us = 0;
	if (variable_take("NOTIFY_SOCKET", text, sizeof(text)) != NULL &&
		(text[0] == '/' || text[0] == '@') && text[1] != '\0') {
		manager.address.sun_family = AF_UNIX;
		strcpy(manager.address.sun_path, text);
		manager.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(text));
		if (text[0] == '@')
			manager.address.sun_path[0] = '\0';
		else
			manager.len++;
	}
	const char *pid = getenv("WATCHDOG_PID");
	if (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())
		return;
	unsetenv("WATCHDOG_PID");
	if (variable_take("WATCHDOG_USEC", number, sizeof(number)) != NULL) {
		long long us = strtoll(number, NULL, 10);
		manager.watchdog_us = us > 0 ? us : 0;
	}
}

int64_t notify_watchdog_us(void)
{
	return manager.watchdog_us;
}

static void message_send(const char *text, size_t len, int flags)
{
	const struct timeval most = {.tv_sec = ROOM_SECONDS};

	if (manager.len == 0)
		return;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
	(void)sendto(fd, text, len, flags | MSG_NOSIGNAL, (const struct sockaddr *)&manager.address,
		manager.len);
	close(fd);
}

void notify_send(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len > 0 && (size_t)len < sizeof(text))
		message_send(text, (size_t)len, MSG_DONTWAIT);
}

/* What is said once. */
static void state_send(const char *text)
{
	message_send(text, strlen(text), 0);
}

void notify_ready(void)
{
	state_send("READY=1");
}

void notify_reloading(void)
{
	struct timespec now;
	char text[64];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
		(int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	state_send(text);
}

void notify_stopping(void)
{
	state_send("STOPPING=1");
}

/* The i-th name of a list with colons between; "" where there are fewer. */
static void name_of(const char *names, int index, char *name, size_t room)
{
	for (int i = 0; i < index && names != NULL; i++) {
		names = strchr(names, ':');
		if (names != NULL)
			names++;
	}
	snprintf(name, room, "%.*s", names != NULL ? (int)strcspn(names, ":") : 0,
		names != NULL ? names : "");
}

void notify_take_fds(struct notify_fds *fds)
{
	char number[32], names[256] = "", name[64];
	const char *pid = getenv("LISTEN_PID");

	*fds = (struct notify_fds){.sql = -1, .postgres = -1};
	if (pid == NULL || strtol(pid, NULL, 10) != (long)getpid() ||
		variable_take("LISTEN_FDS", number, sizeof(number)) == NULL)
		return;
	unsetenv("LISTEN_PID");
	(void)variable_take("LISTEN_FDNAMES", names, sizeof(names));
	int n = atoi(number);
	for (int i = 0; i < n; i++) {
		int fd = FIRST_FD + i;
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
			continue;
		name_of(names, i, name, sizeof(name));
		if (strcmp(name, "pg") == 0 && fds->postgres < 0) {
			fds->postgres = fd;
		} else if ((strcmp(name, "sql") == 0 || n == 1) && fds->sql < 0) {
			fds->sql = fd;
		} else {
			close(fd);
			fds->n_others++;
		}
	}
}
