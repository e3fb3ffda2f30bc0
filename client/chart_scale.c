/* Numbers for axes, and colours. */
#include "client/chart_form.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

size_t chart_format_number(double number, char text[32])
{
	char digits[32];
	size_t n = 0;
	size_t len;

	if (fabs(number) >= 1e15 || (number != 0 && fabs(number) < 1e-4))
		return (size_t)snprintf(text, 32, "%.3g", number);
	if (number != floor(number))
		return (size_t)snprintf(text, 32, fabs(number) < 10 ? "%.3g" : "%.1f", number);
	(void)snprintf(digits, sizeof(digits), "%.0f", fabs(number));
	len = strlen(digits);
	if (number < 0)
		text[n++] = '-';
	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			text[n++] = ',';
		text[n++] = digits[i];
	}
	text[n] = '\0';
	return n;
}

double chart_round_up(double number)
{
	static const double steps[] = {1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10};
	double power = pow(10, floor(log10(number)));

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (number <= steps[i] * power * (1 + 1e-9))
			return steps[i] * power;
	}
	return 10 * power;
}

const char *chart_colour(const struct terminal *terminal, size_t i)
{
	static const char *const colours[] = {
		"\033[36m", "\033[33m", "\033[32m", "\033[35m", "\033[34m", "\033[31m"};

	return terminal->has_colour ? colours[i % 6] : "";
}

const char *chart_plain(const struct terminal *terminal)
{
	return terminal->has_colour ? "\033[0m" : "";
}
