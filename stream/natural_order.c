/*
 * Compares two names as sequences of tokens, a token being a run of digits or
 * one other byte. A number meets another byte by its first digit, and all
 * digits stand together in ASCII, so the order is total.
 */
#include "stream/natural_order.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The length of the run of digits; *start moves behind its leading zeros. */
static size_t digits(const char **start)
{
	size_t n = 0;

	while (**start == '0')
		(*start)++;
	while (is_digit((*start)[n]))
		n++;
	return n;
}

/* Compares the runs at *a and *b and moves behind them. */
static int compare_numbers(const char **a, const char **b)
{
	size_t n_a = digits(a);
	size_t n_b = digits(b);
	int order;

	if (n_a != n_b)
		return n_a < n_b ? -1 : 1;
	order = memcmp(*a, *b, n_a);
	*a += n_a;
	*b += n_b;
	return order;
}

int natural_order_compare(const char *a, const char *b)
{
	const char *whole_a = a;
	const char *whole_b = b;
	int order;

	while (*a != '\0' && *b != '\0') {
		if (is_digit(*a) && is_digit(*b)) {
			order = compare_numbers(&a, &b);
			if (order != 0)
				return order;
		} else if (*a != *b) {
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		} else {
			a++;
			b++;
		}
	}
	if (*a != *b)
		return *a == '\0' ? -1 : 1;
	return strcmp(whole_a, whole_b);
}
