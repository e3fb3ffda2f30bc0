/*
 * A line typed at the terminal, with editing, history and completion (libedit).
 */
#ifndef CLIENT_LINE_H
#define CLIENT_LINE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct line_editor;

/*
 * What can be completed at `word`, the part of a word before the cursor; the
 * first of `n` candidates whose text the editor frees with the array. `line`
 * is all that stands before the cursor.
 */
typedef char **(*line_complete)(void *context, const char *line, const char *word, size_t *n);

/* `history_path` NULL: none is kept. */
int line_editor_new(struct line_editor **editor, const char *history_path, line_complete complete,
	void *context, struct err *err) __attribute__((warn_unused_result));
void line_editor_free(struct line_editor *editor); /* writes the history */

/*
 * One line without its newline, valid until the next call; NULL at the end of
 * input. *was_interrupted: Ctrl-C was pressed instead, the line is "".
 */
const char *line_editor_read(struct line_editor *editor, const char *prompt, bool *was_interrupted);

/* Nothing had been typed when Ctrl-C was pressed. */
bool line_editor_was_empty(const struct line_editor *editor);

#endif
