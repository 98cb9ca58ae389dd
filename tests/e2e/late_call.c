/* SPDX-License-Identifier: MIT */
/* late_call PID LIBRARY SYMBOL SETTINGS [TIMES]: has a running CPython load the library and
 * call the function, and prints {"result", "stopped_ns", "stops", "pending"} of each time in a
 * line. */
#include "attach/late.h"

#include "base/strvec.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct gt_running running = {.pidfd = -1};
    struct gt_python python;
    struct gt_interp interp;
    struct gt_error err = {0};
    int times = argc > 5 ? atoi(argv[5]) : 1, rc;

    if (argc < 5)
        return 2;
    gt_interp_init(&interp);
    rc = gt_running_open(&running, atoi(argv[1]), &err);
    if (rc == 0)
        rc = gt_python_find(&python, &interp, &running, &err);
    if (rc == 0)
        rc = gt_late_check(&running, false, &err);
    for (int i = 0; rc == 0 && i < times; i++) {
        const struct gt_late_call call = {argv[2], argv[3], argv[4], false};
        struct gt_late_told told;

        rc = gt_late_do(&told, &call, &running, &python, &err);
        if (rc == 0)
            printf("{\"result\": %d, \"stopped_ns\": %lld, \"stops\": %u, \"pending\": %s}\n",
                   told.result, (long long)told.stopped_ns, told.stops,
                   told.pending ? "true" : "false");
        fflush(stdout);
    }
    if (rc < 0)
        fprintf(stderr, "late_call: %s\n", err.message);
    gt_interp_release(&interp);
    gt_running_release(&running);
    return rc < 0;
}
