/*
 * libedit's own interface, because its imitation of readline hides Ctrl-C.
 * The prompt is a callback without an argument of ours, so it is found again
 * through EL_CLIENTDATA.
 */
#include "client/line.h"

#include "base/mem.h"
#include "client/interrupt.h"

#include <errno.h>
#include <histedit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#define HISTORY_LINES 2000

struct line_editor {
	EditLine *el;
	History *history;
	char *history_path;
	const char *prompt;
	char *line;
	size_t cap;
	bool is_interrupted; /* Ctrl-C ended the wait for a key */
	bool was_empty;      /* at the last Ctrl-C */
	line_complete complete;
	void *context;
};

static char *give_prompt(EditLine *el)
{
	struct line_editor *editor;

	(void)el_get(el, EL_CLIENTDATA, &editor);
	return (char *)(uintptr_t)editor->prompt;
}

static bool is_word_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '.' || (unsigned char)c >= 0x80;
}

/* How many bytes all candidates begin with. */
static size_t common_length(char *const *candidates, size_t n)
{
	size_t len = strlen(candidates[0]);

	for (size_t i = 1; i < n; i++) {
		size_t same = 0;

		while (same < len && candidates[i][same] == candidates[0][same])
			same++;
		len = same;
	}
	return len;
}

static void list_candidates(char *const *candidates, size_t n)
{
	size_t widest = 0;
	size_t per_line;

	for (size_t i = 0; i < n; i++) {
		if (strlen(candidates[i]) > widest)
			widest = strlen(candidates[i]);
	}
	per_line = 78 / (widest + 2);
	if (per_line == 0)
		per_line = 1;
	(void)fputc('\n', stdout);
	for (size_t i = 0; i < n; i++)
		(void)fprintf(stdout, "%-*s%s", (int)widest, candidates[i],
			(i + 1) % per_line == 0 || i + 1 == n ? "\n" : "  ");
	(void)fflush(stdout);
}

/* Takes the word's place with what all candidates share; the word may differ from them in case. */
static unsigned char insert_candidate(
	EditLine *el, char *const *candidates, size_t n, size_t word_len)
{
	size_t len = common_length(candidates, n);
	char *text = strndup(candidates[0], len);
	bool grew = len > word_len || n == 1;

	if (text == NULL)
		return CC_ERROR;
	if (len >= word_len) {
		el_deletestr(el, (int)word_len);
		(void)el_insertstr(el, text);
	}
	free(text);
	if (n == 1 && candidates[0][strlen(candidates[0]) - 1] != '.')
		(void)el_insertstr(el, " ");
	if (!grew) {
		list_candidates(candidates, n);
		return CC_REDISPLAY;
	}
	return CC_REFRESH;
}

static unsigned char on_tab(EditLine *el, int key)
{
	struct line_editor *editor;
	const LineInfo *info = el_line(el);
	char **candidates;
	unsigned char outcome = CC_ERROR;
	const char *from;
	char *line;
	size_t n = 0;

	(void)key;
	(void)el_get(el, EL_CLIENTDATA, &editor);
	line = mem_copy_text(info->buffer, (size_t)(info->cursor - info->buffer));
	if (line == NULL)
		return CC_ERROR;
	from = line + strlen(line);
	while (from > line && is_word_character(from[-1]))
		from--;
	candidates = editor->complete(editor->context, line, from, &n);
	if (n > 0)
		outcome = insert_candidate(el, candidates, n, strlen(from));
	for (size_t i = 0; i < n; i++)
		free(candidates[i]);
	free(candidates);
	free(line);
	return outcome;
}

/* The window has another size, or another program had it: what is typed is drawn anew. */
static void redraw(EditLine *el)
{
	el_resize(el);
	/* libedit believes that the terminal is as it left it. */
	(void)el_set(el, EL_PREP_TERM, 0);
	(void)el_set(el, EL_PREP_TERM, 1);
	(void)el_set(el, EL_REFRESH);
}

/*
 * One byte from the terminal: 1, 0 at the end of input, -1 for Ctrl-C and
 * errors. libedit's own way would sleep in read(), where a Ctrl-C that came a
 * moment before is not noticed.
 */
static int read_byte(EditLine *el, struct line_editor *editor, char *byte)
{
	for (;;) {
		ssize_t n;

		switch (interrupt_wait_screen(STDIN_FILENO, -1)) {
		case INTERRUPT_REDRAW: redraw(el); continue;
		case INTERRUPT_CTRL_C: editor->is_interrupted = true; return -1;
		default: break;
		}
		n = read(STDIN_FILENO, byte, 1);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			return (int)n;
	}
}

/* An el_rfunc_t: one character in the locale's encoding; what is none is left out. */
static int read_character(EditLine *el, wchar_t *character)
{
	struct line_editor *editor;
	mbstate_t state = {0};

	(void)el_get(el, EL_CLIENTDATA, &editor);
	for (;;) {
		char byte;
		size_t len;
		int n = read_byte(el, editor, &byte);

		if (n <= 0)
			return n;
		len = mbrtowc(character, &byte, 1, &state);
		if (len != (size_t)-1 && len != (size_t)-2)
			return 1;
		if (len == (size_t)-1)
			state = (mbstate_t){0};
	}
}

static void load_history(struct line_editor *editor)
{
	HistEvent event;

	editor->history = history_init();
	if (editor->history == NULL)
		return;
	(void)history(editor->history, &event, H_SETSIZE, HISTORY_LINES);
	(void)history(editor->history, &event, H_SETUNIQUE, 1);
	if (editor->history_path != NULL)
		(void)history(editor->history, &event, H_LOAD, editor->history_path);
	(void)el_set(editor->el, EL_HIST, history, editor->history);
}

int line_editor_new(struct line_editor **editor, const char *history_path, line_complete complete,
	void *context, struct err *err)
{
	struct line_editor *new = calloc(1, sizeof(*new));

	if (new == NULL)
		return err_nomem(err);
	new->complete = complete;
	new->context = context;
	new->history_path = history_path != NULL ? strdup(history_path) : NULL;
	new->el = el_init("tally", stdin, stdout, stderr);
	if (new->el == NULL) {
		line_editor_free(new);
		return err_nomem(err);
	}
	(void)el_set(new->el, EL_CLIENTDATA, new);
	(void)el_set(new->el, EL_PROMPT, give_prompt);
	(void)el_set(new->el, EL_EDITOR, "emacs");
	(void)el_set(new->el, EL_SIGNAL, 0);
	(void)el_set(new->el, EL_GETCFN, read_character);
	load_history(new);
	/* The wide form keeps the texts it is given; the narrow one copies and forgets them. */
	(void)el_wset(
		new->el, EL_ADDFN, L"complete", L"complete the word before the cursor", on_tab);
	(void)el_set(new->el, EL_BIND, "^I", "complete", NULL);
	(void)el_set(new->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	(void)el_set(new->el, EL_BIND, "\\e[1~", "ed-move-to-beg", NULL);
	(void)el_set(new->el, EL_BIND, "\\e[4~", "ed-move-to-end", NULL);
	(void)el_set(new->el, EL_BIND, "\\e[3~", "ed-delete-next-char", NULL);
	(void)el_source(new->el, NULL);
	*editor = new;
	return 0;
}

void line_editor_free(struct line_editor *editor)
{
	HistEvent event;

	if (editor == NULL)
		return;
	if (editor->history != NULL) {
		mode_t before = umask(0077);

		if (editor->history_path != NULL)
			(void)history(editor->history, &event, H_SAVE, editor->history_path);
		(void)umask(before);
		history_end(editor->history);
	}
	if (editor->el != NULL)
		el_end(editor->el);
	free(editor->history_path);
	free(editor->line);
	free(editor);
}

const char *line_editor_read(struct line_editor *editor, const char *prompt, bool *was_interrupted)
{
	HistEvent event;
	const char *typed;
	int n = 0;

	*was_interrupted = false;
	editor->prompt = prompt;
	editor->is_interrupted = false;
	interrupt_clear();
	/*
	 * Before the prompt is seen: a Ctrl-D typed at
	 * once would be lost in the change of modes.
	 */
	(void)el_set(editor->el, EL_PREP_TERM, 1);
	typed = el_gets(editor->el, &n);
	/* A Ctrl-C behind the line's end is for what the line starts. */
	if (editor->is_interrupted) {
		const LineInfo *info = el_line(editor->el);

		editor->was_empty = info->lastchar == info->buffer;
		el_reset(editor->el);
		*was_interrupted = true;
		(void)fputc('\n', stdout);
		return "";
	}
	if (typed == NULL || n <= 0)
		return NULL;
	if (typed[strspn(typed, " \t\n")] != '\0' && editor->history != NULL)
		(void)history(editor->history, &event, H_ENTER, typed);
	if (!mem_grow(&editor->line, &editor->cap, (size_t)n + 1, 1))
		return NULL;
	memcpy(editor->line, typed, (size_t)n + 1);
	editor->line[strcspn(editor->line, "\n")] = '\0';
	return editor->line;
}

bool line_editor_was_empty(const struct line_editor *editor)
{
	return editor->was_empty;
}
