/* SPDX-License-Identifier: MIT */
#include "process_stat.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* "PID (NAME) STATE PARENT …"; the name may hold anything, so fields count from its last ')'.
 */
bool gt_process_look(int pid, struct gt_process_stat *stat)
{
    char path[32], text[1024], state;
    ssize_t got;
    char *at;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    got = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    at = strrchr(text, ')');
    stat->pid = pid;
    return at &&
           sscanf(at + 1, " %c %d%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s%*s %" SCNu64,
                  &state, &stat->parent, &stat->start) == 3 &&
           state != 'Z' && state != 'X';
}

bool gt_process_is_there(const struct gt_process_stat *stat)
{
    struct gt_process_stat now;

    return gt_process_look(stat->pid, &now) && now.start == stat->start;
}
