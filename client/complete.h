/* What TAB offers: dot-commands, keywords, and the tables, columns and functions of the daemon. */
#ifndef CLIENT_COMPLETE_H
#define CLIENT_COMPLETE_H

#include <stddef.h>

/* A line_complete (client/line.h); the context is the shell. */
char **complete_word(void *context, const char *line, const char *word, size_t *n);

#endif
