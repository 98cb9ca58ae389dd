#include "launch/counters.h"

#include "launch/tools.h"

#include <string.h>

enum { CHECK_MS = 20000 };

int gt_counter_check(const struct gt_caps *caps, uv_loop_t *loop, const char *event,
                     struct gt_error *err)
{
    char *argv[] = {caps->perf, "stat", "-x,", "-e", (char *)event, "--", "true", NULL};
    struct gt_child child;
    int rc;

    /* Several events in one -e would be recorded without their frequencies. */
    if (event[0] == '-' || !event[0] || (strchr(event, ',') && !strchr(event, '/')))
        return gt_error_set(err, GT_ERR_USAGE, "%s is not one event: give each its own -e",
                            event[0] ? event : "(an empty name)");
    rc = gt_tool_run(&child, loop, argv, CHECK_MS, err);
    if (rc < 0)
        return rc;
    /* perf stat prints its figures on stderr. */
    if (!gt_child_succeeded(&child) || strstr(child.err_text.data, "event syntax error"))
        rc = gt_error_set(err, GT_ERR_NOT_FOUND,
                          "perf cannot count the event %s (perf list shows those it knows)",
                          event);
    else if (strstr(child.err_text.data, "<not supported>"))
        rc = gt_error_set(err, GT_ERR_UNSUPPORTED,
                          "this machine cannot count the event %s (virtual machines often lack "
                          "hardware counters)",
                          event);
    gt_child_release(&child);
    return rc;
}
