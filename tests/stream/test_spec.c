/* Definitions: the text that decides whether counts may be kept, and lifetime. */
#include "base/mem.h"
#include "base/timestamp.h"
#include "stream/spec.h"
#include "tests/run.h"

#include <stdlib.h>
#include <string.h>

static char *copy(const char *text)
{
	char *copied = mem_copy_text(text, strlen(text));

	ck_assert_ptr_nonnull(copied);
	return copied;
}

/* One source, one query by `action` and `user.id AS who`. */
static struct spec make_spec(void)
{
	struct spec spec = {.n_sources = 1, .n_queries = 1, .threads = 1};

	spec.sources = mem_new_array(1, sizeof(*spec.sources));
	spec.queries = mem_new_array(1, sizeof(*spec.queries));
	ck_assert(spec.sources != NULL && spec.queries != NULL);
	spec.sources[0] = (struct source_spec){.name = "events",
		.path = copy("/var/lib/tallyd/events"),
		.glob = copy("*"),
		.poll_interval_us = US_PER_S,
		.max_bytes_per_trigger = 1 << 20,
		.max_file_age_us = -1,
		.max_event_bytes = 16 << 20,
		.time_field = copy("time")};
	spec.queries[0] = (struct query_spec){.name = "counts",
		.group_by = mem_new_array(2, sizeof(struct field_spec)),
		.n_group_by = 2,
		.window_us = US_PER_HOUR,
		.slide_us = US_PER_HOUR,
		.start_offset_us = -15 * 60 * US_PER_S,
		.watermark_us = -1,
		.retention_us = -1,
		.max_groups = 10000000};
	ck_assert_ptr_nonnull(spec.queries[0].group_by);
	spec.queries[0].group_by[0] = (struct field_spec){copy("action"), copy("action")};
	spec.queries[0].group_by[1] = (struct field_spec){copy("user.id"), copy("who")};
	return spec;
}

START_TEST(a_definition_is_one_key_and_value_a_line)
{
	struct spec spec = make_spec();
	char *text = spec_query_definition(&spec, 0);

	ck_assert_str_eq(text, "path=\"/var/lib/tallyd/events\"\n"
			       "glob=\"*\"\n"
			       "recursive=0\n"
			       "time_field=\"time\"\n"
			       "time_unit=\"s\"\n"
			       "max_event_bytes=16777216\n"
			       "max_file_age=\n"
			       "group_by=\"action\" AS \"action\",\"user.id\" AS \"who\"\n"
			       "window=1 hour\n"
			       "slide=1 hour\n"
			       "start_offset=-15 minutes\n"
			       "session=0 seconds\n"
			       "watermark=\n"
			       "output_mode=\"complete\"\n");
	free(text);
	spec_fini(&spec);
	ck_assert_ptr_null(spec.sources);
}
END_TEST

static void check_changed(struct spec *spec, const char *before, bool is_changed, const char *what)
{
	char *after = spec_query_definition(spec, 0);

	ck_assert_msg((strcmp(before, after) != 0) == is_changed, "%s", what);
	free(after);
}

/* Sets a field, looks whether the definition is another, and sets it back. */
#define CHECK_FIELD(field, value, is_changed)                                                      \
	do {                                                                                       \
		__typeof__(field) kept_ = (field);                                                 \
		(field) = (value);                                                                 \
		check_changed(&spec, before, is_changed, #field);                                  \
		(field) = kept_;                                                                   \
	} while (0)

START_TEST(what_decides_the_numbers_changes_the_definition_and_nothing_else_does)
{
	struct spec spec = make_spec();
	struct source_spec *source = &spec.sources[0];
	struct query_spec *query = &spec.queries[0];
	char *before = spec_query_definition(&spec, 0);
	char other[] = "other";

	CHECK_FIELD(source->path, other, true);
	CHECK_FIELD(source->glob, other, true);
	CHECK_FIELD(source->recursive, true, true);
	CHECK_FIELD(source->time_field, other, true);
	CHECK_FIELD(source->time_unit, TIME_UNIT_MS, true);
	CHECK_FIELD(source->max_event_bytes, 1000, true);
	CHECK_FIELD(source->max_file_age_us, US_PER_DAY, true);
	CHECK_FIELD(query->n_group_by, (size_t)1, true);
	CHECK_FIELD(query->n_group_by, (size_t)0, true);
	CHECK_FIELD(query->group_by[1].path, other, true);
	CHECK_FIELD(query->group_by[1].column, other, true);
	CHECK_FIELD(query->window_us, 2 * US_PER_HOUR, true);
	CHECK_FIELD(query->slide_us, US_PER_HOUR / 2, true);
	CHECK_FIELD(query->start_offset_us, 1, true);
	CHECK_FIELD(query->session_us, US_PER_HOUR, true);
	CHECK_FIELD(query->watermark_us, 0, true);
	CHECK_FIELD(query->output_mode, OUTPUT_APPEND, true);
	CHECK_FIELD(source->poll_interval_us, 7, false);
	CHECK_FIELD(source->trigger_us, 7, false);
	CHECK_FIELD(source->max_files_per_trigger, 7, false);
	CHECK_FIELD(source->max_bytes_per_trigger, 7, false);
	CHECK_FIELD(source->on_malformed, ON_MALFORMED_FAIL, false);
	CHECK_FIELD(source->clean_source, CLEAN_SOURCE_DELETE, false);
	CHECK_FIELD(source->archive_dir, other, false);
	CHECK_FIELD(query->retention_us, 7, false);
	CHECK_FIELD(query->max_groups, 7, false);
	CHECK_FIELD(spec.threads, 7, false);
	CHECK_FIELD(source->name[0], 'x', false);
	CHECK_FIELD(query->name[0], 'x', false);
	free(before);
	spec_fini(&spec);
}
END_TEST

START_TEST(a_value_cannot_look_like_the_next_line)
{
	struct spec spec = make_spec();
	char path[] = "/a\"\nglob=\"b";
	char *kept = spec.sources[0].path;
	char *text;

	spec.sources[0].path = path;
	text = spec_query_definition(&spec, 0);
	spec.sources[0].path = kept;
	ck_assert_ptr_eq(strstr(text, "\nglob=\"*\"\n"), strstr(text, "\nglob="));
	free(text);
	spec_fini(&spec);
}
END_TEST

START_TEST(modes_and_units_have_the_names_of_the_contract)
{
	ck_assert_str_eq(output_mode_name(OUTPUT_COMPLETE), "complete");
	ck_assert_str_eq(output_mode_name(OUTPUT_APPEND), "append");
	ck_assert_str_eq(output_mode_name(OUTPUT_UPDATE), "update");
	ck_assert_str_eq(time_unit_name(TIME_UNIT_S), "s");
	ck_assert_str_eq(time_unit_name(TIME_UNIT_MS), "ms");
	ck_assert_str_eq(time_unit_name(TIME_UNIT_US), "us");
	ck_assert_str_eq(time_unit_name(TIME_UNIT_NS), "ns");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spec");
	TCase *tcase = tcase_create("spec");

	tcase_add_test(tcase, a_definition_is_one_key_and_value_a_line);
	tcase_add_test(
		tcase, what_decides_the_numbers_changes_the_definition_and_nothing_else_does);
	tcase_add_test(tcase, a_value_cannot_look_like_the_next_line);
	tcase_add_test(tcase, modes_and_units_have_the_names_of_the_contract);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
