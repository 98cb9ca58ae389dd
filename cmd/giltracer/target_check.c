/* SPDX-License-Identifier: MIT */
#include "target_check.h"

#include "common/console.h"
#include "common/exit_status.h"
#include "launch/elf.h"
#include "launch/tools.h"
#include "under_viztracer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int gt_target_check(const char *script, int *status, struct gt_error *err)
{
    char inside[PATH_MAX];
    struct stat st;

    *status = GT_EXIT_NOT_EXECUTABLE;
    if (strcmp(script, "-") == 0)
        return 0;
    if (stat(script, &st)) {
        if (errno == ENOENT || errno == ENOTDIR)
            *status = GT_EXIT_NOT_FOUND;
        return gt_error_errno(err, "cannot open the script %s", script);
    }
    if (faccessat(AT_FDCWD, script, R_OK, AT_EACCESS))
        return gt_error_errno(err, "cannot read the script %s", script);
    snprintf(inside, sizeof(inside), "%s/__main__.py", script);
    if (S_ISDIR(st.st_mode) && faccessat(AT_FDCWD, inside, R_OK, AT_EACCESS))
        return gt_error_set(err, GT_ERR_NOT_FOUND,
                            "%s is a folder without __main__.py: name a script", script);
    return 0;
}

int gt_target_find_interpreter(struct gt_interp *interp, uv_loop_t *loop,
                               const struct gt_cli *cli, int *status, struct gt_error *err)
{
    int rc;

    if (cli->target == GT_TARGET_COMMAND)
        rc = gt_interp_of_command(interp, loop, cli->words.items[0], err);
    else
        rc = gt_interp_find(interp, loop, cli->python, err);
    *status = rc == GT_ERR_NOT_FOUND ? GT_EXIT_NOT_FOUND : GT_EXIT_OURS;
    return rc;
}

int gt_target_command(const struct gt_interp *interp, const struct gt_cli *cli,
                      const char *viztracer_path, struct gt_strvec *target)
{
    int failed = 0;

    if (viztracer_path)
        return gt_under_viztracer_command(interp, cli, viztracer_path, target);
    if (cli->target != GT_TARGET_COMMAND)
        failed |= gt_strvec_push(target, interp->command) |
                  gt_strvec_push_all(target, cli->interpreter.items);
    if (cli->target == GT_TARGET_MODULE)
        failed |= gt_strvec_push(target, "-m");
    if (cli->target == GT_TARGET_CODE)
        failed |= gt_strvec_push(target, "-c");
    return failed | gt_strvec_push_all(target, cli->words.items);
}

int gt_target_say_exec_failed(const char *program, int error)
{
    char *path = gt_tool_find(program);
    char loader[PATH_MAX];

    if (error < 0) {
        gt_say("cannot run %s: its process could not give root up for the user who called "
               "sudo: %s (--as-root runs it as root)",
               program, strerror(-error));
        free(path);
        return GT_EXIT_OURS;
    }
    if (path && error == ENOENT && gt_elf_lacks_loader(path, loader, sizeof(loader)))
        gt_say("cannot run %s: its loader %s is not here", program, loader);
    else
        gt_say("cannot run %s: %s", program, strerror(error));
    free(path);
    return error == ENOENT ? GT_EXIT_NOT_FOUND : GT_EXIT_NOT_EXECUTABLE;
}
