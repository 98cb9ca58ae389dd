/* SPDX-License-Identifier: MIT */
#include "launch/limits.h"

#include <dirent.h>
#include <sys/resource.h>

enum { OPEN_FILES_MAX = 65536 };

static uint64_t raise_soft(int resource, rlim_t most)
{
    struct rlimit limit;
    rlim_t soft;

    if (getrlimit(resource, &limit))
        return RLIM_INFINITY;
    soft = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < most ? limit.rlim_max : most;
    if (limit.rlim_cur > soft)
        setrlimit(resource, &limit);
    return soft;
}

uint64_t gt_limits_raise_open_files(void)
{
    return raise_soft(RLIMIT_NOFILE, OPEN_FILES_MAX);
}

uint64_t gt_limits_raise_file_bytes(void)
{
    return raise_soft(RLIMIT_FSIZE, RLIM_INFINITY);
}

unsigned gt_limits_count_open(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count > 3 ? count - 3 : 0; /* ".", "..", and the folder's own */
}

int gt_limits_check_open(unsigned needed, const char *what, struct gt_error *err)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= needed)
        return 0;
    return gt_error_set(
        err, GT_ERR_UNSUPPORTED,
        "only %llu files may be open at once, and %s needs %u (raise ulimit -n)",
        (unsigned long long)limit.rlim_cur, what, needed);
}
