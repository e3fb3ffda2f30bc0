/*
 * The lives of files under three sources, used at random, over the real stream
 * and the real store: one source is left as it is, one on the same directory is
 * archived, one is a tree. Files are written, cut in the middle of a line or of
 * a compressed frame, renamed, linked, rotated, rewritten, replaced by links,
 * moved out and back with and without their directories; queries come and go;
 * the daemon is stopped, killed, and its state put back from a backup.
 *
 * A life is from a file's first byte until bytes of it are taken away, and
 * every event names its life, so the table says which one was lost or doubled.
 * What takes bytes away waits until they are counted. LIVES_SEED repeats one
 * round and says what happens; TALLYD_LONG in the environment makes many.
 */
#include "sql/cycle.h"

#include "base/buf.h"
#include "sql/collation.h"
#include "tests/run.h"
#include "tests/sql/sample.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define N_STEPS       150
#define N_ROUNDS      8
#define N_ROUNDS_LONG 500
#define MAX_LIVES     4000

enum kind { PLAIN, GZIP, ZSTD };
enum place { FLAT, ARCHIVED, DEEP, N_PLACES };

struct life {
	enum place place;
	enum kind kind;
	bool is_live;    /* its file is there, under `path` or outside */
	bool is_out;     /* under out/ID */
	char path[64];   /* below the directory of all */
	char other[64];  /* its other name, for good; "": none */
	int n;           /* events of which the last byte is written */
	int n_backup;    /* of them when the state was backed up */
	struct buf rest; /* of the last event or frame, written later */
	int n_rest;      /* events that are whole once the rest is written */
};

static char dir[64];
static struct spec *spec;
static struct stream *stream;
static struct store *store;
static struct life lives[MAX_LIVES];
static int n_lives, n_serial, n_dirs;
static bool has_backup;
static unsigned seed;
static unsigned round_seed;
static bool verbose;

#define SAY(...)                                                                                   \
	do {                                                                                       \
		if (verbose)                                                                       \
			printf(__VA_ARGS__);                                                       \
	} while (0)

static int pick(int n)
{
	return rand_r(&seed) % n;
}

static const char *in(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A path below the directory of all. */
static const char *in(const char *format, ...)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];
	size_t len = (size_t)snprintf(path, sizeof(paths[0]), "%s/", dir);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(path + len, sizeof(paths[0]) - len, format, args);
	va_end(args);
	return path;
}

static const char *place_dir(enum place place)
{
	return place == DEEP ? "deep" : "flat";
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* --- the daemon --- */

static void add_source(
	struct spec *made, size_t i, const char *name, const char *path, const char *glob)
{
	struct source_spec *source = &made->sources[i];

	*source = (struct source_spec){.max_file_age_us = -1, .max_event_bytes = 16 << 20};
	strcpy(source->name, name);
	source->path = strdup(in("%s", path));
	source->glob = strdup(glob);
	source->time_field = strdup("time");
	source->poll_interval_us = 1000000;
	source->max_bytes_per_trigger = pick(2) == 0 ? 0 : 100 + pick(2000);
	source->max_files_per_trigger = pick(2) == 0 ? 0 : 1 + pick(3);
}

static const char *const names[N_PLACES] = {"flat", "archived", "deep"};
static const char *const more[N_PLACES] = {"flat_too", "archived_too", "deep_too"};

static struct spec *some_spec(int which)
{
	struct spec *made = sample_spec("counts_flat", "life");

	(void)sample_keep(made->sources);
	made->sources = calloc(N_PLACES, sizeof(*made->sources));
	made->n_sources = N_PLACES;
	made->threads = 1 + pick(2);
	/* The name of a source may change, and its place among the others. */
	add_source(made, FLAT, (which & 8) != 0 ? "flat_by_another_name" : "flat", "flat", "p*");
	add_source(made, ARCHIVED, (which & 16) != 0 ? "kept" : "archived", "flat", "c*");
	add_source(made, DEEP, "deep", "deep", "*");
	made->sources[ARCHIVED].clean_source = CLEAN_SOURCE_ARCHIVE;
	made->sources[ARCHIVED].archive_dir = strdup(in("archive"));
	made->sources[DEEP].recursive = true;
	for (int i = 1; i < N_PLACES; i++) {
		char name[64];

		snprintf(name, sizeof(name), "counts_%s", names[i]);
		sample_add_query(made, name, "life");
		made->queries[made->n_queries - 1].source = (size_t)i;
	}
	for (int i = 0; i < N_PLACES; i++) {
		if ((which & 1 << i) == 0)
			continue;
		sample_add_query(made, more[i], "life");
		made->queries[made->n_queries - 1].source = (size_t)i;
	}
	return made;
}

static void start(void)
{
	struct store_options options = {.state_dir = in("state"), .now_us = now_us()};
	struct err err = ERR_INIT;
	const char *notice;

	must(store_open(&store, &options, &err), &err);
	must(stream_open(&stream, spec, &err), &err);
	must(store_load(store, spec, stream, &err), &err);
	while ((notice = store_next_notice(store)) != NULL)
		SAY("notice: %s\n", notice);
}

static void stop(void)
{
	stream_close(stream);
	store_close(store);
}

static void stop_as_killed(void)
{
	shell("cd %s && rm -rf killed && cp -rp state killed", dir);
	stop();
	shell("cd %s && rm -rf state && mv killed state", dir);
}

static void reload_spec(struct spec *fresh)
{
	struct reload *reload;
	struct err err = ERR_INIT;

	must(stream_prepare_spec(&reload, stream, fresh, &err), &err);
	must(store_set_spec(store, fresh, stream, NULL, 0, &err), &err);
	stream_take_spec(reload);
	spec = fresh;
}

static bool cycle(size_t source, bool full)
{
	struct cycle_outcome outcome;
	struct err err = ERR_INIT;
	char *note;

	must(cycle_run(stream, store, source, full, now_us(), &outcome, &err), &err);
	while ((note = stream_take_note(stream, source)) != NULL) {
		SAY("  %s\n", note);
		free(note);
	}
	return outcome.did_batch;
}

static void run_until_idle(void)
{
	for (size_t source = 0; source < N_PLACES; source++) {
		int n = 0;

		while (cycle(source, true))
			ck_assert_int_lt(n++, 10000);
	}
}

static void told(const char *path)
{
	const char *slash = strchr(path, '/');
	const char *below = slash + 1;

	for (size_t source = 0; source < N_PLACES; source++) {
		size_t n = strlen(place_dir((enum place)source));

		if (strncmp(path, place_dir((enum place)source), n) == 0 && path[n] == '/')
			(void)stream_notice(stream, source, below);
	}
}

static char *ask(const char *sql)
{
	struct err err = ERR_INIT;
	sqlite3 *reader;
	char *answer;

	must(snapshot_open_reader(store_snapshots(store), &reader, &err), &err);
	must(collation_register(reader, &err), &err);
	answer = sample_ask(reader, sql);
	ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
	return answer;
}

/* --- files --- */

static int id_of(const struct life *life)
{
	return (int)(life - lives);
}

/* Archived meanwhile? Then the life is over. */
static bool is_there(struct life *life)
{
	if (life->is_live && !life->is_out && access(in("%s", life->path), F_OK) != 0) {
		ck_assert_msg(life->place == ARCHIVED && life->rest.len == 0,
			"life %d went by itself", id_of(life));
		life->is_live = false;
	}
	return life->is_live;
}

/* One that is there and inside; NULL: bad luck. */
static struct life *some_life(void)
{
	for (int i = 0; i < 8 && n_lives > 0; i++) {
		struct life *life = &lives[pick(n_lives)];

		if (is_there(life) && !life->is_out)
			return life;
	}
	return NULL;
}

static void new_path(enum place place, char path[64])
{
	int id = n_serial++;

	if (place != DEEP)
		snprintf(path, 64, "flat/%c%d", place == FLAT ? 'p' : 'c', id);
	else if (pick(3) == 0 || n_dirs == 0)
		snprintf(path, 64, "deep/f%d", id);
	else
		snprintf(path, 64, "deep/d%d/f%d", pick(n_dirs), id);
	if (place == DEEP) {
		char *slash = strrchr(path, '/');

		*slash = '\0';
		if (access(in("%s", path), F_OK) != 0)
			strcpy(path, "deep");
		snprintf(path + strlen(path), 64 - strlen(path), "/f%d", id);
	}
}

static struct life *new_life(enum place place, enum kind kind, const char *path)
{
	struct life *life = &lives[n_lives++];

	ck_assert_int_lt(n_lives, MAX_LIVES);
	*life = (struct life){.place = place, .kind = kind, .is_live = true};
	strcpy(life->path, path);
	return life;
}

static void add_event(struct buf *text, const struct life *life)
{
	buf_printf(text, "{\"time\":1469501107,\"life\":\"%d\",\"id\":%d%.*s}\n", id_of(life),
		n_serial++, pick(3) == 0 ? pick(60) : 0,
		"                                                                ");
}

static void pack(enum kind kind, const struct buf *text, struct buf *packed)
{
	char out[65536];
	z_stream z = {.next_in = (unsigned char *)text->data, .avail_in = (unsigned)text->len};
	size_t n;

	if (kind == PLAIN) {
		buf_add(packed, text->data, text->len);
		return;
	}
	if (kind == ZSTD) {
		n = ZSTD_compress(out, sizeof(out), text->data, text->len, 1);
		ck_assert(!ZSTD_isError(n));
		buf_add(packed, out, n);
		return;
	}
	z.next_out = (unsigned char *)out;
	z.avail_out = sizeof(out);
	ck_assert_int_eq(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_add(packed, out, sizeof(out) - z.avail_out);
	deflateEnd(&z);
}

static void write_bytes(const char *path, const void *bytes, size_t len, int flags)
{
	int fd = open(in("%s", path), O_WRONLY | O_CREAT | flags, 0666);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

/* What is left of the last time and some more; the last event or frame may be cut. */
static void make_bytes(struct life *life, bool is_whole, struct buf *bytes)
{
	struct buf text = {0}, last = {0};
	int n = pick(12) == 0 ? 100 + pick(200) : pick(8);
	int n_last = !is_whole && pick(2) == 0 ? 1 + pick(3) : 0;
	size_t cut;

	if (life->kind == PLAIN && n_last > 1)
		n_last = 1;
	buf_add(bytes, life->rest.data, life->rest.len);
	life->n += life->n_rest;
	life->n_rest = 0;
	buf_clear(&life->rest);
	for (int i = 0; i < n; i++)
		add_event(&text, life);
	life->n += n;
	if (n > 0 || life->kind == ZSTD)
		pack(life->kind, &text, bytes);
	if (n_last > 0) {
		buf_clear(&text);
		for (int i = 0; i < n_last; i++)
			add_event(&text, life);
		pack(life->kind, &text, &last);
		/* Without its last bytes an event does not count, and nothing of a short frame. */
		cut = 1 + (size_t)pick((int)last.len - (life->kind == GZIP ? 12 : 3));
		if (life->kind != PLAIN && cut > 12)
			cut = 12;
		buf_add(bytes, last.data, cut);
		buf_add(&life->rest, last.data + cut, last.len - cut);
		life->n_rest = n_last;
	}
	buf_fini(&text);
	buf_fini(&last);
}

static void append(struct life *life, bool is_whole)
{
	struct buf bytes = {0};

	make_bytes(life, is_whole, &bytes);
	write_bytes(life->path, bytes.data, bytes.len, O_APPEND);
	told(life->path);
	SAY("append %d %s +%zu n=%d rest=%d\n", id_of(life), life->path, bytes.len, life->n,
		life->n_rest);
	buf_fini(&bytes);
}

static void make_whole(struct life *life)
{
	if (life->rest.len > 0)
		append(life, true);
}

/* Its bytes may be taken away afterwards. */
static bool settle(struct life *life)
{
	make_whole(life);
	run_until_idle();
	return is_there(life);
}

static void end(struct life *life)
{
	life->is_live = false;
	buf_clear(&life->rest);
}

/* Where its name is about to go, the file shall go with it. */
static void forget_other_name(struct life *life)
{
	if (life->other[0] == '\0')
		return;
	ck_assert_int_eq(unlink(in("%s", life->other)), 0);
	told(life->other);
	life->other[0] = '\0';
}

static void arrive(const char *path, const struct buf *bytes)
{
	write_bytes("in", bytes->data, bytes->len, O_TRUNC);
	ck_assert_int_eq(rename(in("in"), in("%s", path)), 0);
	told(path);
}

static void create(enum place place)
{
	char path[64];
	struct buf bytes = {0};
	struct life *life;

	new_path(place, path);
	life = new_life(place, (enum kind)(pick(3) == 0 ? 1 + pick(2) : PLAIN), path);
	if (pick(2) == 0) {
		make_bytes(life, pick(2) == 0, &bytes);
		arrive(path, &bytes);
		SAY("arrive %d %s %zu n=%d rest=%d\n", id_of(life), path, bytes.len, life->n,
			life->n_rest);
		buf_fini(&bytes);
	} else {
		append(life, false);
	}
}

static void rename_life(struct life *life)
{
	char path[64];

	new_path(life->place, path);
	SAY("rename %d %s -> %s\n", id_of(life), life->path, path);
	ck_assert_int_eq(rename(in("%s", life->path), in("%s", path)), 0);
	told(life->path);
	told(path);
	strcpy(life->path, path);
}

static void rotate(struct life *life)
{
	char old[64];

	strcpy(old, life->path);
	rename_life(life);
	append(new_life(life->place, PLAIN, old), false);
}

/* Cut off in place, or written anew, or both; perhaps longer than before when it is next seen. */
static void rewrite(struct life *life)
{
	struct life *fresh;
	struct buf bytes = {0};

	if (!settle(life))
		return;
	fresh = new_life(life->place, (enum kind)(pick(4) == 0 ? 1 + pick(2) : PLAIN), life->path);
	strcpy(fresh->other, life->other);
	life->other[0] = '\0';
	end(life);
	make_bytes(fresh, false, &bytes);
	SAY("rewrite %d as %d %s %zu n=%d rest=%d\n", id_of(life), id_of(fresh), life->path,
		bytes.len, fresh->n, fresh->n_rest);
	write_bytes(life->path, bytes.data, bytes.len, O_TRUNC);
	told(life->path);
	if (pick(2) == 0)
		append(fresh, false);
	buf_fini(&bytes);
}

static void replace(struct life *life)
{
	struct life *fresh;
	struct buf bytes = {0};

	if (!settle(life))
		return;
	fresh = new_life(life->place, PLAIN, life->path);
	forget_other_name(life);
	end(life);
	make_bytes(fresh, false, &bytes);
	SAY("replace %d by %d %s\n", id_of(life), id_of(fresh), life->path);
	arrive(life->path, &bytes);
	buf_fini(&bytes);
}

static void remove_life(struct life *life)
{
	if (!settle(life))
		return;
	SAY("remove %d %s\n", id_of(life), life->path);
	forget_other_name(life);
	ck_assert_int_eq(unlink(in("%s", life->path)), 0);
	told(life->path);
	end(life);
}

/* Out of sight, perhaps with a link in its place that leads to it. */
static void move_out(struct life *life)
{
	if (life->place == ARCHIVED || life->other[0] != '\0')
		return;
	SAY("out %d %s\n", id_of(life), life->path);
	ck_assert_int_eq(rename(in("%s", life->path), in("out/%d", id_of(life))), 0);
	if (pick(3) == 0)
		ck_assert_int_eq(symlink(in("out/%d", id_of(life)), in("%s", life->path)), 0);
	told(life->path);
	life->is_out = true;
}

static void move_back(struct life *life)
{
	char inside[64];

	strcpy(inside, life->path);
	if (pick(2) == 0 && life->kind == PLAIN) {
		snprintf(life->path, sizeof(life->path), "out/%d", id_of(life));
		append(life, false);
		strcpy(life->path, inside);
	}
	(void)unlink(in("%s", inside));
	new_path(life->place, life->path);
	SAY("back %d %s\n", id_of(life), life->path);
	ck_assert_int_eq(rename(in("out/%d", id_of(life)), in("%s", life->path)), 0);
	told(inside);
	told(life->path);
	life->is_out = false;
}

/* Another name; one of the two goes. */
static void relink(struct life *life)
{
	char path[64];

	if (life->place == ARCHIVED || life->other[0] != '\0')
		return;
	new_path(life->place, path);
	SAY("link %d %s %s\n", id_of(life), life->path, path);
	ck_assert_int_eq(link(in("%s", life->path), in("%s", path)), 0);
	told(path);
	for (int i = pick(3); i > 0; i--)
		(void)cycle(life->place, pick(2) == 0);
	if (pick(3) == 0) {
		strcpy(life->other, path);
		return;
	}
	if (pick(2) == 0) {
		char old[64];

		strcpy(old, life->path);
		strcpy(life->path, path);
		strcpy(path, old);
	}
	SAY("unlink %s\n", path);
	ck_assert_int_eq(unlink(in("%s", path)), 0);
	told(path);
}

/* --- directories --- */

static void make_dir(void)
{
	SAY("mkdir d%d\n", n_dirs);
	ck_assert_int_eq(mkdir(in("deep/d%d", n_dirs), 0777), 0);
	(void)stream_notice(stream, DEEP, NULL);
	n_dirs++;
}

/* A name below `from` is one below `to` now. */
static void move_name(char name[64], const char *from, const char *to)
{
	char moved[192];
	size_t n = strlen(from);

	if (strncmp(name, from, n) != 0 || name[n] != '/')
		return;
	snprintf(moved, sizeof(moved), "%s%s", to, name + n);
	ck_assert_uint_lt(strlen(moved), 64);
	strcpy(name, moved);
}

static void rename_dir(void)
{
	char from[64], to[64];

	if (n_dirs == 0)
		return;
	snprintf(from, sizeof(from), "deep/d%d", pick(n_dirs));
	snprintf(to, sizeof(to), "deep/d%d", n_dirs);
	if (pick(3) == 0)
		snprintf(to, sizeof(to), "deep/d%d/d%d", pick(n_dirs), n_dirs);
	/* Gone below another one already, or about to be moved below itself. */
	if (rename(in("%s", from), in("%s", to)) != 0)
		return;
	SAY("rename dir %s %s\n", from, to);
	n_dirs++;
	for (int i = 0; i < n_lives; i++) {
		move_name(lives[i].path, from, to);
		move_name(lives[i].other, from, to);
	}
	(void)stream_notice(stream, DEEP, NULL);
}

/* --- checking --- */

static void make_all_whole(void)
{
	for (int i = 0; i < n_lives; i++) {
		if (!is_there(&lives[i]))
			continue;
		if (lives[i].is_out)
			move_back(&lives[i]);
		make_whole(&lives[i]);
	}
}

static void check_table(const char *table, enum place place)
{
	char sql[256];
	struct buf want = {0};

	for (int i = 0; i < n_lives; i++) {
		if (lives[i].place == place && lives[i].n > 0)
			buf_printf(&want, "%d|%d\n", i, lives[i].n);
	}
	buf_add_char(&want, '\0');
	snprintf(sql, sizeof(sql),
		"SELECT cast(life AS INTEGER), sum(count) FROM %s GROUP BY 1 ORDER BY 1", table);
	if (strcmp(ask(sql), want.data) != 0) {
		char *have = ask(sql);
		char *a = have, *b = want.data;

		while (*a != '\0' && *a == *b)
			a++, b++;
		while (a > have && a[-1] != '\n')
			a--, b--;
		ck_abort_msg("LIVES_SEED=%u: %s: have %.30s want %.30s", round_seed, table, a, b);
	}
	buf_fini(&want);
}

static void check(void)
{
	make_all_whole();
	run_until_idle();
	for (int i = 0; i < N_PLACES; i++) {
		char name[64];

		snprintf(name, sizeof(name), "counts_%s", names[i]);
		check_table(name, (enum place)i);
	}
	ck_assert_str_eq(
		ask("SELECT count(*) FROM files WHERE state IN ('error', 'waiting')"), "0\n");
	ck_assert_str_eq(ask("SELECT coalesce(sum(count), 0) FROM reject_totals"), "0\n");
}

static void back_up(void)
{
	check();
	SAY("backup\n");
	stop();
	shell("cd %s && rm -rf backup && cp -rp state backup", dir);
	start();
	for (int i = 0; i < n_lives; i++)
		lives[i].n_backup = lives[i].n;
	has_backup = true;
}

/* As somebody does it who knows no better. What went since the backup was taken is not counted. */
static void restore_backup(void)
{
	if (!has_backup)
		return;
	SAY("restore\n");
	make_all_whole();
	stop();
	shell("cd %s && rm -rf state && cp -rp backup state", dir);
	for (int i = 0; i < n_lives; i++) {
		if (!is_there(&lives[i]))
			lives[i].n = lives[i].n_backup;
	}
	start();
}

/* Shorter, and as long as before with the same bytes when it is next seen. */
static void regrow(const struct life *life)
{
	char bytes[65536];
	int fd = open(in("%s", life->path), O_RDWR);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	off_t at = n > 0 ? pick((int)n) : 0;

	ck_assert_int_ge(n, 0);
	SAY("regrow %s from %ld of %zd\n", life->path, (long)at, n);
	if (n < (ssize_t)sizeof(bytes)) {
		ck_assert_int_eq(ftruncate(fd, at), 0);
		ck_assert_int_eq(pwrite(fd, bytes + at, (size_t)(n - at), at), n - at);
	}
	close(fd);
	told(life->path);
}

static void touch(const struct life *life)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = pick(2000000000)}};

	ck_assert_int_eq(utimensat(AT_FDCWD, in("%s", life->path), times, 0), 0);
	told(life->path);
}

/*
 * The events come to a new disk, where their paths tell who they are; who is renamed before he was
 * met there, or since an older backup, cannot be known again.
 */
static void copy_all(void)
{
	SAY("copy\n");
	run_until_idle();
	stop();
	shell("cd %s && cp -a flat f && cp -a deep d && rm -r flat deep && mv f flat && mv d deep",
		dir);
	start();
	run_until_idle();
	has_backup = false;
}

static void do_something(void)
{
	struct life *life = some_life();
	int what = pick(46);

	if (what < 6 || life == NULL) {
		create((enum place)pick(N_PLACES));
		return;
	}
	switch (what) {
	case 6: rewrite(life); return;
	case 7: replace(life); return;
	case 8: remove_life(life); return;
	case 9: move_out(life); return;
	case 10:
	case 11:
		for (int i = 0; i < n_lives; i++) {
			if (lives[i].is_live && lives[i].is_out && pick(2) == 0)
				move_back(&lives[i]);
		}
		return;
	case 12: relink(life); return;
	case 13: make_dir(); return;
	case 14: rename_dir(); return;
	case 15: rotate(life); return;
	case 16:
	case 17: rename_life(life); return;
	case 18:
		reload_spec(some_spec(pick(32)));
		SAY("reload\n");
		return;
	case 19:
	case 20:
		SAY("restart\n");
		if (what == 19)
			stop_as_killed();
		else
			stop();
		spec = some_spec(pick(32));
		start();
		return;
	case 21:
		if (pick(3) == 0)
			back_up();
		return;
	case 22:
		if (pick(3) == 0)
			restore_backup();
		return;
	case 23: touch(life); return;
	case 24:
		if (pick(3) == 0)
			check();
		return;
	case 25:
		stream_stop_batch(stream);
		(void)cycle((size_t)pick(N_PLACES), pick(2) == 0);
		return;
	case 40:
	case 41: regrow(life); return;
	case 43:
		if (pick(3) == 0)
			copy_all();
		return;
	case 26:
	case 27:
	case 28:
	case 29:
	case 30:
	case 31:
	case 32: (void)cycle((size_t)pick(N_PLACES), pick(2) == 0); return;
	default: append(life, false); return;
	}
}

static void live(unsigned number)
{
	round_seed = seed = number;
	strcpy(dir, "/tmp/test_lives.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	shell("cd %s && mkdir flat deep out archive", dir);
	n_lives = n_serial = n_dirs = 0;
	has_backup = false;
	spec = some_spec(0);
	start();
	for (int i = 0; i < N_STEPS; i++)
		do_something();
	check();
	reload_spec(some_spec(7));
	run_until_idle();
	check();
	stop();
	start();
	for (size_t i = 0; i < N_PLACES; i++)
		(void)cycle(i, true);
	check();
	stop();
	for (int i = 0; i < n_lives; i++)
		buf_fini(&lives[i].rest);
	shell("rm -rf %s", dir);
}

START_TEST(every_event_of_every_life_counts_once)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	live((unsigned)_i);
}
END_TEST

int main(void)
{
	const char *chosen = getenv("LIVES_SEED");
	int n = getenv("TALLYD_LONG") != NULL ? N_ROUNDS_LONG : N_ROUNDS;
	int first = chosen != NULL ? atoi(chosen) : 1;
	Suite *suite = suite_create("lives");
	TCase *tests = tcase_create("lives");

	verbose = chosen != NULL;
	tcase_set_timeout(tests, 600);
	tcase_add_loop_test(tests, every_event_of_every_life_counts_once, first,
		first + (chosen != NULL ? 1 : n));
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
