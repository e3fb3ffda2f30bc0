/* The shell's beginning and end, and its connection. */
#include "client/shell.h"

#include "client/line.h"

#include <stdlib.h>
#include <string.h>

void shell_init(struct shell *shell, const char *program)
{
	*shell = (struct shell){.program = program};
	print_options_init(&shell->print);
	shell->explains_itself = true;
	output_init(&shell->output);
	(void)snprintf(shell->prompt, sizeof(shell->prompt), "%s", "tally> ");
	(void)snprintf(shell->continue_prompt, sizeof(shell->continue_prompt), "%s", "  ...> ");
	connection_default_path(shell->socket_path, sizeof(shell->socket_path));
}

void shell_fini(struct shell *shell)
{
	shell_flush(shell);
	shell_disconnect(shell);
	line_editor_free(shell->editor);
	params_free(shell->params);
	output_fini(&shell->output);
	buf_fini(&shell->text);
	free(shell->widths);
	free(shell->pager);
	free(shell->last_sql);
}

int shell_connect(struct shell *shell, struct err *err)
{
	if (shell->connection != NULL)
		return 0;
	return connection_open(&shell->connection, shell->socket_path, err);
}

void shell_disconnect(struct shell *shell)
{
	connection_close(shell->connection);
	shell->connection = NULL;
}

int shell_ask(struct shell *shell, const char *sql, struct result *result, struct err *err)
{
	const struct query query = {
		.sql = sql, .len = strlen(sql), .timeout_ms = shell->timeout_ms};
	int rc = shell_connect(shell, err);

	if (rc < 0)
		return rc;
	rc = result_fetch(shell->connection, &query, NULL, result, err);
	if (rc < 0 && rc != ERR_SQL && rc != ERR_LIMIT)
		shell_disconnect(shell);
	return rc;
}

void shell_flush(struct shell *shell)
{
	(void)output_write(&shell->output, &shell->text);
}
