/* SPDX-License-Identifier: MIT */
#include "run_as.h"

#include "common/console.h"
#include "launch/rights.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int gt_run_as_settle(struct gt_run_as *run_as, const struct gt_cli *cli, struct gt_error *err)
{
    struct gt_error senseless;
    int rc;

    gt_sudo_user_init(&run_as->user);
    rc = gt_sudo_find(&run_as->how, &run_as->user, cli->as_root ? &senseless : err);
    run_as->kept_root = cli->as_root && (rc < 0 || run_as->how != GT_SUDO_NONE);
    if (rc < 0 && !cli->as_root)
        return rc;
    if (!cli->pid && (run_as->kept_root || run_as->how == GT_SUDO_ROOT_SHELL))
        run_as->name = "root";
    if (run_as->kept_root || run_as->how != GT_SUDO_USER)
        return 0;
    if (!cli->pid)
        run_as->name = run_as->user.name;
    return gt_rights_hold_back(&run_as->user, err);
}

void gt_run_as_release(struct gt_run_as *run_as)
{
    gt_sudo_user_release(&run_as->user);
}

/* How the interpreter was chosen. What sudo did to the environment is its configuration's
 * affair: as a rule PATH is its own, and VIRTUAL_ENV gone. */
static int add_interpreter(const struct gt_cli *cli, const struct gt_interp *interp,
                           struct gt_buf *text)
{
    const char *environment = getenv("VIRTUAL_ENV");
    bool active = environment && *environment;

    if (cli->python || !interp->executable)
        return 0;
    if (cli->target == GT_TARGET_COMMAND)
        return gt_buf_addf(text,
                           ", in %s (sudo may have changed PATH: a whole path names another)",
                           interp->executable);
    if (active && strncmp(interp->command, environment, strlen(environment)) == 0)
        return gt_buf_addf(text, ", in %s, of VIRTUAL_ENV (--python names another)",
                           interp->executable);
    return gt_buf_addf(
        text,
        ", in %s, the first python3 on PATH%s (sudo may have changed both: --python "
        "names another)",
        interp->executable, active ? ", since VIRTUAL_ENV has none" : ", without VIRTUAL_ENV");
}

int gt_run_as_note(const struct gt_run_as *run_as, const struct gt_cli *cli,
                   const struct gt_interp *interp, struct gt_strvec *notes)
{
    struct gt_buf text;
    int failed;

    if (run_as->how != GT_SUDO_USER || !run_as->name)
        return 0;
    gt_buf_init(&text);
    failed = gt_buf_addf(&text, "the program runs as %s", run_as->name) |
             add_interpreter(cli, interp, &text) | gt_strvec_push(notes, text.data);
    gt_buf_release(&text);
    return failed ? -1 : 0;
}

void gt_run_as_refuse(const struct gt_run_as *run_as, const struct gt_error *err)
{
    if (run_as->how == GT_SUDO_USER && !run_as->kept_root && err->code == GT_ERR_PERMISSION &&
        strstr(err->message, strerror(EACCES)))
        gt_say("%s; all files are opened as %s, who called sudo (--as-root: as root)",
               err->message, run_as->user.name);
    else
        gt_say("%s", err->message);
}

int gt_run_as_print(const struct gt_run_as *run_as, struct gt_buf *text)
{
    const struct gt_sudo_user *user = &run_as->user;
    int failed;

    if (!run_as->name && run_as->how != GT_SUDO_USER)
        return 0;
    if (run_as->kept_root)
        return gt_buf_adds(text, "user:        root (--as-root)\n");
    if (run_as->how == GT_SUDO_ROOT_SHELL)
        return gt_buf_adds(text, "user:        root (in a shell that sudo started)\n");
    failed = gt_buf_addf(text, "%s%s, who called sudo (uid %u, gid %u, groups",
                         run_as->name ? "user:        " : "files:       of ", user->name,
                         user->uid, user->gid);
    for (size_t i = 0; i < user->group_count; i++)
        failed |= gt_buf_addf(text, " %u", user->groups[i]);
    return failed | gt_buf_adds(text, "; --as-root keeps root)\n");
}
