/* SPDX-License-Identifier: MIT */
#include "recording_dir.h"

#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

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

static bool is_trusted(const struct stat *st)
{
    return st->st_uid == geteuid() || st->st_uid == 0;
}

/* The owner of a folder, or of a link to it, could lead the recording to a file that only this
 * user may write. */
static int check_owner(const char *folder, struct gt_error *err)
{
    struct stat itself, target;

    if (lstat(folder, &itself) || stat(folder, &target))
        return gt_error_errno(err, "cannot look at %s", folder);
    if (is_trusted(&itself) && is_trusted(&target))
        return 0;
    return gt_error_set(err, GT_ERR_PERMISSION,
                        "%s belongs to another user, who could lead the recording elsewhere "
                        "(choose another folder with --keep)",
                        folder);
}

int gt_recording_dir_make(const char *keep, char **own, struct gt_error *err)
{
    int rc;

    if (!keep) {
        *own = gt_fs_private_dir(err);
        return *own ? check_room(*own, err) : err ? err->code : GT_ERR_IO;
    }
    if (mkdir(keep, 0700) && errno != EEXIST)
        return gt_error_errno(err, "cannot make the folder %s (choose another with --keep)",
                              keep);
    rc = check_owner(keep, err);
    if (rc < 0)
        return rc;
    if (faccessat(AT_FDCWD, keep, W_OK | X_OK, AT_EACCESS))
        return gt_error_errno(err, "cannot write into %s (choose another with --keep)", keep);
    return check_room(keep, err);
}
