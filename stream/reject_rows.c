/* A list of blocks that are filled one after the other. */
#include "stream/reject_rows.h"

#include <stdlib.h>
#include <string.h>

/* Small enough that malloc has the next one at hand; some hundred rows. */
#define BLOCK_BYTES ((size_t)32 * 1024 - 64)

struct reject_block {
	struct reject_block *next;
	size_t n_rows;
	size_t n_used; /* of its bytes */
	_Alignas(struct reject_row) char bytes[];
};

/* A row of the greatest length fits into a block. */
_Static_assert(sizeof(struct reject_block) + sizeof(struct reject_row) + REJECT_TEXT_MAX_BYTES +
			       REJECT_DETAIL_MAX_BYTES + 2 <
		       BLOCK_BYTES,
	"a block has room for any row");

static size_t row_bytes(size_t text_len, size_t detail_len)
{
	size_t n = sizeof(struct reject_row) + text_len + 1 + detail_len + 1;

	return (n + _Alignof(struct reject_row) - 1) & ~(_Alignof(struct reject_row) - 1);
}

void reject_rows_drop(struct reject_rows *rejects)
{
	while (rejects->first != NULL) {
		struct reject_block *block = rejects->first;

		rejects->first = block->next;
		free(block);
	}
	rejects->last = NULL;
	rejects->n_held = 0;
}

void reject_rows_clear(struct reject_rows *rejects)
{
	reject_rows_drop(rejects);
	memset(rejects->totals, 0, sizeof(rejects->totals));
}

/* The first block, if none of its rows is wanted once there is one more; NULL: one is. */
static struct reject_block *take_first(struct reject_rows *rejects)
{
	struct reject_block *block = rejects->first;

	if (block == rejects->last || rejects->n_held - block->n_rows < REJECT_ROWS_MAX)
		return NULL;
	rejects->first = block->next;
	rejects->n_held -= block->n_rows;
	return block;
}

/* An empty block at the end of the list. */
static struct reject_block *add_block(struct reject_rows *rejects)
{
	struct reject_block *block = rejects->first != NULL ? take_first(rejects) : NULL;

	if (block == NULL)
		block = malloc(BLOCK_BYTES);
	if (block == NULL)
		return NULL;
	*block = (struct reject_block){0};
	if (rejects->last != NULL)
		rejects->last->next = block;
	else
		rejects->first = block;
	rejects->last = block;
	return block;
}

/* Room for a row at the end; NULL: no memory. */
static struct reject_row *make_row(struct reject_rows *rejects, size_t n_bytes)
{
	struct reject_block *block = rejects->last;
	char *room;

	if (block == NULL || BLOCK_BYTES - sizeof(*block) - block->n_used < n_bytes) {
		block = add_block(rejects);
		if (block == NULL)
			return NULL;
	}
	room = block->bytes + block->n_used;
	block->n_used += n_bytes;
	block->n_rows++;
	rejects->n_held++;
	return (struct reject_row *)(void *)room;
}

static char *put_text(char *at, const char *text, size_t len)
{
	if (len > 0)
		memcpy(at, text, len);
	at[len] = '\0';
	return at + len + 1;
}

int reject_rows_add(struct reject_rows *rejects, const struct reject *reject, struct err *err)
{
	size_t detail_len = strlen(reject->detail);
	struct reject_row *row = make_row(rejects, row_bytes(reject->text_len, detail_len));
	char *texts;

	if (row == NULL)
		return err_nomem(err);
	*row = (struct reject_row){.line = reject->line,
		.offset = reject->offset,
		.reason = reject->reason,
		.text_len = (uint32_t)reject->text_len,
		.detail_len = (uint32_t)detail_len};
	texts = put_text((char *)(row + 1), reject->text, reject->text_len);
	(void)put_text(texts, reject->detail, detail_len);
	rejects->totals[reject->reason]++;
	return 0;
}

int reject_rows_append(
	struct reject_rows *rejects, const struct reject_rows *others, struct err *err)
{
	struct reject_walk walk = reject_rows_begin(others);
	const struct reject_row *row;

	while ((row = reject_rows_next(&walk)) != NULL) {
		size_t n = row_bytes(row->text_len, row->detail_len);
		struct reject_row *copy = make_row(rejects, n);

		if (copy == NULL)
			return err_nomem(err);
		memcpy(copy, row, n);
	}
	for (int i = 0; i < REJECT_REASONS; i++)
		rejects->totals[i] += others->totals[i];
	return 0;
}

/* Gives back what the last block does not need: most files have few rejects, or none. */
static void fit_last(struct reject_rows *rejects)
{
	struct reject_block **link = &rejects->first;
	struct reject_block *fitted;

	while (*link != rejects->last)
		link = &(*link)->next;
	fitted = realloc(*link, sizeof(**link) + (*link)->n_used);
	if (fitted != NULL)
		*link = rejects->last = fitted;
}

void reject_rows_move(struct reject_rows *to, struct reject_rows *from)
{
	*to = *from;
	*from = (struct reject_rows){0};
	if (to->first != NULL)
		fit_last(to);
}

size_t reject_rows_count(const struct reject_rows *rejects)
{
	return rejects->n_held < REJECT_ROWS_MAX ? rejects->n_held : REJECT_ROWS_MAX;
}

struct reject_walk reject_rows_begin(const struct reject_rows *rejects)
{
	struct reject_walk walk = {.block = rejects->first};

	for (size_t n = reject_rows_count(rejects); n < rejects->n_held; n++)
		(void)reject_rows_next(&walk);
	return walk;
}

struct reject_row *reject_rows_next(struct reject_walk *walk)
{
	struct reject_row *row;

	if (walk->block != NULL && walk->at == walk->block->n_used)
		*walk = (struct reject_walk){.block = walk->block->next};
	if (walk->block == NULL)
		return NULL;
	row = (struct reject_row *)(void *)(walk->block->bytes + walk->at);
	walk->at += row_bytes(row->text_len, row->detail_len);
	return row;
}
