/* SPDX-License-Identifier: MIT */
#include "open_files.h"

#include "launch/limits.h"

#include <bsd/string.h>

/* Beyond those that giltracer was given, and one for each output: 20 and 31 were the least with
 * which runs of all kinds succeeded (tests/e2e/test_limits.py). */
enum { NEEDED_ALONE = 22, NEEDED_WITH_PERF = 34 };

static unsigned given_and_outputs(const struct gt_cli *cli,
                                  const struct gt_inherited *inherited)
{
    size_t outputs = cli->outputs.count ? cli->outputs.count : 1;

    return inherited->open_count + (unsigned)outputs + (cli->summary ? 1 : 0);
}

int gt_open_files_check(const struct gt_cli *cli, const struct gt_inherited *inherited,
                        struct gt_error *err)
{
    return gt_limits_check_open(given_and_outputs(cli, inherited) + NEEDED_ALONE,
                                "a run with the agent alone", err);
}

void gt_open_files_judge(const struct gt_cli *cli, const struct gt_inherited *inherited,
                         struct gt_caps *caps)
{
    struct gt_error why;

    if (!caps->record_why[0] &&
        gt_limits_check_open(given_and_outputs(cli, inherited) + NEEDED_WITH_PERF,
                             "recording with perf", &why) < 0)
        strlcpy(caps->record_why, why.message, sizeof(caps->record_why));
}
