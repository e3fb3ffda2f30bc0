/* Hands cells to the printer; a printer lives for one result. */
#include "daemon/text_sink.h"

#include "base/mem.h"

#include <stdlib.h>

void text_sink_reset(struct text_sink *sink)
{
	printer_free(sink->printer);
	sink->printer = NULL;
}

static int on_begin(
	void *context, const struct statement *statement, struct buf *page, struct err *err)
{
	struct text_sink *sink = context;
	size_t n = statement_n_columns(statement);

	text_sink_reset(sink);
	if (n == 0)
		return 0;
	sink->printer = printer_new(sink->options);
	const char **names = mem_new_array(n, sizeof(*names));
	if (sink->printer == NULL || names == NULL) {
		free(names);
		return err_nomem(err);
	}
	for (size_t i = 0; i < n; i++)
		names[i] = statement_column_name(statement, i);
	int rc = print_begin(sink->printer, names, n, page, err);
	free(names);
	return rc;
}

static int on_row(void *context, const struct value *values, struct buf *page, struct err *err)
{
	struct text_sink *sink = context;

	return print_row(sink->printer, values, page, err);
}

static int on_end(void *context, const struct statement *statement, int64_t n_rows,
	struct buf *page, struct err *err)
{
	struct text_sink *sink = context;
	int rc = 0;

	(void)statement;
	(void)n_rows;
	if (sink->printer != NULL)
		rc = print_end(sink->printer, page, err);
	text_sink_reset(sink);
	return rc;
}

const struct execution_sink text_sink_ops = {.begin = on_begin, .row = on_row, .end = on_end};
