/*
 * The command line. Options have one or two dashes and stand anywhere; the
 * first other argument may be the socket, all further ones are SQL or
 * dot-commands.
 *
 * As in sqlite3's shell the line is walked twice: first for what is needed
 * before the start-up file is read, then, behind it, for the settings and
 * -cmd, in their order.
 */
#ifndef CLIENT_OPTIONS_H
#define CLIENT_OPTIONS_H

#include <stdbool.h>

enum action {
	ACTION_SHELL,
	ACTION_WATCH,
	ACTION_FOLLOW,
	ACTION_PING,
	ACTION_CHECK,
	ACTION_PROMETHEUS,
	ACTION_VERIFY,
	ACTION_VERSION,
	ACTION_HELP,
};

enum option_id {
	OPTION_NONE, /* no option: the socket or SQL */
	OPTION_UNKNOWN,
	OPTION_MODE, /* -csv, -json, …: `name` is the mode */
	OPTION_BAIL,
	OPTION_BATCH,
	OPTION_CHECK,
	OPTION_CMD,
	OPTION_CRITICAL,
	OPTION_ECHO,
	OPTION_EQP,
	OPTION_EQPFULL,
	OPTION_FOLLOW,
	OPTION_HEADER,
	OPTION_HELP,
	OPTION_INIT,
	OPTION_INTERACTIVE,
	OPTION_LAG,
	OPTION_NEWLINE,
	OPTION_NOHEADER,
	OPTION_NULLVALUE,
	OPTION_OUTPUT,
	OPTION_PING,
	OPTION_PROMETHEUS,
	OPTION_READONLY,
	OPTION_REFUSED, /* one of sqlite3's that makes no sense at a distance */
	OPTION_SEPARATOR,
	OPTION_SOCKET,
	OPTION_SQL,
	OPTION_STATS,
	OPTION_TIMEOUT,
	OPTION_TOTALS,
	OPTION_VERIFY,
	OPTION_VERSION,
	OPTION_WATCH,
};

/* One argument with its value. */
struct option_word {
	enum option_id id;
	const char *name;  /* without dashes */
	const char *shown; /* with one dash, as messages name it */
	const char *value; /* NULL: it takes none */
};

struct options {
	enum action action;
	const char *socket;    /* NULL: the default */
	const char *init_file; /* NULL: the user's own */
	char **texts;          /* SQL and dot-commands in their order; points into argv */
	int n_texts;
	bool is_batch, bails;
	const char *watch;     /* seconds, or the warning range of --check; NULL */
	const char *critical, *lag, *sql, *output, *follow; /* NULL: not given */
	bool totals;
};

/*
 * Reads argv[*i], moves on behind its value. False: the value is missing, told
 * on standard error.
 */
bool options_next(int argc, char **argv, int *i, struct option_word *word)
	__attribute__((warn_unused_result));

/*
 * The first walk. False: told on standard error. `options->texts` has room for
 * argc pointers of the caller's.
 */
bool options_scan(struct options *options, int argc, char **argv)
	__attribute__((warn_unused_result));

/* What --help says. */
extern const char options_help[];

#endif
