/* A ring of rows, each with memory for its two texts. */
#include "stream/reject_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* More than this is given back when the rows are cleared: lines of ten thousand rows that are
 * longer than most. */
#define KEPT_BYTES ((size_t)2 << 20)

void reject_rows_fini(struct reject_rows *rejects)
{
	for (size_t i = 0; i < rejects->n_made; i++)
		free(rejects->rows[i].text);
	free(rejects->rows);
	*rejects = (struct reject_rows){0};
}

void reject_rows_clear(struct reject_rows *rejects)
{
	if (rejects->n_bytes > KEPT_BYTES)
		reject_rows_fini(rejects);
	rejects->n = 0;
	rejects->oldest = 0;
	memset(rejects->totals, 0, sizeof(rejects->totals));
}

/* Makes room for `len` bytes in a row, which loses what it had. */
static bool make_room(
	struct reject_rows *rejects, struct scan_reject *row, size_t len, bool has_memory)
{
	/* So much that most texts fit into the place of another. */
	size_t room = (len + 63) / 64 * 64;
	char *text;

	if (has_memory && len <= row->room)
		return true;
	text = malloc(room);
	if (text == NULL)
		return false;
	if (has_memory) {
		free(row->text);
		rejects->n_bytes -= row->room;
	} else {
		rejects->n_made++;
	}
	rejects->n_bytes += room;
	row->text = text;
	row->room = (uint32_t)room;
	return true;
}

/* A row with room for `len` bytes: the next one, or in a full ring that of the oldest. */
static struct scan_reject *make_row(struct reject_rows *rejects, size_t len)
{
	bool is_full = rejects->n == SCAN_MAX_REJECTS;
	size_t i = is_full ? rejects->oldest : rejects->n;

	if (!is_full &&
		!mem_grow(&rejects->rows, &rejects->cap, rejects->n + 1, sizeof(*rejects->rows)))
		return NULL;
	if (!make_room(rejects, &rejects->rows[i], len, i < rejects->n_made))
		return NULL;
	if (is_full)
		rejects->oldest = (rejects->oldest + 1) % SCAN_MAX_REJECTS;
	else
		rejects->n++;
	return &rejects->rows[i];
}

int reject_rows_add(struct reject_rows *rejects, const struct reject *reject, struct err *err)
{
	size_t detail_len = strlen(reject->detail);
	struct scan_reject *row = make_row(rejects, reject->text_len + 1 + detail_len + 1);

	if (row == NULL)
		return err_nomem(err);
	row->reason = reject->reason;
	row->line = reject->line;
	row->offset = reject->offset;
	row->text_len = (uint32_t)reject->text_len;
	if (reject->text_len > 0)
		memcpy(row->text, reject->text, reject->text_len);
	row->text[reject->text_len] = '\0';
	row->detail = row->text + reject->text_len + 1;
	memcpy(row->detail, reject->detail, detail_len + 1);
	rejects->totals[reject->reason]++;
	return 0;
}

static void reverse(struct scan_reject *rows, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct scan_reject row = rows[i];

		rows[i] = rows[n - 1 - i];
		rows[n - 1 - i] = row;
	}
}

void reject_rows_straighten(struct reject_rows *rejects)
{
	if (rejects->oldest == 0)
		return;
	reverse(rejects->rows, rejects->oldest);
	reverse(rejects->rows + rejects->oldest, rejects->n - rejects->oldest);
	reverse(rejects->rows, rejects->n);
	rejects->oldest = 0;
}

/* Text and detail with their NULs, as they stand behind each other. */
static size_t texts_bytes(const struct scan_reject *row)
{
	return row->text_len + 1 + strlen(row->detail) + 1;
}

struct scan_reject *reject_rows_copy(const struct reject_rows *rejects)
{
	size_t n_bytes = rejects->n * sizeof(struct scan_reject);
	struct scan_reject *rows;
	char *texts;

	for (size_t i = 0; i < rejects->n; i++)
		n_bytes += texts_bytes(&rejects->rows[i]);
	rows = malloc(n_bytes > 0 ? n_bytes : 1);
	if (rows == NULL)
		return NULL;
	texts = (char *)(rows + rejects->n);
	for (size_t i = 0; i < rejects->n; i++) {
		const struct scan_reject *row = &rejects->rows[(rejects->oldest + i) % rejects->n];
		size_t len = texts_bytes(row);

		memcpy(texts, row->text, len);
		rows[i] = *row;
		rows[i].text = texts;
		rows[i].detail = texts + row->text_len + 1;
		texts += len;
	}
	return rows;
}
