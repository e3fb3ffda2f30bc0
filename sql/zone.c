/*
 * TZif files in memory: transitions, types, the footer's rule.
 *
 * Files are data from outside: every count is checked against the bytes that
 * are there before anything is read, and a file that breaks the format is
 * refused as a whole. Names that could leave the directory never reach open().
 */
#include "sql/zone.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "sql/zone_names.h"
#include "sql/zone_rule.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ZONE_DIRECTORY      "/usr/share/zoneinfo"
#define ZONE_FILE_MAX_BYTES ((size_t)256 * 1024) /* the largest of tzdata has 4 KiB */
#define ZONE_MAX_TYPES      256                  /* an index is one byte */
#define ZONE_HEADER_BYTES   44

struct zone_type {
	int32_t seconds;
	bool is_dst;
	uint8_t abbreviation; /* index into zone.abbreviations */
};

struct zone {
	_Atomic int n_refs;
	char name[ZONE_NAME_BYTES];
	char *abbreviations;  /* NUL-terminated texts, a NUL behind the last */
	int64_t *transitions; /* ascending instants; type_of[i] holds from transitions[i] */
	uint8_t *type_of;
	size_t n_transitions;
	struct zone_type types[ZONE_MAX_TYPES];
	size_t n_types;
	struct zone_rule rule; /* after the last transition */
	bool has_rule;
	bool is_fixed; /* an offset or UTC: types[0] alone */
	/*
	 * Some files call the winter's earlier clock "daylight saving" and the
	 * summer standard (Europe/Dublin, Africa/Casablanca); Java's names go by
	 * the clock. Between the two offsets of such a file the later is daylight.
	 */
	bool dst_is_inverted;
	int32_t inverted_low_s, inverted_high_s;
	const struct zone_names *names; /* NULL: none in the table */
};

static uint32_t be32(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

static int64_t be64(const unsigned char *bytes)
{
	return (int64_t)((uint64_t)be32(bytes) << 32 | be32(bytes + 4));
}

/* One block of a TZif file: its header's counts, in the file's order, and where its data is. */
struct tzif_block {
	uint32_t n_isut, n_isstd, n_leap, n_times, n_types, n_chars;
	size_t time_bytes;
	const unsigned char *data;
	size_t data_bytes;
	char version;
};

static bool block_read(
	struct tzif_block *block, const unsigned char *bytes, size_t len, size_t time_bytes)
{
	if (len < ZONE_HEADER_BYTES || memcmp(bytes, "TZif", 4) != 0)
		return false;
	block->version = (char)bytes[4];
	block->n_isut = be32(bytes + 20);
	block->n_isstd = be32(bytes + 24);
	block->n_leap = be32(bytes + 28);
	block->n_times = be32(bytes + 32);
	block->n_types = be32(bytes + 36);
	block->n_chars = be32(bytes + 40);
	if (block->n_isut > ZONE_MAX_TYPES || block->n_isstd > ZONE_MAX_TYPES ||
		block->n_leap > 10000 || block->n_times > 20000 || block->n_types == 0 ||
		block->n_types > ZONE_MAX_TYPES || block->n_chars == 0 || block->n_chars > 256)
		return false;
	block->time_bytes = time_bytes;
	block->data = bytes + ZONE_HEADER_BYTES;
	block->data_bytes = (size_t)block->n_times * (time_bytes + 1) + (size_t)block->n_types * 6 +
			    block->n_chars + block->n_leap * (time_bytes + 4) + block->n_isstd +
			    block->n_isut;
	return block->data_bytes <= len - ZONE_HEADER_BYTES;
}

static bool read_types(struct zone *zone, const struct tzif_block *block, const unsigned char *at)
{
	for (size_t i = 0; i < block->n_types; i++, at += 6) {
		struct zone_type *type = &zone->types[i];

		type->seconds = (int32_t)be32(at);
		type->is_dst = at[4] != 0;
		type->abbreviation = at[5];
		if (type->seconds < -93600 || type->seconds > 93600 || at[5] >= block->n_chars)
			return false;
	}
	zone->n_types = block->n_types;
	return true;
}

/* 0, ERR_NOMEM, or ERR_CORRUPT without a sentence. */
static int read_block(struct zone *zone, const struct tzif_block *block)
{
	const unsigned char *times = block->data;
	const unsigned char *indexes = times + block->n_times * block->time_bytes;
	const unsigned char *types = indexes + block->n_times;

	zone->transitions = mem_new_array(block->n_times, sizeof(*zone->transitions));
	zone->type_of = mem_new_array(block->n_times, 1);
	zone->abbreviations =
		mem_copy_text((const char *)types + (size_t)block->n_types * 6, block->n_chars);
	if (zone->transitions == NULL || zone->type_of == NULL || zone->abbreviations == NULL)
		return ERR_NOMEM;
	if (!read_types(zone, block, types))
		return ERR_CORRUPT;
	for (size_t i = 0; i < block->n_times; i++) {
		zone->transitions[i] =
			block->time_bytes == 8 ? be64(times + i * 8) : (int32_t)be32(times + i * 4);
		zone->type_of[i] = indexes[i];
		if (indexes[i] >= block->n_types ||
			(i > 0 && zone->transitions[i] <= zone->transitions[i - 1]))
			return ERR_CORRUPT;
	}
	zone->n_transitions = block->n_times;
	return 0;
}

/* The footer: the rule between two newlines; an empty one promises nothing. */
static bool read_footer(struct zone *zone, const unsigned char *at, size_t len)
{
	const unsigned char *end;

	if (len < 2 || at[0] != '\n')
		return false;
	end = memchr(at + 1, '\n', len - 1);
	if (end == NULL)
		return false;
	if (end == at + 1)
		return true;
	zone->has_rule = true;
	return zone_rule_parse(&zone->rule, (const char *)at + 1, (size_t)(end - at - 1));
}

static int read_tzif(struct zone *zone, const unsigned char *bytes, size_t len)
{
	struct tzif_block block;
	size_t first;
	int status;

	if (!block_read(&block, bytes, len, 4))
		return ERR_CORRUPT;
	if (block.version == '\0')
		return read_block(zone, &block);
	first = ZONE_HEADER_BYTES + block.data_bytes;
	if (!block_read(&block, bytes + first, len - first, 8))
		return ERR_CORRUPT;
	status = read_block(zone, &block);
	if (status != 0)
		return status;
	first += ZONE_HEADER_BYTES + block.data_bytes;
	return read_footer(zone, bytes + first, len - first) ? 0 : ERR_CORRUPT;
}

static bool is_plain_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= ZONE_NAME_BYTES || name[0] == '/' || name[len - 1] == '/' ||
		strstr(name, "//") != NULL)
		return false;
	/* No point at all: no name of a zone has one, and `..` is kept out with it. */
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
	       len;
}

static void make_fixed(struct zone *zone, int32_t seconds, const char *name)
{
	zone->is_fixed = true;
	zone->n_types = 1;
	zone->types[0] = (struct zone_type){.seconds = seconds};
	(void)snprintf(zone->name, sizeof(zone->name), "%s", name);
}

/* Two digits; -1: they are none. */
static int two_digits(const char *text)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return -1;
	return (text[0] - '0') * 10 + (text[1] - '0');
}

/* `±HH`, `±HHmm`, `±HH:mm`; the name is then `±HH:mm`, as Java writes it. */
static bool read_offset(struct zone *zone, const char *name)
{
	char canonical[16];
	int hours, minutes = 0;

	if (name[0] != '+' && name[0] != '-')
		return false;
	hours = two_digits(name + 1);
	if (hours < 0)
		return false;
	if (name[3] != '\0') {
		const char *rest = name + 3 + (name[3] == ':');

		minutes = two_digits(rest);
		if (minutes < 0 || rest[2] != '\0')
			return false;
	}
	if (minutes > 59 || hours * 60 + minutes > 18 * 60)
		return false;
	(void)snprintf(canonical, sizeof(canonical), "%c%02d:%02d", name[0], hours, minutes);
	make_fixed(zone, (hours * 3600 + minutes * 60) * (name[0] == '-' ? -1 : 1),
		hours + minutes == 0 ? "Z" : canonical);
	return true;
}

/* The file's last change to daylight saving time says which of the two it means by it. */
static void find_inverted_dst(struct zone *zone)
{
	for (size_t i = zone->n_transitions; i > 1; i--) {
		const struct zone_type *type = &zone->types[zone->type_of[i - 1]];
		const struct zone_type *before = &zone->types[zone->type_of[i - 2]];

		if (!type->is_dst)
			continue;
		zone->dst_is_inverted = !before->is_dst && type->seconds < before->seconds;
		zone->inverted_low_s = type->seconds;
		zone->inverted_high_s = before->seconds;
		return;
	}
}

/* Daylight saving time as Java's names count it. */
static bool counts_as_dst(const struct zone *zone, int32_t seconds, bool is_dst)
{
	if (!zone->dst_is_inverted)
		return is_dst;
	return seconds >= zone->inverted_high_s || (is_dst && seconds != zone->inverted_low_s);
}

static int read_file(struct zone *zone, const char *directory, const char *name, struct err *err)
{
	struct buf bytes = {0};
	struct err reason = ERR_INIT;
	char path[512];
	int status;

	if (!is_plain_name(name))
		return err_set(err, ERR_CONFIG,
			"no such time zone: '%.64s' (a name like Europe/Paris, UTC, or +05:30)",
			name);
	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	status = file_read_all(path, ZONE_FILE_MAX_BYTES, &bytes, &reason);
	if (status == 0)
		status = read_tzif(zone, (const unsigned char *)bytes.data, bytes.len);
	else if (status != ERR_NOMEM)
		status = ERR_MISSING;
	buf_fini(&bytes);
	if (status == ERR_NOMEM)
		return err_nomem(err);
	if (status == ERR_CORRUPT)
		return err_set(err, ERR_CONFIG, "%s: no valid time zone file", path);
	if (status != 0)
		return err_set(err, ERR_CONFIG,
			"no such time zone: '%s' (a name like Europe/Paris, UTC, or +05:30; %s)",
			name, reason.text);
	(void)snprintf(zone->name, sizeof(zone->name), "%s", name);
	find_inverted_dst(zone);
	return 0;
}

int zone_new_from(struct zone **zone, const char *directory, const char *name, struct err *err)
{
	struct zone *new = calloc(1, sizeof(*new));
	int status = 0;

	if (new == NULL)
		return err_nomem(err);
	new->n_refs = 1;
	if (strcasecmp(name, "UTC") == 0 || strcasecmp(name, "GMT") == 0) {
		make_fixed(new, 0, strcasecmp(name, "UTC") == 0 ? "UTC" : "GMT");
		new->names = zone_names_find(new->name);
	} else if (strcmp(name, "Z") == 0) {
		make_fixed(new, 0, "Z");
	} else if (!read_offset(new, name)) {
		status = read_file(new, directory, name, err);
		new->names = zone_names_find(name);
	}
	if (status != 0) {
		zone_unref(new);
		return status;
	}
	*zone = new;
	return 0;
}

int zone_new(struct zone **zone, const char *name, struct err *err)
{
	return zone_new_from(zone, ZONE_DIRECTORY, name, err);
}

struct zone *zone_ref(struct zone *zone)
{
	if (zone != NULL)
		atomic_fetch_add_explicit(&zone->n_refs, 1, memory_order_relaxed);
	return zone;
}

void zone_unref(struct zone *zone)
{
	if (zone == NULL || atomic_fetch_sub_explicit(&zone->n_refs, 1, memory_order_acq_rel) != 1)
		return;
	free(zone->transitions);
	free(zone->type_of);
	free(zone->abbreviations);
	free(zone);
}

const char *zone_name(const struct zone *zone)
{
	return zone->name;
}

static struct zone_offset offset_of_type(const struct zone *zone, size_t index)
{
	const struct zone_type *type = &zone->types[index];

	return (struct zone_offset){
		.seconds = type->seconds,
		.is_dst = counts_as_dst(zone, type->seconds, type->is_dst),
		.abbreviation =
			zone->is_fixed ? zone->name : zone->abbreviations + type->abbreviation,
	};
}

static struct zone_offset offset_of_rule(const struct zone *zone, int64_t utc_s)
{
	const struct zone_rule *rule = &zone->rule;
	bool is_dst = zone_rule_is_dst(rule, utc_s);
	int32_t seconds = is_dst ? rule->dst_s : rule->std_s;

	return (struct zone_offset){
		.seconds = seconds,
		/* A rule without changes is the end of the alternation. */
		.is_dst = rule->has_dst ? counts_as_dst(zone, seconds, is_dst) : is_dst,
		.abbreviation = is_dst ? rule->dst_name : rule->std_name,
	};
}

struct zone_offset zone_at(const struct zone *zone, int64_t utc_s)
{
	size_t low = 0, high = zone->n_transitions;

	if (zone->is_fixed)
		return offset_of_type(zone, 0);
	if (zone->has_rule && (high == 0 || utc_s >= zone->transitions[high - 1]))
		return offset_of_rule(zone, utc_s);
	/* low: how many transitions lie at or before the instant. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zone->transitions[middle] <= utc_s)
			low = middle + 1;
		else
			high = middle;
	}
	/* Before the first transition type 0 holds (RFC 8536, section 3.2). */
	return offset_of_type(zone, low == 0 ? 0 : zone->type_of[low - 1]);
}

int64_t zone_to_utc(const struct zone *zone, int64_t local_s)
{
	/* No offset is further than 26 hours from UTC, and no zone changes its clock twice in two
	 * days. */
	int32_t before = zone_at(zone, local_s - 93600).seconds;
	int32_t after = zone_at(zone, local_s + 93600).seconds;
	int64_t low, high;

	if (before == after)
		return local_s - before;
	if (zone_at(zone, local_s - before).seconds == before)
		return local_s - before;
	if (zone_at(zone, local_s - after).seconds == after)
		return local_s - after;
	/* Skipped: the change lies between the two candidates. */
	low = local_s - after;
	high = local_s - before;
	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;

		if (zone_at(zone, middle).seconds == before)
			low = middle;
		else
			high = middle;
	}
	return high;
}

const char *zone_short_name(const struct zone *zone, const struct zone_offset *at)
{
	if (zone->names == NULL)
		return at->abbreviation;
	return at->is_dst ? zone->names->short_dst : zone->names->short_std;
}

const char *zone_long_name(const struct zone *zone, const struct zone_offset *at)
{
	if (zone->names == NULL)
		return at->abbreviation;
	return at->is_dst ? zone->names->long_dst : zone->names->long_std;
}
