#!/usr/bin/env python3
"""Each rule that decides which number stands in a table, and the tests that bear its name.

Run, it looks for every one of them in the sources and fails for one that is missing or is never
run; with --print it prints the table.
"""

import glob
import os
import re
import sys

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RULES = """
# Reasons of rejects
bad_json: a_value_then_garbage_counts_and_the_rest_of_the_line_is_one_bad_json a_line_of_text_is_one_bad_json
not_an_object: a_scalar_is_not_an_object
event_too_long: a_value_over_max_event_bytes_is_rejected_and_a_line_of_many_small_ones_is_not
no_time: null_or_missing_time_is_no_time
bad_time: a_bad_time_is_rejected_with_what_would_be_right
group_too_long: a_too_long_group_can_be_made_a_reject a_value_too_long_is_a_reject_only_for_queries_that_group_by_it
no others: the_reasons_have_the_names_of_the_contract

# From bytes to events
the last line needs no newline: the_last_line_of_a_file_needs_no_newline
\\r before the newline: a_carriage_return_before_the_newline_is_white_space
one JSON object: one_object_on_a_line_is_one_event
nothing but white space: white_space_alone_is_no_event_and_no_reject
a byte order mark: a_byte_order_mark_is_passed_at_the_start_of_the_file_only
a top-level array: a_top_level_array_gives_one_event_per_object_in_it
several values back to back: several_values_back_to_back_are_an_event_each
a value, then garbage: a_value_then_garbage_counts_and_the_rest_of_the_line_is_one_bad_json
a scalar: a_scalar_is_not_an_object
a malformed value: a_malformed_value_costs_its_line_and_never_the_next
a value over max_event_bytes: a_value_over_max_event_bytes_is_rejected_and_a_line_of_many_small_ones_is_not a_value_over_the_limit_is_never_held_whole
every complete value by itself: every_complete_value_of_a_line_is_judged_by_itself_scalars_too
an array that breaks off: an_array_that_breaks_off_is_one_bad_json_and_none_of_its_elements_counts
an element over the limit: an_element_over_the_limit_makes_the_array_one_event_too_long
an unfinished last line: complete_objects_and_arrays_of_an_unfinished_line_count_at_once a_scalar_at_the_very_end_waits_for_the_end_of_its_line
strict JSON and UTF-8 everywhere: a_value_is_strict_json_also_in_fields_that_nobody_reads
nesting: nesting_goes_to_a_thousand_levels_in_objects_and_in_arrays
NUL kept, a lone surrogate is U+FFFD: a_group_is_the_unescaped_string_or_the_source_text
cut in every possible place: a_cut_anywhere_into_two_reads_changes_nothing a_cut_anywhere_into_two_appends_changes_nothing a_cut_anywhere_into_two_batches_changes_nothing slices_of_a_file_are_the_file tables_and_rejects_are_the_same_for_all_threads_and_levels
byte-changed copies: all_levels_count_the_same_after_byte_changes all_levels_count_random_shapes_the_same
names after unescaping, case-sensitive: names_are_compared_after_unescaping_and_with_regard_to_case
names at the top level only: names_are_looked_for_at_the_top_level_only
a dotted path: a_dotted_path_reaches_inside_objects_and_the_last_object_wins_whole
the last duplicate wins: the_last_duplicate_wins

# time
an integer: an_integer_is_whole_units_since_1970
a decimal or exponent: a_decimal_or_exponent_is_exact_and_floored_to_microseconds
a string: a_string_is_a_date_then_a_time_then_a_zone a_time_in_the_grammar_is_read
details of strings: a_time_outside_the_grammar_is_refused
null or missing: null_or_missing_time_is_no_time
anything else, years outside 0001-9999: a_bad_time_is_rejected_with_what_would_be_right
no arithmetic wraps: a_number_that_does_not_fit_is_refused_and_never_wraps
bounds past the year 9999 and before 0001: the_canonical_text_is_written_and_read_back a_bound_that_does_not_fit_or_is_misspelt_is_refused

# The group
a string, the empty one, null, any other value: a_group_is_the_unescaped_string_or_the_source_text null_and_the_empty_text_and_field_borders_are_groups_of_their_own
more than 65,536 bytes: a_group_of_65536_bytes_is_taken_and_a_longer_one_marked
no fields: without_fields_there_is_one_group
max_groups: the_first_groups_in_file_order_are_taken_whatever_the_number_of_threads an_event_counts_in_its_windows_that_have_room_and_is_refused_once what_a_query_refuses_does_not_depend_on_its_company

# Windows
half-open, floored, offset, slide, a week: an_event_lies_in_the_windows_that_the_rules_give windows_agree_with_a_search_by_trying_every_start
durations as Spark writes them: a_duration_is_read_as_spark_reads_it a_text_that_is_no_duration_is_refused_with_what_is_wrong
session windows touch or overlap: events_exactly_one_gap_apart_are_one_session_and_a_microsecond_more_are_two
sessions in whatever order: any_order_and_any_cut_into_batches_gives_the_sessions_of_a_plain_walk
sessions without fields: sessions_without_fields_are_of_all_events
the watermark: the_watermark_is_floored_to_milliseconds_and_never_goes_back lateness_is_judged_by_the_watermark_of_the_batch_before
late: an_event_is_late_once_if_any_window_is_closed_and_counts_in_the_others
complete drops nothing: complete_mode_drops_nothing_late
append: append_shows_a_row_in_the_batch_after_the_one_that_closed_it append_mode_shows_a_window_once_when_the_watermark_has_passed_its_end
modes that do not go together: a_bad_file_is_refused_with_what_would_be_right
retention: retention_drops_rows_in_every_mode rows_that_left_the_state_are_dropped_by_retention_too retention_moves_with_the_newest_event_also_before_1970
one event of the year 9999: one_event_of_the_year_9999_moves_watermark_and_retention_for_good

# Files
which: which_regular_files_that_are_direct_children which_never_an_ignored_name which_matching_the_glob which_recursive_all_below_but_not_below_ignored_directories which_symbolic_links_are_not_followed_inside which_a_link_is_followed_for_the_directory_itself
order: order_is_time_then_natural_name order_a_file_that_grew_stands_where_its_new_time_puts_it
per trigger: a_batch_takes_at_most_max_files_per_trigger a_batch_takes_at_most_max_bytes_and_cuts_a_plain_file_behind_a_line a_last_line_without_end_may_be_longer_than_max_bytes a_compressed_file_is_taken_whole_however_small_the_limit an_empty_file_takes_its_place_like_any_other
identity in a run: identity_a_rename_inside_the_directory_is_no_new_data identity_a_new_file_under_an_old_name_is_new identity_a_reused_inode_is_a_new_file
identity at start: identity_after_a_restart_nothing_is_read_twice identity_after_a_reboot_with_other_device_numbers_nothing_is_read_twice identity_after_a_restore_to_a_new_disk_the_path_decides
growth: growth_is_read_from_where_the_last_batch_stopped a_growing_file_is_counted_once_wherever_it_is_cut
truncation, rewriting in place: rewriting_to_a_shorter_file_is_a_new_file_and_said rewriting_to_a_longer_file_is_a_new_file truncation_to_nothing_and_growth_again
hard links, copies: hard_links_are_the_same_file copies_are_new_files copytruncate_counts_the_copy_again
gone before it was read: gone_before_it_was_read_is_missing_and_said
unreadable: unreadable_a_file_shows_the_reason_and_is_read_when_it_is_mended
I/O error: an_error_of_reading_is_said_and_reading_goes_on_behind_what_was_delivered
broken compression: broken_compression_counts_what_was_read_whole_and_is_retried
compression: compression_is_known_by_content_and_not_by_name several_members_or_frames_are_read_in_pieces_of_any_size a_file_growing_mid_frame_waits_for_the_rest_at_every_byte
after processing: files_are_deleted_only_after_a_synced_batch_and_by_all_queries_read not_while_it_is_unread_growing_or_in_error not_when_its_size_changed_since_it_was_read not_when_its_time_changed_since_it_was_read archive_dir_inside_the_source_is_refused
age: age_leaves_out_old_new_files_and_says_so
changes nobody announces: changes_that_nobody_announces_are_found_by_a_full_look
at random, under a real daemon: test_the_table_is_the_recount_of_all_bytes_that_were_ever_complete test_without_truncation_and_deletion_the_batch_twin_is_the_same_too
"""


def known():
    """Names of tests that are there and run: name -> file."""
    found = {}
    for path in glob.glob(os.path.join(TREE, "tests", "*", "*.[cp]*")):
        if not path.endswith((".c", ".py")):
            continue
        with open(path) as source:
            text = source.read()
        for name in re.findall(r"START_TEST\((\w+)\)", text):
            if len(re.findall(r"\b%s\b" % name, text)) > 1:
                found[name] = os.path.relpath(path, TREE)
        for name in re.findall(r"def (test_\w+)\(", text):
            found[name] = os.path.relpath(path, TREE)
    return found


def main():
    tests, n_rules, n_missing = known(), 0, 0
    for line in RULES.strip().splitlines():
        if ": " not in line:
            if "--print" in sys.argv:
                print(line)
            continue
        rule, names = line.split(": ")
        n_rules += 1
        for name in names.split():
            if name not in tests:
                n_missing += 1
                print("%s: there is no test %s" % (rule, name), file=sys.stderr)
            elif "--print" in sys.argv:
                print("  %-45s %s: %s" % (rule, tests[name], name))
    print("%d rules" % n_rules)
    return 1 if n_missing else 0


if __name__ == "__main__":
    sys.exit(main())
