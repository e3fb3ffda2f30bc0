/*
 * A source's life: its directory, what it remembers from the checkpoint, when
 * it wants to look, and what the batch tells it about a file.
 */
#include "stream/source.h"

#include "base/mem.h"
#include "base/mounts.h"
#include "base/timestamp.h"
#include "stream/file_names.h"
#include "stream/source_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A full scan costs about 2.5 us a file; polling shall not take more than a twentieth of a core. */
#define POLL_US_PER_FILE 50

#define BACKOFF_FIRST_US US_PER_S
#define BACKOFF_LAST_US  (300 * US_PER_S)

/* systemd's sandbox may hide the directory; then its own words would mislead. */
static const char *sandbox_hint(const char *path)
{
	if (getenv("INVOCATION_ID") == NULL)
		return "";
	if (strncmp(path, "/home/", 6) == 0 || strncmp(path, "/root/", 6) == 0 ||
		strncmp(path, "/run/user/", 10) == 0)
		return " (under systemd: ProtectHome= hides it)";
	if (strncmp(path, "/tmp/", 5) == 0 || strncmp(path, "/var/tmp/", 9) == 0)
		return " (under systemd: PrivateTmp= hides it)";
	return "";
}

int source_open_dir(struct source *source)
{
	struct stat status;
	int failure;
	int fd;

	do {
		fd = open(source->spec->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return errno;
	if (fstat(fd, &status) != 0) {
		failure = errno;
		(void)close(fd);
		return failure;
	}
	if (source->dir_fd >= 0)
		(void)close(source->dir_fd);
	source->dir_fd = fd;
	source->dir_device = status.st_dev;
	source->dir_inode = status.st_ino;
	source->is_remote = mounts_is_remote(fd);
	return 0;
}

static struct source *source_new(const struct source_spec *spec)
{
	struct source *source = calloc(1, sizeof(*source));

	if (source == NULL)
		return NULL;
	source->spec = spec;
	source->dir_fd = -1;
	source->wants_full = true;
	source->looked_us = INT64_MIN;
	source_table_init(source);
	source->noticed = noticed_new();
	if (source->noticed == NULL) {
		source_close(source);
		return NULL;
	}
	return source;
}

int source_open(struct source **source, const struct source_spec *spec, struct err *err)
{
	struct source *new = source_new(spec);
	int failure;
	int rc;

	if (new == NULL)
		return err_nomem(err);
	failure = source_open_dir(new);
	if (failure != 0) {
		rc = err_set_errno(err, failure, "source %s: cannot read the directory %s%s",
			spec->name, spec->path, sandbox_hint(spec->path));
		if (rc != ERR_NOMEM)
			rc = err->code = ERR_CONFIG;
	} else {
		rc = clean_check(new, err);
	}
	if (rc != 0) {
		source_close(new);
		return rc;
	}
	*source = new;
	return 0;
}

void source_close(struct source *source)
{
	if (source == NULL)
		return;
	if (source->dir_fd >= 0)
		(void)close(source->dir_fd);
	source_table_fini(source);
	notes_fini(&source->notes);
	noticed_free(source->noticed);
	free(source);
}

void source_set_pulse(struct source *source, atomic_uint *pulse)
{
	source->pulse = pulse;
}

void source_set_spec(struct source *source, const struct source_spec *spec)
{
	source->spec = spec;
}

int source_dir_fd(const struct source *source)
{
	return source->dir_fd;
}

const struct source_spec *source_spec(const struct source *source)
{
	return source->spec;
}

size_t source_n_errors(const struct source *source)
{
	return source->n_errors;
}

const char *source_trouble(const struct source *source)
{
	return source->trouble[0] == '\0' ? NULL : source->trouble;
}

bool source_notice(struct source *source, const char *relative_path)
{
	if (relative_path != NULL && !file_path_is_wanted(relative_path, source->spec->recursive))
		return false;
	noticed_add(source->noticed, relative_path);
	return true;
}

void source_set_noticed(struct source *source, bool is_noticed)
{
	bool was_noticed = atomic_exchange(&source->is_noticed, is_noticed);

	/* What changed while nobody listened was not told. */
	if (is_noticed != was_noticed)
		noticed_add(source->noticed, NULL);
}

static bool polls(const struct source *source)
{
	return source->is_remote || source->trouble[0] != '\0' || source->is_matching ||
	       !atomic_load(&source->is_noticed);
}

static int64_t next_poll_us(const struct source *source)
{
	int64_t pause_us = source->spec->poll_interval_us;
	int64_t cost_us = (int64_t)source->n_live * POLL_US_PER_FILE;

	return source->looked_us + (pause_us > cost_us ? pause_us : cost_us);
}

int64_t source_next_look_us(const struct source *source, bool *full)
{
	int64_t due_us = INT64_MAX;
	/*
	 * A directory that cannot be read is looked
	 * for in its own time, whatever else is wanted.
	 */
	bool is_in_trouble = source->trouble[0] != '\0';
	size_t i;

	*full = !is_in_trouble && (source->wants_full || source->looked_us == INT64_MIN);
	if (*full || !noticed_is_empty(source->noticed))
		return INT64_MIN;
	if (polls(source)) {
		due_us = next_poll_us(source);
		*full = true;
	}
	for (i = 0; !is_in_trouble && i < source->n_retries; i++) {
		if (source->retries[i].due_us < due_us) {
			due_us = source->retries[i].due_us;
			*full = false;
		}
	}
	return due_us;
}

void source_move_clock(struct source *source, int64_t step_us)
{
	size_t i;

	if (source->looked_us != INT64_MIN)
		source->looked_us += step_us;
	for (i = 0; i < source->n_retries; i++) {
		if (source->retries[i].due_us != INT64_MIN)
			source->retries[i].due_us += step_us;
	}
}

void source_add_retry(struct source *source, size_t slot, int64_t due_us)
{
	struct retry retry = {slot, file_at(source, slot)->id, due_us};

	if (mem_grow(&source->retries, &source->cap_retries, source->n_retries + 1,
		    sizeof(*source->retries))) {
		source->retries[source->n_retries++] = retry;
		return;
	}
	/* Without memory for the appointment, try at once. */
	table_set_state(source, file_at(source, slot), FILE_WAITING);
	table_mark_changed(source, slot);
}

int source_restore(struct source *source, const struct file *file, struct err *err)
{
	struct file known = *file;
	size_t slot;
	int rc;

	known.flags = FLAG_UNCONFIRMED;
	known.is_changed = false;
	rc = table_add(source, &known, &slot, err);
	if (rc != 0)
		return rc;
	file_set_reason(file_at(source, slot), file->reason);
	source->is_matching = true;
	if (file->state == FILE_ERROR)
		source_add_retry(source, slot, INT64_MIN);
	return 0;
}

void source_consumed(struct source *source, size_t slot, int64_t limit,
	const struct file_identity *identity, bool is_finished)
{
	struct file *file = file_at(source, slot);
	bool has_progress = identity->fp_offset > file->identity.fp_offset;

	file->identity.fp_offset = identity->fp_offset;
	file->identity.fp_head = identity->fp_head;
	file->identity.fp_tail = identity->fp_tail;
	file->is_changed = true;
	if (file_is_gone(file))
		return;
	if (file->size > limit)
		table_set_state(source, file, FILE_WAITING);
	else
		table_set_state(source, file, is_finished ? FILE_DONE : FILE_GROWING);
	if (file->n_failures == 0)
		return;
	/* The trouble is over; where it is not, source_failed follows and says so again. */
	file_set_reason(file, NULL);
	if (has_progress || file->state == FILE_DONE)
		file->n_failures = 0;
}

void source_failed(struct source *source, size_t slot, const char *reason, int64_t now_us)
{
	struct file *file = file_at(source, slot);
	int64_t pause_us = BACKOFF_FIRST_US;
	unsigned i;

	if (file_is_gone(file))
		return;
	for (i = 0; i < file->n_failures && pause_us < BACKOFF_LAST_US; i++)
		pause_us *= 2;
	if (pause_us > BACKOFF_LAST_US)
		pause_us = BACKOFF_LAST_US;
	if (file->n_failures == 0)
		note_say(source, "%s%s%s; it is tried again",
			strstr(reason, file->path) == NULL ? file->path : "",
			strstr(reason, file->path) == NULL ? ": " : "", reason);
	if (file->n_failures < UINT8_MAX)
		file->n_failures++;
	table_set_state(source, file, FILE_ERROR);
	file_set_reason(file, reason);
	source_add_retry(source, slot, now_us + pause_us);
	table_mark_changed(source, slot);
}

void source_gone(struct source *source, size_t slot)
{
	struct file *file = file_at(source, slot);

	if (file_is_gone(file))
		return;
	/* Until the next look finds out, nobody shall try it again and again. */
	table_set_state(source, file, FILE_ERROR);
	file->flags |= FLAG_DOUBTED;
	file_set_reason(file, "gone or another file when it was to be read");
	table_mark_changed(source, slot);
	noticed_add(source->noticed, file->path);
}
