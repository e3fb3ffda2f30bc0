/* The table of options, and the first walk over the command line. */
#include "client/options.h"

#include "client/connection.h"

#include <stdio.h>
#include <string.h>

const char options_help[] =
	"Usage: tally [OPTIONS] [SOCKET] [SQL]...\n"
	"Asks tallyd as sqlite3 asks a database. SOCKET defaults to $TALLY_SOCKET, then the\n"
	"user's own daemon, then /run/tallyd/tallyd.sock; without SQL it is read from standard "
	"input.\n"
	"Options have one or two dashes:\n"
	"   -ascii               set output mode to 'ascii'\n"
	"   -bail                stop after hitting an error\n"
	"   -batch               force batch I/O\n"
	"   -box                 set output mode to 'box'\n"
	"   -chart               set output mode to 'chart'\n"
	"   -check               report the daemon's state as a Nagios plugin does, with\n"
	"      -w RANGE, -c RANGE   for the first value of -sql, else the lag in seconds\n"
	"      -lag DURATION        critical when the newest event is older\n"
	"      -sql SQL             the value to check\n"
	"   -cmd COMMAND         run \"COMMAND\" before reading stdin\n"
	"   -column              set output mode to 'column'\n"
	"   -csv                 set output mode to 'csv'\n"
	"   -echo                print inputs before execution\n"
	"   -follow SQL          print the rows of SQL, then what changes in them\n"
	"   -[no]header          turn headers on or off\n"
	"   -help                show this message\n"
	"   -html                set output mode to HTML\n"
	"   -init FILENAME       read/process named file\n"
	"   -interactive         force interactive I/O\n"
	"   -json                set output mode to 'json'\n"
	"   -line                set output mode to 'line'\n"
	"   -list                set output mode to 'list'\n"
	"   -markdown            set output mode to 'markdown'\n"
	"   -newline SEP         set output row separator. Default: '\\n'\n"
	"   -nullvalue TEXT      set text string for NULL values. Default ''\n"
	"   -ping                say whether the daemon answers\n"
	"   -prometheus          print metrics in Prometheus' text format, with\n"
	"      -o FILE              into FILE, replaced in one step\n"
	"      -totals              with the total of every group\n"
	"   -quote               set output mode to 'quote'\n"
	"   -separator SEP       set output column separator. Default: '|'\n"
	"   -s, -socket PATH     the daemon's socket\n"
	"   -stats               print the daemon's time and snapshot behind each statement\n"
	"   -table               set output mode to 'table'\n"
	"   -tabs                set output mode to 'tabs'\n"
	"   -timeout MS          cancel statements that take longer\n"
	"   -verify              compare the counts with a recount of the files\n"
	"   -version             show the version\n"
	"   -w, -watch SECONDS   show SQL again as the stream moves, at most so often\n";

static const struct {
	const char *name;
	enum option_id id;
	bool has_value;
} table[] = {
	{"A", OPTION_REFUSED, false},
	{"append", OPTION_REFUSED, false},
	{"ascii", OPTION_MODE, false},
	{"bail", OPTION_BAIL, false},
	{"batch", OPTION_BATCH, false},
	{"box", OPTION_MODE, false},
	{"c", OPTION_CRITICAL, true},
	{"chart", OPTION_MODE, false},
	{"check", OPTION_CHECK, false},
	{"cmd", OPTION_CMD, true},
	{"column", OPTION_MODE, false},
	{"csv", OPTION_MODE, false},
	{"deserialize", OPTION_REFUSED, false},
	{"echo", OPTION_ECHO, false},
	{"eqp", OPTION_EQP, false},
	{"eqpfull", OPTION_EQPFULL, false},
	{"follow", OPTION_FOLLOW, true},
	{"header", OPTION_HEADER, false},
	{"help", OPTION_HELP, false},
	{"html", OPTION_MODE, false},
	{"init", OPTION_INIT, true},
	{"interactive", OPTION_INTERACTIVE, false},
	{"json", OPTION_MODE, false},
	{"lag", OPTION_LAG, true},
	{"line", OPTION_MODE, false},
	{"list", OPTION_MODE, false},
	{"lookaside", OPTION_REFUSED, false},
	{"markdown", OPTION_MODE, false},
	{"maxsize", OPTION_REFUSED, false},
	{"memtrace", OPTION_REFUSED, false},
	{"mmap", OPTION_REFUSED, false},
	{"newline", OPTION_NEWLINE, true},
	{"nofollow", OPTION_REFUSED, false},
	{"noheader", OPTION_NOHEADER, false},
	{"nonce", OPTION_REFUSED, false},
	{"nullvalue", OPTION_NULLVALUE, true},
	{"o", OPTION_OUTPUT, true},
	{"output", OPTION_OUTPUT, true},
	{"pagecache", OPTION_REFUSED, false},
	{"ping", OPTION_PING, false},
	{"prometheus", OPTION_PROMETHEUS, false},
	{"quote", OPTION_MODE, false},
	{"readonly", OPTION_READONLY, false},
	{"s", OPTION_SOCKET, true},
	{"safe", OPTION_REFUSED, false},
	{"separator", OPTION_SEPARATOR, true},
	{"socket", OPTION_SOCKET, true},
	{"sql", OPTION_SQL, true},
	{"stats", OPTION_STATS, false},
	{"table", OPTION_MODE, false},
	{"tabs", OPTION_MODE, false},
	{"timeout", OPTION_TIMEOUT, true},
	{"totals", OPTION_TOTALS, false},
	{"verify", OPTION_VERIFY, false},
	{"version", OPTION_VERSION, false},
	{"vfs", OPTION_REFUSED, false},
	{"w", OPTION_WATCH, true},
	{"watch", OPTION_WATCH, true},
	{"zip", OPTION_REFUSED, false},
};

bool options_next(int argc, char **argv, int *i, struct option_word *word)
{
	const char *text = argv[(*i)++];

	*word = (struct option_word){.id = OPTION_NONE, .name = text, .shown = text};
	if (text[0] != '-')
		return true;
	if (text[1] == '-')
		text++;
	word->id = OPTION_UNKNOWN;
	word->shown = text;
	word->name = text + 1;
	for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++) {
		if (strcmp(word->name, table[k].name) != 0)
			continue;
		word->id = table[k].id;
		if (!table[k].has_value)
			return true;
		if (*i >= argc) {
			(void)fprintf(stderr, "%s: Error: missing argument to %s\n", argv[0],
				argv[argc - 1]);
			return false;
		}
		word->value = argv[(*i)++];
	}
	return true;
}

/* Stores the options that are needed before the start-up file is read. */
static void note_word(struct options *options, const struct option_word *word)
{
	switch (word->id) {
	case OPTION_INIT: options->init_file = word->value; break;
	case OPTION_BATCH: options->is_batch = true; break;
	case OPTION_BAIL: options->bails = true; break;
	case OPTION_SOCKET: options->socket = word->value; break;
	case OPTION_WATCH: options->watch = word->value; break;
	case OPTION_CRITICAL: options->critical = word->value; break;
	case OPTION_LAG: options->lag = word->value; break;
	case OPTION_SQL: options->sql = word->value; break;
	case OPTION_OUTPUT: options->output = word->value; break;
	case OPTION_TOTALS: options->totals = true; break;
	case OPTION_FOLLOW:
		options->follow = word->value;
		options->action = ACTION_FOLLOW;
		break;
	case OPTION_PING: options->action = ACTION_PING; break;
	case OPTION_CHECK: options->action = ACTION_CHECK; break;
	case OPTION_PROMETHEUS: options->action = ACTION_PROMETHEUS; break;
	case OPTION_VERIFY: options->action = ACTION_VERIFY; break;
	case OPTION_VERSION: options->action = ACTION_VERSION; break;
	case OPTION_HELP: options->action = ACTION_HELP; break;
	default: break;
	}
}

bool options_scan(struct options *options, int argc, char **argv)
{
	bool is_first = true;

	for (int i = 1; i < argc;) {
		struct option_word word;
		char *text = argv[i];

		if (!options_next(argc, argv, &i, &word))
			return false;
		note_word(options, &word);
		if (word.id != OPTION_NONE)
			continue;
		if (is_first && options->socket == NULL && connection_is_path(text))
			options->socket = text;
		else
			options->texts[options->n_texts++] = text;
		is_first = false;
	}
	if (options->watch != NULL && options->action == ACTION_SHELL)
		options->action = ACTION_WATCH;
	return true;
}
