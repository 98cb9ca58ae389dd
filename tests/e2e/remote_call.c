/* SPDX-License-Identifier: MIT */
/* remote_call PID LIBRARY SYMBOL SETTINGS FOLDER INSIDE: has a running CPython load the agent
 * and call the function by its remote-debugging protocol, with a script in the folder, which
 * the process names INSIDE; prints what the function returned. */
#include "attach/remote.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct gt_running running = {.pidfd = -1};
    struct gt_python python;
    struct gt_interp interp;
    struct gt_error err = {0};
    struct gt_late_told told = {0};
    int folder, rc;

    if (argc < 7)
        return 2;
    gt_interp_init(&interp);
    folder = open(argv[5], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    rc = folder < 0 ? gt_error_errno(&err, "%s", argv[5])
                    : gt_running_open(&running, atoi(argv[1]), &err);
    if (rc == 0)
        rc = gt_python_find(&python, &interp, &running, &err);
    if (rc == 0) {
        const struct gt_late_call call = {argv[2], argv[3], argv[4], false};

        rc = gt_remote_do(&told, &call, folder, argv[6], &running, &python, &err);
    }
    if (rc < 0)
        fprintf(stderr, "remote_call: %s\n", err.message);
    else
        printf("%d\n", told.result);
    if (folder >= 0)
        close(folder);
    gt_interp_release(&interp);
    gt_running_release(&running);
    return rc < 0;
}
