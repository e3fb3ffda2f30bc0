/* The size by TIOCGWINSZ, else by COLUMNS and LINES. */
#include "client/terminal.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

static int number_from(const char *name, int otherwise)
{
	const char *text = getenv(name);
	long number = text != NULL ? strtol(text, NULL, 10) : 0;

	return number > 0 && number < 10000 ? (int)number : otherwise;
}

void terminal_measure(struct terminal *terminal, int fd)
{
	const char *type = getenv("TERM");
	const char *no_colour = getenv("NO_COLOR");
	bool is_terminal = isatty(fd) != 0;
	struct winsize size = {0};

	if (is_terminal)
		(void)ioctl(fd, TIOCGWINSZ, &size);
	terminal->columns = size.ws_col > 0 ? size.ws_col : number_from("COLUMNS", 80);
	terminal->rows = size.ws_row > 0 ? size.ws_row : number_from("LINES", 24);
	terminal->has_cursor =
		is_terminal && type != NULL && type[0] != '\0' && strcmp(type, "dumb") != 0;
	terminal->has_colour = terminal->has_cursor && (no_colour == NULL || no_colour[0] == '\0');
	terminal->has_unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

size_t terminal_width(const char *text, size_t len)
{
	mbstate_t state = {0};
	size_t width = 0;
	size_t at = 0;

	while (at < len) {
		wchar_t character;
		size_t n = mbrtowc(&character, text + at, len - at, &state);
		int columns;

		if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
			memset(&state, 0, sizeof(state));
			width++;
			at++;
			continue;
		}
		columns = wcwidth(character);
		width += columns < 0 ? 1 : (size_t)columns;
		at += n;
	}
	return width;
}

size_t terminal_control_length(const char *text, size_t len, const char *kept)
{
	unsigned char c = (unsigned char)text[0];

	if (c < 0x20 || c == 0x7f)
		return c == '\0' || strchr(kept, c) == NULL ? 1 : 0;
	return c == 0xc2 && len > 1 && (unsigned char)text[1] < 0xa0 ? 2 : 0;
}

void terminal_escape(const char *text, size_t len, char *out, size_t size)
{
	size_t used = 0;

	/* The longest step is two bytes as eight, and the zero behind them. */
	for (size_t i = 0; i < len && used + 8 < size;) {
		size_t n = terminal_control_length(text + i, len - i, "\n\t");

		if (n == 0)
			out[used++] = text[i++];
		for (; n > 0; n--, used += 4)
			(void)snprintf(out + used, size - used, "\\x%02x",
				(unsigned)(unsigned char)text[i++]);
	}
	out[used] = '\0';
}
