/* SPDX-License-Identifier: MIT */
#include "launch/perfscript.h"

#include "base/strvec.h"
#include "launch/tools.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int gt_perfscript_start(const struct gt_perfscript *script, const struct gt_caps *caps,
                        uv_loop_t *loop, struct gt_child *child, struct gt_error *err)
{
    static const int stdio[] = {GT_CHILD_NULL, GT_CHILD_CAPTURE, GT_CHILD_CAPTURE};
    char fields[80];
    char *argv[13] = {caps->perf,
                      "script",
                      "-i",
                      (char *)script->data_path,
                      "--ns",
                      "--show-task-events",
                      "--show-lost-events",
                      "--show-switch-events"};
    size_t argc = 8;
    struct gt_child_spec spec = {
        .file = caps->perf,
        .argv = argv,
        .stdio = stdio,
        .stdio_count = 3,
        .own_session = true,
        .timeout_ms = gt_perf_timeout_ms(),
        .renewed_by_output = true,
        .on_data = script->on_data,
        .on_done = script->on_done,
        .context = script->context,
    };
    struct gt_strvec env;
    int rc;

    snprintf(fields, sizeof(fields), "comm,pid,tid,cpu,time,event,trace%s%s",
             script->stacks ? ",ip,sym,dso" : "", script->counters ? ",period" : "");
    if (!script->default_fields) {
        argv[argc++] = "-F";
        argv[argc++] = fields;
    }
    if (script->not_inlined) /* that asks addr2line, which takes ten times as long */
        argv[argc++] = "--no-inline";
    if (script->mappings)
        argv[argc++] = "--show-mmap-events";
    gt_strvec_init(&env);
    rc = gt_tool_environment(false, &env) ? gt_error_memory(err) : 0;
    spec.env = env.items;
    if (rc == 0)
        rc = gt_child_spawn(child, loop, &spec, err);
    gt_strvec_release(&env);
    return rc;
}

uint64_t gt_perfscript_most_events(const char *data_path)
{
    enum { RECORD_BYTES = 8, SLACK = 10000 }; /* sizeof(struct perf_event_header) */
    struct stat st;

    return stat(data_path, &st) ? 0 : (uint64_t)st.st_size / RECORD_BYTES + SLACK;
}

void gt_perfscript_look(struct gt_perfscript *script, const struct gt_caps *caps,
                        uv_loop_t *loop)
{
    char *argv[] = {caps->perf, "evlist", "-v", "-i", (char *)script->data_path, NULL};
    struct gt_child child;

    if (gt_perf_run(&child, loop, argv, NULL) < 0)
        return;
    /* Tracepoints and probes are of type 2; "PERIOD" is in every sample type with -P or a
     * frequency. */
    script->stacks = strstr(child.out_text.data, "CALLCHAIN") != NULL;
    script->counters = strstr(child.out_text.data, "freq: 1") != NULL;
    gt_child_release(&child);
}

bool gt_perfscript_lacks_field(const struct gt_child *child)
{
    return !gt_child_succeeded(child) && strstr(child->err_text.data, "do not have") != NULL &&
           strstr(child->err_text.data, "attribute set") != NULL;
}

int gt_perfscript_judge(const struct gt_child *child, const char *name, struct gt_error *err)
{
    char complaint[256];

    if (child->timed_out)
        return gt_error_set(err, GT_ERR_CHILD,
                            "perf script gave nothing for %llu s and was ended: what came "
                            "later in %s was not read (set GILTRACER_PERF_TIMEOUT to more "
                            "seconds)",
                            (unsigned long long)gt_perf_timeout_ms() / 1000, name);
    if (child->flooded)
        return gt_error_set(
            err, GT_ERR_CHILD,
            "perf script did not stop writing messages and was ended: what came "
            "later in %s was not read",
            name);
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
