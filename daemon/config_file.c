/*
 * inih, with what it leaves out.
 *
 * inih hands over keys, but no line numbers, no empty sections, no reason for
 * a line it could not read, and it takes up continued lines. So the reader that
 * feeds it sees every line first: it counts, refuses what the format does not
 * have (NUL, over-long and indented lines), and puts behind each section's
 * header a marker key that no file can hold, which tells that the section
 * began. A key line after which no key arrived was none.
 *
 * inih's limits are variables of the library: its line is set to ours, on the
 * heap. Runs on one thread at a time (start, or the reload's job).
 */
#include "daemon/config_file.h"

#include "base/buf.h"
#include "base/file.h"

#include <assert.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

/* A control character, which the reader refuses in files. */
#define MARKER "\x01"

struct reading {
	struct config_text *text;
	struct config_section *section; /* NULL before the first header */
	const char *path;
	const char *rest; /* of the file's bytes, behind the current line */
	const char *end;
	struct err *err;
	unsigned line_number;
	bool is_key_due;    /* a key line was given and has not arrived */
	bool is_marker_due; /* a header was given: the marker comes next */
};

static int refuse(struct reading *r, const char *sentence)
{
	return err_set(r->err, ERR_CONFIG, "%s:%u: %s", r->path, r->line_number, sentence);
}

static int on_section(struct reading *r, const char *header)
{
	char scope[CONFIG_LINE_BYTES];
	char origin[CONFIG_ORIGIN_BYTES];

	snprintf(origin, sizeof(origin), "%s:%u", r->path, r->line_number);
	snprintf(scope, sizeof(scope), "%s", header);
	char *name = strpbrk(scope, " \t");
	if (name != NULL) {
		*name++ = '\0';
		name += strspn(name, " \t");
	}
	return config_text_open(r->text, scope, name, origin, &r->section, r->err);
}

/* inih's handler: non-zero is success. */
static int on_key(void *context, const char *section, const char *key, const char *value)
{
	struct reading *r = context;
	char origin[CONFIG_ORIGIN_BYTES];

	r->is_key_due = false;
	if (r->err->code != 0)
		return 0;
	if (strcmp(key, MARKER) == 0)
		return on_section(r, section) == 0;
	if (r->section == NULL)
		return refuse(r, "a key before the first section; start with [tallyd], [source "
				 "NAME] or [query NAME]") == 0;
	snprintf(origin, sizeof(origin), "%s:%u", r->path, r->line_number);
	return config_section_set(r->section, key, value, origin, false, r->err) == 0;
}

static int line_judge(struct reading *r, const char *line, size_t len)
{
	if (len > CONFIG_LINE_BYTES)
		return refuse(r, "longer than 4096 bytes; shorten the line");
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' && line[i] != '\t' && line[i] != '\r')
			return refuse(
				r, line[i] == '\0'
					   ? "a NUL byte; the file must be plain text"
					   : "a control character; the file must be plain text");
	size_t blank = 0;
	while (blank < len && strchr(" \t\r", line[blank]) != NULL)
		blank++;
	if (blank == len || line[blank] == ';' || line[blank] == '#')
		return 0;
	if (blank > 0)
		return refuse(r,
			"the line is indented or continues the one before; write a key and "
			"its whole value at the start of one line");
	if (line[0] != '[') {
		r->is_key_due = true;
		return 0;
	}
	const char *close = memchr(line, ']', len);
	if (close == NULL || memchr(line, ';', (size_t)(close - line)) != NULL)
		return refuse(r, "the section's name has no closing ]");
	const char *behind = close + 1;
	while (behind < line + len && strchr(" \t\r", *behind) != NULL)
		behind++;
	if (behind < line + len && *behind != ';' && *behind != '#')
		return refuse(
			r, "something stands behind the section's ]; keys begin on the next line");
	r->is_marker_due = true;
	return 0;
}

static char *reader_refuse(struct reading *r, const char *sentence)
{
	(void)refuse(r, sentence);
	return NULL;
}

/* inih's reader, fgets in form. NULL ends the reading; r->err says whether early. */
static char *on_line_wanted(char *out, int room, void *context)
{
	struct reading *r = context;

	if (r->err->code != 0)
		return NULL;
	if (r->is_key_due)
		return reader_refuse(r, "neither [section] nor key = value");
	if (r->is_marker_due) {
		r->is_marker_due = false;
		r->is_key_due = true;
		snprintf(out, (size_t)room, MARKER "=");
		return out;
	}
	if (r->rest == r->end)
		return NULL;
	const char *line = r->rest;
	const char *newline = memchr(line, '\n', (size_t)(r->end - line));
	size_t len = (size_t)((newline != NULL ? newline : r->end) - line);
	r->rest = newline != NULL ? newline + 1 : r->end;
	r->line_number++;
	if (line_judge(r, line, len) != 0)
		return NULL;
	assert(len < (size_t)room);
	memcpy(out, line, len);
	out[len] = '\0';
	return out;
}

static int text_parse(struct reading *r, const struct buf *bytes)
{
	static const char bom[] = {'\xef', '\xbb', '\xbf'};

	if (bytes->len == 0)
		return 0;
	r->rest = bytes->data;
	r->end = bytes->data + bytes->len;
	if (bytes->len >= sizeof(bom) && memcmp(r->rest, bom, sizeof(bom)) == 0)
		r->rest += sizeof(bom);
	ini_use_stack = false;
	ini_initial_alloc = CONFIG_LINE_BYTES + 3;
	ini_max_line = CONFIG_LINE_BYTES + 3;
	ini_allow_multiline = false;
	ini_allow_bom = false;
	if (ini_parse_stream(on_line_wanted, r, on_key, r) == -2)
		return err_nomem(r->err);
	return r->err->code;
}

int config_file_read(struct config_text *text, const char *path, struct err *err)
{
	struct buf bytes = {0};
	struct reading reading = {.text = text, .path = path, .err = err};

	if (file_read_all(path, CONFIG_FILE_BYTES, &bytes, err) == 0)
		(void)text_parse(&reading, &bytes);
	buf_fini(&bytes);
	if (err->code != 0 && err->code != ERR_NOMEM)
		err->code = ERR_CONFIG;
	return err->code;
}
