/*
 * What the file system says about a configuration, and what a reload may not
 * change. Every sentence names where the key was written, the key and the path.
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

/* Before a sentence: where the value was written, and its key. */
static int refuse(const struct config *config, const char *key, struct err *err)
{
	(void)err_prefix(err, "%s", key);
	for (size_t i = 0; i < config->n_settings; i++) {
		const struct setting *setting = &config->settings[i];

		if (strcmp(setting->name, key) == 0 && strcmp(setting->origin, "default") != 0)
			(void)err_prefix(err, "%s", setting->origin);
	}
	return err->code = ERR_CONFIG;
}

static int directory_trouble(const struct config *config, const char *key, const char *path,
	int sys_errno, struct err *err)
{
	const char *hint = sandbox_hint(path, sys_errno);

	(void)err_set_errno(err, sys_errno, "%s", path);
	size_t len = strlen(err->text);
	if (hint[0] == '\0' && sys_errno == ENOENT)
		snprintf(err->text + len, sizeof(err->text) - len,
			"; make the directory, or name another, such as --set %s=PATH", key);
	else if (hint[0] == '\0' && sys_errno == EACCES)
		snprintf(err->text + len, sizeof(err->text) - len,
			"; this is uid %u: namei -l with the path shows what stops it",
			(unsigned)geteuid());
	else
		snprintf(err->text + len, sizeof(err->text) - len, "%s", hint);
	return refuse(config, key, err);
}

static int directory_judge(const struct config *config, const char *key, const char *path,
	int access_mode, struct stat *st, struct err *err)
{
	if (stat(path, st) != 0)
		return directory_trouble(config, key, path, errno, err);
	if (!S_ISDIR(st->st_mode)) {
		(void)err_set(err, ERR_CONFIG, "%s is not a directory", path);
		return refuse(config, key, err);
	}
	if (access(path, access_mode) != 0)
		return directory_trouble(config, key, path, errno, err);
	return 0;
}

static int outside_judge(const struct config *config, const char *key, const char *path,
	const struct source_spec *source, struct err *err)
{
	char inner[PATH_MAX], outer[PATH_MAX];

	resolve(path, inner);
	resolve(source->path, outer);
	if (!is_below(inner, outer))
		return 0;
	(void)err_set(err, ERR_CONFIG,
		"%s is inside the directory of events %s, where it would be read as events; "
		"choose another place",
		path, source->path);
	return refuse(config, key, err);
}

static int archive_judge(const struct config *config, const struct source_spec *source,
	const struct stat *events, struct err *err)
{
	const char *path = source->archive_dir;
	char key[SPEC_NAME_BYTES + 16];
	struct stat archive;

	snprintf(key, sizeof(key), "%s.archive_dir", source->name);
	if (directory_judge(config, key, path, W_OK | X_OK, &archive, err) != 0 ||
		outside_judge(config, key, path, source, err) != 0)
		return err->code;
	if (archive.st_dev == events->st_dev)
		return 0;
	(void)err_set(err, ERR_CONFIG,
		"%s is on another file system than %s; a file is archived by renaming it, so both "
		"must be on one",
		path, source->path);
	return refuse(config, key, err);
}

static int source_check(
	const struct config *config, const struct source_spec *source, struct err *err)
{
	struct stat st;
	char key[SPEC_NAME_BYTES + 16];

	snprintf(key, sizeof(key), "%s.path", source->name);
	if (directory_judge(config, key, source->path, R_OK | X_OK, &st, err) != 0)
		return err->code;
	if (outside_judge(config, "tallyd.state_dir", config->state_dir, source, err) != 0)
		return err->code;
	if (config->snapshot_file != NULL && outside_judge(config, "tallyd.snapshot_file",
						     config->snapshot_file, source, err) != 0)
		return err->code;
	if (source->clean_source == CLEAN_SOURCE_OFF)
		return 0;
	snprintf(key, sizeof(key), "%s.clean_source", source->name);
	if (access(source->path, W_OK) != 0)
		return directory_trouble(config, key, source->path, errno, err);
	if (source->clean_source != CLEAN_SOURCE_ARCHIVE)
		return 0;
	return archive_judge(config, source, &st, err);
}

static int parent_judge(
	const struct config *config, const char *key, const char *path, struct err *err)
{
	char parent[PATH_MAX];
	struct stat st;

	snprintf(parent, sizeof(parent), "%s", path);
	char *slash = strrchr(parent, '/');
	slash[slash == parent ? 1 : 0] = '\0';
	return directory_judge(config, key, parent, W_OK | X_OK, &st, err);
}

/* What a start makes is made in the nearest directory above that is there. */
static int makeable_judge(
	const struct config *config, const char *key, const char *path, struct err *err)
{
	char above[PATH_MAX];
	struct stat st;
	char *slash;

	snprintf(above, sizeof(above), "%s", path);
	while (stat(above, &st) != 0 && errno == ENOENT && (slash = strrchr(above, '/')) != NULL &&
		slash != above)
		*slash = '\0';
	if (stat(above, &st) != 0 && errno == ENOENT)
		snprintf(above, sizeof(above), "%s", path[0] == '/' ? "/" : ".");
	if (directory_judge(config, key, above, W_OK | X_OK, &st, err) == 0)
		return 0;
	size_t len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, "; %s is to be made in it", path);
	return err->code;
}

/* Made at the start where it is missing; what is there must be a directory of ours to write in. */
static int state_dir_check(const struct config *config, struct err *err)
{
	struct stat st;

	if (stat(config->state_dir, &st) != 0 && errno == ENOENT)
		return makeable_judge(config, "tallyd.state_dir", config->state_dir, err);
	if (directory_judge(config, "tallyd.state_dir", config->state_dir, W_OK | X_OK, &st, err) !=
		0)
		return err->code;
	if ((st.st_mode & S_IWOTH) == 0)
		return 0;
	(void)err_set(err, ERR_CONFIG,
		"%s is writable by everybody (mode %04o), who could put other counts in the place "
		"of these; take that away with chmod o-w",
		config->state_dir, (unsigned)(st.st_mode & 07777));
	return refuse(config, "tallyd.state_dir", err);
}

int config_check_directories(const struct config *config, struct err *err)
{
	for (size_t i = 0; i < config->spec.n_sources; i++)
		if (source_check(config, &config->spec.sources[i], err) != 0)
			return err->code;
	if (config->snapshot_file != NULL &&
		parent_judge(config, "tallyd.snapshot_file", config->snapshot_file, err) != 0)
		return err->code;
	return state_dir_check(config, err);
}

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
