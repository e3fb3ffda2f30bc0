/* No state, no file system: names alone. */
#include "stream/file_names.h"

#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

static bool ends_in(const char *name, size_t len, const char *ending)
{
	size_t n = strlen(ending);

	return len >= n && memcmp(name + len - n, ending, n) == 0;
}

static bool is_ignored(const char *name, size_t len)
{
	static const char *const endings[] = {"._COPYING_", ".tmp", ".part", ".swp", "~"};
	size_t i;

	if (len == 0 || name[0] == '.' || name[0] == '_')
		return true;
	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		if (ends_in(name, len, endings[i]))
			return true;
	}
	return false;
}

bool file_name_is_ignored(const char *name)
{
	return is_ignored(name, strlen(name));
}

bool file_name_matches(const char *name, const char *glob)
{
	if (glob[0] == '*' && glob[1] == '\0')
		return true;
	return fnmatch(glob, name, 0) == 0;
}

bool file_path_is_wanted(const char *path, bool recursive)
{
	const char *slash;

	while ((slash = strchr(path, '/')) != NULL) {
		if (!recursive || is_ignored(path, (size_t)(slash - path)))
			return false;
		path = slash + 1;
	}
	return !file_name_is_ignored(path);
}
