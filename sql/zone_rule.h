/*
 * POSIX TZ rules (`PST8PDT,M3.2.0,M11.1.0`), as they stand in the footers of
 * TZif files, with RFC 8536's extension of hours to ±167. Pure arithmetic.
 */
#ifndef SQL_ZONE_RULE_H
#define SQL_ZONE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZONE_ABBREVIATION_BYTES 16

/* When a year's change happens: a day, and seconds from that day's midnight on the wall. */
struct zone_change {
	enum { ZONE_CHANGE_JULIAN, ZONE_CHANGE_DAY, ZONE_CHANGE_WEEKDAY } kind;
	/* JULIAN: 1–365, 29 February never counted; DAY: 0–365; WEEKDAY: 0 is Sunday */
	int day;
	int month;   /* WEEKDAY: 1–12 */
	int week;    /* WEEKDAY: 1–5, 5 is the last */
	int32_t at_s;
};

struct zone_rule {
	int32_t std_s, dst_s; /* east of UTC */
	bool has_dst;
	char std_name[ZONE_ABBREVIATION_BYTES];
	char dst_name[ZONE_ABBREVIATION_BYTES];
	struct zone_change dst_begin, dst_end;
};

/* False: no rule in this form; *rule is then undefined. */
bool zone_rule_parse(struct zone_rule *rule, const char *text, size_t len);

/* True in daylight saving time. */
bool zone_rule_is_dst(const struct zone_rule *rule, int64_t utc_s);

#endif
