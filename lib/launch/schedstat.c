/* SPDX-License-Identifier: MIT */
#include "launch/schedstat.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { ASKED = 64 }; /* threads */

bool gt_schedstat_read(int tasks, const char *tid, struct gt_schedstat *of)
{
    char path[64], text[96];
    ssize_t length;
    int fd;

    snprintf(path, sizeof(path), "%.20s/schedstat", tid);
    fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    length = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    return sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &of->cpu_ns, &of->ready_ns,
                  &of->switches) == 3;
}

uint64_t gt_switches_of(int pid)
{
    uint64_t switches = 0, threads = 0;
    const struct dirent *entry;
    struct gt_schedstat of;
    char path[64];
    DIR *tasks;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    tasks = opendir(path);
    if (!tasks)
        return 0;
    while ((entry = readdir(tasks)))
        if (entry->d_name[0] != '.' && threads++ < ASKED &&
            gt_schedstat_read(dirfd(tasks), entry->d_name, &of))
            switches += of.switches;
    closedir(tasks);
    return threads > ASKED ? switches / ASKED * threads : switches;
}
