/* A ring of sentences. */
#include "sql/notices.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void notices_fini(struct notices *notices)
{
	while (notices_take(notices) != NULL)
		;
	*notices = (struct notices){0};
}

void notices_add(struct notices *notices, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	if (notices->n == NOTICES_KEPT)
		return;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		return;
	notices->texts[(notices->first + notices->n++) % NOTICES_KEPT] = text;
}

const char *notices_take(struct notices *notices)
{
	free(notices->taken);
	notices->taken = NULL;
	if (notices->n == 0)
		return NULL;
	notices->taken = notices->texts[notices->first];
	notices->first = (notices->first + 1) % NOTICES_KEPT;
	notices->n--;
	return notices->taken;
}
