/*
 * The sentences of errors. No allocation, no locale, no shared state: strerror
 * is asked through its thread-safe form.
 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	err->code = code;
	err->sys_errno = 0;
	return code;
}

int err_set_errno(struct err *err, int sys_errno, const char *format, ...)
{
	char reason[128];
	const char *text = strerror_r(sys_errno, reason, sizeof(reason));
	va_list args;
	size_t used;

	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", text);
	err->code = sys_errno == ENOMEM ? ERR_NOMEM : ERR_IO;
	err->sys_errno = sys_errno;
	return err->code;
}

int err_prefix(struct err *err, const char *format, ...)
{
	char rest[ERR_TEXT_BYTES];
	va_list args;
	size_t used;

	memcpy(rest, err->text, sizeof(rest));
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", rest);
	return err->code;
}

int err_nomem(struct err *err)
{
	return err_set(err, ERR_NOMEM, "out of memory");
}
