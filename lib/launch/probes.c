/* SPDX-License-Identifier: MIT */
#include "launch/probes.h"

#include "base/fs.h"
#include "base/strvec.h"
#include "launch/owner.h"
#include "launch/rights.h"
#include "launch/tools.h"

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SWEPT = 32 };

int gt_probe_definition(const struct gt_probe_set *set, const struct gt_probe *probe,
                        struct gt_buf *text)
{
    return gt_buf_addf(text, "%s:%s=0x%llx%s%s%s", set->group, probe->event,
                       (unsigned long long)probe->offset, probe->on_return ? "%return" : "",
                       probe->argument ? " " : "", probe->argument ? probe->argument : "");
}

/* The path of a file as its own mount namespace names it, which perf enters: what comes after
 * /proc/PID/root is below the process's root in there. */
static int push_path(const struct gt_probe_set *set, const char *path, struct gt_strvec *argv)
{
    char prefix[48], root[PATH_MAX];
    ssize_t length;

    snprintf(prefix, sizeof(prefix), "/proc/%d/root", set->inside_pid);
    if (!set->inside_pid || strncmp(path, prefix, strlen(prefix)) != 0)
        return gt_strvec_push(argv, path);
    length = readlink(prefix, root, sizeof(root) - 1);
    root[length > 1 ? length : 0] = '\0';
    return gt_strvec_pushf(argv, "%s%s", root, path + strlen(prefix));
}

/* `perf probe -x FILE -a … -a …` for the probes from `first` on that share its file; `next`
 * is the first that does not. */
static int install_command(const struct gt_probe_set *set, const struct gt_caps *caps,
                           size_t first, size_t *next, struct gt_strvec *argv)
{
    const char *path = set->probes[first].path;
    /* Without -f, perf refuses the name of an event that exists in any group, and so two runs
     * at the same time; with it, perf takes the next free name, "signal_1". */
    int failed = gt_strvec_push(argv, caps->perf) | gt_strvec_push(argv, "probe") |
                 gt_strvec_push(argv, "-f");
    size_t i;

    if (set->inside_pid)
        failed |=
            gt_strvec_push(argv, "--target-ns") | gt_strvec_pushf(argv, "%d", set->inside_pid);
    failed |= gt_strvec_push(argv, "-x") | push_path(set, path, argv);
    for (i = first; i < set->count && strcmp(set->probes[i].path, path) == 0; i++) {
        struct gt_buf text;

        gt_buf_init(&text);
        failed |= gt_probe_definition(set, &set->probes[i], &text) |
                  gt_strvec_push(argv, "-a") | gt_strvec_push(argv, text.data);
        gt_buf_release(&text);
    }
    *next = i;
    return failed;
}

static int run_install(char *const *argv, const char *path, uv_loop_t *loop,
                       struct gt_error *err)
{
    struct gt_child child;
    int rc = gt_perf_run(&child, loop, argv, err);

    if (rc < 0)
        return rc;
    if (!gt_child_succeeded(&child)) {
        char complaint[256];

        gt_child_complaint(&child, complaint, sizeof(complaint));
        rc = gt_error_set(err, GT_ERR_PERMISSION,
                          "perf probe cannot install probes in %s%s%s (they need root, uprobes "
                          "in the kernel and tracefs; giltracer --doctor tells more)",
                          path, complaint[0] ? ": " : "", complaint);
    }
    gt_child_release(&child);
    return rc;
}

bool gt_probes_remove(const char *group, const struct gt_caps *caps, uv_loop_t *loop)
{
    struct gt_child child;
    bool removed;

    if (gt_probes_start_removal(group, caps, loop, &child, NULL) < 0)
        return false;
    while (!child.done)
        uv_run(loop, UV_RUN_ONCE);
    removed = gt_child_succeeded(&child);
    gt_child_release(&child);
    return removed;
}

int gt_probes_install(const struct gt_probe_set *set, const struct gt_caps *caps,
                      uv_loop_t *loop, struct gt_error *err)
{
    int rc = 0;

    for (size_t next, first = 0; first < set->count && rc == 0; first = next) {
        struct gt_strvec argv;

        gt_strvec_init(&argv);
        if (install_command(set, caps, first, &next, &argv))
            rc = gt_error_memory(err);
        else
            rc = run_install(argv.items, set->probes[first].path, loop, err);
        gt_strvec_release(&argv);
        if (rc < 0) /* perf may have installed some of them */
            gt_probes_remove(set->group, caps, loop);
    }
    return rc;
}

int gt_probes_start_removal(const char *group, const struct gt_caps *caps, uv_loop_t *loop,
                            struct gt_child *child, struct gt_error *err)
{
    static const int stdio[] = {GT_CHILD_NULL, GT_CHILD_CAPTURE, GT_CHILD_CAPTURE};
    char pattern[GT_OWNER_SIZE + 2];
    char *argv[] = {caps->perf, "probe", "-q", "-d", pattern, NULL};
    struct gt_child_spec spec = {
        .file = caps->perf,
        .argv = argv,
        .stdio = stdio,
        .stdio_count = 3,
        .privileged = true,
        .own_session = true,
        .timeout_ms = gt_perf_timeout_ms(),
    };
    struct gt_strvec env;
    int rc;

    snprintf(pattern, sizeof(pattern), "%s:*", group);
    gt_strvec_init(&env);
    rc = gt_tool_environment(true, &env) ? gt_error_memory(err) : 0;
    spec.env = env.items;
    if (rc == 0)
        rc = gt_child_spawn(child, loop, &spec, err);
    gt_strvec_release(&env);
    return rc;
}

void gt_probes_sweep(const struct gt_caps *caps, uv_loop_t *loop)
{
    char path[128], last[GT_OWNER_SIZE] = "";
    struct gt_buf text;
    int swept = 0;

    if (!caps->tracefs)
        return;
    snprintf(path, sizeof(path), "%s/uprobe_events", caps->tracefs);
    gt_buf_init(&text);
    gt_rights_raise();
    if (gt_fs_read(path, &text, 4 << 20, NULL) < 0)
        text.length = 0;
    gt_rights_lower();
    /* Lines are "p:GROUP/EVENT FILE:OFFSET …". */
    for (char *line = text.data; line && *line && swept < MAX_SWEPT;) {
        char group[GT_OWNER_SIZE];
        char *next = strchr(line, '\n');

        if (sscanf(line, "%*c:%63[^/ ]/", group) == 1 && strcmp(group, last) != 0 &&
            gt_owner_is_gone(group)) {
            gt_probes_remove(group, caps, loop);
            strlcpy(last, group, sizeof(last));
            swept++;
        }
        line = next ? next + 1 : NULL;
    }
    gt_buf_release(&text);
}
