/*
 * What the file system says about a configuration, and what a reload may not
 * change. Every sentence names the key and the path.
 */
#include "daemon/config.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The longest part of `path` that exists, without symbolic links; the rest is kept as text. */
static void resolve(const char *path, char resolved[PATH_MAX])
{
	char head[PATH_MAX];
	char real[PATH_MAX];

	snprintf(head, sizeof(head), "%s", path);
	for (;;) {
		if (realpath(head, real) != NULL) {
			const char *tail = path + strlen(head);
			int n = snprintf(
				resolved, PATH_MAX, "%s", strcmp(real, "/") == 0 ? "" : real);
			snprintf(resolved + n, PATH_MAX - (size_t)n, "%s", tail);
			return;
		}
		char *slash = strrchr(head, '/');
		if (slash == NULL || slash == head)
			break;
		*slash = '\0';
	}
	snprintf(resolved, PATH_MAX, "%s", path);
}

static bool is_below(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	return strncmp(path, directory, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* What the path says, followed through one symbolic link: behind it nothing can be seen. */
static void target(const char *path, char real[PATH_MAX])
{
	ssize_t n = readlink(path, real, PATH_MAX - 1);

	if (n > 0 && real[0] == '/')
		real[n] = '\0';
	else
		resolve(path, real);
}

/* Under systemd a directory may be hidden from us alone, or not be ours to write in. */
static const char *sandbox_hint(const char *path, int sys_errno)
{
	static const struct {
		const char *directory, *hint;
	} hidden[] = {
		{"/home", " (the unit's ProtectHome= hides it: ProtectHome=read-only shows it)"},
		{"/root", " (the unit's ProtectHome= hides it: ProtectHome=read-only shows it)"},
		{"/run/user",
			" (the unit's ProtectHome= hides it: ProtectHome=read-only shows it)"},
		{"/tmp", " (the unit's PrivateTmp= hides it: PrivateTmp=no shows it)"},
		{"/var/tmp", " (the unit's PrivateTmp= hides it: PrivateTmp=no shows it)"},
		{"/dev", " (the unit's PrivateDevices= hides it: PrivateDevices=no shows it)"},
	};
	char real[PATH_MAX];

	if (getenv("INVOCATION_ID") == NULL)
		return "";
	if (sys_errno == EROFS)
		return " (the unit's ProtectSystem=strict makes it read-only: ReadWritePaths= with "
		       "this directory opens it)";
	if (sys_errno != ENOENT && sys_errno != EACCES)
		return "";
	target(path, real);
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (is_below(real, hidden[i].directory))
			return hidden[i].hint;
	return "";
}

static int directory_trouble(
	const char *section, const char *key, const char *path, int sys_errno, struct err *err)
{
	(void)err_set_errno(err, sys_errno, "%s.%s: %s", section, key, path);
	size_t len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, "%s", sandbox_hint(path, sys_errno));
	return err->code = ERR_CONFIG;
}

static int directory_judge(const char *section, const char *key, const char *path, int access_mode,
	struct stat *st, struct err *err)
{
	if (stat(path, st) != 0)
		return directory_trouble(section, key, path, errno, err);
	if (!S_ISDIR(st->st_mode))
		return err_set(err, ERR_CONFIG, "%s.%s: %s is not a directory", section, key, path);
	if (access(path, access_mode) != 0)
		return directory_trouble(section, key, path, errno, err);
	return 0;
}

static int outside_judge(const char *section_and_key, const char *path,
	const struct source_spec *source, struct err *err)
{
	char inner[PATH_MAX], outer[PATH_MAX];

	resolve(path, inner);
	resolve(source->path, outer);
	if (!is_below(inner, outer))
		return 0;
	return err_set(err, ERR_CONFIG,
		"%s: %s is inside the directory of events %s, where it would be read as events; "
		"choose another place",
		section_and_key, path, source->path);
}

static int source_check(
	const struct config *config, const struct source_spec *source, struct err *err)
{
	struct stat st, archive;
	char key[SPEC_NAME_BYTES + 16];

	if (directory_judge(source->name, "path", source->path, R_OK | X_OK, &st, err) != 0)
		return err->code;
	if (outside_judge("tallyd.state_dir", config->state_dir, source, err) != 0)
		return err->code;
	if (config->snapshot_file != NULL &&
		outside_judge("tallyd.snapshot_file", config->snapshot_file, source, err) != 0)
		return err->code;
	if (source->clean_source == CLEAN_SOURCE_OFF)
		return 0;
	if (access(source->path, W_OK) != 0)
		return directory_trouble(source->name, "clean_source", source->path, errno, err);
	if (source->clean_source != CLEAN_SOURCE_ARCHIVE)
		return 0;
	if (directory_judge(source->name, "archive_dir", source->archive_dir, W_OK | X_OK, &archive,
		    err) != 0)
		return err->code;
	snprintf(key, sizeof(key), "%s.archive_dir", source->name);
	if (outside_judge(key, source->archive_dir, source, err) != 0)
		return err->code;
	if (archive.st_dev != st.st_dev)
		return err_set(err, ERR_CONFIG,
			"%s: %s is on another file system than %s; a file is archived by renaming "
			"it, so both must be on one",
			key, source->archive_dir, source->path);
	return 0;
}

static int parent_judge(const char *key, const char *path, struct err *err)
{
	char parent[PATH_MAX];
	struct stat st;

	snprintf(parent, sizeof(parent), "%s", path);
	char *slash = strrchr(parent, '/');
	slash[slash == parent ? 1 : 0] = '\0';
	return directory_judge("tallyd", key, parent, W_OK | X_OK, &st, err);
}

/* Made at the start where it is missing; what is there must be a directory of ours to write in. */
static int state_dir_check(const struct config *config, struct err *err)
{
	struct stat st;

	if (stat(config->state_dir, &st) != 0 && errno == ENOENT)
		return 0;
	return directory_judge("tallyd", "state_dir", config->state_dir, W_OK | X_OK, &st, err);
}

int config_check_directories(const struct config *config, struct err *err)
{
	for (size_t i = 0; i < config->spec.n_sources; i++)
		if (source_check(config, &config->spec.sources[i], err) != 0)
			return err->code;
	if (config->snapshot_file != NULL &&
		parent_judge("snapshot_file", config->snapshot_file, err) != 0)
		return err->code;
	return state_dir_check(config, err);
}

/* --- a reload ------------------------------------------------------------ */

static bool is_kept(const char *name)
{
	static const char *const kept[] = {"tallyd.socket", "tallyd.socket_mode",
		"tallyd.socket_group", "tallyd.state_dir", "tallyd.threads"};

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (strcmp(kept[i], name) == 0)
			return true;
	return false;
}

/* A copy where there is a text, NULL where there is none. */
static int text_keep(char **text, const char *running, struct err *err)
{
	char *copy = NULL;

	if (running != NULL) {
		copy = mem_copy_text(running, strlen(running));
		if (copy == NULL)
			return err_nomem(err);
	}
	free(*text);
	*text = copy;
	return 0;
}

/* True for what `postgres = on` makes: the usual name in the socket's directory. */
static bool is_beside(const char *postgres, const char *socket)
{
	const char *slash = strrchr(socket, '/');
	size_t len = (size_t)(slash - socket) + 1;

	return postgres != NULL && strncmp(postgres, socket, len) == 0 &&
	       strcmp(postgres + len, ".s.PGSQL.5432") == 0;
}

int config_keep_running(
	struct config *fresh, const struct config *running, struct buf *waiting, struct err *err)
{
	for (size_t i = 0; i < fresh->n_settings; i++) {
		struct setting *setting = &fresh->settings[i];
		/* [tallyd] comes first in both, so its keys stand at the same places. */
		if (!is_kept(setting->name) ||
			strcmp(setting->value, running->settings[i].value) == 0)
			continue;
		if (waiting->len > 0)
			buf_add_text(waiting, ", ");
		buf_add_text(waiting, setting->name);
		if (text_keep((char **)&setting->value, running->settings[i].value, err) != 0 ||
			text_keep((char **)&setting->origin, running->settings[i].origin, err) != 0)
			return err->code;
	}
	fresh->socket_mode = running->socket_mode;
	fresh->is_socket_group_written = running->is_socket_group_written;
	fresh->threads = running->threads;
	fresh->spec.threads = running->spec.threads;
	if (is_beside(fresh->postgres, fresh->socket) &&
		is_beside(running->postgres, running->socket) &&
		text_keep(&fresh->postgres, running->postgres, err) != 0)
		return err->code;
	if (text_keep(&fresh->socket, running->socket, err) != 0 ||
		text_keep(&fresh->socket_group, running->socket_group, err) != 0)
		return err->code;
	return text_keep(&fresh->state_dir, running->state_dir, err);
}
