/* SPDX-License-Identifier: MIT */
#include "launch/roots.h"

#include "agent/wire.h"
#include "base/fs.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { ROOTS_MAX = 1000 };

/* The target wrote it: only what bears the name of such a folder, and the names of the agent's
 * files in it, are removed, and with no more rights than the target had. */
static void remove_one(const char *path)
{
    static const char *const names[] = {GT_WIRE_LIBRARY_NAME, GT_WIRE_CONTROL_NAME,
                                        GT_WIRE_LOG_NAME};
    const char *base = strrchr(path, '/');
    int folder;

    if (path[0] != '/' || !gt_fs_is_private_name(base + 1))
        return;
    folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlinkat(folder, names[i], 0);
    close(folder);
    rmdir(path);
}

void gt_roots_remove(int folder)
{
    int fd = openat(folder, "agent/" GT_WIRE_ROOTS_NAME,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    char line[PATH_MAX];

    for (int i = 0; file && i < ROOTS_MAX && fgets(line, sizeof(line), file); i++) {
        line[strcspn(line, "\n")] = '\0';
        remove_one(line);
    }
    if (file)
        fclose(file);
    else if (fd >= 0)
        close(fd);
}
