/* SPDX-License-Identifier: MIT */
#include "under_viztracer.h"

#include "common/console.h"
#include "launch/tools.h"

#include <sys/stat.h>

enum { IMPORT_TIMEOUT_MS = 20000 };

int gt_under_viztracer_check(const struct gt_interp *interp, uv_loop_t *loop,
                             struct gt_error *err)
{
    char *argv[] = {interp->command, "-c", "import viztracer", NULL};
    struct gt_child child;
    bool has;
    int rc = gt_tool_run(&child, loop, argv, IMPORT_TIMEOUT_MS, err);

    if (rc < 0)
        return rc;
    has = gt_child_succeeded(&child);
    gt_child_release(&child);
    return has ? 0
               : gt_error_set(err, GT_ERR_UNSUPPORTED,
                              "%s has no VizTracer: run %s -m pip install viztracer, or leave "
                              "out --viztracer (giltracer's own agent traces functions, too)",
                              interp->command, interp->command);
}

int gt_under_viztracer_command(const struct gt_interp *interp, const struct gt_cli *cli,
                               const char *path, struct gt_strvec *target)
{
    char *const *words = cli->words.items;
    int failed = gt_strvec_push(target, interp->command) |
                 gt_strvec_push_all(target, cli->interpreter.items) |
                 gt_strvec_push(target, "-m") | gt_strvec_push(target, "viztracer") |
                 gt_strvec_push(target, "--quiet") | gt_strvec_push(target, "-o") |
                 gt_strvec_push(target, path);

    if (cli->target != GT_TARGET_SCRIPT)
        failed |= gt_strvec_push(target, cli->target == GT_TARGET_MODULE ? "-m" : "-c") |
                  gt_strvec_push(target, *words++);
    return failed | gt_strvec_push(target, "--") | gt_strvec_push_all(target, words);
}

struct gt_viztracer *gt_under_viztracer_open(const char *path)
{
    struct gt_error damage = {0}, err;
    struct gt_viztracer *trace;
    struct stat st;

    /* The program may have put a FIFO there, which nobody writes to. */
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        gt_say("no functions: %s, where VizTracer was to write, is no file", path);
        return NULL;
    }
    trace = gt_viztracer_open(path, &damage, &err);

    if (!trace && err.code == GT_ERR_NOT_FOUND)
        gt_say("no functions: VizTracer wrote no trace (it does so at the program's end, which "
               "a signal or os._exit forestalls)");
    else if (!trace)
        gt_say("no functions: %s", err.message);
    else if (damage.code)
        gt_say("%s", damage.message);
    return trace;
}
