/*
 * The shell: its settings, its connection, and how it runs SQL and commands.
 *
 * One shell a process, made in main and handed to everything. What sqlite3's
 * shell keeps in its state has its name here.
 */
#ifndef CLIENT_SHELL_H
#define CLIENT_SHELL_H

#include "base/buf.h"
#include "base/err.h"
#include "client/connection.h"
#include "client/output.h"
#include "client/params.h"
#include "client/query.h"
#include "sql/print.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* How results are shown: as the print options say, or by a look at the terminal, or drawn. */
enum display { DISPLAY_PRINT, DISPLAY_AUTO, DISPLAY_CHART };

/* .eqp, in sqlite3's order: at a distance triggers have no plan of their own. */
enum eqp { EQP_OFF, EQP_ON, EQP_TRIGGER, EQP_FULL };

#define PROMPT_BYTES 20

struct line_editor;

struct shell {
	const char *program; /* argv[0] */

	char socket_path[PATH_MAX];
	struct connection *connection; /* NULL until it is needed, and after it broke */
	bool is_gone;                  /* it broke; a script goes no further */
	int64_t timeout_ms;            /* .timeout: cancels what takes longer; 0: none */
	uint64_t snapshot;             /* the last answer's */

	struct print_options print;
	struct print_options print_before; /* while a viewer's file is written */
	bool restores_print;
	enum display display;
	bool explains_itself;         /* EXPLAIN gets its own mode (`.explain auto`) */
	enum print_mode normal_mode;  /* before `.explain on` */
	int *widths;                  /* print.widths, ours */
	struct params *params;        /* NULL: none was ever set */
	struct output output;
	struct buf text;              /* formatted and not yet written */
	char *pager;                  /* output.pager, ours; NULL */
	char *last_sql;               /* the last piece of input that ran; NULL */

	FILE *in;                     /* NULL: the terminal */
	struct line_editor *editor;   /* NULL: not interactive, or no terminal */
	int line_number;
	int nesting;                  /* of .read */
	char prompt[PROMPT_BYTES];
	char continue_prompt[PROMPT_BYTES];

	bool is_interactive, bails, echoes, counts_changes, times, shows_stats;
	enum eqp eqp;
	int exit_status; /* of `.exit N`, which ends the program at once */
	bool exits;
};

void shell_init(struct shell *shell, const char *program);
void shell_fini(struct shell *shell);

/* The connection, opened if need be. */
int shell_connect(struct shell *shell, struct err *err) __attribute__((warn_unused_result));
void shell_disconnect(struct shell *shell);

/* Asks a statement of our own; on a broken connection it is closed. Says nothing. */
int shell_ask(struct shell *shell, const char *sql, struct result *result, struct err *err)
	__attribute__((warn_unused_result));

/* Asks a statement of our own and prints its rows in the given mode as they come. */
int shell_print_query(struct shell *shell, const char *sql, const struct print_options *print,
	struct err *err) __attribute__((warn_unused_result));

/* Writes shell->text out. */
void shell_flush(struct shell *shell);

/*
 * Runs the statements of `sql` and shows their results until one fails. Returns
 * 0 or the exit status of the failure, whose sentence (`in prepare, …`,
 * `stepping, …`, or neither when the connection is at fault) is in `failure`.
 */
int shell_run(struct shell *shell, const char *sql, struct buf *failure);

/*
 * The same for a piece of input that began at `line`: failures are told on
 * standard error as the shell does for input. Returns the number of errors.
 */
int shell_run_input(struct shell *shell, const char *sql, int line);

enum command_outcome { COMMAND_DONE, COMMAND_FAILED, COMMAND_EXIT };

/* A dot-command. Failures are told on standard error. */
enum command_outcome shell_command(struct shell *shell, const char *line);

/* Reads and runs shell->in (or the terminal) to its end. Returns 1 if anything failed, else 0. */
int shell_read_input(struct shell *shell);

#endif
