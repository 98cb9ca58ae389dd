/* SPDX-License-Identifier: MIT */
#include "repeat.h"

#include "common/console.h"
#include "common/exit_status.h"
#include "first_word.h"
#include "follow.h"
#include "run.h"

static int run_all(const struct gt_cli *cli, const struct gt_inherited *inherited,
                   const struct gt_run_as *run_as)
{
    const struct gt_checks_asked asked = {.fail_if = cli->fail_if.items,
                                          .when = cli->when.items,
                                          .baseline = cli->baseline,
                                          .runs = cli->repeat,
                                          .quiet = cli->quiet};
    struct gt_checks checks;
    struct gt_error err;
    int status = 0;

    if (gt_checks_init(&checks, &asked, &err) < 0) {
        if (err.code == GT_ERR_PERMISSION)
            gt_run_as_refuse(run_as, &err);
        else
            gt_checks_refuse("giltracer", &err);
        status = GT_EXIT_OURS;
    }
    for (unsigned i = 1; status == 0 && i <= cli->repeat; i++) {
        status = gt_run_once(cli, inherited, run_as, &checks, i == cli->repeat);
        if (status && i < cli->repeat)
            gt_say("run %u of %u ended with status %d: no report", i, cli->repeat, status);
    }
    gt_checks_release(&checks);
    return status;
}

int gt_repeat(struct gt_cli *cli, const struct gt_inherited *inherited)
{
    struct gt_run_as run_as = {0};
    struct gt_error err;
    int status = GT_EXIT_OURS;

    /* Before anything is read that the user names. */
    if (gt_run_as_settle(&run_as, cli, &err) < 0)
        gt_say("%s", err.message);
    else if (gt_config_apply(cli, &err) < 0)
        gt_run_as_refuse(&run_as, &err);
    else if (gt_first_word_settle(cli, &status, &err) < 0)
        gt_run_as_refuse(&run_as, &err);
    else if (gt_follow_is_asked(cli))
        status = gt_follow(cli, inherited, &run_as);
    else
        status = run_all(cli, inherited, &run_as);
    gt_run_as_release(&run_as);
    return status;
}
