/*
 * The configuration: what a good file means, and for each way a file can be
 * bad the exact sentence. `F` in a sentence stands for the file's path.
 */
#include "daemon/config.h"
#include "daemon/config_keys.h"
#include "base/timestamp.h"
#include "tests/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[64];
static char file[128];

static void set_up(void)
{
	snprintf(directory, sizeof(directory), "/tmp/tallyd-config-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(file, sizeof(file), "%s/f.conf", directory);
	unsetenv("RUNTIME_DIRECTORY");
	unsetenv("STATE_DIRECTORY");
	unsetenv("NOTIFY_SOCKET");
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	setenv("XDG_STATE_HOME", "/home/x/state", 1);
}

static void tear_down(void)
{
	unlink(file);
	rmdir(directory);
}

static void file_write(const char *bytes, size_t len)
{
	FILE *out = fopen(file, "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(bytes, 1, len, out), len);
	ck_assert_int_eq(fclose(out), 0);
}

static int read_bytes(struct config **config, const char *bytes, size_t len, struct err *err)
{
	struct config_request request = {.file = file};

	file_write(bytes, len);
	return config_read(config, &request, err);
}

static struct config *read_good(const char *text)
{
	struct config *config;
	struct err err = ERR_INIT;

	ck_assert_msg(read_bytes(&config, text, strlen(text), &err) == 0, "%s", err.text);
	return config;
}

START_TEST(an_empty_file_means_every_default_of_the_manual)
{
	struct config *config = read_good("");

	ck_assert_int_eq((int)config->socket_mode, 0660);
	ck_assert_str_eq(config->timezone, "UTC");
	ck_assert_int_ge(config->threads, 1);
	ck_assert_int_eq(config->max_sessions, 256);
	ck_assert_int_ge(config->max_running_queries, 1);
	ck_assert_int_eq(config->query_timeout_us, 30 * US_PER_S);
	ck_assert_int_eq(config->idle_transaction_timeout_us, 300 * US_PER_S);
	ck_assert_int_eq(config->query_memory_bytes, 256 << 20);
	ck_assert_int_eq(config->max_result_bytes, 1 << 30);
	ck_assert_ptr_null(config->snapshot_file);
	ck_assert_int_eq(config->snapshot_interval_us, 60 * US_PER_S);
	ck_assert_int_eq(config->log_level, 2);
	ck_assert_ptr_null(config->http_listen);
	ck_assert_uint_eq(config->spec.n_sources, 1);
	ck_assert_uint_eq(config->spec.n_queries, 1);

	const struct source_spec *source = &config->spec.sources[0];
	ck_assert_str_eq(source->name, "events");
	ck_assert_str_eq(source->path, "/var/lib/tallyd/events");
	ck_assert_str_eq(source->glob, "*");
	ck_assert(!source->recursive);
	ck_assert_int_eq(source->poll_interval_us, US_PER_S);
	ck_assert_int_eq(source->trigger_us, 0);
	ck_assert_int_eq(source->max_files_per_trigger, 0);
	ck_assert_int_eq(source->max_bytes_per_trigger, 256 << 20);
	ck_assert_int_eq(source->max_file_age_us, -1);
	ck_assert_int_eq(source->max_event_bytes, 16 << 20);
	ck_assert_str_eq(source->time_field, "time");
	ck_assert_int_eq(source->time_unit, TIME_UNIT_S);
	ck_assert_int_eq(source->on_malformed, ON_MALFORMED_KEEP);
	ck_assert_int_eq(source->clean_source, CLEAN_SOURCE_OFF);
	ck_assert_ptr_null(source->archive_dir);

	const struct query_spec *query = &config->spec.queries[0];
	ck_assert_str_eq(query->name, "counts");
	ck_assert_uint_eq(query->n_group_by, 1);
	ck_assert_str_eq(query->group_by[0].path, "action");
	ck_assert_str_eq(query->group_by[0].column, "action");
	ck_assert_int_eq(query->window_us, US_PER_HOUR);
	ck_assert_int_eq(query->slide_us, US_PER_HOUR);
	ck_assert_int_eq(query->start_offset_us, 0);
	ck_assert_int_eq(query->session_us, 0);
	ck_assert_int_eq(query->watermark_us, -1);
	ck_assert_int_eq(query->output_mode, OUTPUT_COMPLETE);
	ck_assert_int_eq(query->retention_us, -1);
	ck_assert_int_eq(query->max_groups, 10000000);
	config_unref(config);
}
END_TEST

START_TEST(every_key_of_every_section_is_read)
{
	struct config *config = read_good(
		"\xef\xbb\xbf# comment\n; another\n\n[tallyd]\r\nsocket = /run/t.sock\n"
		"socket_mode=600 ; behind a value\nsocket_group =\npostgres = off\n"
		"state_dir = /var//lib/./x/\ntimezone = Europe/Berlin\nthreads = 3\n"
		"max_sessions = 9\nmax_running_queries = 5\nquery_timeout = 2 minutes\n"
		"idle_transaction_timeout = 1 hour\nquery_memory = 1 MiB\n"
		"max_result_bytes = 2 KB\nsnapshot_file = /var/x.db\n"
		"snapshot_interval = 90 seconds\nlog_level = Debug\n"
		"[http]\nlisten = 127.0.0.1:9188\n"
		"[source door]\npath = /data/a ;b;c\nglob = *.json\nrecursive = Yes\n"
		"poll_interval = 250 milliseconds\ntrigger = 10 seconds\n"
		"max_files_per_trigger = 7\nmax_bytes_per_trigger = 1000\nmax_file_age = 1 week\n"
		"max_event_bytes = 1 KiB\ntime_field = meta.at\ntime_unit = ms\n"
		"on_malformed = fail\nclean_source = archive\narchive_dir = /data/b\n"
		"[query q]\nsource = DOOR\ngroup_by = user.id AS who, action ,dc.Name as  name\n"
		"window = 10 minutes\nslide = 5 minutes\nstart_offset = -1 minute\n"
		"watermark = 0 seconds\noutput_mode = append\nretention = 1 day\nmax_groups = 5\n"
		"[query gaps]\nsession = 30 seconds\ngroup_by =\n");
	const struct source_spec *source = &config->spec.sources[0];
	const struct query_spec *query = &config->spec.queries[0];

	ck_assert_str_eq(config->socket, "/run/t.sock");
	ck_assert_int_eq((int)config->socket_mode, 0600);
	ck_assert_ptr_null(config->socket_group);
	ck_assert_ptr_null(config->postgres);
	ck_assert_str_eq(config->state_dir, "/var/lib/x");
	ck_assert_int_eq(config->threads, 3);
	ck_assert_int_eq(config->max_running_queries, 5);
	ck_assert_int_eq(config->max_result_bytes, 2000);
	ck_assert_str_eq(config->snapshot_file, "/var/x.db");
	ck_assert_int_eq(config->log_level, 3);
	ck_assert_str_eq(config->http_listen, "127.0.0.1:9188");
	ck_assert_str_eq(source->name, "door");
	ck_assert_str_eq(source->path, "/data/a");
	ck_assert(source->recursive);
	ck_assert_int_eq(source->poll_interval_us, 250000);
	ck_assert_int_eq(source->max_files_per_trigger, 7);
	ck_assert_int_eq(source->max_file_age_us, 7 * US_PER_DAY);
	ck_assert_str_eq(source->time_field, "meta.at");
	ck_assert_int_eq(source->time_unit, TIME_UNIT_MS);
	ck_assert_int_eq(source->on_malformed, ON_MALFORMED_FAIL);
	ck_assert_str_eq(source->archive_dir, "/data/b");
	ck_assert_uint_eq(query->n_group_by, 3);
	ck_assert_str_eq(query->group_by[0].path, "user.id");
	ck_assert_str_eq(query->group_by[0].column, "who");
	ck_assert_str_eq(query->group_by[1].column, "action");
	ck_assert_str_eq(query->group_by[2].path, "dc.Name");
	ck_assert_str_eq(query->group_by[2].column, "name");
	ck_assert_int_eq(query->slide_us, 300 * US_PER_S);
	ck_assert_int_eq(query->start_offset_us, -60 * US_PER_S);
	ck_assert_int_eq(query->watermark_us, 0);
	ck_assert_int_eq(query->output_mode, OUTPUT_APPEND);
	ck_assert_int_eq(config->spec.queries[1].session_us, 30 * US_PER_S);
	ck_assert_int_eq(config->spec.queries[1].window_us, 0);
	ck_assert_uint_eq(config->spec.queries[1].n_group_by, 0);
	config_unref(config);
}
END_TEST

START_TEST(a_section_without_keys_exists)
{
	struct config *config = read_good("[source a]\n[source b]\npath = /b\n"
					  "[query hourly]\nsource=b\n[query daily]\nsource=a");

	ck_assert_uint_eq(config->spec.n_sources, 2);
	ck_assert_uint_eq(config->spec.n_queries, 2);
	ck_assert_str_eq(config->spec.sources[0].path, "/var/lib/tallyd/events");
	ck_assert_uint_eq(config->spec.queries[0].source, 1);
	config_unref(config);
}
END_TEST

START_TEST(a_line_of_4096_bytes_is_whole)
{
	static char text[8192];
	size_t n = (size_t)snprintf(text, sizeof(text), "[source s]\nglob = ");
	size_t glob_len = 4096 - strlen("glob = ");

	memset(text + n, 'g', glob_len);
	strcpy(text + n + glob_len, "\nrecursive = yes\n");
	struct config *config = read_good(text);
	ck_assert_uint_eq(strlen(config->spec.sources[0].glob), glob_len);
	ck_assert(config->spec.sources[0].recursive);
	config_unref(config);
}
END_TEST

START_TEST(what_is_printed_reads_back_as_the_same)
{
	struct config *first = read_good("[query q]\nsession = 5 minutes\n[source s]\nglob=*.x\n");
	struct buf text = {0}, again = {0};

	config_print(first, &text);
	buf_add_char(&text, '\0');
	struct config *second = read_good(text.data);
	config_print(second, &again);
	ck_assert_uint_eq(first->n_settings, second->n_settings);
	for (size_t i = 0; i < first->n_settings; i++) {
		ck_assert_str_eq(first->settings[i].name, second->settings[i].name);
		ck_assert_str_eq(first->settings[i].value, second->settings[i].value);
	}
	ck_assert_ptr_nonnull(strstr(text.data, "glob = *.x ; from "));
	ck_assert_ptr_nonnull(strstr(text.data, "f.conf:4\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "\nsocket_mode = 0660 ; from default\n"));
	buf_fini(&text);
	buf_fini(&again);
	config_unref(first);
	config_unref(second);
}
END_TEST

#define S "[source s]\n"
#define Q "[query q]\n"

static const struct {
	const char *text, *sentence;
} bad_files[] = {
	{"nonsense\n", "F:1: neither [section] nor key = value"},
	{"[tallyd]\nnonsense", "F:2: neither [section] nor key = value"},
	{"[tallyd]\n= 3\n",
		"F:2: tallyd.: no such key; there are socket, socket_mode, socket_group, "
		"postgres, state_dir, timezone, threads, max_sessions, "
		"max_running_queries, query_timeout, idle_transaction_timeout, "
		"query_memory, max_result_bytes, snapshot_file, snapshot_interval, "
		"log_level"},
	{"threads = 1\n", "F:1: a key before the first section; start with [tallyd], [source NAME] "
			  "or [query NAME]"},
	{"[tallyd\nthreads = 1\n", "F:1: the section's name has no closing ]"},
	{"[source ;s]\n", "F:1: the section's name has no closing ]"},
	{"[tallyd] threads = 1\n",
		"F:1: something stands behind the section's ]; keys begin on the "
		"next line"},
	{"[daemon]\n", "F:1: [daemon]: no such section; there are [tallyd], [http], [source NAME] "
		       "and [query NAME]"},
	{"[source]\n", "F:1: [source]: no such section; there are [tallyd], [http], [source NAME] "
		       "and [query NAME]"},
	{"[tallyd x]\n", "F:1: [tallyd x]: no such section; there are [tallyd], [http], [source "
			 "NAME] and [query NAME]"},
	{"[]\n", "F:1: []: no such section; there are [tallyd], [http], [source NAME] and [query "
		 "NAME]"},
	{"[tallyd]\nthreads = 1\n  2\n",
		"F:3: the line is indented or continues the one before; "
		"write a key and its whole value at the start of one line"},
	{"[tallyd]\n\tthreads = 1\n",
		"F:2: the line is indented or continues the one before; write "
		"a key and its whole value at the start of one line"},
	{"[tallyd]\nthreads = \x02\n", "F:2: a control character; the file must be plain text"},
	{"[tallyd]\nthread = 1\n", "F:2: tallyd.thread: no such key; did you mean threads?"},
	{"[tallyd]\nwindow = 1 hour\n", "F:2: tallyd.window: this key belongs in [query NAME]"},
	{S "socket = /x\n", "F:2: s.socket: this key belongs in [tallyd]"},
	{"[http]\nport = 1\n", "F:2: http.port: no such key; there are listen"},
	{"[tallyd]\nthreads = 1\nthreads = 2\n",
		"F:3: tallyd.threads: written before at F:2; keep one of the two"},
	{"[tallyd]\nthreads = 1\n[http]\n[tallyd]\nthreads = 2\n",
		"F:5: tallyd.threads: written before at F:2; keep one of the two"},
	{"[tallyd]\nthreads = many\n", "F:2: tallyd.threads: \"many\" is no whole number"},
	{"[tallyd]\nthreads = 1.5\n", "F:2: tallyd.threads: \"1.5\" is no whole number"},
	{"[tallyd]\nthreads = 0x10\n", "F:2: tallyd.threads: \"0x10\" is no whole number"},
	{"[tallyd]\nthreads =\n", "F:2: tallyd.threads: \"\" is no whole number"},
	{"[tallyd]\nthreads = -1\n", "F:2: tallyd.threads: -1 is too little; at least 0 is wanted"},
	{"[tallyd]\nthreads = 5000\n",
		"F:2: tallyd.threads: 5000 is too much; at most 1024 is possible"},
	{"[tallyd]\nthreads = 99999999999999999999\n",
		"F:2: tallyd.threads: 99999999999999999999 is out of range"},
	{"[tallyd]\nmax_sessions = 0\n",
		"F:2: tallyd.max_sessions: 0 is too little; at least 1 is wanted"},
	{"[tallyd]\nquery_memory = 1 KiB\n",
		"F:2: tallyd.query_memory: 1 KiB is too little; at least 1 MiB is wanted"},
	{"[tallyd]\nsnapshot_interval = 10 milliseconds\n",
		"F:2: tallyd.snapshot_interval: 10 milliseconds is too little; at least 1 second "
		"is "
		"wanted"},
	{"[tallyd]\nsocket_mode = 660 octal\n",
		"F:2: tallyd.socket_mode: \"660 octal\" is no permission mode; three octal digits "
		"such as 0660 are wanted"},
	{"[tallyd]\nsocket_mode = 0999\n",
		"F:2: tallyd.socket_mode: \"0999\" is no permission mode; three octal digits such "
		"as 0660 are wanted"},
	{"[tallyd]\nsocket_mode = 01777\n",
		"F:2: tallyd.socket_mode: \"01777\" is no permission mode; three octal digits such "
		"as 0660 are wanted"},
	{"[tallyd]\nsocket_group = nosuchgroup9\n",
		"F:2: tallyd.socket_group: there is no group nosuchgroup9; make it (groupadd "
		"--system nosuchgroup9) or leave the key empty"},
	{"[tallyd]\npostgres = maybe\n",
		"F:2: tallyd.postgres: \"maybe\" is neither on, off nor a path"},
	{"[tallyd]\nsocket = /run/a\npostgres = /run/a\n",
		"F:3: tallyd.postgres: the same path as tallyd.socket; each needs its own"},
	{"[tallyd]\nsocket =\n", "F:2: tallyd.socket: empty; an absolute path is wanted"},
	{"[tallyd]\ntimezone = Mars/Olympus\n",
		"F:2: tallyd.timezone: \"Mars/Olympus\" is no time zone of this machine; a name "
		"such as Europe/Berlin is wanted (see /usr/share/zoneinfo)"},
	{"[tallyd]\ntimezone = ../../../etc/passwd\n",
		"F:2: tallyd.timezone: \"../../../etc/passwd\" is no time zone of this machine; a "
		"name such as Europe/Berlin is wanted (see /usr/share/zoneinfo)"},
	{"[tallyd]\ntimezone = tzdata.zi\n",
		"F:2: tallyd.timezone: \"tzdata.zi\" is no time zone of this machine; a name "
		"such as Europe/Berlin is wanted (see /usr/share/zoneinfo)"},
	{"[tallyd]\ntimezone =\n", "F:2: tallyd.timezone: empty; a value such as UTC is wanted"},
	{"[tallyd]\nlog_level = loud\n", "F:2: tallyd.log_level: \"loud\" is none of error, "
					 "warning, info and debug"},
	{"[http]\nlisten = 9188\n", "F:2: http.listen: \"9188\" is no address; 127.0.0.1:9188, "
				    "[::1]:9188 or an absolute path is wanted"},
	{"[http]\nlisten = 127.0.0.1:99999\n", "F:2: http.listen: \"127.0.0.1:99999\" is no "
					       "address; 127.0.0.1:9188, [::1]:9188 or "
					       "an absolute path is wanted"},
	{"[http]\nlisten = localhost:9188\n",
		"F:2: http.listen: \"localhost:9188\" is no address; 127.0.0.1:9188, "
		"[::1]:9188 or an absolute path is wanted"},
	{"[http]\nlisten = ::1:9188\n", "F:2: http.listen: \"::1:9188\" is no address; "
					"127.0.0.1:9188, [::1]:9188 or an absolute path is wanted"},
	{S S, "F:2: [source s]: the name is taken by [source s] at F:1; each source and query "
	      "needs "
	      "a name of its own"},
	{S "[query S]\n", "F:2: [query S]: the name is taken by [source s] at F:1; each source and "
			  "query needs a name of its own"},
	{"[source windows]\n", "F:1: [source windows]: this name is taken by tallyd itself; choose "
			       "another"},
	{"[query Sqlite_x]\n", "F:1: [query Sqlite_x]: this name is taken by tallyd itself; choose "
			       "another"},
	{"[query static_counts]\n", "F:1: [query static_counts]: this name is taken by tallyd "
				    "itself; choose another"},
	{"[query pg_x]\n",
		"F:1: [query pg_x]: this name is taken by tallyd itself; choose another"},
	{"[query system_check]\n", "F:1: [query system_check]: this name is taken by tallyd "
				   "itself; choose another"},
	{"[query http]\n",
		"F:1: [query http]: this name is taken by tallyd itself; choose another"},
	{"[query 1st]\n", "F:1: [query 1st]: a name is a letter or _ and then up to 39 letters, "
			  "digits or _"},
	{"[query a-b]\n", "F:1: [query a-b]: a name is a letter or _ and then up to 39 letters, "
			  "digits or _"},
	{"[query a b]\n", "F:1: [query a b]: a name is a letter or _ and then up to 39 letters, "
			  "digits or _"},
	{"[query aaaaaaaaaabbbbbbbbbbccccccccccdddddddddde]\n",
		"F:1: [query aaaaaaaaaabbbbbbbbbbccccccccccdddddddddde]: a name is a letter or _ "
		"and then up to 39 letters, digits or _"},
	{S "recursive = perhaps\n", "F:2: s.recursive: \"perhaps\" is neither yes nor no"},
	{S "time_unit = minutes\n", "F:2: s.time_unit: \"minutes\" is none of s, ms, us and ns"},
	{S "poll_interval = 0 seconds\n",
		"F:2: s.poll_interval: 0 seconds is too little; at least 1 millisecond is wanted"},
	{S "max_event_bytes = 2 GiB\n",
		"F:2: s.max_event_bytes: 2 GiB is too much; at most 1 GiB is possible"},
	{S "time_field = a..b\n",
		"F:2: s.time_field: \"a..b\" is no field; a name such as time, or "
		"a path such as meta.time, is wanted"},
	{S "time_field =\n", "F:2: s.time_field: \"\" is no field; a name such as time, or a path "
			     "such as meta.time, is wanted"},
	{S "glob = a/b\n",
		"F:2: s.glob: \"a/b\" holds a slash; it is matched against a file's name alone"},
	{S "glob =\n", "F:2: s.glob: empty; a value such as * is wanted"},
	{S "path = /a\nclean_source = archive\n",
		"F:3: s.clean_source: archive needs archive_dir, a directory on the file system of "
		"/a"},
	{S "path = /a\narchive_dir = /a/old\n", "F:3: s.archive_dir: /a/old is inside the source's "
						"own directory /a; choose one beside it"},
	{Q "window = 0 seconds\n",
		"F:2: q.window: 0 seconds is too little; at least 1 microsecond is wanted"},
	{Q "window =\n",
		"F:2: q.window: empty; a duration such as 1 hour is wanted, or session = GAP"},
	{Q "slide = 1 microsecond\n",
		"F:2: q.slide: at 1 microsecond each event would be in 3600000000 windows of 1 "
		"hour; at most 1000000 are possible"},
	{Q "slide = 2 hours\n",
		"F:2: q.slide: 2 hours is longer than the window of 1 hour; at most "
		"the window is possible"},
	{Q "start_offset = 1 hour\n",
		"F:2: q.start_offset: it must be shorter than the step of the "
		"windows, 1 hour"},
	{Q "start_offset = -1 hour\n", "F:2: q.start_offset: it must be shorter than the step of "
				       "the windows, 1 hour"},
	{Q "slide = 10 minutes\nstart_offset = 10 minutes\n",
		"F:3: q.start_offset: it must be shorter than the step of the windows, 10 minutes"},
	{Q "session = 1 minute\nwindow = 1 hour\n",
		"F:2: q.session: it stands instead of a window; leave out window"},
	{Q "session = 1 minute\nslide = 1 hour\n",
		"F:2: q.session: it stands instead of a window; leave out slide"},
	{Q "session = 1 minute\nstart_offset = 1 second\n",
		"F:2: q.session: it stands instead of a window; leave out start_offset"},
	{Q "session = 1 minute\noutput_mode = update\n",
		"F:3: q.output_mode: update does not go with session windows, which merge; "
		"complete "
		"or append is possible"},
	{Q "output_mode = append\n",
		"F:2: q.output_mode: append shows a window once, when the watermark has passed its "
		"end; write watermark = 10 minutes, or another delay"},
	{Q "output_mode = all\n",
		"F:2: q.output_mode: \"all\" is none of complete, append and update"},
	{Q "watermark = -1 second\n",
		"F:2: q.watermark: -1 second is too little; at least 0 seconds is wanted"},
	{Q "max_groups = 0\n", "F:2: q.max_groups: 0 is too little; at least 1 is wanted"},
	{Q "source = nowhere\n",
		"F:2: q.source: there is no [source nowhere]; the first there is, is events"},
	{"[source a]\n[source b]\n" Q,
		"F:3: q.source: there are 2 sources; write which one, such as source = a"},
	{Q "group_by = time\n", "F:2: q.group_by: the column time is one of the tables' own; name "
				"the field, such as time AS time_field"},
	{Q "group_by = meta.Count\n",
		"F:2: q.group_by: the column Count is one of the tables' own; "
		"name the field, such as meta.Count AS meta_Count"},
	{Q "group_by = a AS window_end\n", "F:2: q.group_by: the column window_end is one of the "
					   "tables' own; name the field, such as a AS a_field"},
	{Q "group_by = user.id, account.ID\n",
		"F:2: q.group_by: the column ID would stand twice; name one of them, such as "
		"account.ID AS account_ID"},
	{Q "group_by = a,,b\n", "F:2: q.group_by: a field without a name; write them as action, "
				"user.id AS user"},
	{Q "group_by = a AS \n", "F:2: q.group_by: a field without a name; write them as "
				 "action, user.id AS user"},
	{Q "group_by = .a\n",
		"F:2: q.group_by: \".a\" has an empty part; dots stand between names, "
		"as in user.id"},
	{"[query a]\ngroup_by = user.id\n[query b]\ngroup_by = account.id\n",
		"F:4: b.group_by: the column id of account.id would stand twice in the table "
		"events "
		"(the query a has user.id); name it, such as account.id AS account_id"},
};

/* The sentence with each `F` that begins a word written out as the path. */
static void sentence_expand(const char *sentence, char *out, size_t room)
{
	size_t n = 0;

	for (const char *c = sentence; *c != '\0' && n + 1 < room; c++) {
		bool is_file = c[0] == 'F' && c[1] == ':' && (c == sentence || c[-1] == ' ');
		if (is_file)
			n += (size_t)snprintf(out + n, room - n, "%s", file);
		else
			out[n++] = *c;
	}
	out[n] = '\0';
}

START_TEST(a_bad_file_is_refused_with_what_would_be_right)
{
	struct config *config = NULL;
	struct err err = ERR_INIT;
	char sentence[1024];

	int rc = read_bytes(&config, bad_files[_i].text, strlen(bad_files[_i].text), &err);
	ck_assert_msg(rc == ERR_CONFIG, "accepted: %s", bad_files[_i].text);
	sentence_expand(bad_files[_i].sentence, sentence, sizeof(sentence));
	ck_assert_str_eq(err.text, sentence);
}
END_TEST

START_TEST(a_nul_and_an_endless_line_are_refused_with_their_line)
{
	static char text[6000] = "[tallyd]\nlog_level = ";
	struct config *config = NULL;
	struct err err = ERR_INIT;
	char sentence[256];

	ck_assert_int_eq(read_bytes(&config, "[tallyd]\nthreads = 1\0\n", 22, &err), ERR_CONFIG);
	sentence_expand("F:2: a NUL byte; the file must be plain text", sentence, sizeof(sentence));
	ck_assert_str_eq(err.text, sentence);
	err = (struct err)ERR_INIT;
	memset(text + 21, 'x', 5000);
	ck_assert_int_eq(read_bytes(&config, text, strlen(text), &err), ERR_CONFIG);
	sentence_expand(
		"F:2: longer than 4096 bytes; shorten the line", sentence, sizeof(sentence));
	ck_assert_str_eq(err.text, sentence);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_named)
{
	struct config_request request = {.file = "/nonexistent/x.conf"};
	struct config *config;
	struct err err = ERR_INIT;

	ck_assert_int_eq(config_read(&config, &request, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/x.conf"));
	ck_assert_ptr_nonnull(strstr(err.text, "No such file"));
	err = (struct err)ERR_INIT;
	request.file = directory;
	ck_assert_int_eq(config_read(&config, &request, &err), ERR_CONFIG);
}
END_TEST

START_TEST(an_override_wins_over_the_file_and_says_where_it_is_from)
{
	struct config_override overrides[] = {
		{"events", "path", "/one", "--events"},
		{"COUNTS", "window", " 5 minutes ", "--set"},
		{"events", "path", "/two", "--set"},
	};
	struct config_request request = {.overrides = overrides, .n_overrides = 3};
	struct config *config;
	struct err err = ERR_INIT;

	ck_assert_msg(config_read(&config, &request, &err) == 0, "%s", err.text);
	ck_assert_str_eq(config->spec.sources[0].path, "/two");
	ck_assert_int_eq(config->spec.queries[0].window_us, 300 * US_PER_S);
	for (size_t i = 0; i < config->n_settings; i++)
		if (strcmp(config->settings[i].name, "events.path") == 0)
			ck_assert_str_eq(config->settings[i].origin, "--set");
	config_unref(config);
}
END_TEST

START_TEST(a_relative_path_is_meant_from_here_on_the_command_line_only)
{
	struct config_override override = {"events", "path", "data", "--events"};
	struct config_request request = {.overrides = &override, .n_overrides = 1};
	struct config *config;
	struct err err = ERR_INIT;
	char expected[512];

	ck_assert_int_eq(chdir(directory), 0);
	ck_assert_msg(config_read(&config, &request, &err) == 0, "%s", err.text);
	snprintf(expected, sizeof(expected), "%s/data", directory);
	ck_assert_str_eq(config->spec.sources[0].path, expected);
	config_unref(config);
	ck_assert_int_eq(read_bytes(&config, S "path = data\n", 23, &err), ERR_CONFIG);
	snprintf(expected, sizeof(expected),
		"%s:2: s.path: a relative path; write it from the root, such as %s/data", file,
		directory);
	ck_assert_str_eq(err.text, expected);
}
END_TEST

START_TEST(a_bad_override_names_the_option)
{
	struct config_override override = {"nobody", "window", "1 hour", "--set"};
	struct config_request request = {.overrides = &override, .n_overrides = 1};
	struct config *config;
	struct err err = ERR_INIT;

	ck_assert_int_eq(config_read(&config, &request, &err), ERR_CONFIG);
	ck_assert_str_eq(err.text,
		"--set: nobody.window: there is no section of this name; there are tallyd, http, "
		"events, counts");
	override = (struct config_override){"counts", "window", "1 hour\n", "--set"};
	ck_assert_int_eq(config_read(&config, &request, &err), ERR_CONFIG);
	ck_assert_str_eq(err.text,
		"--set: counts.window: a value cannot hold a control character or "
		"\" ;\"");
}
END_TEST

START_TEST(a_socket_path_is_refused_at_108_bytes)
{
	char path[128] = "/";
	struct config_override override = {"tallyd", "socket", path, "--socket"};
	struct config_override off = {"tallyd", "postgres", "off", "--set"};
	struct config_override both[] = {override, off};
	struct config_request request = {.overrides = both, .n_overrides = 2};
	struct config *config;
	struct err err = ERR_INIT;

	memset(path + 1, 's', 106);
	ck_assert_msg(config_read(&config, &request, &err) == 0, "%s", err.text);
	config_unref(config);
	path[107] = 's';
	ck_assert_int_eq(config_read(&config, &request, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.text, "has 108 bytes; the path of a socket can have 107"));
}
END_TEST

START_TEST(systemd_says_where_socket_and_state_go)
{
	setenv("RUNTIME_DIRECTORY", "/run/a:/run/b", 1);
	setenv("STATE_DIRECTORY", "/var/lib/a", 1);
	struct config *config = read_good("");

	ck_assert_str_eq(config->socket, "/run/a/tallyd.sock");
	ck_assert_str_eq(config->postgres, "/run/a/.s.PGSQL.5432");
	ck_assert_str_eq(config->state_dir, "/var/lib/a");
	ck_assert_str_eq(config->settings[0].origin, "$RUNTIME_DIRECTORY");
	config_unref(config);
}
END_TEST

static int check_directories(const char *more, struct err *err)
{
	char text[1024];

	snprintf(text, sizeof(text), "[tallyd]\nstate_dir = %s/st\n%s", directory, more);
	struct config *config = read_good(text);
	int rc = config_check_directories(config, err);
	config_unref(config);
	return rc;
}

START_TEST(directories_are_judged_by_name)
{
	struct err err = ERR_INIT;
	char text[512], expected[1024], events[128];

	snprintf(events, sizeof(events), "%s/ev", directory);
	snprintf(text, sizeof(text), "[source s]\npath = %s\n", events);
	ck_assert_int_eq(check_directories(text, &err), ERR_CONFIG);
	snprintf(expected, sizeof(expected),
		"s.path: %s: No such file or directory; make the directory, or name another, "
		"such as --set s.path=PATH",
		events);
	ck_assert_ptr_nonnull(strstr(err.text, expected));
	ck_assert_ptr_nonnull(strstr(err.text, ":4: s.path"));

	ck_assert_int_eq(mkdir(events, 0777), 0);
	ck_assert_int_eq(check_directories(text, &err), 0);

	snprintf(text, sizeof(text), "snapshot_file = %.99s/x.db\n[source s]\npath = %.99s\n",
		events, events);
	ck_assert_int_eq(check_directories(text, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.text, "tallyd.snapshot_file: "));
	ck_assert_ptr_nonnull(strstr(err.text, "is inside the directory of events"));

	/* The source is the parent of the state directory. */
	snprintf(text, sizeof(text), "[source s]\npath = %s\n", directory);
	ck_assert_int_eq(check_directories(text, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.text, "tallyd.state_dir: "));
	ck_assert_int_eq(rmdir(events), 0);
}
END_TEST

START_TEST(a_reload_keeps_what_only_a_restart_can_change)
{
	struct config *running = read_good("[tallyd]\nsocket=/a/s\nthreads=2\nlog_level=info\n");
	struct config *fresh = read_good("[tallyd]\nsocket=/b/s\nthreads=3\nlog_level=debug\n"
					 "socket_mode=0600\n");
	struct buf waiting = {0};
	struct err err = ERR_INIT;

	ck_assert_int_eq(config_keep_running(fresh, running, &waiting, &err), 0);
	buf_add_char(&waiting, '\0');
	ck_assert_str_eq(waiting.data, "tallyd.socket, tallyd.socket_mode, tallyd.threads");
	ck_assert_str_eq(fresh->socket, "/a/s");
	ck_assert_str_eq(fresh->postgres, "/a/.s.PGSQL.5432");
	ck_assert_int_eq((int)fresh->socket_mode, 0660);
	ck_assert_int_eq(fresh->threads, 2);
	ck_assert_int_eq(fresh->spec.threads, 2);
	ck_assert_int_eq(fresh->log_level, 3);
	buf_fini(&waiting);
	config_unref(fresh);
	config_unref(running);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon/config");
	TCase *tests = tcase_create("config");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, an_empty_file_means_every_default_of_the_manual);
	tcase_add_test(tests, every_key_of_every_section_is_read);
	tcase_add_test(tests, a_section_without_keys_exists);
	tcase_add_test(tests, a_line_of_4096_bytes_is_whole);
	tcase_add_test(tests, what_is_printed_reads_back_as_the_same);
	tcase_add_loop_test(tests, a_bad_file_is_refused_with_what_would_be_right, 0,
		(int)(sizeof(bad_files) / sizeof(bad_files[0])));
	tcase_add_test(tests, a_nul_and_an_endless_line_are_refused_with_their_line);
	tcase_add_test(tests, a_file_that_is_not_there_is_named);
	tcase_add_test(tests, an_override_wins_over_the_file_and_says_where_it_is_from);
	tcase_add_test(tests, a_relative_path_is_meant_from_here_on_the_command_line_only);
	tcase_add_test(tests, a_bad_override_names_the_option);
	tcase_add_test(tests, a_socket_path_is_refused_at_108_bytes);
	tcase_add_test(tests, systemd_says_where_socket_and_state_go);
	tcase_add_test(tests, directories_are_judged_by_name);
	tcase_add_test(tests, a_reload_keeps_what_only_a_restart_can_change);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
