/* The lines of proc(5), /proc/[pid]/mountinfo; the last of the longest mount points is on top. */
#include "base/mounts.h"

#include "base/err.h"
#include "base/file.h"

#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define MAX_BYTES ((size_t)16 << 20)

void mounts_read(struct buf *mountinfo)
{
	struct err ignored = ERR_INIT;

	(void)!file_read_all("/proc/self/mountinfo", MAX_BYTES, mountinfo, &ignored);
	buf_add_char(mountinfo, '\0');
}

/* As the list names them and as statfs(2) numbers them. */
static const struct remote {
	const char *type;
	unsigned long magic;
} remotes[] = {
	{"nfs", NFS_SUPER_MAGIC},
	{"nfs4", NFS_SUPER_MAGIC},
	{"cifs", CIFS_SUPER_MAGIC},
	{"smb3", SMB2_SUPER_MAGIC},
	{"smbfs", SMB_SUPER_MAGIC},
	{"9p", V9FS_MAGIC},
	{"ceph", CEPH_SUPER_MAGIC},
	{"afs", AFS_SUPER_MAGIC},
	{"afs", AFS_FS_MAGIC},
	{"coda", CODA_SUPER_MAGIC},
	{"ocfs2", OCFS2_SUPER_MAGIC},
	{"autofs", AUTOFS_SUPER_MAGIC},
	{"fuse", FUSE_SUPER_MAGIC},
	{"fuseblk", FUSE_SUPER_MAGIC},
};

#define N_REMOTES (sizeof(remotes) / sizeof(*remotes))

static bool is_remote(const char *type, size_t len)
{
	/* fuse.NAME says who serves it. */
	if (len > 5 && strncmp(type, "fuse.", 5) == 0)
		return true;
	for (size_t i = 0; i < N_REMOTES; i++) {
		if (strlen(remotes[i].type) == len && memcmp(remotes[i].type, type, len) == 0)
			return true;
	}
	return false;
}

bool mounts_is_remote(int fd)
{
	struct statfs status;

	if (fstatfs(fd, &status) != 0)
		return false;
	for (size_t i = 0; i < N_REMOTES; i++) {
		if ((unsigned long)status.f_type == remotes[i].magic)
			return true;
	}
	return false;
}

/* A byte of a mount point, in which blanks and the like stand as \ooo. */
static char take_byte(const char **at)
{
	char digits[4] = {0};

	if ((*at)[0] != '\\')
		return *(*at)++;
	memcpy(digits, *at + 1, strnlen(*at + 1, 3));
	*at += 1 + strlen(digits);
	return (char)strtol(digits, NULL, 8);
}

/* How much of the path is the mount point that stands at `point`; -1: the path is not below it. */
static int match_point(const char *point, const char *path)
{
	int n = 0;

	while (*point != ' ' && *point != '\0') {
		if (path[n] == '\0' || take_byte(&point) != path[n])
			return -1;
		n++;
	}
	/* The root's own slash begins the rest. */
	return path[n] == '\0' || path[n] == '/' || (n > 0 && path[n - 1] == '/') ? n : -1;
}

static const char *skip_fields(const char *at, int n)
{
	while (n-- > 0) {
		at += strcspn(at, " \n");
		at += *at == ' ';
	}
	return at;
}

bool mounts_find(const char *mountinfo, const char *path, struct mount *mount)
{
	const char *next;
	int longest = -1;

	for (const char *line = mountinfo; *line != '\0'; line = next) {
		size_t len = strcspn(line, "\n");
		const char *type = memmem(line, len, " - ", 3);
		unsigned major, minor;
		int n = match_point(skip_fields(line, 4), path);

		next = line + len + (line[len] == '\n');
		if (n < longest || n < 0 || type == NULL ||
			sscanf(skip_fields(line, 2), "%u:%u", &major, &minor) != 2)
			continue;
		longest = n;
		type += 3;
		*mount = (struct mount){.device = makedev(major, minor),
			.is_remote = is_remote(type, strcspn(type, " \n"))};
	}
	return longest >= 0;
}
