/* SPDX-License-Identifier: MIT */
#include "recording_dir.h"

#include "base/fs.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MEMORY "/dev/shm"

/* perf fails without a message when it cannot even write its header. */
static int check_room(const char *folder, struct gt_error *err)
{
    enum { LEAST_BYTES = 512 * 1024 };
    struct statvfs fs;

    if (statvfs(folder, &fs) || (uint64_t)fs.f_bavail * fs.f_frsize >= LEAST_BYTES)
        return 0;
    return gt_error_set(err, GT_ERR_IO,
                        "no room for a recording in %s (set TMPDIR, or --keep, to a folder "
                        "with more)",
                        folder);
}

static int check_kept(int folder, struct gt_error *err)
{
    if (gt_path_others_can_write(folder))
        return gt_error_set(err, GT_ERR_PERMISSION,
                            "another user can write into it, and could lead the recording "
                            "elsewhere");
    if (faccessat(folder, ".", W_OK | X_OK, AT_EACCESS))
        return gt_error_errno(err, "it cannot be written into");
    return 0;
}

/* Where taking parts out of a file waits for no disk, as others do who write that file. */
static const char *memory_folder(void)
{
    const uint64_t least_bytes = UINT64_C(512) << 20;
    struct statvfs room;
    struct statfs fs;

    if (getenv("TMPDIR") || statfs(MEMORY, &fs) || fs.f_type != TMPFS_MAGIC ||
        statvfs(MEMORY, &room) || (uint64_t)room.f_bavail * room.f_frsize < least_bytes ||
        access(MEMORY, W_OK | X_OK))
        return NULL;
    return MEMORY;
}

int gt_recording_dir_make(const char *keep, bool in_memory, char **path, struct gt_error *err)
{
    struct gt_error why = {0};
    const char *memory;
    int folder, rc;

    if (!keep) {
        memory = in_memory ? memory_folder() : NULL;
        *path = memory ? gt_fs_private_dir_in(memory, &why) : gt_fs_private_dir(&why);
        if (!*path)
            return gt_error_set(err, why.code, "%s", why.message);
        return check_room(*path, err);
    }
    rc = folder = gt_path_open_stable(keep, true, path, &why);
    if (folder >= 0) {
        rc = check_kept(folder, &why);
        close(folder);
    }
    if (rc < 0)
        return gt_error_set(err, rc, "cannot record into %s: %s (choose another with --keep)",
                            keep, why.message);
    return check_room(*path, err);
}
