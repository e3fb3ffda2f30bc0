/*
 * What a source has to say to the log. It writes no log itself: sentences wait
 * here, a bounded number of them, until somebody takes them.
 */
#include "stream/source_private.h"

#include "base/mem.h"
#include "stream/xxh64.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTES_MAX  200
#define SAID_CELLS 4096 /* a power of two */

void notes_fini(struct notes *notes)
{
	size_t i;

	for (i = 0; i < notes->n; i++)
		free(notes->texts[notes->first + i]);
	free(notes->texts);
	free(notes->said);
}

/* One line, whatever a file's name holds. */
static char *escape_controls(const char *text)
{
	struct buf buf = {0};

	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			buf_printf(&buf, "\\x%02x", (unsigned)(unsigned char)*text);
		else
			buf_add_char(&buf, *text);
	}
	buf_add_char(&buf, '\0');
	if (buf_ok(&buf))
		return buf.data;
	buf_fini(&buf);
	return NULL;
}

static void add_note(struct notes *notes, const char *text)
{
	char *line;

	if (notes->n == NOTES_MAX) {
		notes->n_left_out++;
		return;
	}
	if (notes->first > 0) {
		memmove(notes->texts, notes->texts + notes->first,
			notes->n * sizeof(*notes->texts));
		notes->first = 0;
	}
	line = escape_controls(text);
	if (line != NULL &&
		mem_grow(&notes->texts, &notes->cap, notes->n + 1, sizeof(*notes->texts)))
		notes->texts[notes->n++] = line;
	else
		free(line);
}

void note_say(struct source *source, const char *format, ...)
{
	char text[ERR_TEXT_BYTES];
	va_list args;
	int n = snprintf(text, sizeof(text), "source %s: ", source->spec->name);

	va_start(args, format);
	(void)vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
	va_end(args);
	add_note(&source->notes, text);
}

/* True when it was said before, or so much has been said that no more is. */
static bool was_said(struct notes *notes, uint64_t hash)
{
	size_t i = (size_t)hash % SAID_CELLS;

	if (notes->said == NULL)
		notes->said = mem_new_array(SAID_CELLS, sizeof(*notes->said));
	if (notes->said == NULL || notes->n_said >= SAID_CELLS / 2)
		return true;
	for (; notes->said[i] != 0; i = (i + 1) % SAID_CELLS) {
		if (notes->said[i] == hash)
			return true;
	}
	notes->said[i] = hash;
	notes->n_said++;
	return false;
}

void note_say_once(struct source *source, const char *path, const char *what)
{
	uint64_t hash = xxh64(path, strlen(path), xxh64(what, strlen(what), 0)) | 1;

	if (!was_said(&source->notes, hash))
		note_say(source, "%s: %s", path, what);
}

void note_say_trouble(struct source *source)
{
	if (strcmp(source->trouble, source->said_trouble) == 0)
		return;
	memcpy(source->said_trouble, source->trouble, sizeof(source->trouble));
	if (source->trouble[0] != '\0')
		add_note(&source->notes, source->trouble);
	else
		note_say(source, "%s can be read again", source->spec->path);
}

char *source_take_note(struct source *source)
{
	struct notes *notes = &source->notes;

	if (notes->n == 0 && notes->n_left_out > 0) {
		size_t n_left_out = notes->n_left_out;

		notes->n_left_out = 0;
		note_say(source, "%zu more notes about its files", n_left_out);
	}
	if (notes->n == 0)
		return NULL;
	notes->n--;
	return notes->texts[notes->first++];
}
