/*
 * English names of zones, as java.time prints them for `z` and `zzzz`: tzdata
 * itself has abbreviations only, and for many zones just digits.
 */
#ifndef SQL_ZONE_NAMES_H
#define SQL_ZONE_NAMES_H

struct zone_names {
	const char *short_std, *short_dst, *long_std, *long_dst;
	const char *zones; /* IANA names, a space before and behind each */
};

/* NULL: none. Immutable data. */
const struct zone_names *zone_names_find(const char *zone);

#endif
