/*
 * Finding a command by its first letters. Where several begin so, the first in
 * the tables below is meant; sqlite3's own come first, those of the stream
 * next, those that cannot work at a distance last.
 */
#include "client/command.h"

#include <string.h>

static const char needs_file[] = "it works on a database file, and tallyd is read-only";
static const char needs_library[] = "it controls the SQLite library, which is in tallyd";
static const char needs_test[] = "it is for tests of SQLite itself";

static const struct command refused_commands[] = {
	{"archive", 1, NULL, needs_file},
	{"auth", 1, NULL, needs_library},
	{"check", 3, NULL, needs_test},
	{"clone", 1, NULL, needs_file},
	{"connection", 1, NULL, "there is one connection; .open SOCKET goes to another daemon"},
	{"dbconfig", 3, NULL, needs_library},
	{"dbinfo", 3, NULL, needs_file},
	{"expert", 1, NULL, needs_library},
	{"filectrl", 1, NULL, needs_file},
	{"import", 1, NULL, "tallyd is read-only; events arrive as files in its directory"},
	{"imposter", 1, NULL, needs_file},
	{"lint", 3, NULL, needs_file},
	{"load", 1, NULL, needs_library},
	{"log", 1, NULL, "tallyd writes its own log: journalctl -u tallyd"},
	{"nonce", 0, NULL, needs_test},
	{"progress", 3, NULL, "tallyd limits statements itself; .timeout MS does it from here"},
	{"recover", 1, NULL, needs_file},
	{"restore", 3, NULL, needs_file},
	{"scanstats", 1, NULL, needs_library},
	{"selftest", 4, NULL, needs_test},
	{"session", 3, NULL, needs_library},
	{"sha3sum", 4, NULL, needs_library},
	{"testcase", 0, NULL, needs_test},
	{"testctrl", 8, NULL, needs_test},
	{"trace", 1, NULL, needs_library},
	{"vfsinfo", 1, NULL, needs_library},
	{"vfslist", 1, NULL, needs_library},
	{"vfsname", 1, NULL, needs_library},
	{NULL, 0, NULL, NULL},
};

static const struct command *const tables[] = {settings_commands, file_commands, schema_commands,
	dump_commands, stream_commands, refused_commands};

static const struct command *find(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const struct command *command = tables[i]; command->name != NULL; command++) {
			if (command->min_len == 0 ? strcmp(word, command->name) == 0
						  : len >= (size_t)command->min_len &&
							    strncmp(word, command->name, len) == 0)
				return command;
		}
	}
	return NULL;
}

void command_each(void (*take)(void *context, const char *name), void *context)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const struct command *command = tables[i]; command->name != NULL; command++) {
			if (command->run != NULL)
				take(context, command->name);
		}
	}
}

enum command_outcome command_usage(const char *text)
{
	(void)fprintf(stderr, "Usage: %s\n", text);
	return COMMAND_FAILED;
}

enum command_outcome command_failed(struct shell *shell, const struct err *err)
{
	shell_flush(shell);
	(void)fprintf(stderr, "Error: %s\n", err->text);
	return COMMAND_FAILED;
}

static enum command_outcome dispatch(struct shell *shell, const struct words *words)
{
	const struct command *command = find(words->word[0]);

	if (command == NULL) {
		(void)fprintf(stderr,
			"Error: unknown command or invalid arguments:  \"%s\". Enter \".help\" for "
			"help\n",
			words->word[0]);
		return COMMAND_FAILED;
	}
	if (command->run == NULL) {
		(void)fprintf(stderr, "Error: .%s does not work at a distance: %s\n", command->name,
			command->refusal);
		return COMMAND_FAILED;
	}
	return command->run(shell, words);
}

enum command_outcome shell_command(struct shell *shell, const char *line)
{
	enum command_outcome outcome = COMMAND_DONE;
	struct words words;

	if (!words_split(&words, line)) {
		(void)fprintf(stderr, "Error: out of memory\n");
		return COMMAND_FAILED;
	}
	if (words.n > 0) {
		output_clear_temp(&shell->output);
		outcome = dispatch(shell, &words);
		output_begin(&shell->output);
		shell_flush(shell);
		output_end(&shell->output);
	}
	words_fini(&words);
	/* .once counts itself, then the command or statement it is for. */
	if (shell->output.uses > 0 && --shell->output.uses == 0) {
		output_reset(&shell->output);
		if (shell->restores_print) {
			shell->restores_print = false;
			shell->print = shell->print_before;
			shell->print.widths = shell->widths;
		}
	}
	return outcome;
}
