/*
 * `.help`. A command's text begins with a line that starts with a point; lines
 * without one belong to the command above. The commands of sqlite3's shell are
 * described in its words, so that who looks for them finds them.
 */
#include "client/command.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static const char *const lines[] = {
	".backup FILE             The same as .save",
	".bail on|off             Stop after hitting an error.  Default OFF",
	".binary on|off           Turn binary output on or off.  Default OFF",
	".cd DIRECTORY            Change the working directory to DIRECTORY",
	".changes on|off          Show number of rows changed by SQL",
	".databases               List names and files of attached databases",
	".dump ?OBJECTS?          Render database content as SQL",
	"   Options:",
	"     --data-only            Output only INSERT statements",
	"     --newlines             Allow unescaped newline characters in output",
	"   OBJECTS is a LIKE pattern for tables, indexes, triggers or views to dump",
	"   Additional LIKE patterns can be given in subsequent arguments",
	".echo on|off             Turn command echo on or off",
	".eqp on|off|full|...     Enable or disable automatic EXPLAIN QUERY PLAN",
	".excel                   Display the output of next command in spreadsheet",
	"   --bom                   Put a UTF8 byte-order mark on intermediate file",
	".exit ?CODE?             Exit this program with return-code CODE",
	".explain ?on|off|auto?   Change the EXPLAIN formatting mode.  Default: auto",
	".files ?STATE?           Show the files of the sources, those in STATE only",
	".follow SQL              Show the rows of SQL, then what changes in them",
	".fullschema ?--indent?   Show schema and the content of sqlite_stat tables",
	".headers on|off          Turn display of headers on or off",
	".help ?-all? ?PATTERN?   Show help text for PATTERN",
	".indexes ?TABLE?         Show names of indexes",
	"                           If TABLE is specified, only show indexes for",
	"                           tables matching TABLE using the LIKE operator.",
	".limit ?LIMIT?           Display tallyd's limits",
	".mode MODE ?OPTIONS?     Set output mode",
	"   MODE is one of:",
	"     ascii       Columns/rows delimited by 0x1F and 0x1E",
	"     auto        Box fitted to the window on a terminal, else list",
	"     box         Tables using unicode box-drawing characters",
	"     chart       A timeline, or bars, drawn in characters",
	"     csv         Comma-separated values",
	"     column      Output in columns.  (See .width)",
	"     html        HTML <table> code",
	"     insert      SQL insert statements for TABLE",
	"     json        Results in a JSON array",
	"     line        One value per line",
	"     list        Values delimited by \"|\"",
	"     markdown    Markdown table format",
	"     qbox        Shorthand for \"box --wrap 60 --quote\"",
	"     quote       Escape answers as for SQL",
	"     table       ASCII-art table",
	"     tabs        Tab-separated values",
	"     tcl         TCL list elements",
	"   OPTIONS: (for columnar modes or insert mode):",
	"     --wrap N       Wrap output lines to no longer than N characters",
	"     --wordwrap B   Wrap or not at word boundaries per B (on/off)",
	"     --ww           Shorthand for \"--wordwrap 1\"",
	"     --quote        Quote output text as SQL literals",
	"     --noquote      Do not quote output text",
	"     TABLE          The name of SQL table used for \"insert\" mode",
	".nullvalue STRING        Use STRING in place of NULL values",
	".once ?OPTIONS? ?FILE?   Output for the next SQL command only to FILE",
	"     If FILE begins with '|' then open as a pipe",
	"       --bom  Put a UTF8 byte-order mark at the beginning",
	"       -e     Send output to the system text editor",
	"       -x     Send output as CSV to a spreadsheet (same as \".excel\")",
	".open ?SOCKET?           Close the connection and go to the daemon at SOCKET",
	".output ?FILE?           Send output to FILE or stdout if FILE is omitted",
	"   If FILE begins with '|' then open it as a pipe.",
	"   Options:",
	"     --bom                 Prefix output with a UTF8 byte-order mark",
	"     -e                    Send output to the system text editor",
	"     -x                    Send output as CSV to a spreadsheet",
	".pager on|off|COMMAND    Show long results through less, or through COMMAND",
	".parameter CMD ...       Manage SQL parameter bindings",
	"   clear                   Erase all bindings",
	"   init                    Initialize the TEMP table that holds bindings",
	"   list                    List the current parameter bindings",
	"   set PARAMETER VALUE     Given SQL parameter PARAMETER a value of VALUE",
	"                           PARAMETER should start with one of: $ : @ ?",
	"   unset PARAMETER         Remove PARAMETER from the binding table",
	".print STRING...         Print literal STRING",
	".prompt MAIN CONTINUE    Replace the standard prompts",
	".quit                    Exit this program",
	".read FILE               Read input from FILE or command output",
	"    If FILE begins with \"|\", it is a command that generates the input.",
	".rejects ?N?             Show the newest N (20) rejects, and the totals",
	".save FILE               Write the snapshot to FILE, which any sqlite3 reads",
	".schema ?PATTERN?        Show the CREATE statements matching PATTERN",
	"   Options:",
	"      --indent             Try to pretty-print the schema",
	"      --nosys              Omit objects whose names start with \"sqlite_\"",
	".separator COL ?ROW?     Change the column and row separators",
	".shell CMD ARGS...       Run CMD ARGS... in a system shell",
	".show                    Show the current values for various settings",
	".start NAME              Start the continuous query NAME",
	".stats ?on|off?          Show stats or turn stats on or off",
	".status                  Show the continuous queries, their rates and last batches",
	".stop NAME               Stop the continuous query NAME until .start",
	".system CMD ARGS...      Run CMD ARGS... in a system shell",
	".tables ?TABLE?          List names of tables matching LIKE pattern TABLE",
	".timeout MS              Cancel statements that take longer than MS milliseconds",
	".timer on|off            Turn SQL timer on or off",
	".version                 Show the versions of tally, SQLite and the daemon",
	".watch ?SECS? ?SQL?      Show SQL (or the last statement) again as the stream moves",
	".width NUM1 NUM2 ...     Set minimum column widths for columnar output",
	"     Negative values right-justify",
};

#define N_LINES ((int)(sizeof(lines) / sizeof(lines[0])))

static void add_line(struct buf *out, int i)
{
	buf_add_text(out, lines[i]);
	buf_add_char(out, '\n');
}

/* The line behind a command's last. */
static int end_of_command(int i)
{
	i++;
	while (i < N_LINES && lines[i][0] != '.')
		i++;
	return i;
}

static int show_all(struct buf *out, bool details)
{
	for (int i = 0; i < N_LINES; i++) {
		if (details || lines[i][0] == '.')
			add_line(out, i);
	}
	return N_LINES;
}

/* Commands that begin so; a single one with all its details. */
static int show_beginning(struct buf *out, const char *pattern)
{
	char glob[128];
	int n = 0;
	int found = 0;

	(void)snprintf(glob, sizeof(glob), ".%s*", pattern);
	for (int i = 0; i < N_LINES; i++) {
		if (sqlite3_strglob(glob, lines[i]) == 0) {
			add_line(out, i);
			found = i;
			n++;
		}
	}
	for (int i = found + 1; n == 1 && i < end_of_command(found); i++)
		add_line(out, i);
	return n;
}

/* Commands whose text has the pattern in it, with all details. */
static int show_containing(struct buf *out, const char *pattern)
{
	char like[128];
	int command = 0;
	int n = 0;

	(void)snprintf(like, sizeof(like), "%%%s%%", pattern);
	for (int i = 0; i < N_LINES; i++) {
		int end;

		if (lines[i][0] == '.')
			command = i;
		if (sqlite3_strlike(like, lines[i], 0) != 0)
			continue;
		end = end_of_command(command);
		for (int j = command; j < end; j++)
			add_line(out, j);
		i = end - 1;
		n++;
	}
	return n;
}

int help_show(struct buf *out, const char *pattern)
{
	int n;

	if (pattern == NULL)
		return show_all(out, false);
	if (pattern[0] == '0' || strcmp(pattern, "-a") == 0 || strcmp(pattern, "-all") == 0 ||
		strcmp(pattern, "--all") == 0)
		return show_all(out, true);
	n = show_beginning(out, pattern);
	return n > 0 ? n : show_containing(out, pattern);
}
