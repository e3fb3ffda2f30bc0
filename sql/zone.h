/*
 * Time zones: the offset from UTC at an instant, and the way back from a wall
 * clock to the instant.
 *
 * A zone is read from the system's tzdata (TZif, RFC 8536) once and then never
 * changes: threads share it without a lock. After the file's last transition
 * its footer, a POSIX TZ rule, goes on for ever. Does not look at TZ in the
 * environment and not at the process's locale. Knows no patterns.
 */
#ifndef SQL_ZONE_H
#define SQL_ZONE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define ZONE_NAME_BYTES 64 /* longest name of tzdata: 32; with its NUL */

struct zone;

/* What a clock on the wall shows at one instant. */
struct zone_offset {
	int32_t seconds;          /* east of UTC */
	bool is_dst;              /* daylight saving time, as Java's names count it */
	const char *abbreviation; /* the file's (`PDT`, `+0545`); valid as long as the zone */
};

/*
 * `name`: an IANA name (`America/Los_Angeles`), `UTC`, `Z`, or an offset `±HH`,
 * `±HHmm`, `±HH:mm` up to ±18:00. UTC and offsets need no file. ERR_CONFIG names an unknown
 * zone or says what is wrong with its file; ERR_NOMEM.
 */
int zone_new(struct zone **zone, const char *name, struct err *err)
	__attribute__((warn_unused_result));
/* The same below another directory than the system's. */
int zone_new_from(struct zone **zone, const char *directory, const char *name, struct err *err)
	__attribute__((warn_unused_result));
/*
 * A zone is shared: another reference, and the end of one, the last of which
 * frees it. NULL is accepted by both.
 */
struct zone *zone_ref(struct zone *zone);
void zone_unref(struct zone *zone);

/* As it was asked for, but for letters' case of UTC and GMT. */
const char *zone_name(const struct zone *zone);

struct zone_offset zone_at(const struct zone *zone, int64_t utc_s);

/*
 * The instant at which the wall clock first shows `local_s` (seconds since
 * 1970-01-01 00:00 on that clock). A time that the clock skips is the instant
 * of the skip, so midnight is always a day's first moment.
 */
int64_t zone_to_utc(const struct zone *zone, int64_t local_s);

/*
 * English names as Java prints them: `PDT`, `Pacific Daylight Time`. An offset's
 * name is itself; a zone without names in the table shows its file's abbreviation.
 */
const char *zone_short_name(const struct zone *zone, const struct zone_offset *at);
const char *zone_long_name(const struct zone *zone, const struct zone_offset *at);

#endif
