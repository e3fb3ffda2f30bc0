/* Rules between keys, section by section. */
#include "daemon/config_judge.h"

#include "base/mem.h"
#include "base/quantity.h"
#include "daemon/config_value.h"
#include "sql/zone.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A week that slides by a second is possible; far beyond it one event would keep a batch busy for
 * good. */
#define MAX_WINDOWS_OF_A_TIME 1000000

#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

static const char *value_of(const struct config_section *section, const char *key)
{
	return config_section_text(section, config_key_find(section->scope, key));
}

static bool is_written(const struct config_section *section, const char *key)
{
	return section->values[config_key_find(section->scope, key)].text != NULL;
}

/* The first directory of a list that systemd passes, colons between. */
static int directory_of_systemd(struct config_section *tallyd, const char *key,
	const char *variable, const char *file, struct err *err)
{
	const char *list = getenv(variable);
	char *path, origin[32];

	if (list == NULL || list[0] != '/')
		return 0;
	if (asprintf(&path, "%.*s%s", (int)strcspn(list, ":"), list, file) < 0)
		return err_nomem(err);
	snprintf(origin, sizeof(origin), "$%s", variable);
	int rc = config_section_set(tallyd, key, path, origin, true, err);
	free(path);
	return rc;
}

static bool is_system_service(void)
{
	return geteuid() == 0 || getenv("NOTIFY_SOCKET") != NULL;
}

static int default_set(struct config_section *tallyd, const char *key, const char *directory,
	const char *below, struct err *err)
{
	char *path;

	if (asprintf(&path, "%s%s", directory, below) < 0)
		return err_nomem(err);
	int rc = config_section_set(tallyd, key, path, "default", true, err);
	free(path);
	return rc;
}

static int default_socket(struct config_section *tallyd, struct err *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char own[32];

	if (is_system_service())
		return default_set(tallyd, "socket", "/run", "/tallyd/tallyd.sock", err);
	if (runtime != NULL && runtime[0] == '/')
		return default_set(tallyd, "socket", runtime, "/tallyd/tallyd.sock", err);
	snprintf(own, sizeof(own), "/tmp/tallyd-%u", (unsigned)geteuid());
	return default_set(tallyd, "socket", own, "/tallyd.sock", err);
}

static int default_state_dir(struct config_section *tallyd, struct err *err)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");

	if (is_system_service())
		return default_set(tallyd, "state_dir", "/var/lib", "/tallyd", err);
	if (state != NULL && state[0] == '/')
		return default_set(tallyd, "state_dir", state, "/tallyd", err);
	if (home != NULL && home[0] == '/')
		return default_set(tallyd, "state_dir", home, "/.local/state/tallyd", err);
	return config_refuse(tallyd, "state_dir", err,
		"no place for it: neither $XDG_STATE_HOME nor $HOME is set; write --state-dir DIR");
}

int config_default_paths(struct config_text *text, struct err *err)
{
	struct config_section *tallyd = config_text_find(text, "tallyd");

	if (!is_written(tallyd, "socket") && directory_of_systemd(tallyd, "socket",
						     "RUNTIME_DIRECTORY", "/tallyd.sock", err) != 0)
		return err->code;
	if (!is_written(tallyd, "socket") && default_socket(tallyd, err) != 0)
		return err->code;
	if (!is_written(tallyd, "state_dir") &&
		directory_of_systemd(tallyd, "state_dir", "STATE_DIRECTORY", "", err) != 0)
		return err->code;
	if (!is_written(tallyd, "state_dir") && default_state_dir(tallyd, err) != 0)
		return err->code;
	return 0;
}

static int socket_path_judge(
	const struct config_section *section, const char *key, const char *path, struct err *err)
{
	if (strlen(path) > SOCKET_PATH_MAX)
		return config_refuse(section, key, err,
			"%s has %zu bytes; the path of a socket can have %zu", path, strlen(path),
			SOCKET_PATH_MAX);
	return 0;
}

static int group_judge(struct config *config, const struct config_section *tallyd, struct err *err)
{
	const char *name = value_of(tallyd, "socket_group");

	config->is_socket_group_written = is_written(tallyd, "socket_group");
	if (name[0] == '\0')
		return 0;
	errno = 0;
	if (getgrnam(name) == NULL) {
		if (!config->is_socket_group_written)
			return 0;
		return config_refuse(tallyd, "socket_group", err,
			"there is no group %s; make it (groupadd --system %s) or leave the key "
			"empty",
			name, name);
	}
	config->socket_group = mem_copy_text(name, strlen(name));
	return config->socket_group != NULL ? 0 : err_nomem(err);
}

static int postgres_judge(
	struct config *config, const struct config_section *tallyd, struct err *err)
{
	const char *text = value_of(tallyd, "postgres");

	if (strcasecmp(text, "off") == 0 || strcasecmp(text, "no") == 0 ||
		strcasecmp(text, "false") == 0)
		return 0;
	if (strcasecmp(text, "on") == 0 || strcasecmp(text, "yes") == 0 ||
		strcasecmp(text, "true") == 0) {
		const char *slash = strrchr(config->socket, '/');
		if (asprintf(&config->postgres, "%.*s/.s.PGSQL.5432", (int)(slash - config->socket),
			    config->socket) < 0) {
			config->postgres = NULL;
			return err_nomem(err);
		}
	} else if (strchr(text, '/') == NULL) {
		return config_refuse(
			tallyd, "postgres", err, "\"%.100s\" is neither on, off nor a path", text);
	} else if (config_path_read(tallyd, "postgres", text, &config->postgres, err) != 0) {
		return err->code;
	}
	if (strcmp(config->postgres, config->socket) == 0)
		return config_refuse(tallyd, "postgres", err,
			"the same path as tallyd.socket; each needs its own");
	return socket_path_judge(tallyd, "postgres", config->postgres, err);
}

static int zone_judge(
	const struct config *config, const struct config_section *tallyd, struct err *err)
{
	struct zone *zone;
	int rc = zone_new(&zone, config->timezone, err);

	if (rc == 0)
		zone_unref(zone);
	else if (rc != ERR_NOMEM)
		rc = config_refuse(tallyd, "timezone", err,
			"\"%.100s\" is no time zone of this machine; a name such as "
			"Europe/Berlin is wanted (see /usr/share/zoneinfo)",
			config->timezone);
	return rc;
}

/* The first `len` bytes are an IPv4 address, or an IPv6 one in brackets. */
static bool is_address(const char *text, size_t len)
{
	char host[INET6_ADDRSTRLEN];
	struct in6_addr address;
	bool is_v6 = len > 2 && text[0] == '[' && text[len - 1] == ']';

	if (is_v6) {
		text++;
		len = strcspn(text, "%]"); /* a zone is the kernel's to know */
	}
	if (len >= sizeof(host))
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	return inet_pton(is_v6 ? AF_INET6 : AF_INET, host, &address) == 1;
}

/* ADDRESS:PORT, or a path; a name would have to be looked up, and might be several. */
static int listen_judge(struct config *config, const struct config_section *http, struct err *err)
{
	const char *text = value_of(http, "listen");

	if (text[0] == '\0')
		return 0;
	if (text[0] == '/') {
		if (config_path_read(http, "listen", text, &config->http_listen, err) != 0)
			return err->code;
		return socket_path_judge(http, "listen", config->http_listen, err);
	}
	const char *colon = strrchr(text, ':');
	char *end = NULL;
	unsigned long port = colon != NULL ? strtoul(colon + 1, &end, 10) : 0;
	if (colon == NULL || !is_address(text, (size_t)(colon - text)) || end == colon + 1 ||
		*end != '\0' || port == 0 || port > 65535 ||
		strspn(colon + 1, "0123456789") != strlen(colon + 1))
		return config_refuse(http, "listen", err,
			"\"%.100s\" is no address; 127.0.0.1:9188, [::1]:9188 or an absolute path "
			"is wanted",
			text);
	config->http_listen = mem_copy_text(text, strlen(text));
	return config->http_listen != NULL ? 0 : err_nomem(err);
}

int config_judge_daemon(struct config *config, const struct config_section *tallyd,
	const struct config_section *http, struct err *err)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (cores < 1)
		cores = 1;
	if (config->threads == 0)
		config->threads = (int)cores;
	if (config->max_running_queries == 0)
		config->max_running_queries = (int)cores;
	config->spec.threads = config->threads;
	if (socket_path_judge(tallyd, "socket", config->socket, err) != 0 ||
		group_judge(config, tallyd, err) != 0 || postgres_judge(config, tallyd, err) != 0 ||
		zone_judge(config, tallyd, err) != 0 || listen_judge(config, http, err) != 0)
		return err->code;
	return 0;
}

static int time_field_judge(
	struct source_spec *source, const struct config_section *section, struct err *err)
{
	const char *text = value_of(section, "time_field");
	size_t len = strlen(text);

	if (len == 0 || text[0] == '.' || text[len - 1] == '.' || strstr(text, "..") != NULL)
		return config_refuse(section, "time_field", err,
			"\"%s\" is no field; a name such as time, or a path such as meta.time, is "
			"wanted",
			text);
	source->time_field = mem_copy_text(text, len);
	return source->time_field != NULL ? 0 : err_nomem(err);
}

/* Both paths are tidy. A directory is inside itself. */
static bool is_inside(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	return strncmp(path, directory, len) == 0 &&
	       (path[len] == '/' || path[len] == '\0' || strcmp(directory, "/") == 0);
}

int config_judge_source(
	struct source_spec *source, const struct config_section *section, struct err *err)
{
	if (time_field_judge(source, section, err) != 0)
		return err->code;
	if (strchr(source->glob, '/') != NULL)
		return config_refuse(section, "glob", err,
			"\"%s\" holds a slash; it is matched against a file's name alone",
			source->glob);
	if (source->clean_source == CLEAN_SOURCE_ARCHIVE && source->archive_dir == NULL)
		return config_refuse(section, "clean_source", err,
			"archive needs archive_dir, a directory on the file system of %s",
			source->path);
	if (source->archive_dir != NULL && is_inside(source->archive_dir, source->path))
		return config_refuse(section, "archive_dir", err,
			"%s is inside the source's own directory %s; choose one beside it",
			source->archive_dir, source->path);
	return 0;
}

static int source_find(const struct spec *spec, struct query_spec *query,
	const struct config_section *section, struct err *err)
{
	const char *name = value_of(section, "source");

	if (name[0] == '\0') {
		if (spec->n_sources == 1)
			return 0;
		return config_refuse(section, "source", err,
			"there are %zu sources; write which one, such as source = %s",
			spec->n_sources, spec->sources[0].name);
	}
	for (size_t i = 0; i < spec->n_sources; i++)
		if (strcasecmp(spec->sources[i].name, name) == 0) {
			query->source = i;
			return 0;
		}
	return config_refuse(section, "source", err,
		"there is no [source %.60s]; the first there is, is %s", name,
		spec->sources[0].name);
}

static int session_judge(
	struct query_spec *query, const struct config_section *section, struct err *err)
{
	static const char *const others[] = {"window", "slide", "start_offset"};

	for (size_t i = 0; i < 3; i++)
		if (is_written(section, others[i]) && value_of(section, others[i])[0] != '\0')
			return config_refuse(section, "session", err,
				"it stands instead of a window; leave out %s", others[i]);
	if (query->output_mode == OUTPUT_UPDATE)
		return config_refuse(section, "output_mode", err,
			"update does not go with session windows, which merge; complete or append "
			"is possible");
	query->window_us = 0;
	query->slide_us = 0;
	query->start_offset_us = 0;
	return 0;
}

static int window_judge(
	struct query_spec *query, const struct config_section *section, struct err *err)
{
	char window[DURATION_TEXT_BYTES], slide[DURATION_TEXT_BYTES];

	if (query->window_us == 0)
		return config_refuse(section, "window", err,
			"empty; a duration such as 1 hour is wanted, or session = GAP");
	if (query->slide_us == 0)
		query->slide_us = query->window_us;
	(void)duration_format(query->window_us, window);
	(void)duration_format(query->slide_us, slide);
	if (query->slide_us > query->window_us)
		return config_refuse(section, "slide", err,
			"%s is longer than the window of %s; at most the window is possible", slide,
			window);
	if (query->window_us / query->slide_us > MAX_WINDOWS_OF_A_TIME)
		return config_refuse(section, "slide", err,
			"at %s each event would be in %lld windows of %s; at most %d are possible",
			slide, (long long)(query->window_us / query->slide_us), window,
			MAX_WINDOWS_OF_A_TIME);
	if (query->start_offset_us >= query->slide_us || query->start_offset_us <= -query->slide_us)
		return config_refuse(section, "start_offset", err,
			"it must be shorter than the step of the windows, %s", slide);
	return 0;
}

int config_judge_query(const struct spec *spec, struct query_spec *query,
	const struct config_section *section, struct err *err)
{
	if (source_find(spec, query, section, err) != 0)
		return err->code;
	if (query->session_us != 0 ? session_judge(query, section, err) != 0
				   : window_judge(query, section, err) != 0)
		return err->code;
	if (query->output_mode == OUTPUT_APPEND && query->watermark_us < 0)
		return config_refuse(section, "output_mode", err,
			"append shows a window once, when the watermark has passed its end; write "
			"watermark = 10 minutes, or another delay");
	return config_judge_fields(query, section, err);
}
