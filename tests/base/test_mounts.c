/* Lines as the kernel writes them, and the list of this machine. */
#include "base/mounts.h"

#include "tests/run.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static const char lines[] =
	"22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
	"25 22 0:22 / /proc rw,nosuid - proc proc rw\n"
	"40 22 0:50 / /mnt/far rw shared:9 master:2 - nfs4 server:/export rw,vers=4.2\n"
	"41 22 0:51 / /mnt/far/near rw - tmpfs none rw\n"
	"42 22 0:52 / /mnt/a\\040b\\134c rw - cifs //server/share rw\n"
	"43 22 0:53 / /mnt/pass rw - fuse.sshfs host:/ rw\n"
	"44 22 0:54 / /mnt/twice rw - nfs server:/export rw\n"
	"45 44 254:9 / /mnt/twice rw - xfs /dev/vdb rw\n"
	"46 22 0:55 / /mnt/late rw - autofs /etc/auto.misc rw\n"
	"no line of ours\n";

static void expect(const char *path, unsigned major, unsigned minor, bool is_remote)
{
	struct mount mount;

	ck_assert_msg(mounts_find(lines, path, &mount), "%s", path);
	ck_assert_msg(mount.device == makedev(major, minor), "%s", path);
	ck_assert_msg(mount.is_remote == is_remote, "%s", path);
}

START_TEST(a_path_lies_on_the_longest_mount_point_above_it)
{
	expect("/", 254, 1, false);
	expect("/var/lib/events", 254, 1, false);
	expect("/mnt", 254, 1, false);
	expect("/mnt/farther", 254, 1, false);
	expect("/mnt/far", 0, 50, true);
	expect("/mnt/far/events", 0, 50, true);
	expect("/mnt/far/near/events", 0, 51, false);
	expect("/mnt/a b\\c/d", 0, 52, true);
	expect("/mnt/a b", 254, 1, false);
	expect("/mnt/pass/x", 0, 53, true);
	expect("/mnt/late/x", 0, 55, true);
}
END_TEST

START_TEST(what_is_mounted_over_another_is_on_top)
{
	expect("/mnt/twice/x", 254, 9, false);
}
END_TEST

START_TEST(where_no_line_is_for_a_path_nothing_is_said)
{
	struct mount mount;

	ck_assert(!mounts_find("", "/", &mount));
	ck_assert(!mounts_find("nonsense\n", "/", &mount));
	ck_assert(!mounts_find("40 22 0:50 / /mnt rw - nfs x rw\n", "/var", &mount));
}
END_TEST

START_TEST(the_list_of_this_machine_has_the_root)
{
	struct buf mountinfo = {0};
	struct mount mount;

	mounts_read(&mountinfo);
	ck_assert(buf_ok(&mountinfo));
	if (mountinfo.len > 1)
		ck_assert(mounts_find(mountinfo.data, "/", &mount));
	buf_fini(&mountinfo);
}
END_TEST

/* What statfs answers. */
static unsigned long magic;

int fstatfs(int fd, struct statfs *status)
{
	(void)fd;
	*status = (struct statfs){.f_type = (__fsword_t)magic};
	return magic != 0 ? 0 : -1;
}

START_TEST(what_is_open_is_known_by_the_number_of_its_file_system)
{
	static const struct {
		unsigned long magic;
		bool is_remote;
	} systems[] = {{NFS_SUPER_MAGIC, true}, {SMB2_SUPER_MAGIC, true}, {CIFS_SUPER_MAGIC, true},
		{FUSE_SUPER_MAGIC, true}, {CEPH_SUPER_MAGIC, true}, {EXT4_SUPER_MAGIC, false},
		{TMPFS_MAGIC, false}, {0, false}};

	magic = systems[_i].magic;
	ck_assert_int_eq(mounts_is_remote(-1), systems[_i].is_remote);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mounts");
	TCase *tcase = tcase_create("mounts");

	tcase_add_test(tcase, a_path_lies_on_the_longest_mount_point_above_it);
	tcase_add_test(tcase, what_is_mounted_over_another_is_on_top);
	tcase_add_test(tcase, where_no_line_is_for_a_path_nothing_is_said);
	tcase_add_test(tcase, the_list_of_this_machine_has_the_root);
	tcase_add_loop_test(tcase, what_is_open_is_known_by_the_number_of_its_file_system, 0, 8);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
