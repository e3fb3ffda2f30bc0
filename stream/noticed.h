/*
 * The names that kernel notices told of, until the next scan takes them. Each
 * is kept once; when there are too many, only "anything may have changed" is
 * kept. The one part of a source that several threads may call.
 */
#ifndef STREAM_NOTICED_H
#define STREAM_NOTICED_H

#include <stdbool.h>
#include <stddef.h>

#define NOTICED_MAX_NAMES 16384

struct noticed;

struct noticed *noticed_new(void); /* NULL: no memory */
void noticed_free(struct noticed *noticed);

/* NULL, too many names or no memory: everything. */
void noticed_add(struct noticed *noticed, const char *path);

bool noticed_is_empty(struct noticed *noticed);

/* What was noticed, and it is forgotten here. */
struct noticed_names {
	char **paths; /* distinct, each to be freed, and the array */
	size_t n;
	bool is_all; /* anything may have changed; there are no names then */
};

void noticed_take(struct noticed *noticed, struct noticed_names *names);
void noticed_names_fini(struct noticed_names *names);

#endif
