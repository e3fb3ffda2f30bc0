/* Lines of text. Judging reads the whole file into memory: it is done once, when the checkpoint is
 * lost. */
#include "sql/ledger.h"

#include "base/buf.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER "tallyd: files that were counted\n"

/* A hundred million files' worth; more is no file of ours. */
#define MAX_BYTES ((size_t)4 << 30)

struct ledger {
	char *path;
	int fd;
	struct buf lines; /* gathered, not yet written */
	bool is_unsynced; /* something was appended since the last sync */
};

static int open_for_appending(struct ledger *ledger, struct err *err)
{
	struct stat status;

	ledger->fd =
		open(ledger->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (ledger->fd < 0)
		return err_set_errno(err, errno, "%s: cannot open", ledger->path);
	if (fstat(ledger->fd, &status) == 0 && status.st_size == 0 &&
		file_write_all(ledger->fd, HEADER, sizeof(HEADER) - 1, err) < 0)
		return err_prefix(err, "%s", ledger->path);
	return 0;
}

int ledger_open(struct ledger **out, const char *path, struct err *err)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	int rc;

	*out = NULL;
	if (ledger == NULL)
		return err_nomem(err);
	ledger->fd = -1;
	ledger->path = mem_copy_text(path, strlen(path));
	rc = ledger->path != NULL ? open_for_appending(ledger, err) : err_nomem(err);
	if (rc < 0) {
		ledger_close(ledger);
		return rc;
	}
	*out = ledger;
	return 0;
}

void ledger_close(struct ledger *ledger)
{
	if (ledger == NULL)
		return;
	if (ledger->fd >= 0)
		(void)close(ledger->fd);
	buf_fini(&ledger->lines);
	free(ledger->path);
	free(ledger);
}

static bool is_plain(char c)
{
	return c != '%' && (unsigned char)c >= 0x20 && c != 0x7f;
}

static void add_escaped(struct buf *buf, const char *text)
{
	while (text != NULL && *text != '\0') {
		size_t n = 0;

		while (is_plain(text[n]))
			n++;
		buf_add(buf, text, n);
		text += n;
		if (*text != '\0')
			buf_printf(buf, "%%%02X", (unsigned char)*text++);
	}
}

void ledger_add(
	struct ledger *ledger, int64_t key, const char *source_path, const char *path, bool is_gone)
{
	buf_add_int(&ledger->lines, key);
	buf_add_text(&ledger->lines, is_gone ? " gone " : " here ");
	add_escaped(&ledger->lines, source_path);
	buf_add_char(&ledger->lines, '/');
	add_escaped(&ledger->lines, path);
	buf_add_char(&ledger->lines, '\n');
}

int ledger_write(struct ledger *ledger, struct err *err)
{
	size_t len;
	int fault;
	int rc;

	if (!buf_ok(&ledger->lines)) {
		buf_clear(&ledger->lines);
		return err_nomem(err);
	}
	if (ledger->lines.len == 0)
		return 0;
	fault = fault_hit("ledger-write");
	len = fault == FAULT_SHORT ? ledger->lines.len / 2 : ledger->lines.len;
	rc = fault > 0 ? err_set_errno(err, fault, "cannot write")
		       : file_write_all(ledger->fd, ledger->lines.data, len, err);
	if (rc == 0 && fault == FAULT_SHORT)
		rc = err_set_errno(err, ENOSPC, "cannot write");
	if (rc < 0) {
		err_prefix(err, "%s", ledger->path);
		/* Half a line may stand at the end; the next one begins on a line of its own. */
		buf_clear(&ledger->lines);
		buf_add_char(&ledger->lines, '\n');
		return rc;
	}
	buf_clear(&ledger->lines);
	ledger->is_unsynced = true;
	return 0;
}

int ledger_sync(struct ledger *ledger, struct err *err)
{
	int fault;

	if (!ledger->is_unsynced)
		return 0;
	fault = fault_hit("ledger-sync");
	if (fault > 0)
		return err_set_errno(err, fault, "%s: cannot sync", ledger->path);
	if (fdatasync(ledger->fd) != 0)
		return err_set_errno(err, errno, "%s: cannot sync", ledger->path);
	ledger->is_unsynced = false;
	return 0;
}

int ledger_replace(struct ledger *ledger, struct err *err)
{
	struct buf whole = {0};
	int rc;

	buf_add_text(&whole, HEADER);
	buf_add(&whole, ledger->lines.data, ledger->lines.len);
	rc = buf_ok(&ledger->lines) && buf_ok(&whole)
		     ? file_replace(ledger->path, whole.data, whole.len, 0600, err)
		     : err_nomem(err);
	buf_fini(&whole);
	buf_clear(&ledger->lines);
	if (rc < 0)
		return rc;
	ledger->is_unsynced = false;
	(void)close(ledger->fd);
	return open_for_appending(ledger, err);
}

struct line {
	int64_t key;
	const char *path; /* escaped, ends at the newline, which was made a NUL */
	size_t order;
	bool is_gone;
};

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static bool read_line(char *text, struct line *line)
{
	char *end;

	line->key = strtoll(text, &end, 10);
	if (end == text || *end != ' ')
		return false;
	line->is_gone = strncmp(end, " gone ", 6) == 0;
	if (!line->is_gone && strncmp(end, " here ", 6) != 0)
		return false;
	line->path = end + 6;
	return true;
}

/* All lines by key, the last of each key last. *n_bad counts what is no line of ours. */
static int read_lines(
	struct buf *text, struct line **lines, size_t *n, size_t *n_bad, struct err *err)
{
	char *at = text->data + sizeof(HEADER) - 1;
	char *end = text->data + text->len;
	size_t cap = 0;

	*lines = NULL;
	*n = 0;
	*n_bad = 0;
	while (at < end) {
		char *newline = memchr(at, '\n', (size_t)(end - at));
		struct line line = {0};

		/* A last line without its end was being written when the process died. */
		if (newline == NULL)
			break;
		*newline = '\0';
		if (newline > at && !read_line(at, &line)) {
			(*n_bad)++;
		} else if (newline > at) {
			if (!mem_grow(lines, &cap, *n + 1, sizeof(line)))
				return err_nomem(err);
			line.order = *n;
			(*lines)[(*n)++] = line;
		}
		at = newline + 1;
	}
	if (*n > 0)
		qsort(*lines, *n, sizeof(**lines), compare_lines);
	return 0;
}

static bool is_there(const char *escaped)
{
	char *path = mem_copy_text(escaped, strlen(escaped));
	const char *from = path;
	struct stat status;
	char *to = path;
	bool there;

	if (path == NULL)
		return false;
	while (*from != '\0') {
		char digits[3] = {0};

		if (*from == '%' && from[1] != '\0' && from[2] != '\0') {
			memcpy(digits, from + 1, 2);
			*to++ = (char)strtol(digits, NULL, 16);
			from += 3;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	there = lstat(path, &status) == 0 && S_ISREG(status.st_mode);
	free(path);
	return there;
}

/* The first of those that are missing, and how many they are. */
static const char *find_missing(const struct line *lines, size_t n, ledger_known_fn *is_known,
	void *context, size_t *n_missing)
{
	const char *first = NULL;
	size_t i;

	*n_missing = 0;

	for (i = 0; i < n; i++) {
		if (i + 1 < n && lines[i + 1].key == lines[i].key)
			continue;
		if (is_known != NULL && is_known(context, lines[i].key))
			continue;
		if (!lines[i].is_gone && is_there(lines[i].path))
			continue;
		if (first == NULL)
			first = lines[i].path;
		(*n_missing)++;
	}
	return first;
}

static int judge(const char *first, size_t n_missing, size_t n_bad, struct err *err)
{
	if (n_missing == 1)
		return err_set(err, ERR_CONFIG, "%s has been counted and is gone", first);
	if (n_missing > 1)
		return err_set(err, ERR_CONFIG, "%s and %zu more have been counted and are gone",
			first, n_missing - 1);
	if (n_bad > 0)
		return err_set(err, ERR_CONFIG,
			"which files have been counted is not known, their list is damaged too");
	return 0;
}

int ledger_check(const char *path, ledger_known_fn *is_known, void *context, size_t *n_missing,
	struct err *err)
{
	struct line *lines = NULL;
	struct buf text = {0};
	size_t n = 0, n_bad = 0;
	int rc = file_read_all(path, MAX_BYTES, &text, err);
	const char *first;

	*n_missing = 0;
	if (rc == ERR_NOMEM)
		return rc;
	if (rc < 0 || text.len < sizeof(HEADER) - 1 ||
		memcmp(text.data, HEADER, sizeof(HEADER) - 1) != 0) {
		buf_fini(&text);
		return err_set(err, ERR_CONFIG,
			"which files have been counted is not known, their list is lost too");
	}
	rc = read_lines(&text, &lines, &n, &n_bad, err);
	if (rc == 0) {
		first = find_missing(lines, n, is_known, context, n_missing);
		rc = judge(first, *n_missing, n_bad, err);
	}
	free(lines);
	buf_fini(&text);
	return rc;
}
