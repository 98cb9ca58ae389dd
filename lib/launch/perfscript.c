#include "launch/perfscript.h"

#include "base/strvec.h"
#include "launch/tools.h"

#include <string.h>

int gt_perfscript_start(const struct gt_perfscript *script, const struct gt_caps *caps,
                        uv_loop_t *loop, struct gt_child *child, struct gt_error *err)
{
    static const int stdio[] = {GT_CHILD_NULL, GT_CHILD_CAPTURE, GT_CHILD_CAPTURE};
    char *argv[] = {caps->perf,
                    "script",
                    "-i",
                    (char *)script->data_path,
                    "--ns",
                    "--show-task-events",
                    "--show-lost-events",
                    script->default_fields ? NULL : "-F",
                    "comm,pid,tid,cpu,time,event,trace",
                    NULL};
    struct gt_child_spec spec = {
        .file = caps->perf,
        .argv = argv,
        .stdio = stdio,
        .stdio_count = 3,
        .own_session = true,
        .on_data = script->on_data,
        .on_done = script->on_done,
        .context = script->context,
    };
    struct gt_strvec env;
    int rc;

    gt_strvec_init(&env);
    rc = gt_tool_environment(&env) ? gt_error_memory(err) : 0;
    spec.env = env.items;
    if (rc == 0)
        rc = gt_child_spawn(child, loop, &spec, err);
    gt_strvec_release(&env);
    return rc;
}

bool gt_perfscript_lacks_field(const struct gt_child *child)
{
    return !gt_child_succeeded(child) && strstr(child->err_text.data, "do not have") != NULL &&
           strstr(child->err_text.data, "attribute set") != NULL;
}

int gt_perfscript_judge(const struct gt_child *child, const char *name, struct gt_error *err)
{
    char complaint[256];

    gt_child_complaint(child, complaint, sizeof(complaint));
    complaint[strcspn(complaint, "(")] = '\0'; /* perf's "(rerun with -v …)" */
    if (!gt_child_succeeded(child))
        return gt_error_set(err, GT_ERR_FORMAT,
                            "perf script cannot read all of %s%s%s (was it ended properly, and "
                            "made by this version of perf or an older one?)",
                            name, complaint[0] ? ": " : "", complaint);
    /* Some damage is only warned about. */
    if (strstr(child->err_text.data, "data size field is 0") ||
        strstr(child->err_text.data, "unexpected end"))
        return gt_error_set(err, GT_ERR_FORMAT,
                            "%s is truncated: perf record was not ended properly", name);
    return 0;
}
